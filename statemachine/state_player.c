/* Players, their limits and passwords. */
#include "statemachine/state_private.h"

enum { PLAYER_LIMITS = 1, PLAYER_PASSWORD = 2 };

int player_decode(struct slice value, struct player *p, struct fault *fault)
{
    struct cursor in = cursor_over(value);
    uint8_t status, bits, i;

    status = cursor_u8(&in);
    p->status = (enum player_status)status;
    p->created_at_ms = cursor_u64(&in);
    p->origin = cursor_u64(&in);
    p->last_seq = cursor_u64(&in);
    p->n_allowed = cursor_u8(&in);
    for (i = 0; i < p->n_allowed && i < CURRENCIES_PER_PLAYER; i++) {
        p->allowed[i] = text_take(&in);
    }
    p->n_held = cursor_u8(&in);
    for (i = 0; i < p->n_held && i < BALANCES_MAX; i++) {
        p->held[i] = text_take(&in);
    }
    p->until_ms = 0;
    p->reminder_s = 0;
    bits = 0;
    if (in.left > 0) {
        p->until_ms = cursor_u64(&in);
        p->reminder_s = cursor_u32(&in);
        bits = cursor_u8(&in);
    }
    p->has_limits = (bits & PLAYER_LIMITS) != 0;
    p->has_password = (bits & PLAYER_PASSWORD) != 0;
    if (in.failed || in.left > 0 || status > PLAYER_SELF_EXCLUDED ||
        p->n_allowed > CURRENCIES_PER_PLAYER || p->n_held > BALANCES_MAX) {
        return state_damaged(fault, "player", slice_of(""));
    }
    return 0;
}

void player_key(const struct state *s, struct slice name, struct layers_key *key)
{
    memcpy(key->text, name.base, name.len);
    layers_key(&s->layers, TABLE_PLAYER, name.len, key);
}

int state_player_at(const struct state *s, struct layers_key *key, struct player *p,
                    struct fault *fault)
{
    struct slice value;
    int rc = layers_get_at(&s->layers, key, &value, fault);

    if (rc != 1) {
        return rc;
    }
    return player_decode(value, p, fault) == 0
               ? 1
               : state_damaged(fault, "player", (struct slice){key->text, key->len});
}

int state_player(const struct state *s, struct slice name, struct player *p, struct fault *fault)
{
    struct layers_key key;

    player_key(s, name, &key);
    return state_player_at(s, &key, p, fault);
}

void state_put_player(struct state *s, struct slice name, const struct player *p)
{
    struct layers_key key;

    player_key(s, name, &key);
    state_put_player_at(s, &key, p);
}

void state_put_player_at(struct state *s, struct layers_key *key, const struct player *p)
{
    uint8_t i;

    bytes_clear(&s->value);
    bytes_append_u8(&s->value, (uint8_t)p->status);
    bytes_append_u64(&s->value, p->created_at_ms);
    bytes_append_u64(&s->value, p->origin);
    bytes_append_u64(&s->value, p->last_seq);
    bytes_append_u8(&s->value, p->n_allowed);
    for (i = 0; i < p->n_allowed; i++) {
        text_append(&s->value, p->allowed[i]);
    }
    bytes_append_u8(&s->value, p->n_held);
    for (i = 0; i < p->n_held; i++) {
        text_append(&s->value, p->held[i]);
    }
    if (p->until_ms != 0 || p->reminder_s != 0 || p->has_limits || p->has_password) {
        bytes_append_u64(&s->value, p->until_ms);
        bytes_append_u32(&s->value, p->reminder_s);
        bytes_append_u8(&s->value, (uint8_t)((p->has_limits ? PLAYER_LIMITS : 0) |
                                             (p->has_password ? PLAYER_PASSWORD : 0)));
    }
    state_put_at(s, key);
}

static bool among(const struct slice *list, uint8_t n, struct slice text)
{
    uint8_t i;

    for (i = 0; i < n; i++) {
        if (slice_equal(list[i], text)) {
            return true;
        }
    }
    return false;
}

