/* A naive model of the wallet's rules, to hold the engine against.
 *
 * It is written from the contract, not from the engine: no layers, no checkpoints, no encodings,
 * nothing clever. Everything is an object in a table, changed in place; what must be all or nothing
 * is tried for real, and undone from a list of old bytes. It speaks the engine's own words
 * (commands, verdicts, records) so that answers can be compared field by field.
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
};

struct m_key {
    bool exists;
    uint64_t origin;
};

struct m_player {
    bool exists;
    uint64_t origin;
    uint64_t last_seq;
    struct slice currencies[BALANCES_MAX]; /* its list, or what it has used */
    unsigned n_currencies;
    bool any_currency;
};

struct m_account {
    int64_t minor;
};

struct m_transaction {
    uint64_t seq;       /* 0: not decided yet */
    uint64_t rolled_by; /* seq of the rollback that reversed or tombstoned it */
    uint64_t origin;
};

struct undo;

struct model {
    uint64_t clock_ms;
    struct record *records; /* records[seq - 1] */
    uint64_t seq;
    size_t room;

    struct table currencies;   /* code */
    struct table principals;   /* name */
    struct table keys;         /* name */
    struct table players;      /* name */
    struct table accounts;     /* kind, name, currency */
    struct table transactions; /* principal, id */

    struct undo *undo; /* old bytes, newest first, while `trying` */
    bool trying;
    uint64_t seq_before;

    struct bytes scratch;
};

void model_init(struct model *m);
void model_release(struct model *m);

/* Decides one command of an entry with this clock. The outcome borrows from the model. */
void model_apply(struct model *m, uint64_t time_ms, const struct command *c, struct outcome *o);

/* --- what the model's own files share --- */

/* Call it before every change of an object. */
void model_touch(struct model *m, void *object, size_t size);

/* Tries something: everything changed until model_keep or model_undo can be undone. */
void model_try(struct model *m);
void model_keep(struct model *m);
void model_undo(struct model *m);

struct m_currency *model_currency(struct model *m, struct slice code);
struct m_principal *model_principal(struct model *m, struct slice name);
struct m_player *model_player(struct model *m, struct slice name);
struct m_account *model_account(struct model *m, struct account a, struct slice currency);
struct m_transaction *model_transaction(struct model *m, struct slice principal, struct slice id);

static inline struct account player_account(struct slice name)
{
    return (struct account){ACCOUNT_PLAYER, name};
}

/* The next record: gets its seq, time, link and hashes, and is what `t` names from now on. */
void model_append(struct model *m, struct record *r);

void model_money(struct model *m, const struct command *c, struct outcome *o);
void model_create(struct model *m, const struct command *c, struct outcome *o);

#endif
