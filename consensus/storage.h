/* What the driver asks of durable storage: writes in order, told when they are durable.
 *
 * Production: a thread that owns the log (writer.c), which takes all that waits and makes it
 * durable with one write and one sync. Simulator: the same log code, run at a simulated time. */
#ifndef FLORIN_STORAGE_H
#define FLORIN_STORAGE_H

#include "consensus/log.h"

enum storage_kind {
    STORAGE_ENTRIES,  /* append (and cut the tail from the first index on) */
    STORAGE_VOTE,     /* term and vote */
    STORAGE_SNAPSHOT, /* manifest of a checkpoint; then cut the log before `cut_before` */
    STORAGE_INSTALL,  /* manifest of an installed state; then restart the log after its index */
};

/* One write. The storage owns it until `storage_done` hands it back to the driver. */
struct storage_write {
    enum storage_kind kind;
    uint64_t number; /* 1, 2, 3 ... in the order of submission */

    struct log_entry *entries; /* STORAGE_ENTRIES; payloads stay valid until done */
    size_t n_entries;

    uint64_t term, vote; /* STORAGE_VOTE */

    struct log_snapshot snapshot; /* STORAGE_SNAPSHOT, STORAGE_INSTALL */
    uint64_t cut_before;

    void *owner; /* the driver's: what to free when done */
    struct storage_write *next;
};

struct storage {
    void *impl;
    /* Loop thread; never waits. Writes become durable in the order of submission, and done is told
     * on the loop thread (driver_written) in that order. A failure ends the process. */
    void (*submit)(void *impl, struct storage_write *w);
    /* Loop thread: reads back an entry that is durable. */
    int (*read)(void *impl, uint64_t index, struct log_entry *entry, struct bytes *data,
                struct fault *fault);
};

/* Does one write on the log, as the writer thread and the simulator both do it. Entries are not
 * durable before the log_sync that the caller makes after one or more of them. */
int storage_perform(struct log *log, const struct storage_write *w, struct fault *fault);

#endif
