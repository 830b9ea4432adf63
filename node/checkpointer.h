/* The checkpointer thread: writes the machine's frozen set of changes to the store.
 *
 * One checkpoint at a time. The loop freezes the set and starts it; the thread writes; the loop is
 * woken, and finishes. A write that finds no room on the disk may be started again; one that fails
 * in another way is kept for the loop to see: it stops the node. */
#ifndef FLORIN_CHECKPOINTER_H
#define FLORIN_CHECKPOINTER_H

#include "statemachine/machine.h"

struct checkpointer;

/* `wake` is called on the thread when a checkpoint has been written. */
struct checkpointer *checkpointer_new(void (*wake)(void *context), void *context);

/* Waits for a write under way, ends the thread. */
void checkpointer_free(struct checkpointer *c);

/* Loop thread. The machine has begun a checkpoint and stays open until finish. */
void checkpointer_start(struct checkpointer *c, struct machine *machine);

/* Loop thread. 1: written, took duration_us; 0: nothing finished; -1: the write failed;
 * STORE_NO_ROOM with the fault: the set is as it was, start it again when there is room. */
int checkpointer_finish(struct checkpointer *c, uint64_t *duration_us, struct fault *fault);

/* Waits until no write is under way. */
void checkpointer_wait(struct checkpointer *c);

bool checkpointer_busy(struct checkpointer *c);

/* How long until this node's next checkpoint that is due by time: about interval_ms, half of it at
 * least. Each node has a place of its own in the interval, by the clock that all share, so that
 * not all disks of a cluster are busy with checkpoints at the same moment: a majority can always
 * sync its log undisturbed. Any thread. */
uint64_t checkpointer_wait_ms(uint64_t node_id, uint64_t interval_ms, uint64_t wall_clock_ms);

#endif
