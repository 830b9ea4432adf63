/* A struct store in memory that loses nothing it committed and shows nothing it did not.
 *
 * A commit is there whole when it returns; a reader sees the commit as of its last renew. The data
 * outlives the machine that has it open, as a folder outlives a process. */
#ifndef FLORIN_SIM_STORE_H
#define FLORIN_SIM_STORE_H

#include "statemachine/store.h"

struct sim_store;

struct sim_store *sim_store_new(void);
void sim_store_free(struct sim_store *s);

/* As long as it is full, commits are refused (STORE_NO_ROOM). */
void sim_store_set_full(struct sim_store *s, bool full);

/* What is committed now, as another store: a copy of a node's state. */
struct sim_store *sim_store_copy(const struct sim_store *s);

/* Opens it: at most one machine at a time. The interface's close ends the reading only. */
void sim_store_open(struct sim_store *s, struct store *store);

#endif
