/* Admission: how many tickets may be under way at once, by how long they take.
 *
 * What can't be carried has to be refused early: else everything waits longer and longer, until
 * callers give up on answers that were dearly made. A fixed number can't say how much is too much:
 * it depends on the machine, its disk, and the cluster's load through other nodes. So the time
 * decides that tickets need from the hand-in to the answer.
 *
 * Guarantees: the limit is never above `max` and never below ADMISSION_FLOOR (or max, when that is
 * less); it falls only after two windows in a row whose tickets took longer than the target on
 * average, so that a pause (an election, a checkpoint, a disk's hiccup) is no overload; while
 * tickets are quicker than that, it rises again.
 *
 * How: Little's law. What is under way is the rate times the delay; the rate is given, so a limit
 * that is smaller by target/delay gives the target's delay. The limit rises by a 16th a window,
 * asked for or not: more than what is carried costs nothing until it is offered. */
#ifndef FLORIN_ADMISSION_H
#define FLORIN_ADMISSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    ADMISSION_WINDOW_MS = 100,
    /* Fewer are no queue, however long they take: a batch takes its time by itself, and a slow
     * disk's commits do; group commit wants company. */
    ADMISSION_FLOOR = 64,
    ADMISSION_SAMPLES_MIN = 16, /* fewer answers say nothing about a window */
};

struct admission {
    uint32_t target_ms, floor, max;
    atomic_uint_fast32_t limit;
    atomic_uint_fast32_t peak; /* most under way in this window */

    /* The loop's: this window's answers. */
    uint64_t began_ms, took_ms;
    uint32_t answers;
    bool was_slow; /* the window before this one */
};

/* target_ms 0: the limit stays at max. */
void admission_init(struct admission *a, uint32_t target_ms, uint32_t max);

/* May one more come to `under_way`? Any thread. */
bool admission_admits(const struct admission *a, uint64_t under_way);

/* It came: now so many are under way. Any thread, one at a time. */
void admission_note(struct admission *a, uint64_t under_way);

/* One was carried out, took_ms after its hand-in. Loop thread; now_ms never goes back. */
void admission_answered(struct admission *a, uint64_t now_ms, uint64_t took_ms);

#endif
