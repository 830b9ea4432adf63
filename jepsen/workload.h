/* What clients do. A workload is one step, made over and over by each of its clients. */
#ifndef FLORIN_WORKLOAD_H
#define FLORIN_WORKLOAD_H

#include "jepsen/client.h"

struct workload {
    const char *name;
    void (*step)(struct client *c);
};

/* Bets, wins, rollbacks, deposits, withdrawals, steps that belong together; also again with the
 * same id, and again with the same id and another content. */
extern const struct workload workload_bank;
/* Few players, written and read at once at all nodes: is what is read never old? */
extern const struct workload workload_register;
/* Many clients send the same id at the same time, some with another content. */
extern const struct workload workload_idempotency;
/* The ledger grows and is read page by page at all nodes: is its order one and the same? */
extern const struct workload workload_append;

/* The n-th, NULL after the last. */
const struct workload *workload_nth(unsigned n);

enum { PLAYERS = 12 }; /* p0 ..: the first BANK_PLAYERS for the bank, then registers, then others */
enum { BANK_PLAYERS = 6, REGISTER_PLAYERS = 3, IDEMPOTENCY_PLAYERS = 2, APPEND_PLAYERS = 1 };

#endif
