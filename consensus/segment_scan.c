#include "consensus/segment_scan.h"

#include <assert.h>
#include <stdio.h>

#include "consensus/disk_io.h"

enum { WINDOW_BYTES = 256 << 10 };

int segment_window_init(struct segment_window *w, struct disk *disk, int handle, const char *name,
                        struct fault *fault)
{
    int64_t size = disk->size(disk->impl, handle);

    if (size < 0) {
        return disk_fault(fault, disk, "reading", name, size);
    }
    *w = (struct segment_window){.disk = disk, .handle = handle, .name = name};
    w->size = (uint64_t)size;
    bytes_init(&w->buffer);
    return 0;
}

void segment_window_release(struct segment_window *w)
{
    bytes_release(&w->buffer);
}

int segment_window_get(struct segment_window *w, uint64_t offset, size_t len, const uint8_t **data,
                       struct fault *fault)
{
    uint64_t left = w->size - offset;
    size_t want = len < WINDOW_BYTES ? WINDOW_BYTES : len;
    size_t got;

    assert(offset <= w->size && len <= left);
    if (offset < w->offset || offset + len > w->offset + w->buffer.len) {
        want = left < want ? (size_t)left : want;
        bytes_clear(&w->buffer);
        bytes_reserve(&w->buffer, want);
        if (disk_read_upto(w->disk, w->handle, w->name, w->buffer.base, want, offset, &got,
                           fault) != 0) {
            return -1;
        }
        w->offset = offset;
        w->buffer.len = got;
        if (got < len) {
            return disk_damage(fault, w->disk, w->name, offset, "the file became shorter");
        }
    }
    *data = w->buffer.base + (offset - w->offset);
    return 0;
}

static int scan_damage(struct segment_scan *scan, uint64_t offset, const char *what,
                       struct fault *fault)
{
    return disk_damage(fault, scan->window->disk, scan->window->name, offset, what);
}

/* One record at `offset`, inside `limit`. *good false: there is none, and by itself that could be
 * the end of what arrived. -1: the bytes there can only be damage. */
static int scan_record(struct segment_scan *scan, uint32_t offset, uint64_t limit, bool *good,
                       struct segment_record *r, struct fault *fault)
{
    const uint8_t *at;

    *good = false;
    if (offset + SEGMENT_RECORD_HEADER > limit) {
        return 0;
    }
    if (segment_window_get(scan->window, offset, SEGMENT_RECORD_HEADER, &at, fault) != 0) {
        return -1;
    }
    switch (segment_record_decode(at, scan->number, offset, r)) {
    case SEGMENT_OK:
        break;
    case SEGMENT_EMPTY:
        return 0;
    default:
        return scan_damage(scan, offset, "a record's header has a wrong checksum", fault);
    }
    if (offset + SEGMENT_RECORD_HEADER + (uint64_t)r->len > limit) {
        /* The file had its full size before the first record was written to it. */
        return scan_damage(scan, offset, "the file ends inside a record", fault);
    }
    if (segment_window_get(scan->window, offset, SEGMENT_RECORD_HEADER + r->len, &at, fault) != 0) {
        return -1;
    }
    at += SEGMENT_RECORD_HEADER;
    if (!segment_payload_ok(r, at)) {
        return segment_payload_torn(r, at)
                   ? 0
                   : scan_damage(scan, offset, "a record has a wrong checksum", fault);
    }
    *good = true;
    return scan->each(scan->context, r, at, fault);
}

/* A later record says that the log was synced beyond the bad one. */
static int scan_witness(struct segment_scan *scan, uint32_t witness, struct fault *fault)
{
    char what[128];

    snprintf(what, sizeof what,
             "a record that was synced is missing or torn (the record at byte %u says so)",
             witness);
    return scan_damage(scan, scan->end, what, fault);
}

/* Looks at everything behind the end: counts what is left of a torn write, and searches it for a
 * record that proves that the end was synced further than it now reads. */
static int scan_leftovers(struct segment_scan *scan, struct fault *fault)
{
    struct segment_window *w = scan->window;
    uint64_t offset = scan->end;
    uint64_t last = scan->end;

    while (offset < w->size) {
        const uint8_t *at;
        size_t len = w->size - offset < WINDOW_BYTES ? (size_t)(w->size - offset) : WINDOW_BYTES;
        size_t i;

        if (segment_window_get(w, offset, len, &at, fault) != 0) {
            return -1;
        }
        if (segment_zeros(at, len)) {
            offset += len;
            continue;
        }
        for (i = 0; i + SEGMENT_RECORD_HEADER <= len; i += 8) {
            struct segment_record r;
            uint32_t place = (uint32_t)(offset + i);
            if (segment_zeros(at + i, 8)) {
                continue;
            }
            last = offset + i + 8;
            if (segment_record_decode(at + i, scan->number, place, &r) == SEGMENT_OK) {
                scan->torn_entries++;
                if (r.synced > scan->end) {
                    return scan_witness(scan, place, fault);
                }
            }
        }
        if (i < len && offset + len == w->size) { /* too short for a header */
            last = segment_zeros(at + i, len - i) ? last : w->size;
            i = len;
        }
        offset += i;
    }
    scan->torn_bytes = last - scan->end;
    return 0;
}

int segment_scan(struct segment_scan *scan, struct fault *fault)
{
    uint64_t limit = scan->sealed ? scan->end : scan->window->size;
    uint32_t end = SEGMENT_HEADER;
    bool good = true;

    if (limit > scan->window->size || limit < SEGMENT_HEADER) {
        return scan_damage(scan, scan->window->size, "the file is too short", fault);
    }
    if (limit > SEGMENT_BYTES_MAX) { /* offsets are 32-bit */
        return scan_damage(scan, SEGMENT_BYTES_MAX, "the file is larger than any segment", fault);
    }
    while (good && end < limit) {
        struct segment_record r;

        if (scan_record(scan, segment_place(end), limit, &good, &r, fault) != 0) {
            return -1;
        }
        if (good) {
            end = r.offset + SEGMENT_RECORD_HEADER + r.len;
            scan->proven = r.synced > scan->proven ? r.synced : scan->proven;
        }
    }
    if (scan->sealed) {
        return end == scan->end
                   ? 0
                   : scan_damage(scan, end, "a record that was synced is missing or torn", fault);
    }
    scan->end = end;
    if (end < scan->proven) {
        return scan_damage(scan, end, "a record that was synced is missing or torn", fault);
    }
    return scan_leftovers(scan, fault);
}
