#include "tests/sim/sim_net.h"

#include <stdlib.h>

#include "tests/sim/sim_node.h"

/* A frame on its way. */
struct flight {
    struct flight *next;
    uint64_t connection;
    uint64_t from, to;
    enum frame_kind kind;
    size_t len;
    uint8_t bytes[];
};

struct link {
    bool wanted; /* the sender's driver has named this peer */
    bool up;     /* the sender believes so */
    bool blocked;
    uint64_t connection; /* frames of another one are lost */
    uint64_t block;      /* number of the last block, so that a later one is told apart */
    uint64_t last_at_us; /* no frame arrives before this */
    struct flight *held_first, **held_last;
};

struct net {
    uint64_t next_connection;
    struct link links[SIM_NODES_MAX][SIM_NODES_MAX];
};

static struct link *link_of(struct world *w, uint64_t from, uint64_t to)
{
    return &w->net->links[from - 1][to - 1];
}

struct net *net_new(struct world *w)
{
    struct net *net = calloc(1, sizeof *net);
    size_t i;

    (void)w;
    if (net == NULL) {
        abort();
    }
    for (i = 0; i < SIM_NODES_MAX * SIM_NODES_MAX; i++) {
        struct link *l = &net->links[i / SIM_NODES_MAX][i % SIM_NODES_MAX];
        l->held_last = &l->held_first;
    }
    return net;
}

static void link_forget_held(struct link *l)
{
    while (l->held_first != NULL) {
        struct flight *f = l->held_first;
        l->held_first = f->next;
        free(f);
    }
    l->held_last = &l->held_first;
}

void net_free(struct net *net)
{
    size_t i;

    for (i = 0; i < SIM_NODES_MAX * SIM_NODES_MAX; i++) {
        link_forget_held(&net->links[i / SIM_NODES_MAX][i % SIM_NODES_MAX]);
    }
    free(net);
}

/* The receiver's end of a connection is over: a: the sender. */
static void lost(struct world *w, const struct event *e)
{
    (void)w;
    node_lost(e->node, e->a);
}

static void tell_lost(struct world *w, uint64_t from, uint64_t to, uint64_t delay_us)
{
    world_schedule(w, delay_us, (struct event){.run = lost, .node = &w->nodes[to - 1], .a = from});
}

/* ---- frames ---- */

/* Hands over what has arrived, in the order of arrival. */
static void link_flush(struct world *w, struct link *l)
{
    while (!l->blocked && l->held_first != NULL) {
        struct flight *f = l->held_first;
        l->held_first = f->next;
        if (l->held_first == NULL) {
            l->held_last = &l->held_first;
        }
        if (f->connection == l->connection) {
            node_frame(&w->nodes[f->to - 1], f->from, f->kind,
                       (struct slice){(const char *)f->bytes, f->len});
        }
        free(f);
    }
}

static struct flight *flight_copy(const struct flight *f)
{
    struct flight *copy = malloc(sizeof *copy + f->len);

    if (copy == NULL) {
        abort();
    }
    memcpy(copy, f, sizeof *copy + f->len);
    copy->next = NULL;
    return copy;
}

static void arrive(struct world *w, const struct event *e)
{
    const struct flight *f = e->data;
    struct link *l = link_of(w, f->from, f->to);
    struct flight *held = flight_copy(f);

    *l->held_last = held;
    l->held_last = &held->next;
    link_flush(w, l);
}

/* A frame that belongs to no connection. */
static void arrive_loose(struct world *w, const struct event *e)
{
    const struct flight *f = e->data;
    struct node *to = &w->nodes[f->to - 1];

    if (link_of(w, f->from, f->to)->blocked || !node_awake(to)) {
        return;
    }
    node_frame(to, f->from, f->kind, (struct slice){(const char *)f->bytes, f->len});
}

static uint64_t delay(struct world *w)
{
    return random_between(&w->random, w->profile.net_min_us, w->profile.net_max_us);
}

