/* What the nodes of a test's cluster say of themselves, waited for and compared. */
#ifndef FLORIN_TEST_LOOK_H
#define FLORIN_TEST_LOOK_H

#include "tests/cluster/cluster.h"

/* A number of GET /v1/cluster at one node; -1 when it does not answer. */
long look_number(struct cluster *c, int i, const char *field);

/* Waits until it is at least so much; dies after a minute. */
void look_wait(struct cluster *c, int i, const char *field, long at_least);

/* Waits until a node leads; its index. */
int look_leader(struct cluster *c);

/* Waits until all nodes of the set (bit i: node i) have applied this seq, from their own state;
 * dies unless their chains are equal there. */
void look_equal(struct cluster *c, unsigned nodes, long seq);

#endif
