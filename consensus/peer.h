/* Peer links: the transport of consensus/ over TCP, on the node's event loop.
 *
 * Guarantees: frames reach the peer whole, unaltered, at most once and in the order of sending, or
 * the link is dropped and set up again; frames come only from nodes that proved that they know
 * the cluster's secret (handshake.h), and go only to those that set_peers named last; memory is
 * bounded: a queue per peer, a fixed buffer per connection that has proved nothing, and few of
 * those.
 *
 * With TLS (tls.h) both ends show a certificate of the cluster's authority before the handshake,
 * and the node that it names must be the one that the handshake names. Without, links run on
 * loopback only: a node refuses to listen on or to dial anything else.
 *
 * Everything runs on the loop thread. The process must ignore SIGPIPE. */
#ifndef FLORIN_PEER_H
#define FLORIN_PEER_H

#include <uv.h>

#include "consensus/handshake.h"
#include "consensus/tls.h"
#include "consensus/transport.h"
#include "statemachine/report.h"

enum { PEER_ADDRESS_MAX = 64 }; /* bytes of "host:port" with its NUL */

struct peer_links;

/* All that is zero gets the default. Texts and the secret are copied. */
struct peer_options {
    uv_loop_t *loop;
    uint64_t node_id;
    const char *cluster_id;      /* 1 to 64 characters */
    const char *listen;          /* "127.0.0.1:7001", "[::1]:7001"; port 0: any free one */
    const uint8_t *secret;       /* HANDSHAKE_SECRET_BYTES */
    const struct tls_files *tls; /* NULL: no TLS, and then loopback only */

    size_t queue_bytes_max;        /* per peer, waiting to be sent; 16 MiB, at least one frame */
    unsigned connect_timeout_ms;   /* resolving and connecting; 1,000 */
    unsigned handshake_timeout_ms; /* 5,000 */
    unsigned keepalive_s;          /* idle time before the first probe; 5 */
    unsigned user_timeout_ms;      /* sent but not acknowledged for so long: lost; 5,000 */

    struct reporter *reporter; /* may be NULL; must outlive the links */

    /* One frame of a peer; the payload is valid during the call only. Never called from within a
     * function of this header or of the transport; it may call any of them. */
    void (*on_frame)(void *context, uint64_t peer, enum frame_kind kind, struct slice frame);
    /* The link that we send on came up or went down; for a peer that set_peers dropped, nothing is
     * said. May be NULL. Called, and may call, as on_frame. */
    void (*on_link)(void *context, uint64_t peer, bool up);
    /* A connection that the peer sent on has ended: frames of its may be lost that it does not know
     * of. May be NULL. Called, and may call, as on_frame. */
    void (*on_lost)(void *context, uint64_t peer);
    void *context;
};

/* Listens; dials nobody before the first set_peers. On -1 *links is NULL and the fault says why;
 * a handle may then still be closing: run the loop once before uv_loop_close. */
int peer_links_open(struct peer_links **links, const struct peer_options *options,
                    struct fault *fault);

/* Fills the vtable; valid until peer_links_close. See transport.h. */
void peer_links_transport(struct peer_links *links, struct transport *transport);

/* Reads the certificates again: new connections use them, those that are up go on. On -1 the old
 * ones stay in use. Only for links that were opened with TLS. */
int peer_links_reload(struct peer_links *links, const struct tls_files *files, struct fault *fault);

/* Seconds until the node's certificate ends; INT64_MAX without TLS. */
int64_t peer_links_valid_s(const struct peer_links *links);

/* The port that it listens on. */
uint16_t peer_links_port(const struct peer_links *links);

/* Sends what can be sent without waiting, then drops all links; no callback but `done` (may be
 * NULL), which the loop calls when every handle is closed and the memory is free. */
void peer_links_close(struct peer_links *links, void (*done)(void *context), void *context);

/* Whether `address` can be given to set_peers: its form and, for a numeric one, the loopback rule
 * (a name is judged by what it resolves to, when it is dialled). 0, or -1 with the fault. */
int peer_address_check(const char *address, struct fault *fault);

#endif
