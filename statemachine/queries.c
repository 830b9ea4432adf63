/* Answers to questions, from the state as it is. Nothing here changes anything.
 *
 * Every answer is bounded: in records by QUERY_RECORDS_MAX, in steps by HISTORY_STEPS_MAX. */
#include "statemachine/machine_private.h"

enum { HISTORY_STEPS_MAX = 2000 };

static void add_record(struct machine *m, struct answer *a, struct slice sealed)
{
    bytes_append_u32(&m->records, (uint32_t)sealed.len);
    bytes_append(&m->records, sealed.base, sealed.len);
    a->n_records++;
}

static int need_sealed(const struct state *s, uint64_t seq, struct slice *sealed,
                       struct fault *fault)
{
    int rc = state_sealed(s, seq, sealed, fault);

    return rc == 0
               ? fault_set(fault, "state: ledger record %llu is missing", (unsigned long long)seq)
               : (rc < 0 ? -1 : 0);
}

static int transaction(struct machine *m, const struct query *q, struct answer *a, struct record *r,
                       struct fault *fault)
{
    struct id_space ids;
    struct transaction t;
    struct slice sealed;
    int rc = state_id_space(&m->state, q->principal, q->player, &ids, fault);

    if (rc == 0) {
        rc = state_transaction(&m->state, ids, q->id, &t, fault);
    }
    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || t.seq == 0) {
        a->verdict = VERDICT_UNKNOWN_TRANSACTION;
        if (rc == 1) {
            if (state_record(&m->state, t.rolled_by, r, fault) != 0) {
                return -1;
            }
            a->principal = r->id;
        }
        return 0;
    }
    if (need_sealed(&m->state, t.seq, &sealed, fault) != 0 ||
        record_unseal(sealed.base, sealed.len, r, fault) != 0) {
        return -1;
    }
    if (q->player.len > 0 && !slice_equal(q->player, r->player)) {
        a->verdict = VERDICT_UNKNOWN_TRANSACTION;
        return 0;
    }
    add_record(m, a, sealed);
    return 0;
}

