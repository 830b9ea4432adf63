/* How often something may happen, by name: so many at once, so many over time.
 *
 * Guarantees: a name is never let through more often than its rule says while its bucket is kept;
 * memory is fixed. Buckets that are full again are the first to make room; when nothing else is
 * left, the fullest one does, so a flood of names can at worst give a name its burst again.
 *
 * How: a bucket is one number, the time at which it is full again (the "generic cell rate
 * algorithm"); buckets lie in small sets, chosen by a keyed hash that a client can't foresee, and
 * each group of sets has its own lock. Any thread. */
#ifndef FLORIN_LIMITER_H
#define FLORIN_LIMITER_H

#include "statemachine/bytes.h"

struct limiter;

struct limiter_rule {
    uint32_t burst;      /* at once; above zero */
    int64_t interval_ns; /* one more after each of these */
};

struct limiter *limiter_new(void);
void limiter_free(struct limiter *l);

/* The clock that limiter_take goes by, in nanoseconds; it never goes back. */
int64_t limiter_now_ns(void);

/* True: it may happen now, and is counted. False: not before *retry_after_s seconds (rounded up)
 * have passed; nothing is counted. The name may be any bytes. */
bool limiter_take(struct limiter *l, struct slice name, struct limiter_rule rule, int64_t now_ns,
                  unsigned *retry_after_s);

/* Whether limiter_take would let it happen now; counts nothing. */
bool limiter_may(struct limiter *l, struct slice name, struct limiter_rule rule, int64_t now_ns,
                 unsigned *retry_after_s);

#endif
