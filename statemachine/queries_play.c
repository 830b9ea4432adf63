/* Answers about keys, principals, players, sessions and rounds. Nothing here changes anything.
 *
 * A page of rounds is bounded in rounds looked at, by ROUND_STEPS_MAX: closed ones are passed over.
 */
#include "statemachine/machine_private.h"
#include "statemachine/texts.h"

enum { ROUND_STEPS_MAX = 2000 };

/* Without a principal there is no key, so this one is there. */
static int of_principal(struct machine *m, struct slice name, struct answer *a, struct fault *fault)
{
    struct principal p;
    int rc = state_principal(&m->state, name, &p, fault);

    if (rc == 1) {
        a->role = p.role;
        a->principal_disabled = p.disabled;
        a->policy = p.policy;
    }
    return rc;
}

int query_key(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    struct key k;
    int rc = state_key(&m->state, q->name, &k, fault);

    if (rc < 1) {
        a->verdict = VERDICT_UNKNOWN_KEY;
        return rc;
    }
    a->principal = k.principal;
    a->disabled = k.disabled;
    a->key_kind = k.sealed.len > 0 ? KEY_HMAC : KEY_BEARER;
    a->key_sealed = k.sealed;
    memcpy(a->secret_hash, k.secret_hash, SECRET_HASH_BYTES);
    return of_principal(m, k.principal, a, fault) == 1 ? 0 : -1;
}

int query_principal(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    int rc = of_principal(m, q->name, a, fault);

    if (rc == 0) {
        a->verdict = VERDICT_UNKNOWN_PROVIDER;
    }
    return rc < 0 ? -1 : 0;
}

static int limit_info(struct machine *m, struct slice player, const struct limit *l,
                      struct limit_info *info, struct fault *fault)
{
    struct currency *currency;
    struct purse purse;

    if (state_currency(&m->state, l->currency, &currency, fault) != 1 ||
        state_purse(&m->state, player, l->currency, &purse, fault) < 0) {
        return -1;
    }
    *info = (struct limit_info){
        .kind = l->kind,
        .period = l->period,
        .currency = l->currency,
        .scale = currency->scale,
        .amount_minor = l->amount_minor,
        .used_minor = purse.used[l->kind][l->period],
        .pending = l->pending,
        .pending_none = l->pending && !l->pending_amount,
        .pending_minor = l->pending_minor,
        .effective_at_ms = l->effective_at_ms,
    };
    info->used_minor = info->used_minor < 0 ? 0 : info->used_minor;
    return 0;
}

int query_player(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    struct player p;
    struct limits limits;
    uint8_t i;
    int rc = state_player(&m->state, q->player, &p, fault);

    if (rc < 1) {
        a->verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    a->status = player_status_at(&p, m->state.clock_ms);
    a->until_ms = a->status == PLAYER_ACTIVE ? 0 : p.until_ms;
    a->created_at_ms = p.created_at_ms;
    a->reminder_s = p.reminder_s;
    a->has_password = p.has_password;
    if (state_limits(&m->state, q->player, &limits, fault) < 0) {
        return -1;
    }
    for (i = 0; i < limits.n; i++) {
        if (limit_info(m, q->player, &limits.of[i], &a->limits[i], fault) != 0) {
            return -1;
        }
    }
    a->n_limits = limits.n;
    return 0;
}

int query_password(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    int rc = state_password(&m->state, q->player, &a->password_hash, fault);

    if (rc == 0) {
        a->verdict = VERDICT_UNKNOWN_PLAYER;
    }
    return rc < 0 ? -1 : 0;
}

int query_session(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    struct session session;
    int rc = state_session(&m->state, q->name, &session, fault);

    if (rc < 1) {
        a->verdict = VERDICT_UNKNOWN_SESSION;
        return rc;
    }
    a->session = session.info;
    return 0;
}

/* One round of the scan: shown if it is open; in any case the next page begins behind it. */
static int add_round(struct machine *m, struct answer *a, struct slice key, struct slice value,
                     struct fault *fault)
{
    struct cursor in = cursor_of(key.base, key.len);
    struct round round;

    if (round_decode(value, &round, fault) != 0) {
        return -1;
    }
    text_take(&in); /* the provider */
    a->next_player = text_take(&in);
    a->next_round = text_take(&in);
    if (round.closed_by == 0) {
        text_append(&m->records, a->next_player);
        text_append(&m->records, a->next_round);
        text_append(&m->records, round.currency);
        bytes_append_u64(&m->records, round.opened_at_ms);
        bytes_append_u32(&m->records, round.bets);
        a->n_rounds++;
    }
    return 0;
}

int query_rounds(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    char prefix[STORE_KEY_MAX], after[STORE_KEY_MAX];
    struct slice none = slice_of(NULL), key, value;
    struct scan scan;
    int steps, rc = 1;

    scan_open_part(
        &scan, &m->state.layers, TABLE_ROUND, round_key(q->principal, q->player, none, prefix),
        q->id.len == 0 ? none : round_key(q->principal, q->name, q->id, after), ROUND_STEPS_MAX);
    for (steps = 0; rc == 1 && steps < ROUND_STEPS_MAX && a->n_rounds < q->limit; steps++) {
        rc = scan_next(&scan, &key, &value, fault);
        if (rc == 1 && add_round(m, a, key, value, fault) != 0) {
            rc = -1;
        }
    }
    if (rc == 0) { /* that was the last of all */
        a->next_player = none;
        a->next_round = none;
    }
    scan_close(&scan);
    return rc < 0 ? -1 : 0;
}
