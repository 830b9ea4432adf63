#include "consensus/admission.h"

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

/* At most by half at once: the two windows may have seen what is over already. */
static uint64_t lowered(const struct admission *a, uint64_t limit, uint64_t mean_ms)
{
    uint64_t peak = atomic_load(&a->peak);
    uint64_t used = peak < limit ? peak : limit;
    uint64_t half = used / 2;

    used = used * a->target_ms / mean_ms;
    used = used > half ? used : half;
    return used > a->floor ? used : a->floor;
}

static void judge(struct admission *a)
{
    uint64_t limit = atomic_load(&a->limit);
    uint64_t mean_ms = a->took_ms / a->answers;
    bool slow = mean_ms > a->target_ms;

    if (slow && a->was_slow) {
        limit = lowered(a, limit, mean_ms);
    } else if (!slow) {
        limit += limit / 16 + 1;
        limit = limit < a->max ? limit : a->max;
    }
    atomic_store(&a->limit, (uint32_t)limit);
    a->was_slow = slow;
}

void admission_answered(struct admission *a, uint64_t now_ms, uint64_t took_ms)
{
    a->took_ms += took_ms;
    a->answers++;
    if (a->target_ms == 0 || now_ms < a->began_ms + ADMISSION_WINDOW_MS) {
        return;
    }
    if (a->answers >= ADMISSION_SAMPLES_MIN) {
        judge(a);
    }
    atomic_store(&a->peak, 0);
    a->began_ms = now_ms;
    a->took_ms = 0;
    a->answers = 0;
}
