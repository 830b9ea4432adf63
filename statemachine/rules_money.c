/* The rules of the money: bet, win, rollback, deposit.
 *
 * Guarantees: an id is decided once and for ever, a refusal too; every movement debits one account
 * and credits another with the same amount; a player never goes below zero; what can't be computed
 * in 64 bits is refused whole.
 *
 * How: first the idempotency table; then what the command names must exist (else nothing is
 * recorded); then a plan of postings is made on copies of the balances, with checked sums; only a
 * plan that holds is booked. So nothing is ever half moved, and nothing is undone. */
#include "statemachine/rules_money.h"

/* ---- the same id again ---- */

static bool same_amount(const struct command *c, const struct record *r)
{
    int64_t minor;

    /* At the record's scale: "10" and "10.00" are the same amount. A rollback names none. */
    if (c->type == COMMAND_ROLLBACK || r->type == COMMAND_ROLLBACK) {
        return true;
    }
    return decimal_to_minor(c->amount, r->scale, &minor) == 0 && minor == r->requested_minor;
}

static unsigned differences(const struct command *c, const struct record *r)
{
    unsigned bits = 0;

    bits |= c->type != r->type ? CONFLICT_TYPE : 0;
    bits |= slice_equal(c->player, r->player) ? 0 : CONFLICT_PLAYER;
    bits |= slice_equal(c->currency, r->currency) ? 0 : CONFLICT_CURRENCY;
    bits |= same_amount(c, r) ? 0 : CONFLICT_AMOUNT;
    bits |= slice_equal(c->round, r->round) ? 0 : CONFLICT_ROUND;
    bits |= slice_equal(c->game, r->game) ? 0 : CONFLICT_GAME;
    bits |= slice_equal(c->session, r->session) ? 0 : CONFLICT_SESSION;
    bits |= slice_equal(c->bet, r->bet) ? 0 : CONFLICT_BET;
    bits |= slice_equal(c->original, r->original) ? 0 : CONFLICT_ORIGINAL;
    bits |= slice_equal(c->gateway, r->gateway) ? 0 : CONFLICT_GATEWAY;
    bits |= c->win_kind != r->win_kind ? CONFLICT_KIND : 0;
    return bits;
}

/* The first answer again, or what differs. Changes nothing. */
static int repeat(const struct state *s, const struct command *c, const struct transaction *t,
                  struct decision *d, struct fault *fault)
{
    struct record r;
    struct account player;

    if (state_record(s, t->seq, &r, fault) != 0 ||
        state_sealed(s, t->seq, &d->sealed, fault) != 1) {
        return -1;
    }
    d->conflicts = differences(c, &r);
    if (d->conflicts != 0) {
        d->verdict = VERDICT_IDEMPOTENCY_CONFLICT;
        return 0;
    }
    d->verdict = r.verdict;
    d->replayed = t->origin != c->origin;
    d->has_record = true;
    player = (struct account){ACCOUNT_PLAYER, r.player};
    return state_balance(s, player, r.currency, &d->balance_now_minor, fault) < 0 ? -1 : 0;
}

/* ---- what the command names ---- */

static int named_principals(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;
    bool deposit = c->type == COMMAND_DEPOSIT;
    struct principal p;
    bool fits;
    int rc = state_principal(m->state, c->principal, &p, fault);

    if (rc < 0) {
        return -1;
    }
    fits = rc == 1 &&
           (deposit ? p.role == ROLE_PLATFORM || p.role == ROLE_GATEWAY : p.role == ROLE_PROVIDER);
    if (fits && deposit) {
        rc = state_principal(m->state, c->gateway, &p, fault);
        if (rc < 0) {
            return -1;
        }
        fits = rc == 1 && p.role == ROLE_GATEWAY;
    }
    if (!fits) {
        *verdict = deposit ? VERDICT_UNKNOWN_GATEWAY : VERDICT_UNKNOWN_PROVIDER;
    }
    return 0;
}

/* Finds everything that is named; the first that does not exist is the verdict, and nothing is
 * recorded then. */
