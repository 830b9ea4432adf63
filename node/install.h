/* Replacing this node's state by a copy of the leader's, when it fell behind the leader's log.
 *
 * The copy lies in `state.new` until it is whole, synced, opened and checked against the manifest
 * that Raft sent; then the two folders change names in one step. Before that step the node is as it
 * was; after it the new state may be ahead of the Raft log, which the file `installed` in it says
 * until the log has caught up (replica_options.state_may_lead). */
#ifndef FLORIN_INSTALL_H
#define FLORIN_INSTALL_H

#include "consensus/driver.h"

struct node;

/* At start: removes what an interrupted copy left, makes the folder. 0, or -1 with the fault. */
int install_prepare(struct node *n, struct fault *fault);
bool install_state_may_lead(const struct node *n);

/* After the links and the machine are open. */
void install_open(struct node *n);
void install_bind(struct node *n, struct installer *installer);

/* In each pump: exchanges the states when a copy is whole and nobody uses the old one. */
int install_advance(struct node *n, struct fault *fault);

/* After a checkpoint: the state is no longer ahead of the log. */
void install_settled(struct node *n);

#endif
