/* How much room is left where the data folder is, and what follows from it.
 *
 * The node is short of room when less than `disk_reserve` is free, and until there is a quarter
 * more than that again; and while a checkpoint waits for room. Then replica_room does what has to
 * be done. The log says so once, with the remedy. Loop thread. */
#ifndef FLORIN_ROOM_H
#define FLORIN_ROOM_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/report.h"

struct node;

struct room {
    uint64_t free_bytes;
    bool is_short;
    bool checkpoint_waits; /* the last one found no room; it is tried again at each look */
    uint64_t look_at_ms;
};

/* In each pump; looks when it is time to. 0, or -1: the replica is broken. */
int room_look(struct node *n, struct fault *fault);

/* Whether a checkpoint may be begun: not when it could take the last room from the log. */
bool room_for_checkpoint(const struct node *n);

/* A checkpoint found no room, or was written. */
void room_checkpoint(struct node *n, const struct fault *no_room);

/* How many bytes a state that is fetched may have. */
uint64_t room_for_copy(void *node);

#endif
