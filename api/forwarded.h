/* Who the client is when a proxy stands in front.
 *
 * Guarantees: only a proxy that the configuration names is believed; from anybody else the header
 * X-Forwarded-For is not even read. Of the header the last address counts, the one that the proxy
 * itself has added: what stands before it came from the client, who may write what he likes. A
 * trusted proxy that says something else than an address is an error, never a guess: an allow-list
 * must not let in by mistake. Pure; any thread. */
#ifndef FLORIN_FORWARDED_H
#define FLORIN_FORWARDED_H

#include "api/network.h"

enum { PROXIES_MAX = 8 };

struct proxies {
    uint8_t address[PROXIES_MAX][ADDRESS_BYTES];
    unsigned n;
};

/* Adds one, by its numeric address: 0, or -1 when it is none, or one too many. */
int proxies_add(struct proxies *p, const char *address);

/* Writes the client's address. `peer` is who the connection is from, `forwarded` the last header
 * X-Forwarded-For, or NULL when there is none: then the proxy speaks for itself, as it does when it
 * asks whether the node is ready. -1: a trusted proxy's header ends in no address. */
int forwarded_client(const struct proxies *p, const char *peer, const char *forwarded,
                     char client[static NETWORK_TEXT_MAX]);

#endif
