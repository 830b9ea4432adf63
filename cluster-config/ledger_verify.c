/* The replay keeps its balances in a search tree of glibc's (search.h), by "account currency"; the
 * ids seen are kept as hashes and compared at the end, by sorting: memory stays small. */
#define _GNU_SOURCE 1 /* tdestroy, twalk_r */
#include "cluster-config/ledger_verify.h"

#include <inttypes.h>
#include <search.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { NODE_KEY_MAX = ACCOUNT_TEXT_MAX + ID_MAX + 2, ID_HASH_BYTES = 16 };

struct node {
    int64_t balance_minor; /* of an account in a currency */
    uint64_t last_seq;     /* of a player, under "player:NAME" alone */
    size_t total;          /* index of its currency's total */
    enum ids_scope scope;  /* of a principal, under "ids:NAME" */
    char key[];
};

struct seen_id {
    uint8_t hash[ID_HASH_BYTES];
    uint64_t seq;
};

struct ledger_verifier {
    uint64_t seq, at_ms;
    uint8_t hash[HASH_BYTES];
    uint64_t action; /* the newest that a record holds; 0: none */
    uint8_t action_hash[HASH_BYTES];
    void *nodes; /* tsearch's root */
    size_t n_accounts;
    struct ledger_total *totals;
    size_t n_totals;
    struct bytes seen;    /* struct seen_id, packed */
    struct bytes scratch; /* canonical bytes of the record in hand */
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory while verifying\n", stderr);
        abort();
    }
    return memory;
}

struct ledger_verifier *ledger_verifier_new(void)
{
    struct ledger_verifier *v = must(calloc(1, sizeof *v));

    bytes_init(&v->seen);
    bytes_init(&v->scratch);
    return v;
}

void ledger_verifier_free(struct ledger_verifier *v)
{
    if (v != NULL) {
        tdestroy(v->nodes, free);
        bytes_release(&v->seen);
        bytes_release(&v->scratch);
        free(v->totals);
        free(v);
    }
}

uint64_t ledger_verifier_head(const struct ledger_verifier *v, uint8_t hash[HASH_BYTES])
{
    memcpy(hash, v->hash, HASH_BYTES);
    return v->seq;
}

uint64_t ledger_verifier_actions(const struct ledger_verifier *v, uint8_t hash[HASH_BYTES])
{
    memcpy(hash, v->action_hash, HASH_BYTES);
    return v->action;
}

size_t ledger_verifier_accounts(const struct ledger_verifier *v)
{
    return v->n_accounts;
}

size_t ledger_verifier_totals(const struct ledger_verifier *v, const struct ledger_total **totals)
{
    *totals = v->totals;
    return v->n_totals;
}

/* Names the record in front of what is wrong with it. */
static int broken(const struct record *r, struct fault *fault, const char *what)
{
    return fault_set(fault, "seq %" PRIu64 " (id %.*s): %s", r->seq, (int)r->id.len, r->id.base,
                     what);
}

static int compare_nodes(const void *a, const void *b)
{
    return strcmp(((const struct node *)a)->key, ((const struct node *)b)->key);
}

/* The node under `key`, made when it is new. */
static struct node *node_of(struct ledger_verifier *v, const char *key, bool *made)
{
    struct node *fresh = must(calloc(1, sizeof *fresh + strlen(key) + 1));
    struct node **slot;

    memcpy(fresh->key, key, strlen(key) + 1);
    slot = must(tsearch(fresh, &v->nodes, compare_nodes));
    *made = *slot == fresh;
    if (!*made) {
        free(fresh);
    }
    return *slot;
}

static void ids_key(struct slice principal, char key[static NODE_KEY_MAX])
{
    snprintf(key, NODE_KEY_MAX, "ids:%.*s", (int)principal.len, principal.base);
}

