/* Peer links: one TCP connection per direction.
 *
 * Each node dials every peer and sends only on what it dialled; it receives only on what it
 * accepted. Two nodes so hold two connections, where one would do, and in return nobody has to
 * decide which of two that crossed survives, a link's state depends on one end's actions alone, and
 * frames of one direction never wait behind the other's. For three or five nodes that is a handful
 * of sockets.
 *
 * A connection that was dialled is read too, only to learn that it ended. A peer that connects anew
 * replaces its older incoming connection: that one is dead, or it would not have dialled. */
#include "consensus/peer_private.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consensus/peer_address.h"

void *peer_allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL) {
        fprintf(stderr, "level=fatal msg=\"out of memory\" bytes=%zu\n", size);
        abort();
    }
    return memory;
}

bool peer_links_warn(struct peer_links *links, unsigned reason, const char *message,
                     const char *fields_format, ...)
{
    uint64_t now = uv_now(links->options.loop);
    char fields[512], skipped[48] = "";
    va_list args;

    if (now < links->said[reason].from_ms) {
        links->said[reason].skipped++;
        return false;
    }
    if (links->said[reason].skipped > 0) {
        snprintf(skipped, sizeof skipped, " skipped=%llu",
                 (unsigned long long)links->said[reason].skipped);
    }
    links->said[reason].from_ms = now + PEER_SAY_EVERY_MS;
    links->said[reason].skipped = 0;
    va_start(args, fields_format);
    vsnprintf(fields, sizeof fields, fields_format, args);
    va_end(args);
    report(links->options.reporter, LEVEL_WARN, "consensus", message, "%s%s", fields, skipped);
    return true;
}

/* ---- sockets ---- */

static int set_option(int fd, int level, int name, unsigned value)
{
    int v = (int)value;

    return setsockopt(fd, level, name, &v, sizeof v) == 0 ? 0 : uv_translate_sys_error(errno);
}

int peer_tune(const struct peer_links *links, uv_tcp_t *tcp)
{
    uv_os_fd_t fd = -1;
    int rv = uv_fileno((const uv_handle_t *)tcp, &fd);

    if (rv == 0) {
        rv = set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (rv == 0) {
        rv = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    }
    if (rv == 0) {
        rv = set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, links->options.keepalive_s);
    }
    if (rv == 0) {
        rv = set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    }
    if (rv == 0) {
        rv = set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, links->options.user_timeout_ms);
    }
    return rv;
}

static bool write_whole(uv_tcp_t *tcp, struct slice data)
{
    uv_buf_t buf = uv_buf_init((char *)data.base, (unsigned)data.len);

    return data.len == 0 || uv_try_write((uv_stream_t *)tcp, &buf, 1) == (int)data.len;
}

static bool write_out(uv_tcp_t *tcp, struct tls_session *tls)
{
    bool whole = write_whole(tcp, tls_session_out(tls));

    tls_session_sent(tls);
    return whole;
}

bool peer_write_now(uv_tcp_t *tcp, struct tls_session *tls, const uint8_t *data, size_t len)
{
    struct fault fault;

    if (tls == NULL) {
        return write_whole(tcp, (struct slice){(const char *)data, len});
    }
    return tls_session_write(tls, data, len, &fault) == 0 && write_out(tcp, tls);
}

int peer_shake_tls(uv_tcp_t *tcp, struct tls_session *tls, const char *data, size_t len,
                   struct fault *fault)
{
    int rv = -1;

    if (tls_session_feed(tls, data, len, fault) == 0) {
        rv = tls_session_shake(tls, fault);
    }
    /* After a failure too: the alert tells the other end's log why. */
    if (!write_out(tcp, tls) && rv >= 0) {
        return fault_set(fault, "the connection broke in the TLS handshake");
    }
    return rv;
}

/* ---- waits ---- */

static void on_timer(uv_timer_t *timer);

static uint64_t link_due_ms(const struct peer_link *link)
{
    if (link->out == NULL) {
        return link->redial_at_ms;
    }
    return link->up ? UINT64_MAX : link->out->deadline_ms;
}

