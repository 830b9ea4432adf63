#include "tests/sim/sim_member.h"

#include <stdio.h>
#include <stdlib.h>

#include "consensus/member.h"
#include "tests/sim/sim_check.h"

enum { OPERATOR_EVERY_US = 1500000 };

struct operator
{
    struct ticket *ticket; /* NULL: none open */
    uint64_t number;       /* of the ticket */
    struct node *node;
    uint64_t life;
    struct member_change change;
    uint64_t members_before; /* number of the configuration when it was handed in */
};

static void act(struct world *w, const struct event *e);

static void act_later(struct world *w)
{
    world_schedule(w, random_below(&w->random, OPERATOR_EVERY_US), (struct event){.run = act});
}

void operator_start(struct world *w)
{
    w->operator= calloc(1, sizeof *w->operator);
    if (w->operator== NULL) {
        abort();
    }
    if (w->profile.members) {
        world_schedule(w, 2000000, (struct event){.run = act});
    }
}

void operator_free(struct world *w)
{
    if (w->operator!= NULL && w->operator->ticket != NULL) {
        ticket_release(w->operator->ticket);
    }
    free(w->operator);
}

/* ---- what it was told ---- */

static bool holds(const struct member_fact *fact, const struct member_change *c)
{
    switch (c->op) {
    case MEMBER_ADD:
        return fact->role[c->id] != SIM_ABSENT;
    case MEMBER_PROMOTE:
        return fact->role[c->id] == SIM_VOTER;
    case MEMBER_DEMOTE:
        return fact->role[c->id] == SIM_STANDBY;
    case MEMBER_REMOVE:
        return fact->role[c->id] == SIM_ABSENT;
    }
    return false;
}

/* Done means: so it was at some moment since the question. */
static void check_done(struct world *w, const struct operator* o)
{
    const struct check *c = w->check;
    uint64_t i;

    for (i = o->members_before; i > 0 && i <= c->n_members; i++) {
        if (holds(&c->members[i - 1], &o->change)) {
            return;
        }
    }
    if (o->members_before > 0) {
        world_fail(w, "the operator is told that change %u of node %u is done, and it is not",
                   (unsigned)o->change.op, (unsigned)o->change.id);
    }
}

static void finish(struct world *w, enum ticket_result result)
{
    struct operator* o = w->operator;
    struct member_answer answer;
    struct fault fault;

    world_say(w, "change %u of node %u: result %u", (unsigned)o->change.op, (unsigned)o->change.id,
              (unsigned)result);
    if (result == RESULT_OK) {
        check_done(w, o);
    } else if (result == RESULT_MALFORMED) {
        world_fail(w, "a change of members is malformed");
    } else if (result == RESULT_REFUSED &&
               member_answer_decode(
                   (struct slice){(const char *)o->ticket->out.base, o->ticket->out.len}, &answer,
                   &fault) != 0) {
        world_fail(w, "a refusal without a reason: %s", fault.text);
    }
    w->hash = mix(w->hash, mix((uint64_t)result, o->change.id));
    ticket_release(o->ticket);
    o->ticket = NULL;
    act_later(w);
}

void operator_look(struct world *w, struct node *n)
{
    struct operator* o = w->operator;

    if (o->ticket != NULL && o->node == n && o->life == n->life && ticket_is_done(o->ticket)) {
        finish(w, o->ticket->result);
    }
}

void operator_lost(struct world *w, struct node *n)
{
    struct operator* o = w->operator;

    if (o->ticket != NULL && o->node == n && o->life == n->life) {
        finish(w, RESULT_UNKNOWN);
    }
}

static void give_up(struct world *w, const struct event *e)
{
    struct operator* o = w->operator;

    if (o->ticket != NULL && o->number == e->a) {
        finish(w, ticket_give_up(o->ticket));
    }
}

/* ---- what it asks ---- */

static uint64_t leader(struct world *w)
{
    unsigned i;

    for (i = 0; i < w->n_nodes; i++) {
        const struct node *n = &w->nodes[i];
        if (node_awake(n) && driver_is_leader(replica_driver(n->replica))) {
            return n->id;
        }
    }
    return 1;
}

/* A new node: made and started now; its add may come much later, or never. */
static void make_node(struct world *w)
{
    struct node *n = &w->nodes[w->n_nodes];

    node_init(n, w, w->n_nodes + 1, true);
    w->n_nodes++;
    w->counts[COUNT_NODE_MADE]++;
    world_say(w, "node %u is made", (unsigned)n->id);
    node_start(n);
}

static void choose(struct world *w, struct member_change *c)
{
    struct random *r = &w->random;

    memset(c, 0, sizeof *c);
    c->op = (enum member_op)random_between(r, MEMBER_ADD, MEMBER_REMOVE);
    c->id = random_between(r, 1, w->n_nodes);
    if (c->op == MEMBER_ADD) {
        if (w->n_nodes < SIM_NODES_MAX && random_chance(r, 500)) {
            make_node(w);
        }
        c->id = random_chance(r, 100) ? c->id : w->n_nodes;
        snprintf(c->address, sizeof c->address, "127.0.0.1:%u", 7000 + (unsigned)c->id);
    } else if (c->op == MEMBER_PROMOTE && random_chance(r, 500)) {
        c->id = w->n_nodes;
    } else if (random_chance(r, 300)) {
        c->id = leader(w);
    }
    if (c->op == MEMBER_REMOVE && random_chance(r, 300)) {
        c->op = MEMBER_PROMOTE;
    }
}

static void act(struct world *w, const struct event *e)
{
    struct operator* o = w->operator;
    unsigned timeout_ms = (unsigned)random_between(&w->random, 100, 3000);
    struct node *n;
    enum ticket_result result;

    (void)e;
    if (w->calm) {
        return;
    }
    n = &w->nodes[random_below(&w->random, w->n_nodes)];
    if (!n->up) {
        act_later(w);
        return;
    }
    choose(w, &o->change);
    o->ticket = ticket_new(TICKET_MEMBER);
    o->number++;
    o->node = n;
    o->life = n->life;
    o->members_before = w->check->n_members;
    member_change_encode(&o->change, &o->ticket->in);
    world_say(w, "change %u of node %u is asked for at node %u", (unsigned)o->change.op,
              (unsigned)o->change.id, (unsigned)n->id);
    result = gate_hand_in(n->gate, o->ticket, timeout_ms);
    if (result != RESULT_OK) {
        finish(w, result);
        return;
    }
    world_schedule(w, timeout_ms * UINT64_C(1000), (struct event){.run = give_up, .a = o->number});
}
