/* What rules_money.c and rules_rollback.c share: one money command while it is being decided. */
#ifndef FLORIN_RULES_MONEY_H
#define FLORIN_RULES_MONEY_H

#include "statemachine/machine_private.h"

enum { PLANNED_MAX = 3 }; /* player, provider or gateway, house */

struct planned {
    struct account account;
    int64_t before_minor;
    int64_t after_minor;
};

struct money {
    struct state *state;
    const struct command *command;

    /* What it names. */
    struct currency *currency;
    struct player player;
    struct transaction transaction; /* its own place in the idempotency table */

    /* What will be written, if the plan holds. */
    struct record record;
    struct planned planned[PLANNED_MAX];
    int n_planned;

    /* A rollback that marks its original's place. */
    struct transaction original;
    bool marks_original;
};

/* Plans one posting. Zero plans nothing; a sum that does not fit turns *verdict from applied to
 * overflow. -1: the replica is broken. */
int money_plan(struct money *m, struct account debit, struct account credit, int64_t amount_minor,
               enum verdict *verdict, struct fault *fault);

/* Decides a rollback whose names all exist: plans postings, says whether the original is marked. */
int rules_rollback(struct money *m, enum verdict *verdict, struct fault *fault);

#endif
