#include "api/credential.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "api/ask.h"
#include "api/network.h"
#include "api/time.h"

/* Slots are found by hash and simply overwritten: only keys that exist get in, so nobody can push
 * others out on purpose, and a lost slot costs one look-up. */
enum { SLOTS = 1024, SECRET_LEN_MAX = 256 };

struct known_key {
    char id[ID_MAX + 1]; /* empty: a free slot */
    struct principal who;
    enum key_kind kind;
    uint8_t secret_hash[SECRET_HASH_BYTES]; /* bearer */
    char secret[SIGNED_SECRET_MAX];         /* hmac; secret_len < 0: our box key does not open it */
    int secret_len;

    /* The principal's policy, as far as it is ours to enforce. */
    bool principal_disabled;
    uint32_t rate_per_s; /* 0: any */
    struct network allowed[IP_ALLOW_MAX];
    uint8_t n_allowed;
    bool restricted; /* only from `allowed`, even when that is empty */
};

struct credentials {
    struct gate *gate;
    struct limiter *limiter;
    uint8_t box_key[BOX_KEY_BYTES];
    bool has_box_key;

    pthread_rwlock_t lock; /* guards the next two */
    uint64_t version;      /* of the directory that the slots were read from */
    struct known_key slots[SLOTS];

    pthread_mutex_t ration_lock; /* guards the next two */
    int64_t ration_ns;           /* time saved up; one read costs a second's 200th part */
    int64_t ration_at_ns;        /* when it was last counted */
};

enum { SECOND_NS = 1000000000, READ_COST_NS = SECOND_NS / UNKNOWN_KEYS_PER_SECOND };

