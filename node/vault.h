/* The vault of a running node: backups and audits, on threads of their own beside the loop.
 *
 * Guarantees: a backup holds what the node had applied when it was asked for, at least: a
 * checkpoint is made first. What is copied or audited is the state of one checkpoint, whole, and
 * the loop never waits for it. While somebody looks the store can't use its old pages again, so a
 * backup that is taken away slower than VAULT_RATE_MIN on average (after a while to begin) is cut
 * off; and a node that is to stop or to get another state first asks everybody to leave.
 *
 * How: LMDB writes its copy into a socket pair by a thread; the worker reads the other end. Either
 * end can be shut from anywhere, which ends both. The seal must name the very state that was
 * copied, and LMDB does not say which it took: so the state is looked at before the copy begins and
 * once its first bytes are here, and the copy is begun anew if a checkpoint came in between. */
#ifndef FLORIN_NODE_VAULT_H
#define FLORIN_NODE_VAULT_H

#include "api/vault.h"

enum {
    VAULT_RATE_MIN = 1 << 20, /* bytes a second */
    VAULT_PATIENCE_MS = 30000,
};

struct node_vault;

struct vault_options {
    const char *cluster_id; /* borrowed */
    uint64_t node_id;
    void (*wake)(void *context); /* any thread: the loop is to look at the vault */
    void *context;
    unsigned patience_ms; /* 0: VAULT_PATIENCE_MS */
};

struct node_vault *vault_new(const struct vault_options *options);
void vault_free(struct node_vault *v); /* nobody is in it */
void vault_bind(struct node_vault *v, struct vault *vault);

/* The loop's side. open: from now on this machine may be looked at. */
void vault_open(struct node_vault *v, struct machine *machine);
/* Nobody comes in any more, and those who are in are asked to leave: true when all have. */
bool vault_close(struct node_vault *v);

/* Somebody wants a checkpoint to begin; waits for the end of one, begun or not. begun: one has
 * begun, wanted or not, or there is nothing to write (`none`); ended: it is in the store. */
bool vault_wants_checkpoint(struct node_vault *v);
bool vault_waits_for_checkpoint(struct node_vault *v);
void vault_checkpoint_begun(struct node_vault *v, bool none);
void vault_checkpoint_ended(struct node_vault *v);

/* Now and then: cuts off who is too slow. */
void vault_look(struct node_vault *v);

#endif
