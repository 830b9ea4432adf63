/* The verdict of a money command whose names exist: the rules in the order of verdict.h, and what
 * would move. */
#include "tests/model/model.h"

enum { HOLDS_MAX = 64 }; /* of one player in one currency, at one time */

static bool listed(struct slice name, const struct slice *list, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (slice_equal(list[i], name)) {
            return true;
        }
    }
    return false;
}

static int64_t available(struct model *m, struct slice player, struct slice currency)
{
    unsigned n;

    return model_balance(m, player, currency) - model_held(m, player, currency, &n);
}

enum verdict model_move(struct model *m, struct deed *d, struct account debit,
                        struct account credit, int64_t amount)
{
    int64_t from = model_account(m, debit, d->currency)->minor;
    int64_t to = model_account(m, credit, d->currency)->minor;
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

/* --- rollbacks --- */

static enum verdict reverse(struct model *m, struct deed *d, const struct record *original)
{
    const struct command *c = d->c;
    struct account player = player_account(c->player);
    struct account provider = {ACCOUNT_PROVIDER, c->principal};
    struct account house = {ACCOUNT_HOUSE, slice_of("shortfall")};
    enum verdict verdict;
    int64_t taken;

    if (original->type == COMMAND_BET) {
        return model_move(m, d, provider, player, d->asked);
    }
    taken = available(m, c->player, d->currency);
    taken = taken < d->asked ? taken : d->asked;
    if (taken < d->asked &&
        model_principal(m, c->principal)->policy.shortfall == SHORTFALL_REJECT) {
        return VERDICT_INSUFFICIENT_FUNDS;
    }
    verdict = model_move(m, d, player, provider, taken);
    return verdict != VERDICT_APPLIED ? verdict
                                      : model_move(m, d, house, provider, d->asked - taken);
}

static enum verdict decide_rollback(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    struct m_transaction *t = model_transaction(m, c->principal, c->player, c->original);
    const struct record *original = t->seq == 0 ? NULL : &m->records[t->seq - 1];
    enum verdict verdict;

    if (slice_equal(c->id, c->original)) {
        return VERDICT_NOT_REVERSIBLE;
    }
    if (original != NULL) {
        if (original->type != COMMAND_BET && original->type != COMMAND_WIN) {
            return VERDICT_NOT_REVERSIBLE;
        }
        if (original->type == COMMAND_WIN) {
            struct account provider = d->debit;

            d->debit = d->credit;
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
    verdict = reverse(m, d, original);
    if (verdict == VERDICT_APPLIED) {
        d->marks = t;
    }
    return verdict;
}

/* --- everything else --- */

/* Whom the record names, even when nothing moves. */
static void name_accounts(struct deed *d)
{
    const struct command *c = d->c;
    struct account player = player_account(c->player);
    struct account other = {ACCOUNT_PROVIDER, c->principal};
    bool out = c->type == COMMAND_BET || c->type == COMMAND_WITHDRAW ||
               c->type == COMMAND_ROUND_CLOSE || c->negative;

    if (c->type == COMMAND_DEPOSIT || c->type == COMMAND_WITHDRAW) {
        other = (struct account){ACCOUNT_GATEWAY, c->gateway};
    } else if (c->type == COMMAND_ADJUST) {
        other = (struct account){ACCOUNT_HOUSE, slice_of("adjustment")};
    }
    d->debit = out ? player : other;
    d->credit = out ? other : player;
}

static bool policy_forbids(struct model *m, const struct command *c)
{
    bool by_gateway = c->type == COMMAND_DEPOSIT || c->type == COMMAND_WITHDRAW;
    const struct policy *p = &model_principal(m, by_gateway ? c->gateway : c->principal)->policy;

    return (by_gateway || c->type == COMMAND_BET || c->type == COMMAND_ADJUST) &&
           p->n_currencies > 0 && !listed(c->currency, p->currencies, p->n_currencies);
}

/* What stops only bets. */
static enum verdict bet_stopped(struct model *m, const struct command *c)
{
    if (model_status(m, model_player(m, c->player)) != PLAYER_ACTIVE) {
        return VERDICT_PLAYER_BLOCKED;
    }
    if (c->session.len > 0) {
        const struct session_info *s = &model_session(m, c->session)->info;

        if (s->closed_at_ms != 0 || s->expires_at_ms <= m->clock_ms) {
            return VERDICT_SESSION_EXPIRED;
        }
    }
    if (c->round.len > 0 && model_round(m, c->principal, c->player, c->round)->closed) {
        return VERDICT_ROUND_CLOSED;
    }
    return VERDICT_APPLIED;
}

static enum verdict decide_plain(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    enum verdict verdict = c->type == COMMAND_BET ? bet_stopped(m, c) : VERDICT_APPLIED;
    unsigned holds;

    if (verdict != VERDICT_APPLIED) {
        return verdict;
    }
    if (c->type == COMMAND_DEPOSIT &&
        model_status(m, model_player(m, c->player)) == PLAYER_SELF_EXCLUDED) {
        return VERDICT_SELF_EXCLUDED;
    }
    if (model_over_limit(m, c, d->asked)) {
        return VERDICT_LIMIT_REACHED;
    }
    model_held(m, c->player, c->currency, &holds);
    if (c->type == COMMAND_WITHDRAW) {
        if (holds >= HOLDS_MAX) {
            return VERDICT_LIMIT_REACHED;
        }
    } else {
        verdict = model_move(m, d, d->debit, d->credit, d->asked);
    }
    if (verdict == VERDICT_APPLIED && d->debit.kind == ACCOUNT_PLAYER &&
        available(m, c->player, c->currency) < d->asked) {
        return VERDICT_INSUFFICIENT_FUNDS;
    }
    return verdict;
}

enum verdict model_decide(struct model *m, struct deed *d)
{
    const struct command *c = d->c;
    const struct m_player *player = model_player(m, c->player);

    name_accounts(d);
    if (d->own->rolled_by != 0) {
        return VERDICT_ROLLED_BACK;
    }
    if (c->type == COMMAND_ROUND_CLOSE) {
        return VERDICT_APPLIED;
    }
    if (policy_forbids(m, c)) {
        return VERDICT_CURRENCY_NOT_ALLOWED;
    }
    if (!player->any_currency && !listed(c->currency, player->currencies, player->n_currencies)) {
        return VERDICT_CURRENCY_MISMATCH;
    }
    return c->type == COMMAND_ROLLBACK ? decide_rollback(m, d) : decide_plain(m, d);
}
