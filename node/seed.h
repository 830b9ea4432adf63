/* The log of a cluster that begins with a state: what restore and recover have in common.
 *
 * The log it makes says: everything up to some entry is in the state beside it (a snapshot), and
 * these are the cluster's members. Entries that an older log holds behind that state may follow. */
#ifndef FLORIN_SEED_H
#define FLORIN_SEED_H

#include "consensus/configuration.h"
#include "consensus/log.h"
#include "statemachine/machine.h"

struct seed {
    struct log_identity identity;
    const struct configuration_member *members;
    size_t n_members;
    uint64_t index; /* of the state; 0: an empty one */
    uint64_t term;  /* that its last entry is taken to have; at least 1 */
    uint8_t head[MACHINE_CHECK_BYTES];
    uint64_t vote_term; /* the cluster's elections begin above this */
    /* Its entries behind `index` are taken over, in order and with their terms, but for changes of
     * the members, whose places are taken by barriers. Or NULL. */
    struct log *old;
};

/* Makes the log in `folder`, which is new and empty. 0, or -1 with the fault. */
int seed_log(const struct seed *seed, const char *folder, struct fault *fault);

#endif