static void send_loose(struct world *w, const struct flight *f)
{
    unsigned copies = 1;

    if (random_chance(&w->random, 50)) {
        copies = 0;
        w->counts[COUNT_FRAME_LOST]++;
    } else if (random_chance(&w->random, 50)) {
        copies = 2;
        w->counts[COUNT_FRAME_DOUBLED]++;
    }
    while (copies-- > 0) {
        uint64_t late = random_chance(&w->random, 20) ? random_below(&w->random, 2000000) : 0;
        w->counts[COUNT_FRAME_LATE] += late > 0;
        world_schedule(w, delay(w) + late,
                       (struct event){.run = arrive_loose, .data = flight_copy(f)});
    }
}

static bool transport_send(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct node *n = impl;
    struct world *w = n->world;
    struct link *l = link_of(w, n->id, peer);
    struct flight *f;
    uint64_t at;

    if (frame.len == 0 || frame.len > FRAME_BYTES_MAX) {
        world_fail(w, "node %u sends a frame of %zu bytes", (unsigned)n->id, frame.len);
        return false;
    }
    w->hash = mix_bytes(w->hash, frame.base, frame.len);
    if (!l->up) {
        return false;
    }
    if (random_chance(&w->random, w->profile.refuse_per_mille)) {
        w->counts[COUNT_QUEUE_FULL]++;
        return false;
    }
    f = malloc(sizeof *f + frame.len);
    if (f == NULL) {
        abort();
    }
    *f = (struct flight){NULL, l->connection, n->id, peer, kind, frame.len};
    memcpy(f->bytes, frame.base, frame.len);
    if (w->profile.chaos && !w->calm && kind == FRAME_RAFT) {
        send_loose(w, f);
        free(f);
        return true;
    }
    at = w->now_us + delay(w);
    if (at < l->last_at_us) {
        at = l->last_at_us;
    }
    l->last_at_us = at;
    world_schedule(w, at - w->now_us,
                   (struct event){.run = arrive, .node = &w->nodes[peer - 1], .data = f});
    return true;
}

static bool transport_connected(void *impl, uint64_t peer)
{
    struct node *n = impl;

    return link_of(n->world, n->id, peer)->up;
}

static void dial_later(struct world *w, uint64_t from, uint64_t to, uint64_t delay_us);

/* As peer.c does it: nothing is said of what is dropped here, and the other end's connection to us
 * ends with it. */
static void drop_peer(struct world *w, uint64_t from, uint64_t to)
{
    struct link *l = link_of(w, from, to);

    l->wanted = l->up = false;
    l->connection = ++w->net->next_connection;
    link_forget_held(l);
    net_reset(w, to, from);
}

static void transport_set_peers(void *impl, const uint64_t *ids, const char *const *addresses,
                                size_t count)
{
    struct node *n = impl;
    struct world *w = n->world;
    uint64_t to;
    size_t i;

    (void)addresses;
    for (to = 1; to <= w->n_nodes; to++) {
        struct link *l = link_of(w, n->id, to);
        for (i = 0; i < count && ids[i] != to; i++) {
        }
        if (i == count && l->wanted) {
            drop_peer(w, n->id, to);
        } else if (i < count && !l->wanted && to != n->id) {
            l->wanted = true;
            dial_later(w, n->id, to, random_between(&w->random, 100, 20000));
        }
    }
}

void net_transport(struct node *n, struct transport *transport)
{
    *transport = (struct transport){
        .impl = n,
        .send = transport_send,
        .connected = transport_connected,
        .set_peers = transport_set_peers,
    };
}

/* ---- connections ---- */

static void dial(struct world *w, const struct event *e);

static void dial_later(struct world *w, uint64_t from, uint64_t to, uint64_t delay_us)
{
    world_schedule(w, delay_us,
                   (struct event){.run = dial, .node = &w->nodes[from - 1], .a = from, .b = to});
}

static void dial(struct world *w, const struct event *e)
{
    struct link *l = link_of(w, e->a, e->b);

    if (l->up || !l->wanted) {
        return;
    }
    if (!node_awake(&w->nodes[e->b - 1]) || l->blocked || link_of(w, e->b, e->a)->blocked) {
        dial_later(w, e->a, e->b, random_between(&w->random, 20000, 1000000));
        return;
    }
    l->up = true;
    world_say(w, "link %u to %u is up", (unsigned)e->a, (unsigned)e->b);
    l->connection = ++w->net->next_connection;
    link_forget_held(l);
    node_link(&w->nodes[e->a - 1], e->b, true);
}

