/* What has a name, asked of the engine and held against the model. */
#include "tests/model/compare.h"

static bool wrong(struct engine *e, const char *what, struct slice name)
{
    fault_set(&e->f.fault, "asked afterwards: %s %.*s", what, (int)name.len, name.base);
    return false;
}

static bool same_texts(const struct slice *a, const struct slice *b, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (!slice_equal(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static bool same_policy(const struct policy *a, const struct policy *b)
{
    return a->shortfall == b->shortfall && a->ids_scope == b->ids_scope &&
           a->rate_per_s == b->rate_per_s && a->n_currencies == b->n_currencies &&
           a->n_ip_allow == b->n_ip_allow &&
           same_texts(a->currencies, b->currencies, a->n_currencies) &&
           same_texts(a->ip_allow, b->ip_allow, a->n_ip_allow);
}

static bool same_principals(struct engine *e, struct model *m, struct bytes *bytes)
{
    struct answer a;
    size_t i;

    for (i = 0; i < m->principals.n; i++) {
        const struct m_principal *p = m->principals.list[i]->object;
        struct query q = {.type = QUERY_PRINCIPAL, .name = table_part(m->principals.list[i], 0)};

        if (q.name.len == 0) {
            continue;
        }
        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        if (p->role == ROLE_NONE
                ? a.verdict != VERDICT_UNKNOWN_PROVIDER
                : a.verdict != VERDICT_APPLIED || a.role != p->role ||
                      a.principal_disabled != p->disabled || !same_policy(&a.policy, &p->policy)) {
            return wrong(e, "principal", q.name);
        }
    }
    return true;
}

static bool same_keys(struct engine *e, struct model *m, struct bytes *bytes)
{
    struct answer a;
    size_t i;

    for (i = 0; i < m->keys.n; i++) {
        const struct m_key *k = m->keys.list[i]->object;
        struct query q = {.type = QUERY_KEY, .name = table_part(m->keys.list[i], 0)};
        const struct m_principal *p = model_principal(m, k->principal);

        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        if (!k->exists) {
            if (a.verdict != VERDICT_UNKNOWN_KEY) {
                return wrong(e, "there is no key", q.name);
            }
            continue;
        }
        if (a.verdict != VERDICT_APPLIED || a.role != k->role || a.disabled != k->disabled ||
            a.key_kind != k->kind || !slice_equal(a.principal, k->principal) ||
            !slice_equal(a.key_sealed, k->sealed) || a.principal_disabled != p->disabled ||
            !same_policy(&a.policy, &p->policy) ||
            (k->kind == KEY_BEARER &&
             memcmp(a.secret_hash, k->secret_hash, SECRET_HASH_BYTES) != 0)) {
            return wrong(e, "key", q.name);
        }
    }
    return true;
}

static bool same_passwords(struct engine *e, struct model *m, struct bytes *bytes)
{
    struct answer a;
    size_t i;

    for (i = 0; i < m->players.n; i++) {
        const struct m_player *p = m->players.list[i]->object;
        struct query q = {.type = QUERY_PASSWORD, .player = table_part(m->players.list[i], 0)};

        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        if (a.verdict != (p->password_hash.len > 0 ? VERDICT_APPLIED : VERDICT_UNKNOWN_PLAYER) ||
            !slice_equal(a.password_hash, p->password_hash)) {
            return wrong(e, "password of", q.player);
        }
    }
    return true;
}

static bool same_sessions(struct engine *e, struct model *m, struct bytes *bytes)
{
    struct outcome asked = {0}, known = {0};
    struct answer a;
    size_t i;

    for (i = 0; i < m->sessions.n; i++) {
        const struct m_session *s = m->sessions.list[i]->object;
        struct query q = {.type = QUERY_SESSION, .name = table_part(m->sessions.list[i], 0)};

        if (q.name.len == 0) { /* where no token leads */
            continue;
        }
        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        asked.has_session = a.verdict == VERDICT_APPLIED;
        asked.session = a.session;
        known.has_session = s->exists;
        known.session = s->info;
        if (a.verdict != (s->exists ? VERDICT_APPLIED : VERDICT_UNKNOWN_SESSION) ||
            !outcome_equal(&asked, &known)) {
            return wrong(e, "session", q.name);
        }
    }
    return true;
}

/* As names are ordered: a shorter one first. */
static int name_order(struct slice a, struct slice b)
{
    return a.len != b.len ? (a.len < b.len ? -1 : 1) : memcmp(a.base, b.base, a.len);
}

struct last_round {
    char player[ID_MAX], round[ID_MAX];
    size_t player_len, round_len; /* 0: there was none */
};

/* True when this one's player, then its round, stands behind the last one's; remembers it. */
static bool in_order(struct last_round *last, const struct round_info *r)
{
    int way = name_order((struct slice){last->player, last->player_len}, r->player);
    bool ok = way < 0 ||
              (way == 0 && name_order((struct slice){last->round, last->round_len}, r->round) < 0);

    memcpy(last->player, r->player.base, r->player.len);
    memcpy(last->round, r->round.base, r->round.len);
    last->player_len = r->player.len;
    last->round_len = r->round.len;
    return ok;
}

/* All open rounds of a principal, of one player or all; each must be open in the model, and as many
 * as there. */
static bool same_rounds(struct engine *e, struct model *m, struct slice principal,
                        struct slice player, struct bytes *bytes)
{
    struct query q = {.type = QUERY_ROUNDS, .principal = principal, .player = player, .limit = 5};
    struct answer a;
    struct round_info r;
    struct last_round last = {.player_len = 0};
    char after[2][ID_MAX];
    size_t i, n = 0;

    do {
        if (engine_ask(e, &q, &a, bytes) != 0) {
            return false;
        }
        while (answer_next_round(&a, &r, &e->f.fault) == 1) {
            const struct m_round *round = model_round(m, principal, r.player, r.round);

            n++;
            if (!round->exists || round->closed || round->bets != r.bets ||
                round->opened_at_ms != r.opened_at_ms ||
                !slice_equal(round->currency, r.currency) ||
                (player.len > 0 && !slice_equal(player, r.player)) || !in_order(&last, &r)) {
                return wrong(e, "round", r.round);
            }
        }
        if (a.next_player.len > 0) { /* the answer's bytes make room for the next one's */
            memcpy(after[0], a.next_player.base, a.next_player.len);
            memcpy(after[1], a.next_round.base, a.next_round.len);
        }
        q.name = (struct slice){after[0], a.next_player.len};
        q.id = (struct slice){after[1], a.next_round.len};
    } while (q.name.len > 0);
    for (i = 0; i < m->rounds.n; i++) {
        const struct m_round *round = m->rounds.list[i]->object;

        if (round->exists && !round->closed &&
            slice_equal(table_part(m->rounds.list[i], 0), principal) &&
            (player.len == 0 || slice_equal(table_part(m->rounds.list[i], 1), player))) {
            n--;
        }
    }
    return n == 0 || wrong(e, "rounds of", principal);
}

static bool all_rounds(struct engine *e, struct model *m, struct bytes *bytes)
{
    size_t i, at;

    for (i = 0; i < m->principals.n; i++) {
        struct slice principal = table_part(m->principals.list[i], 0);
        const struct m_principal *p = m->principals.list[i]->object;

        if (p->role != ROLE_PROVIDER) {
            continue;
        }
        if (!same_rounds(e, m, principal, slice_of(""), bytes)) {
            return false;
        }
        for (at = 0; at < m->players.n; at++) {
            const struct m_player *player = m->players.list[at]->object;

            if (player->exists &&
                !same_rounds(e, m, principal, table_part(m->players.list[at], 0), bytes)) {
                return false;
            }
        }
    }
    return true;
}

bool compare_names(struct engine *e, struct model *m)
{
    struct bytes bytes;
    bool ok;

    bytes_init(&bytes);
    ok = same_principals(e, m, &bytes) && same_keys(e, m, &bytes) && same_passwords(e, m, &bytes) &&
         same_sessions(e, m, &bytes) && all_rounds(e, m, &bytes);
    bytes_release(&bytes);
    return ok;
}
