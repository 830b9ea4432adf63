/* The dialling side of a link: resolve, connect, handshake, then watch for the end.
 *
 *     waiting (out NULL) -> resolving -> connecting -> handshake -> up
 *
 * Every failure goes back to waiting through peer_link_fail: 50 ms after the first, doubling to one
 * second. A link that had worked is dialled again at once, since its peer most likely restarted or
 * the connection broke; but at most once a second, so that two nodes which can't agree do not spend
 * their time on handshakes. */
#include "consensus/peer_private.h"

#include <stdlib.h>

#include "consensus/peer_address.h"

static void outbound_unhold(struct peer_outbound *out)
{
    if (--out->held > 0) {
        return;
    }
    bytes_release(&out->queue);
    bytes_release(&out->writing);
    tls_session_free(out->tls);
    peer_links_unhold(out->links);
    free(out);
}

static void on_closed(uv_handle_t *handle)
{
    outbound_unhold(handle->data);
}

void peer_outbound_abandon(struct peer_outbound *out)
{
    out->link = NULL;
    if (out->held > 1) {
        uv_cancel((uv_req_t *)&out->resolve); /* when it runs already, it ends by itself */
    }
    uv_close((uv_handle_t *)&out->tcp, on_closed);
}

static void plan_redial(struct peer_link *link, bool was_up)
{
    uint64_t now = uv_now(link->links->options.loop);

    if (was_up && now >= link->at_once_from_ms) {
        link->at_once_from_ms = now + PEER_AT_ONCE_EVERY_MS;
        link->redial_wait_ms = PEER_REDIAL_FIRST_MS;
        link->redial_at_ms = now;
        return;
    }
    link->redial_at_ms = now + link->redial_wait_ms;
    link->redial_wait_ms *= 2;
    if (link->redial_wait_ms > PEER_REDIAL_MAX_MS) {
        link->redial_wait_ms = PEER_REDIAL_MAX_MS;
    }
}

void peer_link_fail(struct peer_link *link, unsigned reason, const char *why)
{
    struct peer_links *links = link->links;
    uint64_t id = link->id;
    bool was_up = link->up;

    if (was_up || !link->told) {
        link->told = peer_links_warn(links, reason, was_up ? "peer link lost" : "peer not reached",
                                     "peer=%llu address=%s why=\"%s\"", (unsigned long long)id,
                                     link->address, why) &&
                     !was_up;
    } else {
        report(links->options.reporter, LEVEL_DEBUG, "consensus", "peer still not reached",
               "peer=%llu address=%s why=\"%s\"", (unsigned long long)id, link->address, why);
    }
    peer_outbound_abandon(link->out);
    link->out = NULL;
    link->up = false;
    link->moved = false;
    plan_redial(link, was_up);
    peer_links_rearm(links);
    if (was_up && links->options.on_link != NULL) {
        links->options.on_link(links->options.context, id, false);
    }
}

void peer_link_nudge(struct peer_link *link)
{
    uint64_t now;

    if (link == NULL) {
        return;
    }
    now = uv_now(link->links->options.loop);
    if (link->out != NULL || now < link->at_once_from_ms) {
        return;
    }
    link->at_once_from_ms = now + PEER_AT_ONCE_EVERY_MS;
    link->redial_wait_ms = PEER_REDIAL_FIRST_MS;
    link->redial_at_ms = now;
    peer_links_rearm(link->links);
}

static void link_is_up(struct peer_link *link)
{
    struct peer_links *links = link->links;

    link->up = true;
    link->told = false;
    report(links->options.reporter, LEVEL_INFO, "consensus", "peer link up", "peer=%llu address=%s",
           (unsigned long long)link->id, link->address);
    peer_links_rearm(links);
    if (links->options.on_link != NULL) {
        links->options.on_link(links->options.context, link->id, true);
    }
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct peer_outbound *out = handle->data;

    (void)suggested;
    *buf = uv_buf_init(out->read, sizeof out->read);
}

/* What the peer says on a connection that we dialled: its part of the handshake, and nothing more.
 */
static void outbound_heard(struct peer_outbound *out, const char *data, size_t len)
{
    struct peer_link *link = out->link;
    enum handshake_result result;

    if (link->up) {
        peer_link_fail(link, HANDSHAKE_SURPLUS, handshake_result_text(HANDSHAKE_SURPLUS));
        return;
    }
    result = handshake_feed(&out->handshake, data, len);
    if (result == HANDSHAKE_DONE) {
        link_is_up(link);
    } else if (result != HANDSHAKE_MORE) {
        peer_link_fail(link, result, handshake_result_text(result));
    } else if (!peer_write_now(&out->tcp, out->tls, out->handshake.out, out->handshake.out_len)) {
        peer_link_fail(link, PEER_IO, "the connection broke in the handshake");
    }
}

static void say_hello(struct peer_outbound *out)
{
    struct peer_link *link = out->link;

    handshake_begin(&out->handshake, HANDSHAKE_DIALLER, &out->links->self, link->id);
    if (!peer_write_now(&out->tcp, out->tls, out->handshake.out, out->handshake.out_len)) {
        peer_link_fail(link, PEER_IO, "the connection broke in the handshake");
    }
}