struct credentials *credentials_new(struct gate *gate, struct limiter *limiter,
                                    const uint8_t *box_key)
{
    struct credentials *c = calloc(1, sizeof *c);

    if (c == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    c->gate = gate;
    c->limiter = limiter;
    if (box_key != NULL) {
        memcpy(c->box_key, box_key, sizeof c->box_key);
        c->has_box_key = true;
    }
    c->ration_ns = SECOND_NS;
    c->ration_at_ns = limiter_now_ns();
    pthread_rwlock_init(&c->lock, NULL);
    pthread_mutex_init(&c->ration_lock, NULL);
    return c;
}

void credentials_free(struct credentials *c)
{
    pthread_mutex_destroy(&c->ration_lock);
    pthread_rwlock_destroy(&c->lock);
    sodium_memzero(c, sizeof *c); /* it holds secrets */
    free(c);
}

void credential_hash(struct slice secret, uint8_t hash[SECRET_HASH_BYTES])
{
    crypto_generichash(hash, SECRET_HASH_BYTES, (const unsigned char *)secret.base, secret.len,
                       NULL, 0);
}

static struct known_key *slot_of(struct credentials *c, struct slice id)
{
    uint32_t h = 2166136261U; /* FNV-1a: spreads well, and here that is all it is for */
    size_t i;

    for (i = 0; i < id.len; i++) {
        h = (h ^ (uint8_t)id.base[i]) * 16777619U;
    }
    return &c->slots[(h ^ h >> 16) % SLOTS];
}

static bool recall(struct credentials *c, uint64_t version, struct slice id, struct known_key *out)
{
    const struct known_key *slot = slot_of(c, id);
    bool found;

    pthread_rwlock_rdlock(&c->lock);
    found = c->version == version && slice_is(id, slot->id);
    if (found) {
        *out = *slot;
    }
    pthread_rwlock_unlock(&c->lock);
    return found;
}

static void remember(struct credentials *c, uint64_t version, const struct known_key *key)
{
    pthread_rwlock_wrlock(&c->lock);
    if (c->version < version) {
        memset(c->slots, 0, sizeof c->slots);
        c->version = version;
    }
    /* A newer version meanwhile: what we read may be out of date. */
    if (c->version == version) {
        *slot_of(c, slice_of(key->id)) = *key;
    }
    pthread_rwlock_unlock(&c->lock);
}

/* One linearizable read for an unknown key from the ration, if there is one left. */
static bool take_ration(struct credentials *c)
{
    int64_t now = limiter_now_ns();
    bool left;

    pthread_mutex_lock(&c->ration_lock);
    c->ration_ns += now > c->ration_at_ns ? now - c->ration_at_ns : 0;
    c->ration_at_ns = now;
    if (c->ration_ns > SECOND_NS) {
        c->ration_ns = SECOND_NS;
    }
    left = c->ration_ns >= READ_COST_NS;
    if (left) {
        c->ration_ns -= READ_COST_NS;
    }
    pthread_mutex_unlock(&c->ration_lock);
    return left;
}

/* What the ledger says of a key, in the form that requests are checked against. */
static void take_key(const struct credentials *c, struct slice id, const struct answer *a,
                     struct known_key *key)
{
    size_t i;

    memset(key, 0, sizeof *key);
    memcpy(key->id, id.base, id.len);
    memcpy(key->who.name, a->principal.base, a->principal.len);
    memcpy(key->who.key, id.base, id.len);
    key->who.role = a->role;
    key->who.ids_scope = a->policy.ids_scope;
    key->kind = a->key_kind;
    memcpy(key->secret_hash, a->secret_hash, SECRET_HASH_BYTES);
    if (key->kind == KEY_HMAC) {
        key->secret_len =
            c->has_box_key ? signature_unseal(c->box_key, a->key_sealed, key->secret) : -1;
    }
    key->principal_disabled = a->principal_disabled;
    key->rate_per_s = a->policy.rate_per_s;
    key->restricted = a->policy.n_ip_allow > 0;
    for (i = 0; i < a->policy.n_ip_allow; i++) {
        /* What does not parse (a newer version's?) lets nobody in. */
        if (network_parse(a->policy.ip_allow[i], &key->allowed[key->n_allowed]) == 0) {
            key->n_allowed++;
        }
    }
}

/* 1 and the key, 0 when the state asked does not know it, -1 and the problem. */
static int look_up(struct credentials *c, enum ticket_kind kind, struct slice id,
                   unsigned timeout_ms, struct known_key *key, struct problem *problem)
{
    const struct query q = {.type = QUERY_KEY, .name = id};
    const struct asker asker = {.name = "", .timeout_ms = timeout_ms};
    struct ticket *held;
    struct answer a;
    int found;

    if (ask_query(c->gate, kind, &q, &asker, &held, &a, problem) != 0) {
        return -1;
    }
    found = a.verdict == VERDICT_APPLIED && !a.disabled && a.principal.len <= ID_MAX;
    if (found) {
        take_key(c, id, &a, key);
    }
    ticket_release(held);
    return found;
}

static int find_key(struct credentials *c, struct slice id, unsigned timeout_ms,
                    struct known_key *key, struct problem *problem)
{
    struct gate_view view;
    int found;

    gate_view(c->gate, &view);
    if (recall(c, view.directory_version, id, key)) {
        return 1;
    }
    found = look_up(c, TICKET_STALE_QUERY, id, timeout_ms, key, problem);
    if (found == 0) {
        if (!take_ration(c)) {
            return problem_set(problem, PROBLEM_OVERLOADED,
                               "Too many requests with unknown keys at this node.");
        }
        found = look_up(c, TICKET_QUERY, id, timeout_ms, key, problem);
    }
    if (found == 1) {
        remember(c, view.directory_version, key);
    }
    return found;
}

static int bad(struct problem *problem, const char *detail)
{
    return problem_set(problem, PROBLEM_BAD_CREDENTIALS, "%s", detail);
}

enum { GUESS_NAME_MAX = 8 + ID_MAX + 64 };

static const struct limiter_rule guesses = {WRONG_SECRETS,
                                            WRONG_SECRET_EVERY_S *(int64_t)SECOND_NS};

static struct slice guess_name(char name[static GUESS_NAME_MAX], struct slice id,
                               const char *address)
{
    snprintf(name, GUESS_NAME_MAX, "/guess/%.*s/%.63s", (int)id.len, id.base,
             address == NULL ? "" : address);
    return slice_of(name);
}

/* Asked before the secret is looked at: whoever guesses may not learn that a guess was right. */
static int may_try(struct credentials *c, struct slice id, const char *address,
                   struct problem *problem)
{
    char name[GUESS_NAME_MAX];
    unsigned retry_after_s;

    if (limiter_may(c->limiter, guess_name(name, id, address), guesses, limiter_now_ns(),
                    &retry_after_s)) {
        return 0;
    }
    problem_set(problem, PROBLEM_RATE_LIMITED,
                "Too many wrong secrets for this key from this address.");
    problem->retry_after_s = retry_after_s;
    return -1;
}

/* Whether there is such a key or not: that is not told either. */
static void note_wrong(struct credentials *c, struct slice id, const char *address)
{
    char name[GUESS_NAME_MAX];
    unsigned retry_after_s;

    limiter_take(c->limiter, guess_name(name, id, address), guesses, limiter_now_ns(),
                 &retry_after_s);
}

/* A key and its secret as `Bearer KEYID.SECRET` has them. */
static int split_bearer(const char *authorization, struct slice *id, struct slice *secret)
{
    const char *dot;

    if (strncasecmp(authorization, "Bearer ", 7) != 0) {
        return -1;
    }
    id->base = authorization + 7 + strspn(authorization + 7, " ");
    dot = strchr(id->base, '.');
    id->len = dot == NULL ? 0 : (size_t)(dot - id->base);
    if (!id_valid(*id)) {
        return -1;
    }
    *secret = slice_of(dot + 1);
    return 0;
}

static int check_bearer(struct credentials *c, const struct claim *claim, unsigned timeout_ms,
                        struct known_key *key, struct problem *problem)
{
    uint8_t hash[SECRET_HASH_BYTES];
    struct slice id, secret;
    int found;

    if (claim->authorization == NULL || split_bearer(claim->authorization, &id, &secret) != 0) {
        return bad(problem, "Expected the header Authorization: Bearer KEYID.SECRET");
    }
    if (secret.len == 0 || secret.len > SECRET_LEN_MAX) {
        return bad(problem, "");
    }
    if (may_try(c, id, claim->address, problem) != 0) {
        return -1;
    }
    found = find_key(c, id, timeout_ms, key, problem);
    if (found < 0) {
        return -1;
    }
    credential_hash(secret, hash);
    if (found == 0 || key->kind != KEY_BEARER ||
        sodium_memcmp(hash, key->secret_hash, sizeof hash) != 0) {
        note_wrong(c, id, claim->address);
        return bad(problem, "");
    }
    return 0;
}

/* What can be said of an hmac claim without knowing the key. */
static int check_form(const struct credentials *c, struct claim *claim,
                      uint8_t given[SIGNATURE_BYTES], struct problem *problem)
{
    uint64_t now_ms = time_now_ms();
    uint64_t at_ms;

    if (claim->key == NULL || claim->timestamp == NULL || claim->signature == NULL ||
        claim->authorization != NULL || !id_valid(slice_of(claim->key))) {
        return bad(problem, "Expected Florin-Key, Florin-Timestamp and Florin-Signature, and no "
                            "Authorization beside them");
    }
    claim->request.timestamp = slice_of(claim->timestamp);
    if (signature_time(claim->request.timestamp, &at_ms) != 0 ||
        signature_parse(slice_of(claim->signature), given) != 0) {
        return problem_set(problem, PROBLEM_BAD_SIGNATURE,
                           "Florin-Timestamp is Unix time in milliseconds, Florin-Signature has "
                           "64 hex digits");
    }
    if (!signature_is_fresh(at_ms, now_ms)) {
        return problem_set(problem, PROBLEM_STALE_SIGNATURE,
                           "Florin-Timestamp is %llu; this node's clock says %llu",
                           (unsigned long long)at_ms, (unsigned long long)now_ms);
    }
    if (!c->has_box_key) {
        return problem_set(problem, PROBLEM_UNAVAILABLE,
                           "This node can't check signatures: it has no secret_box_file.");
    }
    return 0;
}

/* An unknown key is checked against a secret of no bytes, so that it takes the same way. */
static int check_signature(struct credentials *c, struct claim *claim, unsigned timeout_ms,
                           struct known_key *key, struct problem *problem)
{
    uint8_t given[SIGNATURE_BYTES], wanted[SIGNATURE_BYTES];
    struct slice secret = {"", 0};
    bool known, same;
    int found;

    if (check_form(c, claim, given, problem) != 0 ||
        may_try(c, slice_of(claim->key), claim->address, problem) != 0) {
        return -1;
    }
    found = find_key(c, slice_of(claim->key), timeout_ms, key, problem);
    if (found < 0) {
        return -1;
    }
    known = found == 1 && key->kind == KEY_HMAC;
    if (known && key->secret_len < 0) {
        return problem_set(problem, PROBLEM_UNAVAILABLE,
                           "This node's secret_box_file does not open this key's secret.");
    }
    if (known) {
        secret = (struct slice){key->secret, (size_t)key->secret_len};
    }
    signature_compute(secret, &claim->request, wanted);
    same = sodium_memcmp(given, wanted, sizeof wanted) == 0;
    if (!known || !same) {
        note_wrong(c, slice_of(claim->key), claim->address);
        return problem_set(problem, PROBLEM_BAD_SIGNATURE, "%s", "");
    }
    return 0;
}

/* The policy of whoever proved to hold the key. */
static int check_policy(struct credentials *c, const struct known_key *key, const char *address,
                        struct problem *problem)
{
    uint8_t from[ADDRESS_BYTES];
    bool may_come = !key->restricted;
    bool known = address != NULL && address_parse(slice_of(address), from) == 0;
    size_t i;

    if (key->principal_disabled) {
        return problem_set(problem, PROBLEM_FORBIDDEN, "%s is disabled.", key->who.name);
    }
    for (i = 0; !may_come && known && i < key->n_allowed; i++) {
        may_come = network_holds(&key->allowed[i], from);
    }
    if (!may_come) {
        return problem_set(problem, PROBLEM_FORBIDDEN, "%s may not call from this address.",
                           key->who.name);
    }
    if (key->rate_per_s > 0) {
        struct limiter_rule rule = {key->rate_per_s, SECOND_NS / (int64_t)key->rate_per_s};
        unsigned retry_after_s;

        if (!limiter_take(c->limiter, slice_of(key->id), rule, limiter_now_ns(), &retry_after_s)) {
            problem_set(problem, PROBLEM_RATE_LIMITED, "This key may make %u calls a second.",
                        key->rate_per_s);
            problem->retry_after_s = retry_after_s;
            return -1;
        }
    }
    return 0;
}

int credentials_check(struct credentials *c, struct claim *claim, unsigned timeout_ms,
                      struct principal *who, struct problem *problem)
{
    bool is_signed = claim->key != NULL || claim->timestamp != NULL || claim->signature != NULL;
    struct known_key key;
    int result = is_signed ? check_signature(c, claim, timeout_ms, &key, problem)
                           : check_bearer(c, claim, timeout_ms, &key, problem);

    if (result == 0) {
        result = check_policy(c, &key, claim->address, problem);
    }
    if (result == 0) {
        *who = key.who;
    }
    sodium_memzero(key.secret, sizeof key.secret);
    return result;
}