void peer_links_rearm(struct peer_links *links)
{
    uint64_t now = uv_now(links->options.loop);
    uint64_t due = UINT64_MAX;
    struct peer_link *link;
    struct peer_inbound *in;

    if (links->closing) {
        return;
    }
    for (link = links->links; link != NULL; link = link->next) {
        due = link_due_ms(link) < due ? link_due_ms(link) : due;
    }
    for (in = links->inbound; in != NULL; in = in->next) {
        due = !in->proven && in->deadline_ms < due ? in->deadline_ms : due;
    }
    uv_timer_stop(&links->timer);
    if (due != UINT64_MAX) {
        uv_timer_start(&links->timer, on_timer, due > now ? due - now : 0, 0);
    }
}

static void link_due(struct peer_link *link)
{
    if (link->out == NULL) {
        peer_link_dial(link);
    } else if (link->out->connected) {
        peer_link_fail(link, PEER_SLOW, "no answer in the handshake");
    } else {
        peer_link_fail(link, PEER_UNREACHABLE, "no connection in time");
    }
}

/* Does one thing that is due; false when there is none. */
static bool do_one_due(struct peer_links *links, uint64_t now)
{
    struct peer_link *link;
    struct peer_inbound *in;

    for (link = links->links; link != NULL; link = link->next) {
        if (link_due_ms(link) <= now) {
            link_due(link);
            return true;
        }
    }
    for (in = links->inbound; in != NULL; in = in->next) {
        if (!in->proven && in->deadline_ms <= now) {
            peer_links_warn(links, PEER_SLOW, "connection refused",
                            "from=%s why=\"the handshake took too long\"", in->from);
            peer_inbound_drop(in);
            return true;
        }
    }
    return false;
}

static void on_timer(uv_timer_t *timer)
{
    struct peer_links *links = timer->data;

    /* From the start each time: what is done may change the lists. It ends, since what was done is
     * due in the future, or gone. */
    while (do_one_due(links, uv_now(links->options.loop))) {
    }
    peer_links_rearm(links);
}

static void on_check(uv_check_t *check)
{
    peer_links_end_turn(check->data);
}

/* ---- membership ---- */

struct peer_link *peer_links_find(struct peer_links *links, uint64_t id)
{
    struct peer_link *link;

    for (link = links->links; link != NULL && link->id != id; link = link->next) {
    }
    return link;
}

/* Whoever proves the secret may connect: a node that was away may not know of the members of today,
 * and a new one knows of none. What they say is judged above (roster.h). */
static bool is_peer(void *context, uint64_t id)
{
    const struct peer_links *links = context;

    return id != 0 && id != links->options.node_id;
}

static char *address_copy(const char *address)
{
    size_t size = strlen(address) + 1;

    return memcpy(peer_allocate(size), address, size);
}

static void link_add(struct peer_links *links, uint64_t id, const char *address)
{
    struct peer_link *link = peer_allocate(sizeof *link);

    link->links = links;
    link->id = id;
    link->address = address_copy(address);
    link->redial_at_ms = 0; /* with the timer's next turn */
    link->redial_wait_ms = PEER_REDIAL_FIRST_MS;
    link->next = links->links;
    links->links = link;
}

static void link_remove(struct peer_links *links, struct peer_link *link)
{
    struct peer_link **at = &links->links;

    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    if (link->out != NULL) {
        peer_outbound_abandon(link->out);
    }
    free(link->address);
    free(link);
}

/* Also its connection to us: it shall come again as the stranger that it is now. */
static void drop_inbound_of(struct peer_links *links, uint64_t id)
{
    struct peer_inbound *in, *next;

    for (in = links->inbound; in != NULL; in = next) {
        next = in->next;
        if (in->handshake.peer == id) {
            peer_inbound_drop(in);
        }
    }
}

/* A link that is up must say that it goes down, and this may not be said from within set_peers:
 * the end of the turn does it. */
static void link_move(struct peer_link *link, const char *address)
{
    free(link->address);
    link->address = address_copy(address);
    link->told = false;
    link->redial_wait_ms = PEER_REDIAL_FIRST_MS;
    link->at_once_from_ms = 0;
    if (link->up) {
        link->moved = true;
        peer_links_dirty(link);
        return;
    }
    if (link->out != NULL) {
        peer_outbound_abandon(link->out);
        link->out = NULL;
    }
    link->redial_at_ms = 0;
}

static bool ids_hold(const uint64_t *ids, size_t n, uint64_t id)
{
    size_t i;

    for (i = 0; i < n && ids[i] != id; i++) {
    }
    return i < n;
}

