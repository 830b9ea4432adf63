/* One simulated node: a disk and a store that outlive it, and a process that comes and goes.
 *
 * The process is the production code, wired as node/ wires it: log, storage (one batch at a time,
 * one sync), machine, checkpoints, gate, replica, installs of copied states. */
#ifndef FLORIN_SIM_NODE_H
#define FLORIN_SIM_NODE_H

#include "consensus/replica.h"
#include "statemachine/machine.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_disk.h"
#include "tests/sim/sim_store.h"

enum { SIM_NODES_MAX = 9 };

enum node_death {
    DEATH_POWER,   /* what was not synced is settled by chance */
    DEATH_PROCESS, /* killed: what was written stays */
    DEATH_STOP,    /* an orderly stop: its last answers count */
};

enum checkpoint_step {
    CHECKPOINT_NONE,
    CHECKPOINT_WRITING,
    CHECKPOINT_WAITING,
    CHECKPOINT_WRITTEN
};

struct node {
    struct world *world;
    uint64_t id;

    /* Durable. */
    struct sim_disk *disk;
    struct sim_store *store;
    bool state_may_lead;        /* a copy was moved in that the log has not caught up with */
    struct sim_store *leftover; /* an old copy of the store */
    bool disk_fails;            /* an error was planted: the process may end by it */
    uint64_t short_until_us;    /* its disk is nearly full until then */
    uint64_t full_until_us;     /* ... and full */
    bool retired;               /* it was told that it is no member any more: it never comes back */

    /* The process. */
    bool up;
    bool stopping;
    uint64_t life; /* grows with every start and every end */
    uint64_t paused_until_us;
    uint64_t started_us;
    int64_t wall_offset_ms;
    int64_t drift_ppm; /* how much faster than the world's its clocks run, in this life */
    struct disk files;
    struct log *log;
    struct machine *machine;
    struct gate *gate;
    struct replica *replica;

    bool pump_due;
    uint64_t timer_us; /* when the next timer rings; 0: none is set */
    unsigned pumps_at_once;
    uint64_t pumped_us;

    struct storage_write *queued, **queued_last;
    struct storage_write *writing; /* the batch under way */
    uint64_t slow_until_us;        /* the disk is slow until then */

    enum checkpoint_step checkpoint;
    uint64_t checkpoint_index;
    uint8_t checkpoint_head[MACHINE_CHECK_BYTES];

    bool fetching;
    uint64_t fetch_peer, fetch_index;
    uint8_t fetch_manifest[64];
    size_t fetch_manifest_len;

    /* The state machine's binding (sim_fsm.c). */
    uint64_t applied;     /* the last index whose entry ended */
    uint64_t applicable;  /* what the driver last said */
    uint64_t outcomes;    /* hash of the outcomes of the entry being applied */
    struct bytes scratch; /* outcomes nobody waits for */
};

/* Makes its disk and store, with the first members in its log or, to join later, none; the process
 * is not started. */
void node_init(struct node *n, struct world *w, uint64_t id, bool join);
void node_release(struct node *n);

void node_start(struct node *n);
void node_end(struct node *n, enum node_death death);
/* An orderly stop: hands leadership over, ends when nothing is under way any more or it takes too
 * long. */
void node_stop(struct node *n);

bool node_awake(const struct node *n); /* up, and not paused */

/* What the network tells a process. */
void node_frame(struct node *n, uint64_t peer, enum frame_kind kind, struct slice frame);
void node_link(struct node *n, uint64_t peer, bool up);
void node_lost(struct node *n, uint64_t peer);

/* Its disk is nearly full (and full) for so long; 0: not any more. */
void node_fill_disk(struct node *n, uint64_t short_us, uint64_t full_us);
bool node_disk_full(const struct node *n);

/* Something happened: pump soon. */
void node_wake(struct node *n);

uint64_t node_now_ms(void *node);

struct machine_options node_machine_options(const struct node *n);

/* sim_fsm.c */
void node_fsm(struct node *n, struct fsm *fsm);

/* sim_storage.c: the disk's side of a process. */
void node_storage(struct node *n, struct storage *storage);
/* Does some of what is under way, as far as it got when the process died. */
void node_storage_end(struct node *n, enum node_death death);

/* sim_checkpoint.c: checkpoints and installs. */
void node_checkpoint_start(struct node *n);
void node_checkpoint_end(struct node *n);
void node_installer(struct node *n, struct installer *installer);

/* The process can't go on: an error of its disk, which is legal, or a bug. */
void node_fault(struct node *n, const struct fault *fault);

#endif
