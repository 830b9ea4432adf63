/* Addresses of peers: "host:port" with a numeric IPv4 host, a bracketed IPv6 one, or a name.
 *
 * Pure: names are resolved by the callers. Any thread. */
#ifndef FLORIN_PEER_ADDRESS_H
#define FLORIN_PEER_ADDRESS_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "consensus/peer.h"

struct peer_address {
    char host[PEER_ADDRESS_MAX]; /* without brackets */
    char port[6];                /* decimal, as getaddrinfo wants it */
    uint16_t port_number;
    /* The socket address, when the host is numeric; else ss_family is AF_UNSPEC. */
    struct sockaddr_storage numeric;
};

/* 0, or -1 with the fault quoting the text. Port 0 is for listening only. */
int peer_address_parse(struct peer_address *address, const char *text, bool listening,
                       struct fault *fault);

/* 127.0.0.0/8 or ::1, nothing else. */
bool peer_address_loopback(const struct sockaddr *address);

/* Which of a name's addresses the n-th attempt takes ("localhost" may be 127.0.0.1 and ::1): each
 * in turn, over and over. The list is not empty. */
const struct sockaddr *peer_address_nth(const struct addrinfo *list, unsigned n);

/* "127.0.0.1:7001", "[::1]:7001". */
void peer_address_text(const struct sockaddr *address, char text[PEER_ADDRESS_MAX]);

#endif
