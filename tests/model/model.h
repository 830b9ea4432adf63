/* A naive model of the wallet's rules, to hold the engine against.
 *
 * It is written from the contract, not from the engine: no layers, no checkpoints, no encodings,
 * nothing clever. Everything is an object in a table, changed in place; what must be all or nothing
 * is tried for real, and undone from a list of old bytes; what a limit has used is counted anew
 * from the ledger each time. It speaks the engine's own words (commands, verdicts, records) so that
 * answers can be compared field by field.
 *
 * Slices of a command are kept as they are: its text must live as long as the model. One thread. */
#ifndef FLORIN_MODEL_H
#define FLORIN_MODEL_H

#include "statemachine/query.h"
#include "tests/model/table.h"

struct m_currency {
    bool exists;
    uint8_t scale;
    uint64_t origin;
};

struct m_principal {
    enum role role; /* none: there is no such principal */
    uint64_t origin;
    bool disabled;
    struct policy policy;
};

struct m_key {
    bool exists;
    uint64_t origin;
    bool disabled;
    enum key_kind kind;
    enum role role;
    struct slice principal;
    struct slice sealed;
    const uint8_t *secret_hash;
};

struct m_player {
    bool exists;
    uint64_t origin;
    uint64_t created_at_ms;
    uint64_t last_seq;
    struct slice currencies[BALANCES_MAX]; /* its list, or what it has used */
    unsigned n_currencies;
    bool any_currency;
    enum player_status status;
    uint64_t until_ms;
    uint32_t reminder_s;
    struct slice password_hash;
};

struct m_account {
    int64_t minor;
};

struct m_transaction {
    uint64_t seq;       /* 0: not decided yet */
    uint64_t rolled_by; /* seq of the rollback that reversed or tombstoned it */
    uint64_t origin;
};

struct m_round {
    bool exists;
    bool closed;
    struct slice currency;
    uint64_t opened_at_ms;
    uint32_t bets;
};

struct m_hold {
    bool exists;
    bool ended; /* confirmed or cancelled */
    struct slice player, currency, gateway;
    int64_t minor;
    uint64_t expires_at_ms;
};

/* The confirmation or the cancelling of a withdrawal: a place of its own beside the client's ids.
 */
struct m_end {
    struct m_transaction transaction;
    char id[RECORD_ID_MAX + 1];
};

struct m_session {
    bool exists;
    uint64_t origin;
    uint64_t rotated_by; /* origin of the last rotation */
    struct slice token;
    struct session_info info;
};

struct m_token {
    struct slice session; /* whose it is, or was */
};

struct m_limit {
    bool exists;
    int64_t minor;
    bool pending, pending_none;
    int64_t pending_minor;
    uint64_t effective_at_ms;
};

/* Which action a command of this origin has left. */
struct m_origin {
    uint64_t number; /* 0: none */
};

/* An atomic call that was applied. */
struct m_call {
    uint64_t first_seq; /* its items' records follow each other; 0: there is none */
    unsigned n_items;
};

struct undo;

struct model {
    uint64_t clock_ms;
    struct record *records; /* records[seq - 1] */
    uint64_t seq;
    size_t room;
    struct action *actions; /* actions[number - 1]; their details are our own */
    uint64_t n_actions;

    struct table currencies;   /* code */
    struct table principals;   /* name */
    struct table keys;         /* name */
    struct table players;      /* name */
    struct table accounts;     /* kind, name, currency */
    struct table transactions; /* principal, "" or player, id */
    struct table rounds;       /* principal, player, round */
    struct table holds;        /* principal, "" or player, id */
    struct table ends;         /* the hold's principal and player, its id, and how */
    struct table sessions;     /* id */
    struct table tokens;       /* hash */
    struct table limits;       /* player, currency, kind, period */
    struct table calls;        /* principal, "" or player, id */
    struct table origins;      /* in decimal */

    struct undo *undo; /* old bytes, newest first */
    unsigned tries;    /* how deep */

    struct bytes scratch;
};

/* What a command answered: an atomic one has an outcome for each item as well. */
struct m_outcome {
    struct outcome outcome;
    struct outcome items[ITEMS_MAX];
};

void model_init(struct model *m);
void model_release(struct model *m);

