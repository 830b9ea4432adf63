/* One node: the rooms wired together on one event loop.
 *
 * Threads: the loop (Raft, peers, the state machine), the log's writer, the checkpointer, the API's
 * workers. Everything hangs off struct node, so one process may hold several. */
#ifndef FLORIN_NODE_H
#define FLORIN_NODE_H

#include "cluster-config/config.h"

struct node;

/* Opens log and state, listens. 0, or -1 with the fault; *node is NULL then. */
int node_open(struct node **node, const struct florin_config *config, struct reporter *reporter,
              struct fault *fault);

/* Runs until SIGTERM or SIGINT, then stops in order: refuses new work, hands leadership over,
 * answers what is under way, writes a last checkpoint. A fatal condition ends the process from
 * within. Returns 0 after an orderly stop, EXIT_REMOVED when the cluster has told this node that
 * it is no member any more. */
int node_run(struct node *node);

void node_close(struct node *node);

/* Exit codes of florind. */
enum { EXIT_CONFIG = 2, EXIT_REMOVED = 3, EXIT_FATAL = 70 };

#endif
