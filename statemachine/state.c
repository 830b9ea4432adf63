#include "statemachine/state.h"

#include <assert.h>
#include <stdlib.h>

static int damaged(struct fault *fault, const char *what, struct slice name)
{
    return fault_set(
        fault,
        "state: the stored %s '%.*s' is damaged; rebuild this node from the others, or "
        "restore a backup",
        what, (int)(name.len > ID_MAX ? ID_MAX : name.len), name.base);
}

static void append_text(struct bytes *out, struct slice text)
{
    assert(text.len <= UINT8_MAX);
    bytes_append_u8(out, (uint8_t)text.len);
    bytes_append(out, text.base, text.len);
}

static struct slice take_text(struct cursor *in)
{
    size_t len = cursor_u8(in);
    const uint8_t *at = cursor_take(in, len);

    return (struct slice){(const char *)at, at == NULL ? 0 : len};
}

static struct cursor cursor_over(struct slice s)
{
    return cursor_of(s.base, s.len);
}

static struct slice bytes_slice(const struct bytes *b)
{
    return (struct slice){(const char *)b->base, b->len};
}

static void put(struct state *s, enum store_table table, struct slice key)
{
    layers_put(&s->layers, table, key, bytes_slice(&s->value));
}

/* ---- currencies ---- */

static int compare_code(struct slice code, const struct currency *c)
{
    return key_compare(code, (struct slice){c->code, c->code_len});
}

