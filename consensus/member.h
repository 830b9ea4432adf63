/* A change of the cluster's members as an operator asks for it, and what the leader answers.
 *
 * Reached through consensus/submit.h: a ticket's `in` holds a change, its `out` an answer.
 *
 * One change at a time, each of one member, as Raft's single-server changes want it. Asking again
 * is safe: what is so already is RESULT_OK (add of a member with this very address, promote of a
 * voter, demote of a stand-by); a remove of nobody is MEMBER_UNKNOWN, unless this very ticket may
 * have removed it.
 *
 * Ids are never used again: a node that lost its disk could vote twice under its old one. Every
 * node knows the highest id that any committed configuration held, and a new member needs a higher
 * one. */
#ifndef FLORIN_MEMBER_H
#define FLORIN_MEMBER_H

#include <stdint.h>

#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum { MEMBER_ADDRESS_MAX = 64 }; /* with its NUL */

/* A stand-by gets everything and decides nothing; a spare, which florin makes none of, not even
 * that. */
enum member_role { MEMBER_STANDBY = 0, MEMBER_VOTER = 1, MEMBER_SPARE = 2 };

enum member_op {
    MEMBER_ADD = 1, /* as a stand-by, which then catches up; needs an address */
    MEMBER_PROMOTE, /* stand-by to voter */
    MEMBER_DEMOTE,  /* voter to stand-by; the leader hands leadership over first */
    MEMBER_REMOVE,  /* the same; the removed node stops itself */
};

struct member_change {
    enum member_op op;
    uint64_t id;
    char address[MEMBER_ADDRESS_MAX]; /* host:port of its peer links; MEMBER_ADD only */
};

enum member_refusal {
    MEMBER_BUSY = 1,      /* another change is under way */
    MEMBER_UNKNOWN,       /* no member has this id */
    MEMBER_EXISTS,        /* a member has this id, with another address */
    MEMBER_ADDRESS_TAKEN, /* another member has this address */
    MEMBER_NOT_CAUGHT_UP, /* promote: match_index is too far behind last_index, or no link to it */
    MEMBER_LAST_VOTER,    /* no voter would be left */
    MEMBER_NO_QUORUM,     /* too few of the voters that would be left can be reached now */
    MEMBER_TOO_MANY,      /* STATUS_MEMBERS_MAX members */
    MEMBER_ID_USED,       /* add: the id must be higher than highest_id */
    MEMBER_NO_SUCCESSOR,  /* demote or remove of the leader: no other voter took over */
    MEMBER_REFUSALS_END,
};

/* With RESULT_REFUSED. The numbers are those that belong to the reason, else 0. */
struct member_answer {
    enum member_refusal reason;
    uint64_t match_index, last_index; /* MEMBER_NOT_CAUGHT_UP */
    uint64_t highest_id;              /* MEMBER_ID_USED */
};

/* Encode appends. Decode gives -1 with the fault for anything that encode does not write: another
 * op, id 0, an address that is missing, too long or not host:port, bytes left over. */
void member_change_encode(const struct member_change *change, struct bytes *out);
int member_change_decode(struct slice in, struct member_change *change, struct fault *fault);
void member_answer_encode(const struct member_answer *answer, struct bytes *out);
int member_answer_decode(struct slice in, struct member_answer *answer, struct fault *fault);

#endif
