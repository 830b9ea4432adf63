/* strcasestr, epoll_pwait2 */
#define _GNU_SOURCE

#include "tests/bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/load_body.h"

enum { EVENTS = 256, DRAIN_NS = 2000000000, IDLE_WAIT_NS = 10000000 };

struct connection {
    int fd;
    bool busy;
    bool answered;   /* once at least, on this connection */
    uint64_t due_ns; /* what the latency counts from */
    uint64_t sent_ns;
    uint64_t later_ns; /* when it may ask again, after a 503 */
    uint16_t port;
    unsigned player;
    struct bytes out;
    size_t sent;
    struct bytes in;
    size_t expected; /* of the whole answer; 0: its head is not there yet */
};

struct generator {
    const struct load *load;
    struct load_result *result;
    struct load_body body;
    int epoll;
    struct connection *connections;
    struct connection **idle; /* a stack */
    int n_idle;
    struct connection **told; /* a ring: those told to ask later, the first at told[told_first] */
    int told_first, n_told;
    uint64_t begin_ns, end_ns;
    uint64_t issued; /* open loop: how many were due and sent */
    uint64_t last_ns;
};

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* ---- latencies ---- */

/* Below 64 us one bucket a microsecond; then 64 for each doubling. */
static unsigned bucket_of(uint64_t us)
{
    unsigned shift;

    if (us < LATENCY_STEPS) {
        return (unsigned)us;
    }
    shift = 63 - (unsigned)__builtin_clzll(us) - 6;
    return (shift + 1) * LATENCY_STEPS + (unsigned)((us >> shift) - LATENCY_STEPS);
}

static void latencies_add(struct latencies *l, uint64_t us)
{
    unsigned bucket = bucket_of(us);

    l->count[bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1]++;
    l->n++;
    l->max_us = us > l->max_us ? us : l->max_us;
}

uint64_t latencies_at(const struct latencies *l, double part)
{
    uint64_t rank = (uint64_t)(part * (double)l->n);
    uint64_t seen = 0;
    unsigned i;

    for (i = 0; i < LATENCY_BUCKETS; i++) {
        seen += l->count[i];
        if (seen > rank) {
            unsigned shift = i / LATENCY_STEPS == 0 ? 0 : i / LATENCY_STEPS - 1;
            uint64_t step = i / LATENCY_STEPS == 0 ? i : LATENCY_STEPS + i % LATENCY_STEPS;
            uint64_t upper = ((step + 1) << shift) - 1;

            return upper < l->max_us ? upper : l->max_us;
        }
    }
    return l->max_us;
}

uint64_t latencies_above(const struct latencies *l, uint64_t us)
{
    uint64_t above = 0;
    unsigned i;

    for (i = bucket_of(us) + 1; i < LATENCY_BUCKETS; i++) {
        above += l->count[i];
    }
    return above;
}

/* ---- connections ---- */

/* Without waiting: what is sent meanwhile goes out once it is there. */
static int open_connection(struct generator *g, struct connection *c)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(c->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0 || (connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
                      errno != EINPROGRESS)) {
        return -1;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return epoll_ctl(g->epoll, EPOLL_CTL_ADD, c->fd, &event);
}