static void set_peers(void *impl, const uint64_t *ids, const char *const *addresses, size_t n)
{
    struct peer_links *links = impl;
    struct peer_link *link, *next;
    size_t i;

    for (link = links->links; link != NULL; link = next) {
        next = link->next;
        if (!ids_hold(ids, n, link->id)) {
            drop_inbound_of(links, link->id);
            link_remove(links, link);
        }
    }
    for (i = 0; i < n; i++) {
        link = peer_links_find(links, ids[i]);
        if (ids[i] == links->options.node_id || ids[i] == 0) {
            continue;
        }
        if (link == NULL) {
            link_add(links, ids[i], addresses[i]);
        } else if (strcmp(link->address, addresses[i]) != 0) {
            link_move(link, addresses[i]);
        }
    }
    peer_links_rearm(links);
}

/* ---- the transport ---- */

static bool transport_send(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct peer_link *link = peer_links_find(impl, peer);

    if (link == NULL || !link->up || link->moved) {
        return false;
    }
    return peer_outbound_send(link->out, kind, frame);
}

static bool transport_connected(void *impl, uint64_t peer)
{
    const struct peer_link *link = peer_links_find(impl, peer);

    return link != NULL && link->up;
}

void peer_links_transport(struct peer_links *links, struct transport *transport)
{
    *transport = (struct transport){links, transport_send, transport_connected, set_peers};
}

int peer_links_reload(struct peer_links *links, const struct tls_files *files, struct fault *fault)
{
    char cluster_id[HANDSHAKE_CLUSTER_MAX + 1] = "";
    struct tls *fresh;

    memcpy(cluster_id, links->self.cluster, sizeof links->self.cluster);
    if (tls_open(&fresh, files, cluster_id, links->options.node_id, fault) != 0) {
        return -1;
    }
    tls_close(links->tls);
    links->tls = fresh;
    return 0;
}

int64_t peer_links_valid_s(const struct peer_links *links)
{
    return links->tls == NULL ? INT64_MAX : tls_valid_s(links->tls);
}

uint16_t peer_links_port(const struct peer_links *links)
{
    return links->port;
}

/* ---- open and close ---- */

static int listen_address(uv_loop_t *loop, const char *text, struct sockaddr_storage *address,
                          bool anywhere, struct fault *fault)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct peer_address parsed;
    uv_getaddrinfo_t request;
    int rv;

    if (peer_address_parse(&parsed, text, true, fault) != 0) {
        return -1;
    }
    *address = parsed.numeric;
    if (address->ss_family == AF_UNSPEC) {
        /* Without a callback it is synchronous: nothing runs yet that could be held up. */
        rv = uv_getaddrinfo(loop, &request, NULL, parsed.host, parsed.port, &hints);
        if (rv != 0) {
            return fault_set(fault, "peer listen address '%s' does not resolve: %s", text,
                             uv_strerror(rv));
        }
        memcpy(address, request.addrinfo->ai_addr, request.addrinfo->ai_addrlen);
        uv_freeaddrinfo(request.addrinfo);
    }
    if (!anywhere && !peer_address_loopback((const struct sockaddr *)address)) {
        return fault_set(fault,
                         "peer listen address '%s' is not on loopback (127.0.0.0/8 or ::1): "
                         "without TLS a node listens to peers of the same machine only",
                         text);
    }
    return 0;
}

static int check_options(const struct peer_options *o, struct fault *fault)
{
    size_t len = o->cluster_id == NULL ? 0 : strlen(o->cluster_id);

    if (o->loop == NULL || o->listen == NULL || o->secret == NULL || o->on_frame == NULL) {
        return fault_set(fault, "peer links need a loop, a listen address, a cluster secret and "
                                "somebody to take frames");
    }
    if (o->node_id == 0) {
        return fault_set(fault, "a node's id must not be 0");
    }
    if (len == 0 || len > HANDSHAKE_CLUSTER_MAX) {
        return fault_set(fault, "the cluster id must have 1 to %d characters, it has %zu",
                         HANDSHAKE_CLUSTER_MAX, len);
    }
    if (o->queue_bytes_max != 0 && o->queue_bytes_max < FRAME_BYTES_MAX + FRAME_HEADER_BYTES) {
        return fault_set(fault,
                         "a peer's queue of %zu bytes could not hold the longest frame: "
                         "give it at least %d",
                         o->queue_bytes_max, FRAME_BYTES_MAX + FRAME_HEADER_BYTES);
    }
    if (sodium_init() < 0) {
        return fault_set(fault, "libsodium can't start: no source of random numbers?");
    }
    return 0;
}

