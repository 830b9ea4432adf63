#include "api/credential.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "api/ask.h"

/* Slots are found by hash and simply overwritten: only keys that exist get in, so nobody can push
 * others out on purpose, and a lost slot costs one look-up. */
enum { SLOTS = 1024, SECRET_LEN_MAX = 256 };

struct known_key {
    char id[ID_MAX + 1]; /* empty: a free slot */
    struct principal who;
    uint8_t secret_hash[SECRET_HASH_BYTES];
};

struct credentials {
    struct gate *gate;

    pthread_rwlock_t lock; /* guards the next two */
    uint64_t version;      /* of the directory that the slots were read from */
    struct known_key slots[SLOTS];

    pthread_mutex_t ration_lock; /* guards the next two */
    int64_t ration_ns;           /* time saved up; one read costs a second's 200th part */
    int64_t ration_at_ns;        /* when it was last counted */
};

enum { SECOND_NS = 1000000000, READ_COST_NS = SECOND_NS / UNKNOWN_KEYS_PER_SECOND };

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND_NS + now.tv_nsec;
}

struct credentials *credentials_new(struct gate *gate)
{
    struct credentials *c = calloc(1, sizeof *c);

    if (c == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    c->gate = gate;
    c->ration_ns = SECOND_NS;
    c->ration_at_ns = now_ns();
    pthread_rwlock_init(&c->lock, NULL);
    pthread_mutex_init(&c->ration_lock, NULL);
    return c;
}

void credentials_free(struct credentials *c)
{
    pthread_mutex_destroy(&c->ration_lock);
    pthread_rwlock_destroy(&c->lock);
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
    int64_t now = now_ns();
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

/* 1 and the key, 0 when the state asked does not know it, -1 and the problem. */
static int look_up(struct credentials *c, enum ticket_kind kind, struct slice id,
                   unsigned timeout_ms, struct known_key *key, struct problem *problem)
{
    const struct query q = {.type = QUERY_KEY, .name = id};
    struct ticket *held;
    struct answer a;
    int found;

    if (ask_query(c->gate, kind, &q, timeout_ms, &held, &a, problem) != 0) {
        return -1;
    }
    found = a.verdict == VERDICT_APPLIED && !a.disabled && a.principal.len <= ID_MAX;
    if (found) {
        memset(key, 0, sizeof *key);
        memcpy(key->id, id.base, id.len);
        memcpy(key->who.name, a.principal.base, a.principal.len);
        key->who.role = a.role;
        memcpy(key->secret_hash, a.secret_hash, SECRET_HASH_BYTES);
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

int credentials_check(struct credentials *c, const char *authorization, unsigned timeout_ms,
                      struct principal *who, struct problem *problem)
{
    struct known_key key;
    uint8_t hash[SECRET_HASH_BYTES];
    struct slice id, secret;
    const char *dot;
    int found;

    if (authorization == NULL || strncasecmp(authorization, "Bearer ", 7) != 0) {
        return bad(problem, "Expected the header Authorization: Bearer KEYID.SECRET");
    }
    id.base = authorization + 7 + strspn(authorization + 7, " ");
    dot = strchr(id.base, '.');
    id.len = dot == NULL ? 0 : (size_t)(dot - id.base);
    if (!id_valid(id)) {
        return bad(problem, "Expected the header Authorization: Bearer KEYID.SECRET");
    }
    secret = slice_of(dot + 1);
    if (secret.len == 0 || secret.len > SECRET_LEN_MAX) {
        return bad(problem, "");
    }
    found = find_key(c, id, timeout_ms, &key, problem);
    if (found < 0) {
        return -1;
    }
    credential_hash(secret, hash);
    if (found == 0 || sodium_memcmp(hash, key.secret_hash, sizeof hash) != 0) {
        return bad(problem, "");
    }
    *who = key.who;
    return 0;
}
