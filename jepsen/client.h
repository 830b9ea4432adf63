/* A client: one thread that calls nodes, one call at a time, and has each call recorded. */
#ifndef FLORIN_JEPSEN_CLIENT_H
#define FLORIN_JEPSEN_CLIENT_H

#include "jepsen/op.h"
#include "tests/cluster/http.h"
#include "tests/model/random.h"

struct run;

enum { REMEMBERED = 64 };

/* What a client knows of its last call's answer. */
struct answer_seen {
    enum ending end;
    bool applied;  /* money moved or was refused for ever: it has a place in the ledger */
    uint64_t last; /* FN_LEDGER: last seq of the page; 0: none */
};

struct client {
    struct run *run;
    pthread_t thread;
    unsigned number;
    uint64_t process; /* a new one after each call of unknown outcome */
    struct chance chance;
    struct http http;
    uint64_t made;              /* ids given out */
    uint64_t cursor;            /* ledger pages: where the next begins */
    struct op done[REMEMBERED]; /* calls that were answered, the newest over the oldest */
    size_t n_done;
};

/* Makes the call at a node (0 ..) and records it. */
struct answer_seen client_call(struct client *c, const struct op *op, unsigned node);

/* The same at any node; when its outcome is unknown or no node took it, again, with the same id, at
 * others, a few times. Remembers it when it was answered. */
struct answer_seen client_settle(struct client *c, const struct op *op);

/* Something that this client did before, or NULL. */
const struct op *client_remembered(struct client *c);

/* A node by chance. */
unsigned client_node(struct client *c);

/* "NAME-client-number": never given out before. */
void client_new_id(struct client *c, const char *name, char id[static OP_TEXT_MAX]);

/* An amount of up to `most` units with cents. */
void client_amount(struct client *c, unsigned most, char amount[static OP_TEXT_MAX]);

#endif
