/* The state copy: a whole state (an LMDB file) streamed from one node to another over their peer
 * link, while both go on serving.
 *
 * Guarantees: what the receiver is given is the sender's file, whole (a sum over all of it) and
 * synced, or nothing: a broken link, a full disk, a wrong sum leave only a file that the next
 * try removes. At most one copy is received and COPY_SENDERS_MAX are sent at a time. On its way is
 * never more than a window, so that Raft's own messages are not kept waiting behind it.
 *
 * How: the sender's file is written into a pipe by a thread of libuv's pool; the loop reads the
 * pipe and sends chunks; the receiver acknowledges what it has written; the window stops the
 * reading, and so the thread.
 *
 * Loop thread only, but for write_state. */
#ifndef FLORIN_COPY_H
#define FLORIN_COPY_H

#include <uv.h>

#include "consensus/submit.h"
#include "consensus/transport.h"
#include "statemachine/report.h"

enum { COPY_SENDERS_MAX = STATUS_SENDS_MAX, COPY_VERSION = 1 };

struct copy_options {
    uv_loop_t *loop;
    struct transport transport;
    struct reporter *reporter;
    const char *folder; /* of the file `incoming` (made here, copied); exists */
    const char *file;   /* its name there */

    /* Thread pool: writes the whole state, as of some moment after the call, to `fd`. -1: says why;
     * a reader that went away is EPIPE, no more. */
    int (*write_state)(void *context, int fd, struct fault *fault);
    /* About how many bytes that will be; for progress. */
    uint64_t (*state_bytes)(void *context);
    /* How many bytes a fetched state may have: a larger one is not begun. NULL: no bound. */
    uint64_t (*room)(void *context);
    /* A peer has asked for the state (begins), or has taken a piece of it. NULL: nobody listens. */
    void (*sending)(void *context, uint64_t peer, bool begins);
    /* The fetch that copy_fetch began has ended; ok: folder/file is whole and synced. */
    void (*fetched)(void *context, bool ok);
    void *context;
    uint64_t rate;     /* bytes a second that one copy is sent with, at most. 0: no bound */
    unsigned quiet_ms; /* give up a copy that has not moved for so long. 0: 10,000 */
};

struct copy;

struct copy *copy_new(const struct copy_options *options);

/* Ends everything under way; `done` comes from the loop when the memory is free. */
void copy_close(struct copy *c, void (*done)(void *context), void *context);

/* Begins to fetch the state from `peer`; a fetch under way is given up first. */
void copy_fetch(struct copy *c, uint64_t peer);

/* Frames of kind FRAME_STATE, and what the links tell. */
void copy_frame(struct copy *c, uint64_t peer, struct slice frame);
void copy_link(struct copy *c, uint64_t peer, bool up);

/* Now and then: gives up what has not moved for quiet_ms. A link has two connections; when one
 * breaks, or a queue is full, only one of the two nodes hears of it. */
void copy_look(struct copy *c);

/* Whether a thread may still be inside write_state; and how to have it end soon. */
bool copy_sending(const struct copy *c);
void copy_stop_sending(struct copy *c);

/* Fills `fetch` and `sends` of the status. */
void copy_status(const struct copy *c, struct cluster_status *status);

#endif
