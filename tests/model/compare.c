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

bool outcomes_equal(const struct outcome *a, const struct outcome *b)
{
    return a->verdict == b->verdict && a->replayed == b->replayed &&
           a->has_record == b->has_record && a->conflicts == b->conflicts && a->at_ms == b->at_ms &&
           a->balance_now_minor == b->balance_now_minor &&
           (!a->has_record || records_equal(&a->record, &b->record));
}

static bool wrong(struct engine *e, const char *what, struct slice name)
{
    fault_set(&e->f.fault, "at the end: %s %.*s", what, (int)name.len, name.base);
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
        int64_t minor = model_account(m, player_account(player), b->currency)->minor;

        for (n = 0; n < p->n_currencies && !slice_equal(p->currencies[n], b->currency); n++) {
        }
        if (n == p->n_currencies || b->balance_minor != minor || b->available_minor != minor ||
            b->scale != model_currency(m, b->currency)->scale) {
            return wrong(e, "balance of", player);
        }
    }
    return true;
}

static bool same_players(struct engine *e, struct model *m, struct bytes *bytes)
{
    size_t i;

    for (i = 0; i < m->players.n; i++) {
        struct slice name = table_part(m->players.list[i], 0);
        const struct m_player *p = m->players.list[i]->object;

        if (!same_balances(e, m, name, p, bytes) || !same_history(e, m, name, p->exists, bytes)) {
            return false;
        }
    }
    return true;
}

static bool same_transactions(struct engine *e, struct model *m, struct bytes *bytes)
{
    struct answer a;
    struct record r;
    size_t i;

    for (i = 0; i < m->transactions.n; i++) {
        const struct m_transaction *t = m->transactions.list[i]->object;
        struct query q = {
            .type = QUERY_TRANSACTION,
            .principal = table_part(m->transactions.list[i], 0),
            .id = table_part(m->transactions.list[i], 1),
        };
        bool ok;

        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        if (t->seq != 0) {
            ok = a.verdict == VERDICT_APPLIED && answer_next_record(&a, &r, &e->f.fault) == 1 &&
                 records_equal(&r, &m->records[t->seq - 1]);
        } else {
            ok = a.verdict == VERDICT_UNKNOWN_TRANSACTION && a.n_records == 0 &&
                 slice_equal(a.principal,
                             t->rolled_by == 0 ? slice_of("") : m->records[t->rolled_by - 1].id);
        }
        if (!ok) {
            return wrong(e, "transaction", q.id);
        }
    }
    return true;
}

bool compare_all(struct engine *e, struct model *m)
{
    struct bytes bytes;
    bool ok;

    bytes_init(&bytes);
    ok = same_ledger(e, m, &bytes) && same_players(e, m, &bytes) &&
         same_transactions(e, m, &bytes) && machine_audit(e->f.machine, &e->f.fault) == 0;
    bytes_release(&bytes);
    return ok;
}
