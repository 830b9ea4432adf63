/* Misfortune: what goes wrong while the first phase lasts, and its end. */
#ifndef FLORIN_SIM_FAULT_H
#define FLORIN_SIM_FAULT_H

#include "tests/sim/sim_node.h"

enum fault_kind {
    FAULT_POWER_ONE,
    FAULT_POWER_TWO,
    FAULT_POWER_ALL,
    FAULT_KILL,
    FAULT_STOP,
    FAULT_ISOLATE,
    FAULT_ONE_WAY,
    FAULT_HALVES,
    FAULT_BRIDGE,
    FAULT_RESET,
    FAULT_SLOW_DISK,
    FAULT_DISK_ERROR,
    FAULT_FULL_DISK,
    FAULT_CLOCK,
    FAULT_TRANSFER,
    FAULT_PAUSE,
    FAULT_KINDS,
};

void faults_start(struct world *w);

/* A process ended: it comes back after a while. */
void fault_restart_later(struct world *w, struct node *n);

/* The network is whole, everybody runs, no disk is slow. */
void faults_end(struct world *w);

#endif
