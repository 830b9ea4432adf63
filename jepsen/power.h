/* What the runner tells the library that stands between a node and its disk (power.c), through the
 * FIFO that POWER_FIFO names in the node's environment; POWER_DISK names the mounted disk. */
#ifndef FLORIN_POWER_H
#define FLORIN_POWER_H

#include <stdint.h>

#define POWER_FIFO "FLORIN_POWER_FIFO"
#define POWER_DISK "FLORIN_POWER_DISK"

enum power_verb {
    POWER_CUT = 1, /* number: a seed for what of the unsynced writes survives; 0: nothing does */
    POWER_SLOW,    /* number: every sync takes so many us longer from now on */
};

struct power_message {
    uint32_t verb;
    uint32_t number;
};

#endif
