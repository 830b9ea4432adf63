/* Where api/ and consensus/ meet: a ticket, and a gate to hand it in.
 *
 * A worker thread fills a ticket, hands it in and waits. The loop takes all waiting tickets at
 * once, and answers each exactly once. The bytes in a ticket are opaque here: consensus/ knows no
 * wallet.
 *
 * Life of a ticket:
 *   QUEUED    handed in; nothing has happened: giving up here is certain (503)
 *   ENTERED   its commands may be in a log: giving up here leaves the outcome unknown (504)
 *   DONE      `result` and `out` are filled
 * Two references hold it, the worker's and the loop's; each lets go with ticket_release. */
#ifndef FLORIN_SUBMIT_H
#define FLORIN_SUBMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "consensus/member.h"
#include "statemachine/bytes.h"

enum ticket_kind {
    TICKET_COMMANDS,    /* in: frames; out: one frame for each command, in order */
    TICKET_QUERY,       /* linearizable; in: one query; out: its answer */
    TICKET_STALE_QUERY, /* the same from this node's state as it is */
    TICKET_STATUS,      /* out: one struct cluster_status */
    TICKET_TRANSFER,    /* hand leadership over; target in `target` (0: any) */
    TICKET_MEMBER,      /* in: one member_change; RESULT_REFUSED: out: one member_answer */
};

enum ticket_result {
    RESULT_OK,
    RESULT_UNAVAILABLE, /* certainly not applied: no leader before the deadline, or stopping */
    RESULT_OVERLOADED,  /* certainly not applied: a queue is full */
    RESULT_UNKNOWN,     /* may be applied, now or later */
    RESULT_MALFORMED,   /* `in` is not what its kind says */
    RESULT_REFUSED,     /* a transfer or change of members that can't be; nothing was changed */
    RESULT_NO_ROOM,     /* certainly not applied: disks are nearly full */
};

enum { TICKET_NAME_MAX = 64 };

struct ticket {
    /* Filled by the worker before gate_submit, constant afterwards. */
    enum ticket_kind kind;
    struct bytes in;
    uint32_t n_commands;
    uint64_t target;
    char name[TICKET_NAME_MAX + 1]; /* the request's, in the nodes' logs; may be empty */
    bool urgent;                    /* commands: not refused for want of room on disks */
    bool exempt;                    /* not refused because much else is under way */

    /* Filled by the loop before it says done. */
    enum ticket_result result;
    struct bytes out;

    struct ticket_private *p;
    struct ticket *next; /* the gate's and the loop's lists */
};

/* A frame in `in` and `out`: u32 little-endian length, then the bytes. */
void frame_append(struct bytes *out, const void *data, size_t len);
/* Takes the next frame; false at the end or when malformed (then c->failed is set). */
bool frame_next(struct cursor *c, struct slice *frame);

/* A new ticket with the worker's reference. Any thread. */
struct ticket *ticket_new(enum ticket_kind kind);
/* An id (statemachine/command.h), or nothing: it is printed as it is. */
void ticket_name(struct ticket *t, const char *name);
void ticket_release(struct ticket *t);

struct gate;

/* Hands the ticket in and waits until it is done or timeout_ms have passed; returns the result
 * (RESULT_UNAVAILABLE or RESULT_UNKNOWN on time-out, by whether it had entered). `out` may be read
 * only after RESULT_OK and, of a TICKET_MEMBER, RESULT_REFUSED. A full gate answers
 * RESULT_OVERLOADED, a closed one RESULT_UNAVAILABLE, at once. Worker threads; one call per ticket.
 */
enum ticket_result gate_submit(struct gate *g, struct ticket *t, unsigned timeout_ms);

/* True when a ticket with commands or a question would be refused now, as RESULT_OVERLOADED: asked
 * before work is put into one. Counts it as refused. Any thread, no waiting. */
bool gate_refuses(struct gate *g);

/* What every answer's headers need; any thread, no waiting. */
struct gate_view {
    uint64_t node_id;
    uint64_t leader_id;         /* 0: none known */
    uint64_t applied_seq;       /* the ledger's last seq on this node */
    uint64_t directory_version; /* grows when credentials change */
    bool ready;                 /* knows a leader and has applied what it must */
    bool stopping;
};
void gate_view(const struct gate *g, struct gate_view *view);

enum {
    STATUS_MEMBERS_MAX = 16,
    STATUS_BUCKETS = 20,
    STATUS_ADDRESS_MAX = MEMBER_ADDRESS_MAX,
    STATUS_SENDS_MAX = 2, /* state copies sent at a time */
};

/* Upper bounds of the latency buckets in microseconds; the last is unbounded (0). */
extern const uint32_t status_bucket_us[STATUS_BUCKETS];

/* A histogram of durations: counts by bucket (not cumulated), sum and count. */
struct status_histogram {
    uint64_t bucket[STATUS_BUCKETS];
    uint64_t count;
    uint64_t sum_us;
};

/* A state copy under way; peer 0: none. The total is an estimate that bytes may pass. */
struct status_copy {
    uint64_t peer;
    uint64_t bytes, total;
    uint64_t bytes_per_s; /* since it began */
};

/* The newest formats that this binary writes and reads. */
struct status_formats {
    uint32_t entry;    /* Raft entries */
    uint32_t log;      /* segments and the files beside them */
    uint32_t snapshot; /* snapshots' manifests */
    uint32_t link;     /* handshake and frames of peer links */
    uint32_t message;  /* what is in the frames */
};

/* What this node knows of itself and the cluster; plain data, copied whole. */
struct cluster_status {
    uint64_t node_id, leader_id, term;
    char state[16]; /* "leader", "follower", "candidate" */
    uint64_t first_index, last_index, stored_index, commit_index, applied_index;
    uint64_t applied_seq, clock_ms;
    uint64_t checkpoint_index; /* the last durable one */
    struct {
        uint64_t id;
        char address[STATUS_ADDRESS_MAX];
        enum member_role role;
        bool connected;
        uint64_t match_index; /* known to the leader only */
    } members[STATUS_MEMBERS_MAX];
    uint32_t n_members;
    uint64_t members_index;     /* the entry of the members that are committed */
    uint64_t change_index;      /* a change of members under way: its entry; 0: none */
    uint64_t highest_member_id; /* ever used; a new member needs a higher one */

    struct status_copy fetch;                   /* the state that this node fetches */
    struct status_copy sends[STATUS_SENDS_MAX]; /* ... and sends */
    struct status_formats formats;

    /* Counters since the start of the process. */
    uint64_t leader_changes, elections_won, entries_committed, commands_applied;
    uint64_t groups, group_commands; /* group commits led, and commands in them */
    uint64_t reads, barriers, forwarded, repeated, overloaded;
    uint64_t writes_refused; /* tickets, for want of room on disks */
    uint64_t checkpoints, checkpoint_last_us, checkpoint_total_us, changes_bytes;
    bool reading_ids; /* the filter of known ids is not whole */
    uint64_t log_bytes_written, log_syncs;
    struct status_histogram commit_latency; /* proposed to applied, on the leader */
    struct status_histogram sync_latency;   /* one write and sync of the log */
    uint64_t queue_tickets, queue_bytes;    /* waiting in the gate now */
    uint64_t queue_limit;                   /* tickets that may: it falls when they take long */

    /* Disk. `short_of_room`: this node's; `no_room`: it leads, and refuses writes. */
    uint64_t disk_free_bytes, disk_reserve_bytes;
    bool short_of_room, no_room;
};

#endif
