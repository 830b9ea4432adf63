/* A large ledger for a benchmark, made in this process by the state machine itself and put under
 * nodes of a cluster as a snapshot: far faster than by calls. */
#ifndef FLORIN_BENCH_LEDGER_MAKER_H
#define FLORIN_BENCH_LEDGER_MAKER_H

#include "tests/cluster/cluster.h"

/* Players p0 to p(players - 1) with 1,000 EUR each, then bets and wins of any of them, four to one,
 * and the cluster's keys. Under the first `nodes` nodes of a cluster that was made and not started.
 * Prints what it made and what that takes of the disk. Ends the process when it can't. */
void ledger_make(struct cluster *cluster, int nodes, long players, long transactions);

#endif