/* NULL: nothing was said of it. */
static const struct node *find_ids(const struct ledger_verifier *v, struct slice principal)
{
    struct node *wanted = must(calloc(1, sizeof *wanted + NODE_KEY_MAX));
    struct node *const *slot;

    ids_key(principal, wanted->key);
    slot = tfind(wanted, &v->nodes, compare_nodes);
    free(wanted);
    return slot == NULL ? NULL : *slot;
}

bool ledger_verifier_knows(const struct ledger_verifier *v, struct slice principal)
{
    return find_ids(v, principal) != NULL;
}

void ledger_verifier_ids(struct ledger_verifier *v, struct slice principal, enum ids_scope scope)
{
    char key[NODE_KEY_MAX];
    bool made;

    ids_key(principal, key);
    node_of(v, key, &made)->scope = scope;
}

static size_t total_of(struct ledger_verifier *v, const struct record *r)
{
    struct ledger_total *t;
    size_t i = 0;

    while (i < v->n_totals && !slice_is(r->currency, v->totals[i].currency)) {
        i++;
    }
    if (i == v->n_totals) {
        v->totals = must(reallocarray(v->totals, i + 1, sizeof *t));
        t = &v->totals[v->n_totals++];
        memset(t, 0, sizeof *t);
        memcpy(t->currency, r->currency.base, r->currency.len);
        t->scale = r->scale;
    }
    return i;
}

/* The account's node in the record's currency. */
static struct node *account_of(struct ledger_verifier *v, struct account a, const struct record *r)
{
    char key[NODE_KEY_MAX];
    bool made;
    int len = account_format(a, key);
    struct node *n;

    snprintf(key + len, sizeof key - (size_t)len, " %.*s", (int)r->currency.len, r->currency.base);
    n = node_of(v, key, &made);
    if (made) {
        n->total = total_of(v, r);
        v->n_accounts++;
    }
    return n;
}

/* Chain, order, clock and links. */
static int check_place(struct ledger_verifier *v, const struct record *r, struct fault *fault)
{
    uint8_t hash[HASH_BYTES];
    char key[NODE_KEY_MAX];
    bool made;

    if (r->seq != v->seq + 1) {
        return fault_set(fault, "seq %" PRIu64 " follows seq %" PRIu64 ": expected seq %" PRIu64,
                         r->seq, v->seq, v->seq + 1);
    }
    if (memcmp(r->prev_hash, v->hash, HASH_BYTES) != 0) {
        return broken(r, fault, "prev_hash is not the hash of the record before it");
    }
    bytes_clear(&v->scratch);
    record_encode(r, &v->scratch);
    record_hash(r->prev_hash, v->scratch.base, v->scratch.len, hash);
    if (memcmp(r->hash, hash, HASH_BYTES) != 0) {
        return broken(r, fault, "hash is not the hash of its content: the content was changed");
    }
    if (r->at_ms < v->at_ms) {
        return broken(r, fault, "is dated before the record before it");
    }
    if (r->action != 0 && r->action <= v->action) {
        return broken(r, fault, "holds an action that is not newer than those held before");
    }
    account_format((struct account){ACCOUNT_PLAYER, r->player}, key);
    struct node *player = node_of(v, key, &made);
    if (r->previous != player->last_seq) {
        return fault_set(fault,
                         "seq %" PRIu64 " (id %.*s): previous is %" PRIu64
                         ", the player's record before it is %" PRIu64,
                         r->seq, (int)r->id.len, r->id.base, r->previous, player->last_seq);
    }
    player->last_seq = r->seq;
    return 0;
}

