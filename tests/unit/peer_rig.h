/* What the tests of the peer links share: nodes on one loop, raw sockets against them, and waiting
 * for a condition with a watchdog instead of for a time. */
#ifndef FLORIN_PEER_RIG_H
#define FLORIN_PEER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <unistd.h>

#include "consensus/peer_private.h"

enum { RIG_NODES = 3, RIG_LINES = 256, RIG_WATCHDOG_MS = 20000, RIG_TICK_MS = 2 };

struct rig_node {
    struct rig *rig;
    struct peer_links *links; /* NULL: not open */
    struct transport transport;
    uint64_t id;
    uint16_t port;
    char address[PEER_ADDRESS_MAX];
    bool closed;
    unsigned ups[RIG_NODES + 1], downs[RIG_NODES + 1];      /* by peer */
    unsigned losses[RIG_NODES + 1];                         /* its connections to us that ended */
    uint64_t sent[RIG_NODES + 1];                           /* number of the last frame to a peer */
    uint64_t got[RIG_NODES + 1];                            /* ... and of the last from it */
    uint64_t frames[RIG_NODES + 1];                         /* how many came from it */
    void (*on_frame)(struct rig_node *node, uint64_t peer); /* may be NULL */
    void (*on_link)(struct rig_node *node, uint64_t peer, bool up);
};

struct rig {
    uv_loop_t loop;
    uv_timer_t watchdog, tick;
    bool expired;
    struct reporter reporter;
    char lines[RIG_LINES][256]; /* "message fields", level WARN and above */
    unsigned n_lines;
    struct rig_node nodes[RIG_NODES + 1]; /* by id */
};

