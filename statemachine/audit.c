/* The whole state, checked from the ground up.
 *
 * The audit believes only the ledger: it replays every posting from the first record on into books
 * of its own, recomputes the chain, and then holds every stored balance, player and transaction
 * against them. Memory: one entry for each account and player. */
#include "statemachine/machine_private.h"

#include <stdlib.h>

/* So often the caller is asked whether to go on. */
enum { LOOK_EVERY = 4096 };

/* What a currency's accounts hold, by kind. */
struct sums {
    char currency[ID_MAX + 1];
    wide_sum of[ACCOUNT_HOUSE + 1];
};

struct audit {
    struct state *state;
    struct audit_watch watch;
    struct changes *books; /* TABLE_BALANCE: account and currency -> i64; TABLE_PLAYER: last seq */
    struct sums *sums;     /* of the stored balances, in the order of the currencies' codes */
    size_t n_sums;
    uint8_t chain[HASH_BYTES];
    uint64_t n_transactions;
    uint64_t n_woven;               /* records that hold an action */
    uint64_t n_withdrawals, n_ends; /* in the ledger: applied withdrawals, and what ended them */
    uint64_t n_holds, n_closed;     /* in the table of holds */
    uint64_t n_open, n_active;      /* open ones there, and active ones in the players' purses */
};

static int wrong(struct fault *fault, uint64_t seq, const char *what)
{
    return fault_set(fault, "audit: ledger record %llu: %s", (unsigned long long)seq, what);
}

/* A number in the audit's own books; zero when it was never written. */
static int64_t book_get(const struct audit *a, enum store_table table, struct slice key)
{
    uint64_t hash = changes_hash(a->state->layers.hash_key, table, key);
    const struct change *c = changes_get(a->books, table, key, hash);
    struct cursor in;

    if (c == NULL) {
        return 0;
    }
    in = cursor_of(c->value, c->value_len);
    return (int64_t)cursor_u64(&in);
}

static void book_put(struct audit *a, enum store_table table, struct slice key, int64_t number)
{
    uint8_t le[8];
    int i;

    for (i = 0; i < 8; i++) {
        le[i] = (uint8_t)((uint64_t)number >> (8 * i));
    }
    changes_put(a->books, table, key, changes_hash(a->state->layers.hash_key, table, key),
                (struct slice){(const char *)le, sizeof le});
}

/* One side of a posting: what the record says of the balance after must be what we come to. */
static int move(struct audit *a, const struct record *r, struct account account, int64_t change,
                int64_t stated, struct fault *fault)
{
    char buffer[STORE_KEY_MAX];
    struct slice key = balance_key(account, r->currency, buffer);
    int64_t balance;

    if (!money_add(book_get(a, TABLE_BALANCE, key), change, &balance) || balance != stated) {
        return wrong(fault, r->seq, "a balance after a posting is not what the ledger adds up to");
    }
    if (account.kind == ACCOUNT_PLAYER && balance < 0) {
        return wrong(fault, r->seq, "a player is below zero");
    }
    book_put(a, TABLE_BALANCE, key, balance);
    return 0;
}

static int audit_postings(struct audit *a, const struct record *r, struct fault *fault)
{
    struct account player = {ACCOUNT_PLAYER, r->player};
    char buffer[STORE_KEY_MAX];
    int64_t of_player = 0;
    int i;

    for (i = 0; i < r->n_postings; i++) {
        const struct posting *p = &r->postings[i];

        if (move(a, r, p->debit, -p->amount_minor, p->debit_balance_minor, fault) != 0 ||
            move(a, r, p->credit, p->amount_minor, p->credit_balance_minor, fault) != 0) {
            return -1;
        }
        of_player += p->debit.kind == ACCOUNT_PLAYER || p->credit.kind == ACCOUNT_PLAYER
                         ? p->amount_minor
                         : 0;
    }
    if (of_player != r->amount_minor) {
        return wrong(fault, r->seq, "its amount is not what its postings moved");
    }
    if (r->balance_minor != book_get(a, TABLE_BALANCE, balance_key(player, r->currency, buffer))) {
        return wrong(fault, r->seq, "its balance is not the player's");
    }
    return 0;
}

