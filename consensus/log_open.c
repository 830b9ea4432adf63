/* Opening a log: everything is checked before anything is believed.
 *
 * Order: identity; leftovers of interrupted renames; vote; snapshot; the segments'
 * headers, which tell where all but the newest end; then every record, oldest segment first. The
 * newest segment's tail is judged by segment_scan. What of it is not known to have been synced is
 * written once more and synced, because a sync that failed in an earlier life may have left bytes
 * in memory that read well and never reached the disk. */
#include "consensus/log_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/disk_io.h"
#include "consensus/segment_scan.h"

static int check_identity(struct log *log, const struct log_identity *expected, struct fault *fault)
{
    const char *where = log->disk->where(log->disk->impl);
    struct log_identity found;
    bool there;

    if (identity_read(log->disk, &found, &there, fault) != 0) {
        return -1;
    }
    if (!there) {
        return fault_set(fault, "%s holds no log (no file `identity`)", where);
    }
    if (found.node_id != expected->node_id || strcmp(found.cluster_id, expected->cluster_id) != 0) {
        return fault_set(fault,
                         "%s belongs to node %llu of cluster %s, not to node %llu of cluster %s: "
                         "check data_dir, node_id and cluster_id in the configuration",
                         where, (unsigned long long)found.node_id, found.cluster_id,
                         (unsigned long long)expected->node_id, expected->cluster_id);
    }
    return 0;
}

/* What opening needs to know of a segment beside struct log_segment. */
struct opening {
    struct log *log;
    struct segment_header *headers; /* one for each of log->segments */
    struct log_segment *segment;    /* being scanned */
};

static int only_zeros(struct log *log, struct log_segment *s, uint64_t from, struct fault *fault)
{
    struct segment_window w;
    const uint8_t *at;
    int rv = 0;

    if (segment_window_init(&w, log->disk, s->handle, s->name, fault) != 0) {
        return -1;
    }
    while (rv == 0 && from < w.size) {
        size_t len = w.size - from < 65536 ? (size_t)(w.size - from) : 65536;
        rv = segment_window_get(&w, from, len, &at, fault);
        if (rv == 0 && !segment_zeros(at, len)) {
            rv = disk_damage(fault, log->disk, s->name, from,
                             "records stand in a segment that was never finished");
        }
        from += len;
    }
    segment_window_release(&w);
    return rv;
}

/* A segment whose creation, or whose restart of the log, a crash interrupted: nothing was ever
 * written to it, so it goes. Its name must be gone before it is used again. */
static int drop_unfinished(struct log *log, struct log_segment *s, uint64_t from,
                           struct fault *fault)
{
    char name[DISK_NAME_MAX];

    if (only_zeros(log, s, from, fault) != 0) {
        return -1;
    }
    memcpy(name, s->name, sizeof name);
    log_segment_drop(log, s);
    return log_remove_file(log->disk, name, fault) == 0 ? disk_sync_names(log->disk, fault) : -1;
}

/* Opens segment `number` and reads its header; *dropped: it was unfinished and is gone. */
static int load_segment(struct opening *o, uint64_t number, bool newest, bool *dropped,
                        struct fault *fault)
{
    struct log *log = o->log;
    struct segment_header *h = &o->headers[log->n_segments];
    bool restarts = newest && log->n_segments > 0; /* it may be one that never got to count */
    uint8_t sector[SEGMENT_HEADER] = {0};
    char name[DISK_NAME_MAX];
    struct log_segment *s;
    size_t got;
    int handle;

    segment_name(number, name);
    handle = log->disk->open(log->disk->impl, name, 0);
    if (handle < 0) {
        return disk_fault(fault, log->disk, "opening", name, handle);
    }
    s = log_segment_add(log, number, handle);
    if (disk_read_upto(log->disk, handle, s->name, sector, sizeof sector, 0, &got, fault) != 0) {
        return -1;
    }
    *dropped = false;
    switch (segment_header_decode(sector, h)) {
    case SEGMENT_OK:
        break;
    case SEGMENT_EMPTY:
        if (newest && log->n_segments > 1) {
            *dropped = true;
            return drop_unfinished(log, s, 0, fault);
        }
        return disk_damage(fault, log->disk, s->name, 0, "the segment's header is missing");
    case SEGMENT_NEWER:
        return fault_set(fault, "%s/%s has a newer format than this program knows",
                         log->disk->where(log->disk->impl), s->name);
    default:
        return disk_damage(fault, log->disk, s->name, 0,
                           "the segment's header has a wrong checksum");
    }
    if (h->number != number) {
        return disk_damage(fault, log->disk, s->name, 0, "this is another segment under its name");
    }
    if (h->restart && number != log->manifest.first_segment) {
        if (!restarts) {
            return disk_damage(fault, log->disk, s->name, 0,
                               "it belongs to a snapshot that is missing");
        }
        *dropped = true;
        return drop_unfinished(log, s, SEGMENT_HEADER, fault);
    }
    return 0;
}

