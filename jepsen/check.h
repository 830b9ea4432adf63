/* The checker: does a history fit the ledger that the cluster has in the end?
 *
 * Every decided command has a place in one ledger (`seq`), and every answer says which. So there is
 * no search for a linearization as in the general case: the ledger is the only candidate, and what
 * remains is to hold every answer against it, in time that grows with n log n.
 *
 *   answers   what was acknowledged is there, once, with that content and that answer; what was
 *             refused for certain is not; what is there was asked for; one id has one outcome
 *   rules     each entry is decided as the rules say: funds, holds, rollbacks, rounds
 *   order     what was acknowledged before something else was asked stands before it
 *   reads     each shows the state at a place that is not before anything that was known when it
 *             was asked (acknowledged, or seen by a read that had ended), and not behind anything
 *             that was asked after it ended. Places are given in the order of the reads' ends, the
 *             earliest that fits: if that fails, every choice does.
 *   ledger    chain, books, and all nodes' copies the same
 *   liveness  after the last fault every node takes money again
 *
 * A call without an answer may have happened at any time after it was asked, or never. */
#ifndef FLORIN_CHECK_H
#define FLORIN_CHECK_H

#include "jepsen/history.h"
#include "jepsen/ledger.h"

/* In the order in which a person should look at them. */
enum anomaly_kind {
    ANOMALY_LEDGERS_DIFFER,
    ANOMALY_BROKEN_CHAIN,
    ANOMALY_BOOKS,
    ANOMALY_DECIDED_TWICE,
    ANOMALY_BROKEN_RULE,
    ANOMALY_LOST,
    ANOMALY_CONFLICTING,
    ANOMALY_WRONG_ANSWER,
    ANOMALY_WRONG_CONTENT,
    ANOMALY_WRONG_CONFLICT,
    ANOMALY_WRONG_REFUSAL,
    ANOMALY_FAILED_APPLIED,
    ANOMALY_PHANTOM,
    ANOMALY_TORN,
    ANOMALY_REORDERED,
    ANOMALY_STALE_READ,
    ANOMALY_FUTURE_READ,
    ANOMALY_IMPOSSIBLE_READ,
    ANOMALY_NOT_LIVE,
    ANOMALY_KINDS,
};
const char *anomaly_name(enum anomaly_kind k);    /* "lost" */
const char *anomaly_meaning(enum anomaly_kind k); /* "acknowledged, and not in the ledger" */

enum { WITNESSES_MAX = 4, ANOMALIES_KEPT = 16 /* of each kind */ };

/* What is wrong, and the fewest calls and ledger entries that show it. */
struct anomaly {
    enum anomaly_kind kind;
    struct fault text;
    uint32_t calls[WITNESSES_MAX];
    uint64_t seqs[WITNESSES_MAX];
    unsigned n_calls, n_seqs;
};

struct check {
    const struct history *h;
    const struct ledger *l;
    struct bytes anomalies; /* struct anomaly */
    size_t counts[ANOMALY_KINDS];
    size_t n; /* of all kinds, kept or not */
};

void check_init(struct check *c);
void check_release(struct check *c);

/* Holds the history against the ledgers: texts of one JSON entry a line, one for each node, with
 * what to call them. *l is filled from the first and, like the history, must outlive the check. A
 * check of zero ledgers finds everything lost, rightly. */
void check_run(struct check *c, const struct history *h, struct ledger *l,
               const struct slice *ledgers, const char *const *names, size_t n_ledgers);

/* The smallest counter-example, or NULL: all is well. */
const struct anomaly *check_smallest(const struct check *c);

/* Appends the anomaly for a person: what is wrong, the calls with times, nodes and ids, the lines
 * of the history, the ledger's entries. */
void check_explain(const struct check *c, const struct anomaly *a, struct bytes *out);

#endif
