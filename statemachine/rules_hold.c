/* The rules of withdrawals: held, then confirmed, cancelled, or over.
 *
 * Guarantees: what is held can be neither bet nor withdrawn again, and stays in the balance until
 * it is confirmed; a withdrawal ends once, whoever asks how often. A hold that is over by the
 * ledger's clock needs no record and no timer: whoever looks compares the clock. */
#include "statemachine/rules_money.h"

static uint64_t expires_at_ms(const struct command *c, uint64_t from_ms)
{
    return from_ms + UINT64_C(1000) * (c->expires_s == 0 ? HOLD_EXPIRES_S_DEFAULT : c->expires_s);
}

void rules_withdraw(struct money *m, enum verdict *verdict)
{
    struct purse *p = &m->purse;
    struct record *r = &m->record;

    if (p->n_holds == HOLDS_MAX) {
        *verdict = VERDICT_LIMIT_REACHED;
        return;
    }
    if (purse_available(p) < r->requested_minor) {
        *verdict = VERDICT_INSUFFICIENT_FUNDS;
        return;
    }
    /* Its seq is known when it is booked, and it is booked as the next. */
    p->holds[p->n_holds++] = (struct active_hold){m->state->seq + 1, r->requested_minor,
                                                  expires_at_ms(m->command, m->state->clock_ms)};
    m->holds_changed = true;
}

void rules_withdraw_booked(struct money *m)
{
    const struct record *r = &m->record;
    struct hold h;

    if (r->type != COMMAND_WITHDRAW) {
        return;
    }
    h = (struct hold){.seq = r->seq,
                      .expires_at_ms = m->purse.holds[m->purse.n_holds - 1].expires_at_ms,
                      .amount_minor = r->requested_minor,
                      .player = r->player,
                      .currency = r->currency,
                      .gateway = r->gateway};
    state_put_hold(m->state, m->ids, r->id, &h);
}

int rules_hold_differs(const struct money *m, const struct record *r, unsigned *bits,
                       struct fault *fault)
{
    const struct command *c = m->command;
    struct hold h;

    if (c->type != COMMAND_WITHDRAW || r->type != COMMAND_WITHDRAW ||
        r->verdict != VERDICT_APPLIED) {
        return 0;
    }
    /* The record does not say it: the hold does. One that was refused has none. */
    if (state_hold(m->state, m->ids, r->id, &h, fault) != 1) {
        return -1;
    }
    *bits |= h.expires_at_ms != expires_at_ms(c, r->at_ms) ? CONFLICT_EXPIRES_S : 0;
    return 0;
}

static void free_hold(struct money *m, uint64_t seq)
{
    struct purse *p = &m->purse;
    uint8_t i, n = 0;

    for (i = 0; i < p->n_holds; i++) {
        if (p->holds[i].seq != seq) {
            p->holds[n++] = p->holds[i];
        }
    }
    p->n_holds = n;
    m->holds_changed = true;
}

bool rules_hold_part(const struct command *c)
{
    return c->type == COMMAND_WITHDRAW_CONFIRM &&
           (c->amount.digits != 0 || c->amount.after_point != 0);
}

/* "<id>:confirm" for people, "<id>/confirm" for the idempotency table. */
static struct slice end_name(const struct command *c, char separator,
                             char out[static RECORD_ID_MAX])
{
    struct slice word = slice_of(c->type == COMMAND_WITHDRAW_CONFIRM ? "confirm" : "cancel");

    memcpy(out, c->original.base, c->original.len);
    out[c->original.len] = separator;
    memcpy(out + c->original.len + 1, word.base, word.len);
    return (struct slice){out, c->original.len + 1 + word.len};
}

static void begin_record(struct money *m, const struct hold *h, struct slice id)
{
    const struct command *c = m->command;
    struct record *r = &m->record;

    r->type = c->type;
    r->principal = c->principal;
    r->id = id;
    r->player = h->player;
    r->currency = h->currency;
    r->original = c->original;
    r->gateway = h->gateway;
    r->debit = (struct account){ACCOUNT_PLAYER, h->player};
    r->credit = (struct account){ACCOUNT_GATEWAY, h->gateway};
    r->requested_minor = h->amount_minor;
}

/* The part that a confirmation names; without one it is the whole. */
static enum verdict part(const struct money *m, int64_t *minor)
{
    const struct command *c = m->command;
    int64_t asked;

    if (!rules_hold_part(c)) {
        return VERDICT_APPLIED;
    }
    if (decimal_to_minor(c->amount, m->currency->scale, &asked) != 0 || asked == 0 ||
        asked > *minor) {
        return VERDICT_BAD_AMOUNT;
    }
    *minor = asked;
    return VERDICT_APPLIED;
}

static int end_hold(struct money *m, struct hold *h, struct decision *d, struct fault *fault)
{
    struct record *r = &m->record;
    enum verdict verdict = VERDICT_APPLIED;

    if (money_currency(m, h->currency, &verdict, fault) != 0 ||
        money_player(m, &verdict, fault) != 0) {
        return -1;
    }
    if (verdict != VERDICT_APPLIED) {
        return fault_set(fault, "state machine: a hold names what does not exist");
    }
    verdict = part(m, &r->requested_minor);
    if (verdict == VERDICT_APPLIED &&
        (h->closed_by != 0 || h->expires_at_ms <= m->state->clock_ms)) {
        verdict = VERDICT_HOLD_CLOSED;
    }
    if (verdict != VERDICT_APPLIED) {
        d->verdict = verdict;
        return 0;
    }
    if (r->type == COMMAND_WITHDRAW_CONFIRM) {
        if (money_plan(m, r->debit, r->credit, r->requested_minor, &verdict, fault) != 0) {
            return -1;
        }
        r->amount_minor = r->requested_minor;
    }
    if (verdict == VERDICT_APPLIED) {
        free_hold(m, h->seq);
        h->closed_by = m->state->seq + 1;
        state_put_hold(m->state, m->ids, r->original, h);
    }
    return money_book(m, verdict, d, fault);
}

int rules_hold_end(struct state *s, const struct command *c, struct decision *d,
                   struct fault *fault)
{
    char place[RECORD_ID_MAX], id[RECORD_ID_MAX];
    struct money m;
    struct hold h;
    int rc;

    if (money_begin(&m, s, c, fault) != 0) {
        return -1;
    }
    rc = state_hold(s, m.ids, c->original, &h, fault);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || (c->player.len > 0 && !slice_equal(c->player, h.player))) {
        d->verdict = VERDICT_UNKNOWN_TRANSACTION;
        return 0;
    }
    transaction_key(s, m.ids, end_name(c, '/', place), &m.keys->transaction);
    rc = money_repeat(&m, d, fault);
    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    begin_record(&m, &h, end_name(c, ':', id));
    return end_hold(&m, &h, d, fault);
}
