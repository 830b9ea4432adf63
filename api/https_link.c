/* One connection: link_turn does what can be done in its stage, and then says what to wait for.
 * Every event ends up there; which end it is from only spares the other one a call in vain. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/https_private.h"
#include "api/https_tls.h"

enum {
    PIECES = 4,       /* each way in one turn: then others have theirs */
    LINGER_MS = 2000, /* for the client to hang up after our goodbye */
    STOP_LINGER_MS = 200,
    INNER_BUFFER = 128 * 1024, /* of the kernel's: an answer that no client takes waits in the
                                  server, whose time-outs know about it */
};

static void link_turn(struct link *l, bool client, bool server);

static void enter(struct link *l, enum link_stage stage, uint64_t for_ms)
{
    l->stage = stage;
    l->since_ms = uv_now(&l->https->loop);
    l->until_ms = for_ms == 0 ? 0 : l->since_ms + for_ms;
}

/* ---- what waits ---- */

static void rest_keep(struct link_rest *r, const char *data, size_t len)
{
    r->base = malloc(len);
    if (r->base == NULL) {
        abort();
    }
    memcpy(r->base, data, len);
    r->at = 0;
    r->len = len;
}

static void rest_release(struct link_rest *r)
{
    free(r->base);
    *r = (struct link_rest){NULL};
}

/* ---- ends ---- */

