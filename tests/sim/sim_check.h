/* What must hold, whatever happens:
 *
 * - an entry that one node applied is applied by every node at the same index with the same term,
 *   the same bytes, the same outcomes and the same chain head after it, also after a restart;
 * - logs match: one index and term is one entry, behind one entry before it, in every log; nothing
 *   is written over an entry that anybody has applied;
 * - each record is what the rules say (sim_ledger.h);
 * - no term has two leaders;
 * - what was acknowledged is in the ledger, once, with the outcome that was told, for ever;
 * - what was said to be certainly not applied is not there;
 * - the members change by one member or one role at a time, and no id is used twice; what an
 *   operator was told to be done was done;
 * - a linearizable read shows the ledger as of a moment between its question and its answer;
 * - when the trouble is over, a leader is found, everybody is answered, all nodes have one state,
 *   and that state's books are in order. */
#ifndef FLORIN_SIM_CHECK_H
#define FLORIN_SIM_CHECK_H

#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_node.h"

enum { SIM_PLAYERS = 4 };

/* What the first node that applied an index found. */
struct index_fact {
    uint64_t term;
    uint64_t
        known_in; /* the first applier's term then: every leader of a later one has the entry */
    uint64_t payload;
    uint64_t outcomes;
    uint8_t head[MACHINE_CHECK_BYTES];
};

/* One entry in somebody's log. */
struct log_fact {
    uint64_t index, term; /* index 0: a free place */
    uint64_t term_before; /* of the entry before it */
    uint64_t payload;
};

/* One ledger record, by seq. */
struct seq_fact {
    uint8_t hash[HASH_BYTES];
    uint32_t player;
    int64_t balance_minor; /* the player's, right after */
};

/* Members as of one committed configuration, by id. */
enum sim_role { SIM_ABSENT, SIM_STANDBY, SIM_VOTER };
struct member_fact {
    uint8_t role[SIM_NODES_MAX + 1];
};

struct check {
    struct member_fact *members; /* one for each configuration applied, in order */
    uint64_t n_members, cap_members;
    struct index_fact *indexes; /* [0] is index 1 */
    uint64_t n_indexes, cap_indexes;
    struct log_fact *logged; /* by index and term: a hash table */
    uint64_t n_logged, cap_logged;
    struct seq_fact *ledger; /* [0] is seq 1 */
    uint64_t n_ledger, cap_ledger;
    uint64_t *leaders; /* by term; 0: none seen */
    uint64_t cap_leaders;
    struct ledger *rules;
    uint64_t acknowledged; /* the highest seq that any client has been told of */

    /* For the summary. */
    uint64_t reads, answers;
};

struct check *check_new(void);
void check_free(struct check *c);

/* sim_fsm.c tells what is applied. */
void check_outcome(struct world *w, struct node *n, uint64_t index, struct slice outcome);
void check_entry(struct world *w, struct node *n, uint64_t index);

/* sim_storage.c tells what a log holds durably now. */
void check_logged(struct world *w, struct node *n, const struct log_entry *e, uint64_t term_before);

/* Whether the newest members that anybody has applied have this one. */
bool check_is_member(const struct check *c, uint64_t id);

/* After each pump. */
void check_node(struct world *w, struct node *n);

/* True when some seq from `low` to `high` left the player with this balance; *as_of is the first.
 */
bool check_balance(const struct check *c, uint32_t player, int64_t balance_minor, uint64_t low,
                   uint64_t high, uint64_t *as_of);

/* True when everybody has applied everything and one leads. */
bool check_settled(const struct world *w);
/* Where everybody stands, for the trace of a run that does not settle. */
void check_say(struct world *w);
/* Once it has settled. */
void check_end(struct world *w);

/* "player3" is 3; -1: none of ours. */
int check_player(struct slice name);

#endif
