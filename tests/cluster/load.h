/* A steady load of single bets over HTTP, with every latency kept.
 *
 * Bets are due at fixed times, whether or not those before them were answered: a stall of the
 * cluster shows in every bet that was due during it, not in one for each connection. */
#ifndef FLORIN_TEST_LOAD_H
#define FLORIN_TEST_LOAD_H

#include "tests/cluster/cluster.h"

enum { LOAD_PHASES = 8 };

struct load_options {
    struct cluster *cluster;
    int nodes;    /* the first so many of the cluster get bets, in turn */
    int threads;  /* connections */
    int rate;     /* bets a second, all threads together */
    long players; /* p0 to p(n-1), any of them */
};

struct load_figures {
    uint64_t count, not_200;
    uint64_t p50_us, p99_us, p999_us, max_us; /* from when a bet was due to its answer */
    uint64_t late;                            /* of them, over 50 ms */
};

struct load;

struct load *load_start(const struct load_options *options);
/* What is due from now on counts for this phase (0 to LOAD_PHASES - 1). */
void load_phase(struct load *l, int phase);
void load_stop(struct load *l);
/* After load_stop. */
void load_figures(struct load *l, int phase, struct load_figures *figures);
void load_free(struct load *l);

#endif