/* A rollback that moved something is the one that its original's place names: there is only one
 * such place, so nothing is reversed twice. */
static int audit_rollback(const struct audit *a, const struct record *r, struct fault *fault)
{
    struct transaction original;
    struct id_space ids;
    int rc;

    if (r->type != COMMAND_ROLLBACK || r->n_postings == 0) {
        return 0;
    }
    if (state_id_space(a->state, r->principal, r->player, &ids, fault) != 0) {
        return -1;
    }
    rc = state_transaction(a->state, ids, r->original, &original, fault);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0 || original.rolled_by != r->seq) {
        return wrong(fault, r->seq, "it reversed what is not marked as reversed by it");
    }
    return 0;
}

static int audit_record(struct audit *a, uint64_t seq, struct fault *fault)
{
    struct slice sealed;
    struct record r;
    uint8_t hash[HASH_BYTES];
    int rc = state_sealed(a->state, seq, &sealed, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0) {
        return wrong(fault, seq, "it is missing");
    }
    if (record_unseal(sealed.base, sealed.len, &r, fault) != 0) {
        return wrong(fault, seq, "it can't be read");
    }
    record_hash(a->chain, sealed.base, sealed.len - 2 * HASH_BYTES, hash);
    if (r.seq != seq || memcmp(r.prev_hash, a->chain, HASH_BYTES) != 0 ||
        memcmp(r.hash, hash, HASH_BYTES) != 0) {
        return wrong(fault, seq, "the hash chain is broken here: it was changed afterwards");
    }
    memcpy(a->chain, hash, HASH_BYTES);
    if (r.previous != (uint64_t)book_get(a, TABLE_PLAYER, r.player)) {
        return wrong(fault, seq, "its link is not the player's record before it");
    }
    book_put(a, TABLE_PLAYER, r.player, (int64_t)seq);
    a->n_woven += r.action != 0 ? 1 : 0;
    if (r.verdict == VERDICT_APPLIED) {
        a->n_withdrawals += r.type == COMMAND_WITHDRAW ? 1 : 0;
        a->n_ends +=
            r.type == COMMAND_WITHDRAW_CONFIRM || r.type == COMMAND_WITHDRAW_CANCEL ? 1 : 0;
    }
    return audit_postings(a, &r, fault) != 0 ? -1 : audit_rollback(a, &r, fault);
}

int audit_go_on(struct audit_watch *w, uint64_t seq, struct fault *fault)
{
    const struct audit_report *r = w->report;

    if (++w->looked % LOOK_EVERY == 0 && r->go_on != NULL &&
        !r->go_on(r->context, seq, w->last_seq)) {
        return fault_set(fault, "audit: it was stopped");
    }
    return 0;
}

static int audit_ledger(struct audit *a, struct fault *fault)
{
    uint64_t seq;

    for (seq = 1; seq <= a->state->seq; seq++) {
        if (audit_record(a, seq, fault) != 0 || audit_go_on(&a->watch, seq, fault) != 0) {
            return -1;
        }
    }
    if (memcmp(a->chain, a->state->hash, HASH_BYTES) != 0) {
        return fault_set(fault, "audit: the head is not the last record's hash");
    }
    return 0;
}

/* Calls `each` for all of one table; *n counts them. */
static int each_of(struct audit *a, enum store_table table,
                   int (*each)(struct audit *a, struct slice key, struct slice value,
                               struct fault *fault),
                   uint64_t *n, struct fault *fault)
{
    struct scan scan;
    struct slice key, value;
    int rc;

    *n = 0;
    scan_open(&scan, &a->state->layers, table);
    while ((rc = scan_next(&scan, &key, &value, fault)) == 1) {
        if (each(a, key, value, fault) != 0 || audit_go_on(&a->watch, a->state->seq, fault) != 0) {
            rc = -1;
            break;
        }
        (*n)++;
    }
    scan_close(&scan);
    return rc;
}

/* A player's holds are open withdrawals of its own, and no more than its balance. */
static int audit_purse(struct audit *a, struct slice player, struct slice currency,
                       struct fault *fault)
{
    struct id_space ids;
    struct purse p;
    struct record r;
    struct hold h;
    uint8_t i;

