/* What the state machine's own files share. */
#ifndef FLORIN_MACHINE_PRIVATE_H
#define FLORIN_MACHINE_PRIVATE_H

#include "statemachine/machine.h"
#include "statemachine/state.h"

struct machine {
    struct state state;
    struct machine_options options;
    uint64_t applied_index;
    uint64_t frozen_index;  /* the index that the running checkpoint stands for */
    uint64_t durable_index; /* ... and the last one that ended */
    bool in_entry;          /* some commands of entry applied_index + 1 are applied */
    bool broken;            /* a fault was met: nothing is applied any more */
    struct bytes records;   /* of the answer that is being made */
};

/* What the rules decide about one command. Zero is: applied, no record. */
struct decision {
    enum verdict verdict;
    bool replayed;
    bool has_record;
    int64_t balance_now_minor;
    unsigned conflicts;
    struct slice sealed; /* with a record; borrows until the next command */
};

/* The rules, one function for each kind of command. 0 with the decision made and all its changes
 * put, or -1: this replica is broken. */
int rules_money(struct state *s, const struct command *c, struct decision *d, struct fault *fault);
int rules_currency_create(struct state *s, const struct command *c, struct decision *d,
                          struct fault *fault);
int rules_principal_create(struct state *s, const struct command *c, struct decision *d,
                           struct fault *fault);
int rules_key_create(struct state *s, const struct command *c, struct decision *d,
                     struct fault *fault);
int rules_player_create(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault);

#endif
