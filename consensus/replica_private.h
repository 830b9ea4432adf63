/* The replica's inside, shared by replica.c (events, tickets, pump), replica_lead.c (the leader's
 * groups and barriers), replica_member.c (changes of members), replica_follow.c (forwarding),
 * replica_apply.c (entries and reads), replica_room.c (nearly full disks), replica_clock.c (the
 * time that entries are stamped with) and replica_gather.c (what waits for company). */
#ifndef FLORIN_REPLICA_PRIVATE_H
#define FLORIN_REPLICA_PRIVATE_H

#include "consensus/forward.h"
#include "consensus/replica.h"

/* Where a piece of work is. Each is on exactly one list. */
enum work_place {
    WORK_WAITING, /* to be proposed or forwarded */
    WORK_IN_LOG,  /* all of it proposed here, not all applied */
    WORK_READING, /* a read that waits for wait_index */
    WORK_SENT,    /* with the leader */
    WORK_PLACES,
};

/* A ticket of ours, or a request that a follower forwarded to us. */
struct work {
    struct work *next, *previous;
    enum work_place place;
    enum ticket_kind kind;
    uint64_t deadline_ms;

    struct ticket *ticket;  /* ours; or NULL and: */
    uint64_t peer, request; /* who forwarded it, and its number there */
    struct bytes in, out;   /* a forwarded one's own; a ticket has its own */
    uint64_t taken_ms;      /* a forwarded one: when */
    char name[TICKET_NAME_MAX + 1];
    bool urgent;

    uint32_t n_commands;
    uint32_t proposed, answered; /* commands */
    struct cursor rest;          /* frames not yet proposed */
    bool maybe_logged;           /* a log other than the one it is in now may hold it */
    uint64_t wait_index;         /* WORK_READING; 0: none proposed yet */
    uint64_t sent_request;       /* WORK_SENT */
    unsigned handovers;          /* a change of members: leadership was to go so often */
};

struct work_list {
    struct work *first, *last;
    size_t n;
};

/* One entry that this leader proposed: whose commands it holds, in order. */
struct group_part {
    struct work *work;
    uint32_t n;
};

struct group {
    struct group *next;
    uint64_t index, term;
    uint64_t proposed_us;
    size_t n_parts, cap_parts;
    struct group_part *parts;
};

/* Answers for one peer, sent at the end of the pump as one frame. */
struct peer_results {
    uint64_t peer;
    struct bytes frame;
};

struct replica {
    struct replica_options options;
    struct driver *driver;
    uint64_t applied;
    uint64_t term_led; /* 0: does not lead */
    bool stopping;

    struct work_list places[WORK_PLACES];
    struct group *group_first, **group_last;
    unsigned groups_open;
    uint64_t last_time_ms;  /* stamped into an entry */
    uint64_t barrier_index; /* the last barrier proposed */
    struct bytes entry;     /* being built */
    struct work *transfer;  /* waits for leadership to go */
    struct work *change;    /* of members: proposed, waits to be committed */

    uint64_t sent_to; /* the leader that WORK_SENT is with */
    uint64_t next_request;
    uint64_t retry_at_ms;   /* no forwarding before */
    uint64_t sweep_at_ms;   /* look for given-up work */
    uint64_t forwarded_now; /* followers' requests under way here */
    size_t forwarded_bytes;
    struct peer_results results[STATUS_MEMBERS_MAX];
    struct bytes scratch, names; /* of the frame that is being made */
    uint64_t said_second;        /* lines about forwarded work, in this second: */
    unsigned said;
    bool install_held; /* the state here is durable and holds what Raft wants installed */

    bool short_of_room; /* this node's disk, as the host says */
    bool no_room;       /* leading, and too few voters have room: writes are refused */
    struct peer_word {
        uint64_t peer; /* 0: a free place */
        bool short_of_room;
        bool has_clock;
        int64_t clock_distance_ms; /* its wall clock from our monotonic one */
    } words[STATUS_MEMBERS_MAX];   /* as each peer said last */

    bool clock_bounded;     /* a majority of the other voters was heard: no entry is stamped with */
    int64_t clock_bound_ms; /* more than our monotonic clock and this */
    bool clock_ahead;       /* said so */

    uint64_t bundle;          /* how much work went out together last, */
    uint64_t bundle_us;       /* and when */
    uint64_t gather_until_us; /* new work waits, with the gate or on its list; 0: it does not */

    struct cluster_status counters; /* only the counters are used */
};

/* replica.c */
struct slice work_in(const struct work *w);
struct bytes *work_out(struct work *w);
const char *work_name(const struct work *w); /* "-": it has none */
void work_move(struct replica *r, struct work *w, enum work_place place);
void work_move_front(struct replica *r, struct work *w, enum work_place place);
/* Back to waiting as if new, but for what may be in a log. */
void work_restart(struct replica *r, struct work *w);
void work_finish(struct replica *r, struct work *w, enum ticket_result result);
void work_finish_forwarded(struct replica *r, struct work *w, enum forward_status status);
/* Marks it as possibly in a log; false: its worker gave up, and the work is gone. */
bool work_enter(struct replica *r, struct work *w);
struct work *work_new(struct replica *r, enum ticket_kind kind);
uint64_t replica_now_ms(const struct replica *r);

/* replica_lead.c */
int replica_lead(struct replica *r, struct fault *fault);
void replica_lost_leadership(struct replica *r);
struct group *replica_take_group(struct replica *r, uint64_t index);
void group_free(struct group *g);
int replica_begin_transfer(struct replica *r, struct work *w, struct fault *fault);

int replica_propose_barrier(struct replica *r, struct fault *fault);

/* replica_member.c */
int replica_serve_changes(struct replica *r, struct fault *fault);
/* A follower hears that its change was refused. */
void replica_take_refusal(struct replica *r, struct work *w, struct slice answer);

/* replica_follow.c */
void replica_follow(struct replica *r);
void replica_recall(struct replica *r);
int replica_take_forward(struct replica *r, uint64_t peer, struct slice frame);
void replica_take_results(struct replica *r, uint64_t peer, struct slice frame);
void replica_flush_results(struct replica *r);
void replica_add_result(struct replica *r, uint64_t peer, const struct forward_result *result);
/* A line for work of a follower that took long, or was not done. */
void replica_say_forwarded(struct replica *r, const struct work *w, enum forward_status status);

/* replica_apply.c */
int replica_apply(struct replica *r, bool *again, struct fault *fault);
int replica_answer_reads(struct replica *r, struct fault *fault);
int replica_answer_query(struct replica *r, struct work *w, struct fault *fault);

/* replica_gather.c */
void replica_gather(struct replica *r); /* decides it for this turn */
bool replica_gathers(const struct replica *r);
/* Commands of so many tickets and requests have gone out in this turn; 0: none have. */
void replica_note_bundle(struct replica *r, uint64_t n);

/* replica_room.c */
void replica_take_room(struct replica *r, uint64_t peer, struct slice frame);
void replica_refuse_writes(struct replica *r);
/* What a peer said last; NULL: nothing. */
const struct peer_word *replica_word(const struct replica *r, uint64_t peer);

/* replica_clock.c */
enum { CLOCK_AHEAD_MAX_MS = 10000 };
void replica_judge_clocks(struct replica *r, const struct cluster_status *s);
void replica_say_clock(struct replica *r);
/* Unix time for the ledger: this node's, unless it is ahead of the others'. */
uint64_t replica_wall_ms(const struct replica *r);

#endif
