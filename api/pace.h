/* The pace of refusals: what keeps refusing from taking the time of what is carried.
 *
 * Reading a request and answering 503 costs a good part of what a bet costs. Clients that ask again
 * at once, instead of after Retry-After, could so have a node do little but refuse. So each refusal
 * is answered at once, but the next request on its connection is read only when it is that
 * refusal's turn: PACE_PER_S in a second, and never later than after PACE_WAIT_MAX_MS, the
 * shortest Retry-After. Who waits that long never notices. TCP holds back who does not.
 *
 * One number says it all: when the last refusal's turn will be. A few refusals in a row find it in
 * the past, and do not wait. */
#ifndef FLORIN_PACE_H
#define FLORIN_PACE_H

#include <stdatomic.h>
#include <stdint.h>

enum { PACE_PER_S = 1000, PACE_WAIT_MAX_MS = 1000 };

struct pace {
    atomic_uint_fast64_t turn_us;
};

/* One more refusal, at now_us of a clock that never goes back: how long its connection waits before
 * it is read again. Any thread. */
uint64_t pace_refusal_us(struct pace *p, uint64_t now_us);

#endif
