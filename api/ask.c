#include "api/ask.h"

#include <assert.h>
#include <sodium.h>

static int refused(const struct ticket *t, enum ticket_result result, struct problem *problem)
{
    switch (result) {
    case RESULT_OK:
        return 0;
    case RESULT_UNAVAILABLE:
        return problem_set(problem, PROBLEM_UNAVAILABLE, "%s", "");
    case RESULT_OVERLOADED:
        return problem_set(problem, PROBLEM_OVERLOADED, "%s", "");
    case RESULT_UNKNOWN:
        if (t->kind == TICKET_COMMANDS || t->kind == TICKET_TRANSFER) {
            return problem_set(problem, PROBLEM_OUTCOME_UNKNOWN, "%s", "");
        }
        return problem_set(problem, PROBLEM_UNAVAILABLE, "The answer did not come in time.");
    case RESULT_MALFORMED:
        return problem_set(problem, PROBLEM_INTERNAL, "The ledger did not understand the node.");
    case RESULT_REFUSED:
        return problem_set(problem, PROBLEM_TRANSFER_REFUSED, "%s", "");
    case RESULT_NO_ROOM:
        return problem_set(problem, PROBLEM_NO_ROOM, "%s", "");
    }
    return problem_set(problem, PROBLEM_INTERNAL, "%s", "");
}

int ask_submit(struct gate *gate, struct ticket *t, unsigned timeout_ms, struct problem *problem)
{
    return refused(t, gate_submit(gate, t, timeout_ms), problem);
}

int ask_query(struct gate *gate, enum ticket_kind kind, const struct query *q, unsigned timeout_ms,
              struct ticket **held, struct answer *answer, struct problem *problem)
{
    struct ticket *t = ticket_new(kind);
    struct fault fault;

    query_encode(q, &t->in);
    if (ask_submit(gate, t, timeout_ms, problem) != 0) {
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
