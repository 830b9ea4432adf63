/* A steady load of single bets over HTTP, with every latency kept.
 *
 * Bets are due at fixed times, whether or not those before them were answered: a stall of the
 * cluster shows in every bet that was due during it, not in one for each connection. */
#ifndef FLORIN_PACED_H
#define FLORIN_PACED_H

#include "tests/cluster/cluster.h"

enum { PACED_PHASES = 8 };

struct paced_options {
    struct cluster *cluster;
    int nodes;    /* the first so many of the cluster get bets, in turn */
    int threads;  /* connections */
    int rate;     /* bets a second, all threads together */
    long players; /* p0 to p(n-1), any of them */
};

struct paced_figures {
    uint64_t count, not_200;
    uint64_t p50_us, p99_us, p999_us, max_us; /* from when a bet was due to its answer */
    uint64_t late;                            /* of them, over 50 ms */
};

struct paced;

struct paced *paced_start(const struct paced_options *options);
/* What is due from now on counts for this phase (0 to PACED_PHASES - 1). */
void paced_phase(struct paced *l, int phase);
void paced_stop(struct paced *l);
/* After paced_stop. */
void paced_figures(struct paced *l, int phase, struct paced_figures *figures);
void paced_free(struct paced *l);

#endif
