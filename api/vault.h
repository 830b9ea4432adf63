/* A node's whole state, for those who take a copy of it away or have it audited: what node/ gives
 * to api/, which knows neither the store nor when the node may part with it.
 *
 * All functions are for worker threads, and may take as long as the state is large. One backup and
 * one audit at a time. */
#ifndef FLORIN_VAULT_H
#define FLORIN_VAULT_H

#include "statemachine/backup.h"

enum vault_result {
    VAULT_OK,
    VAULT_BUSY,    /* one is under way */
    VAULT_AWAY,    /* the node is stopping, or is being given another state: try again */
    VAULT_BROKEN,  /* the fault says why */
    VAULT_UNSOUND, /* audit only: the state is not in order; the fault names the first thing */
};

struct vault_backup;

struct vault {
    void *impl;

    /* Begins a backup that holds all that this node had applied by now, at least. */
    enum vault_result (*backup_begin)(void *impl, struct vault_backup **backup,
                                      struct fault *fault);
    /* Its next bytes: how many, 0 behind the last, -1 when it can't be finished: the seal is
     * missing then. One who reads too slowly is cut off. */
    int64_t (*backup_read)(struct vault_backup *backup, void *data, size_t cap,
                           struct fault *fault);
    void (*backup_end)(struct vault_backup *backup);

    /* Audits a checkpoint that was begun after this call. *seal says which state that was (its
     * cluster and digest are left empty); the caller releases the report after VAULT_OK. */
    enum vault_result (*audit)(void *impl, struct audit_report *report, struct backup_seal *seal,
                               struct fault *fault);
};

#endif
