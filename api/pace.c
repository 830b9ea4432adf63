#include "api/pace.h"

enum { GAP_US = 1000000 / PACE_PER_S, FREE_US = 16 * GAP_US };

uint64_t pace_refusal_us(struct pace *p, uint64_t now_us)
{
    uint64_t furthest = now_us + PACE_WAIT_MAX_MS * 1000;
    uint64_t before = atomic_load(&p->turn_us);
    uint64_t turn;

    do {
        /* Time that nobody used is kept for a few, so that they wait for nothing. */
        turn = (before + FREE_US > now_us ? before : now_us - FREE_US) + GAP_US;
        turn = turn < furthest ? turn : furthest;
    } while (!atomic_compare_exchange_weak(&p->turn_us, &before, turn));
    return turn > now_us ? turn - now_us : 0;
}
