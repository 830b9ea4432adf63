/* The checkpointer thread: writes the machine's frozen set of changes to the store.
 *
 * One checkpoint at a time. The loop freezes the set and starts it; the thread writes; the loop is
 * woken, and finishes. What can be written little by little is, a part at a time, and the nodes of
 * a cluster take turns at that, too, unless somebody waits: logs are to be synced meanwhile. A
 * write that finds no room on the disk may be started again; one that fails in another way is kept
 * for the loop to see: it stops the node. */
#ifndef FLORIN_CHECKPOINTER_H
#define FLORIN_CHECKPOINTER_H

#include "statemachine/machine.h"

struct checkpointer;

/* `wake` is called on the thread when a checkpoint has been written. */
struct checkpointer *checkpointer_new(uint64_t node_id, void (*wake)(void *context), void *context);

/* Waits for a write under way, without pauses, ends the thread. */
void checkpointer_free(struct checkpointer *c);

/* Loop thread. The machine has begun a checkpoint and stays open until finish. */
void checkpointer_start(struct checkpointer *c, struct machine *machine);

/* Loop thread. No more pauses in the checkpoint under way, if any: the next one is due. */
void checkpointer_hurry(struct checkpointer *c);

/* Loop thread. 1: written, and was durable after duration_us; 0: nothing finished; -1: the write
 * failed; STORE_NO_ROOM with the fault: the set is as it was, start it again when there is room. */
int checkpointer_finish(struct checkpointer *c, uint64_t *duration_us, struct fault *fault);

/* Waits until no write is under way; there are no more pauses in it. */
void checkpointer_wait(struct checkpointer *c);

bool checkpointer_busy(struct checkpointer *c);

/* The nodes of a cluster apply the same commands, so their checkpoints would all come at the same
 * moment, and every disk would be busy with one when the log is to be synced. So each node has a
 * place of its own in a cycle, by the clock that all share, and a majority can sync undisturbed.
 *
 * How long until this node's next place in the cycle: 1 to cycle_ms. Any thread. */
uint64_t checkpointer_turn_ms(uint64_t node_id, uint64_t cycle_ms, uint64_t wall_clock_ms);

/* How many bytes of changes wait for no turn: twice as many as a checkpoint is wanted at, or a
 * quarter of the way from there to `hard`, at which nothing is applied any more. Any thread. */
uint64_t checkpointer_urgent_bytes(uint64_t wanted, uint64_t hard);

/* How long until this node's next checkpoint that is due by time: about interval_ms, half of it at
 * least, at its place in the interval. Any thread. */
uint64_t checkpointer_wait_ms(uint64_t node_id, uint64_t interval_ms, uint64_t wall_clock_ms);

#endif
