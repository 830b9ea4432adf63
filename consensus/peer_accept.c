/* Incoming connections: a handshake in a fixed buffer, then frames.
 *
 * What has proved nothing gets nothing: its struct is its whole cost, at most PEER_UNPROVEN_MAX of
 * them exist, each for a few seconds. When one more comes, the oldest goes: an honest peer is done
 * in a millisecond, so those that only sit there can't keep it out. */
#include "consensus/peer_private.h"

#include <stdlib.h>

#include "consensus/peer_address.h"

static void on_closed(uv_handle_t *handle)
{
    struct peer_inbound *in = handle->data;
    struct peer_links *links = in->links;

    if (in->proven && !links->closing && links->options.on_lost != NULL) {
        links->options.on_lost(links->options.context, in->handshake.peer);
    }
    frame_decoder_release(&in->decoder);
    tls_session_free(in->tls);
    free(in);
    peer_links_unhold(links);
}

void peer_inbound_drop(struct peer_inbound *in)
{
    struct peer_inbound **at = &in->links->inbound;

    while (*at != in) {
        at = &(*at)->next;
    }
    *at = in->next;
    if (!in->proven) {
        in->links->n_unproven--;
    }
    in->closing = true;
    uv_close((uv_handle_t *)&in->tcp, on_closed);
}

static void inbound_refuse(struct peer_inbound *in, unsigned reason, const char *why)
{
    if (in->handshake.peer != 0) {
        peer_links_warn(in->links, reason, "connection refused",
                        "from=%s says_peer=%llu why=\"%s\"", in->from,
                        (unsigned long long)in->handshake.peer, why);
    } else {
        peer_links_warn(in->links, reason, "connection refused", "from=%s why=\"%s\"", in->from,
                        why);
    }
    peer_inbound_drop(in);
}

static void inbound_is_proven(struct peer_inbound *in)
{
    struct peer_links *links = in->links;
    struct peer_inbound *other;

    /* Frames of the older connection must not come after frames of the newer one. */
    for (other = links->inbound; other != NULL; other = other->next) {
        if (other->proven && other->handshake.peer == in->handshake.peer) {
            peer_inbound_drop(other);
            break;
        }
    }
    in->proven = true;
    links->n_unproven--;
    report(links->options.reporter, LEVEL_DEBUG, "consensus", "peer connected to us",
           "peer=%llu from=%s", (unsigned long long)in->handshake.peer, in->from);
    peer_link_nudge(peer_links_find(links, in->handshake.peer));
}

static void inbound_shake(struct peer_inbound *in, const char *data, size_t len)
{
    enum handshake_result result = handshake_feed(&in->handshake, data, len);

    if (result != HANDSHAKE_MORE && result != HANDSHAKE_DONE) {
        inbound_refuse(in, result, handshake_result_text(result));
        return;
    }
    if (in->tls != NULL && in->handshake.peer != 0 &&
        in->handshake.peer != tls_session_peer(in->tls)) {
        inbound_refuse(in, PEER_TLS, "its certificate is another node's");
        return;
    }
    if (!peer_write_now(&in->tcp, in->tls, in->handshake.out, in->handshake.out_len)) {
        inbound_refuse(in, PEER_IO, "the connection broke in the handshake");
        return;
    }
    if (result == HANDSHAKE_DONE) {
        inbound_is_proven(in);
    }
}

static void inbound_frames(struct peer_inbound *in, size_t len)
{
    struct peer_links *links = in->links;
    struct frame frame;

    frame_decoder_filled(&in->decoder, len);
    while (!in->closing && frame_decoder_take(&in->decoder, &frame)) {
        links->options.on_frame(links->options.context, in->handshake.peer, frame.kind,
                                frame.payload);
    }
    if (!in->closing && in->decoder.problem != FRAME_GOOD) {
        peer_links_warn(links, PEER_REASON_FRAME + in->decoder.problem, "connection dropped",
                        "peer=%llu from=%s why=\"%s\"", (unsigned long long)in->handshake.peer,
                        in->from, frame_problem_text(in->decoder.problem));
        peer_inbound_drop(in);
    }
}

/* One read of decrypted bytes, to where they belong; what tls_session_read returned. */
static ssize_t inbound_take(struct peer_inbound *in, struct fault *fault)
{
    char plain[HANDSHAKE_MESSAGE_MAX];
    uint8_t *base;
    size_t len;
    ssize_t n;

    if (!in->proven) {
        n = tls_session_read(in->tls, plain, sizeof plain, fault);
        if (n > 0) {
            inbound_shake(in, plain, (size_t)n);
        }
        return n;
    }
    frame_decoder_space(&in->decoder, &base, &len);
    n = tls_session_read(in->tls, base, len, fault);
    if (n > 0) {
        inbound_frames(in, (size_t)n);
    }
    return n;
}