/* Turns the loop until the condition holds; the tick keeps a turn from blocking for long. */
#define RIG_UNTIL(rig, condition)                                                                  \
    do {                                                                                           \
        while (!(condition)) {                                                                     \
            uv_run(&(rig)->loop, UV_RUN_ONCE);                                                     \
            if ((rig)->expired) {                                                                  \
                fail_msg("not in time: %s", #condition);                                           \
            }                                                                                      \
        }                                                                                          \
    } while (0)

static inline void rig_line(struct reporter *r, enum level level, const char *room,
                            const char *message, const char *fields)
{
    struct rig *rig = (struct rig *)(void *)((char *)r - offsetof(struct rig, reporter));

    (void)room;
    if (level >= LEVEL_WARN && rig->n_lines < RIG_LINES) {
        snprintf(rig->lines[rig->n_lines++], sizeof rig->lines[0], "%s %s", message, fields);
    }
}

/* Warnings that contain a text. */
static inline unsigned rig_said(const struct rig *rig, const char *text)
{
    unsigned i, n = 0;

    for (i = 0; i < rig->n_lines; i++) {
        n += strstr(rig->lines[i], text) != NULL;
    }
    return n;
}

static inline void rig_watchdog(uv_timer_t *timer)
{
    ((struct rig *)timer->data)->expired = true;
}

static inline void rig_tick(uv_timer_t *timer)
{
    (void)timer;
}

static inline uint8_t rig_byte(uint64_t number, size_t i)
{
    return (uint8_t)(number * 131 + i * 7 + (i >> 8));
}

static inline void rig_on_frame(void *context, uint64_t peer, enum frame_kind kind,
                                struct slice frame)
{
    struct rig_node *node = context;
    struct cursor c = cursor_of(frame.base, frame.len);
    uint64_t from = cursor_u64(&c), number = cursor_u64(&c);
    size_t i;

    assert_true(peer >= 1 && peer <= RIG_NODES);
    assert_false(c.failed);
    assert_int_equal(from, peer);
    assert_int_equal(kind, FRAME_RAFT + number % 3);
    assert_true(number > node->got[peer]); /* in order, never twice */
    for (i = 0; i < c.left; i++) {
        if (c.at[i] != rig_byte(number, i)) {
            fail_msg("byte %zu of frame %llu is altered", i, (unsigned long long)number);
        }
    }
    node->got[peer] = number;
    node->frames[peer]++;
    if (node->on_frame != NULL) {
        node->on_frame(node, peer);
    }
}

static inline void rig_on_link(void *context, uint64_t peer, bool up)
{
    struct rig_node *node = context;

    assert_true(node->transport.connected(node->transport.impl, peer) == up);
    if (up) {
        node->ups[peer]++;
    } else {
        node->downs[peer]++;
    }
    if (node->on_link != NULL) {
        node->on_link(node, peer, up);
    }
}

static inline void rig_on_lost(void *context, uint64_t peer)
{
    struct rig_node *node = context;

    node->losses[peer]++;
}

/* A numbered frame of `len` bytes (at least 16). */
static inline bool rig_send(struct rig_node *node, uint64_t peer, size_t len)
{
    uint64_t number = node->sent[peer] + 1;
    struct bytes b;
    bool sent;
    size_t i;

    bytes_init(&b);
    bytes_append_u64(&b, node->id);
    bytes_append_u64(&b, number);
    bytes_reserve(&b, len - 16);
    for (i = 0; i + 16 < len; i++) {
        b.base[16 + i] = rig_byte(number, i);
    }
    b.len = len;
    sent = node->transport.send(node->transport.impl, peer, FRAME_RAFT + number % 3,
                                (struct slice){(const char *)b.base, b.len});
    node->sent[peer] = sent ? number : node->sent[peer];
    bytes_release(&b);
    return sent;
}

static const uint8_t rig_secret[HANDSHAKE_SECRET_BYTES] = "thirty-two bytes, known to all..";

static inline struct peer_options rig_options(struct rig *rig, uint64_t id)
{
    return (struct peer_options){
        .loop = &rig->loop,
        .node_id = id,
        .cluster_id = "test",
        .listen = "127.0.0.1:0",
        .secret = rig_secret,
        .reporter = &rig->reporter,
        .on_frame = rig_on_frame,
        .on_link = rig_on_link,
        .on_lost = rig_on_lost,
        .context = &rig->nodes[id],
    };
}

static inline void rig_open_with(struct rig *rig, const struct peer_options *o)
{
    struct rig_node *node = &rig->nodes[o->node_id];
    struct fault fault = {""};

    if (peer_links_open(&node->links, o, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    node->rig = rig;
    node->id = o->node_id;
    node->closed = false;
    node->port = peer_links_port(node->links);
    snprintf(node->address, sizeof node->address, "127.0.0.1:%u", node->port);
    peer_links_transport(node->links, &node->transport);
}

/* On the port that it had before, if it had one. */
static inline void rig_open(struct rig *rig, uint64_t id)
{
    struct peer_options o = rig_options(rig, id);

    if (rig->nodes[id].port != 0) {
        o.listen = rig->nodes[id].address;
    }
    rig_open_with(rig, &o);
}

/* Tells a node that its peers are those whose bits (1 << id) are set. */
static inline void rig_peers(struct rig_node *node, unsigned mask)
{
    uint64_t ids[RIG_NODES] = {0};
    const char *addresses[RIG_NODES] = {NULL};
    uint64_t id;
    size_t n = 0;

    for (id = 1; id <= RIG_NODES; id++) {
        if (mask & 1u << id) {
            ids[n] = id;
            addresses[n++] = node->rig->nodes[id].address;
        }
    }
    node->transport.set_peers(node->transport.impl, ids, addresses, n);
}

static inline bool rig_up(const struct rig_node *node, uint64_t peer)
{
    return node->transport.connected(node->transport.impl, peer);
}

static inline void rig_closed(void *context)
{
    ((struct rig_node *)context)->closed = true;
}

static inline void rig_begin_close(struct rig_node *node)
{
    peer_links_close(node->links, rig_closed, node);
    node->links = NULL;
}

static inline void rig_close(struct rig_node *node)
{
    rig_begin_close(node);
    RIG_UNTIL(node->rig, node->closed);
}

/* `n` nodes, open, each knowing all. */
static inline struct rig *rig_new(unsigned n)
{
    struct rig *rig = calloc(1, sizeof *rig);
    uint64_t id;

    assert_non_null(rig);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    rig->reporter = (struct reporter){rig_line, LEVEL_DEBUG};
    uv_timer_init(&rig->loop, &rig->watchdog);
    uv_timer_init(&rig->loop, &rig->tick);
    rig->watchdog.data = rig;
    uv_timer_start(&rig->watchdog, rig_watchdog, RIG_WATCHDOG_MS, 0);
    uv_timer_start(&rig->tick, rig_tick, RIG_TICK_MS, RIG_TICK_MS);
    for (id = 1; id <= n; id++) {
        rig_open(rig, id);
    }
    for (id = 1; id <= n; id++) {
        rig_peers(&rig->nodes[id], (2u << n) - 2);
    }
    return rig;
}

/* Two nodes with links both ways. */
static inline struct rig *rig_new_pair(void)
{
    struct rig *rig = rig_new(2);

    RIG_UNTIL(rig, rig_up(&rig->nodes[1], 2) && rig_up(&rig->nodes[2], 1));
    return rig;
}

/* Every handle must close: a loop that does not end, or can't be closed, fails the test. */
static inline void rig_free(struct rig *rig)
{
    uint64_t id;

    for (id = 1; id <= RIG_NODES; id++) {
        if (rig->nodes[id].links != NULL) {
            rig_close(&rig->nodes[id]);
        }
    }
    uv_close((uv_handle_t *)&rig->watchdog, NULL);
    uv_close((uv_handle_t *)&rig->tick, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    free(rig);
}

/* ---- raw sockets ---- */

static inline int raw_connect(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    /* The kernel completes it; nobody has to accept yet. */
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void raw_send(int fd, const void *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), len);
}

/* True when the other end has dropped it; bytes before that are thrown away. */
static inline bool raw_dropped(int fd)
{
    char buffer[4096];
    ssize_t n;

    do {
        n = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT);
    } while (n > 0);
    return n == 0 || errno == ECONNRESET;
}

/* Reads exactly `len` bytes, turning the loop. */
static inline void raw_read(struct rig *rig, int fd, void *data, size_t len)
{
    size_t have = 0;

    while (have < len) {
        ssize_t n = recv(fd, (char *)data + have, len - have, MSG_DONTWAIT);

        assert_true(n > 0 || (n < 0 && errno == EAGAIN));
        have += n > 0 ? (size_t)n : 0;
        if (n < 0) {
            uv_run(&rig->loop, UV_RUN_ONCE);
            assert_false(rig->expired);
        }
    }
}

static inline bool raw_is_peer(void *context, uint64_t id)
{
    (void)context;
    return id >= 1 && id <= RIG_NODES;
}

static inline struct handshake_self raw_self(uint64_t id)
{
    struct handshake_self self = {.id = id, .cluster = "test", .is_peer = raw_is_peer};

    memcpy(self.secret, rig_secret, sizeof self.secret);
    return self;
}

/* Dials node `to` as node `id` does, and proves it. */
static inline int raw_dial(struct rig *rig, uint64_t id, uint64_t to)
{
    struct handshake_self self = raw_self(id);
    uint8_t answer[HANDSHAKE_CHALLENGE_BYTES];
    int fd = raw_connect(rig->nodes[to].port);
    struct handshake h;

    handshake_begin(&h, HANDSHAKE_DIALLER, &self, to);
    raw_send(fd, h.out, h.out_len);
    raw_read(rig, fd, answer, HANDSHAKE_CHALLENGE_BYTES);
    assert_int_equal(handshake_feed(&h, answer, HANDSHAKE_CHALLENGE_BYTES), HANDSHAKE_MORE);
    raw_send(fd, h.out, h.out_len);
    raw_read(rig, fd, answer, HANDSHAKE_PROOF_BYTES);
    assert_int_equal(handshake_feed(&h, answer, HANDSHAKE_PROOF_BYTES), HANDSHAKE_DONE);
    return fd;
}

/* Listens on any port, which becomes the address of node `id`. */
static inline int raw_listen(struct rig *rig, uint64_t id)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    snprintf(rig->nodes[id].address, sizeof rig->nodes[id].address, "127.0.0.1:%u",
             ntohs(at.sin_port));
    return fd;
}

static inline int raw_accept(struct rig *rig, int listener)
{
    int fd = -1;

    RIG_UNTIL(rig, (fd = accept(listener, NULL, NULL)) >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Accepts as node `id` and lets the dialler prove itself; the WELCOME is left in h->out. */
static inline int raw_welcome(struct rig *rig, int listener, const struct handshake_self *self,
                              struct handshake *h)
{
    uint8_t message[HANDSHAKE_MESSAGE_MAX];
    int fd = raw_accept(rig, listener);

    handshake_begin(h, HANDSHAKE_ACCEPTOR, self, 0);
    raw_read(rig, fd, message, HANDSHAKE_HELLO_BYTES);
    assert_int_equal(handshake_feed(h, message, HANDSHAKE_HELLO_BYTES), HANDSHAKE_MORE);
    raw_send(fd, h->out, h->out_len);
    raw_read(rig, fd, message, HANDSHAKE_PROOF_BYTES);
    assert_int_equal(handshake_feed(h, message, HANDSHAKE_PROOF_BYTES), HANDSHAKE_DONE);
    return fd;
}

#endif
