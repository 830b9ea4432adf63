#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_check.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_member.h"
#include "tests/sim/sim_net.h"
#include "tests/sim/sim_node.h"

/* After the trouble: by then there is a leader and all connections are back; by then every ticket
 * is answered; by then everybody has everything. */
enum { EXPECT_AFTER_US = 8000000, CLOSE_AFTER_US = 9000000, SETTLE_MAX_US = 40000000 };

/* ---- failure and trace ---- */

void world_fail(struct world *w, const char *format, ...)
{
    va_list arguments;

    if (w->failed) {
        return;
    }
    w->failed = true;
    va_start(arguments, format);
    vsnprintf(w->failure, sizeof w->failure, format, arguments);
    va_end(arguments);
    if (w->options.verbose) {
        check_say(w);
    }
    world_say(w, "FAILED: %s", w->failure);
}

void world_say(struct world *w, const char *format, ...)
{
    va_list arguments;

    if (!w->options.verbose) {
        return;
    }
    printf("%12.6f ", (double)w->now_us / 1e6);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
}

/* ---- the queue: a binary heap ---- */

static bool earlier(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->sequence < b->sequence;
}

static void push(struct world *w, const struct event *e)
{
    size_t i = w->n_events++;

    if (w->n_events > w->cap_events) {
        w->cap_events = w->cap_events == 0 ? 256 : w->cap_events * 2;
        w->heap = realloc(w->heap, w->cap_events * sizeof *w->heap);
        if (w->heap == NULL) {
            abort();
        }
    }
    while (i > 0 && earlier(e, &w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = *e;
}

static struct event pop(struct world *w)
{
    struct event first = w->heap[0];
    struct event last = w->heap[--w->n_events];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= w->n_events) {
            break;
        }
        if (child + 1 < w->n_events && earlier(&w->heap[child + 1], &w->heap[child])) {
            child++;
        }
        if (!earlier(&w->heap[child], &last)) {
            break;
        }
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = last;
    return first;
}

void world_schedule(struct world *w, uint64_t delay_us, struct event e)
{
    e.at_us = w->now_us + delay_us;
    e.sequence = ++w->next_sequence;
    e.life = e.node == NULL ? 0 : e.node->life;
    push(w, &e);
}

/* Runs events up to a time. */
static void run_until(struct world *w, uint64_t until_us)
{
    while (!w->failed && w->n_events > 0 && w->heap[0].at_us <= until_us) {
        struct event e = pop(w);
        w->now_us = e.at_us;
        if (e.node != NULL && (!e.node->up || e.node->life != e.life)) {
            free(e.data);
            continue;
        }
        if (e.node != NULL && e.node->paused_until_us > w->now_us) {
            e.at_us = e.node->paused_until_us;
            e.sequence = ++w->next_sequence; /* their order stays */
            push(w, &e);
            continue;
        }
        w->events_run++;
        w->hash = mix(w->hash, e.at_us);
        e.run(w, &e);
        free(e.data);
    }
    if (!w->failed) {
        w->now_us = until_us;
    }
}

/* ---- one seed ---- */

static void draw_profile(struct world *w)
{
    struct random *r = &w->random;
    struct profile *p = &w->profile;
    static const unsigned elections[] = {150, 300, 500, 1000};
    static const unsigned trailings[] = {2, 8, 30, 200};
    static const unsigned drifts[] = {0, 50, 5000, 200000};

    p->n_nodes = random_chance(r, 200) ? 5 : 3;
    p->n_clients = (unsigned)random_between(r, 3, 12);
    p->trouble_us = random_between(r, 20, 80) * 1000000;
    p->install_timeout_ms = (unsigned)random_between(r, 500, 5000);
    p->inflight = (unsigned)random_between(r, 1, 32);
    p->trailing = trailings[random_below(r, 4)];
    p->hold_ms = p->install_timeout_ms % 2 == 0 ? 2 * p->install_timeout_ms : 0;
    p->group_window = (unsigned)random_between(r, 1, 8);
    p->gather_from = 1 + p->group_window % 3;
    p->gather_us = p->inflight % 4 * 700;
    p->cache_bytes = (size_t)random_between(r, 0, 20000);
    p->group_bytes = (size_t)random_between(r, 200, 4000) / 8 * 8;
    p->segment_bytes = (size_t)random_between(r, 4096, 40000);
    p->changes_soft = (size_t)random_between(r, 4000, 100000);
    p->changes_hard = p->changes_soft * 3;
    p->net_min_us = random_between(r, 20, 1000);
    p->net_max_us = p->net_min_us + random_below(r, random_chance(r, 200) ? 60000 : 3000);
    p->disk_min_us = random_between(r, 50, 2000);
    p->disk_max_us = p->disk_min_us + random_below(r, 10000);
    p->election_timeout_ms = elections[random_below(r, 4)];
    /* An election that ends before a question, two writes and the answer can't be won by anybody,
     * whatever the code does. */
    while (p->election_timeout_ms * UINT64_C(1000) < 4 * (p->net_max_us + p->disk_max_us)) {
        p->election_timeout_ms *= 2;
    }
    p->heartbeat_ms = p->election_timeout_ms / (unsigned)random_between(r, 4, 10);
    p->loop_max_us = random_below(r, 200);
    p->think_max_us = random_between(r, 20000, 600000);
    p->checkpoint_every_us = random_between(r, 500000, 10000000);
    p->fault_every_us = random_between(r, 300000, 5000000);
    do {
        p->faults = (unsigned)random_below(r, 1u << FAULT_KINDS);
    } while (p->faults == 0);
    p->chaos = random_chance(r, 250);
    p->refuse_per_mille = random_chance(r, 500) ? (unsigned)random_below(r, 30) : 0;
    p->members = random_chance(r, 500);
    p->drift_ppm = drifts[random_below(r, 4)];
}

static void begin(struct world *w)
{
    unsigned i;

    draw_profile(w);
    w->check = check_new();
    w->net = net_new(w);
    w->nodes = calloc(SIM_NODES_MAX, sizeof *w->nodes);
    if (w->nodes == NULL) {
        abort();
    }
    for (w->n_nodes = 0; w->n_nodes < w->profile.n_nodes; w->n_nodes++) {
        node_init(&w->nodes[w->n_nodes], w, w->n_nodes + 1, false);
    }
    for (i = 0; i < w->n_nodes && !w->failed; i++) {
        node_start(&w->nodes[i]);
    }
    clients_new(w);
    faults_start(w);
    operator_start(w);
}

static void settle(struct world *w)
{
    uint64_t end_us = w->now_us + SETTLE_MAX_US;

    while (!w->failed && !check_settled(w) && w->now_us < end_us) {
        run_until(w, w->now_us + 100000);
    }
    if (!w->failed && !check_settled(w)) {
        world_fail(w, "the trouble is over, and the cluster does not settle");
    }
}

/* Every member takes money: with nobody else at it there is no excuse, not even its load. */
static void probe(struct world *w)
{
    unsigned i;

    for (i = 0; i < w->n_nodes && !w->failed; i++) {
        if (check_is_member(w->check, w->nodes[i].id)) {
            clients_probe(w, &w->nodes[i]);
            settle(w);
        }
    }
}

void world_run(struct world *w, const struct world_options *options)
{
    *w = (struct world){.options = *options, .random = {options->seed}};
    begin(w);
    run_until(w, w->profile.trouble_us);
    if (!w->failed) {
        faults_end(w);
    }
    run_until(w, w->profile.trouble_us + EXPECT_AFTER_US);
    clients_expect(w);
    run_until(w, w->profile.trouble_us + CLOSE_AFTER_US);
    clients_close(w);
    settle(w);
    probe(w);
    if (!w->failed) {
        check_end(w);
    }
}

void world_release(struct world *w)
{
    unsigned i;

    w->failed = true; /* nothing that ends now is looked at */
    for (i = 0; i < w->n_nodes; i++) {
        node_release(&w->nodes[i]);
    }
    while (w->n_events > 0) {
        struct event e = pop(w);
        free(e.data);
    }
    clients_free(w->clients);
    operator_free(w);
    check_free(w->check);
    net_free(w->net);
    free(w->nodes);
    free(w->heap);
}
