/* Clients: each has one ticket open at a time, as a worker thread has, and remembers every answer.
 *
 * Money ids are "t0", "t1" ...: an intent. One intent may be tried many times, at any node, also
 * after it was answered, also with another content; what it once was answered it must be for ever.
 */
#ifndef FLORIN_SIM_CLIENT_H
#define FLORIN_SIM_CLIENT_H

#include "statemachine/outcome.h"
#include "tests/sim/sim_node.h"

struct clients;

struct clients *clients_new(struct world *w);
void clients_free(struct clients *c);

/* Looks which tickets of this node are done. */
void clients_look(struct world *w, struct node *n);
/* The process died: nobody will ever know. */
void clients_lost(struct world *w, struct node *n);

/* The number in an id of ours, "t17" or "t17:confirm": 0, or -1. How long a withdrawal is held. */
int clients_number(struct slice id, uint64_t *number);
/* The number in a round's name, "round7": 0 for none, or -1. */
int clients_round(struct slice name);
enum { SIM_ROUNDS = 256 };

uint32_t clients_hold_s(uint64_t number);

/* A record was made, for the first time on any node. */
void clients_recorded(struct world *w, const struct record *r);

/* A session as the first node that applied something about it has it; and what it should be for a
 * bet that names it then. */
void clients_session(struct world *w, const struct session_info *s);
bool clients_session_over(const struct world *w, struct slice name, uint64_t at_ms);

/* When all is quiet: one money command at this node, which nothing excuses from an answer. */
void clients_probe(struct world *w, struct node *n);

/* From now on no answer but OK is good: the trouble is over. And: no new questions. */
void clients_expect(struct world *w);
void clients_close(struct world *w);
bool clients_quiet(const struct world *w); /* all is answered */
void clients_end(struct world *w);

#endif
