/* The rules for creating things. A name is given once: asked again by the same request (our own
 * nodes repeat a command until its deadline) it is applied again, asked by another one it is taken.
 */
#include "statemachine/machine_private.h"

static enum verdict taken(uint64_t origin, const struct command *c)
{
    return origin == c->origin ? VERDICT_APPLIED : VERDICT_ALREADY_EXISTS;
}

int rules_currency_create(struct state *s, const struct command *c, struct decision *d,
                          struct fault *fault)
{
    struct currency *currency;
    int rc = state_currency(s, c->name, &currency, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 1) {
        d->verdict = taken(currency->origin, c);
        return 0;
    }
    state_put_currency(s, c->name, c->scale, c->origin);
    return 0;
}

int rules_principal_create(struct state *s, const struct command *c, struct decision *d,
                           struct fault *fault)
{
    struct principal p;
    int rc = state_principal(s, c->name, &p, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 1) {
        d->verdict = taken(p.origin, c);
        return 0;
    }
    state_put_principal(s, c->name, &(struct principal){c->role, c->origin});
    return 0;
}

/* A key needs a principal of its role. Providers and gateways are created on purpose, because money
 * is booked to their accounts; the others come into being with their first key. */
static enum verdict no_principal(enum role role)
{
    switch (role) {
    case ROLE_PROVIDER:
        return VERDICT_UNKNOWN_PROVIDER;
    case ROLE_GATEWAY:
        return VERDICT_UNKNOWN_GATEWAY;
    default:
        return VERDICT_APPLIED;
    }
}

int rules_key_create(struct state *s, const struct command *c, struct decision *d,
                     struct fault *fault)
{
    struct key k;
    struct principal p;
    int rc = state_key(s, c->name, &k, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 1) {
        d->verdict = taken(k.origin, c);
        return 0;
    }
    rc = state_principal(s, c->principal, &p, fault);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || p.role != c->role) {
        d->verdict = no_principal(c->role);
        if (d->verdict == VERDICT_APPLIED && rc == 1) {
            d->verdict = VERDICT_ALREADY_EXISTS; /* under another role */
        }
        if (d->verdict != VERDICT_APPLIED) {
            return 0;
        }
        state_put_principal(s, c->principal, &(struct principal){c->role, c->origin});
    }
    k = (struct key){c->role, false, c->origin, c->secret_hash, c->principal};
    state_put_key(s, c->name, &k);
    return 0;
}

int rules_player_create(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault)
{
    struct player p;
    struct currency *currency;
    uint8_t i;
    int rc = state_player(s, c->player, &p, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 1) {
        d->verdict = taken(p.origin, c);
        return 0;
    }
    p.status = PLAYER_ACTIVE;
    p.created_at_ms = s->clock_ms;
    p.origin = c->origin;
    p.last_seq = 0;
    p.n_allowed = 0;
    p.n_held = 0;
    for (i = 0; i < c->n_currencies; i++) {
        rc = state_currency(s, c->currencies[i], &currency, fault);
        if (rc < 0) {
            return -1;
        }
        if (rc == 0) {
            d->verdict = VERDICT_UNKNOWN_CURRENCY;
            return 0;
        }
        /* A currency named twice is allowed once. */
        if (p.n_allowed == 0 || !player_may_hold(&p, c->currencies[i])) {
            p.allowed[p.n_allowed++] = c->currencies[i];
        }
    }
    state_put_player(s, c->player, &p);
    return 0;
}
