/* The engine under test: the real state machine on LMDB, entry by entry, with checkpoints, and with
 * deaths after which it applies again what no checkpoint held. */
#ifndef FLORIN_MODEL_ENGINE_H
#define FLORIN_MODEL_ENGINE_H

#include "tests/model/script.h"
#include "tests/unit/ledger_fixture.h"

enum checkpoint_phase { PHASE_NONE, PHASE_BEGUN, PHASE_WRITTEN };

/* What applying a step answered the first time: answering it again must give the same. */
struct applied {
    uint64_t index;
    uint64_t outcome_hash;
};

enum { ENGINE_AHEAD = 16 };

struct engine {
    struct fixture f;
    const struct script *script;
    struct bytes commands[ENGINE_AHEAD]; /* encoded, by step */
    size_t expected;                     /* steps that the machine was told, or that are over */
    struct applied *applied;             /* for each step */
    size_t n;                            /* steps applied */
    enum checkpoint_phase phase;
    bool in_entry;
};

void engine_open(struct engine *e, const struct script *s);
void engine_close(struct engine *e);

/* What happens before step `e->n`, then its command. 0 with e->f.outcome and outcome_bytes, or -1
 * with e->f.fault. */
int engine_step(struct engine *e);

/* The process dies and comes back. */
int engine_reopen(struct engine *e);

/* Asks; the answer borrows from `bytes`. */
int engine_ask(struct engine *e, const struct query *q, struct answer *a, struct bytes *bytes);

#endif
