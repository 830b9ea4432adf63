#include "statemachine/state_private.h"

#include <assert.h>
#include <stdlib.h>

int state_damaged(struct fault *fault, const char *what, struct slice name)
{
    return fault_set(
        fault,
        "state: the stored %s '%.*s' is damaged; rebuild this node from the others, or "
        "restore a backup",
        what, (int)(name.len > ID_MAX ? ID_MAX : name.len), name.base);
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
            return state_damaged(fault, "currency", code);
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
    state_put(s, TABLE_CURRENCY, code);
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
    p->disabled = false;
    p->policy.shortfall = SHORTFALL_CLAMP;
    p->policy.ids_scope = IDS_PER_PRINCIPAL;
    p->policy.rate_per_s = 0;
    p->policy.n_currencies = 0;
    p->policy.n_ip_allow = 0;
    if (in.left > 0) {
        p->disabled = cursor_u8(&in) != 0;
        policy_take(&in, &p->policy);
    }
    if (in.failed || in.left > 0 || p->role < ROLE_PROVIDER || p->role > ROLE_AUDITOR) {
        return state_damaged(fault, "principal", name);
    }
    return 1;
}

void state_put_principal(struct state *s, struct slice name, const struct principal *p)
{
    bytes_clear(&s->value);
    bytes_append_u8(&s->value, (uint8_t)p->role);
    bytes_append_u64(&s->value, p->origin);
    if (p->disabled || p->policy.shortfall != SHORTFALL_CLAMP ||
        p->policy.ids_scope != IDS_PER_PRINCIPAL || p->policy.rate_per_s > 0 ||
        p->policy.n_currencies > 0 || p->policy.n_ip_allow > 0) {
        bytes_append_u8(&s->value, p->disabled ? 1 : 0);
        policy_append(&p->policy, &s->value);
    }
    state_put(s, TABLE_PRINCIPAL, name);
    s->directory++;
}

int state_id_space(const struct state *s, struct slice principal, struct slice player,
                   struct id_space *ids, struct fault *fault)
{
    struct principal p;
    int rc = state_principal(s, principal, &p, fault);

    *ids = (struct id_space){.principal = principal};
    if (rc == 1 && p.policy.ids_scope == IDS_PER_PLAYER) {
        ids->player = player;
    }
    return rc < 0 ? -1 : 0;
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
    k->principal = text_take(&in);
    k->sealed = in.left > 0 ? text_take(&in) : slice_of(NULL);
    if (in.failed || in.left > 0 || k->role < ROLE_PROVIDER || k->role > ROLE_AUDITOR) {
        return state_damaged(fault, "key", name);
    }
    return 1;
}

void state_put_key(struct state *s, struct slice name, const struct key *k)
{
    static const uint8_t none[SECRET_HASH_BYTES] = {0};

    bytes_clear(&s->value);
    bytes_append_u8(&s->value, (uint8_t)k->role);
    bytes_append_u8(&s->value, k->disabled ? 1 : 0);
    bytes_append(&s->value, k->secret_hash == NULL ? none : k->secret_hash, SECRET_HASH_BYTES);
    bytes_append_u64(&s->value, k->origin);
    text_append(&s->value, k->principal);
    if (k->sealed.len > 0) {
        text_append(&s->value, k->sealed);
    }
    state_put(s, TABLE_KEY, name);
    s->directory++;
}
