/* One request and its answer, without any HTTP library: what handlers work on.
 *
 * server.c fills the request's side and sends what comes out; routes.c finds the handler, checks
 * the credentials and parses the body; the handler writes the answer's body through `w`, or sets
 * `problem` and returns -1. One worker thread owns an exchange. */
#ifndef FLORIN_EXCHANGE_H
#define FLORIN_EXCHANGE_H

#include "api/ask.h"
#include "api/credential.h"
#include "api/forwarded.h"
#include "api/https_clients.h"
#include "api/metrics.h"
#include "api/pace.h"
#include "api/passwords.h"
#include "api/streams.h"
#include "api/turns.h"
#include "api/value.h"
#include "api/vault.h"
#include "api/writer.h"
#include "statemachine/report.h"

enum { TIMEOUT_MAX_MS = 30000, READY_TIMEOUT_MS = 1000, PATH_IDS_MAX = 2 };

/* What all requests share; constant while the server runs. */
struct api {
    struct gate *gate;
    struct credentials *credentials;
    struct metrics *metrics;
    struct limiter *limiter;
    struct pace *pace; /* of answers with 503 */
    struct streams *streams;
    struct passwords *passwords;
    struct turns *bodies; /* at taking large bodies apart */
    struct origins *origins;
    struct reporter *reporter;
    unsigned deadline_ms; /* how long a call may wait, unless the client wants less */
    unsigned slow_ms;     /* a request that takes longer has a line in the log */
    struct proxies proxies;
    struct https_clients *https_clients; /* who is behind connections of our own HTTPS */
    struct vault vault;                  /* all NULL: this server has none */
    uint64_t started_ms; /* Unix ms of the server's start: one process is told from the next */
    /* What the secrets of hmac keys are sealed with (BOX_KEY_BYTES); NULL: none can be made. */
    const uint8_t *box_key;
};

/* A header that was not sent is NULL. */
struct request_headers {
    const char *authorization;
    const char *content_type;
    const char *content_encoding;
    const char *accept;
    const char *timeout;       /* Florin-Timeout-Ms */
    const char *key;           /* Florin-Key; with an hmac key, these two as well */
    const char *timestamp;     /* Florin-Timestamp */
    const char *signature;     /* Florin-Signature */
    const char *last_event_id; /* of a client that takes a stream up again */
    const char *request_id;    /* Florin-Request-Id */
    const char *forwarded;     /* X-Forwarded-For, the last one */
};

struct exchange;

/* Where a stream goes. False: the client is gone. */
struct sink {
    bool (*write)(void *context, const void *data, size_t len);
    void *context;
};

struct exchange {
    const struct api *api;

    /* The request; all borrowed from the connection until the answer is sent. */
    const char *method;          /* GET for a HEAD, too */
    bool head;                   /* ... which gets no body */
    char request_id[ID_MAX + 1]; /* the client's, or one of ours */
    /* The client's address, as text; a trusted proxy's is its client's. */
    char remote[NETWORK_TEXT_MAX];
    const char *path;  /* as sent, without the query */
    const char *query; /* after the `?`, or NULL */
    struct request_headers headers;
    bool body_declared; /* a length or chunks were announced */
    struct slice body;

    /* Found out on the way to the handler. */
    int route;                          /* index of the route, or -1 */
    char ids[PATH_IDS_MAX][ID_MAX + 1]; /* the path's {...}, decoded and valid */
    struct principal who;               /* ROLE_NONE on routes that need no credentials */
    uint64_t directory_version;         /* of the keys, before `who` was found among them */
    unsigned timeout_ms;
    struct tree tree; /* the body; empty on routes without one, or without an optional one */
    bool has_turn;

    /* The answer. */
    int status;
    enum form form;
    const char *content_type; /* NULL: by `form` */
    char allow[64];           /* the Allow header, or empty */
    struct bytes *out;        /* the body; borrowed */
    struct writer w;          /* writes to `out` */
    struct problem problem;

    /* Set by a handler whose answer has no end of its own: called once the head is sent, writes
     * until the client is gone or the node stops, and the connection is closed after it. */
    void (*stream)(struct exchange *x, const struct sink *sink);
    uint64_t stream_from;
    struct vault_backup *backup; /* ... or what it sends */
};

/* Starts the answer's body anew in *out. */
void exchange_init(struct exchange *x, const struct api *api, struct bytes *out);
void exchange_release(struct exchange *x);

/* Takes the body apart into x->tree: 0, or -1 and the problem. A large one waits for its turn: what
 * it is taken apart into may be forty times its size. */
int exchange_parse(struct exchange *x, enum form form);
/* Forgets x->tree early, so that it takes no memory, and keeps nobody waiting, while the call waits
 * for the ledger. */
void exchange_drop_body(struct exchange *x);

/* Gives the request its id: the one that it came with if that is an id, else a new one. */
void exchange_name(struct exchange *x);

/* Chooses the answer's form by Accept, and by Content-Type where Accept leaves it open. */
void exchange_choose_form(struct exchange *x);

/* True when the request brings a key along, of either kind, good or bad. */
bool exchange_has_credentials(const struct exchange *x);

/* Finds out who asks, by the request's headers: 0 and x->who, or -1 and the problem. */
int exchange_authenticate(struct exchange *x);

/* The same, for a call that only this role may make: -1 with 401, 403, ... */
int exchange_require_role(struct exchange *x, enum role role);

/* An id in a path names a transaction of the caller's, but where the caller's ids are unique per
 * player only together with `player`: -1 and the problem when that is empty. */
int exchange_check_player(struct exchange *x, struct slice player);

/* Counts this call against a rule for a name within `what`: 0, or -1 with 429. */
int exchange_take(struct exchange *x, const char *what, struct slice name,
                  struct limiter_rule rule);

/* Throws away what was written and writes the problem as the whole answer. */
void exchange_fail(struct exchange *x);

/* Appends the status line and all headers (those that every answer has, too) and the body, which an
 * answer to HEAD leaves out. */
void exchange_render(const struct exchange *x, bool keep_alive, struct bytes *wire);

#endif
