/* Atomic commands: the items one after the other, for real; if one is refused all is undone, and
 * only that one's refusal is written down. */
#include "tests/model/model.h"

static void refuse(struct outcome *o, const struct outcome *item, unsigned i)
{
    *o = *item;
    o->has_item = true;
    o->item = (uint8_t)i;
}

static struct m_call *call_of(struct model *m, const struct command *c)
{
    struct table_key key =
        table_key3(c->principal, model_ids_of(m, c->principal, c->player), c->id);

    return table_at(&m->calls, &key);
}

/* True when this call's id was used by one of other items. */
static bool other_call(struct model *m, const struct command *c)
{
    const struct m_call *call = call_of(m, c);
    unsigned i;

    if (c->id.len == 0 || call->first_seq == 0) {
        return false;
    }
    for (i = 0; i < c->n_items; i++) {
        if (model_transaction(m, c->principal, c->player, c->items[i].id)->seq !=
            call->first_seq + i) {
            return true;
        }
    }
    return c->n_items != call->n_items;
}

/* Whoever asked for the end of a round and was given it can't find it open again. */
static bool left_open(struct model *m, const struct command *c)
{
    return c->close_round && !model_round(m, c->principal, c->player, c->round)->closed;
}

/* True when an item's id was seen before and that decides the whole. */
static bool seen_before(struct model *m, const struct command *c, struct m_outcome *out)
{
    struct outcome *o = &out->outcome, blank = *o;
    bool other = other_call(m, c);
    unsigned i, known = 0, first = 0;

    for (i = 0; i < c->n_items; i++) {
        struct command item;
        const struct m_transaction *t =
            model_transaction(m, c->principal, c->player, c->items[i].id);

        if (t->seq == 0) {
            continue;
        }
        command_of_item(c, i, &item);
        out->items[i] = blank;
        model_again(m, t, &item, &out->items[i]);
        if (!verdict_is_success(out->items[i].verdict)) {
            refuse(o, &out->items[i], i);
            return true;
        }
        first = known++ == 0 ? i : first;
    }
    if (known == c->n_items && !other && left_open(m, c)) {
        o->verdict = VERDICT_IDEMPOTENCY_CONFLICT;
        o->conflicts = CONFLICT_CLOSE_ROUND;
        o->has_item = true;
        o->item = 0;
        return true;
    }
    if (known == c->n_items && !other) {
        o->n_items = c->n_items;
        return true;
    }
    if (known > 0 || other) {
        o->verdict = VERDICT_IDEMPOTENCY_CONFLICT;
        o->conflicts = CONFLICT_ITEMS;
        o->has_item = true;
        o->item = (uint8_t)first;
        return true;
    }
    return false;
}

static void close_round_after(struct model *m, const struct command *c)
{
    struct m_round *round = model_round(m, c->principal, c->player, c->round);

    model_touch(m, round, sizeof *round);
    if (!round->exists) { /* no bet or win was in it, and none will be */
        round->exists = true;
        round->currency = c->currency;
        round->opened_at_ms = m->clock_ms;
    }
    round->closed = true;
}

void model_atomic(struct model *m, const struct command *c, struct m_outcome *out)
{
    struct outcome blank = out->outcome, *o = &out->outcome;
    struct m_call *call = call_of(m, c);
    struct m_mark mark;
    struct command item;
    struct deed d;
    unsigned i;

    if (seen_before(m, c, out)) {
        return;
    }
    mark = model_try(m);
    for (i = 0; i < c->n_items; i++) {
        command_of_item(c, i, &item);
        out->items[i] = blank;
        model_money_deed(m, &item, &d, &out->items[i]);
        if (!verdict_is_success(out->items[i].verdict)) {
            struct outcome *refused = &out->items[i];

            model_undo(m, mark);
            if (verdict_is_recorded(refused->verdict)) {
                d.marks = NULL;
                model_write_down(m, &d, refused->verdict, refused);
            }
            refuse(o, refused, i);
            return;
        }
    }
    if (c->close_round) {
        close_round_after(m, c);
    }
    model_touch(m, call, sizeof *call);
    *call = (struct m_call){m->seq - c->n_items + 1, c->n_items};
    model_keep(m);
    o->n_items = c->n_items;
}
