/* Problems: every answer that is not a success, as RFC 9457 says.
 *
 * A problem is plain data until it is written. `code` is the stable word that a program goes by;
 * `title` says the same to a person; `detail` speaks of this one case. The codes that a ledger's
 * verdict gives are in statemachine/verdict.h, the others in the table in problem.c. */
#ifndef FLORIN_PROBLEM_H
#define FLORIN_PROBLEM_H

#include "api/writer.h"
#include "statemachine/outcome.h"

enum problem_kind {
    PROBLEM_MALFORMED,
    PROBLEM_UNKNOWN_FIELD,
    PROBLEM_BAD_AMOUNT,
    PROBLEM_BAD_ID,
    PROBLEM_LENGTH_REQUIRED, /* 411, code malformed */
    PROBLEM_MEDIA_TYPE,      /* 415, code malformed */
    PROBLEM_TOO_LARGE,
    PROBLEM_BAD_CREDENTIALS,
    PROBLEM_BAD_SIGNATURE,
    PROBLEM_STALE_SIGNATURE,
    PROBLEM_FORBIDDEN,
    PROBLEM_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_TRANSFER_REFUSED,
    PROBLEM_MEMBERSHIP_BUSY,
    PROBLEM_UNKNOWN_MEMBER,
    PROBLEM_MEMBER_EXISTS, /* code already_exists */
    PROBLEM_ADDRESS_TAKEN,
    PROBLEM_NOT_CAUGHT_UP,
    PROBLEM_LAST_VOTER,
    PROBLEM_NO_QUORUM,
    PROBLEM_TOO_MANY_MEMBERS,
    PROBLEM_ID_USED,
    PROBLEM_NO_SUCCESSOR,
    PROBLEM_RATE_LIMITED,
    PROBLEM_UNAVAILABLE,
    PROBLEM_OVERLOADED,
    PROBLEM_NO_ROOM, /* 503, code unavailable */
    PROBLEM_OUTCOME_UNKNOWN,
    PROBLEM_INTERNAL,
};

struct problem {
    int status;
    const char *code; /* both static */
    const char *title;
    char detail[256];                /* empty: the title says it all, and is answered */
    unsigned conflicts;              /* bits of enum conflict_field, answered as `fields` */
    uint64_t seq;                    /* a recorded refusal's; or 0 */
    bool replayed;                   /* a recorded refusal that was decided before */
    char rolled_back_by[ID_MAX + 1]; /* a tombstone's rollback; or empty */
    unsigned retry_after_s;          /* 0: no header */
    bool has_item;                   /* of a list in the request, one is what this is about */
    unsigned item;                   /* ... this one, from 0 */
    bool dry_run;
};

/* Fills *p; `detail` as printf does, may be "". Returns -1, so that a parser can return it. */
int problem_set(struct problem *p, enum problem_kind kind, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/* The problem of an outcome that is no success. */
void problem_of_outcome(struct problem *p, const struct outcome *o);

/* The problem of a verdict outside of an outcome (a query's). */
void problem_of_verdict(struct problem *p, enum verdict v);

/* Writes the members, without the braces: a batch puts them beside others. */
void problem_write(const struct problem *p, struct writer *w);

#endif
