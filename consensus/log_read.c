/* Reading entries back: from any thread, beside the writer. A reader finds the place with the lock
 * held, marks the segment as read in, and reads without the lock; segments are only appended to and
 * are not closed while somebody reads in them, so what it finds there can't change under it. */
#include "consensus/log_private.h"

#include <stdlib.h>

#include "consensus/disk_io.h"
#include "consensus/segment_scan.h"

static int reader_enter(struct log *log, uint64_t index, struct log_segment **s,
                        struct log_mark *mark, struct fault *fault)
{
    int rv = 0;

    pthread_mutex_lock(&log->lock);
    if (log->broken) {
        *fault = log->broken_by;
        rv = -1;
    } else if (!log_index_find(&log->index, index, s, mark)) {
        rv = fault_set(fault, "the log has no entry %llu (it has %llu to %llu)",
                       (unsigned long long)index, (unsigned long long)log->first,
                       (unsigned long long)log->last);
    } else {
        (*s)->readers++;
    }
    pthread_mutex_unlock(&log->lock);
    return rv;
}

static void reader_leave(struct log *log, struct log_segment *s)
{
    bool last;

    pthread_mutex_lock(&log->lock);
    s->readers--;
    last = s->doomed && s->readers == 0;
    pthread_mutex_unlock(&log->lock);
    if (last) {
        log->disk->close(log->disk->impl, s->handle);
        free(s);
    }
}

/* Hops from the mark over the headers, all of which are within LOG_MARK_BYTES of it. */
static int find_record(struct log *log, struct log_segment *s, struct log_mark mark, uint64_t index,
                       struct segment_record *r, struct fault *fault)
{
    uint8_t buffer[LOG_MARK_BYTES + SEGMENT_RECORD_HEADER];
    uint64_t at = 0;
    size_t got;

    if (disk_read_upto(log->disk, s->handle, s->name, buffer, sizeof buffer, mark.offset, &got,
                       fault) != 0) {
        return -1;
    }
    while (at + SEGMENT_RECORD_HEADER <= got) {
        uint32_t offset = mark.offset + (uint32_t)at;
        if (segment_record_decode(buffer + at, s->number, offset, r) != SEGMENT_OK) {
            break;
        }
        if (r->index == index) {
            return 0;
        }
        at = segment_place(offset + SEGMENT_RECORD_HEADER + r->len) - mark.offset;
    }
    return disk_damage(fault, log->disk, s->name, mark.offset + at,
                       "an entry that was written can't be read back");
}

int log_read_term(struct log *log, uint64_t index, uint64_t *term, struct fault *fault)
{
    struct segment_record r;
    struct log_segment *s;
    struct log_mark mark;
    int rv;

    if (reader_enter(log, index, &s, &mark, fault) != 0) {
        return -1;
    }
    rv = find_record(log, s, mark, index, &r, fault);
    if (rv == 0) {
        *term = r.term;
    }
    reader_leave(log, s);
    return rv;
}

int log_read(struct log *log, uint64_t index, struct log_entry *entry, struct bytes *data,
             struct fault *fault)
{
    struct segment_record r;
    struct log_segment *s;
    struct log_mark mark;
    size_t got;
    int rv;

    bytes_clear(data);
    if (reader_enter(log, index, &s, &mark, fault) != 0) {
        return -1;
    }
    rv = find_record(log, s, mark, index, &r, fault);
    if (rv != 0) {
        goto out;
    }
    bytes_reserve(data, r.len);
    rv = disk_read_upto(log->disk, s->handle, s->name, data->base, r.len,
                        r.offset + SEGMENT_RECORD_HEADER, &got, fault);
    if (rv != 0) {
        goto out;
    }
    if (got < r.len || !segment_payload_ok(&r, data->base)) {
        rv = disk_damage(fault, log->disk, s->name, r.offset, "an entry has a wrong checksum");
        goto out;
    }
    data->len = r.len;
    *entry = (struct log_entry){r.index, r.term, r.type, data->base, data->len};
out:
    reader_leave(log, s);
    return rv;
}

static int walk_run(struct log *log, const struct log_run *run,
                    void (*each)(void *context, const struct log_entry *entry), void *context,
                    struct fault *fault)
{
    const struct log_segment *s = run->segment;
    uint32_t offset = run->marks[0].offset;
    struct segment_window w;
    uint64_t index;
    int rv = -1;

    if (segment_window_init(&w, log->disk, s->handle, s->name, fault) != 0) {
        return -1;
    }
    for (index = run->first; index <= run->last; index++) {
        struct segment_record r;
        struct log_entry entry;
        const uint8_t *at;

        if (segment_window_get(&w, offset, SEGMENT_RECORD_HEADER, &at, fault) != 0) {
            goto out;
        }
        if (segment_record_decode(at, s->number, offset, &r) != SEGMENT_OK || r.index != index) {
            disk_damage(fault, log->disk, s->name, offset, "a record has changed since the start");
            goto out;
        }
        if (segment_window_get(&w, offset, SEGMENT_RECORD_HEADER + r.len, &at, fault) != 0) {
            goto out;
        }
        entry = (struct log_entry){r.index, r.term, r.type, at + SEGMENT_RECORD_HEADER, r.len};
        each(context, &entry);
        offset = segment_place(offset + SEGMENT_RECORD_HEADER + r.len);
    }
    rv = 0;
out:
    segment_window_release(&w);
    return rv;
}

int log_walk(struct log *log, void (*each)(void *context, const struct log_entry *entry),
             void *context, struct fault *fault)
{
    size_t i;

    for (i = 0; i < log->index.n; i++) {
        if (walk_run(log, &log->index.runs[i], each, context, fault) != 0) {
            return -1;
        }
    }
    return 0;
}
