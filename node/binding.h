/* Binds consensus/'s idea of a state machine to the wallet's. */
#ifndef FLORIN_BINDING_H
#define FLORIN_BINDING_H

#include "consensus/fsm.h"
#include "statemachine/machine.h"

/* `machine` is looked at on every call: it may be exchanged for another one between calls. */
void binding_init(struct fsm *fsm, struct machine **machine);

#endif