    if (state_purse(a->state, player, currency, &p, fault) < 0) {
        return -1;
    }
    for (i = 0; i < p.n_holds; i++) {
        if (state_record(a->state, p.holds[i].seq, &r, fault) != 0 ||
            state_id_space(a->state, r.principal, player, &ids, fault) != 0 ||
            state_hold(a->state, ids, r.id, &h, fault) != 1) {
            return -1;
        }
        if (h.seq != p.holds[i].seq || h.closed_by != 0 ||
            h.expires_at_ms != p.holds[i].expires_at_ms ||
            h.amount_minor != p.holds[i].amount_minor || !slice_equal(h.player, player) ||
            !slice_equal(h.currency, currency)) {
            return wrong(fault, r.seq, "what is held for it is not what it asked for");
        }
    }
    a->n_active += p.n_holds;
    if (purse_available(&p) < 0) {
        return fault_set(fault, "audit: more is held of player %.*s than there is", (int)player.len,
                         player.base);
    }
    return 0;
}

static struct sums *sums_of(struct audit *a, struct slice currency)
{
    struct sums *sums;
    size_t i;

    for (i = 0; i < a->n_sums; i++) {
        if (slice_is(currency, a->sums[i].currency)) {
            return &a->sums[i];
        }
    }
    sums = reallocarray(a->sums, a->n_sums + 1, sizeof *sums);
    if (sums == NULL) {
        abort(); /* as in bytes_reserve: an audit half done is none */
    }
    a->sums = sums;
    sums = &sums[a->n_sums++];
    *sums = (struct sums){.of = {0}};
    memcpy(sums->currency, currency.base, currency.len < ID_MAX ? currency.len : ID_MAX);
    return sums;
}

static int audit_balance(struct audit *a, struct slice key, struct slice value, struct fault *fault)
{
    struct account account;
    struct slice currency;
    int64_t minor;

    if (balance_decode(key, value, &account, &currency, &minor, fault) != 0) {
        return -1;
    }
    if (minor != book_get(a, TABLE_BALANCE, key)) {
        return fault_set(
            fault, "audit: the balance of %.*s in %.*s is not what the ledger adds up to",
            (int)account.name.len, account.name.base, (int)currency.len, currency.base);
    }
    sums_of(a, currency)->of[account.kind] += minor;
    return account.kind == ACCOUNT_PLAYER ? audit_purse(a, account.name, currency, fault) : 0;
}

static int audit_player(struct audit *a, struct slice key, struct slice value, struct fault *fault)
{
    struct player p;
    uint8_t i;

    if (player_decode(value, &p, fault) != 0) {
        return -1;
    }
    if (p.last_seq != (uint64_t)book_get(a, TABLE_PLAYER, key)) {
        return fault_set(fault, "audit: player %.*s does not know its last record", (int)key.len,
                         key.base);
    }
    for (i = 0; i < p.n_held; i++) {
        struct account account = {ACCOUNT_PLAYER, key};
        int64_t minor;

        if (state_balance(a->state, account, p.held[i], &minor, fault) != 1) {
            return fault_set(fault, "audit: player %.*s lacks a balance that it holds",
                             (int)key.len, key.base);
        }
    }
    return 0;
}

static bool belongs(const struct record *r, const struct id_space *ids)
{
    return slice_equal(r->principal, ids->principal) &&
           (ids->player.len == 0 || slice_equal(r->player, ids->player));
}

/* The name of an atomic call, over the records of its items. */
static int audit_call(const struct audit *a, const struct id_space *ids,
                      const struct transaction *t, struct fault *fault)
{
    struct record r;
    uint64_t seq;

    for (seq = t->seq; seq <= t->rolled_by; seq++) {
        if (state_record(a->state, seq, &r, fault) != 0) {
            return -1;
        }
        if (!belongs(&r, ids)) {
            return wrong(fault, seq, "it is said to be part of another's transaction");
        }
    }
    return 0;
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.len > end.len && memcmp(text.base + text.len - end.len, end.base, end.len) == 0;
}

