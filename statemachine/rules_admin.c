/* The rules for currencies, principals and keys. A name is given once: asked again by the same
 * request (our own nodes repeat a command until its deadline) it is applied again, asked by another
 * one it is taken.
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
    p = (struct principal){
        .role = c->role, .origin = c->origin, .policy = {.ids_scope = c->ids_scope}};
    state_put_principal(s, c->name, &p);
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

static void set_currencies(struct policy *p, const struct command *c)
{
    memcpy(p->currencies, c->currencies, c->n_currencies * sizeof *c->currencies);
    p->n_currencies = c->n_currencies;
}

static void set_ip_allow(struct policy *p, const struct command *c)
{
    memcpy(p->ip_allow, c->ip_allow, c->n_ip_allow * sizeof *c->ip_allow);
    p->n_ip_allow = c->n_ip_allow;
}

int rules_principal_update(struct state *s, const struct command *c, struct decision *d,
                           struct fault *fault)
{
    struct principal p;
    struct currency *currency;
    uint8_t i;
    int rc = state_principal(s, c->name, &p, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || p.role != c->role) {
        d->verdict = no_principal(c->role);
        return 0;
    }
    for (i = 0; i < c->n_currencies; i++) {
        rc = state_currency(s, c->currencies[i], &currency, fault);
        if (rc < 1) {
            d->verdict = VERDICT_UNKNOWN_CURRENCY;
            return rc;
        }
    }
    /* Another scope would free ids that were decided, or take some that were not. */
    if ((c->sets & SET_IDS_SCOPE) && c->ids_scope != p.policy.ids_scope) {
        d->verdict = VERDICT_IDS_SCOPE_FIXED;
        return 0;
    }
    p.disabled = c->sets & SET_DISABLED ? c->disabled : p.disabled;
    p.policy.shortfall = c->sets & SET_SHORTFALL ? c->shortfall : p.policy.shortfall;
    p.policy.rate_per_s = c->sets & SET_RATE ? c->rate_per_s : p.policy.rate_per_s;
    if (c->sets & SET_CURRENCIES) {
        set_currencies(&p.policy, c);
    }
    if (c->sets & SET_IP_ALLOW) {
        set_ip_allow(&p.policy, c);
    }
    state_put_principal(s, c->name, &p);
    return 0;
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
        state_put_principal(s, c->principal,
                            &(struct principal){.role = c->role, .origin = c->origin});
    }
    k = (struct key){c->role, false, c->origin, c->secret_hash, c->principal, c->sealed};
    state_put_key(s, c->name, &k);
    return 0;
}

int rules_key_update(struct state *s, const struct command *c, struct decision *d,
                     struct fault *fault)
{
    struct key k;
    int rc = state_key(s, c->name, &k, fault);

    if (rc < 1) {
        d->verdict = VERDICT_UNKNOWN_KEY;
        return rc;
    }
    k.disabled = c->disabled;
    state_put_key(s, c->name, &k);
    return 0;
}
