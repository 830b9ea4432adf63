/* What sim_client.c (tickets) and client_intent.c (money and what is remembered of it) share. */
#ifndef FLORIN_CLIENT_PRIVATE_H
#define FLORIN_CLIENT_PRIVATE_H

#include "tests/sim/sim_check.h"
#include "tests/sim/sim_client.h"

enum { BATCH_MAX = 4, GROUP_MAX = 3 };

struct intent {
    enum command_type type;
    uint32_t player;
    int64_t amount_minor;
    uint64_t original; /* rollback: an intent's number, made or not */
    /* Items of one atomic command follow one another: the first knows how many they are, the others
     * how far back it is. */
    unsigned n_items, back;

    unsigned attempts; /* that may have been applied */
    unsigned open;     /* of them, not answered yet */
    bool decided;      /* a client was told, and what: */
    uint64_t seq;
    uint8_t hash[HASH_BYTES];
    uint64_t recorded_seq; /* where it stands in the ledger; 0: nowhere */
    uint64_t ended_seq;    /* a withdrawal: where its confirmation or cancelling does */
};

/* One command in an open ticket. */
struct attempt {
    uint64_t intent;
    enum command_type end; /* a withdrawal's confirmation or cancelling; 0: the intent itself */
    bool conflicting;      /* the id is decided and the amount another */
    bool decided_earlier;  /* before the ticket was handed in */
};

struct client {
    struct ticket *ticket; /* NULL: none open */
    uint64_t number;       /* of the ticket */
    struct node *node;
    uint64_t life;
    uint64_t acknowledged; /* when it was handed in */
    bool must_succeed;

    bool setup;
    struct attempt attempts[BATCH_MAX];
    unsigned n_attempts;
    struct query query; /* names point to `player` and `id` */
    char player[16], id[24];
    uint64_t about; /* QUERY_TRANSACTION: the intent */
    bool about_decided;
};

struct clients {
    struct client *list;
    unsigned n;
    uint64_t tickets;
    bool ready; /* the wallet's world is set up */
    bool expect_success;
    bool closing;
    struct intent *intents;
    uint64_t n_intents, cap_intents;
};

/* client_intent.c: fills the ticket; looks at its outcomes. */
void intents_ask(struct world *w, struct client *c);
void intents_setup(struct world *w, struct client *c);
void intents_answered(struct world *w, struct client *c);
void intents_unanswered(struct world *w, struct client *c, enum ticket_result result);

/* client_query.c */
void queries_ask(struct world *w, struct client *c);
void queries_answered(struct world *w, struct client *c);

#endif
