/* One run of the suite: a cluster on ground of its own, clients that use it, faults that hurt it.
 */
#ifndef FLORIN_RUN_H
#define FLORIN_RUN_H

#include <stdatomic.h>

#include "jepsen/client.h"
#include "jepsen/members.h"
#include "jepsen/recorder.h"
#include "tests/cluster/cluster.h"

enum { CLIENTS_MAX = 128, RUN_PATH_MAX = 320 };

struct options {
    const char *florind, *florinctl, *checker; /* programs */
    const char *ground;                        /* jepsen/ground.sh */
    const char *preload;                       /* libraries for nodes: power.h's, and libfaketime */
    const char *out;                           /* folder for history, ledgers and report; exists */
    const char *nemesis;  /* names with commas between them, "mixed" or "none" */
    const char *workload; /* a name, or "mixed" */
    uint64_t seed;
    unsigned seconds, nodes, clients, rate; /* rate: steps a second of all clients together */
    bool keep;                              /* the nodes' logs and data, also when all is well */
};

struct run {
    struct options options;
    const char *id; /* the supervising process's pid: names namespaces and the folder */
    struct cluster cluster;
    struct recorder recorder;
    struct http http; /* the nemesis's */
    struct client *clients;
    pthread_t monitor;
    struct chance chance;         /* the nemesis's */
    struct members members;       /* likewise */
    atomic_uint nodes;            /* bit i: node i is called, watched and hurt */
    bool away[CLUSTER_NODES_MAX]; /* stopped by a fault: its end is no surprise */
    char surprise[256];           /* a node ended by itself: that fails a run; "": none did */
    atomic_bool stop;
    atomic_ulong acknowledged[CLUSTER_NODES_MAX]; /* money, by node */
    atomic_ulong ended[3];                        /* calls, by ending */
    atomic_ulong races;                           /* of workload idempotency */
};

/* Does all of it. Exit code: 0 and the checker is content, 1 it is not, 2 the run itself failed. */
int run_do(struct run *run);

/* Runs a verb of ground.sh for this run, with more arguments until NULL; ends the process when it
 * fails: a fault that did not happen proves nothing. */
void run_ground(const struct run *run, const char *verb, ...) __attribute__((sentinel));

/* The FIFO of node i's power (jepsen/power.h). */
void run_power_path(const struct run *run, int i, char path[static RUN_PATH_MAX]);

/* Node i is one of those that are called, watched and hurt, from now on or no more. */
void run_node_in(struct run *run, int i);
void run_node_out(struct run *run, int i);
bool run_has_node(const struct run *run, int i);
unsigned run_node_count(const struct run *run);
/* One of them. */
int run_any_node(const struct run *run, struct chance *chance);

/* One node more, on ground of its own, formatted to join, started; its index. */
int run_new_node(struct run *run);

/* Notes nodes that ended by themselves. */
void run_look_after(struct run *run);

/* Starts node i again if it ended meanwhile. */
void run_restart_if_ended(struct run *run, int i);

/* Waits for the end of node i, which was sent SIGTERM; one that does not stop in order fails the
 * run.
 */
void run_stopped(struct run *run, int i);

/* Waits for /readyz of node i. */
bool run_ready(struct run *run, int i, unsigned limit_ms);

/* What every node has in the end: OUT/ledger-N.jsonl. */
void run_collect(struct run *run);

/* Watches who leads, until run->stop. */
void *monitor_watch(void *run);

#endif
