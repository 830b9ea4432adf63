/* Changing the log: appending, cutting, syncing, restarting. Opening is in log_open.c, reading in
 * log_read.c, the format in segment.h and docs/formats.md.
 *
 * Invariants:
 *  - Segments are only appended to, each by one life of the process. Cutting a tail writes nothing:
 *    the entry that comes instead supersedes it the moment it is on the disk, and not before, so
 *    that a crash leaves either the old tail or the new entries.
 *  - Before a segment exists, everything before it is synced; before a record is written to it, the
 *    segment and its name are. So only the newest segment can end in something torn.
 *  - After any failure nothing is tried again: `broken` makes every later call fail. */
#include "consensus/log_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/disk_io.h"
#include "statemachine/failpoint.h"

enum {
    PENDING_BYTES = 1 << 20, /* written out when this much waits, synced or not */
    AHEAD_BYTES = 1 << 20,   /* zeros written ahead of the entries */
    ZEROS_BYTES = 64 << 10,  /* ... so many at a time */
};

struct log_segment *log_newest(const struct log *log)
{
    return log->segments[log->n_segments - 1];
}

struct log_segment *log_segment_add(struct log *log, uint64_t number, int handle)
{
    struct log_segment *s = calloc(1, sizeof *s);

    pthread_mutex_lock(&log->lock);
    if (log->n_segments == log->cap_segments) {
        log->cap_segments = log->cap_segments == 0 ? 16 : log->cap_segments * 2;
        log->segments = reallocarray(log->segments, log->cap_segments, sizeof log->segments[0]);
    }
    if (s == NULL || log->segments == NULL) {
        fprintf(stderr, "level=fatal msg=\"out of memory\" segments=%zu\n", log->n_segments);
        abort();
    }
    s->number = number;
    s->handle = handle;
    s->end = SEGMENT_HEADER;
    segment_name(number, s->name);
    log->segments[log->n_segments++] = s;
    pthread_mutex_unlock(&log->lock);
    return s;
}

void log_segment_drop(struct log *log, struct log_segment *s)
{
    bool unused;
    size_t i = 0;

    pthread_mutex_lock(&log->lock);
    while (log->segments[i] != s) {
        i++;
    }
    memmove(&log->segments[i], &log->segments[i + 1],
            (log->n_segments - i - 1) * sizeof log->segments[0]);
    log->n_segments--;
    log_index_forget(&log->index, s);
    s->doomed = true;
    unused = s->readers == 0;
    pthread_mutex_unlock(&log->lock);
    if (unused) {
        log->disk->close(log->disk->impl, s->handle);
        free(s);
    }
}

void log_close(struct log *log)
{
    if (log == NULL) {
        return;
    }
    while (log->n_segments > 0) {
        log_segment_drop(log, log_newest(log));
    }
    vote_file_close(&log->vote);
    manifest_release(&log->manifest);
    log_index_release(&log->index);
    bytes_release(&log->pending);
    free(log->segments);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* The getters run beside the writer; a const log still has to be locked. */
static uint64_t get(const struct log *log, const uint64_t *field)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&log->lock;
    uint64_t value;

    pthread_mutex_lock(lock);
    value = *field;
    pthread_mutex_unlock(lock);
    return value;
}

uint64_t log_term(const struct log *log)
{
    return get(log, &log->term);
}

uint64_t log_vote(const struct log *log)
{
    return get(log, &log->candidate);
}

uint64_t log_first_index(const struct log *log)
{
    return get(log, &log->first);
}

uint64_t log_last_index(const struct log *log)
{
    return get(log, &log->last);
}

uint64_t log_bytes_written(const struct log *log)
{
    return get(log, &log->bytes_written);
}

const struct log_snapshot *log_snapshot(const struct log *log)
{
    return &log->manifest.snapshot;
}

/* Remembers the first failure; gives back -1 with the fault in any case. */
static int log_break(struct log *log, const struct fault *fault)
{
    pthread_mutex_lock(&log->lock);
    if (!log->broken) {
        log->broken = true;
        log->broken_by = *fault;
    }
    pthread_mutex_unlock(&log->lock);
    return -1;
}

static int log_check(const struct log *log, struct fault *fault)
{
    if (log->broken) {
        *fault = log->broken_by;
        return -1;
    }
    return 0;
}

/* Blocks that are reserved but were never written cost each sync of theirs a write of the file's
 * metadata: a commit of the file system's journal, where there is one, which may wait for all that
 * other files have dirty, such as a checkpoint. So zeros are written ahead of the entries, once for
 * many syncs. */
