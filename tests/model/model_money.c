/* A money command from beginning to end: the same id again, names that nobody knows, the verdict,
 * and writing it down. */
#include "tests/model/model.h"

/* --- the same id again --- */

static bool has_amount(enum command_type type)
{
    return type != COMMAND_ROLLBACK && type != COMMAND_ROUND_CLOSE;
}

static bool amount_differs(const struct command *c, const struct record *r)
{
    int64_t minor;

    if (!has_amount(c->type) || !has_amount(r->type)) {
        return false;
    }
    if (c->type == COMMAND_ADJUST && r->type == COMMAND_ADJUST &&
        c->negative != (r->debit.kind == ACCOUNT_PLAYER)) {
        return true;
    }
    return decimal_to_minor(c->amount, r->scale, &minor) != 0 || minor != r->requested_minor;
}

static unsigned differences(const struct command *c, const struct record *r)
{
    unsigned bits = 0;

    bits |= c->type == r->type ? 0 : CONFLICT_TYPE;
    bits |= slice_equal(c->player, r->player) ? 0 : CONFLICT_PLAYER;
    bits |= c->type == COMMAND_ROUND_CLOSE || slice_equal(c->currency, r->currency)
                ? 0
                : CONFLICT_CURRENCY;
    bits |= amount_differs(c, r) ? CONFLICT_AMOUNT : 0;
    bits |= slice_equal(c->round, r->round) ? 0 : CONFLICT_ROUND;
    bits |= slice_equal(c->game, r->game) ? 0 : CONFLICT_GAME;
    bits |= slice_equal(c->session, r->session) ? 0 : CONFLICT_SESSION;
    bits |= slice_equal(c->bet, r->bet) ? 0 : CONFLICT_BET;
    bits |= slice_equal(c->original, r->original) ? 0 : CONFLICT_ORIGINAL;
    bits |= slice_equal(c->gateway, r->gateway) ? 0 : CONFLICT_GATEWAY;
    bits |= c->win_kind == r->win_kind ? 0 : CONFLICT_KIND;
    return bits;
}

static void first_answer(struct model *m, const struct m_transaction *t, uint64_t origin,
                         struct outcome *o)
{
    const struct record *r = &m->records[t->seq - 1];

    o->verdict = r->verdict;
    o->replayed = t->origin != origin;
    o->has_record = true;
    o->record = *r;
    o->balance_now_minor = model_balance(m, r->player, r->currency);
}

void model_again(struct model *m, const struct m_transaction *t, const struct command *c,
                 struct outcome *o)
{
    const struct record *r = &m->records[t->seq - 1];

    o->conflicts = differences(c, r);
    if (c->type == COMMAND_WITHDRAW && r->type == COMMAND_WITHDRAW &&
        r->verdict == VERDICT_APPLIED) {
        uint64_t expires_s = c->expires_s == 0 ? HOLD_EXPIRES_S_DEFAULT : c->expires_s;
        const struct m_hold *h = model_hold(m, r->principal, r->player, r->id);

        if (h->expires_at_ms - r->at_ms != 1000 * expires_s) {
            o->conflicts |= CONFLICT_EXPIRES_S;
        }
    }
    if (o->conflicts != 0) {
        o->verdict = VERDICT_IDEMPOTENCY_CONFLICT;
    } else {
        first_answer(m, t, c->origin, o);
    }
}

/* --- what is not recorded: a name that nobody knows --- */

static enum verdict principal_known(struct model *m, const struct command *c)
{
    enum role role = model_principal(m, c->principal)->role;

    if (c->type != COMMAND_DEPOSIT && c->type != COMMAND_WITHDRAW) {
        return role == ROLE_PROVIDER ? VERDICT_APPLIED : VERDICT_UNKNOWN_PROVIDER;
    }
    return (role == ROLE_PLATFORM || role == ROLE_GATEWAY) &&
                   model_principal(m, c->gateway)->role == ROLE_GATEWAY
               ? VERDICT_APPLIED
               : VERDICT_UNKNOWN_GATEWAY;
}

static enum verdict amount_fits(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    const struct m_currency *currency = model_currency(m, c->currency);

    if (!currency->exists) {
        return VERDICT_UNKNOWN_CURRENCY;
    }
    d->currency = c->currency;
    d->scale = currency->scale;
    if (has_amount(c->type) && (decimal_to_minor(c->amount, d->scale, &d->asked) != 0 ||
                                (d->asked == 0 && c->type != COMMAND_WIN))) {
        return VERDICT_BAD_AMOUNT;
    }
    return VERDICT_APPLIED;
}

static enum verdict named(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    enum verdict verdict = c->type == COMMAND_ROUND_CLOSE ? VERDICT_APPLIED : amount_fits(m, d);

    verdict = verdict == VERDICT_APPLIED ? principal_known(m, c) : verdict;
    if (verdict != VERDICT_APPLIED) {
        return verdict;
    }
    if (!model_player(m, c->player)->exists) {
        return VERDICT_UNKNOWN_PLAYER;
    }
    if (c->type == COMMAND_BET && c->session.len > 0) {
        const struct m_session *s = model_session(m, c->session);

        if (!s->exists || !slice_equal(s->info.player, c->player) ||
            !slice_equal(s->info.provider, c->principal)) {
            return VERDICT_UNKNOWN_SESSION;
        }
    }
    if (c->type == COMMAND_ROUND_CLOSE) {
        const struct m_round *r = model_round(m, c->principal, c->player, c->round);

        if (!r->exists) {
            return VERDICT_UNKNOWN_ROUND;
        }
        d->currency = r->currency;
        d->scale = model_currency(m, r->currency)->scale;
    }
    return VERDICT_APPLIED;
}

