/* A cluster that has lost its majority for good: one survivor becomes the seed of a new one,
 * offline.
 *
 * Guarantees: without `yes` nothing is changed but what a start of the node would change. A node
 * that runs, whose data is damaged or whose ledger does not verify is refused. What was there
 * before is kept, whole, under before-recovery/ in the data folder; the change itself is one
 * rename: it has happened or it has not.
 *
 * What it decides: all entries of the survivor's log count, also those that no majority is known to
 * have had: each may have been acknowledged, and to apply one that was not harms nobody, for its
 * client does not know either and asks again with the same id. What never reached this log is lost:
 * so the survivor whose log ends last, by term and then by index, is the one to recover from. */
#ifndef FLORIN_RECOVER_H
#define FLORIN_RECOVER_H

#include "cluster-config/config.h"
#include "consensus/log.h"

struct recover_other {
    char name[64];
    uint64_t term, index; /* of the last entry in its log */
};

struct recover_options {
    const struct florin_config *config;
    const char *cluster_id; /* of the new cluster; NULL: only look */
    bool yes;
    struct recover_other others[CONFIG_MEMBERS_MAX]; /* what other survivors said */
    size_t n_others;
};

/* "NODE:TERM/INDEX", as the first part of a recovery prints it. 0, or -1 with the fault. */
int recover_parse_other(const char *text, struct recover_other *other, struct fault *fault);

/* The same from another survivor's data folder, when it is on this machine. */
int recover_read_other(const struct florin_config *config, struct recover_other *other,
                       struct fault *fault);

/* Says on stdout what it finds and does. 0, or -1 with the fault. */
int node_recover(const struct recover_options *options, struct fault *fault);

#endif
