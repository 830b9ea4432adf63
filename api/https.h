/* HTTPS: takes TLS connections and passes what is in them to the web server on loopback.
 *
 * Debian's CivetWeb is built for OpenSSL 1.1 and can't do TLS beside OpenSSL 3; so TLS ends here.
 *
 * Guarantees: TLS 1.2 or later, with a certificate that can be exchanged while connections go on;
 * bytes pass both ways unaltered and in order, and an end that half-closes is told to the other; no
 * more is held for a connection than one TLS record each way, whoever is slow; a connection costs
 * the web server nothing before its first byte of a request. While all connections are taken, one
 * that waits for its client (in the handshake, silent since, or taking no answer) makes room for
 * each new one. What waits for a request's rest is the web server's to cut (api/seats.h).
 *
 * How: one thread with a loop of its own; for each connection two sockets, watched. No HTTP is
 * understood here. Who the client is, is noted for the web server in https_clients.h. */
#ifndef FLORIN_HTTPS_H
#define FLORIN_HTTPS_H

#include "api/https_clients.h"
#include "api/metrics.h"
#include "statemachine/report.h"

struct https;

struct https_files {
    const char *certificate; /* PEM; with those between it and the authority behind it */
    const char *key;         /* its key, PEM, mode 600, no passphrase */
};

struct https_options {
    const char *listen; /* "10.0.0.1:8443", "[::]:8443"; port 0: any free one */
    struct https_files files;
    uint16_t server_port; /* where the web server listens, at HTTPS_INNER_ADDRESS */
    unsigned connections_max;
    unsigned handshake_timeout_ms;
    unsigned idle_timeout_ms;      /* after it, until the first byte */
    unsigned answer_timeout_ms;    /* to take what is left when the web server has hung up */
    struct https_clients *clients; /* these three are borrowed until https_close */
    struct metrics *metrics;
    struct reporter *reporter; /* or NULL */
};

/* Listens and serves when it returns 0; -1 with the fault. A certificate that does not hold now is
 * warned of and used: the node is worth more than its HTTPS. */
int https_open(struct https **https, const struct https_options *options, struct fault *fault);

/* The port it listens on. Any thread. */
unsigned https_port(const struct https *h);

/* New connections get this certificate from now on. -1 with the fault: it can't be used, or does
 * not hold now; all stays as it was. Any thread, one at a time. */
int https_reload(struct https *h, const struct https_files *files, struct fault *fault);

/* Seconds until the certificate ends; negative: it has. */
int64_t https_valid_s(struct https *h);

/* Takes no more connections, sends what the web server has left to send (that is stopped first),
 * waits for no client longer than two seconds, ends the thread. NULL is fine. */
void https_close(struct https *h);

#endif
