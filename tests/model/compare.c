#include "tests/model/compare.h"

bool records_equal(const struct record *a, const struct record *b)
{
    struct bytes one, two;
    bool equal;

    if (a->seq != b->seq || a->verdict != b->verdict) {
        return false;
    }
    bytes_init(&one);
    bytes_init(&two);
    record_seal(a, &one);
    record_seal(b, &two);
    equal = one.len == two.len && memcmp(one.base, two.base, one.len) == 0;
    bytes_release(&one);
    bytes_release(&two);
    return equal;
}

static bool sessions_equal(const struct session_info *a, const struct session_info *b)
{
    return slice_equal(a->id, b->id) && slice_equal(a->player, b->player) &&
           slice_equal(a->provider, b->provider) && slice_equal(a->game, b->game) &&
           a->opened_at_ms == b->opened_at_ms && a->expires_at_ms == b->expires_at_ms &&
           a->closed_at_ms == b->closed_at_ms && a->authenticated_at_ms == b->authenticated_at_ms &&
           a->reminder_s == b->reminder_s;
}

bool outcome_equal(const struct outcome *a, const struct outcome *b)
{
    return a->verdict == b->verdict && a->replayed == b->replayed && a->dry_run == b->dry_run &&
           a->has_record == b->has_record && a->conflicts == b->conflicts && a->at_ms == b->at_ms &&
           a->balance_now_minor == b->balance_now_minor &&
           (!a->has_record || records_equal(&a->record, &b->record)) &&
           a->has_session == b->has_session &&
           (!a->has_session || sessions_equal(&a->session, &b->session)) &&
           a->n_items == b->n_items && a->has_item == b->has_item && a->item == b->item;
}

bool outcomes_equal(const struct outcome *engine, const struct m_outcome *model)
{
    struct outcome walk = *engine, item;
    struct fault fault;
    unsigned i;

    if (!outcome_equal(engine, &model->outcome)) {
        return false;
    }
    for (i = 0; i < engine->n_items; i++) {
        if (outcome_next(&walk, &item, &fault) != 1 || !outcome_equal(&item, &model->items[i])) {
            return false;
        }
    }
    return outcome_next(&walk, &item, &fault) == 0;
}

static bool wrong(struct engine *e, const char *what, struct slice name)
{
    fault_set(&e->f.fault, "asked afterwards: %s %.*s", what, (int)name.len, name.base);
    return false;
}

/* Walks one answer's records, which must be the model's at seqs given by `next_seq`. */
static bool same_ledger(struct engine *e, struct model *m, struct bytes *bytes)
{
    struct query q = {.type = QUERY_LEDGER, .seq = 1, .limit = QUERY_RECORDS_MAX};
    struct answer a;
    struct record r;
    uint64_t seq = 0;

    do {
        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        while (answer_next_record(&a, &r, &e->f.fault) == 1) {
            if (++seq > m->seq || !records_equal(&r, &m->records[seq - 1])) {
                return wrong(e, "the ledger differs at", r.id);
            }
        }
        q.seq = a.next;
    } while (a.next != 0);
    return seq == m->seq || wrong(e, "the ledger is too short", slice_of(""));
}

static bool actions_equal(const struct action *a, const struct action *b)
{
    struct bytes one, two;
    bool equal;

    bytes_init(&one);
    bytes_init(&two);
    action_seal(a, &one);
    action_seal(b, &two);
    equal = one.len == two.len && memcmp(one.base, two.base, one.len) == 0;
    bytes_release(&one);
    bytes_release(&two);
    return equal;
}