static void on_closed(uv_handle_t *handle)
{
    struct link *l = handle->data;

    l->handles--;
    if (l->ended && l->handles == 0) {
        free(l);
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct link *l = poll->data;
    struct link_end *e = poll == &l->client.poll ? &l->client : &l->server;

    (void)events;
    if (status != 0) {
        e->events = 0; /* libuv has stopped watching; reading or writing will tell why */
    }
    link_turn(l, e == &l->client, e == &l->server);
}

static void end_open(struct link *l, struct link_end *e, int fd)
{
    const int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (uv_poll_init(&l->https->loop, &e->poll, fd) != 0) {
        abort(); /* a new socket can't be watched already */
    }
    e->poll.data = l;
    e->fd = fd;
    e->events = 0;
    l->handles++;
}

static void end_close(struct link_end *e)
{
    if (e->fd >= 0) {
        uv_close((uv_handle_t *)&e->poll, on_closed);
        close(e->fd);
        e->fd = -1;
    }
}

static void end_watch(struct link_end *e, int events)
{
    if (e->fd < 0 || e->events == events) {
        return;
    }
    e->events = events;
    if (events == 0) {
        uv_poll_stop(&e->poll);
    } else {
        uv_poll_start(&e->poll, events, on_ready);
    }
}

static void close_client(struct link *l)
{
    SSL_free(l->ssl);
    l->ssl = NULL;
    end_close(&l->client);
    rest_release(&l->up);
    rest_release(&l->down);
}

static void close_server(struct link *l)
{
    if (l->server.fd >= 0) {
        https_clients_drop(l->https->options.clients, l->port);
        end_close(&l->server);
    }
    rest_release(&l->up);
}

void link_drop(struct link *l)
{
    close_client(l);
    close_server(l);
    https_link_ended(l->https, l);
    l->ended = true;
    if (l->handles == 0) {
        free(l);
    }
}

/* ---- the web server's side ---- */

/* The first byte is there. False: it can't be reached. */
static bool dial(struct link *l)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(l->https->options.server_port)};
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    const int buffer = INNER_BUFFER;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        return false;
    }
    inet_pton(AF_INET, HTTPS_INNER_ADDRESS, &to.sin_addr);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if ((connect(fd, (struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS) ||
        getsockname(fd, (struct sockaddr *)&own, &len) != 0) {
        close(fd);
        return false;
    }
    /* Nothing has been sent on it yet, so nobody has asked yet. */
    l->port = ntohs(own.sin_port);
    https_clients_put(l->https->options.clients, l->port, l->address);
    end_open(l, &l->server, fd);
    enter(l, LINK_OPEN, 0);
    return true;
}

/* How many bytes it takes: none for now, or -1: none ever. */
static ssize_t to_server(struct link *l, const char *data, size_t len)
{
    ssize_t n = send(l->server.fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    return n;
}

/* ---- the client's side ---- */

/* After a call that got nowhere. True when it will later. */
static bool later(struct link *l)
{
    switch (SSL_get_error(l->ssl, 0)) {
    case SSL_ERROR_WANT_READ:
        return true;
    case SSL_ERROR_WANT_WRITE:
        l->wants_write = true;
        return true;
    default:
        return false;
    }
}

static ssize_t to_client(struct link *l, const char *data, size_t len)
{
    size_t n = 0;

    ERR_clear_error();
    if (SSL_write_ex(l->ssl, data, len, &n) == 1) {
        return (ssize_t)n;
    }
    l->needs_read = SSL_get_error(l->ssl, 0) == SSL_ERROR_WANT_READ;
    return later(l) ? 0 : -1;
}

/* ---- both ways ---- */

typedef ssize_t deliver(struct link *l, const char *data, size_t len);

/* Delivers what waits. False: it can't be, ever. */
static bool rest_deliver(struct link *l, struct link_rest *r, deliver *to)
{
    while (r->base != NULL) {
        ssize_t n = to(l, r->base + r->at, r->len - r->at);

        if (n <= 0) {
            return n == 0;
        }
        r->at += (size_t)n;
        if (r->at == r->len) {
            rest_release(r);
        }
    }
    return true;
}

/* The same for what has just come, of which `r` keeps what is not taken. */
static bool piece_deliver(struct link *l, struct link_rest *r, deliver *to, size_t len)
{
    const char *piece = l->https->piece;
    ssize_t n = to(l, piece, len);

    if (n >= 0 && (size_t)n < len) {
        rest_keep(r, piece + n, len - (size_t)n);
        return rest_deliver(l, r, to);
    }
    return n >= 0;
}

/* The server takes no more: it has answered without reading all, or is stopping. What it has said
 * still goes to the client. */
static void end_up(struct link *l)
{
    l->up_ended = true;
    rest_release(&l->up);
}

/* False: the client is gone. */
static bool pump_up(struct link *l)
{
    int i;

    if (!rest_deliver(l, &l->up, to_server)) {
        end_up(l);
    }
    for (i = 0; i < PIECES && !l->up_ended && l->up.base == NULL; i++) {
        size_t n = 0;

        ERR_clear_error();
        if (SSL_read_ex(l->ssl, l->https->piece, HTTPS_PIECE, &n) != 1) {
            if (SSL_get_error(l->ssl, 0) != SSL_ERROR_ZERO_RETURN) {
                return later(l);
            }
            l->up_ended = true;
            if (l->server.fd < 0) {
                return false; /* goodbye without a word before */
            }
            shutdown(l->server.fd, SHUT_WR);
        } else if (l->server.fd < 0 && !dial(l)) {
            return false;
        } else if (!piece_deliver(l, &l->up, to_server, n)) {
            end_up(l);
        } else if (n < HTTPS_PIECE) {
            break; /* if there is more, we are told */
        }
    }
    return true;
}

static bool pump_down(struct link *l)
{
    int i;

    if (!rest_deliver(l, &l->down, to_client)) {
        return false;
    }
    for (i = 0; i < PIECES && l->server.fd >= 0 && l->down.base == NULL; i++) {
        ssize_t n = recv(l->server.fd, l->https->piece, HTTPS_PIECE, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            break;
        }
        if (n <= 0) {
            close_server(l);
            enter(l, LINK_FLUSHING, l->https->options.answer_timeout_ms);
        } else if (!piece_deliver(l, &l->down, to_client, (size_t)n)) {
            return false;
        } else if (n < HTTPS_PIECE) {
            break; /* likewise */
        }
    }
    return true;
}

/* ---- stages ---- */

static void linger(struct link *l)
{
    l->wants_write = false;
    shutdown(l->client.fd, SHUT_WR);
    enter(l, LINK_LINGERING, l->https->stop_by_ms == 0 ? LINGER_MS : STOP_LINGER_MS);
}

/* What a browser or a curl sends that was told http:// gets an answer that a person can read. */
static void answer_plain(struct link *l)
{
    static const char answer[] =
        "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\n"
        "Content-Length: 98\r\nConnection: close\r\n\r\n"
        "{\"status\":400,\"code\":\"malformed\",\"title\":\"This port speaks HTTPS.\","
        "\"detail\":\"Use https:// here.\"}\n";

    (void)!send(l->client.fd, answer, sizeof answer - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* False: the client is gone. */
static bool shake(struct link *l)
{
    ERR_clear_error();
    if (SSL_accept(l->ssl) == 1) {
        enter(l, LINK_OPEN, l->https->options.idle_timeout_ms);
        return true;
    }
    if (later(l)) {
        return true;
    }
    /* Who only looks whether the port is open has not failed at anything. */
    if (BIO_number_read(SSL_get_rbio(l->ssl)) == 0) {
        return false;
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_HTTP_REQUEST) {
        answer_plain(l);
    }
    https_failed(l->https, l, https_tls_why());
    linger(l); /* the alert that says why is on its way */
    return true;
}

static bool flush(struct link *l)
{
    if (!rest_deliver(l, &l->down, to_client)) {
        return false;
    }
    if (l->down.base == NULL) {
        ERR_clear_error();
        if (SSL_shutdown(l->ssl) >= 0) {
            linger(l);
        } else {
            return later(l);
        }
    }
    return true;
}

static bool await_hang_up(struct link *l)
{
    int i;

    for (i = 0; i < PIECES; i++) {
        ssize_t n = recv(l->client.fd, l->https->piece, HTTPS_PIECE, MSG_DONTWAIT);

        if (n <= 0) {
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        }
    }
    return true;
}

/* The client is gone. Our end towards the server stays until that knows whose it was, or has hung
 * up: closed now, its port could be another client's when the server looks. */
static void part(struct link *l)
{
    struct https_clients *clients = l->https->options.clients;
    int i;

    if (l->stage != LINK_PARTING) {
        close_client(l);
        enter(l, LINK_PARTING, 0);
        if (l->server.fd >= 0) {
            shutdown(l->server.fd, SHUT_WR);
        }
    }
    for (i = 0; i < PIECES && l->server.fd >= 0; i++) {
        ssize_t n = https_clients_taken(clients, l->port)
                        ? 0
                        : recv(l->server.fd, l->https->piece, HTTPS_PIECE, MSG_DONTWAIT);

        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close_server(l);
        } else if (n < 0) {
            break;
        }
    }
    if (l->server.fd < 0) {
        link_drop(l);
    } else {
        end_watch(&l->server, UV_READABLE);
    }
}

static void watch(struct link *l)
{
    bool reads = l->stage == LINK_SHAKING || l->stage == LINK_LINGERING ||
                 (l->stage == LINK_OPEN && !l->up_ended && l->up.base == NULL);
    bool writes = (l->down.base != NULL && !l->needs_read) || l->wants_write;

    end_watch(&l->client, (reads ? UV_READABLE : 0) | (writes ? UV_WRITABLE : 0));
    end_watch(&l->server,
              (l->down.base == NULL ? UV_READABLE : 0) | (l->up.base != NULL ? UV_WRITABLE : 0));
}

static void link_turn(struct link *l, bool client, bool server)
{
    bool there = l->stage != LINK_PARTING;

    l->wants_write = l->wants_write && !client;
    l->needs_read = l->needs_read && !client;
    if (l->stage == LINK_SHAKING) {
        there = shake(l);
    }
    if (there && l->stage == LINK_OPEN && (client || l->up.base != NULL)) {
        there = pump_up(l);
    }
    if (there && l->stage == LINK_OPEN && (server || l->down.base != NULL)) {
        there = pump_down(l);
    }
    if (there && l->stage == LINK_FLUSHING) {
        there = flush(l);
    }
    if (there && l->stage == LINK_LINGERING) {
        there = await_hang_up(l);
    }
    if (there) {
        watch(l);
    } else {
        part(l);
    }
}

/* ---- for https.c ---- */

void link_begin(struct https *h, int fd, const struct sockaddr *from)
{
    struct link *l = calloc(1, sizeof *l);

    if (l == NULL) {
        abort();
    }
    l->https = h;
    l->client.fd = l->server.fd = -1;
    address_of_socket(from, l->address);
    pthread_mutex_lock(&h->lock);
    l->ssl = SSL_new(h->context);
    pthread_mutex_unlock(&h->lock);
    if (l->ssl == NULL || SSL_set_fd(l->ssl, fd) != 1) {
        abort(); /* only memory can fail it */
    }
    end_open(l, &l->client, fd);
    enter(l, LINK_SHAKING, h->options.handshake_timeout_ms);
    https_link_began(h, l);
    link_turn(l, true, false);
}

bool link_waits(const struct link *l)
{
    return l->stage != LINK_PARTING && l->server.fd < 0;
}

void link_cut(struct link *l)
{
    if (l->stage == LINK_OPEN) {
        SSL_shutdown(l->ssl); /* a word, if it fits */
    }
    part(l);
}

void link_look(struct link *l)
{
    if (l->stage == LINK_PARTING) {
        part(l);
    } else if (l->until_ms != 0 && uv_now(&l->https->loop) >= l->until_ms) {
        if (l->stage == LINK_SHAKING) {
            https_failed(l->https, l, "it took too long");
        }
        link_cut(l);
    }
}
