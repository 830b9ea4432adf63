/* Load on a cluster of real nodes, and the proof afterwards that nothing was lost or done twice.
 *
 * Clients bet, win and roll back at the nodes that are targets, and repeat each call until its
 * answer is certain. They may see 2xx, 503, 504 and connections that break; any other answer ends
 * the test. */
#ifndef FLORIN_TEST_LOAD_H
#define FLORIN_TEST_LOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/cluster/cluster.h"

enum { LOAD_CLIENTS_MAX = 256 };

struct load_answer {
    char id[32];
    char player[8];
    uint64_t seq;
    char amount[32];
    char balance[32];
    uint64_t at_us;
};

struct load_client {
    struct load *load;
    pthread_t thread;
    int number;
    unsigned random;
    unsigned made;
    struct load_answer *done; /* what was acknowledged */
    size_t n_done, cap_done;
};

/* Starts as zero; the first four are the test's to fill in. */
struct load {
    struct cluster *cluster; /* seeded with `players`; its florinctl is used */
    int n_clients;
    unsigned players;
    atomic_uint targets; /* bit i: node i is called, and compared by load_check */

    struct load_client clients[LOAD_CLIENTS_MAX];
    atomic_bool stop;
    atomic_ulong acknowledged, unavailable, unknown, broken;
    atomic_int wrong_status; /* the first status that no client may see */
    char wrong_body[512];
};

/* Clients run until load_stop. */
void load_start(struct load *l, unsigned generation);
void load_stop(struct load *l);

/* Waits until so many more calls were acknowledged; dies after a minute. */
void load_wait_progress(struct load *l, unsigned long more);

/* With the clients stopped: every acknowledged answer is in the ledger, once, with its seq, amount
 * and balance; balances are the ledger's; florinctl verifies the chain; the targets' chain heads
 * are equal. Dies when not, prints the figures. */
void load_check(struct load *l, const char *when);

void load_release(struct load *l);

#endif
