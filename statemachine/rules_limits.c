/* The rules of players' limits: what may still be used of them, and how they are changed.
 *
 * They are data: every limit names a kind, a period and a currency, and all that apply are asked,
 * so the lowest decides. */
#include "statemachine/rules_money.h"

int rules_limit(struct money *m, enum limit_kind kind, enum verdict *verdict, struct fault *fault)
{
    const struct record *r = &m->record;
    struct limits limits;
    uint8_t i;

    if (!m->player.has_limits || *verdict != VERDICT_APPLIED) {
        return 0;
    }
    if (state_limits(m->state, r->player, &limits, fault) < 0) {
        return -1;
    }
    for (i = 0; i < limits.n; i++) {
        const struct limit *l = &limits.of[i];
        int64_t used = m->purse.used[l->kind][l->period];

        if (l->kind != kind || !l->has_amount || !slice_equal(l->currency, r->currency)) {
            continue;
        }
        used = used < 0 ? 0 : used;
        if (r->requested_minor > l->amount_minor - used) {
            *verdict = VERDICT_LIMIT_REACHED;
            return 0;
        }
    }
    return 0;
}

void rules_count_use(struct money *m)
{
    const struct record *r = &m->record;
    uint64_t now = m->state->clock_ms;
    uint64_t then;

    switch (r->type) {
    case COMMAND_DEPOSIT:
        purse_use(&m->purse, LIMIT_DEPOSIT, now, r->amount_minor);
        break;
    case COMMAND_BET:
        purse_use(&m->purse, LIMIT_STAKE, now, r->amount_minor);
        purse_use(&m->purse, LIMIT_LOSS, now, r->amount_minor);
        break;
    case COMMAND_WIN:
        purse_use(&m->purse, LIMIT_LOSS, now, -r->amount_minor);
        break;
    case COMMAND_ROLLBACK:
        if (r->amount_minor == 0) {
            break;
        }
        then = m->original_record.at_ms;
        if (m->original_record.type == COMMAND_BET) {
            purse_use(&m->purse, LIMIT_STAKE, then, -r->amount_minor);
            purse_use(&m->purse, LIMIT_LOSS, then, -r->amount_minor);
        } else {
            purse_use(&m->purse, LIMIT_LOSS, then, r->amount_minor);
        }
        break;
    default:
        break;
    }
}

/* ---- changing them ---- */

static struct limit *find(struct limits *l, const struct limit_change *change)
{
    uint8_t i;

    for (i = 0; i < l->n; i++) {
        if (l->of[i].kind == change->kind && l->of[i].period == change->period &&
            slice_equal(l->of[i].currency, change->currency)) {
            return &l->of[i];
        }
    }
    return NULL;
}

static void loosen(struct limit *l, bool none, int64_t minor, uint64_t clock_ms)
{
    bool same = l->pending && l->pending_amount == !none && l->pending_minor == minor;

    if (!same) {
        l->pending = true;
        l->pending_amount = !none;
        l->pending_minor = minor;
        l->effective_at_ms = clock_ms + COOLING_OFF_MS;
    }
}

static enum verdict change_one(struct limits *l, const struct limit_change *change, int64_t minor,
                               uint64_t clock_ms)
{
    struct limit *one = find(l, change);

    if (one == NULL && change->none) {
        return VERDICT_APPLIED;
    }
    if (one == NULL) {
        if (l->n == LIMITS_PER_PLAYER) {
            return VERDICT_LIMIT_REACHED;
        }
        one = &l->of[l->n++];
        *one = (struct limit){
            .kind = change->kind, .period = change->period, .currency = change->currency};
    }
    if (one->has_amount && (change->none || minor > one->amount_minor)) {
        loosen(one, change->none, minor, clock_ms);
        return VERDICT_APPLIED;
    }
    one->has_amount = true;
    one->amount_minor = minor;
    one->pending = false;
    one->pending_amount = false;
    one->pending_minor = 0;
    one->effective_at_ms = 0;
    return VERDICT_APPLIED;
}

int rules_change_limits(struct state *s, const struct command *c, struct limits *l,
                        enum verdict *verdict, struct fault *fault)
{
    struct currency *currency;
    uint8_t i;

    for (i = 0; i < c->n_limits && *verdict == VERDICT_APPLIED; i++) {
        const struct limit_change *change = &c->limits[i];
        int64_t minor = 0;
        int rc = state_currency(s, change->currency, &currency, fault);

        if (rc < 0) {
            return -1;
        }
        if (rc == 0) {
            *verdict = VERDICT_UNKNOWN_CURRENCY;
        } else if (!change->none &&
                   decimal_to_minor(change->amount, currency->scale, &minor) != 0) {
            *verdict = VERDICT_BAD_AMOUNT;
        } else {
            *verdict = change_one(l, change, minor, s->clock_ms);
        }
    }
    return 0;
}
