/* Balances; and a player's purse: balance, what is used of limits, what is held.
 *
 * They are one value because every bet changes them together: limits and holds so cost a bet no
 * look-up of their own. What is used is counted whether there is a limit or not, so that a new one
 * knows the present period from its beginning. */
#include <assert.h>

#include "statemachine/state_private.h"

struct slice balance_key(struct account a, struct slice currency, char out[static STORE_KEY_MAX])
{
    size_t len = 2 + a.name.len;

    assert(len + currency.len <= STORE_KEY_MAX);
    out[0] = (char)a.kind;
    out[1] = (char)a.name.len;
    memcpy(out + 2, a.name.base, a.name.len);
    memcpy(out + len, currency.base, currency.len);
    return (struct slice){out, len + currency.len};
}

int balance_decode(struct slice key, struct slice value, struct account *a, struct slice *currency,
                   int64_t *minor, struct fault *fault)
{
    struct cursor k = cursor_over(key), v = cursor_over(value);

    a->kind = cursor_u8(&k);
    a->name = text_take(&k);
    *currency = (struct slice){(const char *)k.at, k.left};
    *minor = (int64_t)cursor_u64(&v);
    /* Only a player's has more. */
    if (k.failed || v.failed || (v.left > 0 && a->kind != ACCOUNT_PLAYER) ||
        a->kind < ACCOUNT_PLAYER || a->kind > ACCOUNT_HOUSE || currency->len == 0) {
        return state_damaged(fault, "balance", a->name);
    }
    return 0;
}

int state_balance(const struct state *s, struct account a, struct slice currency, int64_t *minor,
                  struct fault *fault)
{
    char buffer[STORE_KEY_MAX];
    struct slice value, key = balance_key(a, currency, buffer);
    int rc = layers_get(&s->layers, TABLE_BALANCE, key, &value, fault);

    *minor = 0;
    if (rc != 1) {
        return rc;
    }
    return balance_decode(key, value, &a, &currency, minor, fault) == 0 ? 1 : -1;
}

void state_put_balance(struct state *s, struct account a, struct currency *currency,
                       int64_t before_minor, int64_t after_minor)
{
    char buffer[STORE_KEY_MAX];
    struct slice code = {currency->code, currency->code_len};

    currency->sum += (wide_sum)after_minor - before_minor;
    bytes_clear(&s->value);
    bytes_append_u64(&s->value, (uint64_t)after_minor);
    state_put(s, TABLE_BALANCE, balance_key(a, code, buffer));
}

/* ---- periods ---- */

/* Months since year 0 of the proleptic Gregorian calendar. The year is taken to begin in March, so
 * that the odd day of a leap year is its last; 146,097 days are 400 years. */
static uint32_t month_of_day(uint32_t day)
{
    uint32_t since = day + 719468; /* from 0000-03-01 to 1970-01-01 */
    uint32_t era = since / 146097;
    uint32_t of_era = since % 146097;
    uint32_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    uint32_t of_year = of_era - (365 * year + year / 4 - year / 100);
    uint32_t month = (5 * of_year + 2) / 153; /* 0 is March */

    return (era * 400 + year) * 12 + month;
}

uint32_t period_of_day(enum limit_period period, uint32_t day)
{
    switch (period) {
    case PERIOD_DAY:
        return day;
    case PERIOD_WEEK:
        return (day + 3) / 7; /* 1970-01-01 was a Thursday */
    case PERIOD_MONTH:
        return month_of_day(day);
    default:
        return 0;
    }
}

/* ---- purses ---- */

static uint32_t day_of(uint64_t ms)
{
    return (uint32_t)(ms / MS_PER_DAY);
}

enum {
    USED_BYTES = 8 * LIMIT_KINDS * LIMIT_PERIODS,
    HOLD_BYTES = 24,
    PURSE_BYTES = 8 + 4 + USED_BYTES + 1, /* and the holds */
};

static int bad_purse(struct fault *fault)
{
    return state_damaged(fault, "balance of", slice_of("a player"));
}

static int decode_holds(const uint8_t *at, size_t len, struct purse *p, struct fault *fault)
{
    uint8_t i;

    if (p->n_holds > HOLDS_MAX || len != (size_t)HOLD_BYTES * p->n_holds) {
        return bad_purse(fault);
    }
    for (i = 0; i < p->n_holds; i++, at += HOLD_BYTES) {
        p->holds[i] =
            (struct active_hold){load_le64(at), (int64_t)load_le64(at + 8), load_le64(at + 16)};
    }
    return 0;
}

