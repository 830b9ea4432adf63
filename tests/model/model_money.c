/* Bets, wins, rollbacks, deposits: the rules of the money, in the order in which the contract puts
 * them. */
#include "tests/model/model.h"

struct move {
    struct account debit, credit;
    int64_t amount;
};

/* One command while it is decided. */
struct deed {
    const struct command *c;
    uint8_t scale;
    int64_t asked;
    struct account debit, credit;
    struct move moves[POSTINGS_MAX];
    int n_moves;
    struct m_transaction *marks; /* the original that this rollback reverses or tombstones */
};

static bool may_hold(const struct m_player *p, struct slice currency)
{
    unsigned i;

    for (i = 0; i < p->n_currencies; i++) {
        if (slice_equal(p->currencies[i], currency)) {
            return true;
        }
    }
    return p->any_currency;
}

static int64_t balance_of(struct model *m, struct slice player, struct slice currency)
{
    return model_account(m, player_account(player), currency)->minor;
}

/* --- the same id again --- */

static bool amount_differs(const struct command *c, const struct record *r)
{
    int64_t minor;

    if (c->type == COMMAND_ROLLBACK || r->type == COMMAND_ROLLBACK) {
        return false; /* a rollback names no amount */
    }
    return decimal_to_minor(c->amount, r->scale, &minor) != 0 || minor != r->requested_minor;
}

