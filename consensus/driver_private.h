/* The driver's inside, shared by driver.c (events and updates), driver_start.c (the first event),
 * driver_guard.c (what may come in), driver_send.c (what goes out), driver_members.c (changes of
 * members), driver_snapshot.c (manifests and installs) and driver_hold.c (what is not cut). */
#ifndef FLORIN_DRIVER_PRIVATE_H
#define FLORIN_DRIVER_PRIVATE_H

#include <raft.h>

#include "consensus/cache.h"
#include "consensus/driver.h"
#include "consensus/manifest.h"
#include "consensus/roster.h"

/* A frame that waits until the vote it follows from is durable. */
struct outgoing {
    uint64_t peer;
    uint64_t need; /* number of the storage write */
    struct bytes frame;
    struct outgoing *next;
};

/* What a write for the log hands back when it is done. */
struct pending_entries {
    struct blob **blobs;
    size_t n;
};

enum { INSTALL_NONE, INSTALL_FETCHING, INSTALL_WRITING };

/* The log is kept for a peer that is to have the state, until it has it or does not come on. */
struct hold {
    uint64_t peer;    /* 0: a free place */
    uint64_t offered; /* the first snapshot that it was offered since it asked last; 0: none */
    uint64_t from;    /* what it may be fetching, or has by now; 0: it has not asked yet */
    uint64_t until_ms;
};

struct driver {
    struct driver_options options;
    char address[LOG_ADDRESS_MAX];
    struct raft raft;
    bool started;
    uint64_t now_ms;

    struct cache *cache;
    uint64_t first_index; /* the log may have nothing below */
    uint64_t commit;      /* never goes back, whatever the core says */
    uint64_t submitted;   /* storage writes: last number given, last number durable */
    uint64_t durable;
    uint64_t vote_write;                   /* messages wait for this write */
    bool answers_stale;                    /* the message that is being taken is of an older term */
    const struct raft_request_vote *asked; /* ... is this; else NULL */

    struct outgoing *out_first, **out_last;
    struct bytes scratch; /* an entry read back */

    struct log_snapshot snapshot; /* the last durable manifest */
    bool snapshot_writing;
    int install;
    struct raft_message install_message; /* owned while fetching */
    uint64_t install_peer;

    struct hold holds[STATUS_MEMBERS_MAX];
    bool short_of_room; /* no holds then */

    struct roster roster;
    uint64_t members_committed, members_uncommitted; /* what the roster knows of the core's */
    uint64_t led_from; /* as leader: the first index that its own term may have */
    uint64_t leader_seen;
    uint64_t leader_heard_ms; /* when it last sent entries or a heartbeat */
    uint64_t leader_changes, elections_won;
    uint64_t refused; /* messages that a guard dropped */
    uint64_t refused_said_ms;
    bool was_leader;
    bool hurried;           /* no leader, or its link is down: short election time-outs */
    unsigned hurried_tries; /* elections that came to nothing since then */
};

/* driver.c */
int driver_step(struct driver *d, struct raft_event *event, struct fault *fault);
uint64_t driver_submit_write(struct driver *d, struct storage_write *w);
struct storage_write *driver_new_write(enum storage_kind kind);
void driver_take_vote(struct driver *d); /* the core's term and vote are to be durable */

/* driver_start.c */
int driver_start(struct driver *d, struct log *log, struct fault *fault);

/* driver_guard.c: false when the message must not reach the core; says why in the report. */
bool driver_guard(struct driver *d, uint64_t peer, const struct raft_message *m);
/* What the core must not say either, or should. */
int driver_guard_outgoing(struct driver *d, struct raft_message *m, struct fault *fault);

/* driver_send.c */
int driver_send_messages(struct driver *d, struct raft_message *messages, unsigned n,
                         struct fault *fault);
void driver_flush(struct driver *d);
void driver_drop_outgoing(struct driver *d);

/* driver_members.c */
void driver_sync_members(struct driver *d);
/* The ids of a configuration that is committed. -1: it can't be read. */
int driver_configuration_used(struct driver *d, const void *data, size_t len, struct fault *fault);
/* Tells the core that the configuration it holds as uncommitted is committed. */
int driver_commit_change(struct driver *d, struct fault *fault);
/* A second configuration behind one that this node does not know to be committed: it is, or the
 * second would never have been proposed. The core remembers one uncommitted configuration only, and
 * if the second were cut again it would go back to the one before the first. */
int driver_settle_change(struct driver *d, const struct raft_append_entries *m,
                         struct fault *fault);

/* driver_snapshot.c */
int driver_receive_install(struct driver *d, uint64_t peer, struct raft_message *m,
                           struct fault *fault);
int driver_take_install(struct driver *d, struct raft_update *update, struct fault *fault);
int driver_manifest_written(struct driver *d, struct storage_write *w, struct fault *fault);
int driver_install_written(struct driver *d, struct storage_write *w, struct fault *fault);
int driver_copy_configuration(const struct raft_configuration *from, struct raft_configuration *to,
                              struct fault *fault);
int driver_decode_configuration(const struct bytes *from, struct raft_configuration *to,
                                struct fault *fault);
/* A snapshot's manifest as it is on disk and wire: the driver's part, then the state machine's,
 * which *rest then is. -1: a newer format than this program knows. */
int driver_manifest_read(const struct bytes *manifest, uint64_t *highest_id, struct slice *rest,
                         struct fault *fault);

/* driver_hold.c */
/* The peer is offered the snapshot at `index`; it has answered an append. */
void driver_hold_offered(struct driver *d, uint64_t peer, uint64_t index);
void driver_hold_answered(struct driver *d, uint64_t peer);
/* The log is not to be cut before a higher index than this. */
uint64_t driver_hold_limit(struct driver *d);

#endif
