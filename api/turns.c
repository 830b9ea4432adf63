#include "api/turns.h"

#include <time.h>

void turns_init(struct turns *t, unsigned at_once)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->ended, &attributes);
    pthread_condattr_destroy(&attributes);
    t->left = at_once;
}

void turns_release(struct turns *t)
{
    pthread_cond_destroy(&t->ended);
    pthread_mutex_destroy(&t->lock);
}

int turns_take(struct turns *t, unsigned timeout_ms)
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
    pthread_mutex_lock(&t->lock);
    while (t->left == 0 && rv == 0) {
        rv = pthread_cond_timedwait(&t->ended, &t->lock, &until);
    }
    if (t->left > 0) {
        t->left--;
        rv = 0;
    }
    pthread_mutex_unlock(&t->lock);
    return rv == 0 ? 0 : -1;
}

void turns_end(struct turns *t)
{
    pthread_mutex_lock(&t->lock);
    t->left++;
    pthread_cond_signal(&t->ended);
    pthread_mutex_unlock(&t->lock);
}
