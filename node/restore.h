/* A new cluster from a backup, made where its nodes will run: offline.
 *
 * Guarantees: nothing is made of a backup that is damaged or whose ledger does not verify; no data
 * folder that holds anything is touched; the new cluster's id ends with the beginning of the
 * backup's digest, so that its nodes never talk with those of the old cluster, nor with one that
 * was made of another backup by mistake. A node's log is put in place last: one whose making was
 * cut short does not start.
 *
 * All nodes must be restored from the same backup with the same `member` lines; then they are one
 * cluster that stands where the backup was taken: every key, id and balance holds, and an id that
 * was decided before is answered as it was. */
#ifndef FLORIN_RESTORE_H
#define FLORIN_RESTORE_H

#include "cluster-config/config.h"

/* Makes the data folders of these nodes (usually one, or all those of this machine), and says on
 * stdout what it does. 0, or -1 with the fault. */
int node_restore(const char *backup, const struct florin_config *configs, size_t n,
                 struct fault *fault);

#endif
