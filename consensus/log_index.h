/* Where each entry of the log stands: index -> segment and offset, in bounded memory.
 *
 * Segments are only ever appended to, so a cut tail stays in its file and new entries supersede it.
 * What counts is a list of runs: entries with ascending indexes, one record after the other in one
 * segment. Of a run only a mark every 16 KiB is kept; a reader hops over the headers in between, at
 * most 16 KiB of them. Plain memory; the caller keeps threads apart. */
#ifndef FLORIN_LOG_INDEX_H
#define FLORIN_LOG_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LOG_MARK_BYTES = 16 << 10 };

struct log_segment;

struct log_mark {
    uint64_t index;
    uint32_t offset;
};

struct log_run {
    uint64_t first;
    uint64_t last;
    struct log_segment *segment;
    struct log_mark *marks; /* the first record, then one every LOG_MARK_BYTES */
    size_t n_marks;
    size_t cap;
};

struct log_index {
    struct log_run *runs; /* ascending, without gaps */
    size_t n;
    size_t cap;
};

void log_index_init(struct log_index *x);
void log_index_release(struct log_index *x);

/* Notes that `index` stands at `offset` of `segment`. An index that is there already goes, with all
 * after it; else it must be the one after the last. */
void log_index_append(struct log_index *x, uint64_t index, struct log_segment *segment,
                      uint32_t offset);

/* Forgets the runs in `segment`. */
void log_index_forget(struct log_index *x, const struct log_segment *segment);

/* The highest index in `segment` that still counts; 0: none. */
uint64_t log_index_last_in(const struct log_index *x, const struct log_segment *segment);

/* The segment of `index`, and the mark at or before it. False: not in the log. */
bool log_index_find(const struct log_index *x, uint64_t index, struct log_segment **segment,
                    struct log_mark *mark);

#endif
