#include "api/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "api/request_log.h"
#include "api/routes.h"

enum {
    KEEP_BUFFER = 256 * 1024, /* a buffer that has grown beyond this is given back */
    PIECE_MIN = 8,            /* see read_body */
    PIECE_MAX = 64 * 1024,
    DRAIN_MAX = 4 * 1024 * 1024, /* read and thrown away, so that a client sees our answer */
};

struct worker *worker_new(struct seats *seats)
{
    struct worker *w = calloc(1, sizeof *w);

    if (w == NULL) {
        abort(); /* while the server starts, with nothing to lose */
    }
    w->seats = seats;
    w->seat = seats_assign(seats);
    return w;
}

void worker_free(struct worker *w)
{
    if (w != NULL) {
        seats_resign(w->seats, w->seat);
        bytes_release(&w->body);
        bytes_release(&w->out);
        bytes_release(&w->wire);
        free(w);
    }
}

void worker_begin(struct worker *w, const struct mg_connection *conn)
{
    w->peer[0] = '\0';
    seats_take(w->seats, w->seat, conn);
}

static void take_turn(struct worker *w, enum seat_turn turn, uint64_t at_us)
{
    seats_turn(w->seats, w->seat, turn, at_us);
}

static void tidy(struct bytes *b)
{
    if (b->cap > KEEP_BUFFER) {
        bytes_release(b);
    }
    bytes_clear(b);
}

static uint64_t now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* How the request's body is sent, and what becomes of the connection afterwards. */
struct framing {
    int64_t length; /* -1: in chunks; 0: none */
    bool declared;
    bool expects_continue;
    bool keep_alive;
};

static bool has_token(const char *list, const char *token)
{
    size_t len = strlen(token);

    for (; *list != '\0'; list++) {
        if (strncasecmp(list, token, len) == 0 && strchr(" \t,", list[len]) != NULL) {
            return true;
        }
    }
    return false;
}

static int read_length(const char *value, struct framing *f)
{
    /* 15 digits fit an int64 with room to spare. */
    if (*value == '\0' || strlen(value) > 15 || strspn(value, "0123456789") != strlen(value)) {
        return -1;
    }
    f->length = strtoll(value, NULL, 10);
    return 0;
}

/* Takes from the headers what we go by. Two lengths, or a length and chunks, are refused: a proxy
 * in front of us might go by the other one, and see other requests in the bytes than we do. */
static int read_headers(const struct mg_request_info *ri, struct exchange *x, struct framing *f)
{
    const int headers_max = (int)(sizeof ri->http_headers / sizeof ri->http_headers[0]);
    const char *connection = NULL;
    int i;

    /* CivetWeb keeps this many and drops the others unseen, a Content-Length too. The body would
     * then be taken for the next request, and a proxy in front would give its answer away. */
    if (ri->num_headers >= headers_max) {
        return problem_set(&x->problem, PROBLEM_MALFORMED, "A request has fewer than %d headers.",
                           headers_max);
    }
    for (i = 0; i < ri->num_headers; i++) {
        const char *name = ri->http_headers[i].name;
        const char *value = ri->http_headers[i].value;
        bool is_length = strcasecmp(name, "Content-Length") == 0;

        if (is_length || strcasecmp(name, "Transfer-Encoding") == 0) {
            if (f->declared || (is_length && read_length(value, f) != 0) ||
                (!is_length && strcasecmp(value, "chunked") != 0)) {
                return problem_set(&x->problem, PROBLEM_MALFORMED, "%s: %s", name, value);
            }
            f->declared = true;
            f->length = is_length ? f->length : -1;
        } else if (strcasecmp(name, "Authorization") == 0) {
            x->headers.authorization = value;
        } else if (strcasecmp(name, "Content-Type") == 0) {
            x->headers.content_type = value;
        } else if (strcasecmp(name, "Content-Encoding") == 0) {
            x->headers.content_encoding = value;
        } else if (strcasecmp(name, "Accept") == 0) {
            x->headers.accept = value;
        } else if (strcasecmp(name, "Florin-Timeout-Ms") == 0) {
            x->headers.timeout = value;
        } else if (strcasecmp(name, "Florin-Key") == 0) {
            x->headers.key = value;
        } else if (strcasecmp(name, "Florin-Timestamp") == 0) {
            x->headers.timestamp = value;
        } else if (strcasecmp(name, "Florin-Signature") == 0) {
            x->headers.signature = value;
        } else if (strcasecmp(name, "Last-Event-ID") == 0) {
            x->headers.last_event_id = value;
        } else if (strcasecmp(name, "Florin-Request-Id") == 0) {
            x->headers.request_id = value;
        } else if (strcasecmp(name, "X-Forwarded-For") == 0) {
            x->headers.forwarded = value;
        } else if (strcasecmp(name, "Connection") == 0) {
            connection = value;
        } else if (strcasecmp(name, "Expect") == 0) {
            f->expects_continue = strcasecmp(value, "100-continue") == 0;
        }
    }
    /* The same rule as CivetWeb's own. */
    f->keep_alive = connection != NULL ? has_token(connection, "keep-alive")
                                       : strcmp(ri->http_version, "1.1") == 0;
    return 0;
}

