/* Addresses and networks of clients, for allow-lists. Pure; any thread. */
#ifndef FLORIN_NETWORK_H
#define FLORIN_NETWORK_H

#include <sys/socket.h>

#include "statemachine/bytes.h"

enum { ADDRESS_BYTES = 16, NETWORK_TEXT_MAX = 64 };

/* IPv6; an IPv4 address stands in it as ::ffff:a.b.c.d, so that a client is the same one whichever
 * kind of socket took it. */
struct network {
    uint8_t address[ADDRESS_BYTES];
    uint8_t bits; /* 0 to 128 */
};

/* "192.0.2.1" or "2001:db8::1", which may stand in [..] and have %zone after it. 0 or -1. */
int address_parse(struct slice text, uint8_t address[static ADDRESS_BYTES]);

/* The address of a socket's end; all zeros when it is neither IPv4 nor IPv6. */
void address_of_socket(const struct sockaddr *from, uint8_t address[static ADDRESS_BYTES]);

/* The address as everybody writes it: an IPv4 address without the ::ffff: before it. */
void address_print(const uint8_t address[static ADDRESS_BYTES], char text[static NETWORK_TEXT_MAX]);

/* "192.0.2.0/24", "2001:db8::/32", or one address. Bits set behind the prefix are refused: whoever
 * wrote 10.1.2.3/8 meant something else. 0 or -1. */
int network_parse(struct slice text, struct network *n);

bool network_holds(const struct network *n, const uint8_t address[static ADDRESS_BYTES]);

#endif
