/* One request and its answer, without any HTTP library: what handlers work on.
 *
 * server.c fills the request's side and sends what comes out; routes.c finds the handler, checks
 * the credentials and parses the body; the handler writes the answer's body through `w`, or sets
 * `problem` and returns -1. One worker thread owns an exchange. */
#ifndef FLORIN_EXCHANGE_H
#define FLORIN_EXCHANGE_H

#include <jansson.h>

#include "api/ask.h"
#include "api/credential.h"
#include "api/metrics.h"
#include "api/writer.h"
#include "statemachine/report.h"

enum { TIMEOUT_MAX_MS = 30000, READY_TIMEOUT_MS = 1000, PATH_IDS_MAX = 2 };

/* What all requests share; constant while the server runs. */
struct api {
    struct gate *gate;
    struct credentials *credentials;
    struct metrics *metrics;
    struct reporter *reporter;
    unsigned deadline_ms; /* how long a call may wait, unless the client wants less */
};

/* A header that was not sent is NULL. */
struct request_headers {
    const char *authorization;
    const char *content_type;
    const char *content_encoding;
    const char *accept;
    const char *timeout; /* Florin-Timeout-Ms */
};

struct exchange {
    const struct api *api;

    /* The request; all borrowed from the connection until the answer is sent. */
    const char *method;
    const char *path;  /* as sent, without the query */
    const char *query; /* after the `?`, or NULL */
    struct request_headers headers;
    bool body_declared; /* a length or chunks were announced */
    struct slice body;

    /* Found out on the way to the handler. */
    int route;                          /* index of the route, or -1 */
    char ids[PATH_IDS_MAX][ID_MAX + 1]; /* the path's {...}, decoded and valid */
    struct principal who;               /* ROLE_NONE on routes that need no credentials */
    unsigned timeout_ms;
    json_t *json; /* the body; NULL on routes without one, or when an optional one is absent */

    /* The answer. */
    int status;
    enum form form;
    const char *content_type; /* NULL: by `form` */
    const char *allow;        /* the Allow header, or NULL */
    struct bytes *out;        /* the body; borrowed */
    struct writer w;          /* writes to `out` */
    struct problem problem;
};

/* Starts the answer's body anew in *out. */
void exchange_init(struct exchange *x, const struct api *api, struct bytes *out);
void exchange_release(struct exchange *x);

/* Chooses the answer's form by Accept, and by Content-Type where Accept leaves it open. */
void exchange_choose_form(struct exchange *x);

/* Throws away what was written and writes the problem as the whole answer. */
void exchange_fail(struct exchange *x);

/* Appends the status line and all headers (those that every answer has, too) and the body. `head`
 * leaves the body out, as an answer to HEAD does. */
void exchange_render(const struct exchange *x, bool head, bool keep_alive, struct bytes *wire);

/* The kind of ticket that the query's `consistency` asks for and, where the pointers are not NULL,
 * a sequence number under `seq_name` and `limit`, which keep their defaults when absent. Unknown
 * parameters are refused. 0, or -1 with the problem. */
int exchange_read_query(struct exchange *x, enum ticket_kind *kind, const char *seq_name,
                        uint64_t *seq, uint32_t *limit);

#endif
