/* The HTTP server of one node: starts CivetWeb, answers every request, stops without dropping one.
 *
 * Every answer has been through the gate when it needs the ledger; nothing here knows Raft. A
 * worker thread serves one connection at a time, so num_threads is how many connections are served
 * at once; more wait to be accepted. */
#ifndef FLORIN_SERVER_H
#define FLORIN_SERVER_H

#include <stddef.h>
#include <stdint.h>

#include "consensus/submit.h"
#include "api/https.h"
#include "api/vault.h"
#include "statemachine/report.h"

struct api_server_options {
    const char *listen;       /* "127.0.0.1:8080", "[::1]:8080"; port 0: any free one */
    const char *https_listen; /* the same for HTTPS; NULL: none */
    struct https_files https_files;
    unsigned num_threads; /* 0: 512 */
    /* To send a whole request, to take an answer, for a TLS handshake. 0: 10,000 */
    unsigned request_timeout_ms;
    unsigned keep_alive_timeout_ms; /* how long an idle connection stays. 0: 60,000 */
    unsigned deadline_ms;           /* how long a call may wait for the ledger. 0: 5,000 */
    unsigned slow_request_ms;       /* a slower one has a line in the log. 0: 1,000 */
    size_t max_body;                /* bytes. 0: 1 MiB */
    unsigned max_streams;           /* 0: a quarter of the threads */
    /* Numeric addresses of proxies whose X-Forwarded-For is believed; copied. */
    const char *const *trusted_proxies;
    unsigned n_trusted_proxies;
    struct gate *gate; /* borrowed until stop */
    /* 32 bytes that open the secrets of hmac keys; copied. NULL: bearer keys only. */
    const uint8_t *box_key;
    const struct vault *vault; /* copied. NULL: no backups and no audits */
    struct reporter *reporter; /* borrowed until stop; or NULL */
};

struct api_server;

/* How many descriptors a server may hold open at once, for connections that its threads serve and
 * those that were accepted and wait for one; a client's by HTTPS takes two more. num_threads as in
 * the options. */
unsigned api_server_descriptors_max(unsigned num_threads, bool https);

/* Listens and serves when it returns 0. On -1 *server is NULL and the fault says why. */
int api_server_start(struct api_server **server, const struct api_server_options *options,
                     struct fault *fault);

/* The port it listens on. Any thread. */
unsigned api_server_port(const struct api_server *server);

/* The port of HTTPS. Any thread. */
unsigned api_server_https_port(const struct api_server *server);

/* Reads HTTPS' certificate and key again: 0 and how long it holds, or -1 with the fault, and the
 * old ones stay. Not without HTTPS. Any thread, one at a time. */
int api_server_reload(struct api_server *server, const struct https_files *files, int64_t *valid_s,
                      struct fault *fault);

/* Answers 503 to what comes in from now on, waits for the answers under way (as long as their
 * calls may take: close the gate first, then that is no time), stops all threads and frees the
 * server. NULL is fine. Not from a worker. */
void api_server_stop(struct api_server *server);

#endif
