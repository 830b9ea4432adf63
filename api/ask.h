/* Hands work in at the gate on a worker's behalf, and turns what went wrong into a problem.
 *
 * Worker threads; these calls wait, at most timeout_ms. */
#ifndef FLORIN_ASK_H
#define FLORIN_ASK_H

#include "api/problem.h"
#include "consensus/submit.h"
#include "statemachine/query.h"

/* Hands the ticket in and waits. 0 when `out` is filled; else -1 and the problem. Only commands can
 * end in `outcome_unknown`: a question that was not answered in time has changed nothing. */
int ask_submit(struct gate *gate, struct ticket *t, unsigned timeout_ms, struct problem *problem);

/* For whom a question is asked. */
struct asker {
    const char *name; /* the request's, for the nodes' logs; may be empty */
    unsigned timeout_ms;
    bool exempt; /* as of a ticket */
};

/* Asks one question; kind is TICKET_QUERY or TICKET_STALE_QUERY. On 0 *answer borrows from *held,
 * which the caller releases; the answer's verdict may still be an unknown_... On -1 nothing is
 * held. */
int ask_query(struct gate *gate, enum ticket_kind kind, const struct query *q,
              const struct asker *asker, struct ticket **held, struct answer *answer,
              struct problem *problem);

/* Random numbers that are not zero, for struct command's origin and for requests' ids: a keyed hash
 * of a count, so that a bet costs no system call for its own. Any thread. */
struct origins {
    uint8_t key[16];
    atomic_uint_fast64_t made;
};
void origins_init(struct origins *o);
uint64_t ask_origin(struct origins *o);

#endif