/* A player with a list of currencies shows all of them; one without shows what it has used. */
static int balances(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    struct state *s = &m->state;
    struct player p;
    const struct slice *list;
    uint8_t i, n;
    int rc = state_player(s, q->player, &p, fault);

    if (rc < 1) {
        a->verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    list = p.n_allowed > 0 ? p.allowed : p.held;
    n = p.n_allowed > 0 ? p.n_allowed : p.n_held;
    for (i = 0; i < n; i++) {
        struct balance *b = &a->balances[i];
        struct currency *currency;
        struct purse purse;

        if (state_currency(s, list[i], &currency, fault) != 1 ||
            state_purse(s, q->player, list[i], &purse, fault) < 0) {
            return -1;
        }
        b->currency = list[i];
        b->scale = currency->scale;
        b->balance_minor = purse.balance_minor;
        b->available_minor = purse_available(&purse);
    }
    a->n_balances = n;
    return 0;
}

/* Where the page begins: the newest of the player's records before q->seq, 0 when there is none.
 * Usually q->seq comes from our own `next` and is a record of this player, whose link says it at
 * once. Otherwise the ledger is searched backwards, in bounded steps: *stopped is then where. */
static int history_start(struct machine *m, const struct query *q, const struct player *p,
                         uint64_t *seq, uint64_t *stopped, struct fault *fault)
{
    uint64_t at = q->seq;
    struct record r;
    int steps;

    *stopped = 0;
    *seq = p->last_seq;
    if (at == 0 || at > p->last_seq) {
        return 0;
    }
    for (steps = 0; at > 0; at--, steps++) {
        if (steps == HISTORY_STEPS_MAX) {
            *stopped = at + 1;
            return 0;
        }
        if (state_record(&m->state, at, &r, fault) != 0) {
            return -1;
        }
        if (slice_equal(r.player, q->player)) {
            *seq = at == q->seq ? r.previous : at;
            return 0;
        }
    }
    *seq = 0;
    return 0;
}

static int history(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    struct player p;
    struct record r;
    uint64_t seq;
    int rc = state_player(&m->state, q->player, &p, fault);

    if (rc < 1) {
        a->verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    if (history_start(m, q, &p, &seq, &a->next, fault) != 0) {
        return -1;
    }
    while (a->next == 0 && seq != 0) {
        struct slice sealed;

        if (state_record(&m->state, seq, &r, fault) != 0 ||
            need_sealed(&m->state, seq, &sealed, fault) != 0) {
            return -1;
        }
        add_record(m, a, sealed);
        if (a->n_records == q->limit && r.previous != 0) {
            a->next = seq; /* what comes next is before the last one shown */
        }
        seq = r.previous;
    }
    return 0;
}

static int ledger(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    uint64_t seq = q->seq == 0 ? 1 : q->seq;

    for (; seq <= m->state.seq && a->n_records < q->limit; seq++) {
        struct slice sealed;

        if (need_sealed(&m->state, seq, &sealed, fault) != 0) {
            return -1;
        }
        add_record(m, a, sealed);
    }
    a->next = seq <= m->state.seq ? seq : 0;
    return 0;
}

static int actions(struct machine *m, const struct query *q, struct answer *a, struct fault *fault)
{
    bool ascending = q->type == QUERY_ACTIONS;
    uint64_t newest = m->state.actions.number;
    uint64_t number = ascending ? q->seq : q->seq - 1; /* before 0: what follows puts that right */
    struct slice sealed;

    if (ascending && number == 0) {
        number = 1;
    }
    if (!ascending && number > newest) {
        number = newest;
    }
    while (number >= 1 && number <= newest && a->n_records < q->limit &&
           m->records.len < ACTIONS_BYTES_MAX) {
        if (state_sealed_action(&m->state, number, &sealed, fault) != 0) {
            return -1;
        }
        add_record(m, a, sealed);
        number = ascending ? number + 1 : number - 1;
    }
    if (ascending) {
        a->next = number <= newest ? number : 0;
    } else {
        a->next = number >= 1 ? number + 1 : 0;
    }
    return 0;
}

static int ask(struct machine *m, const struct query *q, struct answer *a, struct record *r,
               struct fault *fault)
{
    switch (q->type) {
    case QUERY_TRANSACTION:
        return transaction(m, q, a, r, fault);
    case QUERY_BALANCES:
        return balances(m, q, a, fault);
    case QUERY_HISTORY:
        return history(m, q, a, fault);
    case QUERY_LEDGER:
        return ledger(m, q, a, fault);
    case QUERY_ACTIONS:
    case QUERY_ACTIONS_BEFORE:
        return actions(m, q, a, fault);
    case QUERY_KEY:
        return query_key(m, q, a, fault);
    case QUERY_HEAD:
        a->seq = m->state.seq;
        memcpy(a->hash, m->state.hash, HASH_BYTES);
        return 0;
    case QUERY_ROUNDS:
        return query_rounds(m, q, a, fault);
    case QUERY_SESSION:
        return query_session(m, q, a, fault);
    case QUERY_PLAYER:
        return query_player(m, q, a, fault);
    case QUERY_PRINCIPAL:
        return query_principal(m, q, a, fault);
    case QUERY_PASSWORD:
        return query_password(m, q, a, fault);
    }
    return -1; /* the decoder lets no other type through */
}

int machine_query(struct machine *m, const void *query, size_t len, struct bytes *out, bool *broken,
                  struct fault *fault)
{
    struct query q;
    struct answer a = {.verdict = VERDICT_APPLIED};
    struct record r; /* some answers borrow from it */

    *broken = false;
    if (query_decode(query, len, &q, fault) != 0) {
        return -1;
    }
    bytes_clear(&m->records);
    if (ask(m, &q, &a, &r, fault) != 0) {
        m->broken = true;
        *broken = true;
        return -1;
    }
    a.sealed = a.rounds = cursor_of(m->records.base, m->records.len);
    answer_encode(&a, q.type, out);
    return 0;
}
