/* A timer of the loop for less than a millisecond, which is the least that libuv's know.
 *
 * Loop thread only. Times are those of uv_hrtime, in microseconds. */
#ifndef FLORIN_SHORT_TIMER_H
#define FLORIN_SHORT_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct short_timer {
    uv_poll_t poll;
    int fd;
    uint64_t at_us; /* 0: not set */
    void (*fire)(void *context);
    void *context;
};

/* 0, or libuv's error: then there is nothing to close. */
int short_timer_init(struct short_timer *t, uv_loop_t *loop, void (*fire)(void *context),
                     void *context);

/* Fires once at `at_us`, in the next turn if that is over; one that is set for the same time or an
 * earlier one stays. */
void short_timer_set(struct short_timer *t, uint64_t at_us);

/* The loop has to turn once more. */
void short_timer_close(struct short_timer *t);

#endif
