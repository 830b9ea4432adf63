#include "consensus/admission.h"

enum { US_PER_MS = 1000, ALONE_WEIGHT = 8 };

void admission_init(struct admission *a, uint32_t target_ms, uint32_t max)
{
    *a = (struct admission){
        .target_ms = target_ms, .floor = max < ADMISSION_FLOOR ? max : ADMISSION_FLOOR, .max = max};
    atomic_init(&a->limit, max);
}

bool admission_admits(const struct admission *a, uint64_t under_way)
{
    return under_way < atomic_load(&a->limit);
}

void admission_note(struct admission *a, uint64_t under_way)
{
    if (under_way > atomic_load(&a->peak)) {
        atomic_store(&a->peak, (uint32_t)under_way);
    }
}

/* Weighted over some windows: one pause says little of it. */
static void note_alone(struct admission *a, uint64_t mean_us)
{
    if (a->alone_us == 0) {
        a->alone_us = mean_us;
    } else {
        a->alone_us = (a->alone_us * (ALONE_WEIGHT - 1) + mean_us) / ALONE_WEIGHT;
    }
}

static uint64_t too_long_us(const struct admission *a)
{
    uint64_t target_us = (uint64_t)a->target_ms * US_PER_MS;
    uint64_t patient_us = a->alone_us * ADMISSION_PATIENCE;

    if (patient_us > target_us * ADMISSION_TARGETS_MAX) {
        patient_us = target_us * ADMISSION_TARGETS_MAX;
    }
    return patient_us > target_us ? patient_us : target_us;
}

/* At most by half at once: the two windows may have seen what is over already. */
static uint64_t lowered(const struct admission *a, uint64_t limit, uint64_t mean_us)
{
    uint64_t peak = atomic_load(&a->peak);
    uint64_t used = peak < limit ? peak : limit;
    uint64_t half = used / 2;

    used = used * too_long_us(a) / mean_us;
    used = used > half ? used : half;
    return used > a->floor ? used : a->floor;
}

static void judge(struct admission *a, uint64_t now_ms)
{
    uint64_t limit = atomic_load(&a->limit);
    uint64_t mean_us = a->took_ms * US_PER_MS / a->answers;
    bool few = atomic_load(&a->peak) <= a->floor;
    bool slow = mean_us > too_long_us(a);
    bool crowded = slow && !few && a->answers >= ADMISSION_SAMPLES_MIN;

    if (few) {
        note_alone(a, mean_us);
    }
    if (crowded && a->was_slow) {
        limit = lowered(a, limit, mean_us);
        a->lowered_ms = now_ms;
    } else if (!slow) {
        limit += limit / 16 + 1;
        limit = limit < a->max ? limit : a->max;
    }
    atomic_store(&a->limit, (uint32_t)limit);
    a->was_slow = crowded;
}

/* A window, with its first answer. */
static void begin(struct admission *a, uint64_t now_ms)
{
    if (now_ms >= a->began_ms + ADMISSION_SILENCE_MS) {
        atomic_store(&a->limit, a->max);
        a->was_slow = false;
    }
    a->began_ms = now_ms;
}

void admission_answered(struct admission *a, uint64_t now_ms, uint64_t took_ms, uint64_t under_way)
{
    uint64_t handed_in_ms = now_ms - took_ms;

    if (a->target_ms == 0 || handed_in_ms < a->lowered_ms) {
        return;
    }
    if (a->answers == 0) {
        begin(a, now_ms);
    }
    a->took_ms += took_ms;
    a->answers++;
    if (now_ms < a->began_ms + ADMISSION_WINDOW_MS) {
        return;
    }
    judge(a, now_ms);
    atomic_store(&a->peak, (uint32_t)under_way);
    a->began_ms = now_ms;
    a->took_ms = 0;
    a->answers = 0;
}
