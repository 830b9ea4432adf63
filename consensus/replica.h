/* One replica: tickets become entries, committed entries become outcomes, reads wait for theirs.
 *
 * Guarantees:
 * - a ticket is answered OK only after its commands were committed by a majority and applied here
 *   or on the leader that answered;
 * - what may be in some log and was not answered is repeated, to whoever leads, until its deadline:
 *   commands carry idempotency keys, so a repeat changes nothing;
 * - a read is answered from the state after an entry that was proposed after the read came in;
 * - entries are applied once each, in order; a state that differs from the leader's stops the node.
 *
 * It sits on the driver and does no I/O of its own. Loop thread only; ints are 0 or -1, -1 fatal.
 */
#ifndef FLORIN_REPLICA_H
#define FLORIN_REPLICA_H

#include "consensus/clock.h"
#include "consensus/driver.h"
#include "consensus/fsm.h"
#include "consensus/gate.h"

struct replica_options {
    struct driver_options driver;
    struct fsm fsm;
    struct clock clock;
    struct gate *gate;
    size_t group_bytes;    /* one entry is filled up to here */
    unsigned group_window; /* entries proposed and not yet applied */
    unsigned gather_from;  /* after so many tickets of commands that went out together, */
    unsigned gather_us;    /* the next ones do so much later (replica_gather.c); 0: at once */
    unsigned forward_max;  /* requests of followers under way on the leader */
    size_t forward_bytes_max;
    unsigned slow_ms; /* forwarded work that takes longer has a line in the log; 0: none has */
    /* The state came by a copy, and the log has not caught up with it yet: a copy may hold more
     * than the manifest that it was fetched for, and an install may be cut short. To be remembered
     * beside the state until the log's last index has reached what the copy held. */
    bool state_may_lead;
    /* Adds what consensus/ can't know (checkpoints, log writes) to a status. */
    void (*more_status)(void *context, struct cluster_status *status);
    void *context;
};

struct replica;

int replica_open(struct replica **replica, const struct replica_options *options, struct log *log,
                 struct fault *fault);
/* Answers what waits, with the gate too, with unavailable or unknown. */
void replica_close(struct replica *r);

/* Events. Each is followed by one replica_pump when the host has delivered what it has. */
int replica_frame(struct replica *r, uint64_t peer, enum frame_kind kind, struct slice frame,
                  struct fault *fault);
void replica_link(struct replica *r, uint64_t peer, bool up);
/* What the peer sent may be lost: work that it was to answer is sent again. */
void replica_lost(struct replica *r, uint64_t peer);
int replica_written(struct replica *r, struct storage_write *w, struct fault *fault);
int replica_fetched(struct replica *r, bool ok, struct fault *fault);

/* Takes tickets, proposes, forwards, applies, answers. *again: call once more without waiting. */
int replica_pump(struct replica *r, bool *again, struct fault *fault);

/* When the next replica_pump is due even if nothing happens. */
uint64_t replica_deadline_ms(const struct replica *r);

/* And when by the clock's microseconds, as the last one left new work to wait for company, if any
 * came or comes. UINT64_MAX: it did not. */
uint64_t replica_gather_until_us(const struct replica *r);

/* A peer has asked for a copy of this node's state (begins), or has taken a piece of one: the log
 * that it will need is kept. */
void replica_copying(struct replica *r, uint64_t peer, bool begins);

/* Whether this node's disk has room to spare. The host says so at once when it changes, when a link
 * is up, and about every second: the peers are told that and what this node's clock says, and what
 * follows is done (replica_room.c, replica_clock.c). */
int replica_room(struct replica *r, bool short_of_room, struct fault *fault);

/* The store holds the state up to `index` durably. */
int replica_checkpointed(struct replica *r, uint64_t index, struct slice manifest,
                         struct fault *fault);

/* Hands leadership over and takes no more work from others; replica_idle says when what was under
 * way is answered. Close the gate before. */
int replica_stop(struct replica *r, struct fault *fault);
bool replica_idle(const struct replica *r);

/* This node is no member as of this index, and can't be one again: it is to stop. 0: it may be. */
uint64_t replica_removed(const struct replica *r);

uint64_t replica_applied_index(const struct replica *r);
const struct driver *replica_driver(const struct replica *r);
void replica_status(struct replica *r, struct cluster_status *status);

#endif