bool player_may_hold(const struct player *p, struct slice currency)
{
    return p->n_allowed == 0 || among(p->allowed, p->n_allowed, currency);
}

bool player_holds(const struct player *p, struct slice currency)
{
    return among(p->held, p->n_held, currency);
}

enum player_status player_status_at(const struct player *p, uint64_t clock_ms)
{
    return p->until_ms == 0 || p->until_ms > clock_ms ? p->status : PLAYER_ACTIVE;
}

/* ---- limits ---- */

enum { LIMIT_AMOUNT = 1, LIMIT_PENDING = 2, LIMIT_PENDING_AMOUNT = 4, LIMIT_BITS = 7 };

static void take_limit(struct cursor *in, struct limit *l)
{
    uint8_t bits;

    l->kind = cursor_u8(in);
    l->period = cursor_u8(in);
    l->currency = text_take(in);
    bits = cursor_u8(in);
    l->has_amount = (bits & LIMIT_AMOUNT) != 0;
    l->pending = (bits & LIMIT_PENDING) != 0;
    l->pending_amount = (bits & LIMIT_PENDING_AMOUNT) != 0;
    l->amount_minor = (int64_t)cursor_u64(in);
    l->pending_minor = (int64_t)cursor_u64(in);
    l->effective_at_ms = cursor_u64(in);
    if (l->kind > LIMIT_LOSS || l->period > PERIOD_MONTH || bits > LIMIT_BITS ||
        l->amount_minor < 0 || l->pending_minor < 0) {
        in->failed = true;
    }
}

int state_limits(const struct state *s, struct slice player, struct limits *l, struct fault *fault)
{
    struct slice value;
    struct cursor in;
    uint8_t i, n;
    int rc = layers_get(&s->layers, TABLE_LIMIT, player, &value, fault);

    l->n = 0;
    if (rc != 1) {
        return rc;
    }
    in = cursor_over(value);
    n = cursor_u8(&in);
    for (i = 0; i < n && n <= LIMITS_PER_PLAYER; i++) {
        struct limit *one = &l->of[l->n];

        take_limit(&in, one);
        if (one->pending && one->effective_at_ms <= s->clock_ms) {
            one->has_amount = one->pending_amount;
            one->amount_minor = one->pending_minor;
            one->pending = false;
        }
        if (one->has_amount || one->pending) {
            l->n++;
        }
    }
    if (in.failed || in.left > 0) {
        return state_damaged(fault, "limits of", player);
    }
    return 1;
}

void state_put_limits(struct state *s, struct slice player, const struct limits *l)
{
    uint8_t i;

    bytes_clear(&s->value);
    bytes_append_u8(&s->value, l->n);
    for (i = 0; i < l->n; i++) {
        const struct limit *one = &l->of[i];

        bytes_append_u8(&s->value, (uint8_t)one->kind);
        bytes_append_u8(&s->value, (uint8_t)one->period);
        text_append(&s->value, one->currency);
        bytes_append_u8(&s->value, (uint8_t)((one->has_amount ? LIMIT_AMOUNT : 0) |
                                             (one->pending ? LIMIT_PENDING : 0) |
                                             (one->pending_amount ? LIMIT_PENDING_AMOUNT : 0)));
        bytes_append_u64(&s->value, (uint64_t)one->amount_minor);
        bytes_append_u64(&s->value, (uint64_t)one->pending_minor);
        bytes_append_u64(&s->value, one->effective_at_ms);
    }
    state_put(s, TABLE_LIMIT, player);
}

/* ---- passwords ---- */

int state_password(const struct state *s, struct slice player, struct slice *hash,
                   struct fault *fault)
{
    return layers_get(&s->layers, TABLE_PASSWORD, player, hash, fault);
}

void state_put_password(struct state *s, struct slice player, struct slice hash)
{
    layers_put(&s->layers, TABLE_PASSWORD, player, hash);
}
