#include "api/ask.h"

#include <assert.h>
#include <sodium.h>

/* Why the members are not changed, with the numbers that belong to it. */
static int member_refused(const struct ticket *t, struct problem *problem)
{
    static const enum problem_kind kinds[MEMBER_REFUSALS_END] = {
        [MEMBER_BUSY] = PROBLEM_MEMBERSHIP_BUSY,
        [MEMBER_UNKNOWN] = PROBLEM_UNKNOWN_MEMBER,
        [MEMBER_EXISTS] = PROBLEM_MEMBER_EXISTS,
        [MEMBER_ADDRESS_TAKEN] = PROBLEM_ADDRESS_TAKEN,
        [MEMBER_NOT_CAUGHT_UP] = PROBLEM_NOT_CAUGHT_UP,
        [MEMBER_LAST_VOTER] = PROBLEM_LAST_VOTER,
        [MEMBER_NO_QUORUM] = PROBLEM_NO_QUORUM,
        [MEMBER_TOO_MANY] = PROBLEM_TOO_MANY_MEMBERS,
        [MEMBER_ID_USED] = PROBLEM_ID_USED,
        [MEMBER_NO_SUCCESSOR] = PROBLEM_NO_SUCCESSOR,
    };
    struct member_answer a;
    struct fault fault;

    if (member_answer_decode((struct slice){(const char *)t->out.base, t->out.len}, &a, &fault) !=
        0) {
        return problem_set(problem, PROBLEM_INTERNAL, "%s", fault.text);
    }
    switch (a.reason) {
    case MEMBER_NOT_CAUGHT_UP:
        return problem_set(problem, kinds[a.reason],
                           "It has entry %llu of %llu. Ask again once it has caught up.",
                           (unsigned long long)a.match_index, (unsigned long long)a.last_index);
    case MEMBER_ID_USED:
        return problem_set(problem, kinds[a.reason], "Take an id above %llu.",
                           (unsigned long long)a.highest_id);
    case MEMBER_TOO_MANY:
        return problem_set(problem, kinds[a.reason],
                           "There are %d members, and there may be no "
                           "more.",
                           STATUS_MEMBERS_MAX);
    default:
        return problem_set(problem, kinds[a.reason], "%s", "");
    }
}

static int problem_of(const struct ticket *t, enum ticket_result result, struct problem *problem)
{
    switch (result) {
    case RESULT_OK:
        return 0;
    case RESULT_UNAVAILABLE:
        return problem_set(problem, PROBLEM_UNAVAILABLE, "%s", "");
    case RESULT_OVERLOADED:
        return problem_set(problem, PROBLEM_OVERLOADED, "%s", "");
    case RESULT_UNKNOWN:
        if (t->kind == TICKET_COMMANDS || t->kind == TICKET_TRANSFER || t->kind == TICKET_MEMBER) {
            return problem_set(problem, PROBLEM_OUTCOME_UNKNOWN, "%s", "");
        }
        return problem_set(problem, PROBLEM_UNAVAILABLE, "The answer did not come in time.");
    case RESULT_MALFORMED:
        return problem_set(problem, PROBLEM_INTERNAL, "The ledger did not understand the node.");
    case RESULT_REFUSED:
        return t->kind == TICKET_MEMBER ? member_refused(t, problem)
                                        : problem_set(problem, PROBLEM_TRANSFER_REFUSED, "%s", "");
    case RESULT_NO_ROOM:
        return problem_set(problem, PROBLEM_NO_ROOM, "%s", "");
    }
    return problem_set(problem, PROBLEM_INTERNAL, "%s", "");
}

int ask_submit(struct gate *gate, struct ticket *t, unsigned timeout_ms, struct problem *problem)
{
    return problem_of(t, gate_submit(gate, t, timeout_ms), problem);
}

int ask_query(struct gate *gate, enum ticket_kind kind, const struct query *q,
              const struct asker *asker, struct ticket **held, struct answer *answer,
              struct problem *problem)
{
    struct ticket *t = ticket_new(kind);
    struct fault fault;

    query_encode(q, &t->in);
    ticket_name(t, asker->name);
    t->exempt = asker->exempt;
    if (ask_submit(gate, t, asker->timeout_ms, problem) != 0) {
        goto failed;
    }
    if (answer_decode(t->out.base, t->out.len, answer, &fault) != 0) {
        problem_set(problem, PROBLEM_INTERNAL, "%s", fault.text);
        goto failed;
    }
    *held = t;
    return 0;

failed:
    ticket_release(t);
    return -1;
}

void origins_init(struct origins *o)
{
    static_assert(sizeof o->key == crypto_shorthash_KEYBYTES, "the hash's key");
    randombytes_buf(o->key, sizeof o->key);
    atomic_init(&o->made, 0);
}

uint64_t ask_origin(struct origins *o)
{
    uint64_t origin;

    do {
        uint64_t count = atomic_fetch_add_explicit(&o->made, 1, memory_order_relaxed);

        crypto_shorthash((unsigned char *)&origin, (const unsigned char *)&count, sizeof count,
                         o->key);
    } while (origin == 0);
    return origin;
}
