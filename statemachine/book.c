/* Booking: a decision is written down, with all that follows from it. */
#include "statemachine/rules_money.h"

static int below(const struct money *m, const char *what, struct fault *fault)
{
    return fault_set(fault, "state machine: player %.*s would go below %s",
                     (int)m->record.player.len, m->record.player.base, what);
}

static int book_purse(struct money *m, int64_t before_minor, struct fault *fault)
{
    if (m->purse.balance_minor < 0) {
        return below(m, "zero", fault);
    }
    if (purse_available(&m->purse) < 0) {
        return below(m, "what is held", fault);
    }
    if (!player_holds(&m->player, m->record.currency)) {
        m->player.held[m->player.n_held++] = m->record.currency;
    }
    state_put_purse_at(m->state, &m->keys->purse, m->currency, before_minor, &m->purse);
    return 0;
}

static int book_balances(struct money *m, struct fault *fault)
{
    int64_t before_minor = m->purse.balance_minor;
    bool purse = m->holds_changed;
    int i;

    for (i = 0; i < m->n_planned; i++) {
        const struct planned *p = &m->planned[i];

        if (p->account.kind == ACCOUNT_PLAYER) {
            m->purse.balance_minor = p->after_minor;
            purse = true;
        } else {
            state_put_balance(m->state, p->account, m->currency, p->before_minor, p->after_minor);
        }
    }
    if (purse && book_purse(m, before_minor, fault) != 0) {
        return -1;
    }
    if (m->currency->sum != 0) {
        return fault_set(fault, "state machine: the balances in %.*s do not sum to zero",
                         (int)m->currency->code_len, m->currency->code);
    }
    return 0;
}

/* A refusal moves nothing. */
static void drop_plan(struct money *m)
{
    m->n_planned = 0;
    m->holds_changed = false;
    m->record.n_postings = 0;
    m->record.amount_minor = 0;
}

/* The player's balance after what is planned. */
static int64_t player_balance(const struct money *m)
{
    int i;

    for (i = 0; i < m->n_planned; i++) {
        if (m->planned[i].account.kind == ACCOUNT_PLAYER) {
            return m->planned[i].after_minor;
        }
    }
    return m->purse.balance_minor;
}

int money_book(struct money *m, enum verdict verdict, struct decision *d, struct fault *fault)
{
    struct state *s = m->state;
    struct record *r = &m->record;

    r->verdict = verdict;
    r->scale = m->currency->scale;
    r->previous = m->player.last_seq;
    if (verdict != VERDICT_APPLIED) {
        drop_plan(m);
    }
    r->balance_minor = player_balance(m);
    state_append(s, r);
    if (verdict == VERDICT_APPLIED) {
        rules_count_use(m);
        rules_withdraw_booked(m);
        if (rules_round_booked(m, fault) != 0) {
            return -1;
        }
    }
    if (book_balances(m, fault) != 0) {
        return -1;
    }
    m->transaction.seq = r->seq;
    m->transaction.origin = m->command->origin;
    state_put_transaction_at(s, &m->keys->transaction, &m->transaction);
    if (m->marks_original) {
        m->original.rolled_by = r->seq;
        state_put_transaction(s, m->ids, r->original, &m->original);
    }
    m->player.last_seq = r->seq;
    state_put_player_at(s, &m->keys->player, &m->player);
    d->verdict = verdict;
    d->has_record = true;
    d->balance_now_minor = r->balance_minor;
    d->sealed = (struct slice){(const char *)s->sealed.base, s->sealed.len};
    return 0;
}
