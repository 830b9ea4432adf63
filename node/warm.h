/* Reads the state into memory at a start, from its file's begin to its end, as fast as the disk
 * can.
 *
 * Without it the first bets of a node that comes back would wait for the disk page by page: each
 * player's balance, and the keys that the filter of ids is made from, stand on another page. Only
 * as much as half of the memory that is free; what is read may be dropped again by the kernel at
 * any time. Nothing waits for it, and when it fails, nothing but time is lost. */
#ifndef FLORIN_WARM_H
#define FLORIN_WARM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include "statemachine/report.h"

struct warm {
    uv_work_t work;
    char path[1200];
    uint64_t most_bytes, bytes, began_ms;
    atomic_bool stop;
    bool ended; /* loop thread */
    struct reporter *reporter;
};

/* Loop thread; the reading is the thread pool's. `w` stays until the loop has run to its end. */
void warm_start(struct warm *w, uv_loop_t *loop, const char *folder, struct reporter *reporter);
/* It ends soon. */
void warm_stop(struct warm *w);

#endif
