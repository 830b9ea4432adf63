/* A node's data folder: `raft/` (the log) and `state/` (LMDB).
 *
 * It is made once, by `florind --config FILE --format`, never by starting: a node that lost its
 * disk must not come back under its old id, for it could vote twice in one term. */
#ifndef FLORIN_FORMAT_H
#define FLORIN_FORMAT_H

#include "cluster-config/config.h"

/* Makes the folders and a log that begins with the members of the config, of which the node must be
 * one; to `join` a running cluster, an empty log: its members come from the cluster, once the node
 * has been added there. 0, or -1 with the fault (also when there is one already). */
int node_format(const struct florin_config *config, bool join, struct fault *fault);

/* A cluster that is made from this config must have the node as a member: 0, or -1 with the fault.
 */
int node_check_member(const struct florin_config *config, struct fault *fault);

/* The two folders below config->data_dir. */
void node_folder(const struct florin_config *config, const char *name, char *path, size_t size);

#endif
