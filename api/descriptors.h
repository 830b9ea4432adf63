/* The process's sockets by their addresses: CivetWeb tells neither the descriptors it listens on
 * nor those of its connections. Any thread; whoever calls sees to it that what it looks for is not
 * closed meanwhile. */
#ifndef FLORIN_API_DESCRIPTORS_H
#define FLORIN_API_DESCRIPTORS_H

#include <netdb.h>
#include <stdbool.h>

struct socket_end {
    char address[NI_MAXHOST]; /* numeric, without brackets */
    int port;
};

/* The process's own end of a descriptor, and the other one. False: it has none, or is no internet
 * socket. */
bool descriptor_own_end(int fd, struct socket_end *end);
bool descriptor_peer_end(int fd, struct socket_end *end);

/* Calls `each` for every open descriptor; it may shut them down, and closes none. 0, or the
 * system's error. */
int descriptors_each(void (*each)(void *context, int fd), void *context);

/* Shuts the sockets down that listen at this "HOST:PORT" with any port, "[HOST]:PORT" or "PORT",
 * and have this port: whoever waits for their next connection wakes up. */
void descriptors_shut_listener(const char *listen, int port);

#endif
