/* Time as consensus/ sees it; the simulator brings its own. */
#ifndef FLORIN_CLOCK_H
#define FLORIN_CLOCK_H

#include <stdint.h>

struct clock {
    void *impl;
    uint64_t (*now_ms)(void *impl);  /* never goes back; for time-outs */
    uint64_t (*now_us)(void *impl);  /* the same clock; for measurements */
    uint64_t (*wall_ms)(void *impl); /* Unix time; may jump; for the ledger's clock */
};

#endif
