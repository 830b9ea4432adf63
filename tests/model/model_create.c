/* Creation: a name is taken once; the same request again (same origin: our own nodes) is fine. And
 * what an operator changes later: principals, keys, passwords. */
#include "tests/model/model.h"

static enum verdict taken(bool exists, uint64_t origin, const struct command *c)
{
    return exists && origin != c->origin ? VERDICT_ALREADY_EXISTS : VERDICT_APPLIED;
}

static enum verdict create_currency(struct model *m, const struct command *c)
{
    struct m_currency *currency = model_currency(m, c->name);

    if (currency->exists) {
        return taken(true, currency->origin, c);
    }
    *currency = (struct m_currency){.exists = true, .scale = c->scale, .origin = c->origin};
    return VERDICT_APPLIED;
}

static enum verdict create_principal(struct model *m, const struct command *c)
{
    struct m_principal *p = model_principal(m, c->name);

    if (p->role != ROLE_NONE) {
        return taken(true, p->origin, c);
    }
    *p = (struct m_principal){
        .role = c->role, .origin = c->origin, .policy = {.ids_scope = c->ids_scope}};
    return VERDICT_APPLIED;
}

static enum verdict create_key(struct model *m, const struct command *c)
{
    struct table_key name = table_key1(c->name);
    struct m_key *k = table_at(&m->keys, &name);
    struct m_principal *p = model_principal(m, c->principal);

    if (k->exists) {
        return taken(true, k->origin, c);
    }
    if (p->role != c->role && (c->role == ROLE_PROVIDER || c->role == ROLE_GATEWAY)) {
        return c->role == ROLE_GATEWAY ? VERDICT_UNKNOWN_GATEWAY : VERDICT_UNKNOWN_PROVIDER;
    }
    if (p->role != ROLE_NONE && p->role != c->role) {
        return VERDICT_ALREADY_EXISTS;
    }
    if (p->role == ROLE_NONE) {
        *p = (struct m_principal){.role = c->role, .origin = c->origin};
    }
    *k = (struct m_key){
        .exists = true,
        .origin = c->origin,
        .kind = c->key_kind,
        .role = c->role,
        .principal = c->principal,
        .sealed = c->sealed,
        .secret_hash = c->secret_hash,
    };
    return VERDICT_APPLIED;
}

static enum verdict create_player(struct model *m, const struct command *c)
{
    struct m_player *p = model_player(m, c->player);
    unsigned i;

    if (p->exists) {
        return taken(true, p->origin, c);
    }
    for (i = 0; i < c->n_currencies; i++) {
        if (!model_currency(m, c->currencies[i])->exists) {
            return VERDICT_UNKNOWN_CURRENCY;
        }
    }
    *p = (struct m_player){
        .exists = true,
        .origin = c->origin,
        .created_at_ms = m->clock_ms,
        .n_currencies = c->n_currencies,
        .any_currency = c->n_currencies == 0,
    };
    memcpy(p->currencies, c->currencies, c->n_currencies * sizeof *c->currencies);
    return VERDICT_APPLIED;
}

void model_create(struct model *m, const struct command *c, struct outcome *o)
{
    switch (c->type) {
    case COMMAND_CURRENCY_CREATE:
        o->verdict = create_currency(m, c);
        break;
    case COMMAND_PRINCIPAL_CREATE:
        o->verdict = create_principal(m, c);
        break;
    case COMMAND_KEY_CREATE:
        o->verdict = create_key(m, c);
        break;
    default:
        o->verdict = create_player(m, c);
    }
}

static enum verdict update_principal(struct model *m, const struct command *c)
{
    struct m_principal *p = model_principal(m, c->name);
    unsigned i;

    if (p->role != c->role) {
        return c->role == ROLE_GATEWAY ? VERDICT_UNKNOWN_GATEWAY : VERDICT_UNKNOWN_PROVIDER;
    }
    for (i = 0; i < c->n_currencies; i++) {
        if (!model_currency(m, c->currencies[i])->exists) {
            return VERDICT_UNKNOWN_CURRENCY;
        }
    }
    if ((c->sets & SET_IDS_SCOPE) && c->ids_scope != p->policy.ids_scope) {
        return VERDICT_IDS_SCOPE_FIXED;
    }
    p->disabled = c->sets & SET_DISABLED ? c->disabled : p->disabled;
    p->policy.shortfall = c->sets & SET_SHORTFALL ? c->shortfall : p->policy.shortfall;
    p->policy.rate_per_s = c->sets & SET_RATE ? c->rate_per_s : p->policy.rate_per_s;
    if (c->sets & SET_IP_ALLOW) {
        memcpy(p->policy.ip_allow, c->ip_allow, sizeof c->ip_allow);
        p->policy.n_ip_allow = c->n_ip_allow;
    }
    if (c->sets & SET_CURRENCIES) {
        memcpy(p->policy.currencies, c->currencies, sizeof c->currencies);
        p->policy.n_currencies = c->n_currencies;
    }
    return VERDICT_APPLIED;
}

void model_update(struct model *m, const struct command *c, struct outcome *o)
{
    struct table_key name = table_key1(c->name);

    if (c->type == COMMAND_PRINCIPAL_UPDATE) {
        o->verdict = update_principal(m, c);
    } else if (c->type == COMMAND_KEY_UPDATE) {
        struct m_key *k = table_at(&m->keys, &name);

        o->verdict = k->exists ? VERDICT_APPLIED : VERDICT_UNKNOWN_KEY;
        k->disabled = k->exists && c->disabled;
    } else {
        struct m_player *p = model_player(m, c->player);

        o->verdict = p->exists ? VERDICT_APPLIED : VERDICT_UNKNOWN_PLAYER;
        p->password_hash = p->exists ? c->password_hash : p->password_hash;
    }
}
