/* Figures out of Prometheus text, as a node's /metrics writes it. What is not understood is passed
 * over: a newer node may say more. Pure; any thread. */
#ifndef FLORIN_PROM_H
#define FLORIN_PROM_H

#include "statemachine/bytes.h"

enum { PROM_BUCKETS_MAX = 32 };

struct prom_histogram {
    uint64_t bound_us[PROM_BUCKETS_MAX]; /* the last: UINT64_MAX */
    uint64_t count[PROM_BUCKETS_MAX];    /* up to the bound, since the process began */
    unsigned n;
};

/* The sum of all series of this name whose labels hold `needle` ("": all of them), whole parts
 * only. False when there is none. */
bool prom_sum(struct slice text, const char *name, const char *needle, uint64_t *sum);

/* The histogram of this name that has no labels but its bounds; false when there is none. */
bool prom_histogram(struct slice text, const char *name, struct prom_histogram *h);

/* Below which duration `percent` of those lie that came between the two, by straight lines within a
 * bucket. False when none came, or when they are not of one histogram of one process. */
bool prom_quantile(const struct prom_histogram *before, const struct prom_histogram *after,
                   unsigned percent, uint64_t *us);

#endif
