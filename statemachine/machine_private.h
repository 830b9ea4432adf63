/* What the state machine's own files share. */
#ifndef FLORIN_MACHINE_PRIVATE_H
#define FLORIN_MACHINE_PRIVATE_H

#include "statemachine/machine.h"
#include "statemachine/state.h"

/* Commands are read some places ahead: far enough that memory has come, and no further, or what
 * came is gone again. */
enum { AHEAD_MOST = 8, AHEAD_ENTRIES = 4 };

/* A command that was read before it is applied. */
struct ahead {
    const void *bytes;
    size_t len;
    struct command command;
    struct command_keys keys;
};

struct machine {
    struct state state;
    struct machine_options options;
    uint64_t applied_index;
    uint64_t frozen_index;  /* the index that the running checkpoint stands for */
    uint64_t durable_index; /* ... and the last one that ended */
    bool in_entry;          /* some commands of entry applied_index + 1 are applied */
    bool broken;            /* a fault was met: nothing is applied any more */
    struct ahead *ahead;    /* a ring of AHEAD_MOST */
    unsigned first_ahead, n_ahead;
    struct bytes records; /* of the answer that is being made; or its rounds */
};

/* Answers about other things than the ledger (queries_play.c). */
int query_key(struct machine *m, const struct query *q, struct answer *a, struct fault *fault);
int query_principal(struct machine *m, const struct query *q, struct answer *a,
                    struct fault *fault);
int query_player(struct machine *m, const struct query *q, struct answer *a, struct fault *fault);
int query_password(struct machine *m, const struct query *q, struct answer *a, struct fault *fault);
int query_session(struct machine *m, const struct query *q, struct answer *a, struct fault *fault);
int query_rounds(struct machine *m, const struct query *q, struct answer *a, struct fault *fault);

/* What the rules decide about one command. Zero is: applied, no record. */
struct decision {
    enum verdict verdict;
    bool replayed;
    bool has_record;
    bool dry_run;
    bool has_session;
    bool has_item; /* an atomic command: which item was refused */
    uint8_t item;
    uint16_t n_items; /* ... or how many outcomes are in state.items */
    int64_t balance_now_minor;
    unsigned conflicts;
    struct slice sealed; /* with a record; borrows until the next command */
    struct session_info session;
};

/* Appends the decision as an outcome. */
void decision_append(const struct state *s, const struct decision *d, struct bytes *out);

/* The rules, one function for each kind of command. 0 with the decision made and all its changes
 * put, or -1: this replica is broken. */
int rules_money(struct state *s, const struct command *c, struct decision *d, struct fault *fault);
int rules_atomic(struct state *s, const struct command *c, struct decision *d, struct fault *fault);
int rules_hold_end(struct state *s, const struct command *c, struct decision *d,
                   struct fault *fault);
int rules_round_close(struct state *s, const struct command *c, struct decision *d,
                      struct fault *fault);
int rules_currency_create(struct state *s, const struct command *c, struct decision *d,
                          struct fault *fault);
int rules_principal_create(struct state *s, const struct command *c, struct decision *d,
                           struct fault *fault);
int rules_principal_update(struct state *s, const struct command *c, struct decision *d,
                           struct fault *fault);
int rules_key_create(struct state *s, const struct command *c, struct decision *d,
                     struct fault *fault);
int rules_key_update(struct state *s, const struct command *c, struct decision *d,
                     struct fault *fault);
int rules_player_create(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault);
int rules_player_update(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault);
int rules_password_set(struct state *s, const struct command *c, struct decision *d,
                       struct fault *fault);
int rules_session_open(struct state *s, const struct command *c, struct decision *d,
                       struct fault *fault);
int rules_session_close(struct state *s, const struct command *c, struct decision *d,
                        struct fault *fault);
int rules_session_rotate(struct state *s, const struct command *c, struct decision *d,
                         struct fault *fault);
int rules_session_authenticate(struct state *s, const struct command *c, struct decision *d,
                               struct fault *fault);

int rules_action(struct state *s, const struct command *c, struct decision *d, struct fault *fault);

/* A command that says by whom it came: 1 when it was decided before (our own nodes repeat commands)
 * and d is how, 0, or -1; and, once it is decided, its action. */
int rules_acted_before(const struct state *s, const struct command *c, struct decision *d,
                       struct fault *fault);
void rules_write_action(struct state *s, const struct command *c, const struct decision *d);

/* Who watches an audit. */
struct audit_watch {
    struct audit_report *report;
    uint64_t last_seq;
    uint64_t looked; /* records and rows since the start */
};

/* One more record or row is done: 0, or -1 because the watcher wants no more. */
int audit_go_on(struct audit_watch *w, uint64_t seq, struct fault *fault);

/* audit_actions.c: part of machine_audit; `woven` of the ledger's records hold an action. */
int audit_actions(const struct state *s, uint64_t woven, struct audit_watch *watch,
                  struct fault *fault);

/* What rules_atomic and rules_player_update are made of. */

/* A money command of which nothing remains. */
int rules_dry_run(struct state *s, const struct command *c, struct decision *d,
                  struct fault *fault);
/* Decides c as refused with the verdict of `r`, a record that was made of it in a dropped draft. */
int rules_money_refuse(struct state *s, const struct command *c, const struct record *r,
                       struct decision *d, struct fault *fault);
/* Closes c's round by the newest record. */
int rules_round_end(struct state *s, const struct command *c, struct fault *fault);
/* Applies c's changes to *l; what they borrow of c stays borrowed. */
int rules_change_limits(struct state *s, const struct command *c, struct limits *l,
                        enum verdict *verdict, struct fault *fault);

#endif
