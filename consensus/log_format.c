/* Making a log, and what making and opening share: the folder's names, a segment's creation. */
#include "consensus/log_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/disk_io.h"
#include "statemachine/failpoint.h"

enum { SEGMENTS_MAX = 1 << 20 };

static void numbers_note(void *context, const char *name)
{
    struct log_numbers *numbers = context;
    uint64_t number;
    uint64_t *base;

    if (strcmp(name, "snapshot") == 0) {
        numbers->others = true;
    }
    if (!segment_name_parse(name, &number)) {
        return;
    }
    numbers->others = numbers->others || number != 1;
    if (numbers->n == numbers->cap) {
        numbers->cap = numbers->cap == 0 ? 64 : numbers->cap * 2;
        base = reallocarray(numbers->base, numbers->cap, sizeof base[0]);
        if (base == NULL) {
            fprintf(stderr, "level=fatal msg=\"out of memory\" segments=%zu\n", numbers->n);
            abort();
        }
        numbers->base = base;
    }
    numbers->base[numbers->n++] = number;
}

int log_numbers_list(struct log_numbers *numbers, struct disk *disk, struct fault *fault)
{
    int rv;

    *numbers = (struct log_numbers){NULL, 0, 0, false};
    rv = disk->list(disk->impl, numbers_note, numbers);
    if (rv != 0) {
        return disk_fault(fault, disk, "listing", ".", rv);
    }
    if (numbers->n > SEGMENTS_MAX) {
        return fault_set(fault, "%s holds %zu segments, more than %d", disk->where(disk->impl),
                         numbers->n, SEGMENTS_MAX);
    }
    return 0;
}

int log_remove_file(struct disk *disk, const char *name, struct fault *fault)
{
    int rv = disk->remove(disk->impl, name);

    return rv == 0 || rv == -ENOENT ? 0 : disk_fault(fault, disk, "removing", name, rv);
}

/* Temporary files of a replacement that a crash interrupted. Their names needn't be gone durably:
 * the next replacement empties them. */
int log_remove_leftovers(struct disk *disk, struct fault *fault)
{
    size_t i;

    for (i = 0; manifest_leftovers[i] != NULL; i++) {
        if (log_remove_file(disk, manifest_leftovers[i], fault) != 0) {
            return -1;
        }
    }
    return 0;
}

int log_segment_create(struct disk *disk, const struct segment_header *header, uint32_t bytes,
                       int *handle, struct fault *fault)
{
    uint8_t sector[SEGMENT_HEADER];
    char name[DISK_NAME_MAX];
    int rv;

    segment_name(header->number, name);
    segment_header_encode(header, sector);
    *handle = disk->open(disk->impl, name, 1);
    if (*handle < 0) {
        return disk_fault(fault, disk, "creating", name, *handle);
    }
    rv = disk->truncate(disk->impl, *handle, 0); /* whatever had this name holds nothing now */
    if (rv == 0) {
        rv = disk->allocate(disk->impl, *handle, bytes);
    }
    if (rv != 0) {
        disk_fault(fault, disk, "allocating", name, rv);
        goto err;
    }
    FAILPOINT("segment: allocated");
    if (disk_write_all(disk, *handle, name, sector, sizeof sector, 0, fault) != 0) {
        goto err;
    }
    FAILPOINT("segment: header written");
    if (disk_sync_file(disk, *handle, name, fault) != 0) {
        goto err;
    }
    FAILPOINT("segment: header synced");
    return 0;

err:
    disk->close(disk->impl, *handle);
    return -1;
}

/* The first segment, never appended to later: the next life begins one of its own. */
static int format_segment(struct disk *disk, const struct log_entry *first, struct fault *fault)
{
    struct segment_header header = {.number = 1, .next_index = 1};
    char name[DISK_NAME_MAX];
    struct bytes record;
    int handle;
    int rv = -1;

    segment_name(1, name);
    bytes_init(&record);
    if (first != NULL) {
        segment_record_append(&record, 1, SEGMENT_HEADER, first, SEGMENT_HEADER);
    }
    if (log_segment_create(disk, &header, (uint32_t)(SEGMENT_HEADER + record.len), &handle,
                           fault) != 0) {
        goto out;
    }
    rv = disk_write_all(disk, handle, name, record.base, record.len, SEGMENT_HEADER, fault);
    if (rv == 0) {
        rv = disk_sync_file(disk, handle, name, fault);
    }
    disk->close(disk->impl, handle);
out:
    bytes_release(&record);
    return rv;
}

/* -1 when the folder holds a log, or parts of one that no interrupted log_format leaves. */
static int format_check(struct disk *disk, struct fault *fault)
{
    struct log_identity identity;
    struct log_numbers numbers;
    bool found;
    int rv;

    if (identity_read(disk, &identity, &found, fault) != 0) {
        return -1;
    }
    if (found) {
        return fault_set(fault, "%s already holds the log of node %llu of cluster %s",
                         disk->where(disk->impl), (unsigned long long)identity.node_id,
                         identity.cluster_id);
    }
    rv = log_numbers_list(&numbers, disk, fault);
    free(numbers.base);
    if (rv == 0 && (numbers.others || !vote_file_unused(disk))) {
        return fault_set(fault, "%s holds parts of a log but no identity: %s",
                         disk->where(disk->impl), DISK_REMEDY);
    }
    return rv;
}

int log_format(struct disk *disk, const struct log_identity *identity,
               const struct log_entry *first, struct fault *fault)
{
    if (first != NULL && (first->index != 1 || first->len == 0 || first->len % 8 != 0 ||
                          first->len > LOG_ENTRY_MAX)) {
        return fault_set(fault, "the first entry (index %llu, %zu bytes) is not well formed",
                         (unsigned long long)first->index, first->len);
    }
    if (format_check(disk, fault) != 0 || log_remove_leftovers(disk, fault) != 0 ||
        vote_file_format(disk, first == NULL ? 0 : 1, fault) != 0 ||
        format_segment(disk, first, fault) != 0 || disk_sync_names(disk, fault) != 0) {
        return -1;
    }
    /* Last: only with an identity is it a log, and then it is whole. */
    return identity_write(disk, identity, fault);
}
