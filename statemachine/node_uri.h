/* How a certificate names a node of a cluster, or the cluster itself:
 *
 *     florin://CLUSTER/node/ID      florin://CLUSTER
 *
 * CLUSTER is an id (command.h), ID a decimal number from 1 on without leading zeros: one node has
 * one spelling. Pure; any thread. */
#ifndef FLORIN_NODE_URI_H
#define FLORIN_NODE_URI_H

#include "statemachine/bytes.h"

enum { NODE_URI_MAX = 9 + 64 + 6 + 20 + 1 }; /* with its NUL */

/* node_id 0: the cluster itself. */
void node_uri_format(char uri[static NODE_URI_MAX], const char *cluster_id, uint64_t node_id);

/* *cluster_id is a part of `uri`; *node_id is 0 for a cluster. False, and both are left alone, when
 * it is neither. */
bool node_uri_parse(struct slice uri, struct slice *cluster_id, uint64_t *node_id);

#endif