/* One side of a posting: the replayed balance changes and must be the stated one. */
static int move(struct ledger_verifier *v, const struct record *r, struct account a, int64_t change,
                int64_t stated, struct fault *fault)
{
    struct node *n = account_of(v, a, r);
    char name[ACCOUNT_TEXT_MAX], have[AMOUNT_TEXT_MAX], want[AMOUNT_TEXT_MAX];

    account_format(a, name);
    if (!money_add(n->balance_minor, change, &n->balance_minor)) {
        return broken(r, fault, "a balance does not fit 64 bits");
    }
    if (n->balance_minor != stated) {
        money_format(stated, r->scale, have);
        money_format(n->balance_minor, r->scale, want);
        return fault_set(fault, "seq %" PRIu64 " (id %.*s): states %s for %s, the replay has %s",
                         r->seq, (int)r->id.len, r->id.base, have, name, want);
    }
    if (a.kind == ACCOUNT_PLAYER && n->balance_minor < 0) {
        return fault_set(fault, "seq %" PRIu64 " (id %.*s): %s is below zero", r->seq,
                         (int)r->id.len, r->id.base, name);
    }
    return 0;
}

/* What moved from or to the player must be the record's amount. */
static int check_amount(const struct record *r, int64_t change, struct fault *fault)
{
    bool sign_ok = true;

    if (r->type == COMMAND_BET || r->type == COMMAND_WITHDRAW_CONFIRM) {
        sign_ok = change <= 0;
    } else if (r->type == COMMAND_WIN || r->type == COMMAND_DEPOSIT) {
        sign_ok = change >= 0;
    } else if (r->type == COMMAND_WITHDRAW || r->type == COMMAND_WITHDRAW_CANCEL ||
               r->type == COMMAND_ROUND_CLOSE) {
        sign_ok = change == 0;
    }
    if (!sign_ok || (change < 0 ? -change : change) != r->amount_minor) {
        return broken(r, fault, "its postings move another amount than it states");
    }
    if (r->n_postings > 0 && r->verdict != VERDICT_APPLIED) {
        return broken(r, fault, "was refused, and still moved money");
    }
    return 0;
}

static int check_money(struct ledger_verifier *v, const struct record *r, struct fault *fault)
{
    struct account player = {ACCOUNT_PLAYER, r->player};
    struct node *own = account_of(v, player, r);
    int64_t before = own->balance_minor;

    if (v->totals[own->total].scale != r->scale) {
        return broken(r, fault, "has another scale than its currency had before");
    }
    for (uint8_t i = 0; i < r->n_postings; i++) {
        const struct posting *p = &r->postings[i];
        bool same = p->debit.kind == p->credit.kind && slice_equal(p->debit.name, p->credit.name);

        if (p->amount_minor <= 0 || same) {
            return broken(r, fault, "has a posting that is not above zero between two accounts");
        }
        if (move(v, r, p->debit, -p->amount_minor, p->debit_balance_minor, fault) != 0 ||
            move(v, r, p->credit, p->amount_minor, p->credit_balance_minor, fault) != 0) {
            return -1;
        }
    }
    if (own->balance_minor != r->balance_minor) {
        return broken(r, fault, "states another balance of the player than the replay has");
    }
    /* Neither is below zero, so the difference fits. */
    return check_amount(r, own->balance_minor - before, fault);
}

static void remember_id(struct ledger_verifier *v, const struct record *r)
{
    /* A withdrawal ends once, in a namespace of its own: a client may well call a bet "w:confirm".
     * An end that was refused (the gateway's balance has no room) ended nothing, and stands apart.
     */
    bool end = r->type == COMMAND_WITHDRAW_CONFIRM || r->type == COMMAND_WITHDRAW_CANCEL;
    bool ended = end && r->verdict == VERDICT_APPLIED;
    struct slice id = ended ? r->original : r->id;
    const struct node *ids = find_ids(v, r->principal);
    crypto_generichash_state state;
    struct seen_id seen = {.seq = r->seq};

    crypto_generichash_init(&state, NULL, 0, ID_HASH_BYTES);
    crypto_generichash_update(&state, (const uint8_t *)r->principal.base, r->principal.len);
    if (ids != NULL && ids->scope == IDS_PER_PLAYER) {
        crypto_generichash_update(&state, (const uint8_t *)"@", 1);
        crypto_generichash_update(&state, (const uint8_t *)r->player.base, r->player.len);
    }
    crypto_generichash_update(&state, (const uint8_t *)(ended ? "/" : end ? "!" : " "), 1);
    crypto_generichash_update(&state, (const uint8_t *)id.base, id.len);
    crypto_generichash_final(&state, seen.hash, ID_HASH_BYTES);
    bytes_append(&v->seen, &seen, sizeof seen);
}

