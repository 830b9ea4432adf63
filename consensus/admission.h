/* Admission: how many tickets may be under way at once, by how long they take.
 *
 * What can't be carried has to be refused early: else everything waits longer and longer, until
 * callers give up on answers that were dearly made. A fixed number can't say how much is too much:
 * it depends on the machine, its disk, and the cluster's load through other nodes. So the time
 * decides that tickets need from the hand-in to the answer.
 *
 * What is too long is target_ms; but where a commit by itself takes long (nodes far apart, a slow
 * disk), it is ADMISSION_PATIENCE times what tickets take while few are under way, and so wait for
 * nobody: fewer at once would not make them quicker. ADMISSION_TARGETS_MAX targets at most.
 *
 * Guarantees: the limit is never above `max` and never below ADMISSION_FLOOR (or max, when that is
 * less); it falls only after two windows in a row whose tickets took too long on average while more
 * than the floor were under way, so that a pause (an election, a checkpoint, a disk's hiccup) is no
 * overload; while tickets are quicker than that, it rises again. After a long silence it is max.
 *
 * How: Little's law. What is under way is the rate times the delay; the rate is given, so a limit
 * that is smaller by target/delay gives the target's delay. What was handed in before the limit
 * fell waited behind more than that: it says nothing of the new limit. The limit rises by a 16th a
 * window, asked for or not: more than what is carried costs nothing until it is offered. */
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
    ADMISSION_SAMPLES_MIN = 16, /* fewer answers in a window are no overload */
    ADMISSION_PATIENCE = 2,
    ADMISSION_TARGETS_MAX = 4,
    ADMISSION_SILENCE_MS = 10000, /* what was before says nothing of what is now */
};

struct admission {
    uint32_t target_ms, floor, max;
    atomic_uint_fast32_t limit;
    atomic_uint_fast32_t peak; /* most under way in this window */

    /* The loop's: this window's answers. */
    uint64_t began_ms, took_ms;
    uint32_t answers;
    bool was_slow;       /* the window before this one */
    uint64_t lowered_ms; /* when the limit fell last */
    uint64_t alone_us;   /* how long tickets take while few are under way; 0: not known yet */
};

/* target_ms 0: the limit stays at max. */
void admission_init(struct admission *a, uint32_t target_ms, uint32_t max);

/* May one more come to `under_way`? Any thread. */
bool admission_admits(const struct admission *a, uint64_t under_way);

/* It came: now so many are under way. Any thread, one at a time. */
void admission_note(struct admission *a, uint64_t under_way);

/* One of `under_way` was carried out, took_ms after its hand-in. Loop thread; now_ms never goes
 * back. */
void admission_answered(struct admission *a, uint64_t now_ms, uint64_t took_ms, uint64_t under_way);

#endif
