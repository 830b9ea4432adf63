/* One request on a CivetWeb connection: its bytes in, its answer out. Private to server.c. */
#ifndef FLORIN_CONNECTION_H
#define FLORIN_CONNECTION_H

#include <civetweb.h>

#include "api/exchange.h"
#include "api/seats.h"

/* A worker's buffers: kept from request to request, so that most take no memory at all. */
struct worker {
    struct seats *seats; /* borrowed */
    unsigned seat;
    char peer[NETWORK_TEXT_MAX]; /* who the connection is from, "" until somebody asks */
    struct bytes body;
    struct bytes out;
    struct bytes wire;
    uint64_t rest_us; /* how long its connection is not to be read after this answer */
};

struct worker *worker_new(struct seats *seats);
void worker_free(struct worker *w);

/* A connection begins. */
void worker_begin(struct worker *w, const struct mg_connection *conn);

struct connection_limits {
    size_t max_body;
    unsigned body_timeout_ms;
};

/* Reads the body, has the request answered and sends the answer; `stopping`: answers 503 instead.
 * Returns the status. The worker's thread. */
int connection_serve(struct mg_connection *conn, struct worker *w, const struct api *api,
                     const struct connection_limits *limits, bool stopping);

/* Answers for CivetWeb when it could not make a request of the bytes. */
void connection_refuse(struct mg_connection *conn, struct worker *w, const struct api *api,
                       int status, const char *why);

#endif