static struct peer_links *links_new(const struct peer_options *o)
{
    struct peer_links *links = peer_allocate(sizeof *links);
    struct peer_options *kept = &links->options;

    *kept = *o;
    kept->cluster_id = kept->listen = NULL;
    kept->tls = NULL;
    kept->secret = NULL;
    kept->queue_bytes_max = o->queue_bytes_max != 0 ? o->queue_bytes_max : 16 << 20;
    kept->connect_timeout_ms = o->connect_timeout_ms != 0 ? o->connect_timeout_ms : 1000;
    kept->handshake_timeout_ms = o->handshake_timeout_ms != 0 ? o->handshake_timeout_ms : 5000;
    kept->keepalive_s = o->keepalive_s != 0 ? o->keepalive_s : 5;
    kept->user_timeout_ms = o->user_timeout_ms != 0 ? o->user_timeout_ms : 5000;
    links->self.id = o->node_id;
    memcpy(links->self.cluster, o->cluster_id, strlen(o->cluster_id));
    memcpy(links->self.secret, o->secret, sizeof links->self.secret);
    links->self.is_peer = is_peer;
    links->self.context = links;

    uv_tcp_init(o->loop, &links->listener);
    uv_timer_init(o->loop, &links->timer);
    uv_idle_init(o->loop, &links->idle);
    uv_check_init(o->loop, &links->check);
    links->held = 4;
    links->listener.data = links->timer.data = links->idle.data = links->check.data = links;
    return links;
}

int peer_links_open(struct peer_links **links, const struct peer_options *options,
                    struct fault *fault)
{
    struct sockaddr_storage address;
    int len = sizeof address;
    struct tls *tls = NULL;
    struct peer_links *l;
    int rv;

    *links = NULL;
    if (check_options(options, fault) != 0 ||
        listen_address(options->loop, options->listen, &address, options->tls != NULL, fault) !=
            0 ||
        (options->tls != NULL &&
         tls_open(&tls, options->tls, options->cluster_id, options->node_id, fault) != 0)) {
        return -1;
    }
    l = links_new(options);
    l->tls = tls;
    rv = uv_tcp_bind(&l->listener, (const struct sockaddr *)&address, 0);
    if (rv == 0) {
        rv = uv_listen((uv_stream_t *)&l->listener, PEER_BACKLOG, peer_links_on_connection);
    }
    if (rv == 0) {
        rv = uv_tcp_getsockname(&l->listener, (struct sockaddr *)&address, &len);
    }
    if (rv != 0) {
        fault_set(fault, "can't listen for peers on %s: %s%s", options->listen, uv_strerror(rv),
                  rv == UV_EADDRINUSE ? "; does this node run already?" : "");
        peer_links_close(l, NULL, NULL);
        return -1;
    }
    l->port = ntohs(address.ss_family == AF_INET6
                        ? ((const struct sockaddr_in6 *)(const void *)&address)->sin6_port
                        : ((const struct sockaddr_in *)(const void *)&address)->sin_port);
    uv_check_start(&l->check, on_check);
    *links = l;
    return 0;
}

void peer_links_unhold(struct peer_links *links)
{
    void (*done)(void *context) = links->done;
    void *context = links->done_context;

    if (--links->held > 0) {
        return;
    }
    sodium_memzero(&links->self, sizeof links->self);
    tls_close(links->tls);
    free(links);
    if (done != NULL) {
        done(context);
    }
}

static void on_handle_closed(uv_handle_t *handle)
{
    peer_links_unhold(handle->data);
}

void peer_links_close(struct peer_links *links, void (*done)(void *context), void *context)
{
    links->closing = true;
    links->done = done;
    links->done_context = context;
    while (links->links != NULL) {
        if (links->links->up) {
            peer_outbound_flush(links->links->out);
        }
        link_remove(links, links->links);
    }
    while (links->inbound != NULL) {
        peer_inbound_drop(links->inbound);
    }
    uv_close((uv_handle_t *)&links->listener, on_handle_closed);
    uv_close((uv_handle_t *)&links->timer, on_handle_closed);
    uv_close((uv_handle_t *)&links->idle, on_handle_closed);
    uv_close((uv_handle_t *)&links->check, on_handle_closed);
}
