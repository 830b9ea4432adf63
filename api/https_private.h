/* The HTTPS listener's inside, shared by https.c (listening, time, the whole) and https_link.c (one
 * connection). All of it belongs to the listener's own thread, but where it says otherwise. */
#ifndef FLORIN_HTTPS_PRIVATE_H
#define FLORIN_HTTPS_PRIVATE_H

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "api/https.h"

enum { HTTPS_PIECE = SSL3_RT_MAX_PLAIN_LENGTH }; /* what one TLS record holds at most */

/* A link passes through these in this order, though it may skip some. */
enum link_stage {
    LINK_SHAKING,  /* the TLS handshake */
    LINK_OPEN,     /* bytes pass; the server is dialled when the first has come */
    LINK_FLUSHING, /* the server has hung up: the client is to take what is left, and our goodbye */
    LINK_LINGERING, /* ... and to hang up: a socket closed with bytes unread would reset that */
    LINK_PARTING,   /* the client is gone, and the server has yet to learn whose that was */
};

/* What one end has sent and the other does not take yet. */
struct link_rest {
    char *base; /* NULL: nothing */
    size_t at, len;
};

struct link_end {
    uv_poll_t poll;
    int fd;     /* -1: none */
    int events; /* that are watched */
};

struct link {
    struct https *https;
    struct link *prev, *next;
    enum link_stage stage;
    uint64_t since_ms; /* in this stage */
    uint64_t until_ms; /* may stay in it; 0: for ever */
    uint8_t address[ADDRESS_BYTES];
    uint16_t port; /* of our end towards the server */
    SSL *ssl;      /* NULL once the client is gone */
    struct link_end client, server;
    struct link_rest up, down; /* to the server, to the client */
    bool up_ended;             /* no more goes to the server */
    bool wants_write;          /* TLS itself: the handshake, or its end */
    bool needs_read;           /* TLS can't write before it has read more */
    bool ended;                /* and is freed when its handles are closed */
    unsigned handles;
};

struct https {
    struct https_options options;
    pthread_mutex_t lock; /* guards the context */
    SSL_CTX *context;

    pthread_t thread;
    uv_loop_t loop;
    uv_async_t wake; /* to stop; sent from another thread */
    uv_timer_t tick; /* runs while there are links */
    uv_poll_t listener;
    int listen_fd;
    unsigned port;
    bool listens; /* false while there is no room, or no descriptor */
    atomic_bool stopping;
    uint64_t stop_by_ms; /* 0: does not stop yet */

    struct link *oldest, *newest;
    unsigned n_links;
    uint64_t said_ms; /* of failed handshakes */
    unsigned unsaid;
    char piece[HTTPS_PIECE]; /* where bytes are on their way through */
};

/* https.c: says, not too often, that a handshake failed, and counts it. */
void https_failed(struct https *h, const struct link *l, const char *why);

/* https.c: notes a link that is there, and that it has ended. */
void https_link_began(struct https *h, struct link *l);
void https_link_ended(struct https *h, struct link *l);

/* Takes over a descriptor that was accepted. */
void link_begin(struct https *h, int fd, const struct sockaddr *from);

/* Its time is over, if it is; or it may part now. */
void link_look(struct link *l);

/* The client is to leave: there is no room, or we stop. */
void link_cut(struct link *l);

/* Whether it waits for its client, and not the web server for either. */
bool link_waits(const struct link *l);

/* At once, whatever the server knows. */
void link_drop(struct link *l);

#endif
