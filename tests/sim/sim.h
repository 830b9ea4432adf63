/* The simulator's world: several nodes of one cluster in one process, one queue of events ordered
 * by time, one source of chance.
 *
 * Guarantees: the same seed gives the same run, event by event, and so the same hash. Nothing that
 * is decided depends on the real clock, on an address or on another process.
 *
 * What is simulated: disk (sim_disk.h), store (sim_store.h), network (sim_net.h), clocks, clients
 * (sim_client.h) and misfortune (sim_fault.h). What is not: consensus/ and statemachine/ are the
 * code that runs in production. What must hold is in sim_check.h.
 *
 * One thread. Times are microseconds since the world began. */
#ifndef FLORIN_SIM_H
#define FLORIN_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "statemachine/mutant.h"

struct world;
struct node;

/* ---- chance (sim_random.c) ---- */

struct random {
    uint64_t state;
};

uint64_t random_next(struct random *r);
uint64_t random_below(struct random *r, uint64_t n);                    /* n > 0 */
uint64_t random_between(struct random *r, uint64_t low, uint64_t high); /* both included */
bool random_chance(struct random *r, unsigned per_mille);

/* Running hashes, for the comparison of states and runs; not for anything secret. */
uint64_t mix(uint64_t hash, uint64_t value);
uint64_t mix_bytes(uint64_t hash, const void *data, size_t len);

/* ---- events ---- */

struct event {
    uint64_t at_us;
    uint64_t sequence; /* the order of events of one time: first made, first run */
    void (*run)(struct world *w, const struct event *e);
    struct node *node; /* the process it happens in; NULL: outside of all */
    uint64_t life;     /* ... which life of it: an event for a dead process is dropped */
    uint64_t a, b;
    void *data; /* freed after the run; may be NULL */
};

/* Copies *e; fills sequence, and life from e->node. */
void world_schedule(struct world *w, uint64_t delay_us, struct event e);

/* ---- what happened, for the summary: a misfortune that never comes proves nothing ---- */

enum sim_count {
    /* Misfortunes, as many and in the order of enum fault_kind. */
    COUNT_POWER_ONE,
    COUNT_POWER_TWO,
    COUNT_POWER_ALL,
    COUNT_KILL,
    COUNT_STOP,
    COUNT_ISOLATE,
    COUNT_ONE_WAY,
    COUNT_HALVES,
    COUNT_BRIDGE,
    COUNT_RESET,
    COUNT_SLOW_DISK,
    COUNT_DISK_ERROR,
    COUNT_FULL_DISK,
    COUNT_CLOCK,
    COUNT_TRANSFER,
    COUNT_PAUSE,
    /* What came of them, and of the rest. */
    COUNT_DIED_OF_DISK, /* a process ended by an error of its disk, or for want of room */
    COUNT_CUT_MID_CALL, /* ... by a power cut in the middle of a call */
    COUNT_FRAME_LOST,
    COUNT_FRAME_DOUBLED,
    COUNT_FRAME_LATE,
    COUNT_QUEUE_FULL,
    COUNT_LINK_BROKEN,
    COUNT_ELECTION,
    COUNT_INSTALL,
    COUNT_COPY_REFUSED,
    COUNT_NODE_MADE,
    COUNT_MEMBERS_CHANGED,
    COUNT_DRIFTING_NODE, /* a life whose clocks run at another speed */
    COUNT_REPEAT,
    COUNT_CONFLICT,
    COUNT_UNKNOWN, /* a client that will never hear */
    SIM_COUNTS,
};
const char *count_name(enum sim_count c); /* sim_fault.c */

/* ---- the world ---- */

/* What one seed is like: drawn once, so that seeds differ in kind and not only in detail. */
struct profile {
    unsigned n_nodes;
    unsigned n_clients;
    uint64_t trouble_us; /* how long things go wrong */

    unsigned election_timeout_ms, heartbeat_ms, install_timeout_ms;
    unsigned inflight, trailing, hold_ms, group_window, gather_from, gather_us;
    size_t cache_bytes, group_bytes, segment_bytes, changes_soft, changes_hard;

    uint64_t net_min_us, net_max_us;
    uint64_t disk_min_us, disk_max_us;
    uint64_t loop_max_us; /* how long a loop may gather events before its pump */
    uint64_t think_max_us;
    uint64_t checkpoint_every_us;
    uint64_t fault_every_us;
    unsigned faults;           /* bits of enum fault_kind that may happen */
    bool chaos;                /* Raft frames are lost, doubled and reordered one by one */
    unsigned refuse_per_mille; /* a send finds its queue full */
    unsigned drift_ppm;        /* how far a clock's speed is off at most */
    bool members;              /* an operator changes the members all the while */
};

struct world_options {
    uint64_t seed;
    enum mutant mutant;
    bool verbose;
};

struct world {
    struct world_options options;
    struct profile profile;
    struct random random;

    uint64_t now_us;
    struct event *heap;
    size_t n_events, cap_events;
    uint64_t next_sequence;
    uint64_t events_run;
    uint64_t hash; /* over every event's time, every frame's bytes and every answer */

    struct node *nodes; /* room for SIM_NODES_MAX; ids are 1, 2, 3 ... */
    unsigned n_nodes;   /* made so far: profile.n_nodes at first, then those that are to join */
    struct operator* operator;
    struct net *net;
    struct clients *clients;
    struct check *check;
    uint64_t counts[SIM_COUNTS];
    bool calm; /* the second phase: no more misfortune */

    bool failed;
    char failure[1024]; /* the first one */
};

/* Runs one seed to its end. The result stays readable until world_release. */
void world_run(struct world *w, const struct world_options *options);
void world_release(struct world *w);

/* Notes the first failure; the run ends after the event that is running. */
void world_fail(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One line of the trace, only when verbose. */
void world_say(struct world *w, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