int purse_decode(struct slice value, struct purse *p, struct fault *fault)
{
    const uint8_t *at = (const uint8_t *)value.base;
    int kind, period;

    if (value.len < 8) {
        return bad_purse(fault);
    }
    p->balance_minor = (int64_t)load_le64(at);
    if (value.len == 8) {
        p->day = 0;
        p->n_holds = 0;
        memset(p->used, 0, sizeof p->used);
        return 0;
    }
    if (value.len < PURSE_BYTES) {
        return bad_purse(fault);
    }
    p->day = load_le32(at + 8);
    at += 12;
    for (kind = 0; kind < LIMIT_KINDS; kind++) {
        for (period = 0; period < LIMIT_PERIODS; period++, at += 8) {
            p->used[kind][period] = (int64_t)load_le64(at);
        }
    }
    p->n_holds = *at;
    return decode_holds(at + 1, value.len - PURSE_BYTES, p, fault);
}

/* Every bet reads and writes a purse, so it is done on bare memory, in one piece. */
static void encode_purse(const struct purse *p, struct bytes *out)
{
    uint8_t *at;
    int kind, period;
    uint8_t i;

    bytes_clear(out);
    bytes_reserve(out, PURSE_BYTES + (size_t)HOLD_BYTES * p->n_holds);
    at = out->base;
    store_le64(at, (uint64_t)p->balance_minor);
    store_le32(at + 8, p->day);
    at += 12;
    for (kind = 0; kind < LIMIT_KINDS; kind++) {
        for (period = 0; period < LIMIT_PERIODS; period++, at += 8) {
            store_le64(at, (uint64_t)p->used[kind][period]);
        }
    }
    *at++ = p->n_holds;
    for (i = 0; i < p->n_holds; i++, at += HOLD_BYTES) {
        store_le64(at, p->holds[i].seq);
        store_le64(at + 8, (uint64_t)p->holds[i].amount_minor);
        store_le64(at + 16, p->holds[i].expires_at_ms);
    }
    out->len = (size_t)(at - out->base);
}

static void settle(struct purse *p, uint64_t clock_ms)
{
    uint32_t today = day_of(clock_ms);
    int kind, period;
    uint8_t i, n = 0;

    for (period = 0; period < LIMIT_PERIODS && p->day != today; period++) {
        if (period_of_day(period, p->day) == period_of_day(period, today)) {
            continue;
        }
        for (kind = 0; kind < LIMIT_KINDS; kind++) {
            p->used[kind][period] = 0;
        }
    }
    p->day = today;
    for (i = 0; i < p->n_holds; i++) {
        if (p->holds[i].expires_at_ms > clock_ms) {
            p->holds[n++] = p->holds[i];
        }
    }
    p->n_holds = n;
}

void purse_key(const struct state *s, struct slice player, struct slice currency,
               struct layers_key *key)
{
    struct account a = {ACCOUNT_PLAYER, player};

    layers_key(&s->layers, TABLE_BALANCE, balance_key(a, currency, key->text).len, key);
}

int state_purse(const struct state *s, struct slice player, struct slice currency, struct purse *p,
                struct fault *fault)
{
    struct layers_key key;

    purse_key(s, player, currency, &key);
    return state_purse_at(s, &key, p, fault);
}

int state_purse_at(const struct state *s, struct layers_key *key, struct purse *p,
                   struct fault *fault)
{
    struct slice value;
    int rc = layers_get_at(&s->layers, key, &value, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0) {
        p->balance_minor = 0;
        p->n_holds = 0;
        memset(p->used, 0, sizeof p->used);
        p->day = day_of(s->clock_ms);
        return 0;
    }
    if (purse_decode(value, p, fault) != 0) {
        return -1;
    }
    settle(p, s->clock_ms);
    return 1;
}

void state_put_purse_at(struct state *s, struct layers_key *key, struct currency *currency,
                        int64_t before_minor, const struct purse *p)
{
    currency->sum += (wide_sum)p->balance_minor - before_minor;
    encode_purse(p, &s->value);
    state_put_at(s, key);
}

/* No sum of holds can be too large: what is held was available, so it is part of the balance. */
int64_t purse_held(const struct purse *p)
{
    int64_t held = 0;
    uint8_t i;

    for (i = 0; i < p->n_holds; i++) {
        held += p->holds[i].amount_minor;
    }
    return held;
}

int64_t purse_available(const struct purse *p)
{
    return p->balance_minor - purse_held(p);
}

void purse_use(struct purse *p, enum limit_kind kind, uint64_t at_ms, int64_t change_minor)
{
    uint32_t day = day_of(at_ms);
    enum limit_period period;

    for (period = 0; period < LIMIT_PERIODS; period++) {
        int64_t *used = &p->used[kind][period];

        if (day != p->day && period_of_day(period, day) != period_of_day(period, p->day)) {
            continue;
        }
        if (!money_add(*used, change_minor, used)) {
            *used = change_minor > 0 ? INT64_MAX : INT64_MIN;
        }
    }
}
