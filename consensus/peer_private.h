/* What the files of the peer links share: peer.c (the whole, timers, membership), peer_dial.c
 * (outgoing connections), peer_send.c (their queues), peer_accept.c (incoming connections).
 *
 * Life of things, which is where such code goes wrong:
 * - A peer_link lives from the set_peers that names its peer to the one that no longer does.
 * - A connection (peer_outbound, peer_inbound) is given up first (unlinked, `link` NULL or
 * `closing` set: from then on its callbacks do nothing) and freed when libuv has made its last
 * callback.
 * - on_frame and on_link may call set_peers and peer_links_close: after calling one, a function
 *   touches a connection only after checking that it was not given up, and a link not at all. */
#ifndef FLORIN_PEER_PRIVATE_H
#define FLORIN_PEER_PRIVATE_H

#include "consensus/frame.h"
#include "consensus/peer.h"
#include "consensus/tls.h"

enum {
    PEER_UNPROVEN_MAX = 64,       /* incoming connections in their handshake */
    PEER_BACKLOG = 64,            /* ... and waiting to be accepted */
    PEER_REDIAL_FIRST_MS = 50,    /* wait after a failed attempt; doubles ... */
    PEER_REDIAL_MAX_MS = 1000,    /* ... up to this */
    PEER_AT_ONCE_EVERY_MS = 1000, /* redial without a wait at most so often */
    PEER_SAY_EVERY_MS = 1000,     /* one line per reason */
    PEER_READ_BYTES = 4096,       /* what a handshake, or TLS, reads at once */
};

/* Reasons for a log line, each with its own limit: the handshake's results, then the frames'
 * problems, then these. */
enum peer_reason {
    PEER_REASON_FRAME = HANDSHAKE_RESULTS,
    PEER_SLOW = HANDSHAKE_RESULTS + FRAME_PROBLEMS,
    PEER_CUT,     /* closed in the handshake */
    PEER_CROWDED, /* too many in their handshake */
    PEER_TLS,     /* what TLS found */
    PEER_IO,      /* what the system says of a socket */
    PEER_LOST,    /* a link that worked */
    PEER_UNREACHABLE,
    PEER_QUEUE_FULL,
    PEER_REASONS,
};

/* Our end of one connection that we dialled. */
struct peer_outbound {
    uv_tcp_t tcp;
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    uv_write_t write;
    struct peer_links *links;
    struct peer_link *link; /* NULL: given up */
    unsigned held;          /* by the handle and by a resolving; freed at zero */
    uint64_t deadline_ms;   /* for what comes before the link is up */
    bool connected;         /* so now it is the handshake that is waited for */
    struct handshake handshake;
    struct tls_session *tls; /* NULL without TLS */
    char read[PEER_READ_BYTES];
    bool broken;          /* TLS can't go on; the end of the turn says so */
    struct bytes queue;   /* waiting; with TLS: encrypted */
    struct bytes writing; /* given to libuv; empty when it has nothing of ours */
    bool wrote_this_turn; /* what comes now waits for the end of the turn, to go out together */
};

/* One peer, as long as it is a member. */
struct peer_link {
    struct peer_link *next;
    struct peer_links *links;
    uint64_t id;
    char *address;
    struct peer_outbound *out; /* NULL between two attempts */
    bool up;                   /* the handshake on `out` is done */
    bool dirty;                /* on the list of what end_turn must look at */
    bool moved;                /* it has a new address: drop the connection and dial that */
    bool told;                 /* that it can't be reached: once is enough */
    uint64_t redial_at_ms;     /* when out is NULL */
    uint64_t redial_wait_ms;   /* the next wait */
    uint64_t at_once_from_ms;  /* no redial without a wait before this */
    unsigned attempts;         /* which of a name's addresses is next */
};

/* A connection that somebody dialled to us. */
struct peer_inbound {
    uv_tcp_t tcp;
    struct peer_inbound *next;
    struct peer_links *links;
    bool proven;
    bool closing;
    uint64_t deadline_ms; /* for the handshake */
    struct handshake handshake;
    struct tls_session *tls; /* NULL without TLS */
    char read[PEER_READ_BYTES];
    struct frame_decoder decoder; /* allocates nothing before the handshake is done */
    char from[PEER_ADDRESS_MAX];
};

struct peer_links {
    struct peer_options options; /* cluster_id, listen and secret are not kept */
    struct handshake_self self;
    struct tls *tls; /* NULL without */
    uv_tcp_t listener;
    uv_timer_t timer; /* one for all waits: the earliest */
    uv_idle_t idle;   /* runs only while something is dirty ... */
    uv_check_t check; /* ... this one each turn: together they end a turn of sending */
    uint16_t port;
    struct peer_link *links;
    struct peer_inbound *inbound; /* newest first */
    unsigned n_unproven;
    unsigned held; /* handles and connections that still have a callback to come */
    bool closing;
    void (*done)(void *context);
    void *done_context;
    struct {
        uint64_t from_ms; /* no line before */
        uint64_t skipped;
    } said[PEER_REASONS];
};

/* peer.c */
struct peer_link *peer_links_find(struct peer_links *links, uint64_t id);
void peer_links_rearm(struct peer_links *links); /* after any change of a wait */
void peer_links_unhold(struct peer_links *links);
/* A warning, at most one a second for each reason (enum peer_reason); false when it was skipped. */
bool peer_links_warn(struct peer_links *links, unsigned reason, const char *message,
                     const char *fields_format, ...) __attribute__((format(printf, 4, 5)));
int peer_tune(const struct peer_links *links, uv_tcp_t *tcp); /* socket options; 0 or UV_E* */
/* Sends all of a handshake's message at once; false when the socket did not take it: it is the
 * first thing on a new connection, so its buffer has room unless the connection is broken. */
bool peer_write_now(uv_tcp_t *tcp, struct tls_session *tls, const uint8_t *data, size_t len);
/* Takes bytes of a TLS handshake and answers them: 1 it is done, 0 it needs more, -1 with the
 * fault.
 */
int peer_shake_tls(uv_tcp_t *tcp, struct tls_session *tls, const char *data, size_t len,
                   struct fault *fault);
void *peer_allocate(size_t size); /* zeroed; ends the process when memory is out */

/* peer_dial.c */
void peer_link_dial(struct peer_link *link);
/* Ends the attempt or the link and plans the next; may call on_link. */
void peer_link_fail(struct peer_link *link, unsigned reason, const char *why);
/* The peer is alive, as its own dialling shows: do not wait out a long back-off. NULL: nothing. */
void peer_link_nudge(struct peer_link *link);
void peer_outbound_abandon(struct peer_outbound *out);

/* peer_send.c */
bool peer_outbound_send(struct peer_outbound *out, enum frame_kind kind, struct slice frame);
/* Gives the queue to the socket, as far as that goes now; 0 or UV_E*. */
int peer_outbound_flush(struct peer_outbound *out);
void peer_links_dirty(struct peer_link *link);
void peer_links_end_turn(struct peer_links *links);

/* peer_accept.c */
void peer_links_on_connection(uv_stream_t *listener, int status);
void peer_inbound_drop(struct peer_inbound *in);

#endif