static int write_ahead(struct log *log, struct fault *fault)
{
    static const uint8_t zeros[ZEROS_BYTES];
    uint32_t from = log->written > log->zeroed ? log->written : log->zeroed;
    uint32_t until = log->active_bytes - log->written > AHEAD_BYTES ? log->written + AHEAD_BYTES
                                                                    : log->active_bytes;

    if (log->written <= log->zeroed) {
        return 0;
    }
    while (from < until) {
        size_t len = until - from < sizeof zeros ? until - from : sizeof zeros;
        if (disk_write_all(log->disk, log->active->handle, log->active->name, zeros, len, from,
                           fault) != 0) {
            return -1;
        }
        from += (uint32_t)len;
    }
    log->zeroed = until;
    return 0;
}

static int flush(struct log *log, struct fault *fault)
{
    size_t len = log->pending.len;

    if (len == 0) {
        return 0;
    }
    if (disk_write_all(log->disk, log->active->handle, log->active->name, log->pending.base, len,
                       log->written, fault) != 0) {
        return -1;
    }
    FAILPOINT("log: entries written");
    log->written += (uint32_t)len;
    if (write_ahead(log, fault) != 0) {
        return -1;
    }
    bytes_clear(&log->pending);
    pthread_mutex_lock(&log->lock);
    log->bytes_written += len;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

static int flush_and_sync(struct log *log, struct fault *fault)
{
    if (flush(log, fault) != 0) {
        return -1;
    }
    if (log->active == NULL || log->synced == log->written) {
        return 0;
    }
    if (disk_sync_file(log->disk, log->active->handle, log->active->name, fault) != 0) {
        return -1;
    }
    FAILPOINT("log: entries synced");
    log->synced = log->written;
    return 0;
}

static void activate(struct log *log, struct log_segment *s, uint32_t bytes)
{
    log->active = s;
    log->active_bytes = bytes;
    log->written = s->end;
    log->synced = s->end;
    log->zeroed = s->end;
}

/* Makes the next segment, durable with its name, and writes to it from now on. */
static int begin_segment(struct log *log, uint64_t next_index, bool restart, uint32_t bytes,
                         struct fault *fault)
{
    struct log_segment *previous = log_newest(log);
    struct segment_header header = {
        .number = previous->number + 1,
        .next_index = next_index,
        .previous_end = previous->end,
        .restart = restart,
    };
    int handle, rv;

    if (flush_and_sync(log, fault) != 0 ||
        log_segment_create(log->disk, &header, bytes, &handle, fault) != 0) {
        return -1;
    }
    activate(log, log_segment_add(log, header.number, handle), bytes);
    if (disk_sync_names(log->disk, fault) != 0) {
        return -1;
    }
    FAILPOINT("log: segment's name synced");
    /* Gives back what the previous one reserved and never used. */
    rv = log->disk->truncate(log->disk->impl, previous->handle, previous->end);
    FAILPOINT("log: previous segment cut to its length");
    return rv == 0 ? 0 : disk_fault(fault, log->disk, "truncating", previous->name, rv);
}

/* Sees to it that a record with `len` bytes fits behind the active segment's end. */
static int make_room(struct log *log, size_t len, struct fault *fault)
{
    struct log_segment *s = log_newest(log);
    uint64_t least = segment_end_after(SEGMENT_HEADER, len);
    uint32_t bytes = least > log->segment_bytes ? (uint32_t)least : log->segment_bytes;
    int rv;

    if (log->active != NULL && segment_end_after(s->end, len) <= log->active_bytes) {
        return 0;
    }
    if (log->active != NULL || !s->pristine || s->number == 1) {
        return begin_segment(log, log->last + 1, false, bytes, fault);
    }
    /* An empty one of an earlier life: nothing but zeros behind its header, as good as new. Not the
     * first, though: log_format must know a log that was never used from one that was. */
    rv = log->disk->allocate(log->disk->impl, s->handle, bytes);
    if (rv != 0) {
        return disk_fault(fault, log->disk, "allocating", s->name, rv);
    }
    if (disk_sync_file(log->disk, s->handle, s->name, fault) != 0) {
        return -1;
    }
    activate(log, s, bytes);
    return 0;
}

/* The term of the entry before `index`, where a cut is about to be made. */
static int term_before(struct log *log, uint64_t index, uint64_t *term, struct fault *fault)
{
    const struct log_snapshot *s = &log->manifest.snapshot;

    if (index == log->last + 1) {
        *term = log->last_term;
        return 0;
    }
    if (index == log->first) {
        *term = index == s->index + 1 ? s->term : 0;
        return 0;
    }
    if (flush(log, fault) != 0) {
        return -1;
    }
    return log_read_term(log, index - 1, term, fault);
}

/* Refuses what no correct driver asks for, before a byte of it is written. */
static int check_entries(struct log *log, const struct log_entry *entries, size_t n,
                         struct fault *fault)
{
    uint64_t term;
    size_t i;

    if (entries[0].index > log->last + 1 || entries[0].index < log->first ||
        entries[0].index <= log->manifest.snapshot.index) {
        return fault_set(
            fault,
            "can't append entry %llu to a log of %llu to %llu with snapshot %llu: this "
            "is a defect of the program, please report it",
            (unsigned long long)entries[0].index, (unsigned long long)log->first,
            (unsigned long long)log->last, (unsigned long long)log->manifest.snapshot.index);
    }
    if (term_before(log, entries[0].index, &term, fault) != 0) {
        return -1;
    }
    for (i = 0; i < n; i++) {
        const struct log_entry *e = &entries[i];
        if (e->index != entries[0].index + i || e->term < term || e->len == 0 || e->len % 8 != 0 ||
            e->len > LOG_ENTRY_MAX || e->type < LOG_COMMAND || e->type > LOG_CHANGE) {
            return fault_set(fault,
                             "entry %llu (term %llu after %llu, type %d, %zu bytes) is not well "
                             "formed: this is a defect of the program, please report it",
                             (unsigned long long)e->index, (unsigned long long)e->term,
                             (unsigned long long)term, (int)e->type, e->len);
        }
        term = e->term;
    }
    return 0;
}

static int append_one(struct log *log, const struct log_entry *entry, struct fault *fault)
{
    struct log_segment *s;
    uint32_t offset;

    if (make_room(log, entry->len, fault) != 0) {
        return -1;
    }
    s = log->active;
    offset = segment_record_append(&log->pending, s->number, s->end, entry, log->synced);
    pthread_mutex_lock(&log->lock);
    s->end = log->written + (uint32_t)log->pending.len;
    log_index_append(&log->index, entry->index, s, offset);
    log->last = entry->index;
    pthread_mutex_unlock(&log->lock);
    log->last_term = entry->term;
    return log->pending.len < PENDING_BYTES ? 0 : flush(log, fault);
}

int log_append(struct log *log, const struct log_entry *entries, size_t n, struct fault *fault)
{
    size_t i;

    if (log_check(log, fault) != 0) {
        return -1;
    }
    if (n > 0 && check_entries(log, entries, n, fault) != 0) {
        return log_break(log, fault);
    }
    for (i = 0; i < n; i++) {
        if (append_one(log, &entries[i], fault) != 0) {
            return log_break(log, fault);
        }
    }
    return 0;
}

int log_sync(struct log *log, struct fault *fault)
{
    if (log_check(log, fault) != 0) {
        return -1;
    }
    if (flush_and_sync(log, fault) == 0 || MUTANT(log, MUTANT_IGNORE_SYNC)) {
        return 0;
    }
    return log_break(log, fault);
}

int log_set_vote(struct log *log, uint64_t term, uint64_t vote, struct fault *fault)
{
    if (log_check(log, fault) != 0) {
        return -1;
    }
    if (vote_file_store(&log->vote, term, vote, fault) != 0) {
        return log_break(log, fault);
    }
    pthread_mutex_lock(&log->lock);
    log->term = term;
    log->candidate = vote;
    pthread_mutex_unlock(&log->lock);
    return 0;
}

/* Takes the segment out and removes its file; the name is gone durably after a sync of names. */
static int remove_segment(struct log *log, struct log_segment *s, struct fault *fault)
{
    char name[DISK_NAME_MAX];
    int rv;

    memcpy(name, s->name, sizeof name);
    log_segment_drop(log, s);
    rv = log->disk->remove(log->disk->impl, name);
    FAILPOINT("log: old segment removed");
    return rv == 0 ? 0 : disk_fault(fault, log->disk, "removing", name, rv);
}

/* Writes the manifest for `snapshot` with what is synced now as its proof, and keeps it. */
static int store_manifest(struct log *log, const struct log_snapshot *snapshot,
                          uint64_t first_segment, struct fault *fault)
{
    struct log_segment *newest = log_newest(log);
    struct manifest m;
    int rv;

    manifest_init(&m);
    log_snapshot_copy(&m.snapshot, snapshot);
    m.first_segment = first_segment;
    m.proof_segment = newest->number;
    m.proof_end = newest->end;
    rv = manifest_write(log->disk, &m, fault);
    if (rv == 0) {
        manifest_release(&log->manifest);
        log->manifest = m;
        return 0;
    }
    manifest_release(&m);
    return rv;
}

/* Begins the log anew behind `snapshot`. The step that decides is the manifest's rename: before
 * it the new segment is an empty one that log_open removes, after it the old ones don't count. */
static int restart(struct log *log, const struct log_snapshot *snapshot, struct fault *fault)
{
    if (begin_segment(log, snapshot->index + 1, true, log->segment_bytes, fault) != 0) {
        return -1;
    }
    FAILPOINT("restart: segment begun");
    if (store_manifest(log, snapshot, log_newest(log)->number, fault) != 0) {
        return -1;
    }
    FAILPOINT("restart: manifest counts");
    while (log->n_segments > 1) {
        if (remove_segment(log, log->segments[0], fault) != 0) {
            return -1;
        }
        FAILPOINT("restart: a segment removed");
    }
    pthread_mutex_lock(&log->lock);
    log->first = log->manifest.snapshot.index + 1;
    log->last = log->manifest.snapshot.index;
    pthread_mutex_unlock(&log->lock);
    log->last_term = log->manifest.snapshot.term;
    return disk_sync_names(log->disk, fault);
}

/* Does the log hold the entry that the snapshot ends with? */
static int contains(struct log *log, const struct log_snapshot *snapshot, bool *yes,
                    struct fault *fault)
{
    uint64_t term;

    if (snapshot->index < log->first) { /* it begins right behind the snapshot there was */
        *yes = snapshot->term == log->manifest.snapshot.term;
        return 0;
    }
    *yes = false;
    if (snapshot->index > log->last) {
        return 0;
    }
    if (log_read_term(log, snapshot->index, &term, fault) != 0) {
        return -1;
    }
    *yes = term == snapshot->term;
    return 0;
}

static int set_snapshot(struct log *log, const struct log_snapshot *snapshot, struct fault *fault)
{
    bool contained;

    if (snapshot->index == 0 || snapshot->index < log->manifest.snapshot.index) {
        return fault_set(fault,
                         "a snapshot at %llu can't follow the one at %llu: this is a defect of the "
                         "program, please report it",
                         (unsigned long long)snapshot->index,
                         (unsigned long long)log->manifest.snapshot.index);
    }
    if (flush_and_sync(log, fault) != 0 || contains(log, snapshot, &contained, fault) != 0) {
        return -1;
    }
    return contained ? store_manifest(log, snapshot, log->manifest.first_segment, fault)
                     : restart(log, snapshot, fault);
}

int log_set_snapshot(struct log *log, const struct log_snapshot *snapshot, struct fault *fault)
{
    if (log_check(log, fault) != 0) {
        return -1;
    }
    return set_snapshot(log, snapshot, fault) == 0 ? 0 : log_break(log, fault);
}

/* Oldest first, each durably before the next: a crash must not leave a gap. */
static int cut_before(struct log *log, uint64_t index, struct fault *fault)
{
    const struct log_snapshot *s = &log->manifest.snapshot;

    index = index > s->index + 1 ? s->index + 1 : index;
    while (log->n_segments > 1 && log_index_last_in(&log->index, log->segments[0]) < index) {
        if (remove_segment(log, log->segments[0], fault) != 0 ||
            disk_sync_names(log->disk, fault) != 0) {
            return -1;
        }
        FAILPOINT("log: removal synced");
        pthread_mutex_lock(&log->lock);
        log->first = log->index.n > 0 ? log->index.runs[0].first : log->last + 1;
        pthread_mutex_unlock(&log->lock);
    }
    return 0;
}

int log_cut_before(struct log *log, uint64_t index, struct fault *fault)
{
    if (log_check(log, fault) != 0) {
        return -1;
    }
    /* What is cut may be superseded by entries that are not synced yet: they must be first. */
    if (flush_and_sync(log, fault) != 0 || cut_before(log, index, fault) != 0) {
        return log_break(log, fault);
    }
    return 0;
}

int log_restart_after(struct log *log, uint64_t index, struct fault *fault)
{
    struct log_snapshot same;
    int rv;

    if (log_check(log, fault) != 0) {
        return -1;
    }
    if (index == 0 || index != log->manifest.snapshot.index) {
        fault_set(fault,
                  "can't restart the log after %llu, the snapshot is at %llu: this is a defect of "
                  "the program, please report it",
                  (unsigned long long)index, (unsigned long long)log->manifest.snapshot.index);
        return log_break(log, fault);
    }
    if (log->first == index + 1 && log->last == index) {
        return 0; /* log_set_snapshot did it in its own step */
    }
    same = (struct log_snapshot){.index = 0};
    bytes_init(&same.configuration);
    bytes_init(&same.manifest);
    log_snapshot_copy(&same, &log->manifest.snapshot);
    rv = restart(log, &same, fault);
    log_snapshot_release(&same);
    return rv == 0 ? 0 : log_break(log, fault);
}
