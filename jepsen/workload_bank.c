#include <stdio.h>

#include "jepsen/workload.h"

/* A rollback that nobody can expect: its original comes later, or never. */
static void choose_original(struct client *c, struct op *op)
{
    const struct op *before = client_remembered(c);

    if (before != NULL && (before->f == FN_BET || before->f == FN_WIN)) {
        memcpy(op->original, before->id, sizeof op->original);
        memcpy(op->player, before->player, sizeof op->player);
    } else {
        client_new_id(c, "never", op->original);
    }
}

static void play(struct client *c, struct op *op)
{
    client_new_id(c, fn_name(op->f), op->id);
    client_amount(c, op->f == FN_DEPOSIT ? 30 : 12, op->amount);
    if (op->f == FN_BET && chance_in(&c->chance, 1, 4)) {
        snprintf(op->round, sizeof op->round, "round-%u-%u", c->number,
                 chance_below(&c->chance, 200));
    }
    client_settle(c, op);
}

static void roll_back(struct client *c, struct op *op)
{
    client_new_id(c, "rollback", op->id);
    choose_original(c, op);
    client_settle(c, op);
    if (chance_in(&c->chance, 1, 8)) { /* what was rolled back comes (again) */
        struct op late = {.f = FN_BET};
        memcpy(late.id, op->original, sizeof late.id);
        memcpy(late.player, op->player, sizeof late.player);
        client_amount(c, 12, late.amount);
        client_settle(c, &late);
    }
}

static void withdraw(struct client *c, struct op *op)
{
    struct op end = {.f = chance_in(&c->chance, 1, 2) ? FN_CONFIRM : FN_CANCEL};

    client_new_id(c, "withdraw", op->id);
    client_amount(c, 8, op->amount);
    memcpy(end.original, op->id, sizeof end.original);
    if (client_settle(c, op).applied) {
        client_settle(c, &end);
    }
}

/* A round that one of the latest bets named, and then a bet that comes too late for it. */
static void close_round(struct client *c, struct op *op)
{
    struct op late = {.f = FN_BET};
    const struct op *before = NULL;

    for (unsigned i = 0; i < 16; i++) {
        before = client_remembered(c);
        if (before != NULL && before->f == FN_BET && before->round[0] != '\0') {
            break;
        }
    }
    if (before == NULL || before->f != FN_BET || before->round[0] == '\0') {
        return;
    }
    client_new_id(c, "close", op->id);
    memcpy(op->player, before->player, sizeof op->player);
    memcpy(op->round, before->round, sizeof op->round);
    client_new_id(c, "late", late.id);
    client_amount(c, 12, late.amount);
    memcpy(late.player, op->player, sizeof late.player);
    memcpy(late.round, op->round, sizeof late.round);
    client_settle(c, op); /* what was remembered may be gone from here on */
    if (chance_in(&c->chance, 1, 2)) {
        client_settle(c, &late);
    }
}

static void together(struct client *c, struct op *op)
{
    client_new_id(c, "atomic", op->id);
    op->n_items = 2 + chance_below(&c->chance, 2);
    op->items[0].type = "bet";
    op->items[1].type = "win";
    op->items[2].type = "adjust";
    for (unsigned i = 0; i < op->n_items; i++) {
        client_new_id(c, op->items[i].type, op->items[i].id);
        client_amount(c, 10, op->items[i].amount);
    }
    client_settle(c, op);
}

static bool again(struct client *c)
{
    const struct op *before = client_remembered(c);
    struct op op;

    if (before == NULL || !chance_in(&c->chance, 1, 9)) {
        return false;
    }
    op = *before;
    if (op.amount[0] != '\0' && op.f != FN_CONFIRM && chance_in(&c->chance, 1, 5)) {
        client_amount(c, 12, op.amount); /* the same id for something else */
    }
    client_call(c, &op, client_node(c)); /* not remembered twice */
    return true;
}

static void bank_step(struct client *c)
{
    static const struct {
        unsigned percent; /* of all, up to here */
        enum fn f;
        void (*step)(struct client *c, struct op *op);
    } kinds[] = {
        {36, FN_BET, play},          {58, FN_WIN, play},          {70, FN_ROLLBACK, roll_back},
        {76, FN_DEPOSIT, play},      {84, FN_WITHDRAW, withdraw}, {90, FN_ATOMIC, together},
        {93, FN_CLOSE, close_round}, {100, FN_BALANCE, NULL},
    };
    unsigned what = chance_below(&c->chance, 100);
    unsigned i = 0;

    if (again(c)) {
        return;
    }
    while (what >= kinds[i].percent) {
        i++;
    }
    struct op op = {.f = kinds[i].f};
    snprintf(op.player, sizeof op.player, "p%u", chance_below(&c->chance, BANK_PLAYERS));
    if (kinds[i].step != NULL) {
        kinds[i].step(c, &op);
    } else {
        client_call(c, &op, client_node(c));
    }
}

const struct workload workload_bank = {"bank", bank_step};
