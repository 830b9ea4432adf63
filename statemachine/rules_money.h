/* What the rules of the money share: one money command while it is being decided. */
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
    /* Whose key it came under (role none: nobody's). Once all that it names is found, whose policy
     * holds: of a payment that is its gateway. */
    struct principal principal;
    struct id_space ids; /* of the ids that it names, its own among them */
    struct player player;
    struct purse purse; /* changed only by booking */
    struct transaction transaction;
    struct command_keys *keys; /* where these three are stored */
    struct command_keys own_keys;
    bool session_over;
    bool has_round; /* the round that it names is there */
    struct round round;

    /* What will be written, if the plan holds. */
    struct record record;
    struct planned planned[PLANNED_MAX];
    int n_planned;
    bool holds_changed; /* in the purse */

    /* A rollback: its original's place, and its record if there is one. */
    struct transaction original;
    bool marks_original;
    struct record original_record;
};

/* Begins: nothing planned, nothing found but the principal. 0, or -1: the replica is broken. */
int money_begin(struct money *m, struct state *s, const struct command *c, struct fault *fault);

/* Begins a command that has an id of its own, as far as its verdict: 0 when all that it names
 * exists (`find` says so: it leaves *verdict alone) and its record is begun; 1 when the decision
 * is made: a repeat, or a name that does not exist. -1: the replica is broken. */
int money_begin_new(struct money *m, struct state *s, const struct command *c,
                    int (*find)(struct money *m, enum verdict *verdict, struct fault *fault),
                    struct decision *d, struct fault *fault);

/* Looks at the id's place. 1: it is taken, and the decision is made: the first answer again, or the
 * conflict. 0: it is free, or holds a tombstone (m->transaction.rolled_by). */
int money_repeat(struct money *m, struct decision *d, struct fault *fault);

/* Finds what every money command names: by its currency, player and id. */
int money_player(struct money *m, enum verdict *verdict, struct fault *fault);
int money_currency(struct money *m, struct slice code, enum verdict *verdict, struct fault *fault);

/* Plans one posting. Zero plans nothing; a sum that does not fit turns *verdict from applied to
 * overflow. -1: the replica is broken. */
int money_plan(struct money *m, struct account debit, struct account credit, int64_t amount_minor,
               enum verdict *verdict, struct fault *fault);

/* Writes the decision down: balances, record, idempotency table, the player's link, and what goes
 * with them. A refusal leaves only its record. */
int money_book(struct money *m, enum verdict verdict, struct decision *d, struct fault *fault);

/* Decides a rollback whose names all exist: plans postings, says whether the original is marked. */
int rules_rollback(struct money *m, enum verdict *verdict, struct fault *fault);

/* Withdrawals: holds the amount; what is noted when its record is there. */
void rules_withdraw(struct money *m, enum verdict *verdict);
void rules_withdraw_booked(struct money *m);
/* Does a confirmation name an amount of its own? */
/* A withdrawal that was applied comes again as `c`: is it to be held for another time? Adds to the
 * bits of what differs. */
int rules_hold_differs(const struct money *m, const struct record *r, unsigned *bits,
                       struct fault *fault);
bool rules_hold_part(const struct command *c);

/* Would this much more of `kind` exceed a limit of the player? *verdict becomes limit_reached. */
int rules_limit(struct money *m, enum limit_kind kind, enum verdict *verdict, struct fault *fault);
/* What an applied command uses, or gives back, of the player's limits. */
void rules_count_use(struct money *m);

/* A round takes note of an applied bet or win, or of a bet's rollback. */
int rules_round_booked(struct money *m, struct fault *fault);

#endif
