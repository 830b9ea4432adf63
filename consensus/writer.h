/* The log's writer: a thread that makes durable what the driver submits, so that the loop never
 * waits for a disk.
 *
 * Guarantees: writes become durable in the order of submission and come back, durable, in that
 * order; each exactly once. After a failure nothing more is done: the fatal callback is told, and
 * what was queued never comes back as done.
 *
 * How: one thread, two lists under a mutex. The thread takes all that waits; neighbouring appends
 * share one write and one sync (as many as fit in 4 MiB, so that the first ones are not kept
 * waiting for the last), everything else is durable by itself. */
#ifndef FLORIN_WRITER_H
#define FLORIN_WRITER_H

#include "consensus/storage.h"
#include "consensus/submit.h"

struct writer;

struct writer_options {
    struct log *log; /* must outlive the writer, which alone changes it from now on */
    /* Writer's thread, after some writes are done: have the loop call writer_drain_done. */
    void (*wake)(void *context);
    /* Writer's thread, once: the log is broken; the process must end. It may return. */
    void (*fatal)(void *context, const struct fault *fault);
    void *context;
};

/* Starts the thread. *writer is NULL on -1. */
int writer_open(struct writer **writer, const struct writer_options *options, struct fault *fault);

/* The storage that the driver is given. Its submit may be called while the writer is open. */
void writer_storage(struct writer *w, struct storage *storage);

/* What is done since the last call, in order of submission, linked by `next`; the caller owns it
 * again. One thread at a time, normally the loop's. */
struct storage_write *writer_drain_done(struct writer *w);

/* Fills log_bytes_written, log_syncs and sync_latency (one write and sync of entries). Any thread.
 */
void writer_status(struct writer *w, struct cluster_status *status);

/* Finishes what is queued (unless the log broke), stops the thread, frees the writer. *left gets
 * every write not drained: those done first, then, after a failure, those not done; the caller
 * owns them. NULL is fine for w. */
void writer_close(struct writer *w, struct storage_write **left);

#endif