static int missing_segment(struct log *log, uint64_t number, struct fault *fault)
{
    char name[DISK_NAME_MAX];

    segment_name(number, name);
    return disk_damage(fault, log->disk, name, 0, "the segment is missing");
}

/* Opens all segments that count, in order and without gaps, and removes those that don't. */
static int load_segments(struct opening *o, const struct log_numbers *numbers, struct fault *fault)
{
    struct log *log = o->log;
    uint64_t expected = log->manifest.first_segment;
    char name[DISK_NAME_MAX];
    bool dropped;
    size_t i;

    for (i = 0; i < numbers->n; i++) {
        uint64_t number = numbers->base[i];
        if (number < log->manifest.first_segment) { /* a restart was interrupted */
            segment_name(number, name);
            if (log_remove_file(log->disk, name, fault) != 0) {
                return -1;
            }
            continue;
        }
        if (log->n_segments == 0 && log->manifest.snapshot.index == 0) {
            expected = 1; /* nothing was ever cut off in front */
        } else if (log->n_segments == 0) {
            expected = number; /* the entries' indexes will tell whether any are missing */
        }
        if (number != expected) {
            return missing_segment(log, expected, fault);
        }
        if (load_segment(o, number, i + 1 == numbers->n, &dropped, fault) != 0) {
            return -1;
        }
        expected = number + 1;
    }
    if (log->n_segments == 0) {
        return missing_segment(log, expected == 0 ? 1 : expected, fault);
    }
    if (log_newest(log)->number < log->manifest.proof_segment) {
        return missing_segment(log, log->manifest.proof_segment, fault);
    }
    return 0;
}

/* One good record: segment_scan's callback. */
static int replay_record(void *context, const struct segment_record *r, const uint8_t *payload,
                         struct fault *fault)
{
    struct opening *o = context;
    struct log *log = o->log;
    const char *wrong = NULL;

    (void)payload;
    if (r->index > log->last + 1) {
        wrong = "entries before this one are missing";
    } else if (r->index == log->last + 1 && r->term < log->last_term) {
        wrong = "an entry has a lower term than the one before it";
    }
    if (wrong != NULL) {
        return disk_damage(fault, log->disk, o->segment->name, r->offset, wrong);
    }
    if (r->index < log->first) { /* it superseded entries that were cut off in front since */
        log->first = r->index;
    }
    log_index_append(&log->index, r->index, o->segment, r->offset);
    log->last = r->index;
    log->last_term = r->term;
    return 0;
}

/* Writes [from, end) over itself and syncs it. */
static int rewrite_tail(struct log *log, struct log_segment *s, uint32_t from, struct fault *fault)
{
    struct segment_window w;
    const uint8_t *at;
    int rv = 0;

    if (segment_window_init(&w, log->disk, s->handle, s->name, fault) != 0) {
        return -1;
    }
    while (rv == 0 && from < s->end) {
        size_t len = s->end - from < 65536 ? s->end - from : 65536;
        rv = segment_window_get(&w, from, len, &at, fault);
        if (rv == 0) {
            rv = disk_write_all(log->disk, s->handle, s->name, at, len, from, fault);
        }
        from += (uint32_t)len;
    }
    segment_window_release(&w);
    return rv == 0 ? disk_sync_file(log->disk, s->handle, s->name, fault) : rv;
}

static void report_tail(struct log *log, const struct log_segment *s,
                        const struct segment_scan *scan)
{
    if (scan->torn_bytes > 0) {
        report(log->reporter, LEVEL_WARN, "log",
               "cut a tail that was being written when the process or the power went",
               "file=%s/%s offset=%u bytes=%llu entries=%llu", log->disk->where(log->disk->impl),
               s->name, scan->end, (unsigned long long)scan->torn_bytes,
               (unsigned long long)scan->torn_entries);
    }
}

static int scan_one(struct opening *o, size_t i, struct fault *fault)
{
    struct log *log = o->log;
    struct log_segment *s = log->segments[i];
    const struct manifest *m = &log->manifest;
    bool newest = i + 1 == log->n_segments;
    uint32_t proof = s->number == m->proof_segment ? m->proof_end : 0;
    struct segment_window w;
    struct segment_scan scan = {.window = &w, .number = s->number, .sealed = !newest};
    int rv;

    o->segment = s;
    if (i == 0) {
        log->first = o->headers[0].next_index;
        log->last = log->first - 1;
    } else if (o->headers[i].next_index != log->last + 1) {
        return disk_damage(fault, log->disk, s->name, 0,
                           "it does not continue the segment before it");
    }
    scan.each = replay_record;
    scan.context = o;
    scan.end = newest ? 0 : o->headers[i + 1].previous_end;
    scan.proven = proof;
    if (!newest && scan.end < proof) {
        return disk_damage(fault, log->disk, s->name, scan.end,
                           "the snapshot's manifest says that more of it was synced");
    }
    if (segment_window_init(&w, log->disk, s->handle, s->name, fault) != 0) {
        return -1;
    }
    rv = segment_scan(&scan, fault);
    segment_window_release(&w);
    if (rv != 0) {
        return -1;
    }
    s->end = scan.end;
    if (!newest) {
        return 0;
    }
    s->pristine = s->end == SEGMENT_HEADER && scan.torn_bytes == 0;
    report_tail(log, s, &scan);
    return scan.proven < s->end ? rewrite_tail(log, s, scan.proven, fault) : 0;
}

