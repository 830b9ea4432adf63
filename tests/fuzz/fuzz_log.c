/* Arbitrary bytes as the newest segment of a log. log_open must answer, never crash; and what it
 * accepts must then be a log: it can be walked, read, appended to and opened again with the same.
 *
 * Checksums would stop a fuzzer at the door, so the first byte of the input chooses which of them
 * are made right: bit 0 the segment's header, bit 1 the records' headers, bit 2 the payloads'. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "statemachine/crc32c.h"
#include "consensus/segment.h"
#include "tests/sim/sim_disk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct log_identity identity = {.cluster_id = "fuzz", .node_id = 1};
static const struct log_options options = {.segment_bytes = 4096};

static void put_u32(uint8_t *at, uint32_t v)
{
    int i;

    for (i = 0; i < 4; i++) {
        at[i] = (uint8_t)(v >> (8 * i));
    }
}

static uint32_t get_u32(const uint8_t *at)
{
    struct cursor c = cursor_of(at, 4);

    return cursor_u32(&c);
}

/* Offsets in a record's header are those of docs/formats.md. */
static void mend(uint8_t *file, size_t size, uint8_t what)
{
    uint32_t end = SEGMENT_HEADER;

    if ((what & 1) != 0) {
        struct segment_header h = {.number = 2, .next_index = 2, .previous_end = 568};
        h.restart = (file[12] & 1) != 0;
        segment_header_encode(&h, file);
    }
    while ((what & 2) != 0 && segment_end_after(end, 8) <= size) {
        uint32_t offset = segment_place(end);
        uint8_t *at = file + offset;
        uint32_t len = get_u32(at + 4) % 2048 / 8 * 8;
        if (len == 0 || offset + SEGMENT_RECORD_HEADER + len > size) {
            break;
        }
        put_u32(at, 0x63724c46);
        put_u32(at + 4, len);
        put_u32(at + 24, 2);
        put_u32(at + 28, offset);
        if ((what & 4) != 0) {
            put_u32(at + 40, crc32c(0, at + SEGMENT_RECORD_HEADER, len));
        }
        put_u32(at + 44, crc32c(0, at, 44));
        end = offset + SEGMENT_RECORD_HEADER + len;
    }
}

static void require(int ok, const char *what, const struct fault *fault)
{
    if (!ok) {
        fprintf(stderr, "%s: %s\n", what, fault->text);
        abort();
    }
}

static void ignore_entry(void *context, const struct log_entry *entry)
{
    uint64_t *count = context;

    *count += entry->len > 0;
}

/* A log that was accepted must hold together. */
static void use(struct log *log, struct disk *disk)
{
    struct log_entry entry = {.type = LOG_COMMAND, .data = (const uint8_t *)"8 bytes.", .len = 8};
    struct bytes bytes;
    struct fault fault = {""};
    uint64_t i, count = 0;
    uint64_t first = log_first_index(log);
    uint64_t last = log_last_index(log);

    bytes_init(&bytes);
    require(log_walk(log, ignore_entry, &count, &fault) == 0, "walk", &fault);
    require(count == last + 1 - first, "walk's count", &fault);
    for (i = first; i <= last; i++) {
        struct log_entry e;
        require(log_read(log, i, &e, &bytes, &fault) == 0, "read", &fault);
    }
    entry.index = last + 1;
    entry.term = UINT64_MAX;
    require(log_append(log, &entry, 1, &fault) == 0, "append", &fault);
    require(log_sync(log, &fault) == 0, "sync", &fault);
    log_close(log);
    require(log_open(&log, disk, &identity, &options, NULL, &fault) == 0, "open again", &fault);
    require(log_first_index(log) == first && log_last_index(log) == last + 1, "again", &fault);
    log_close(log);
    bytes_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_entry first = {1, 1, LOG_CHANGE, (const uint8_t *)"8 bytes.", 8};
    struct sim_disk *sim;
    struct disk disk;
    struct log *log;
    struct fault fault = {""};
    uint8_t *file;

    if (size < 1 + SEGMENT_HEADER || size > 65536) {
        return 0;
    }
    sim = sim_disk_new();
    sim_disk_interface(sim, &disk);
    require(log_format(&disk, &identity, &first, &fault) == 0, "format", &fault);
    file = malloc(size - 1);
    memcpy(file, data + 1, size - 1);
    mend(file, size - 1, data[0]);
    sim_disk_put(sim, "0000000000000002.seg", file, size - 1);
    if (log_open(&log, &disk, &identity, &options, NULL, &fault) == 0) {
        use(log, &disk);
    } else {
        require(fault.text[0] != '\0', "refused without a reason", &fault);
    }
    free(file);
    sim_disk_free(sim);
    return 0;
}
