/* What a worker does for a bet apart from the connection: the body is taken apart, becomes
 * commands, and the outcomes become the answer. Processor time of one thread, for single bets and
 * batches in both forms; the ledger is stood in for by outcomes that are ready.
 *
 *   bench_body [seconds for each line] [number of one line]      (default 1, all) */
/* memmem */
#define _GNU_SOURCE

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/handlers.h"
#include "api/server.h"
#include "consensus/gate.h"
#include "tests/bench/load_body.h"

enum { BATCH_MAX = 8192, PLAYERS = 1000 };

struct rig {
    struct api api;
    struct origins origins;
    struct turns bodies;
    struct bytes outcomes; /* BATCH_MAX frames, all of the same length */
};

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "bench_body: %s\n", what);
        exit(1);
    }
}

static uint64_t now_ms(void *context)
{
    (void)context;
    return 0;
}

static uint64_t thread_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Answers what was handed in at once, on the worker's own thread. */
static void wake(void *context)
{
    struct rig *r = context;
    struct ticket *t = gate_drain(r->api.gate);

    must(t != NULL && t->next == NULL && ticket_enter(t), "nothing was handed in");
    bytes_append(&t->out, r->outcomes.base, r->outcomes.len / BATCH_MAX * t->n_commands);
    ticket_done(t, RESULT_OK);
}

static void make_outcomes(struct rig *r)
{
    struct outcome o = {
        .verdict = VERDICT_APPLIED,
        .has_record = true,
        .balance_now_minor = 99999000,
        .at_ms = UINT64_C(1767225600000),
        .record =
            {
                .seq = 123456,
                .at_ms = UINT64_C(1767225600000),
                .type = COMMAND_BET,
                .verdict = VERDICT_APPLIED,
                .scale = 5,
                .amount_minor = 1000,
                .requested_minor = 1000,
                .balance_minor = 99999000,
                .previous = 123000,
                .principal = slice_of("demo"),
                .id = slice_of("0123456789abcdef0123456789abcdef"),
                .player = slice_of("p123"),
                .currency = slice_of("EUR"),
                .debit = {ACCOUNT_PLAYER, slice_of("p123")},
                .credit = {ACCOUNT_PROVIDER, slice_of("demo")},
                .n_postings = 1,
            },
    };
    struct bytes encoded;
    int i;

    o.record.postings[0] =
        (struct posting){o.record.debit, o.record.credit, 1000, 99999000, 5000000};
    bytes_init(&encoded);
    outcome_encode(&o, &encoded);
    for (i = 0; i < BATCH_MAX; i++) {
        frame_append(&r->outcomes, encoded.base, encoded.len);
    }
    bytes_release(&encoded);
}

static void rig_init(struct rig *r)
{
    const struct gate_view view = {.node_id = 1, .leader_id = 1, .ready = true};
    const struct gate_options options = {.node_id = 1,
                                         .max_tickets = 8,
                                         .max_bytes = 64 << 20,
                                         .wake = wake,
                                         .now_ms = now_ms,
                                         .context = r};

    *r = (struct rig){.api = {.deadline_ms = 1000}};
    origins_init(&r->origins);
    turns_init(&r->bodies, 1);
    bytes_init(&r->outcomes);
    make_outcomes(r);
    r->api.gate = gate_new(&options);
    r->api.origins = &r->origins;
    r->api.bodies = &r->bodies;
    gate_publish(r->api.gate, &view);
}

/* The body of a request as the load generator makes it. */
static struct slice make_body(const struct load *load, struct bytes *request)
{
    struct load_body maker;
    unsigned player;
    const uint8_t *head_end;

    load_body_init(&maker, load);
    load_body_request(&maker, request, &player);
    load_body_release(&maker);
    head_end = memmem(request->base, request->len, "\r\n\r\n", 4);
    must(head_end != NULL, "no request was made");
    head_end += 4;
    return (struct slice){(const char *)head_end,
                          request->len - (size_t)(head_end - request->base)};
}

/* One request; `whole`: with its answer. */
static void ask(struct rig *r, const struct load *load, struct slice body, bool whole,
                struct bytes *out, struct bytes *wire)
{
    struct exchange x;

    exchange_init(&x, &r->api, out);
    x.who = (struct principal){.name = "demo", .role = ROLE_PROVIDER};
    x.headers.content_type = load->msgpack ? "application/msgpack" : "application/json";
    x.body = body;
    exchange_name(&x);
    exchange_choose_form(&x);
    must(exchange_parse(&x, x.form) == 0, x.problem.detail);
    if (whole) {
        must((load->batch > 0 ? handle_batch(&x) : handle_bet(&x)) == 0, x.problem.detail);
        bytes_clear(wire);
        exchange_render(&x, true, wire);
    }
    exchange_release(&x);
}

/* Nanoseconds of processor time for a bet; the best of many rounds, as others use the machine. */
static double measure(struct rig *r, const struct load *load, bool whole, double seconds)
{
    unsigned bets = load->batch > 0 ? (unsigned)load->batch : 1;
    unsigned requests = BATCH_MAX / bets;
    uint64_t began_ns = thread_ns();
    struct bytes request, out, wire;
    uint64_t best_ns = UINT64_MAX;
    struct slice body;

    bytes_init(&request);
    bytes_init(&out);
    bytes_init(&wire);
    body = make_body(load, &request);
    while ((double)(thread_ns() - began_ns) < seconds * 1e9) {
        uint64_t from_ns = thread_ns();
        uint64_t ns;
        unsigned i;

        for (i = 0; i < requests; i++) {
            ask(r, load, body, whole, &out, &wire);
        }
        ns = thread_ns() - from_ns;
        best_ns = ns < best_ns ? ns : best_ns;
    }
    bytes_release(&request);
    bytes_release(&out);
    bytes_release(&wire);
    return (double)best_ns / (double)(bets * requests);
}

int main(int argc, char **argv)
{
    static const struct load loads[] = {
        {.batch = 0},
        {.batch = 1024},
        {.batch = BATCH_MAX},
        {.batch = 0, .msgpack = true},
        {.batch = 1024, .msgpack = true},
        {.batch = BATCH_MAX, .msgpack = true},
    };
    double seconds = argc > 1 ? atof(argv[1]) : 1;
    size_t only = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    struct rig r;
    size_t i;

    must(sodium_init() >= 0, "libsodium");
    rig_init(&r);
    printf("%-8s %6s %12s %12s\n", "form", "bets", "parse", "whole");
    for (i = 0; i < sizeof loads / sizeof *loads; i++) {
        struct load load = loads[i];

        if (only > 0 && only != i + 1) {
            continue;
        }
        load.players = PLAYERS;
        printf("%-8s %6d %9.0f ns %9.0f ns\n", load.msgpack ? "msgpack" : "JSON",
               load.batch > 0 ? load.batch : 1, measure(&r, &load, false, seconds / 2),
               measure(&r, &load, true, seconds / 2));
        fflush(stdout);
    }
    gate_free(r.api.gate);
    turns_release(&r.bodies);
    bytes_release(&r.outcomes);
    return 0;
}
