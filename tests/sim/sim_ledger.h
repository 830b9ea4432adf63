/* The rules of the money once more, small and naive: every record that the cluster makes is decided
 * here a second time, from the records before it alone.
 *
 * What must hold: the chain (each record names the hash of the one before it), a clock that never
 * goes back, each verdict, each movement, each balance after it. So a bug in the rules shows at the
 * record that it spoils, on whichever node. It knows what the clients of the simulator do, and
 * nothing else. */
#ifndef FLORIN_SIM_LEDGER_H
#define FLORIN_SIM_LEDGER_H

#include "statemachine/record.h"
#include "tests/sim/sim.h"

struct ledger;

struct ledger *ledger_new(void);
void ledger_free(struct ledger *l);

/* The next record. `of_refused`: it is what remains of an atomic command, whose items before this
 * one were taken back: what was too little for it was so with them. */
void ledger_record(struct world *w, const struct record *r, bool of_refused);

/* Whether a bet or win at or before `seq` opened the player's round. */
bool ledger_has_round(const struct ledger *l, uint32_t player, uint32_t round, uint64_t seq);

#endif
