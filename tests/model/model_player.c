/* A player's state and limits. What a limit has used is counted anew from the player's records of
 * the period, every time. */
#include <time.h>

#include "tests/model/model.h"

enum player_status model_status(const struct model *m, const struct m_player *p)
{
    return p->until_ms != 0 && p->until_ms <= m->clock_ms ? PLAYER_ACTIVE : p->status;
}

/* --- limits --- */

struct m_limit *model_limit(struct model *m, struct slice player, struct slice currency,
                            enum limit_kind kind, enum limit_period period)
{
    char which[2] = {(char)('0' + (int)kind), (char)('0' + (int)period)};
    struct table_key key = table_key3(player, currency, (struct slice){which, sizeof which});
    struct m_limit *limit = table_at(&m->limits, &key);

    if (limit->pending && limit->effective_at_ms <= m->clock_ms) {
        limit->pending = false;
        limit->exists = !limit->pending_none;
        limit->minor = limit->pending_minor;
    }
    return limit;
}

static void change_limit(struct model *m, struct slice player, const struct limit_change *change,
                         int64_t minor)
{
    struct m_limit *limit = model_limit(m, player, change->currency, change->kind, change->period);
    bool looser = limit->exists && (change->none || minor > limit->minor);

    if (!limit->exists && change->none) {
        return;
    }
    if (!looser) {
        *limit = (struct m_limit){.exists = true, .minor = minor};
        return;
    }
    if (limit->pending && limit->pending_none == change->none &&
        (change->none || limit->pending_minor == minor)) {
        return; /* it is on its way */
    }
    limit->pending = true;
    limit->pending_none = change->none;
    limit->pending_minor = change->none ? 0 : minor;
    limit->effective_at_ms = m->clock_ms + COOLING_OFF_MS;
}

/* Where a moment's period begins, in seconds. The C library knows the calendar. */
static uint64_t period_of(uint64_t ms, enum limit_period period)
{
    time_t seconds = (time_t)(ms / 1000), day = seconds - seconds % 86400;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    switch (period) {
    case PERIOD_DAY:
        return (uint64_t)day;
    case PERIOD_WEEK: /* tm_wday counts from Sunday */
        return (uint64_t)(day - (tm.tm_wday + 6) % 7 * 86400);
    default:
        return (uint64_t)(day - (tm.tm_mday - 1) * 86400);
    }
}

/* What one record adds to what is used of a limit. */
static int64_t counts(struct model *m, const struct record *r, enum limit_kind kind,
                      enum limit_period period)
{
    const struct record *original;

    if (r->verdict != VERDICT_APPLIED) {
        return 0;
    }
    if (kind == LIMIT_DEPOSIT) {
        return r->type == COMMAND_DEPOSIT ? r->amount_minor : 0;
    }
    if (r->type == COMMAND_BET) {
        return r->amount_minor;
    }
    if (r->type == COMMAND_WIN && kind == LIMIT_LOSS) {
        return -r->amount_minor;
    }
    if (r->type != COMMAND_ROLLBACK || r->amount_minor == 0) {
        return 0;
    }
    original = &m->records[model_transaction(m, r->principal, r->player, r->original)->seq - 1];
    if (period_of(original->at_ms, period) != period_of(r->at_ms, period)) {
        return 0;
    }
    if (original->type == COMMAND_BET) {
        return -r->amount_minor;
    }
    return kind == LIMIT_LOSS ? r->amount_minor : 0;
}

/* Newest first the player's link shows them, oldest first they are counted: a sum that an int64
 * does not hold stops at its end, and goes on from there. */
int64_t model_used(struct model *m, struct slice player, struct slice currency,
                   enum limit_kind kind, enum limit_period period)
{
    uint64_t begin = period_of(m->clock_ms, period);
    uint64_t seq = model_player(m, player)->last_seq;
    struct bytes *seqs = &m->scratch;
    int64_t used = 0;

    bytes_clear(seqs);
    while (seq != 0 && m->records[seq - 1].at_ms / 1000 >= begin) {
        const struct record *r = &m->records[seq - 1];

        if (slice_equal(r->currency, currency)) {
            bytes_append(seqs, &seq, sizeof seq);
        }
        seq = r->previous;
    }
    while (seqs->len > 0) {
        int64_t change;

        seqs->len -= sizeof seq;
        memcpy(&seq, seqs->base + seqs->len, sizeof seq);
        change = counts(m, &m->records[seq - 1], kind, period);
        if (!money_add(used, change, &used)) {
            used = change > 0 ? INT64_MAX : INT64_MIN;
        }
    }
    return used > 0 ? used : 0;
}

bool model_over_limit(struct model *m, const struct command *c, int64_t minor)
{
    int kind, period;

    for (kind = 0; kind < LIMIT_KINDS; kind++) {
        if (c->type != (kind == LIMIT_DEPOSIT ? COMMAND_DEPOSIT : COMMAND_BET)) {
            continue;
        }
        for (period = 0; period < LIMIT_PERIODS; period++) {
            const struct m_limit *limit = model_limit(m, c->player, c->currency, kind, period);

            if (limit->exists &&
                minor > limit->minor - model_used(m, c->player, c->currency, kind, period)) {
                return true;
            }
        }
    }
    return false;
}

/* --- updates --- */

/* A self-exclusion may only be prolonged. */
static bool forbidden(const struct model *m, const struct m_player *p, const struct command *c)
{
    if (!(c->sets & SET_STATUS) || model_status(m, p) != PLAYER_SELF_EXCLUDED) {
        return false;
    }
    if (c->status != PLAYER_SELF_EXCLUDED) {
        return true;
    }
    return c->until_ms != 0 && (p->until_ms == 0 || c->until_ms < p->until_ms);
}

static enum verdict limits_fit(struct model *m, const struct command *c,
                               int64_t minor[static LIMIT_CHANGES_MAX])
{
    unsigned i;

    for (i = 0; i < c->n_limits; i++) {
        const struct limit_change *change = &c->limits[i];
        const struct m_currency *currency = model_currency(m, change->currency);

        minor[i] = 0;
        if (!currency->exists) {
            return VERDICT_UNKNOWN_CURRENCY;
        }
        if (!change->none && decimal_to_minor(change->amount, currency->scale, &minor[i]) != 0) {
            return VERDICT_BAD_AMOUNT;
        }
    }
    return VERDICT_APPLIED;
}

void model_player_update(struct model *m, const struct command *c, struct outcome *o)
{
    struct m_player *p = model_player(m, c->player);
    int64_t minor[LIMIT_CHANGES_MAX];
    unsigned i;

    if (!p->exists) {
        o->verdict = VERDICT_UNKNOWN_PLAYER;
        return;
    }
    if (forbidden(m, p, c)) {
        o->verdict = VERDICT_FORBIDDEN_CHANGE;
        return;
    }
    o->verdict = limits_fit(m, c, minor);
    if (o->verdict != VERDICT_APPLIED) {
        return;
    }
    if (c->sets & SET_STATUS) {
        p->status = c->status;
        p->until_ms = c->until_ms;
    }
    if (c->sets & SET_REMINDER) {
        p->reminder_s = c->reminder_s;
    }
    for (i = 0; i < c->n_limits; i++) {
        change_limit(m, c->player, &c->limits[i], minor[i]);
    }
}
