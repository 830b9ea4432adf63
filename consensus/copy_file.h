/* The file that a state copy is received into, written by the thread pool while more comes in.
 *
 * Guarantees: the loop never waits for the disk; `written` is what stands in the file, from its
 * begin and without holes; after copy_file_finish it is all that was added, synced, and so is the
 * file's name in its folder.
 *
 * How: what is added gathers in one buffer while the other is written.
 *
 * Loop thread only. */
#ifndef FLORIN_COPY_FILE_H
#define FLORIN_COPY_FILE_H

#include <stdbool.h>
#include <uv.h>

#include "statemachine/bytes.h"

struct copy_file;

struct copy_file_options {
    uv_loop_t *loop;
    const char *folder; /* exists */
    const char *path;   /* in it; made or emptied */
    size_t room;        /* how much may wait to be written, besides what is being written */
    /* More is written, or all of it (after copy_file_finish), or it failed: `error`, of errno. Not
     * after copy_file_close. */
    void (*moved)(void *context, uint64_t written, bool finished, int error);
    /* After copy_file_close: the memory is about to be freed. */
    void (*closed)(void *context);
    void *context;
};

/* 0, or the system's error. */
int copy_file_open(struct copy_file **file, const struct copy_file_options *options);

/* False: there is no room for so much. */
bool copy_file_add(struct copy_file *f, struct slice bytes);

/* No more comes: writes the rest, syncs. */
void copy_file_finish(struct copy_file *f);

/* Ends it at any time; `closed` comes from in here, or from the loop when a write is under way. */
void copy_file_close(struct copy_file *f);

#endif
