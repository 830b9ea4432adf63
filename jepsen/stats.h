/* What a history says in figures: for the verdict's line, the report and the closing note. */
#ifndef FLORIN_STATS_H
#define FLORIN_STATS_H

#include "jepsen/history.h"

struct stats {
    uint64_t by_fn[FN_COUNT][3]; /* [fn][ending] */
    uint64_t total[3];           /* by ending */
    uint64_t refused;            /* acknowledged refusals: business as usual */
    uint64_t replayed;
    int64_t duration_ns;
    int64_t gap_ns; /* longest time without any acknowledged money call, while some were asked */
    int64_t gap_begin_ns;
    int64_t p50_ns, p99_ns, max_ns; /* acknowledged calls */
    unsigned elections;             /* leaders seen after the first one */
    unsigned faults;                /* :start-... and single ones */
};

void stats_count(struct stats *s, const struct history *h);

#endif
