/* The sending side of a link: at once when idle, together when busy, bounded always.
 *
 * The first frame of a turn of the loop goes straight to the socket, so that an idle link adds no
 * wait, not even for the rest of the turn (the sender may go on to apply entries). What follows in
 * the same turn is gathered and goes out in one write when the turn ends. What the socket does not
 * take is given to libuv, and while libuv is at it, more gathers.
 *
 * The end of a turn: after polling (check), or before it (idle, which is active only while there is
 * something to send and so also keeps the poll from blocking). Whatever callback a frame is sent
 * from, one of the two comes before the loop can wait.
 *
 * Sending never reports a broken link: on_link from within send would surprise a caller in the
 * middle of its work. The next end of a turn, write or read does. */
#include "consensus/peer_private.h"

static void on_idle(uv_idle_t *idle)
{
    peer_links_end_turn(idle->data);
}

void peer_links_dirty(struct peer_link *link)
{
    link->dirty = true;
    uv_idle_start(&link->links->idle, on_idle); /* does nothing when it is active */
}

/* Header and payload without a copy; how many bytes the socket took. */
static size_t send_now(struct peer_outbound *out, uint8_t *header, struct slice frame)
{
    uv_buf_t bufs[2] = {
        uv_buf_init((char *)header, FRAME_HEADER_BYTES),
        uv_buf_init((char *)frame.base, (unsigned)frame.len),
    };
    int rv = uv_try_write((uv_stream_t *)&out->tcp, bufs, frame.len > 0 ? 2 : 1);

    return rv < 0 ? 0 : (size_t)rv;
}

/* Encrypted on the way into the queue. What TLS could not take is known to nobody but us: the link
 * is given up at the end of the turn. */
static void send_secured(struct peer_outbound *out, uint8_t *header, struct slice frame)
{
    struct slice encrypted;
    struct fault fault;

    if (out->broken || tls_session_write(out->tls, header, FRAME_HEADER_BYTES, &fault) != 0 ||
        tls_session_write(out->tls, frame.base, frame.len, &fault) != 0) {
        out->broken = true;
        return;
    }
    encrypted = tls_session_out(out->tls);
    bytes_append(&out->queue, encrypted.base, encrypted.len);
    tls_session_sent(out->tls);
}

bool peer_outbound_send(struct peer_outbound *out, enum frame_kind kind, struct slice frame)
{
    size_t waiting = out->queue.len + uv_stream_get_write_queue_size((uv_stream_t *)&out->tcp);
    size_t total = FRAME_HEADER_BYTES + frame.len;
    uint8_t header[FRAME_HEADER_BYTES];
    size_t sent = 0;

    if (frame.len > FRAME_BYTES_MAX || waiting + total > out->links->options.queue_bytes_max) {
        peer_links_warn(out->links, PEER_QUEUE_FULL, "frame dropped",
                        "peer=%llu bytes=%zu waiting=%zu why=\"no room in the peer's queue\"",
                        (unsigned long long)out->link->id, frame.len, waiting);
        return false;
    }
    frame_header_write(header, kind, frame);
    if (out->tls != NULL) {
        send_secured(out, header, frame);
        if (waiting == 0 && !out->wrote_this_turn) {
            peer_outbound_flush(out); /* an error comes again at the end of the turn */
        }
        out->wrote_this_turn = true;
        peer_links_dirty(out->link);
        return true;
    }
    if (waiting == 0 && !out->wrote_this_turn) {
        sent = send_now(out, header, frame);
    }
    out->wrote_this_turn = true;
    if (sent < FRAME_HEADER_BYTES) {
        bytes_append(&out->queue, header + sent, FRAME_HEADER_BYTES - sent);
        bytes_append(&out->queue, frame.base, frame.len);
    } else {
        bytes_append(&out->queue, frame.base + (sent - FRAME_HEADER_BYTES), total - sent);
    }
    peer_links_dirty(out->link);
    return true;
}

static void on_written(uv_write_t *write, int status)
{
    struct peer_outbound *out = write->data;
    int rv = status;

    bytes_clear(&out->writing);
    if (out->link == NULL) {
        return;
    }
    if (rv == 0) {
        rv = peer_outbound_flush(out);
    }
    if (rv != 0) {
        peer_link_fail(out->link, PEER_LOST, uv_strerror(rv));
    }
}

int peer_outbound_flush(struct peer_outbound *out)
{
    uv_stream_t *stream = (uv_stream_t *)&out->tcp;
    struct bytes swap;
    uv_buf_t buf;
    int rv;

    if (out->writing.len > 0 || out->queue.len == 0) {
        return 0;
    }
    buf = uv_buf_init((char *)out->queue.base, (unsigned)out->queue.len);
    rv = uv_try_write(stream, &buf, 1);
    if (rv < 0 && rv != UV_EAGAIN) {
        return rv;
    }
    rv = rv < 0 ? 0 : rv;
    if ((size_t)rv == out->queue.len) {
        bytes_clear(&out->queue);
        return 0;
    }
    swap = out->writing;
    out->writing = out->queue;
    out->queue = swap;
    buf.base += rv;
    buf.len -= (size_t)rv;
    out->write.data = out;
    return uv_write(&out->write, stream, &buf, 1, on_written);
}

/* False when nothing is dirty any more. */
static bool end_one(struct peer_links *links)
{
    struct peer_link *link;
    int rv;

    for (link = links->links; link != NULL && !link->dirty; link = link->next) {
    }
    if (link == NULL) {
        return false;
    }
    link->dirty = false;
    if (!link->up) {
        return true;
    }
    if (link->moved) {
        peer_link_fail(link, PEER_LOST, "it has a new address");
        return true;
    }
    if (link->out->broken) {
        peer_link_fail(link, PEER_TLS, "TLS could not encrypt");
        return true;
    }
    link->out->wrote_this_turn = false;
    rv = peer_outbound_flush(link->out);
    if (rv != 0) {
        peer_link_fail(link, PEER_LOST, uv_strerror(rv));
    }
    return true;
}

void peer_links_end_turn(struct peer_links *links)
{
    /* From the start each time: on_link may have changed the list. */
    while (!links->closing && end_one(links)) {
    }
    if (!links->closing) {
        uv_idle_stop(&links->idle);
    }
}
