#include "jepsen/workload.h"

#include <inttypes.h>
#include <stdio.h>

#include "jepsen/run.h"

_Static_assert(BANK_PLAYERS + REGISTER_PLAYERS + IDEMPOTENCY_PLAYERS + APPEND_PLAYERS == PLAYERS,
               "each workload has players of its own");

enum {
    FIRST_REGISTER = BANK_PLAYERS,
    FIRST_IDEMPOTENCY = FIRST_REGISTER + REGISTER_PLAYERS,
    FIRST_APPEND = FIRST_IDEMPOTENCY + IDEMPOTENCY_PLAYERS,
    RACERS = 6, /* clients that send one id */
    PAGE = 40,
};

const struct workload *workload_nth(unsigned n)
{
    static const struct workload *const all[] = {&workload_bank, &workload_register,
                                                 &workload_idempotency, &workload_append};

    return n < sizeof all / sizeof *all ? all[n] : NULL;
}

static void choose_player(struct client *c, unsigned first, unsigned n, struct op *op)
{
    snprintf(op->player, sizeof op->player, "p%u", first + chance_below(&c->chance, n));
}

/* --- register --------------------------------------------------------------------------------- */

static void read_balance(struct client *c, const char *player, bool stale)
{
    struct op op = {.f = FN_BALANCE, .stale = stale};

    snprintf(op.player, sizeof op.player, "%s", player);
    client_call(c, &op, client_node(c));
}

static void register_step(struct client *c)
{
    struct op op = {.f = chance_in(&c->chance, 1, 2) ? FN_BET : FN_WIN};

    choose_player(c, FIRST_REGISTER, REGISTER_PLAYERS, &op);
    if (chance_in(&c->chance, 1, 2)) {
        read_balance(c, op.player, chance_in(&c->chance, 1, 10));
        return;
    }
    client_new_id(c, "reg", op.id);
    client_amount(c, 5, op.amount);
    client_settle(c, &op);
    read_balance(c, op.player, false); /* its own write, at any node */
}

const struct workload workload_register = {"register", register_step};

/* --- idempotency ------------------------------------------------------------------------------ */

static void idempotency_step(struct client *c)
{
    uint64_t race = atomic_fetch_add(&c->run->races, 1) / RACERS;
    struct op op = {.f = race % 3 == 0 ? FN_WIN : FN_BET};

    snprintf(op.id, sizeof op.id, "race-%" PRIu64, race);
    snprintf(op.player, sizeof op.player, "p%u",
             FIRST_IDEMPOTENCY + (unsigned)(race % IDEMPOTENCY_PLAYERS));
    snprintf(op.amount, sizeof op.amount, "%u.5", 1 + (unsigned)(race % 7));
    if (chance_in(&c->chance, 1, 8)) { /* whoever comes first decides what the id means */
        snprintf(op.amount, sizeof op.amount, "9.25");
    }
    client_settle(c, &op);
    if (chance_in(&c->chance, 1, 10)) {
        struct op look = {.f = FN_TRANSACTION};
        memcpy(look.id, op.id, sizeof look.id);
        client_call(c, &look, client_node(c));
    }
}

const struct workload workload_idempotency = {"idempotency", idempotency_step};

/* --- append ----------------------------------------------------------------------------------- */

static void append_step(struct client *c)
{
    struct op op = {.f = FN_WIN};
    struct answer_seen seen;

    if (chance_in(&c->chance, 1, 2)) {
        choose_player(c, FIRST_APPEND, APPEND_PLAYERS, &op);
        client_new_id(c, "app", op.id);
        client_amount(c, 2, op.amount);
        client_settle(c, &op);
        return;
    }
    op = (struct op){.f = FN_LEDGER,
                     .from = c->cursor + 1,
                     .limit = PAGE,
                     .stale = chance_in(&c->chance, 1, 10)};
    seen = client_call(c, &op, client_node(c));
    if (seen.last != 0) {
        c->cursor = seen.last;
    }
}

const struct workload workload_append = {"append", append_step};