/* a: the connection; b: from * 16 + to */
static void break_link(struct world *w, const struct event *e)
{
    uint64_t from = e->b / 16;
    uint64_t to = e->b % 16;
    struct link *l = link_of(w, from, to);

    if (!l->up || l->connection != e->a) {
        return;
    }
    l->up = false;
    w->counts[COUNT_LINK_BROKEN]++;
    world_say(w, "link %u to %u breaks", (unsigned)from, (unsigned)to);
    l->connection = ++w->net->next_connection;
    link_forget_held(l);
    node_link(&w->nodes[from - 1], to, false);
    tell_lost(w, from, to, random_between(&w->random, 100, 100000));
    dial_later(w, from, to, random_between(&w->random, 1000, 100000));
}

static void break_later(struct world *w, uint64_t from, uint64_t to, uint64_t delay_us)
{
    world_schedule(w, delay_us,
                   (struct event){.run = break_link,
                                  .node = &w->nodes[from - 1],
                                  .a = link_of(w, from, to)->connection,
                                  .b = from * 16 + to});
}

void net_reset(struct world *w, uint64_t from, uint64_t to)
{
    break_later(w, from, to, 0);
}

void net_started(struct world *w, struct node *n)
{
    uint64_t other;

    for (other = 1; other <= w->n_nodes; other++) {
        struct link *in = link_of(w, other, n->id);
        if (other == n->id) {
            continue;
        }
        if (in->up) { /* to the life before: nothing of it arrives, and its sender is told */
            in->connection = ++w->net->next_connection;
            link_forget_held(in);
            break_later(w, other, n->id, random_between(&w->random, 0, 5000));
        }
    }
}

void net_died(struct world *w, struct node *n, bool power)
{
    uint64_t other;

    for (other = 1; other <= w->n_nodes; other++) {
        struct link *out = link_of(w, n->id, other);
        struct link *in = link_of(w, other, n->id);
        if (other == n->id) {
            continue;
        }
        if (out->up) {
            tell_lost(w, n->id, other, random_between(&w->random, 100, power ? 3000000 : 20000));
        }
        out->wanted = out->up = false;
        if (random_chance(&w->random, 500)) { /* what it sent may arrive, or not */
            out->connection = ++w->net->next_connection;
            link_forget_held(out);
        }
        if (in->up) {
            break_later(w, other, n->id,
                        power ? random_between(&w->random, 100000, 3000000)
                              : random_between(&w->random, 100, 20000));
        }
    }
}

/* ---- partitions ---- */

static void unblocked(struct world *w, const struct event *e)
{
    link_flush(w, link_of(w, e->a, e->b));
}

/* a: the block's number; b: as break_link. What is blocked in either direction gets no
 * acknowledgement, so both connections break. */
static void stalled(struct world *w, const struct event *e)
{
    uint64_t from = e->b / 16;
    uint64_t to = e->b % 16;
    struct link *l = link_of(w, from, to);

    if (l->blocked && l->block == e->a) {
        net_reset(w, from, to);
        net_reset(w, to, from);
    }
}

void net_block(struct world *w, uint64_t from, uint64_t to, bool blocked)
{
    struct link *l = link_of(w, from, to);

    if (l->blocked == blocked) {
        return;
    }
    l->blocked = blocked;
    if (blocked) {
        l->block++;
        world_schedule(w, random_between(&w->random, 500000, 4000000),
                       (struct event){.run = stalled, .a = l->block, .b = from * 16 + to});
        return;
    }
    world_schedule(w, 1,
                   (struct event){.run = unblocked, .node = &w->nodes[to - 1], .a = from, .b = to});
}

void net_heal(struct world *w)
{
    uint64_t from, to;

    for (from = 1; from <= w->n_nodes; from++) {
        for (to = 1; to <= w->n_nodes; to++) {
            if (from != to) {
                net_block(w, from, to, false);
            }
        }
    }
}