/* CivetWeb's mg_read returns when all that was asked for is there, however slowly it drips in. So
 * the time is looked at between pieces, and pieces are tiny until a client has shown that it is not
 * dripping. What came in with the header costs nothing: it is only copied. */
static int read_body(struct mg_connection *conn, struct exchange *x, struct bytes *body,
                     const struct framing *f, const struct connection_limits *limits)
{
    uint64_t began = now_us();
    uint64_t at = began;
    size_t limit = f->length >= 0 ? (size_t)f->length : limits->max_body + 1;
    size_t piece = PIECE_MIN;

    while (body->len < limit) {
        size_t want = limit - body->len < piece ? limit - body->len : piece;
        uint64_t before = at;
        int n;

        bytes_reserve(body, want);
        n = mg_read(conn, body->base + body->len, want);
        at = now_us();
        body->len += n > 0 ? (size_t)n : 0;
        if (n == (int)want && at - began > (uint64_t)limits->body_timeout_ms * 1000) {
            return problem_set(&x->problem, PROBLEM_MALFORMED, "The body came too slowly.");
        }
        if (n < (int)want) {
            if (n >= 0 && f->length < 0) {
                break; /* the last chunk */
            }
            return problem_set(&x->problem, PROBLEM_MALFORMED,
                               "The body ended early, or came too slowly.");
        }
        piece = at - before > 1000 ? PIECE_MIN : (piece < PIECE_MAX ? piece * 2 : PIECE_MAX);
    }
    if (body->len > limits->max_body) {
        return problem_set(&x->problem, PROBLEM_TOO_LARGE, "A body has at most %zu bytes.",
                           limits->max_body);
    }
    return 0;
}

static int receive(struct mg_connection *conn, struct exchange *x, struct worker *w,
                   const struct framing *f, const struct connection_limits *limits)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

    if (f->length > 0 && (uint64_t)f->length > limits->max_body) {
        return problem_set(&x->problem, PROBLEM_TOO_LARGE, "A body has at most %zu bytes.",
                           limits->max_body);
    }
    if (f->length == 0) {
        return 0;
    }
    if (f->expects_continue) {
        mg_write(conn, go_on, sizeof go_on - 1);
    }
    if (read_body(conn, x, &w->body, f, limits) != 0) {
        return -1;
    }
    x->body = (struct slice){(const char *)w->body.base, w->body.len};
    return 0;
}

/* A connection that is closed with bytes unread is reset, and our answer with it. */
static void drain(struct mg_connection *conn, struct worker *w,
                  const struct connection_limits *limits)
{
    uint64_t until = now_us() + (uint64_t)limits->body_timeout_ms * 1000;
    size_t total = 0;
    int n;

    bytes_clear(&w->body);
    bytes_reserve(&w->body, PIECE_MAX);
    do {
        n = mg_read(conn, w->body.base, PIECE_MAX);
        total += n > 0 ? (size_t)n : 0;
    } while (n > 0 && total < DRAIN_MAX && now_us() < until);
}

static bool write_piece(void *conn, const void *data, size_t len)
{
    return mg_write(conn, data, len) == (int)len;
}

static void send_answer(struct mg_connection *conn, struct exchange *x, struct worker *w,
                        bool keep_alive)
{
    const struct sink sink = {write_piece, conn};

    keep_alive = keep_alive && x->stream == NULL && !seats_gives_way(w->seats, w->seat);
    bytes_clear(&w->wire);
    exchange_render(x, keep_alive, &w->wire);
    if (!keep_alive) {
        mg_disable_connection_keep_alive(conn);
    }
    take_turn(w, TURN_ANSWER, now_us());
    mg_write(conn, w->wire.base, w->wire.len); /* one write: one packet, where it fits */
    if (x->stream != NULL) {
        /* Streams have an end and a limit of their own. */
        take_turn(w, TURN_OURS, now_us());
        x->stream(x, &sink);
    }
}

