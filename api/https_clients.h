/* Who is behind a connection that the HTTPS listener has made to the web server.
 *
 * The web server sees such a connection come from loopback. Guarantees: at the port that is kept
 * for the listener nobody is taken for a client that he is not: a connection counts only while the
 * listener itself holds the end that it comes from, and for the client that this end was made for.
 *
 * How: a table from local port to client. The listener puts the client in before the first byte
 * goes out, and keeps its end open until the web server has taken the client out, or has hung up;
 * so the port can't meanwhile be somebody else's.
 *
 * Any thread. */
#ifndef FLORIN_HTTPS_CLIENTS_H
#define FLORIN_HTTPS_CLIENTS_H

#include <stdbool.h>

#include "api/network.h"

/* Where the web server listens for the HTTPS listener, and where that connects from. */
#define HTTPS_INNER_ADDRESS "127.0.0.1"

struct https_clients;

struct https_clients *https_clients_new(void);
void https_clients_free(struct https_clients *c); /* NULL is fine */

/* The port of the web server that is kept for the listener; 0, to begin with: none. */
void https_clients_keep_port(struct https_clients *c, uint16_t server_port);
bool https_clients_keeps(struct https_clients *c, int server_port);

/* The listener's: its end at this port now speaks for the client; has the server taken that; it
 * does so no longer. */
void https_clients_put(struct https_clients *c, uint16_t port,
                       const uint8_t address[static ADDRESS_BYTES]);
bool https_clients_taken(struct https_clients *c, uint16_t port);
void https_clients_drop(struct https_clients *c, uint16_t port);

/* The server's, once for each connection: the client's address as text. False: the connection from
 * there is not the listener's. */
bool https_clients_take(struct https_clients *c, const char *from, int port,
                        char client[static NETWORK_TEXT_MAX]);

#endif