/* --- writing it down --- */

/* Accounts go up and down; a player that may hold anything now has used this currency. */
static void move_money(struct model *m, const struct deed *d, struct record *r)
{
    struct m_player *player = model_player(m, d->c->player);
    bool there = !player->any_currency || d->n_moves == 0;
    unsigned n;
    int i;

    for (i = 0; i < d->n_moves; i++) {
        const struct move *v = &d->moves[i];
        struct m_account *from = model_account(m, v->debit, d->currency);
        struct m_account *to = model_account(m, v->credit, d->currency);

        model_touch(m, from, sizeof *from);
        model_touch(m, to, sizeof *to);
        from->minor -= v->amount;
        to->minor += v->amount;
        r->postings[r->n_postings++] =
            (struct posting){v->debit, v->credit, v->amount, from->minor, to->minor};
        if (v->debit.kind == ACCOUNT_PLAYER || v->credit.kind == ACCOUNT_PLAYER) {
            r->amount_minor = v->amount;
        }
    }
    for (n = 0; n < player->n_currencies && !there; n++) {
        there = slice_equal(player->currencies[n], d->currency);
    }
    if (!there) {
        model_touch(m, player, sizeof *player);
        player->currencies[player->n_currencies++] = d->currency;
    }
}

/* A round is opened by the first bet or win in it, counts its bets, and is closed. */
static void follow_round(struct model *m, const struct deed *d)
{
    const struct command *c = d->c;
    struct slice name = c->round;
    struct m_round *round;

    if (c->type == COMMAND_ROLLBACK) {
        const struct m_transaction *t = model_transaction(m, c->principal, c->player, c->original);
        const struct record *original = t->seq == 0 ? NULL : &m->records[t->seq - 1];

        if (d->marks == NULL || original == NULL || original->type != COMMAND_BET) {
            return;
        }
        name = original->round;
    }
    if (name.len == 0 || c->type == COMMAND_ADJUST) {
        return;
    }
    round = model_round(m, c->principal, c->player, name);
    model_touch(m, round, sizeof *round);
    if (!round->exists) {
        round->exists = true;
        round->currency = c->currency;
        round->opened_at_ms = m->clock_ms;
    }
    round->bets += c->type == COMMAND_BET ? 1 : 0;
    round->bets -= c->type == COMMAND_ROLLBACK ? 1 : 0;
    round->closed = round->closed || c->type == COMMAND_ROUND_CLOSE;
}

static void hold(struct model *m, const struct deed *d)
{
    const struct command *c = d->c;
    struct m_hold *h = model_hold(m, c->principal, c->player, c->id);
    uint64_t expires_s = c->expires_s == 0 ? HOLD_EXPIRES_S_DEFAULT : c->expires_s;

    model_touch(m, h, sizeof *h);
    *h = (struct m_hold){
        .exists = true,
        .player = c->player,
        .currency = c->currency,
        .gateway = c->gateway,
        .minor = d->asked,
        .expires_at_ms = m->clock_ms + 1000 * expires_s,
    };
}

void model_write_down(struct model *m, struct deed *d, enum verdict verdict, struct outcome *o)
{
    const struct command *c = d->c;
    struct record r = {
        .type = c->type,
        .verdict = verdict,
        .win_kind = c->win_kind,
        .scale = d->scale,
        .requested_minor = d->asked,
        .principal = c->principal,
        .id = c->id,
        .player = c->player,
        .currency = d->currency,
        .round = c->round,
        .game = c->game,
        .session = c->session,
        .bet = c->bet,
        .original = c->original,
        .gateway = c->gateway,
        .debit = d->debit,
        .credit = d->credit,
    };

    d->n_moves = verdict == VERDICT_APPLIED ? d->n_moves : 0;
    move_money(m, d, &r);
    r.balance_minor = model_balance(m, c->player, d->currency);
    if (verdict == VERDICT_APPLIED) {
        follow_round(m, d);
        if (c->type == COMMAND_WITHDRAW) {
            hold(m, d);
        }
    }
    model_append(m, &r);
    model_touch(m, d->own, sizeof *d->own);
    d->own->seq = r.seq;
    d->own->origin = c->origin;
    if (d->marks != NULL) {
        model_touch(m, d->marks, sizeof *d->marks);
        d->marks->rolled_by = r.seq;
    }
    o->verdict = verdict;
    o->has_record = true;
    o->record = r;
    o->balance_now_minor = r.balance_minor;
}

void model_money_deed(struct model *m, const struct command *c, struct deed *d, struct outcome *o)
{
    *d = (struct deed){.c = c, .own = model_transaction(m, c->principal, c->player, c->id)};
    if (d->own->seq != 0) {
        model_again(m, d->own, c, o);
        return;
    }
    o->verdict = named(m, d);
    if (o->verdict == VERDICT_APPLIED) {
        model_write_down(m, d, model_decide(m, d), o);
    }
}

void model_money(struct model *m, const struct command *c, struct outcome *o)
{
    struct deed d;

    model_money_deed(m, c, &d, o);
}
