/* The operator: changes the members by tickets, one after another, sensibly and not, and looks at
 * what it is told. */
#ifndef FLORIN_SIM_MEMBER_H
#define FLORIN_SIM_MEMBER_H

#include "tests/sim/sim_node.h"

void operator_start(struct world *w);
void operator_free(struct world *w);

/* After a pump of this node: is the operator's ticket answered? The node's process ended. */
void operator_look(struct world *w, struct node *n);
void operator_lost(struct world *w, struct node *n);

#endif