/* Bytes of the TLS stream; none to begin with. */
static void outbound_secured(struct peer_outbound *out, const char *data, size_t len)
{
    struct peer_link *link = out->link;
    char plain[HANDSHAKE_MESSAGE_MAX];
    struct fault fault;
    ssize_t n = 0;

    if (tls_session_peer(out->tls) == 0) {
        int rv = peer_shake_tls(&out->tcp, out->tls, data, len, &fault);
        if (rv < 0) {
            peer_link_fail(link, PEER_TLS, fault.text);
        } else if (rv > 0 && tls_session_peer(out->tls) != link->id) {
            peer_link_fail(link, HANDSHAKE_OTHER_NODE, handshake_result_text(HANDSHAKE_OTHER_NODE));
        } else if (rv > 0) {
            say_hello(out);
        }
    } else if (tls_session_feed(out->tls, data, len, &fault) != 0) {
        peer_link_fail(link, PEER_TLS, fault.text);
    }
    while (out->link != NULL && tls_session_peer(out->tls) != 0 &&
           (n = tls_session_read(out->tls, plain, sizeof plain, &fault)) > 0) {
        outbound_heard(out, plain, (size_t)n);
    }
    if (out->link != NULL && n < 0) {
        peer_link_fail(link, link->up ? PEER_LOST : PEER_TLS, fault.text);
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct peer_outbound *out = stream->data;
    struct peer_link *link = out->link;

    if (link == NULL || n == 0) {
        return;
    }
    if (n < 0 && link->up) {
        peer_link_fail(link, PEER_LOST, n == UV_EOF ? "the peer closed it" : uv_strerror((int)n));
    } else if (n < 0) {
        peer_link_fail(link, PEER_CUT, "it closed the handshake: its log says why");
    } else if (out->tls != NULL) {
        outbound_secured(out, buf->base, (size_t)n);
    } else {
        outbound_heard(out, buf->base, (size_t)n);
    }
}

static void on_connected(uv_connect_t *request, int status)
{
    struct peer_outbound *out = request->data;
    struct peer_links *links = out->links;
    struct peer_link *link = out->link;
    int rv = status;

    if (link == NULL) {
        return;
    }
    if (rv == 0) {
        rv = peer_tune(links, &out->tcp);
    }
    if (rv == 0) {
        rv = uv_read_start((uv_stream_t *)&out->tcp, on_room, on_read);
    }
    if (rv != 0) {
        peer_link_fail(link, PEER_UNREACHABLE, uv_strerror(rv));
        return;
    }
    out->connected = true;
    out->deadline_ms = uv_now(links->options.loop) + links->options.handshake_timeout_ms;
    if (links->tls != NULL) {
        out->tls = tls_session_new(links->tls, true);
        outbound_secured(out, NULL, 0);
    } else {
        say_hello(out);
    }
    peer_links_rearm(links);
}

static void outbound_connect(struct peer_outbound *out, const struct sockaddr *address)
{
    char text[PEER_ADDRESS_MAX];
    int rv;

    if (out->links->tls == NULL && !peer_address_loopback(address)) {
        peer_address_text(address, text);
        report(out->links->options.reporter, LEVEL_DEBUG, "consensus", "peer address refused",
               "peer=%llu resolved=%s", (unsigned long long)out->link->id, text);
        peer_link_fail(out->link, PEER_UNREACHABLE,
                       "not on loopback: without TLS peers are dialled on the same machine only");
        return;
    }
    out->connect.data = out;
    rv = uv_tcp_connect(&out->connect, &out->tcp, address, on_connected);
    if (rv != 0) {
        peer_link_fail(out->link, PEER_UNREACHABLE, uv_strerror(rv));
    }
}

static void on_resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct peer_outbound *out = request->data;

    if (out->link != NULL && (status != 0 || list == NULL)) {
        peer_link_fail(out->link, PEER_UNREACHABLE,
                       status != 0 ? uv_strerror(status) : "its name has no address");
    } else if (out->link != NULL) {
        outbound_connect(out, peer_address_nth(list, out->link->attempts++));
    }
    uv_freeaddrinfo(list);
    outbound_unhold(out);
}

static void outbound_resolve(struct peer_outbound *out, const struct peer_address *address)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int rv;

    out->resolve.data = out;
    rv = uv_getaddrinfo(out->links->options.loop, &out->resolve, on_resolved, address->host,
                        address->port, &hints);
    if (rv != 0) {
        peer_link_fail(out->link, PEER_UNREACHABLE, uv_strerror(rv));
        return;
    }
    out->held++;
}

void peer_link_dial(struct peer_link *link)
{
    struct peer_links *links = link->links;
    struct peer_outbound *out = peer_allocate(sizeof *out);
    struct peer_address address;
    struct fault fault;

    uv_tcp_init(links->options.loop, &out->tcp);
    out->tcp.data = out;
    out->links = links;
    out->link = link;
    out->held = 1;
    out->deadline_ms = uv_now(links->options.loop) + links->options.connect_timeout_ms;
    link->out = out;
    links->held++;

    if (peer_address_parse(&address, link->address, false, &fault) != 0) {
        peer_link_fail(link, PEER_UNREACHABLE, fault.text);
    } else if (address.numeric.ss_family != AF_UNSPEC) {
        outbound_connect(out, (const struct sockaddr *)&address.numeric);
    } else {
        outbound_resolve(out, &address);
    }
}
