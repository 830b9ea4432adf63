#include "api/limiter.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

enum { SHARDS = 64, SETS = 32, WAYS = 8 };

static const int64_t SECOND = 1000000000;

struct bucket {
    uint64_t hash;   /* of the name; 64 keyed bits: two names never meet in practice */
    int64_t full_ns; /* when it is full again; a time gone by: it is full, and may be taken */
};

struct shard {
    pthread_mutex_t lock;
    struct bucket buckets[SETS][WAYS];
};

struct limiter {
    uint8_t key[crypto_shorthash_KEYBYTES];
    struct shard shards[SHARDS];
};

struct limiter *limiter_new(void)
{
    struct limiter *l = calloc(1, sizeof *l);
    size_t i;

    if (l == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    randombytes_buf(l->key, sizeof l->key);
    for (i = 0; i < SHARDS; i++) {
        pthread_mutex_init(&l->shards[i].lock, NULL);
    }
    return l;
}

void limiter_free(struct limiter *l)
{
    size_t i;

    for (i = 0; i < SHARDS; i++) {
        pthread_mutex_destroy(&l->shards[i].lock);
    }
    free(l);
}

int64_t limiter_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * SECOND + now.tv_nsec;
}

static struct bucket *bucket_find(struct bucket set[WAYS], uint64_t hash)
{
    size_t i;

    for (i = 0; i < WAYS; i++) {
        if (set[i].hash == hash) {
            return &set[i];
        }
    }
    return NULL;
}

/* The fullest bucket of the set, emptied of whose it was. */
static struct bucket *bucket_make(struct bucket set[WAYS], uint64_t hash)
{
    struct bucket *fullest = &set[0];
    size_t i;

    for (i = 1; i < WAYS; i++) {
        if (set[i].full_ns < fullest->full_ns) {
            fullest = &set[i];
        }
    }
    *fullest = (struct bucket){.hash = hash};
    return fullest;
}

static bool look(struct limiter *l, struct slice name, struct limiter_rule rule, int64_t now_ns,
                 bool take, unsigned *retry_after_s)
{
    uint8_t digest[crypto_shorthash_BYTES];
    struct bucket *set, *b;
    struct shard *shard;
    uint64_t hash;
    int64_t full, too_long;

    crypto_shorthash(digest, (const uint8_t *)name.base, name.len, l->key);
    memcpy(&hash, digest, sizeof hash);
    shard = &l->shards[hash % SHARDS];

    pthread_mutex_lock(&shard->lock);
    set = shard->buckets[hash / SHARDS % SETS];
    b = bucket_find(set, hash);
    full = (b != NULL && b->full_ns > now_ns ? b->full_ns : now_ns) + rule.interval_ns;
    too_long = full - now_ns - rule.interval_ns * (int64_t)rule.burst;
    if (take && too_long <= 0) {
        b = b == NULL ? bucket_make(set, hash) : b;
        b->full_ns = full;
    }
    pthread_mutex_unlock(&shard->lock);

    *retry_after_s = too_long <= 0 ? 0 : (unsigned)((too_long + SECOND - 1) / SECOND);
    return too_long <= 0;
}

bool limiter_take(struct limiter *l, struct slice name, struct limiter_rule rule, int64_t now_ns,
                  unsigned *retry_after_s)
{
    return look(l, name, rule, now_ns, true, retry_after_s);
}

bool limiter_may(struct limiter *l, struct slice name, struct limiter_rule rule, int64_t now_ns,
                 unsigned *retry_after_s)
{
    return look(l, name, rule, now_ns, false, retry_after_s);
}