/* Whose connection it is: through our own HTTPS, its client's. False: somebody on this machine
 * speaks where only that has business. */
static bool find_peer(struct worker *w, const struct api *api, const struct mg_request_info *ri)
{
    if (w->peer[0] == '\0') {
        if (!https_clients_keeps(api->https_clients, ri->server_port)) {
            snprintf(w->peer, sizeof w->peer, "%s", ri->remote_addr);
        } else if (!https_clients_take(api->https_clients, ri->remote_addr, ri->remote_port,
                                       w->peer)) {
            return false;
        }
    }
    return true;
}

static int identify(const struct mg_request_info *ri, struct worker *w, struct exchange *x)
{
    if (!find_peer(w, x->api, ri)) {
        return problem_set(&x->problem, PROBLEM_FORBIDDEN,
                           "This port is for this node's own HTTPS.");
    }
    if (forwarded_client(&x->api->proxies, w->peer, x->headers.forwarded, x->remote) != 0) {
        return problem_set(&x->problem, PROBLEM_MALFORMED,
                           "X-Forwarded-For: the proxy's last entry is not an address.");
    }
    return 0;
}

int connection_serve(struct mg_connection *conn, struct worker *w, const struct api *api,
                     const struct connection_limits *limits, bool stopping)
{
    const struct mg_request_info *ri = mg_get_request_info(conn);
    struct framing framing = {.length = 0};
    struct exchange x;
    uint64_t began = now_us();
    uint64_t ended;
    bool received = false;
    int status;

    exchange_init(&x, api, &w->out);
    x.head = strcmp(ri->request_method, "HEAD") == 0;
    x.method = x.head ? "GET" : ri->request_method;
    snprintf(x.remote, sizeof x.remote, "%s", find_peer(w, api, ri) ? w->peer : ri->remote_addr);
    x.path = ri->local_uri_raw;
    x.query = ri->query_string;

    if (read_headers(ri, &x, &framing) == 0 && identify(ri, w, &x) == 0) {
        x.body_declared = framing.declared;
        received = receive(conn, &x, w, &framing, limits) == 0;
    }
    exchange_name(&x);
    take_turn(w, TURN_OURS, now_us());
    if (!received) {
        framing.keep_alive = false;
        exchange_choose_form(&x);
        exchange_fail(&x);
    } else if (stopping) {
        framing.keep_alive = false;
        problem_set(&x.problem, PROBLEM_UNAVAILABLE, "This node is stopping.");
        exchange_choose_form(&x);
        exchange_fail(&x);
    } else {
        routes_answer(&x);
    }
    if (x.who.role != ROLE_NONE) {
        seats_trust(w->seats, w->seat); /* before it is decided whether the connection ends */
    }
    send_answer(conn, &x, w, framing.keep_alive);
    if (!received && x.status == 413 && !framing.expects_continue) {
        drain(conn, w, limits);
    }
    ended = now_us();
    take_turn(w, TURN_REQUEST, ended);
    w->rest_us = x.status == 503 ? pace_refusal_us(api->pace, ended) : 0;
    metrics_count(api->metrics, x.route, x.status, ended - began);
    request_log(&x, ended - began);
    status = x.status;
    exchange_release(&x);
    tidy(&w->body);
    tidy(&w->out);
    tidy(&w->wire);
    return status;
}

void connection_refuse(struct mg_connection *conn, struct worker *w, const struct api *api,
                       int status, const char *why)
{
    const struct mg_request_info *ri = mg_get_request_info(conn);
    struct exchange x;

    exchange_init(&x, api, &w->out);
    if (status == 413) {
        problem_set(&x.problem, PROBLEM_TOO_LARGE, "%s", why);
    } else if (status >= 500 && status != 505) {
        problem_set(&x.problem, PROBLEM_INTERNAL, "%s", why);
    } else {
        problem_set(&x.problem, PROBLEM_MALFORMED,
                    "%s (an incomplete request, or a header that is malformed or over 16 KiB?)",
                    why);
    }
    x.problem.status = status;
    snprintf(x.remote, sizeof x.remote, "%s", find_peer(w, api, ri) ? w->peer : ri->remote_addr);
    exchange_name(&x);
    exchange_fail(&x);
    send_answer(conn, &x, w, false);
    metrics_count(api->metrics, -1, x.status, 0);
    request_log(&x, 0);
    tidy(&w->out);
    tidy(&w->wire);
}
