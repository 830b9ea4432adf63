/* What tests of a cluster do to its ledger, and ask of it. Each dies when it can't. */
#ifndef FLORIN_TEST_LEDGER_H
#define FLORIN_TEST_LEDGER_H

#include "tests/cluster/cluster.h"

/* A number of node i's /v1/cluster; -1 when it does not answer. */
long status_number(struct cluster *c, struct http *http, int i, const char *field);

/* Bets of 1 EUR of player p0, named bet-FROM and so on, one after the other, through `node`. */
void place_bets(struct cluster *c, struct http *http, int node, int from, int count);

/* One batch of `count` such bets; true when every one was answered 200. */
bool place_batch(struct cluster *c, struct http *http, int node, int from, int count);

/* Until node i has applied `seq`; a minute at most. */
void wait_applied(struct cluster *c, struct http *http, int i, long seq);

/* Every node has the same hash at `seq`. */
void compare_heads(struct cluster *c, struct http *http, long seq);

void log_must_say(struct cluster *c, int i, const char *text);

#endif