static int audit_hold(struct audit *a, struct slice key, struct slice value, struct fault *fault)
{
    struct record r;
    struct hold h;

    (void)key;
    if (hold_decode(value, &h, fault) != 0 || state_record(a->state, h.seq, &r, fault) != 0) {
        return -1;
    }
    if (r.type != COMMAND_WITHDRAW || r.verdict != VERDICT_APPLIED ||
        r.requested_minor != h.amount_minor || !slice_equal(r.player, h.player) ||
        !slice_equal(r.currency, h.currency) || !slice_equal(r.gateway, h.gateway)) {
        return wrong(fault, h.seq, "its hold says something else");
    }
    if (h.closed_by != 0) {
        struct slice id = r.id;

        if (state_record(a->state, h.closed_by, &r, fault) != 0) {
            return -1;
        }
        if ((r.type != COMMAND_WITHDRAW_CONFIRM && r.type != COMMAND_WITHDRAW_CANCEL) ||
            r.verdict != VERDICT_APPLIED || !slice_equal(r.original, id)) {
            return wrong(fault, h.closed_by, "it is said to end a withdrawal, and does not");
        }
        a->n_closed++;
    } else if (h.expires_at_ms > a->state->clock_ms) {
        a->n_open++;
    }
    return 0;
}

static int audit_session(struct audit *a, struct slice key, struct slice value, struct fault *fault)
{
    struct session session;
    struct slice id;

    if (session_decode(key, value, &session, fault) != 0) {
        return -1;
    }
    if (state_token(a->state, session.token_hash, &id, fault) != 1 || !slice_equal(id, key)) {
        return fault_set(fault, "audit: session %.*s is not known by its token", (int)key.len,
                         key.base);
    }
    return 0;
}

static int audit_round(struct audit *a, struct slice key, struct slice value, struct fault *fault)
{
    struct round round;

    (void)key;
    if (round_decode(value, &round, fault) != 0) {
        return -1;
    }
    return round.closed_by <= a->state->seq
               ? 0
               : fault_set(fault, "audit: a round was closed by a record that is not there");
}

static int audit_transaction(struct audit *a, struct slice key, struct slice value,
                             struct fault *fault)
{
    struct id_space ids, proper;
    struct slice id;
    char place[RECORD_ID_MAX];
    struct transaction t;
    struct record r;

    if (transaction_decode(key, value, &ids, &id, &t, fault) != 0 ||
        state_id_space(a->state, ids.principal, slice_of("any"), &proper, fault) != 0) {
        return -1;
    }
    if (!state_transaction_seen(a->state, key)) {
        return fault_set(fault, "audit: the filter of seen ids does not know '%.*s'", (int)id.len,
                         id.base);
    }
    if ((ids.player.len > 0) != (proper.player.len > 0)) {
        return fault_set(fault, "audit: id %.*s is not where the ids of %.*s are unique",
                         (int)id.len, id.base, (int)ids.principal.len, ids.principal.base);
    }
    if (ends_with(id, slice_of("/items"))) {
        return audit_call(a, &ids, &t, fault);
    }
    if (t.seq != 0) {
        if (state_record(a->state, t.seq, &r, fault) != 0) {
            return -1;
        }
        if (!belongs(&r, &ids) || !slice_equal(transaction_place(&r, place), id)) {
            return wrong(fault, t.seq, "the idempotency table names it for another id");
        }
        a->n_transactions++;
    }
    if (t.rolled_by != 0) {
        if (state_record(a->state, t.rolled_by, &r, fault) != 0) {
            return -1;
        }
        if (r.type != COMMAND_ROLLBACK || !belongs(&r, &ids) || !slice_equal(r.original, id)) {
            return wrong(fault, t.rolled_by, "it is said to roll back what it does not name");
        }
    }
    return 0;
}