/* All of them, in both directions. */
static bool same_actions(struct engine *e, struct model *m, struct bytes *bytes)
{
    struct query q = {.type = QUERY_ACTIONS, .limit = 50};
    struct answer a;
    struct action action;
    uint64_t n = 0;

    do {
        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        while (answer_next_action(&a, &action, &e->f.fault) == 1) {
            if (++n > m->n_actions || !actions_equal(&action, &m->actions[n - 1])) {
                return wrong(e, "the actions differ at", action.by.request);
            }
        }
        q.seq = a.next;
    } while (a.next != 0);
    if (n != m->n_actions) {
        return wrong(e, "there are too few actions", slice_of(""));
    }
    q = (struct query){.type = QUERY_ACTIONS_BEFORE, .limit = 70};
    do {
        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        while (answer_next_action(&a, &action, &e->f.fault) == 1) {
            if (n == 0 || !actions_equal(&action, &m->actions[--n])) {
                return wrong(e, "the actions differ backwards at", action.by.request);
            }
        }
        q.seq = a.next;
    } while (a.next != 0);
    return n == 0 || wrong(e, "there are too few actions backwards", slice_of(""));
}

static bool same_history(struct engine *e, struct model *m, struct slice player, bool exists,
                         struct bytes *bytes)
{
    struct query q = {.type = QUERY_HISTORY, .player = player, .limit = 7};
    struct answer a;
    struct record r;
    uint64_t seq = model_player(m, player)->last_seq;

    do {
        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        if (a.verdict != (exists ? VERDICT_APPLIED : VERDICT_UNKNOWN_PLAYER)) {
            return wrong(e, "history's verdict for", player);
        }
        while (answer_next_record(&a, &r, &e->f.fault) == 1) {
            if (seq == 0 || !records_equal(&r, &m->records[seq - 1])) {
                return wrong(e, "history of", player);
            }
            seq = m->records[seq - 1].previous;
        }
        q.seq = a.next;
    } while (a.next != 0);
    return seq == 0 || wrong(e, "history is too short for", player);
}

static bool same_balances(struct engine *e, struct model *m, struct slice player,
                          const struct m_player *p, struct bytes *bytes)
{
    struct query q = {.type = QUERY_BALANCES, .player = player};
    struct answer a;
    uint32_t i, n;

    if (engine_ask(e, &q, &a, bytes) != 0) {
        return false;
    }
    if (a.verdict != (p->exists ? VERDICT_APPLIED : VERDICT_UNKNOWN_PLAYER) ||
        a.n_balances != p->n_currencies) {
        return wrong(e, "balances of", player);
    }
    for (i = 0; i < a.n_balances; i++) {
        const struct balance *b = &a.balances[i];
        int64_t minor = model_balance(m, player, b->currency);
        unsigned holds;
        int64_t available = minor - model_held(m, player, b->currency, &holds);

        for (n = 0; n < p->n_currencies && !slice_equal(p->currencies[n], b->currency); n++) {
        }
        if (n == p->n_currencies || b->balance_minor != minor || b->available_minor != available ||
            b->scale != model_currency(m, b->currency)->scale) {
            return wrong(e, "balance of", player);
        }
    }
    return true;
}

static bool same_limits(struct model *m, struct slice player, const struct answer *a)
{
    uint32_t i, n = 0;
    size_t at;
    int kind, period;

    for (i = 0; i < a->n_limits; i++) {
        const struct limit_info *l = &a->limits[i];
        const struct m_limit *limit = model_limit(m, player, l->currency, l->kind, l->period);

        if (!limit->exists || l->amount_minor != limit->minor ||
            l->scale != model_currency(m, l->currency)->scale ||
            l->used_minor != model_used(m, player, l->currency, l->kind, l->period) ||
            l->pending != limit->pending) {
            return false;
        }
        if (l->pending && (l->pending_none != limit->pending_none ||
                           (!l->pending_none && l->pending_minor != limit->pending_minor) ||
                           l->effective_at_ms != limit->effective_at_ms)) {
            return false;
        }
    }
    for (at = 0; at < m->currencies.n; at++) {
        struct slice currency = table_part(m->currencies.list[at], 0);

        for (kind = 0; kind < LIMIT_KINDS; kind++) {
            for (period = 0; period < LIMIT_PERIODS; period++) {
                n += model_limit(m, player, currency, kind, period)->exists ? 1 : 0;
            }
        }
    }
    return n == a->n_limits;
}