static unsigned differences(const struct command *c, const struct record *r)
{
    unsigned bits = 0;

    bits |= c->type == r->type ? 0 : CONFLICT_TYPE;
    bits |= slice_equal(c->player, r->player) ? 0 : CONFLICT_PLAYER;
    bits |= slice_equal(c->currency, r->currency) ? 0 : CONFLICT_CURRENCY;
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

static void again(struct model *m, const struct m_transaction *t, const struct command *c,
                  struct outcome *o)
{
    const struct record *r = &m->records[t->seq - 1];

    o->conflicts = differences(c, r);
    if (o->conflicts != 0) {
        o->verdict = VERDICT_IDEMPOTENCY_CONFLICT;
        return;
    }
    o->verdict = r->verdict;
    o->replayed = t->origin != c->origin;
    o->has_record = true;
    o->record = *r;
    o->balance_now_minor = balance_of(m, r->player, r->currency);
}

/* --- what is not recorded: a name that nobody knows --- */

static enum verdict named(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    const struct m_currency *currency = model_currency(m, c->currency);
    enum role role = model_principal(m, c->principal)->role;

    if (!currency->exists) {
        return VERDICT_UNKNOWN_CURRENCY;
    }
    d->scale = currency->scale;
    if (c->type != COMMAND_ROLLBACK && (decimal_to_minor(c->amount, d->scale, &d->asked) != 0 ||
                                        (d->asked == 0 && c->type != COMMAND_WIN))) {
        return VERDICT_BAD_AMOUNT;
    }
    if (c->type == COMMAND_DEPOSIT) {
        if (role != ROLE_PLATFORM && role != ROLE_GATEWAY) {
            return VERDICT_UNKNOWN_GATEWAY;
        }
        if (model_principal(m, c->gateway)->role != ROLE_GATEWAY) {
            return VERDICT_UNKNOWN_GATEWAY;
        }
    } else if (role != ROLE_PROVIDER) {
        return VERDICT_UNKNOWN_PROVIDER;
    }
    return model_player(m, c->player)->exists ? VERDICT_APPLIED : VERDICT_UNKNOWN_PLAYER;
}

/* --- what is recorded --- */

/* Adds a move, unless an account would not hold it. Zero moves nothing. */
static enum verdict move(struct model *m, struct deed *d, struct account debit,
                         struct account credit, int64_t amount)
{
    int64_t from = model_account(m, debit, d->c->currency)->minor;
    int64_t to = model_account(m, credit, d->c->currency)->minor;
    int i;

    for (i = 0; i < d->n_moves; i++) {
        if (d->moves[i].credit.kind == credit.kind) {
            to += d->moves[i].amount;
        }
    }
    if (!money_sub(from, amount, &from) || !money_add(to, amount, &to)) {
        return VERDICT_BALANCE_OVERFLOW;
    }
    if (amount > 0) {
        d->moves[d->n_moves++] = (struct move){debit, credit, amount};
    }
    return VERDICT_APPLIED;
}

static enum verdict decide_rollback(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    struct account player = player_account(c->player);
    struct account provider = {ACCOUNT_PROVIDER, c->principal};
    struct account house = {ACCOUNT_HOUSE, slice_of("shortfall")};
    struct m_transaction *t = model_transaction(m, c->principal, c->original);
    const struct record *original = t->seq == 0 ? NULL : &m->records[t->seq - 1];
    enum verdict verdict;
    int64_t taken;

    d->debit = provider;
    d->credit = player;
    if (slice_equal(c->id, c->original)) {
        return VERDICT_NOT_REVERSIBLE;
    }
    if (original != NULL) {
        if (original->type != COMMAND_BET && original->type != COMMAND_WIN) {
            return VERDICT_NOT_REVERSIBLE;
        }
        if (original->type == COMMAND_WIN) {
            d->debit = player;
            d->credit = provider;
        }
        if (!slice_equal(original->player, c->player)) {
            return VERDICT_PLAYER_MISMATCH;
        }
        if (!slice_equal(original->currency, c->currency)) {
            return VERDICT_CURRENCY_MISMATCH;
        }
        d->asked = original->amount_minor;
    }
    if (t->rolled_by != 0) {
        return m->records[t->rolled_by - 1].verdict;
    }
    if (original == NULL || original->verdict != VERDICT_APPLIED) {
        d->marks = t;
        return VERDICT_TOMBSTONE;
    }
    if (original->type == COMMAND_BET) {
        verdict = move(m, d, provider, player, d->asked);
    } else {
        taken = balance_of(m, c->player, c->currency);
        taken = taken < d->asked ? taken : d->asked;
        verdict = move(m, d, player, provider, taken);
        if (verdict == VERDICT_APPLIED) {
            verdict = move(m, d, house, provider, d->asked - taken);
        }
    }
    if (verdict == VERDICT_APPLIED) {
        d->marks = t;
    }
    return verdict;
}

static enum verdict decide(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    struct account player = player_account(c->player);
    struct account provider = {ACCOUNT_PROVIDER, c->principal};
    struct account gateway = {ACCOUNT_GATEWAY, c->gateway};
    bool out = c->type == COMMAND_BET;
    enum verdict verdict;

    d->debit = out ? player : c->type == COMMAND_DEPOSIT ? gateway : provider;
    d->credit = out ? provider : player;
    if (model_transaction(m, c->principal, c->id)->rolled_by != 0) {
        return VERDICT_ROLLED_BACK;
    }
    if (!may_hold(model_player(m, c->player), c->currency)) {
        return VERDICT_CURRENCY_MISMATCH;
    }
    if (c->type == COMMAND_ROLLBACK) {
        return decide_rollback(m, d);
    }
    verdict = move(m, d, d->debit, d->credit, d->asked);
    if (verdict == VERDICT_APPLIED && out && balance_of(m, c->player, c->currency) < d->asked) {
        return VERDICT_INSUFFICIENT_FUNDS;
    }
    return verdict;
}

/* --- writing it down --- */

static void carry_out(struct model *m, const struct deed *d, struct record *r)
{
    struct m_player *player = model_player(m, d->c->player);
    int i;

    for (i = 0; i < d->n_moves; i++) {
        const struct move *v = &d->moves[i];
        struct m_account *from = model_account(m, v->debit, d->c->currency);
        struct m_account *to = model_account(m, v->credit, d->c->currency);

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
    if (d->n_moves > 0 && player->any_currency && player->n_currencies < BALANCES_MAX) {
        bool there = false;
        unsigned n;

        for (n = 0; n < player->n_currencies; n++) {
            there = there || slice_equal(player->currencies[n], d->c->currency);
        }
        if (!there) {
            model_touch(m, player, sizeof *player);
            player->currencies[player->n_currencies++] = d->c->currency;
        }
    }
}

static void write_down(struct model *m, struct deed *d, enum verdict verdict, struct outcome *o)
{
    const struct command *c = d->c;
    struct m_transaction *t = model_transaction(m, c->principal, c->id);
    struct record r = {
        .type = c->type,
        .verdict = verdict,
        .win_kind = c->win_kind,
        .scale = d->scale,
        .requested_minor = d->asked,
        .principal = c->principal,
        .id = c->id,
        .player = c->player,
        .currency = c->currency,
        .round = c->round,
        .game = c->game,
        .session = c->session,
        .bet = c->bet,
        .original = c->original,
        .gateway = c->gateway,
        .debit = d->debit,
        .credit = d->credit,
    };

    if (verdict != VERDICT_APPLIED) {
        d->n_moves = 0;
    }
    carry_out(m, d, &r);
    r.balance_minor = balance_of(m, c->player, c->currency);
    model_append(m, &r);
    model_touch(m, t, sizeof *t);
    t->seq = r.seq;
    t->origin = c->origin;
    if (d->marks != NULL) {
        model_touch(m, d->marks, sizeof *d->marks);
        d->marks->rolled_by = r.seq;
    }
    o->verdict = verdict;
    o->has_record = true;
    o->record = r;
    o->balance_now_minor = r.balance_minor;
}

void model_money(struct model *m, const struct command *c, struct outcome *o)
{
    const struct m_transaction *t = model_transaction(m, c->principal, c->id);
    struct deed d = {.c = c};

    if (t->seq != 0) {
        again(m, t, c, o);
        return;
    }
    o->verdict = named(m, &d);
    if (o->verdict == VERDICT_APPLIED) {
        write_down(m, &d, decide(m, &d), o);
    }
}
