/* The inside of struct log, shared by log.c (changes), log_open.c (start) and log_read.c. */
#ifndef FLORIN_LOG_PRIVATE_H
#define FLORIN_LOG_PRIVATE_H

#include <pthread.h>
#include <stdbool.h>

#include "consensus/log.h"
#include "consensus/log_index.h"
#include "consensus/manifest.h"
#include "consensus/segment.h"
#include "consensus/vote.h"

struct log_segment {
    uint64_t number;
    char name[DISK_NAME_MAX];
    int handle;
    uint32_t end;     /* of the last record, also of one still in `pending` */
    bool pristine;    /* nothing behind its header but zeros */
    unsigned readers; /* log_read is in it: it may be doomed, but not closed yet */
    bool doomed;
};

struct log {
    struct disk *disk;
    struct reporter *reporter;
    uint32_t segment_bytes;
    struct vote_file vote;
    struct manifest manifest; /* snapshot.index 0: there is none */

    /* The writer's thread changes these with the lock held, and reads them without; another thread
     * reads them with the lock held. The lock is never held over a disk operation. */
    pthread_mutex_t lock;
    struct log_segment **segments; /* ascending numbers, without gaps; never none */
    size_t n_segments;
    size_t cap_segments;
    struct log_index index;
    uint64_t first;
    uint64_t last;
    uint64_t term; /* what vote holds, for the getters */
    uint64_t candidate;
    uint64_t bytes_written;
    bool broken; /* a change failed: everything fails from now on, with this: */
    struct fault broken_by;

    /* The writer's thread only. */
    uint64_t last_term;         /* of the last entry */
    struct log_segment *active; /* the newest one, when this life writes to it; or NULL */
    uint32_t active_bytes;      /* its size */
    uint32_t written;           /* bytes of it handed to the disk */
    uint32_t synced;            /* ... and synced */
    uint32_t zeroed;            /* behind `written` and up to here zeros were written */
    struct bytes pending;       /* stands behind `written` */
#ifdef FLORIN_MUTANTS
    enum mutant mutant;
#endif
};

/* Appends a segment to the table and takes the handle over. */
struct log_segment *log_segment_add(struct log *log, uint64_t number, int handle);
/* Takes it out of the table and the index and closes it (once nobody reads in it). */
void log_segment_drop(struct log *log, struct log_segment *s);
struct log_segment *log_newest(const struct log *log);

/* Only its header's fields: 0, or -1 with the fault. */
int log_read_term(struct log *log, uint64_t index, uint64_t *term, struct fault *fault);

/* Writes a new segment file, whole and synced, but for its name. */
int log_segment_create(struct disk *disk, const struct segment_header *header, uint32_t bytes,
                       int *handle, struct fault *fault);

/* The segments in the folder, ascending. `base` is the caller's to free, also after -1. */
struct log_numbers {
    uint64_t *base;
    size_t n;
    size_t cap;
    bool others; /* files that an interrupted log_format can't have left */
};
int log_numbers_list(struct log_numbers *numbers, struct disk *disk, struct fault *fault);

/* 0 also when there is no such file. */
int log_remove_file(struct disk *disk, const char *name, struct fault *fault);
int log_remove_leftovers(struct disk *disk, struct fault *fault);

#endif