static bool same_player(struct engine *e, struct model *m, struct slice name,
                        const struct m_player *p, struct bytes *bytes)
{
    struct query q = {.type = QUERY_PLAYER, .player = name};
    struct answer a;
    enum player_status status = model_status(m, p);

    if (engine_ask(e, &q, &a, bytes) != 0) {
        return false;
    }
    if (!p->exists) {
        return a.verdict == VERDICT_UNKNOWN_PLAYER || wrong(e, "there is no player", name);
    }
    if (a.verdict != VERDICT_APPLIED || a.status != status ||
        a.until_ms != (status == PLAYER_ACTIVE ? 0 : p->until_ms) ||
        a.created_at_ms != p->created_at_ms || a.reminder_s != p->reminder_s ||
        a.has_password != (p->password_hash.len > 0)) {
        return wrong(e, "player", name);
    }
    return same_limits(m, name, &a) || wrong(e, "limits of", name);
}

bool compare_players(struct engine *e, struct model *m)
{
    struct bytes bytes;
    bool ok = true;
    size_t i;

    bytes_init(&bytes);
    for (i = 0; i < m->players.n && ok; i++) {
        struct slice name = table_part(m->players.list[i], 0);
        const struct m_player *p = m->players.list[i]->object;

        ok = same_balances(e, m, name, p, &bytes) && same_player(e, m, name, p, &bytes);
    }
    bytes_release(&bytes);
    return ok;
}

static bool same_histories(struct engine *e, struct model *m, struct bytes *bytes)
{
    size_t i;

    for (i = 0; i < m->players.n; i++) {
        const struct m_player *p = m->players.list[i]->object;

        if (!same_history(e, m, table_part(m->players.list[i], 0), p->exists, bytes)) {
            return false;
        }
    }
    return true;
}

/* What is known under an id, and then `t`, NULL: nothing. */
static bool same_transaction(struct engine *e, struct model *m, const struct query *q,
                             const struct m_transaction *t, struct bytes *bytes)
{
    struct slice rolled_by = slice_of("");
    struct answer a;
    struct record r;

    if (engine_ask(e, q, &a, bytes) != 0) {
        return false;
    }
    if (t != NULL && t->seq != 0) {
        return (a.verdict == VERDICT_APPLIED && answer_next_record(&a, &r, &e->f.fault) == 1 &&
                records_equal(&r, &m->records[t->seq - 1])) ||
               wrong(e, "transaction", q->id);
    }
    if (t != NULL && t->rolled_by != 0) {
        rolled_by = m->records[t->rolled_by - 1].id;
    }
    return (a.verdict == VERDICT_UNKNOWN_TRANSACTION && a.n_records == 0 &&
            slice_equal(a.principal, rolled_by)) ||
           wrong(e, "transaction", q->id);
}

static bool same_transactions(struct engine *e, struct model *m, struct bytes *bytes)
{
    size_t i;

    for (i = 0; i < m->transactions.n; i++) {
        const struct m_transaction *t = m->transactions.list[i]->object;
        struct query q = {
            .type = QUERY_TRANSACTION,
            .principal = table_part(m->transactions.list[i], 0),
            .player = table_part(m->transactions.list[i], 1),
            .id = table_part(m->transactions.list[i], 2),
        };

        if (!same_transaction(e, m, &q, t, bytes)) {
            return false;
        }
        if (q.player.len > 0 || t->seq == 0 || i % 4 != 0) {
            continue;
        }
        /* Whoever names the player all the same must be right. */
        q.player = m->records[t->seq - 1].player;
        if (!same_transaction(e, m, &q, t, bytes)) {
            return false;
        }
        q.player = slice_of("somebody");
        if (!same_transaction(e, m, &q, NULL, bytes)) {
            return false;
        }
    }
    return true;
}

bool compare_all(struct engine *e, struct model *m)
{
    struct bytes bytes;
    bool ok;

    bytes_init(&bytes);
    ok = same_ledger(e, m, &bytes) && same_actions(e, m, &bytes) && compare_players(e, m) &&
         same_histories(e, m, &bytes) && same_transactions(e, m, &bytes) && compare_names(e, m) &&
         machine_audit(e->f.machine, &e->f.fault) == 0;
    bytes_release(&bytes);
    return ok;
}
