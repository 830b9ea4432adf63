/* Turns at work that takes much memory: only so many at once, the others wait. Any thread. */
#ifndef FLORIN_TURNS_H
#define FLORIN_TURNS_H

#include <pthread.h>

struct turns {
    pthread_mutex_t lock; /* guards `left` */
    pthread_cond_t ended;
    unsigned left;
};

void turns_init(struct turns *t, unsigned at_once);
void turns_release(struct turns *t);

/* 0, or -1 when none came within timeout_ms. */
int turns_take(struct turns *t, unsigned timeout_ms);
void turns_end(struct turns *t);

#endif
