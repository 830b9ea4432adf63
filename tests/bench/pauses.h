/* Whether the machine itself stood still: on each processor a thread before all others sleeps a
 * millisecond at a time and notes when it slept for much longer. In a virtual machine that is the
 * host's doing; a latency that falls into it is not the program's.
 *
 * Needs the right to SCHED_FIFO; without it, what it notes may be the load's own doing, and
 * pauses.sure is false. */
#ifndef FLORIN_BENCH_PAUSES_H
#define FLORIN_BENCH_PAUSES_H

#include <stdbool.h>

struct pauses {
    unsigned n; /* of more than 10 ms, on all processors together */
    double total_ms, longest_ms;
    bool sure;
};

struct pause_watch;

/* Any thread; the caller's until pauses_end, which frees it. */
struct pause_watch *pauses_begin(void);
struct pauses pauses_end(struct pause_watch *watch);

#endif
