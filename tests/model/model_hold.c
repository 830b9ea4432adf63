/* Holds: what a withdrawal keeps from being spent, and how it ends. */
#include <stdio.h>

#include "tests/model/model.h"

static bool holds_now(const struct model *m, const struct m_hold *h)
{
    return h->exists && !h->ended && h->expires_at_ms > m->clock_ms;
}

int64_t model_held(struct model *m, struct slice player, struct slice currency, unsigned *n)
{
    int64_t sum = 0;
    size_t i;

    *n = 0;
    for (i = 0; i < m->holds.n; i++) {
        const struct m_hold *h = m->holds.list[i]->object;

        if (holds_now(m, h) && slice_equal(h->player, player) &&
            slice_equal(h->currency, currency)) {
            sum += h->minor;
            (*n)++;
        }
    }
    return sum;
}

static struct m_end *end_of(struct model *m, const struct command *c)
{
    const char *how = c->type == COMMAND_WITHDRAW_CONFIRM ? "confirm" : "cancel";
    struct table_key key = table_key4(c->principal, model_ids_of(m, c->principal, c->player),
                                      c->original, slice_of(how));
    struct m_end *end = table_at(&m->ends, &key);

    snprintf(end->id, sizeof end->id, "%.*s:%s", (int)c->original.len, c->original.base, how);
    return end;
}

/* None asks for all of it. Zero is an amount, and a bad one; the data can tell it from none only by
 * its digits after the point. */
static bool given(struct decimal amount)
{
    return amount.digits != 0 || amount.after_point != 0;
}

/* The command with all that the withdrawal knows. */
static void complete(const struct m_hold *h, const struct m_end *end, const struct command *c,
                     struct command *full)
{
    command_init(full);
    full->type = c->type;
    full->origin = c->origin;
    full->principal = c->principal;
    full->id = slice_of(end->id);
    full->original = c->original;
    full->player = h->player;
    full->currency = h->currency;
    full->gateway = h->gateway;
    full->amount = c->amount;
}

static void again(struct model *m, const struct m_end *end, const struct command *c,
                  const struct m_hold *h, struct outcome *o)
{
    const struct record *r = &m->records[end->transaction.seq - 1];
    int64_t minor = h->minor;

    if (c->type == COMMAND_WITHDRAW_CONFIRM &&
        ((given(c->amount) && decimal_to_minor(c->amount, r->scale, &minor) != 0) ||
         minor != r->requested_minor)) {
        o->verdict = VERDICT_IDEMPOTENCY_CONFLICT;
        o->conflicts = CONFLICT_AMOUNT;
        return;
    }
    o->verdict = r->verdict;
    o->replayed = end->transaction.origin != c->origin;
    o->has_record = true;
    o->record = *r;
    o->balance_now_minor = model_balance(m, r->player, r->currency);
}

void model_end_hold(struct model *m, const struct command *c, struct outcome *o)
{
    struct m_hold *h = model_hold(m, c->principal, c->player, c->original);
    struct m_end *end = end_of(m, c);
    struct command full;
    struct deed d = {.c = &full, .own = &end->transaction};

    if (!h->exists || (c->player.len > 0 && !slice_equal(c->player, h->player))) {
        o->verdict = VERDICT_UNKNOWN_TRANSACTION;
        return;
    }
    if (end->transaction.seq != 0) {
        again(m, end, c, h, o);
        return;
    }
    complete(h, end, c, &full);
    d.currency = h->currency;
    d.scale = model_currency(m, h->currency)->scale;
    d.asked = h->minor;
    d.debit = player_account(h->player);
    d.credit = (struct account){ACCOUNT_GATEWAY, h->gateway};
    if (given(c->amount) && (decimal_to_minor(c->amount, d.scale, &d.asked) != 0 || d.asked == 0 ||
                             d.asked > h->minor)) {
        o->verdict = VERDICT_BAD_AMOUNT;
        return;
    }
    if (!holds_now(m, h)) {
        o->verdict = VERDICT_HOLD_CLOSED;
        return;
    }
    if (c->type == COMMAND_WITHDRAW_CONFIRM) {
        o->verdict = model_move(m, &d, d.debit, d.credit, d.asked);
    }
    model_write_down(m, &d, o->verdict, o);
    h->ended = o->verdict == VERDICT_APPLIED;
}
