#include "api/passwords.h"

#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <time.h>

enum { AT_ONCE = 4 };

_Static_assert(PASSWORD_TEXT_MAX == crypto_pwhash_STRBYTES, "room for a hash");

/* Nobody's: of the same cost as those that passwords_hash makes, with a salt and a result that came
 * from a random generator. */
static const char dummy[PASSWORD_TEXT_MAX] = "$argon2id$v=19$m=65536,t=2,p=1$q8yxsm8N0Zb0rT3uJ0kXUQ"
                                             "$T3bRk0fQ2mW5s1n7yXcLhVd9aEoPzUiGj4K6tB8qMvw";

struct passwords {
    pthread_mutex_t lock; /* guards `running` */
    pthread_cond_t turn;
    unsigned running;
};

struct passwords *passwords_new(void)
{
    struct passwords *p = calloc(1, sizeof *p);
    pthread_condattr_t attributes;

    if (p == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    /* One that can't be read, or costs less, would tell by the time who does not exist. */
    if (crypto_pwhash_str_needs_rehash(dummy, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                       crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
        abort();
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&p->turn, &attributes);
    pthread_condattr_destroy(&attributes);
    return p;
}

void passwords_free(struct passwords *p)
{
    pthread_cond_destroy(&p->turn);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static int take_turn(struct passwords *p, unsigned timeout_ms)
{
    struct timespec until;
    int rv = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&p->lock);
    while (p->running >= AT_ONCE && rv == 0) {
        rv = pthread_cond_timedwait(&p->turn, &p->lock, &until);
    }
    if (p->running < AT_ONCE) {
        p->running++;
        rv = 0;
    }
    pthread_mutex_unlock(&p->lock);
    return rv == 0 ? 0 : -1;
}

static void end_turn(struct passwords *p)
{
    pthread_mutex_lock(&p->lock);
    p->running--;
    pthread_cond_signal(&p->turn);
    pthread_mutex_unlock(&p->lock);
}

int passwords_hash(struct passwords *p, struct slice password, unsigned timeout_ms,
                   char hash[static PASSWORD_TEXT_MAX])
{
    int rv;

    if (take_turn(p, timeout_ms) != 0) {
        return -1;
    }
    rv = crypto_pwhash_str(hash, password.base, password.len, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                           crypto_pwhash_MEMLIMIT_INTERACTIVE);
    end_turn(p);
    return rv; /* -1: no memory for it, which is as if no turn had come */
}

int passwords_verify(struct passwords *p, struct slice password, struct slice hash,
                     unsigned timeout_ms)
{
    char text[PASSWORD_TEXT_MAX] = {0};
    bool somebody = hash.len > 0 && hash.len < sizeof text;
    int right;

    memcpy(text, somebody ? hash.base : dummy, somebody ? hash.len : sizeof dummy);
    if (take_turn(p, timeout_ms) != 0) {
        return -1;
    }
    right = crypto_pwhash_str_verify(text, password.base, password.len) == 0;
    end_turn(p);
    return somebody && right;
}