/* Decides one command of an entry with this clock. The outcome borrows from the model. */
void model_apply(struct model *m, uint64_t time_ms, const struct command *c, struct m_outcome *o);

/* What the queries are compared with. */
int64_t model_held(struct model *m, struct slice player, struct slice currency, unsigned *n);
enum player_status model_status(const struct model *m, const struct m_player *p);
int64_t model_used(struct model *m, struct slice player, struct slice currency,
                   enum limit_kind kind, enum limit_period period);
/* The limit as it is at this moment: one whose loosening is due has changed. */
struct m_limit *model_limit(struct model *m, struct slice player, struct slice currency,
                            enum limit_kind kind, enum limit_period period);

/* --- what the model's own files share --- */

/* Call it before every change of an object that may have to be undone. */
void model_touch(struct model *m, void *object, size_t size);

/* Tries something: all that changes from here can be undone. Tries may be nested. */
struct m_mark {
    struct undo *undo;
    uint64_t seq;
};
struct m_mark model_try(struct model *m);
void model_keep(struct model *m);
void model_undo(struct model *m, struct m_mark mark);

struct m_currency *model_currency(struct model *m, struct slice code);
struct m_principal *model_principal(struct model *m, struct slice name);
struct m_player *model_player(struct model *m, struct slice name);
struct m_account *model_account(struct model *m, struct account a, struct slice currency);
/* The player if the principal's ids are one player's, else nobody. */
struct slice model_ids_of(struct model *m, struct slice principal, struct slice player);
struct m_transaction *model_transaction(struct model *m, struct slice principal,
                                        struct slice player, struct slice id);
struct m_round *model_round(struct model *m, struct slice principal, struct slice player,
                            struct slice round);
struct m_hold *model_hold(struct model *m, struct slice principal, struct slice player,
                          struct slice id);
struct m_session *model_session(struct model *m, struct slice id);

static inline struct account player_account(struct slice name)
{
    return (struct account){ACCOUNT_PLAYER, name};
}

static inline int64_t model_balance(struct model *m, struct slice player, struct slice currency)
{
    return model_account(m, player_account(player), currency)->minor;
}

/* The next record: gets its seq, time, link and hashes. */
void model_append(struct model *m, struct record *r);

/* One money command while it is decided. */
struct move {
    struct account debit, credit;
    int64_t amount;
};

struct deed {
    const struct command *c;
    struct m_transaction *own; /* its place under its id */
    struct slice currency;
    uint8_t scale;
    int64_t asked;
    struct account debit, credit;
    struct move moves[POSTINGS_MAX];
    int n_moves;
    struct m_transaction *marks; /* the original that this rollback reverses or tombstones */
};

/* model_decide.c: the verdict of a command whose names exist, and what it would do. */
enum verdict model_decide(struct model *m, struct deed *d);
/* Adds a move to the deed, unless an account would not hold it. Zero moves nothing. */
enum verdict model_move(struct model *m, struct deed *d, struct account debit,
                        struct account credit, int64_t amount);

/* model_money.c */
void model_money(struct model *m, const struct command *c, struct outcome *o);
/* The same, telling how it was decided. */
void model_money_deed(struct model *m, const struct command *c, struct deed *d, struct outcome *o);
/* The first answer, or what differs. */
void model_again(struct model *m, const struct m_transaction *t, const struct command *c,
                 struct outcome *o);
/* Makes the record, moves the money, says so. */
void model_write_down(struct model *m, struct deed *d, enum verdict verdict, struct outcome *o);

void model_atomic(struct model *m, const struct command *c, struct m_outcome *o);
void model_end_hold(struct model *m, const struct command *c, struct outcome *o);
void model_create(struct model *m, const struct command *c, struct outcome *o);
void model_update(struct model *m, const struct command *c, struct outcome *o);
void model_player_update(struct model *m, const struct command *c, struct outcome *o);
/* model_action.c: a command that says by whom it came. True when it was decided before: *o is how.
 */
bool model_acted_before(struct model *m, const struct command *c, struct outcome *o);
void model_write_action(struct model *m, const struct command *c, const struct outcome *o);
void model_sessions(struct model *m, const struct command *c, struct outcome *o);

/* True when a limit of this kind would be exceeded. */
bool model_over_limit(struct model *m, const struct command *c, int64_t minor);

#endif