/* The place where the code is, or would be. */
static size_t currency_place(const struct state *s, struct slice code, bool *there)
{
    size_t low = 0, high = s->n_currencies;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_code(code, &s->currencies[middle]);

        if (order == 0) {
            *there = true;
            return middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    *there = false;
    return low;
}

static void currency_insert(struct state *s, size_t place, const struct currency *c)
{
    if (s->n_currencies == s->room_currencies) {
        s->room_currencies = s->room_currencies == 0 ? 16 : 2 * s->room_currencies;
        s->currencies = realloc(s->currencies, s->room_currencies * sizeof *s->currencies);
        if (s->currencies == NULL) {
            abort();
        }
    }
    memmove(&s->currencies[place + 1], &s->currencies[place],
            (s->n_currencies - place) * sizeof *s->currencies);
    s->currencies[place] = *c;
    s->n_currencies++;
}

int state_currency(struct state *s, struct slice code, struct currency **currency,
                   struct fault *fault)
{
    bool there;
    size_t place = currency_place(s, code, &there);
    struct currency c = {.code_len = (uint8_t)code.len};
    struct slice value;
    struct cursor in;
    int rc;

    if (code.len > CURRENCY_CODE_MAX) {
        return 0;
    }
    if (!there) {
        rc = layers_get(&s->layers, TABLE_CURRENCY, code, &value, fault);
        if (rc != 1) {
            return rc;
        }
        in = cursor_over(value);
        c.scale = cursor_u8(&in);
        c.origin = cursor_u64(&in);
        if (in.failed || in.left > 0 || c.scale > SCALE_MAX) {
            return damaged(fault, "currency", code);
        }
        memcpy(c.code, code.base, code.len);
        currency_insert(s, place, &c);
    }
    *currency = &s->currencies[place];
    return 1;
}

void state_put_currency(struct state *s, struct slice code, uint8_t scale, uint64_t origin)
{
    bytes_clear(&s->value);
    bytes_append_u8(&s->value, scale);
    bytes_append_u64(&s->value, origin);
    put(s, TABLE_CURRENCY, code);
}

/* ---- principals and keys ---- */

int state_principal(const struct state *s, struct slice name, struct principal *p,
                    struct fault *fault)
{
    struct slice value;
    struct cursor in;
    int rc = layers_get(&s->layers, TABLE_PRINCIPAL, name, &value, fault);

    if (rc != 1) {
        return rc;
    }
    in = cursor_over(value);
    p->role = cursor_u8(&in);
    p->origin = cursor_u64(&in);
    if (in.failed || in.left > 0 || p->role < ROLE_PROVIDER || p->role > ROLE_AUDITOR) {
        return damaged(fault, "principal", name);
    }
    return 1;
}

void state_put_principal(struct state *s, struct slice name, const struct principal *p)
{
    bytes_clear(&s->value);
    bytes_append_u8(&s->value, (uint8_t)p->role);
    bytes_append_u64(&s->value, p->origin);
    put(s, TABLE_PRINCIPAL, name);
    s->directory++;
}

int state_key(const struct state *s, struct slice name, struct key *k, struct fault *fault)
{
    struct slice value;
    struct cursor in;
    int rc = layers_get(&s->layers, TABLE_KEY, name, &value, fault);

    if (rc != 1) {
        return rc;
    }
    in = cursor_over(value);
    k->role = cursor_u8(&in);
    k->disabled = cursor_u8(&in) != 0;
    k->secret_hash = cursor_take(&in, SECRET_HASH_BYTES);
    k->origin = cursor_u64(&in);
    k->principal = take_text(&in);
    if (in.failed || in.left > 0 || k->role < ROLE_PROVIDER || k->role > ROLE_AUDITOR) {
        return damaged(fault, "key", name);
    }
    return 1;
}

void state_put_key(struct state *s, struct slice name, const struct key *k)
{
    bytes_clear(&s->value);
    bytes_append_u8(&s->value, (uint8_t)k->role);
    bytes_append_u8(&s->value, k->disabled ? 1 : 0);
    bytes_append(&s->value, k->secret_hash, SECRET_HASH_BYTES);
    bytes_append_u64(&s->value, k->origin);
    append_text(&s->value, k->principal);
    put(s, TABLE_KEY, name);
    s->directory++;
}

/* ---- players ---- */

int player_decode(struct slice value, struct player *p, struct fault *fault)
{
    struct cursor in = cursor_over(value);
    uint8_t status, i;

    status = cursor_u8(&in);
    p->status = PLAYER_ACTIVE;
    p->created_at_ms = cursor_u64(&in);
    p->origin = cursor_u64(&in);
    p->last_seq = cursor_u64(&in);
    p->n_allowed = cursor_u8(&in);
    for (i = 0; i < p->n_allowed && i < CURRENCIES_PER_PLAYER; i++) {
        p->allowed[i] = take_text(&in);
    }
    p->n_held = cursor_u8(&in);
    for (i = 0; i < p->n_held && i < BALANCES_MAX; i++) {
        p->held[i] = take_text(&in);
    }
    if (in.failed || in.left > 0 || status != PLAYER_ACTIVE ||
        p->n_allowed > CURRENCIES_PER_PLAYER || p->n_held > BALANCES_MAX) {
        return damaged(fault, "player", slice_of(""));
    }
    return 0;
}

int state_player(const struct state *s, struct slice name, struct player *p, struct fault *fault)
{
    struct slice value;
    int rc = layers_get(&s->layers, TABLE_PLAYER, name, &value, fault);

    if (rc != 1) {
        return rc;
    }
    return player_decode(value, p, fault) == 0 ? 1 : damaged(fault, "player", name);
}

void state_put_player(struct state *s, struct slice name, const struct player *p)
{
    uint8_t i;

    bytes_clear(&s->value);
    bytes_append_u8(&s->value, (uint8_t)p->status);
    bytes_append_u64(&s->value, p->created_at_ms);
    bytes_append_u64(&s->value, p->origin);
    bytes_append_u64(&s->value, p->last_seq);
    bytes_append_u8(&s->value, p->n_allowed);
    for (i = 0; i < p->n_allowed; i++) {
        append_text(&s->value, p->allowed[i]);
    }
    bytes_append_u8(&s->value, p->n_held);
    for (i = 0; i < p->n_held; i++) {
        append_text(&s->value, p->held[i]);
    }
    put(s, TABLE_PLAYER, name);
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

/* ---- balances ---- */

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
    a->name = take_text(&k);
    *currency = (struct slice){(const char *)k.at, k.left};
    *minor = (int64_t)cursor_u64(&v);
    if (k.failed || v.failed || v.left > 0 || a->kind < ACCOUNT_PLAYER || a->kind > ACCOUNT_HOUSE ||
        currency->len == 0) {
        return damaged(fault, "balance", a->name);
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
    put(s, TABLE_BALANCE, balance_key(a, code, buffer));
}

/* ---- transactions ---- */

static struct slice transaction_key(struct slice principal, struct slice id,
                                    char out[static STORE_KEY_MAX])
{
    assert(1 + principal.len + id.len <= STORE_KEY_MAX);
    out[0] = (char)principal.len;
    memcpy(out + 1, principal.base, principal.len);
    memcpy(out + 1 + principal.len, id.base, id.len);
    return (struct slice){out, 1 + principal.len + id.len};
}

int transaction_decode(struct slice key, struct slice value, struct slice *principal,
                       struct slice *id, struct transaction *t, struct fault *fault)
{
    struct cursor k = cursor_over(key), v = cursor_over(value);

    *principal = take_text(&k);
    *id = (struct slice){(const char *)k.at, k.left};
    t->seq = cursor_u64(&v);
    t->rolled_by = cursor_u64(&v);
    t->origin = cursor_u64(&v);
    if (k.failed || v.failed || v.left > 0 || (t->seq == 0 && t->rolled_by == 0)) {
        return damaged(fault, "transaction", *id);
    }
    return 0;
}

int state_transaction(const struct state *s, struct slice principal, struct slice id,
                      struct transaction *t, struct fault *fault)
{
    char buffer[STORE_KEY_MAX];
    struct slice value, key = transaction_key(principal, id, buffer);
    int rc = layers_get(&s->layers, TABLE_TRANSACTION, key, &value, fault);

    if (rc != 1) {
        return rc;
    }
    return transaction_decode(key, value, &principal, &id, t, fault) == 0 ? 1 : -1;
}

void state_put_transaction(struct state *s, struct slice principal, struct slice id,
                           const struct transaction *t)
{
    char buffer[STORE_KEY_MAX];

    bytes_clear(&s->value);
    bytes_append_u64(&s->value, t->seq);
    bytes_append_u64(&s->value, t->rolled_by);
    bytes_append_u64(&s->value, t->origin);
    put(s, TABLE_TRANSACTION, transaction_key(principal, id, buffer));
}

/* ---- the ledger ---- */

/* Big-endian, so that the order of the keys is the order of the ledger. */
static struct slice ledger_key(uint64_t seq, char out[static 8])
{
    int i;

    for (i = 0; i < 8; i++) {
        out[i] = (char)(seq >> (56 - 8 * i));
    }
    return (struct slice){out, 8};
}

int state_sealed(const struct state *s, uint64_t seq, struct slice *sealed, struct fault *fault)
{
    char key[8];

    return layers_get(&s->layers, TABLE_LEDGER, ledger_key(seq, key), sealed, fault);
}

int state_record(const struct state *s, uint64_t seq, struct record *r, struct fault *fault)
{
    struct slice sealed;
    int rc = state_sealed(s, seq, &sealed, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || record_unseal(sealed.base, sealed.len, r, fault) != 0 || r->seq != seq) {
        return fault_set(fault,
                         "state: ledger record %llu is missing or damaged; rebuild this node from "
                         "the others, or restore a backup",
                         (unsigned long long)seq);
    }
    return 0;
}

void state_append(struct state *s, struct record *r)
{
    char key[8];

    r->seq = s->seq + 1;
    r->at_ms = s->clock_ms;
    memcpy(r->prev_hash, s->hash, HASH_BYTES);
    bytes_clear(&s->sealed);
    record_encode(r, &s->sealed);
    record_hash(s->hash, s->sealed.base, s->sealed.len, r->hash);
    bytes_append(&s->sealed, r->prev_hash, HASH_BYTES);
    bytes_append(&s->sealed, r->hash, HASH_BYTES);
    layers_put(&s->layers, TABLE_LEDGER, ledger_key(r->seq, key), bytes_slice(&s->sealed));
    s->seq = r->seq;
    memcpy(s->hash, r->hash, HASH_BYTES);
}