static int audit_tables(struct audit *a, struct fault *fault)
{
    struct audit_report *r = a->watch.report;
    uint64_t n;
    size_t n_books;

    if (each_of(a, TABLE_BALANCE, audit_balance, &r->balances, fault) != 0) {
        return -1;
    }
    changes_of(a->books, TABLE_BALANCE, &n_books);
    if (r->balances != n_books) {
        return fault_set(fault, "audit: %llu balances are stored, the ledger makes %zu",
                         (unsigned long long)r->balances, n_books);
    }
    if (each_of(a, TABLE_PLAYER, audit_player, &r->players, fault) != 0 ||
        each_of(a, TABLE_TRANSACTION, audit_transaction, &n, fault) != 0) {
        return -1;
    }
    if (each_of(a, TABLE_HOLD, audit_hold, &a->n_holds, fault) != 0 ||
        each_of(a, TABLE_SESSION, audit_session, &n, fault) != 0 ||
        each_of(a, TABLE_ROUND, audit_round, &n, fault) != 0) {
        return -1;
    }
    if (a->n_holds != a->n_withdrawals || a->n_closed != a->n_ends || a->n_open != a->n_active) {
        return fault_set(fault, "audit: the holds are not what the ledger's withdrawals make");
    }
    if (a->n_transactions != a->state->seq) {
        return fault_set(fault, "audit: %llu ids were decided, the ledger has %llu records",
                         (unsigned long long)a->n_transactions, (unsigned long long)a->state->seq);
    }
    return 0;
}

static int compare_sums(const void *left, const void *right)
{
    return strcmp(((const struct sums *)left)->currency, ((const struct sums *)right)->currency);
}

static int audit_sums(struct audit *a, struct fault *fault)
{
    size_t i;

    if (a->n_sums > 1) {
        qsort(a->sums, a->n_sums, sizeof *a->sums, compare_sums);
    }
    for (i = 0; i < a->n_sums; i++) {
        const wide_sum *of = a->sums[i].of;

        if (of[ACCOUNT_PLAYER] + of[ACCOUNT_PROVIDER] + of[ACCOUNT_GATEWAY] + of[ACCOUNT_HOUSE] !=
            0) {
            return fault_set(fault, "audit: the balances in %s do not sum to zero",
                             a->sums[i].currency);
        }
    }
    return 0;
}

static int64_t narrow(wide_sum sum, bool *fits)
{
    *fits = *fits && sum >= INT64_MIN && sum <= INT64_MAX;
    return *fits ? (int64_t)sum : 0;
}

static int report_totals(const struct audit *a, struct fault *fault)
{
    struct audit_report *r = a->watch.report;
    size_t i;

    r->totals = calloc(a->n_sums + 1, sizeof *r->totals);
    if (r->totals == NULL) {
        abort();
    }
    for (i = 0; i < a->n_sums; i++) {
        const struct sums *s = &a->sums[i];
        struct audit_total *t = &r->totals[r->n_totals++];
        struct currency *currency;

        if (state_currency(a->state, slice_of(s->currency), &currency, fault) != 1) {
            return fault_set(fault, "audit: there are balances in %s, which does not exist",
                             s->currency);
        }
        memcpy(t->currency, s->currency, sizeof t->currency);
        t->scale = currency->scale;
        t->fits = true;
        t->players_minor = narrow(s->of[ACCOUNT_PLAYER], &t->fits);
        t->providers_minor = narrow(s->of[ACCOUNT_PROVIDER], &t->fits);
        t->gateways_minor = narrow(s->of[ACCOUNT_GATEWAY], &t->fits);
        t->house_minor = narrow(s->of[ACCOUNT_HOUSE], &t->fits);
    }
    return 0;
}

void audit_report_release(struct audit_report *report)
{
    free(report->totals);
    report->totals = NULL;
    report->n_totals = 0;
}

int machine_audit_report(struct machine *m, struct audit_report *report, struct fault *fault)
{
    struct audit a = {.state = &m->state, .watch = {report, m->state.seq, 0}};
    int rc;

    a.books = changes_new();
    report->records = m->state.seq;
    report->actions = m->state.actions.number;
    rc = machine_invariants(m, fault);
    if (rc == 0) {
        rc = audit_ledger(&a, fault);
    }
    if (rc == 0) {
        rc = audit_actions(&m->state, a.n_woven, &a.watch, fault);
    }
    if (rc == 0) {
        rc = audit_tables(&a, fault);
    }
    if (rc == 0) {
        rc = audit_sums(&a, fault);
    }
    if (rc == 0) {
        rc = report_totals(&a, fault);
    }
    free(a.sums);
    changes_free(a.books);
    return rc;
}

int machine_audit(struct machine *m, struct fault *fault)
{
    struct audit_report report = {0};
    int rc = machine_audit_report(m, &report, fault);

    audit_report_release(&report);
    return rc;
}