int ledger_verifier_add(struct ledger_verifier *v, const struct record *r, struct fault *fault)
{
    if (check_place(v, r, fault) != 0 || check_money(v, r, fault) != 0) {
        return -1;
    }
    remember_id(v, r);
    v->seq = r->seq;
    v->at_ms = r->at_ms;
    memcpy(v->hash, r->hash, HASH_BYTES);
    if (r->action != 0) {
        v->action = r->action;
        memcpy(v->action_hash, r->action_hash, HASH_BYTES);
    }
    return 0;
}

static int compare_seen(const void *a, const void *b)
{
    const struct seen_id *x = a;
    const struct seen_id *y = b;
    int order = memcmp(x->hash, y->hash, ID_HASH_BYTES);

    return order != 0 ? order : (x->seq > y->seq) - (x->seq < y->seq);
}

static int check_ids(struct ledger_verifier *v, struct fault *fault)
{
    struct seen_id *ids = (struct seen_id *)(void *)v->seen.base;
    size_t n = v->seen.len / sizeof *ids;

    if (n > 1) {
        qsort(ids, n, sizeof *ids, compare_seen);
    }
    for (size_t i = 1; i < n; i++) {
        if (memcmp(ids[i - 1].hash, ids[i].hash, ID_HASH_BYTES) == 0) {
            return fault_set(fault,
                             "seq %" PRIu64 ": has the same provider and id as seq %" PRIu64
                             ": decided twice",
                             ids[i].seq, ids[i - 1].seq);
        }
    }
    return 0;
}

struct summing {
    struct ledger_total *totals;
    bool overflow;
};

static void add_to_total(const void *place, VISIT which, void *context)
{
    const struct node *n = *(struct node *const *)place;
    struct summing *s = context;

    /* Players' links and scopes of ids are kept in the same tree, and hold no money. */
    if ((which != postorder && which != leaf) || strchr(n->key, ' ') == NULL) {
        return;
    }
    struct ledger_total *t = &s->totals[n->total];
    int64_t *sum = &t->house_minor;
    if (strncmp(n->key, "player:", 7) == 0) {
        sum = &t->players_minor;
    } else if (strncmp(n->key, "provider:", 9) == 0) {
        sum = &t->providers_minor;
    } else if (strncmp(n->key, "gateway:", 8) == 0) {
        sum = &t->gateways_minor;
    }
    s->overflow = s->overflow || !money_add(*sum, n->balance_minor, sum);
}

static int check_sums(struct ledger_verifier *v, struct fault *fault)
{
    struct summing s = {v->totals, false};

    twalk_r(v->nodes, add_to_total, &s);
    for (size_t i = 0; i < v->n_totals; i++) {
        const struct ledger_total *t = &v->totals[i];
        int64_t sum = t->players_minor;

        if (s.overflow || !money_add(sum, t->providers_minor, &sum) ||
            !money_add(sum, t->gateways_minor, &sum) || !money_add(sum, t->house_minor, &sum)) {
            return fault_set(fault, "%s: the sum of all accounts does not fit 64 bits",
                             t->currency);
        }
        if (sum != 0) {
            char text[AMOUNT_TEXT_MAX];
            money_format(sum, t->scale, text);
            return fault_set(fault, "%s: all accounts add up to %s, not to zero", t->currency,
                             text);
        }
    }
    return 0;
}

int ledger_verifier_finish(struct ledger_verifier *v, struct fault *fault)
{
    return check_ids(v, fault) != 0 ? -1 : check_sums(v, fault);
}