/* What does not fit the socket at once goes out when it has room. */
static void send_more(struct generator *g, struct connection *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    ssize_t n =
        send(c->fd, c->out.base + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    bool waited = c->sent > 0;

    c->sent += n > 0 ? (size_t)n : 0;
    if (c->sent < c->out.len) {
        event.events |= EPOLLOUT;
    } else if (!waited) {
        return;
    }
    epoll_ctl(g->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void begin_request(struct generator *g, struct connection *c, uint64_t due_ns,
                          uint64_t now_ns)
{
    c->busy = true;
    c->due_ns = due_ns;
    c->sent_ns = now_ns;
    c->sent = 0;
    c->expected = 0;
    bytes_clear(&c->in);
    load_body_request(&g->body, &c->out, &c->player);
    send_more(g, c);
}

/* ---- answers ---- */

/* Of a 503; 0: it says none. All that nodes answer say the same: those told first ask first. */
static uint64_t retry_after_ns(const char *head)
{
    static const char field[] = "\r\nRetry-After:";
    const char *at = strcasestr(head, field);

    return at == NULL ? 0 : strtoul(at + sizeof field - 1, NULL, 10) * 1000000000;
}

static void count_refusal(struct generator *g, struct connection *c)
{
    uint64_t later_ns = retry_after_ns((const char *)c->in.base);

    g->result->overloaded++;
    g->result->without_wait += later_ns == 0;
    latencies_add(&g->result->refused, (g->last_ns - c->sent_ns) / 1000);
    c->later_ns = g->load->impolite ? 0 : g->last_ns + later_ns;
}

static void count_answer(struct generator *g, struct connection *c)
{
    const char *head = (const char *)c->in.base;
    struct load_result *r = g->result;
    int status = atoi(head + strlen("HTTP/1.1 "));
    uint64_t us = (g->last_ns - c->due_ns) / 1000;

    if (status == 200) {
        r->requests++;
        r->done += load_body_done(&g->body, c->player, head, c->in.len);
        latencies_add(&r->ok, us);
    } else if (status == 503) {
        count_refusal(g, c);
    } else {
        r->failed++;
    }
}

/* How long the whole answer will be, once its head is there. */
static size_t answer_length(struct bytes *in)
{
    static const char field[] = "\r\nContent-Length:";
    const char *end = memmem(in->base, in->len, "\r\n\r\n", 4);
    const char *length;

    if (end == NULL) {
        return 0;
    }
    bytes_append_u8(in, 0); /* for the functions on strings; not counted */
    in->len--;
    length = strcasestr((const char *)in->base, field);
    return (size_t)(end - (const char *)in->base) + 4 +
           (length == NULL ? 0 : strtoul(length + sizeof field - 1, NULL, 10));
}

static void reopen(struct generator *g, struct connection *c)
{
    close(c->fd);
    c->answered = false;
    if (open_connection(g, c) != 0) {
        c->fd = -1; /* its requests fail */
    }
}

/* A whole answer is there. */
static void take_answer(struct generator *g, struct connection *c)
{
    c->busy = false;
    c->answered = true;
    g->last_ns = now_ns();
    count_answer(g, c);
    if (strcasestr((const char *)c->in.base, "\r\nConnection: close\r\n") != NULL) {
        g->result->reconnects++;
        reopen(g, c);
    }
    if (c->later_ns > g->last_ns) {
        g->told[(g->told_first + g->n_told++) % g->load->connections] = c;
    } else {
        g->idle[g->n_idle++] = c;
    }
}

/* Those who were told to ask later, and now may. */
static void recall(struct generator *g)
{
    uint64_t now = now_ns();

    while (g->n_told > 0 && g->told[g->told_first]->later_ns <= now) {
        g->idle[g->n_idle++] = g->told[g->told_first];
        g->told_first = (g->told_first + 1) % g->load->connections;
        g->n_told--;
    }
}

/* False when the connection is gone. */
static bool receive(struct generator *g, struct connection *c)
{
    size_t want = c->expected > c->in.len ? c->expected - c->in.len : 16384;
    ssize_t n = recv(c->fd, bytes_room(&c->in, want + 1), want, MSG_DONTWAIT);

    if (n <= 0) {
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    }
    c->in.len += (size_t)n;
    if (c->expected == 0) {
        c->expected = answer_length(&c->in);
    }
    if (c->expected > 0 && c->in.len >= c->expected && c->busy) {
        take_answer(g, c);
    }
    return true;
}

/* Ended by the server. What had been sent on an idle connection that the server was just closing is
 * sent again on a new one, once, as HTTP clients do. */
static void lose_connection(struct generator *g, struct connection *c)
{
    if (c->busy && c->answered && c->in.len == 0) {
        g->result->repeated++;
        reopen(g, c);
        c->sent = 0;
        send_more(g, c);
        return;
    }
    if (c->busy) {
        g->result->failed++;
        c->busy = false;
        g->idle[g->n_idle++] = c;
    }
    reopen(g, c);
}

static void close_connection(struct connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    bytes_release(&c->in);
    bytes_release(&c->out);
}

/* ---- the loop ---- */

/* What has been due for too long; returns whether there was any. */
static bool give_up(struct generator *g, uint64_t due_ns, uint64_t now_ns)
{
    uint64_t patience_ns = (uint64_t)g->load->patience_ms * 1000000;

    if (g->load->rate_per_s <= 0 || patience_ns == 0 || due_ns >= g->end_ns ||
        due_ns + patience_ns > now_ns) {
        return false;
    }
    g->issued++;
    g->result->unsent++;
    return true;
}

/* Sends what is due; returns when the next one will be. */
static uint64_t issue(struct generator *g)
{
    double rate = g->load->rate_per_s;

    recall(g);
    for (;;) {
        uint64_t now = now_ns();
        uint64_t due = now;

        if (rate > 0) {
            due = g->begin_ns + (uint64_t)((double)g->issued * 1e9 / rate);
        }
        if (give_up(g, due, now)) {
            continue;
        }
        if (due > now || due >= g->end_ns || g->n_idle == 0) {
            /* Without an idle connection the next answer decides. */
            return g->n_idle == 0 || due >= g->end_ns ? now + IDLE_WAIT_NS : due;
        }
        g->issued++;
        begin_request(g, g->idle[--g->n_idle], due, now);
    }
}

static int busy_connections(const struct generator *g)
{
    int i, n = 0;

    for (i = 0; i < g->load->connections; i++) {
        n += g->connections[i].busy;
    }
    return n;
}

static void serve(struct generator *g, uint64_t until_ns)
{
    struct epoll_event events[EVENTS];
    uint64_t now = now_ns();
    uint64_t wait = until_ns > now ? until_ns - now : 0;
    struct timespec timeout = {(time_t)(wait / 1000000000), (long)(wait % 1000000000)};
    int i, n = epoll_pwait2(g->epoll, events, EVENTS, &timeout, NULL);

    for (i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;

        if ((events[i].events & EPOLLOUT) != 0) {
            send_more(g, c);
        }
        if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0 && !receive(g, c)) {
            lose_connection(g, c);
        }
    }
}

static int connect_all(struct generator *g)
{
    int i;

    for (i = 0; i < g->load->connections; i++) {
        struct connection *c = &g->connections[i];

        c->port = g->load->ports[i % g->load->n_ports];
        if (open_connection(g, c) != 0) {
            return -1;
        }
        g->idle[g->n_idle++] = c;
    }
    return 0;
}

/* An answer on every connection: a provider's live long, and that they are taken up is not a bet's
 * time. What fails counts. */
static void warm(struct generator *g)
{
    uint64_t now = now_ns(), until = now + DRAIN_NS;
    int i;

    g->n_idle = 0;
    for (i = 0; i < g->load->connections; i++) {
        begin_request(g, &g->connections[i], now, now);
    }
    while (busy_connections(g) > 0 && now_ns() < until) {
        serve(g, now_ns() + IDLE_WAIT_NS);
    }
    *g->result = (struct load_result){.failed = g->result->failed + g->result->overloaded};
    g->load->warmed(g->load->context);
}

int load_run(const struct load *load, struct load_result *result)
{
    struct generator g = {.load = load, .result = result};
    int i, rc;

    memset(result, 0, sizeof *result);
    g.connections = calloc((size_t)load->connections, sizeof *g.connections);
    g.idle = calloc((size_t)load->connections, sizeof(struct connection *));
    g.told = calloc((size_t)load->connections, sizeof(struct connection *));
    g.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (g.connections == NULL || g.idle == NULL || g.told == NULL || g.epoll < 0) {
        abort();
    }
    for (i = 0; i < load->connections; i++) {
        g.connections[i].fd = -1;
    }
    load_body_init(&g.body, load);
    rc = connect_all(&g);
    if (rc == 0 && load->warmed != NULL) {
        warm(&g);
    }
    g.begin_ns = g.last_ns = now_ns();
    g.end_ns = g.begin_ns + (uint64_t)load->seconds * 1000000000;
    while (rc == 0 && now_ns() < g.end_ns) {
        if (load->stop != NULL && *load->stop) {
            g.end_ns = now_ns();
        }
        serve(&g, issue(&g));
    }
    while (rc == 0 && busy_connections(&g) > 0 && now_ns() < g.end_ns + DRAIN_NS) {
        serve(&g, now_ns() + 10000000);
    }
    result->failed += (uint64_t)busy_connections(&g); /* no answer in time */
    result->seconds = (double)(g.last_ns - g.begin_ns) / 1e9;
    for (i = 0; i < load->connections; i++) {
        close_connection(&g.connections[i]);
    }
    load_body_release(&g.body);
    close(g.epoll);
    free(g.told);
    free(g.idle);
    free(g.connections);
    return rc;
}
