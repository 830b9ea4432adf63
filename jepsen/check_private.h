/* What the parts of the checker share. */
#ifndef FLORIN_CHECK_PRIVATE_H
#define FLORIN_CHECK_PRIVATE_H

#include "jepsen/check.h"

enum { NOBODY = UINT32_MAX };

/* What calls say of ledger entry `seq`, at [seq - 1]. */
struct entry_facts {
    int64_t asked_ns;   /* earliest call that may have made it; INT64_MAX: none */
    int64_t known_ns;   /* earliest end of a call that shows it is there; INT64_MAX: none */
    uint32_t asked_by;  /* call */
    uint32_t known_by;  /* call */
    uint32_t failed_by; /* call that asked for it and was told that it is certainly not applied */
    int64_t asked_again_ns; /* when the next one asked for it; INT64_MAX: none */
    uint32_t claimed;       /* part that was answered as the first, not a repeat */
    uint32_t answered;      /* part that was answered at all */
    bool single;            /* asked by a call that is not atomic */
    bool whole;             /* of an atomic call that is there as a whole */
};

struct checking {
    struct check *check;
    const struct history *h;
    const struct ledger *l;
    struct entry_facts *facts;
    int64_t *asked_until; /* latest asked_ns of the entries 1 .. seq, at [seq - 1] */
};

/* A new anomaly; NULL when enough of its kind are kept (it is counted). */
struct anomaly *anomaly_add(struct check *c, enum anomaly_kind kind);
/* The same, with its text; calls may be NOBODY and seqs zero: left out. */
void anomaly_tell(struct checking *k, enum anomaly_kind kind, uint32_t call_a, uint32_t call_b,
                  uint64_t seq_a, uint64_t seq_b, const char *format, ...)
    __attribute__((format(printf, 7, 8)));

/* The entry that a call refused as a conflict shows to be there; zero: the call is none, or it is
 * not there. */
uint64_t check_conflict_seq(const struct checking *k, const struct call *c);

void check_answers(struct checking *k);
void check_rules(struct checking *k);
void check_order(struct checking *k);
void check_reads(struct checking *k);

#endif
