/* The rules of the money: bet, win, rollback, deposit, adjustment, withdrawal.
 *
 * Guarantees: an id is decided once and for ever, a refusal too; every movement debits one account
 * and credits another with the same amount; a player never goes below zero, nor below what is held;
 * what can't be computed in 64 bits is refused whole.
 *
 * How: first the idempotency table; then what the command names must exist (else nothing is
 * recorded); then whatever may refuse it is asked in the order that verdict.h gives; then a plan of
 * postings is made on copies of the balances, with checked sums; only a plan that holds is booked
 * (book.c). So nothing is ever half moved, and nothing is undone. */
#include "statemachine/rules_money.h"

/* Those that were made ahead, unless its ids are other ones since: its principal was created
 * meanwhile. */
static void find_keys(struct money *m)
{
    struct state *s = m->state;

    m->keys = &m->own_keys;
    if (s->expected == m->command && s->expected_keys->ids_per_player == (m->ids.player.len > 0)) {
        m->keys = s->expected_keys;
    } else {
        command_keys_make(s, m->ids, m->command, m->keys);
    }
}

int money_begin(struct money *m, struct state *s, const struct command *c, struct fault *fault)
{
    int rc = state_principal(s, c->principal, &m->principal, fault);

    m->state = s;
    m->command = c;
    m->transaction = (struct transaction){0, 0, 0};
    m->session_over = false;
    m->has_round = false;
    m->record = (struct record){0};
    m->n_planned = 0;
    m->holds_changed = false;
    m->marks_original = false;
    m->ids = (struct id_space){.principal = c->principal};
    if (rc == 0) {
        m->principal.role = ROLE_NONE;
    } else if (rc == 1 && m->principal.policy.ids_scope == IDS_PER_PLAYER) {
        m->ids.player = c->player;
    }
    find_keys(m);
    return rc < 0 ? -1 : 0;
}

/* ---- the same id again ---- */

static bool names_amount(enum command_type type)
{
    return type != COMMAND_ROLLBACK && type != COMMAND_ROUND_CLOSE;
}

static bool same_amount(const struct command *c, const struct record *r)
{
    int64_t minor;

    if (!names_amount(c->type) || !names_amount(r->type)) {
        return true;
    }
    /* An adjustment's sign shows in who was debited. */
    if (c->type == COMMAND_ADJUST && r->type == COMMAND_ADJUST &&
        c->negative != (r->debit.kind == ACCOUNT_PLAYER)) {
        return false;
    }
    /* At the record's scale: "10" and "10.00" are the same amount. */
    return decimal_to_minor(c->amount, r->scale, &minor) == 0 && minor == r->requested_minor;
}