static void inbound_secured(struct peer_inbound *in, const char *data, size_t len)
{
    struct fault fault;
    ssize_t n = 1;
    int rv = 1;

    if (tls_session_peer(in->tls) == 0) {
        rv = peer_shake_tls(&in->tcp, in->tls, data, len, &fault);
    } else if (tls_session_feed(in->tls, data, len, &fault) != 0) {
        rv = -1;
    }
    if (rv < 0) {
        inbound_refuse(in, PEER_TLS, fault.text);
    }
    while (rv > 0 && !in->closing && (n = inbound_take(in, &fault)) > 0) {
    }
    if (!in->closing && n < 0 && in->proven) {
        report(in->links->options.reporter, LEVEL_DEBUG, "consensus", "peer's connection ended",
               "peer=%llu from=%s why=\"%s\"", (unsigned long long)in->handshake.peer, in->from,
               fault.text);
        peer_inbound_drop(in);
    } else if (!in->closing && n < 0) {
        inbound_refuse(in, PEER_TLS, fault.text);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct peer_inbound *in = handle->data;
    uint8_t *base;
    size_t len;

    (void)suggested;
    if (!in->proven || in->tls != NULL) {
        *buf = uv_buf_init(in->read, sizeof in->read);
        return;
    }
    frame_decoder_space(&in->decoder, &base, &len);
    *buf = uv_buf_init((char *)base, (unsigned)len);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer_inbound *in = stream->data;

    if (in->closing || n == 0) {
        return;
    }
    if (n < 0 && in->proven) {
        report(in->links->options.reporter, LEVEL_DEBUG, "consensus", "peer's connection ended",
               "peer=%llu from=%s why=\"%s\"", (unsigned long long)in->handshake.peer, in->from,
               uv_strerror((int)n));
        peer_inbound_drop(in);
    } else if (n < 0) {
        inbound_refuse(in, PEER_CUT, "it closed in the handshake");
    } else if (in->tls != NULL) {
        inbound_secured(in, buf->base, (size_t)n);
    } else if (in->proven) {
        inbound_frames(in, (size_t)n);
    } else {
        inbound_shake(in, buf->base, (size_t)n);
    }
}

static void drop_oldest_unproven(struct peer_links *links)
{
    struct peer_inbound *in, *oldest = NULL;

    for (in = links->inbound; in != NULL; in = in->next) {
        oldest = in->proven ? oldest : in;
    }
    inbound_refuse(oldest, PEER_CROWDED, "too many connections in their handshake");
}

static void inbound_from(struct peer_inbound *in)
{
    struct sockaddr_storage address;
    int len = sizeof address;

    address.ss_family = AF_UNSPEC;
    uv_tcp_getpeername(&in->tcp, (struct sockaddr *)&address, &len); /* else it says "?" */
    peer_address_text((const struct sockaddr *)&address, in->from);
}

void peer_links_on_connection(uv_stream_t *listener, int status)
{
    struct peer_links *links = listener->data;
    struct peer_inbound *in;
    int rv = status;

    if (status != 0) {
        peer_links_warn(links, PEER_IO, "can't accept a connection", "why=\"%s\"",
                        uv_strerror(status));
        return;
    }
    if (links->n_unproven == PEER_UNPROVEN_MAX) {
        drop_oldest_unproven(links);
    }
    in = peer_allocate(sizeof *in);
    in->links = links;
    in->tcp.data = in;
    in->deadline_ms = uv_now(links->options.loop) + links->options.handshake_timeout_ms;
    frame_decoder_init(&in->decoder);
    uv_tcp_init(links->options.loop, &in->tcp);
    links->held++;
    in->next = links->inbound;
    links->inbound = in;
    links->n_unproven++;

    if (links->tls != NULL) {
        in->tls = tls_session_new(links->tls, false);
    }
    handshake_begin(&in->handshake, HANDSHAKE_ACCEPTOR, &links->self, 0);
    rv = uv_accept(listener, (uv_stream_t *)&in->tcp);
    if (rv == 0) {
        inbound_from(in);
        rv = peer_tune(links, &in->tcp);
    }
    if (rv == 0) {
        rv = uv_read_start((uv_stream_t *)&in->tcp, on_room, on_read);
    }
    if (rv != 0) {
        inbound_refuse(in, PEER_IO, uv_strerror(rv));
        return;
    }
    peer_links_rearm(links);
}
