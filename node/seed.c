#include "node/seed.h"

#include <string.h>

#include "consensus/manifest.h"

static int take_over(const struct seed *seed, struct log *log, struct fault *fault)
{
    static const uint8_t nothing[8] = {0};
    uint64_t index = log_last_index(log) + 1;
    uint64_t last = seed->old == NULL ? 0 : log_last_index(seed->old);
    struct log_entry entry;
    struct bytes data;
    int rv = 0;

    bytes_init(&data);
    for (; rv == 0 && index <= last; index++) {
        rv = log_read(seed->old, index, &entry, &data, fault);
        if (rv == 0 && entry.type == LOG_CHANGE) {
            entry.type = LOG_BARRIER;
            entry.data = nothing;
            entry.len = sizeof nothing;
        }
        if (rv == 0) {
            rv = log_append(log, &entry, 1, fault);
        }
    }
    bytes_release(&data);
    return rv == 0 ? log_sync(log, fault) : rv;
}

static int fill(const struct seed *seed, struct log *log, const struct bytes *members,
                struct fault *fault)
{
    struct log_snapshot snapshot = {
        .index = seed->index, .term = seed->term, .configuration_index = seed->index};
    int rv = 0;

    if (seed->index != 0) {
        bytes_init(&snapshot.configuration);
        bytes_init(&snapshot.manifest);
        bytes_append(&snapshot.configuration, members->base, members->len);
        bytes_append(&snapshot.manifest, seed->head, sizeof seed->head);
        rv = log_set_snapshot(log, &snapshot, fault);
        log_snapshot_release(&snapshot);
    }
    if (rv == 0) {
        rv = take_over(seed, log, fault);
    }
    return rv == 0 ? log_set_vote(log, seed->vote_term, 0, fault) : rv;
}

int seed_log(const struct seed *seed, const char *folder, struct fault *fault)
{
    struct log_entry first = {.index = 1, .term = 1, .type = LOG_CHANGE};
    struct bytes members;
    struct disk disk;
    struct log *log;
    int rv;

    bytes_init(&members);
    if (configuration_encode(seed->members, seed->n_members, &members, fault) != 0) {
        bytes_release(&members);
        return -1;
    }
    first.data = members.base;
    first.len = members.len;
    rv = disk_posix_open(&disk, folder);
    if (rv != 0) {
        bytes_release(&members);
        return fault_set(fault, "can't open the folder %s: %s", folder, strerror(-rv));
    }
    rv = log_format(&disk, &seed->identity, seed->index == 0 ? &first : NULL, fault);
    if (rv == 0) {
        rv = log_open(&log, &disk, &seed->identity, NULL, NULL, fault);
    }
    if (rv == 0) {
        rv = fill(seed, log, &members, fault);
        log_close(log);
    }
    disk.release(disk.impl);
    bytes_release(&members);
    return rv;
}