static unsigned differences(const struct command *c, const struct record *r)
{
    unsigned bits = 0;

    bits |= c->type != r->type ? CONFLICT_TYPE : 0;
    bits |= slice_equal(c->player, r->player) ? 0 : CONFLICT_PLAYER;
    /* A round's closing has no currency of its own. */
    bits |= c->type == COMMAND_ROUND_CLOSE || slice_equal(c->currency, r->currency)
                ? 0
                : CONFLICT_CURRENCY;
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

/* A withdrawal's end names nothing but the withdrawal, and perhaps a part of it. */
static int differences_of_end(const struct money *m, const struct record *r, unsigned *bits,
                              struct fault *fault)
{
    const struct command *c = m->command;
    struct hold h;
    int64_t minor;

    *bits = 0;
    if (c->type == COMMAND_WITHDRAW_CANCEL) {
        return 0;
    }
    if (state_hold(m->state, m->ids, r->original, &h, fault) != 1) {
        return -1;
    }
    minor = h.amount_minor;
    if ((rules_hold_part(c) && decimal_to_minor(c->amount, r->scale, &minor) != 0) ||
        minor != r->requested_minor) {
        *bits = CONFLICT_AMOUNT;
    }
    return 0;
}

int money_repeat(struct money *m, struct decision *d, struct fault *fault)
{
    const struct command *c = m->command;
    struct transaction *t = &m->transaction;
    struct record r;
    struct account player;
    int rc = state_transaction_at(m->state, &m->keys->transaction, t, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || t->seq == 0 || MUTANT(m->state, MUTANT_SKIP_DEDUPE)) {
        return 0;
    }
    if (state_record(m->state, t->seq, &r, fault) != 0 ||
        state_sealed(m->state, t->seq, &d->sealed, fault) != 1) {
        return -1;
    }
    if (c->type == COMMAND_WITHDRAW_CONFIRM || c->type == COMMAND_WITHDRAW_CANCEL) {
        if (differences_of_end(m, &r, &d->conflicts, fault) != 0) {
            return -1;
        }
    } else {
        d->conflicts = differences(c, &r);
        if (rules_hold_differs(m, &r, &d->conflicts, fault) != 0) {
            return -1;
        }
    }
    if (d->conflicts != 0) {
        d->verdict = VERDICT_IDEMPOTENCY_CONFLICT;
        return 1;
    }
    d->verdict = r.verdict;
    d->replayed = t->origin != c->origin;
    d->has_record = true;
    if (MUTANT(m->state, MUTANT_BALANCE_BEFORE)) {
        d->balance_now_minor = r.balance_minor;
        return 1;
    }
    player = (struct account){ACCOUNT_PLAYER, r.player};
    return state_balance(m->state, player, r.currency, &d->balance_now_minor, fault) < 0 ? -1 : 1;
}

/* ---- what the command names ---- */

static bool by_gateway(enum command_type type)
{
    return type == COMMAND_DEPOSIT || type == COMMAND_WITHDRAW;
}

static int named_principals(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;
    bool payment = by_gateway(c->type);
    struct principal *p = &m->principal;
    bool fits =
        payment ? p->role == ROLE_PLATFORM || p->role == ROLE_GATEWAY : p->role == ROLE_PROVIDER;

    if (fits && payment) {
        int rc = state_principal(m->state, c->gateway, p, fault);

        if (rc < 0) {
            return -1;
        }
        fits = rc == 1 && p->role == ROLE_GATEWAY;
    }
    if (!fits) {
        *verdict = payment ? VERDICT_UNKNOWN_GATEWAY : VERDICT_UNKNOWN_PROVIDER;
    }
    return 0;
}

int money_currency(struct money *m, struct slice code, enum verdict *verdict, struct fault *fault)
{
    int rc = state_currency(m->state, code, &m->currency, fault);

    if (rc == 0) {
        *verdict = VERDICT_UNKNOWN_CURRENCY;
    }
    return rc < 0 ? -1 : 0;
}

int money_player(struct money *m, enum verdict *verdict, struct fault *fault)
{
    struct slice currency = {m->currency->code, m->currency->code_len};
    struct command_keys *keys = m->keys;
    int rc;

    if (keys->purse.len == 0) { /* c does not name both */
        player_key(m->state, m->record.player, &keys->player);
        purse_key(m->state, m->record.player, currency, &keys->purse);
    }
    rc = state_player_at(m->state, &keys->player, &m->player, fault);

    if (rc == 0) {
        *verdict = VERDICT_UNKNOWN_PLAYER;
    }
    if (rc < 1) {
        return rc;
    }
    return state_purse_at(m->state, &keys->purse, &m->purse, fault) < 0 ? -1 : 0;
}

/* A bet's session must be this player's with this provider; others only carry its name. */
static int named_session(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;
    struct session session;
    int rc = state_session(m->state, c->session, &session, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || !slice_equal(session.info.player, c->player) ||
        !slice_equal(session.info.provider, c->principal)) {
        *verdict = VERDICT_UNKNOWN_SESSION;
        return 0;
    }
    m->session_over =
        session.info.closed_at_ms != 0 || session.info.expires_at_ms <= m->state->clock_ms;
    return 0;
}

/* Finds everything that is named; the first that does not exist is the verdict, and nothing is
 * recorded then. */
static int named(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;
    struct record *r = &m->record;

    if (money_currency(m, c->currency, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict == VERDICT_APPLIED && c->type != COMMAND_ROLLBACK &&
        (decimal_to_minor(c->amount, m->currency->scale, &r->requested_minor) != 0 ||
         (r->requested_minor == 0 && c->type != COMMAND_WIN))) {
        *verdict = VERDICT_BAD_AMOUNT;
    }
    if (*verdict == VERDICT_APPLIED && named_principals(m, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict == VERDICT_APPLIED && money_player(m, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict == VERDICT_APPLIED && c->type == COMMAND_BET && c->session.len > 0) {
        return named_session(m, verdict, fault);
    }
    return 0;
}

/* ---- what may refuse it ---- */

static bool can_hold(const struct money *m)
{
    const struct player *p = &m->player;
    struct slice currency = m->record.currency;

    return player_may_hold(p, currency) && (player_holds(p, currency) || p->n_held < BALANCES_MAX);
}

static bool policy_allows(const struct money *m)
{
    const struct policy *p = &m->principal.policy;
    uint8_t i;

    /* What was begun under an older policy is brought to its end. */
    if (p->n_currencies == 0 || m->command->type == COMMAND_WIN ||
        m->command->type == COMMAND_ROLLBACK) {
        return true;
    }
    for (i = 0; i < p->n_currencies; i++) {
        if (slice_equal(p->currencies[i], m->record.currency)) {
            return true;
        }
    }
    return false;
}

static int bet_refused(struct money *m, enum verdict *verdict, struct fault *fault)
{
    if (player_status_at(&m->player, m->state->clock_ms) != PLAYER_ACTIVE) {
        *verdict = VERDICT_PLAYER_BLOCKED;
    } else if (m->session_over && !MUTANT(m->state, MUTANT_OLD_SESSION)) {
        *verdict = VERDICT_SESSION_EXPIRED;
    } else if (m->has_round && m->round.closed_by != 0 && !MUTANT(m->state, MUTANT_OPEN_ROUND)) {
        *verdict = VERDICT_ROUND_CLOSED;
    } else if (rules_limit(m, LIMIT_STAKE, verdict, fault) != 0 ||
               rules_limit(m, LIMIT_LOSS, verdict, fault) != 0) {
        return -1;
    }
    return 0;
}

/* In the order of verdict.h. */
static int refused(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;

    if (m->transaction.rolled_by != 0) {
        *verdict = VERDICT_ROLLED_BACK;
    } else if (!policy_allows(m)) {
        *verdict = VERDICT_CURRENCY_NOT_ALLOWED;
    } else if (!can_hold(m)) {
        *verdict = VERDICT_CURRENCY_MISMATCH;
    } else if (c->type == COMMAND_BET) {
        return bet_refused(m, verdict, fault);
    } else if (c->type == COMMAND_DEPOSIT) {
        if (player_status_at(&m->player, m->state->clock_ms) == PLAYER_SELF_EXCLUDED) {
            *verdict = VERDICT_SELF_EXCLUDED;
        } else {
            return rules_limit(m, LIMIT_DEPOSIT, verdict, fault);
        }
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
    if (a.kind == ACCOUNT_PLAYER) {
        p->before_minor = m->purse.balance_minor; /* no command names two players */
    } else if (state_balance(m->state, a, m->record.currency, &p->before_minor, fault) < 0) {
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

/* Bet, win, deposit and adjustment: one posting from the record's debit to its credit. */
static int transfer(struct money *m, enum verdict *verdict, struct fault *fault)
{
    struct record *r = &m->record;

    if (money_plan(m, r->debit, r->credit, r->requested_minor, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict == VERDICT_APPLIED && r->debit.kind == ACCOUNT_PLAYER && r->n_postings > 0 &&
        r->postings[0].debit_balance_minor <
            (MUTANT(m->state, MUTANT_SPEND_HELD) ? 0 : purse_held(&m->purse))) {
        *verdict = VERDICT_INSUFFICIENT_FUNDS;
    }
    r->amount_minor = r->requested_minor;
    return 0;
}

static void name_accounts(struct money *m)
{
    const struct command *c = m->command;
    struct account player = {ACCOUNT_PLAYER, c->player};
    struct account other = {ACCOUNT_PROVIDER, c->principal};
    bool from_player =
        c->type == COMMAND_BET || c->type == COMMAND_WITHDRAW || c->type == COMMAND_ROUND_CLOSE;
    struct record *r = &m->record;

    if (by_gateway(c->type)) {
        other = (struct account){ACCOUNT_GATEWAY, c->gateway};
    } else if (c->type == COMMAND_ADJUST) {
        other = (struct account){ACCOUNT_HOUSE, slice_of("adjustment")};
        from_player = c->negative;
    }
    /* A rollback learns it from its original. */
    r->debit = from_player ? player : other;
    r->credit = from_player ? other : player;
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

/* Only bets and wins have to do with the round that they name. */
static int find_round(struct money *m, struct fault *fault)
{
    const struct command *c = m->command;
    int rc;

    if (c->round.len == 0 || (c->type != COMMAND_BET && c->type != COMMAND_WIN)) {
        return 0;
    }
    rc = state_round(m->state, c->principal, c->player, c->round, &m->round, fault);
    m->has_round = rc == 1;
    return rc < 0 ? -1 : 0;
}

static int decide(struct money *m, enum verdict *verdict, struct fault *fault)
{
    if (find_round(m, fault) != 0 || refused(m, verdict, fault) != 0) {
        return -1;
    }
    if (*verdict != VERDICT_APPLIED) {
        return 0;
    }
    switch (m->command->type) {
    case COMMAND_ROLLBACK:
        return rules_rollback(m, verdict, fault);
    case COMMAND_WITHDRAW:
        rules_withdraw(m, verdict);
        return 0;
    default:
        return transfer(m, verdict, fault);
    }
}

int money_begin_new(struct money *m, struct state *s, const struct command *c,
                    int (*find)(struct money *m, enum verdict *verdict, struct fault *fault),
                    struct decision *d, struct fault *fault)
{
    enum verdict verdict = VERDICT_APPLIED;
    int rc = money_begin(m, s, c, fault);

    if (rc == 0) {
        rc = money_repeat(m, d, fault);
    }
    if (rc != 0) {
        return rc;
    }
    begin_record(m);
    if (find(m, &verdict, fault) != 0) {
        return -1;
    }
    if (verdict != VERDICT_APPLIED) {
        d->verdict = verdict;
        return 1;
    }
    return 0;
}

int rules_money(struct state *s, const struct command *c, struct decision *d, struct fault *fault)
{
    enum verdict verdict = VERDICT_APPLIED;
    struct money m;
    int rc = money_begin_new(&m, s, c, named, d, fault);

    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    return decide(&m, &verdict, fault) != 0 ? -1 : money_book(&m, verdict, d, fault);
}

int rules_money_refuse(struct state *s, const struct command *c, const struct record *r,
                       struct decision *d, struct fault *fault)
{
    enum verdict verdict = r->verdict;
    struct money m;

    if (money_begin(&m, s, c, fault) != 0) {
        return -1;
    }
    if (money_repeat(&m, d, fault) != 0) {
        return fault_set(fault, "state machine: an item that was free is taken");
    }
    m.record = *r;
    if (money_currency(&m, c->currency, &verdict, fault) != 0 ||
        money_player(&m, &verdict, fault) != 0) {
        return -1;
    }
    return money_book(&m, verdict, d, fault);
}