static int named(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;
    int rc = state_currency(m->state, c->currency, &m->currency, fault);

    *verdict = VERDICT_APPLIED;
    if (rc < 1) {
        *verdict = VERDICT_UNKNOWN_CURRENCY;
        return rc;
    }
    if (c->type != COMMAND_ROLLBACK &&
        (decimal_to_minor(c->amount, m->currency->scale, &m->record.requested_minor) != 0 ||
         (m->record.requested_minor == 0 && c->type != COMMAND_WIN))) {
        *verdict = VERDICT_BAD_AMOUNT;
        return 0;
    }
    if (named_principals(m, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict != VERDICT_APPLIED) {
        return 0;
    }
    rc = state_player(m->state, c->player, &m->player, fault);
    if (rc < 1) {
        *verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    return 0;
}

/* ---- planning ---- */

static int plan_account(struct money *m, struct account a, struct planned **planned,
                        struct fault *fault)
{
    struct planned *p;
    int i;

    for (i = 0; i < m->n_planned; i++) {
        p = &m->planned[i];
        if (p->account.kind == a.kind && slice_equal(p->account.name, a.name)) {
            *planned = p;
            return 0;
        }
    }
    p = &m->planned[m->n_planned++];
    p->account = a;
    if (state_balance(m->state, a, m->record.currency, &p->before_minor, fault) < 0) {
        return -1;
    }
    p->after_minor = p->before_minor;
    *planned = p;
    return 0;
}

int money_plan(struct money *m, struct account debit, struct account credit, int64_t amount_minor,
               enum verdict *verdict, struct fault *fault)
{
    struct planned *from, *to;
    struct posting *posting;

    if (amount_minor == 0 || *verdict != VERDICT_APPLIED) {
        return 0;
    }
    if (plan_account(m, debit, &from, fault) != 0 || plan_account(m, credit, &to, fault) != 0) {
        return -1;
    }
    if (!money_sub(from->after_minor, amount_minor, &from->after_minor) ||
        !money_add(to->after_minor, amount_minor, &to->after_minor)) {
        *verdict = VERDICT_BALANCE_OVERFLOW;
        return 0;
    }
    posting = &m->record.postings[m->record.n_postings++];
    *posting = (struct posting){debit, credit, amount_minor, from->after_minor, to->after_minor};
    return 0;
}

/* Bet, win and deposit: one posting from the record's debit to its credit. */
static int transfer(struct money *m, enum verdict *verdict, struct fault *fault)
{
    struct record *r = &m->record;

    if (money_plan(m, r->debit, r->credit, r->requested_minor, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict == VERDICT_APPLIED && r->debit.kind == ACCOUNT_PLAYER && r->n_postings > 0 &&
        r->postings[0].debit_balance_minor < 0) {
        *verdict = VERDICT_INSUFFICIENT_FUNDS;
    }
    r->amount_minor = r->requested_minor;
    return 0;
}

/* ---- booking ---- */

static bool can_hold(const struct money *m)
{
    const struct player *p = &m->player;
    struct slice currency = m->record.currency;

    return player_may_hold(p, currency) && (player_holds(p, currency) || p->n_held < BALANCES_MAX);
}

/* Who is debited and who credited; a rollback learns it from its original. */
static void name_accounts(struct money *m)
{
    const struct command *c = m->command;
    struct account player = {ACCOUNT_PLAYER, c->player};
    struct account provider = {ACCOUNT_PROVIDER, c->principal};
    struct account gateway = {ACCOUNT_GATEWAY, c->gateway};
    struct record *r = &m->record;

    r->debit = c->type == COMMAND_BET ? player : c->type == COMMAND_DEPOSIT ? gateway : provider;
    r->credit = c->type == COMMAND_BET ? provider : player;
}

static void begin_record(struct money *m)
{
    const struct command *c = m->command;
    struct record *r = &m->record;

    r->type = c->type;
    r->win_kind = c->win_kind;
    r->principal = c->principal;
    r->id = c->id;
    r->player = c->player;
    r->currency = c->currency;
    r->round = c->round;
    r->game = c->game;
    r->session = c->session;
    r->bet = c->bet;
    r->original = c->original;
    r->gateway = c->gateway;
    name_accounts(m);
}

/* The player's balance after what is planned. */
static int player_balance(const struct money *m, int64_t *minor, struct fault *fault)
{
    struct account player = {ACCOUNT_PLAYER, m->record.player};
    int i;

    for (i = 0; i < m->n_planned; i++) {
        if (m->planned[i].account.kind == ACCOUNT_PLAYER) {
            *minor = m->planned[i].after_minor;
            return 0;
        }
    }
    return state_balance(m->state, player, m->record.currency, minor, fault) < 0 ? -1 : 0;
}

static int book_balances(struct money *m, struct fault *fault)
{
    int i;

    for (i = 0; i < m->n_planned; i++) {
        const struct planned *p = &m->planned[i];

        if (p->account.kind == ACCOUNT_PLAYER) {
            if (p->after_minor < 0) {
                return fault_set(fault, "state machine: player %.*s would go below zero",
                                 (int)p->account.name.len, p->account.name.base);
            }
            if (!player_holds(&m->player, m->record.currency)) {
                m->player.held[m->player.n_held++] = m->record.currency;
            }
        }
        state_put_balance(m->state, p->account, m->currency, p->before_minor, p->after_minor);
    }
    if (m->currency->sum != 0) {
        return fault_set(fault, "state machine: the balances in %.*s do not sum to zero",
                         (int)m->currency->code_len, m->currency->code);
    }
    return 0;
}

/* Writes the decision down: balances, record, idempotency table, the player's link. */
static int book(struct money *m, enum verdict verdict, struct decision *d, struct fault *fault)
{
    struct record *r = &m->record;

    r->verdict = verdict;
    r->scale = m->currency->scale;
    r->previous = m->player.last_seq;
    if (verdict != VERDICT_APPLIED) {
        m->n_planned = 0;
        r->n_postings = 0;
        r->amount_minor = 0;
    }
    if (player_balance(m, &r->balance_minor, fault) != 0 || book_balances(m, fault) != 0) {
        return -1;
    }
    state_append(m->state, r);
    m->transaction.seq = r->seq;
    m->transaction.origin = m->command->origin;
    state_put_transaction(m->state, r->principal, r->id, &m->transaction);
    if (m->marks_original) {
        m->original.rolled_by = r->seq;
        state_put_transaction(m->state, r->principal, r->original, &m->original);
    }
    m->player.last_seq = r->seq;
    state_put_player(m->state, r->player, &m->player);
    d->verdict = verdict;
    d->has_record = true;
    d->balance_now_minor = r->balance_minor;
    d->sealed = (struct slice){(const char *)m->state->sealed.base, m->state->sealed.len};
    return 0;
}

int rules_money(struct state *s, const struct command *c, struct decision *d, struct fault *fault)
{
    struct money m;
    enum verdict verdict;
    int rc = state_transaction(s, c->principal, c->id, &m.transaction, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0) {
        m.transaction = (struct transaction){0, 0, 0};
    } else if (m.transaction.seq != 0) {
        return repeat(s, c, &m.transaction, d, fault);
    }
    m.state = s;
    m.command = c;
    m.record = (struct record){0};
    m.n_planned = 0;
    m.marks_original = false;
    if (named(&m, &verdict, fault) != 0) {
        return -1;
    }
    if (verdict != VERDICT_APPLIED) {
        d->verdict = verdict;
        return 0;
    }
    begin_record(&m);
    if (m.transaction.rolled_by != 0) {
        verdict = VERDICT_ROLLED_BACK;
    } else if (!can_hold(&m)) {
        verdict = VERDICT_CURRENCY_MISMATCH;
    } else if (c->type == COMMAND_ROLLBACK) {
        rc = rules_rollback(&m, &verdict, fault);
    } else {
        rc = transfer(&m, &verdict, fault);
    }
    return rc < 0 ? -1 : book(&m, verdict, d, fault);
}
