#include "tests/sim/sim_client.h"

#include <stdlib.h>

#include "tests/sim/client_private.h"

static void act(struct world *w, const struct event *e);

static void act_later(struct world *w, struct client *c, uint64_t delay_us)
{
    world_schedule(w, delay_us, (struct event){.run = act, .a = (uint64_t)(c - w->clients->list)});
}

struct clients *clients_new(struct world *w)
{
    struct clients *all = calloc(1, sizeof *all);
    unsigned i;

    if (all == NULL) {
        abort();
    }
    all->n = w->profile.n_clients;
    all->list = calloc(all->n, sizeof *all->list);
    if (all->list == NULL) {
        abort();
    }
    w->clients = all;
    for (i = 0; i < all->n; i++) {
        act_later(w, &all->list[i], i * 1000);
    }
    return all;
}

void clients_free(struct clients *c)
{
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (c->list[i].ticket != NULL) {
            ticket_release(c->list[i].ticket);
        }
    }
    free(c->list);
    free(c->intents);
    free(c->sessions);
    free(c);
}

static uint64_t think(struct world *w)
{
    return random_below(&w->random, w->profile.think_max_us + 1);
}

/* ---- the end of a ticket ---- */

static void finish(struct world *w, struct client *c, enum ticket_result result)
{
    struct ticket *t = c->ticket;
    bool commands = t->kind == TICKET_COMMANDS;

    if (result == RESULT_OK && commands) {
        intents_answered(w, c);
    } else if (result == RESULT_OK && t->kind != TICKET_STATUS) {
        queries_answered(w, c);
    } else if (commands) {
        w->counts[COUNT_UNKNOWN] += result == RESULT_UNKNOWN;
        intents_unanswered(w, c, result);
    }
    if (result == RESULT_MALFORMED || result == RESULT_REFUSED ||
        (c->must_succeed && result != RESULT_OK && (c->probe || result != RESULT_OVERLOADED))) {
        world_fail(w, "node %u answers %u to a client%s", (unsigned)c->node->id, (unsigned)result,
                   w->calm ? ", and the trouble is over" : "");
    }
    w->check->answers += result == RESULT_OK;
    w->hash = mix(w->hash, mix((uint64_t)result, c->number));
    ticket_release(t);
    c->ticket = NULL;
    act_later(w, c, think(w));
}

void clients_look(struct world *w, struct node *n)
{
    unsigned i;

    for (i = 0; i < w->clients->n; i++) {
        struct client *c = &w->clients->list[i];
        if (c->ticket != NULL && c->node == n && c->life == n->life && ticket_is_done(c->ticket)) {
            finish(w, c, c->ticket->result);
        }
    }
}

void clients_lost(struct world *w, struct node *n)
{
    unsigned i;

    for (i = 0; i < w->clients->n; i++) {
        struct client *c = &w->clients->list[i];
        if (c->ticket != NULL && c->node == n && c->life == n->life) {
            finish(w, c, RESULT_UNKNOWN);
        }
    }
}

static void give_up(struct world *w, const struct event *e)
{
    struct client *c = &w->clients->list[e->a];

    if (c->ticket != NULL && c->number == e->b) {
        finish(w, c, ticket_give_up(c->ticket));
    }
}

/* ---- its begin ---- */

static struct node *choose_node(struct world *w)
{
    uint64_t first = random_below(&w->random, w->n_nodes);
    unsigned i;

    for (i = 0; i < w->n_nodes; i++) {
        struct node *n = &w->nodes[(first + i) % w->n_nodes];
        if (n->up && check_is_member(
                         w->check,
                         n->id)) { /* a paused one takes tickets, too, and does nothing with them */
            return n;
        }
    }
    return NULL;
}

static void fill(struct world *w, struct client *c)
{
    c->n_attempts = 0;
    c->setup = false;
    if (!w->clients->ready) {
        intents_setup(w, c);
    } else if (random_chance(&w->random, 10)) {
        c->ticket = ticket_new(TICKET_STATUS);
    } else if (random_chance(&w->random, 300)) {
        queries_ask(w, c);
    } else {
        intents_ask(w, c);
    }
}

static void address(struct world *w, struct client *c, struct node *n)
{
    c->number = ++w->clients->tickets;
    c->node = n;
    c->life = n->life;
    c->acknowledged = w->check->acknowledged;
}

static void hand_in(struct world *w, struct client *c, unsigned timeout_ms)
{
    enum ticket_result result = gate_hand_in(c->node->gate, c->ticket, timeout_ms);

    if (result != RESULT_OK) {
        c->must_succeed = c->must_succeed && (c->probe || result != RESULT_UNAVAILABLE);
        finish(w, c, result);
        return;
    }
    world_schedule(
        w, timeout_ms * UINT64_C(1000),
        (struct event){.run = give_up, .a = (uint64_t)(c - w->clients->list), .b = c->number});
}

static void act(struct world *w, const struct event *e)
{
    struct client *c = &w->clients->list[e->a];
    struct node *n = choose_node(w);
    unsigned timeout_ms;

    if (w->clients->closing) {
        return;
    }
    if (n == NULL || (!w->clients->ready && e->a != 0)) {
        act_later(w, c, 50000);
        return;
    }
    fill(w, c);
    address(w, c, n);
    c->must_succeed = w->clients->expect_success;
    timeout_ms =
        w->clients->expect_success ? 5000 : (unsigned)random_between(&w->random, 100, 5000);
    hand_in(w, c, timeout_ms);
}

void clients_probe(struct world *w, struct node *n)
{
    struct client *c = &w->clients->list[0];

    c->n_attempts = 0;
    c->setup = false;
    c->probe = c->must_succeed = true;
    intents_ask(w, c);
    address(w, c, n);
    hand_in(w, c, 5000);
}

/* ---- phases ---- */

void clients_expect(struct world *w)
{
    w->clients->expect_success = true;
}

void clients_close(struct world *w)
{
    w->clients->closing = true;
}

bool clients_quiet(const struct world *w)
{
    unsigned i;

    for (i = 0; i < w->clients->n; i++) {
        if (w->clients->list[i].ticket != NULL) {
            return false;
        }
    }
    return w->clients->closing;
}
