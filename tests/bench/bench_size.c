/* What a bet costs on a large ledger, beside one of as many players without a transaction: three
 * nodes, as many bets as they carry, and what that takes of the processors.
 *
 * usage: bench_size FLORIND [PLAYERS] [TRANSACTIONS] [SECONDS] */
#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/ledger_maker.h"
#include "tests/bench/load.h"
#include "tests/bench/usage.h"
#include "tests/cluster/http.h"

enum {
    NODES = 3,
    CONNECTIONS = 64,
    BATCH = 1024,
    BATCH_CONNECTIONS = 16,
    WARM_S = 5,
    FILTERS_LIMIT_S = 600
};

struct cost {
    double per_s, cpu_us;
};

static struct cost carry(struct cluster *c, struct load load, unsigned seconds)
{
    static struct load_result r;
    struct usage before;
    struct cost cost;

    load.seconds = seconds;
    before = usage_of(c);
    if (load_run(&load, &r) != 0 || r.done == 0) {
        cluster_die(c, "the nodes carry nothing");
    }
    cost.per_s = (double)r.done / r.seconds;
    cost.cpu_us = (usage_of(c).cpu_s - before.cpu_s) * 1e6 / (double)r.done;
    return cost;
}

/* Until every node has read all known ids for its filter: before, each new bet is looked up. */
static double wait_for_filters(struct cluster *c)
{
    uint64_t began_us = test_now_us();
    struct http http;
    int i;

    http_init(&http);
    for (i = 0; i < NODES; i++) {
        char url[URL_MAX];

        cluster_url(c, i, url, "/metrics");
        while (http_call(&http, "GET", url, NULL, NULL, NULL) != 200 ||
               strstr(http.body, "\nflorin_reading_ids 0\n") == NULL) {
            if (test_now_us() - began_us > FILTERS_LIMIT_S * UINT64_C(1000000)) {
                cluster_die(c, "node %d does not read all ids", i + 1);
            }
            usleep(100000);
        }
    }
    http_release(&http);
    return (double)(test_now_us() - began_us) / 1e6;
}

/* Single bets, then batches; each after a while in which memory and files come to what they are
 * under that load. */
static void measure(const char *florind, long players, long transactions, unsigned seconds,
                    struct cost costs[2])
{
    struct cluster c = {.config = ""}; /* everything as by default */
    uint16_t ports[NODES];
    int i;

    cluster_make(&c, florind, NODES);
    ledger_make(&c, NODES, players, transactions);
    cluster_start_all(&c);
    cluster_wait_ready(&c);
    printf("%-44s %.1f s after they are ready\n", "the nodes know all ids", wait_for_filters(&c));
    for (i = 0; i < NODES; i++) {
        ports[i] = c.nodes[i].http_port;
    }
    for (i = 0; i < 2; i++) {
        struct load load = {.ports = ports,
                            .n_ports = NODES,
                            .key = c.provider_key,
                            .connections = i == 0 ? CONNECTIONS : BATCH_CONNECTIONS,
                            .batch = i == 0 ? 0 : BATCH,
                            .msgpack = true,
                            .players = (unsigned)players};

        carry(&c, load, WARM_S);
        costs[i] = carry(&c, load, seconds);
    }
    cluster_destroy(&c, false);
}

int main(int argc, char **argv)
{
    static const char *const names[2] = {"single bets, 64 connections", "batches of 1,024"};
    long players = argc > 2 ? atol(argv[2]) : 1000000;
    long transactions = argc > 3 ? atol(argv[3]) : 20000000;
    int seconds = argc > 4 ? atoi(argv[4]) : 60;
    struct cost empty[2], large[2];
    int i;

    if (argc < 2 || players < 1 || transactions < 1 || seconds < 1 || sodium_init() < 0) {
        fprintf(stderr, "usage: bench_size FLORIND [PLAYERS] [TRANSACTIONS] [SECONDS]\n");
        return 2;
    }
    setlinebuf(stdout);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    measure(argv[1], players, 0, (unsigned)seconds, empty);
    measure(argv[1], players, transactions, (unsigned)seconds, large);
    for (i = 0; i < 2; i++) {
        printf("%-30s empty %8.0f /s %6.1f us cpu; large %8.0f /s %6.1f us cpu: %.2f times the "
               "cost, %.2f times the time\n",
               names[i], empty[i].per_s, empty[i].cpu_us, large[i].per_s, large[i].cpu_us,
               large[i].cpu_us / empty[i].cpu_us, empty[i].per_s / large[i].per_s);
    }
    return 0;
}
