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
    uint32_t round;    /* 0: none */
    bool has_session;  /* a bet in `session` */
    uint64_t session;
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

/* A session that somebody asked to open. */
struct session_intent {
    uint32_t player;
    bool opened, closed; /* a client was told so */
    bool applied, over;  /* by the first node that applied it: it is there; it was closed */
    uint64_t expires_at_ms;
};

/* One command in an open ticket. */
struct attempt {
    uint64_t intent;
    /* A withdrawal's confirmation or cancelling; a session's opening or closing; 0: the intent
     * itself. */
    enum command_type end;
    uint64_t session;
    bool conflicting;     /* the id is decided and the amount another */
    bool decided_earlier; /* before the ticket was handed in */
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
    uint64_t about;     /* QUERY_TRANSACTION: the intent; QUERY_SESSION: its number */
    bool about_decided; /* ... was acknowledged before; closed before */
    bool probe;         /* alone at its node, and all is well: no excuse counts */
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
    struct session_intent *sessions;
    uint64_t n_sessions, cap_sessions;
};

/* client_intent.c: fills the ticket; looks at its outcomes. */
void intents_ask(struct world *w, struct client *c);
void intents_setup(struct world *w, struct client *c);
void intents_answered(struct world *w, struct client *c);
void intents_unanswered(struct world *w, struct client *c, enum ticket_result result);

/* client_session.c */
void session_name(uint64_t number, char name[static 24]);
/* One of the newer ones of which a client was told. */
bool sessions_choose(struct world *w, uint64_t *number);
void sessions_ask(struct world *w, struct attempt *a, struct command *command, char name[static 24],
                  char player[static 16], uint8_t token[static SECRET_HASH_BYTES]);
void session_answered(struct world *w, const struct attempt *a, const struct outcome *o);
void session_read(struct world *w, const struct client *c, const struct answer *a,
                  bool linearizable);

/* client_query.c */
void queries_ask(struct world *w, struct client *c);
void queries_answered(struct world *w, struct client *c);

#endif
