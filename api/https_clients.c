#include "api/https_clients.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PORTS = 1 << 16 };

struct client {
    uint8_t address[ADDRESS_BYTES];
    enum { CLIENT_NONE, CLIENT_PUT, CLIENT_TAKEN } state;
};

struct https_clients {
    atomic_uint server_port;
    pthread_mutex_t lock; /* guards the table, most of which is never touched */
    struct client by_port[PORTS];
};

struct https_clients *https_clients_new(void)
{
    struct https_clients *c = calloc(1, sizeof *c);

    if (c == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void https_clients_free(struct https_clients *c)
{
    if (c != NULL) {
        pthread_mutex_destroy(&c->lock);
        free(c);
    }
}

void https_clients_keep_port(struct https_clients *c, uint16_t server_port)
{
    atomic_store(&c->server_port, server_port);
}

bool https_clients_keeps(struct https_clients *c, int server_port)
{
    unsigned kept = atomic_load(&c->server_port);

    return kept != 0 && kept == (unsigned)server_port;
}

void https_clients_put(struct https_clients *c, uint16_t port,
                       const uint8_t address[static ADDRESS_BYTES])
{
    pthread_mutex_lock(&c->lock);
    memcpy(c->by_port[port].address, address, ADDRESS_BYTES);
    c->by_port[port].state = CLIENT_PUT;
    pthread_mutex_unlock(&c->lock);
}

bool https_clients_taken(struct https_clients *c, uint16_t port)
{
    bool taken;

    pthread_mutex_lock(&c->lock);
    taken = c->by_port[port].state == CLIENT_TAKEN;
    pthread_mutex_unlock(&c->lock);
    return taken;
}

void https_clients_drop(struct https_clients *c, uint16_t port)
{
    pthread_mutex_lock(&c->lock);
    c->by_port[port].state = CLIENT_NONE;
    pthread_mutex_unlock(&c->lock);
}

bool https_clients_take(struct https_clients *c, const char *from, int port,
                        char client[static NETWORK_TEXT_MAX])
{
    struct client *entry;
    bool found;

    /* Other processes may use the same port number at another address of loopback. */
    if (port <= 0 || port >= PORTS || strcmp(from, HTTPS_INNER_ADDRESS) != 0) {
        return false;
    }
    entry = &c->by_port[port];
    pthread_mutex_lock(&c->lock);
    found = entry->state == CLIENT_PUT;
    if (found) {
        entry->state = CLIENT_TAKEN;
        address_print(entry->address, client);
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}
