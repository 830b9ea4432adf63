/* The network: one connection from each node to each other, as peer.h has them over TCP.
 *
 * Frames of one connection come whole, in order and at most once. What is blocked waits, as TCP
 * sends again; what stays blocked for long breaks the connection, and then what was under way is
 * lost and the sender is told. A connection to a process that died breaks when the sender finds
 * out. In the mode `chaos` every Raft frame goes its own way: lost, doubled, late, or in another
 * order, even from one life of a process to the next. */
#ifndef FLORIN_SIM_NET_H
#define FLORIN_SIM_NET_H

#include "consensus/transport.h"
#include "tests/sim/sim.h"

struct net;

struct net *net_new(struct world *w);
void net_free(struct net *net);

void net_transport(struct node *n, struct transport *transport);

/* A process began: it dials whom its driver names. It ended: its connections do, too; the others
 * find out soon (the system said so), or late when the power went. */
void net_started(struct world *w, struct node *n);
void net_died(struct world *w, struct node *n, bool power);

/* Ids from 1. Blocks or opens one direction. */
void net_block(struct world *w, uint64_t from, uint64_t to, bool blocked);
void net_heal(struct world *w);
/* The connection breaks now, and is set up again. */
void net_reset(struct world *w, uint64_t from, uint64_t to);

#endif
