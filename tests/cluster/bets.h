/* Bets of a test that is about something else. */
#ifndef FLORIN_TEST_BETS_H
#define FLORIN_TEST_BETS_H

#include "tests/cluster/cluster.h"

/* Bets of 1 EUR of player p0, named bet-FROM and so on, one after the other, through `node`; dies
 * when one is not answered 200. */
void place_bets(struct cluster *c, struct http *http, int node, int from, int count);

/* One batch of `count` such bets; true when every one was answered 200. */
bool place_batch(struct cluster *c, struct http *http, int node, int from, int count);

#endif