/* The log and the snapshot must meet without a gap and agree. */
static int check_snapshot(struct log *log, struct fault *fault)
{
    const struct log_snapshot *s = &log->manifest.snapshot;
    const char *where = log->disk->where(log->disk->impl);
    uint64_t term;

    if (log->first > s->index + 1) {
        return fault_set(fault, "%s is damaged: entries %llu to %llu are missing; %s", where,
                         (unsigned long long)s->index + 1, (unsigned long long)log->first - 1,
                         DISK_REMEDY);
    }
    if (log->last < s->index) {
        return fault_set(fault,
                         "%s is damaged: the log ends at entry %llu, before the snapshot's %llu; "
                         "%s",
                         where, (unsigned long long)log->last, (unsigned long long)s->index,
                         DISK_REMEDY);
    }
    if (s->index < log->first) {
        log->last_term = log->last == s->index ? s->term : log->last_term;
        return 0;
    }
    if (log_read_term(log, s->index, &term, fault) != 0) {
        return -1;
    }
    if (term != s->term) {
        return fault_set(fault,
                         "%s is damaged: entry %llu has term %llu in the log and %llu in the "
                         "snapshot; %s",
                         where, (unsigned long long)s->index, (unsigned long long)term,
                         (unsigned long long)s->term, DISK_REMEDY);
    }
    return 0;
}

static int open_segments(struct log *log, struct fault *fault)
{
    struct opening o = {.log = log};
    struct log_numbers numbers;
    size_t i;
    int rv = log_numbers_list(&numbers, log->disk, fault);

    if (rv != 0) {
        goto out;
    }
    o.headers = calloc(numbers.n + 1, sizeof o.headers[0]);
    if (o.headers == NULL) {
        rv = fault_set(fault, "out of memory for %zu segments", numbers.n);
        goto out;
    }
    rv = load_segments(&o, &numbers, fault);
    for (i = 0; rv == 0 && i < log->n_segments; i++) {
        rv = scan_one(&o, i, fault);
    }
out:
    free(o.headers);
    free(numbers.base);
    return rv;
}

static uint32_t segment_size(const struct log_options *options)
{
    size_t bytes = options == NULL ? 0 : options->segment_bytes;

    if (bytes == 0) {
        return SEGMENT_BYTES_DEFAULT;
    }
    bytes = bytes < SEGMENT_BYTES_MIN ? SEGMENT_BYTES_MIN : bytes;
    bytes = bytes > SEGMENT_BYTES_MAX ? SEGMENT_BYTES_MAX : bytes;
    return (uint32_t)(bytes - bytes % SEGMENT_SECTOR);
}

int log_open(struct log **out, struct disk *disk, const struct log_identity *identity,
             const struct log_options *options, struct reporter *reporter, struct fault *fault)
{
    struct log *log = calloc(1, sizeof *log);
    bool found;

    *out = NULL;
    if (log == NULL) {
        return fault_set(fault, "out of memory");
    }
    log->disk = disk;
    log->reporter = reporter;
    log->segment_bytes = segment_size(options);
#ifdef FLORIN_MUTANTS
    log->mutant = options == NULL ? MUTANT_NONE : options->mutant;
#endif
    log->vote.handle = -1;
    manifest_init(&log->manifest);
    log_index_init(&log->index);
    bytes_init(&log->pending);
    pthread_mutex_init(&log->lock, NULL);

    if (check_identity(log, identity, fault) != 0 || log_remove_leftovers(disk, fault) != 0 ||
        vote_file_open(&log->vote, disk, reporter, fault) != 0 ||
        manifest_read(disk, &log->manifest, &found, fault) != 0 || open_segments(log, fault) != 0 ||
        check_snapshot(log, fault) != 0 || disk_sync_names(disk, fault) != 0) {
        log_close(log);
        return -1;
    }
    log->term = log->vote.term;
    log->candidate = log->vote.vote;
    report(reporter, LEVEL_INFO, "log", "log opened",
           "first=%llu last=%llu term=%llu snapshot=%llu segments=%zu",
           (unsigned long long)log->first, (unsigned long long)log->last,
           (unsigned long long)log->term, (unsigned long long)log->manifest.snapshot.index,
           log->n_segments);
    *out = log;
    return 0;
}
