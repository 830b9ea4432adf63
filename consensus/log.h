/* The Raft log on disk: entries in segments, term and vote, the last snapshot's manifest.
 *
 * Guarantees: what log_sync returned 0 for is found again by log_open, whatever happens in between;
 * a torn tail that was never synced is cut silently (told in the report); damage to what was synced
 * is never cut: log_open refuses and names the file and the remedy. Any failed write, sync or
 * rename is fatal: the caller stops the process, there is no retry.
 *
 * Format: docs/formats.md. Segments `NNNNNNNNNNNNNNNN.seg` (their own number in hex, which is never
 * used twice), preallocated, only ever appended to: a cut tail is superseded, not overwritten. Each
 * record: header (length, index, term, type, how far the segment was synced before it, CRC32C of
 * header and payload), payload. Term and vote in `vote`, in two checksummed copies. `snapshot`: one
 * checksummed record, replaced by rename. `identity`: who this folder belongs to.
 *
 * Threads: all functions that change (append, sync, set_vote, snapshot, cut) belong to one thread
 * at a time (the writer's); log_read belongs to the loop thread and may run beside them for indexes
 * that are synced, and so may log_term, log_vote, log_first_index, log_last_index and
 * log_bytes_written. log_walk and log_snapshot are for the start, before anything changes. */
#ifndef FLORIN_LOG_H
#define FLORIN_LOG_H

#include "consensus/disk.h"
#include "statemachine/bytes.h"
#include "statemachine/mutant.h"
#include "statemachine/report.h"

enum {
    LOG_ENTRY_MAX = 1 << 20, /* payload bytes of one entry */
    LOG_ADDRESS_MAX = 64,
    LOG_FORMAT = 1,
};

/* Same values as libraft's enum raft_entry_type. */
enum log_entry_type { LOG_COMMAND = 1, LOG_BARRIER = 2, LOG_CHANGE = 3 };

struct log_entry {
    uint64_t index;
    uint64_t term;
    enum log_entry_type type;
    const uint8_t *data; /* a multiple of 8 bytes, never empty */
    size_t len;
};

struct log_identity {
    char cluster_id[64 + 1];
    uint64_t node_id;
};

/* What the last snapshot stands for. configuration is libraft's encoding, opaque here. */
struct log_snapshot {
    uint64_t index; /* 0: none */
    uint64_t term;
    uint64_t configuration_index;
    struct bytes configuration;
    struct bytes manifest; /* opaque: the state machine's part */
};

struct log;

struct log_options {
    size_t segment_bytes; /* 0: 64 MiB */
#ifdef FLORIN_MUTANTS
    enum mutant mutant;
#endif
};

/* Makes a new, empty log with this identity; -1 if the folder already has one. With `first`, it
 * begins with that entry at index 1 (the first configuration) and `term` 1. */
int log_format(struct disk *disk, const struct log_identity *identity,
               const struct log_entry *first, struct fault *fault);

/* Opens and checks everything. -1 with the fault when the folder has another identity, is damaged,
 * or has a newer format. Keeps *disk (does not release it). */
int log_open(struct log **log, struct disk *disk, const struct log_identity *identity,
             const struct log_options *options, struct reporter *reporter, struct fault *fault);
void log_close(struct log *log);

/* As of log_open or the last change. */
uint64_t log_term(const struct log *log);
uint64_t log_vote(const struct log *log);
uint64_t log_first_index(const struct log *log); /* 1 for a new log; last + 1 when empty */
uint64_t log_last_index(const struct log *log);  /* first - 1 when empty */
const struct log_snapshot *log_snapshot(const struct log *log);
uint64_t log_bytes_written(const struct log *log); /* to segments, since log_open */

/* Reads the entry at `index`; the payload goes to `data` (cleared first). 0, or -1. */
int log_read(struct log *log, uint64_t index, struct log_entry *entry, struct bytes *data,
             struct fault *fault);

/* Walks terms and types of [first, last] cheaply at start: calls `each` for every entry in order;
 * the payload is only valid during the call. */
int log_walk(struct log *log, void (*each)(void *context, const struct log_entry *entry),
             void *context, struct fault *fault);

/* Appends; an index at or below the last one first cuts the log from there on (durably with the
 * next sync, in one step: after a crash either the old tail or the new entries are there, never a
 * mixture). Not durable before log_sync. */
int log_append(struct log *log, const struct log_entry *entries, size_t n, struct fault *fault);
int log_sync(struct log *log, struct fault *fault);

/* Durable when they return 0. A term never goes back, a vote never changes within its term: -1.
 * set_snapshot syncs the entries first; a snapshot that the log does not contain (its index is
 * beyond the last one, or has another term) also drops every entry, in the same step. */
int log_set_vote(struct log *log, uint64_t term, uint64_t vote, struct fault *fault);
int log_set_snapshot(struct log *log, const struct log_snapshot *snapshot, struct fault *fault);

/* Removes segments that hold only entries below `index`; never beyond the snapshot. */
int log_cut_before(struct log *log, uint64_t index, struct fault *fault);

/* After an installed snapshot: drops every entry; the next one is `index` + 1. Durable. */
int log_restart_after(struct log *log, uint64_t index, struct fault *fault);

#endif
