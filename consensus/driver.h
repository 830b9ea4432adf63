/* The driver around libraft's pure core: events in, updates out, in the order that is safe.
 *
 * Guarantees, whatever the peers send and whenever the process dies:
 * - term and vote are durable before any message that follows from them leaves;
 * - entries count as durable only when the write that holds them is, and was not cut since;
 * - what is applicable is committed, durable here, and never goes back;
 * - messages that would break the core are dropped at the boundary (the guards, driver_guard.c).
 *
 * It does no I/O itself: storage, transport and the fetch of a state copy are interfaces, time is
 * an argument. The simulator runs this very code. Loop thread only. Every int is 0 or -1; -1 is
 * fatal: the process must stop with the fault's text. */
#ifndef FLORIN_DRIVER_H
#define FLORIN_DRIVER_H

#include "consensus/configuration.h"
#include "consensus/log.h"
#include "statemachine/mutant.h"
#include "consensus/storage.h"
#include "consensus/submit.h"
#include "consensus/transport.h"

/* Copies the sender's state, checks it against the manifest and moves it into place; then
 * driver_fetched is called. What it moves in must hold `index` and must not end before the state
 * that is here by then: the node may have caught up by itself meanwhile. Otherwise it leaves
 * everything as it is and says not ok. NULL start: this node can't, and such messages are
 * dropped. */
struct installer {
    void *impl;
    void (*start)(void *impl, uint64_t peer, uint64_t index, struct slice manifest);
};

struct driver_options {
    uint64_t id;
    const char *address; /* copied */
    struct storage storage;
    struct transport transport;
    struct installer installer;
    struct reporter *reporter;
    unsigned election_timeout_ms;
    unsigned heartbeat_ms;
    unsigned install_timeout_ms;
    unsigned inflight;  /* entries on their way to one follower */
    unsigned trailing;  /* entries kept behind a checkpoint */
    unsigned hold_ms;   /* how long a silent peer's copy holds the log (driver_hold.c); 0: not */
    size_t cache_bytes; /* recent entries kept in memory */
    unsigned seed;      /* of the election time-outs; another one for each life of the process */
#ifdef FLORIN_MUTANTS
    enum mutant mutant;
#endif
};

enum { DRIVER_SNAPSHOT_FORMAT = 1 }; /* of manifests */

struct driver;

/* Makes a driver from what the log holds and starts the core at now_ms. The log is only read
 * during the call. */
int driver_open(struct driver **driver, const struct driver_options *options, struct log *log,
                uint64_t now_ms, struct fault *fault);
void driver_close(struct driver *d);

/* Events. now_ms never goes back. */
int driver_tick(struct driver *d, uint64_t now_ms, struct fault *fault);
int driver_receive(struct driver *d, uint64_t now_ms, uint64_t peer, struct slice frame,
                   struct fault *fault);
int driver_written(struct driver *d, uint64_t now_ms, struct storage_write *w, struct fault *fault);
/* The link to a peer came up or went down. When it was the leader's, the next election is hurried:
 * a killed leader is noticed by its closed connection, not by waiting. A leader that lives keeps
 * its place: its other followers refuse the pre-vote. */
void driver_link(struct driver *d, uint64_t peer, bool up);

/* Frees a write that will not be handed to driver_written: its driver is closed or closing. */
void driver_release_write(struct storage_write *w);
int driver_fetched(struct driver *d, uint64_t now_ms, bool ok, struct fault *fault);

/* The state up to `index` (applicable, durable in the store) is a snapshot now: write its manifest,
 * tell the core, cut the log `trailing` entries behind it, or less while a peer gets the state.
 * Does nothing when the time is bad (an install or another manifest is under way): the next
 * checkpoint will do. */
int driver_checkpointed(struct driver *d, uint64_t index, struct slice manifest,
                        struct fault *fault);

/* A peer has asked for a copy of this node's state (begins), or has taken a piece of one: the log
 * is kept for it. Whether this node is short of room: then it is kept for nobody. */
void driver_copying(struct driver *d, uint64_t now_ms, uint64_t peer, bool begins);
void driver_short_of_room(struct driver *d, bool is_short);

/* Whether this leader may change members now, and the entry of a change under way (0: none). */
bool driver_may_change(const struct driver *d);
uint64_t driver_change(const struct driver *d);

/* Proposes these members, which differ from those of now by one member or one role. *index is zero
 * when it may not now. */
int driver_propose_members(struct driver *d, uint64_t now_ms,
                           const struct configuration_member *members, size_t n, uint64_t *index,
                           struct fault *fault);

/* A frame of kind FRAME_MEMBERS; whether this peer's other frames are to be taken; whether this
 * node was told that it is no member any more: as of which index, or 0. */
void driver_members_frame(struct driver *d, uint64_t now_ms, uint64_t peer, struct slice frame);
bool driver_knows(const struct driver *d, uint64_t peer);
uint64_t driver_removed(const struct driver *d);

/* Proposes one entry (copied). *index is zero when this node may not propose now (no leader, or
 * handing leadership over). */
int driver_propose(struct driver *d, uint64_t now_ms, enum log_entry_type type, struct slice data,
                   uint64_t *index, struct fault *fault);

/* Hands leadership to `target` (0: the best follower). *accepted says if it began. */
int driver_transfer(struct driver *d, uint64_t now_ms, uint64_t target, bool *accepted,
                    struct fault *fault);

/* Counts and reports (once a second at most) what a peer sent and this node dropped. */
void driver_refused(struct driver *d, uint64_t peer, const char *why);

/* When driver_tick wants to be called next. */
uint64_t driver_deadline_ms(const struct driver *d);

bool driver_is_leader(const struct driver *d);
bool driver_transferring(const struct driver *d);
uint64_t driver_leader(const struct driver *d); /* 0: none known */
uint64_t driver_term(const struct driver *d);

/* The highest index that may be applied: committed and durable here. Never goes back; zero while
 * an installed state is made durable. */
uint64_t driver_applicable(const struct driver *d);

/* The entry at an index up to applicable; borrows until the next call of a driver function. */
int driver_entry(struct driver *d, uint64_t index, struct log_entry *entry, struct fault *fault);

/* The manifest of the last snapshot; index 0: none. */
uint64_t driver_snapshot_index(const struct driver *d);

/* Fills the Raft part of the status. */
void driver_status(const struct driver *d, struct cluster_status *status);

#endif
