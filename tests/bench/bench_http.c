/* Bets a second and latency over real HTTP against three nodes on this machine: real florinds in a
 * folder of their own, the load from one thread beside them (load.h). Prints a table and writes
 * tests/bench/results/http.json, and a plot of throughput against latency beside it.
 *
 * "cpu" is what all three nodes together took of the processors for one bet or read: on a machine
 * that others use, too, it says more than a rate does. "memory" is what the largest node had of its
 * own before and after the load.
 *
 * usage: bench_http FLORIND [SECONDS [PLAYERS [FILTER [tls]]]]   FILTER: only loads whose name
 * holds it, or one of several ("256|overload"); tls: links under TLS
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/bench/load.h"
#include "tests/bench/pauses.h"
#include "tests/bench/plot.h"
#include "tests/bench/usage.h"
#include "tests/cluster/secure.h"

/* Overload comes over nearly as many connections as all nodes serve at once, from clients who give
 * up what they can't even send for so long. */
enum { NODES = 3, IDLE_S = 5, CROWD = 1400, PATIENCE_MS = 100 };

/* At rest: less than so much of a processor in so long; or not at all, for 20 s. */
#define REST_CORES 0.05
enum { REST_LOOK_MS = 500, REST_LOOKS_MAX = 40 };

struct step {
    const char *name;
    struct load load;
    double of_best; /* open loop: the rate as a part of the best of the closed ones before it */
};

static const struct step steps[] = {
    {"bets, 1 connection", {.connections = 1}, 0},
    {"bets, 4 connections", {.connections = 4}, 0},
    {"bets, 16 connections", {.connections = 16}, 0},
    {"bets, 64 connections", {.connections = 64}, 0},
    {"bets, 256 connections", {.connections = 256}, 0},
    {"bets, open loop, half the best", {.connections = 384}, 0.5},
    {"overload, the best offered", {.connections = CROWD, .patience_ms = PATIENCE_MS}, 1},
    {"overload, twice the best", {.connections = CROWD, .patience_ms = PATIENCE_MS}, 2},
    {"overload, three times the best", {.connections = CROWD, .patience_ms = PATIENCE_MS}, 3},
    {"overload, three times, at once again",
     {.connections = CROWD, .patience_ms = PATIENCE_MS, .impolite = true},
     3},
    {"batches of 1,024, JSON", {.connections = 16, .batch = 1024}, 0},
    {"batches of 8,192, JSON", {.connections = 6, .batch = 8192}, 0},
    {"batches of 1,024, msgpack", {.connections = 16, .batch = 1024, .msgpack = true}, 0},
    {"batches of 8,192, msgpack", {.connections = 6, .batch = 8192, .msgpack = true}, 0},
    {"balance reads", {.connections = 64, .work = LOAD_READS}, 0},
    {"stale balance reads", {.connections = 64, .work = LOAD_STALE_READS}, 0},
};

static void print_result(const struct step *step, const struct load_result *r, double rate,
                         double cpu_us, const struct pauses *pauses, const long anon_kib[2])
{
    printf("%-38s %9.0f /s  %7.2f %7.2f %7.2f %7.2f  %7.1f us  %5ld %5ld MiB", step->name, rate,
           (double)latencies_at(&r->ok, 0.5) / 1000, (double)latencies_at(&r->ok, 0.99) / 1000,
           (double)latencies_at(&r->ok, 0.999) / 1000, (double)r->ok.max_us / 1000, cpu_us,
           anon_kib[0] / 1024, anon_kib[1] / 1024);
    if (pauses->n > 0) {
        printf("  the machine stood still %u times, %.0f ms at most", pauses->n,
               pauses->longest_ms);
    }
    if (r->overloaded > 0) {
        printf("  %llu times 503 (%llu without Retry-After), p99 %.2f ms",
               (unsigned long long)r->overloaded, (unsigned long long)r->without_wait,
               (double)latencies_at(&r->refused, 0.99) / 1000);
    }
    if (r->unsent > 0) {
        printf("  %llu unsent", (unsigned long long)r->unsent);
    }
    if (r->reconnects > 0) {
        printf("  %llu connections given on", (unsigned long long)r->reconnects);
    }
    if (r->failed > 0) {
        printf("  %llu failed", (unsigned long long)r->failed);
    }
    printf("\n");
    fflush(stdout);
}

/* What nodes take that have nothing to do. */
static void measure_idle(struct cluster *c)
{
    double before, part;

    sleep(1); /* the last of the seeding */
    before = usage_of(c).cpu_s;
    sleep(IDLE_S);
    part = (usage_of(c).cpu_s - before) / (IDLE_S * NODES);
    printf("idle: %.2f %% of a core for each node\n", 100 * part);
}

/* Waits until the nodes have come to rest: what the load before left to be written is not the next
 * one's. */
static void settle(struct cluster *c)
{
    double before, part;
    int looks = 0;

    do {
        before = usage_of(c).cpu_s;
        usleep(REST_LOOK_MS * 1000);
        part = (usage_of(c).cpu_s - before) * 1000 / REST_LOOK_MS;
    } while (part > REST_CORES && ++looks < REST_LOOKS_MAX);
    if (part > REST_CORES) {
        printf("the nodes do not come to rest: %.2f of a processor\n", part);
    }
}

/* What the nodes had taken when a load's clock started. */
struct start {
    const struct cluster *cluster;
    struct usage usage;
};

static void note_start(void *context)
{
    struct start *start = context;

    start->usage = usage_of(start->cluster);
}

/* Runs one load; returns its rate. What it leaves to be written is in its processor time. */
static double run_step(struct cluster *c, const struct step *step, struct load load, double best,
                       json_t *results)
{
    static struct load_result r;
    struct start before = {c, usage_of(c)};
    uint16_t ports[NODES];
    struct usage after;
    struct pause_watch *watch = pauses_begin();
    struct pauses pauses;
    double rate, cpu_us;
    int i;

    for (i = 0; i < NODES; i++) {
        ports[i] = c->nodes[i].http_port;
    }
    load.ports = ports;
    load.n_ports = NODES;
    load.key = c->provider_key;
    load.rate_per_s = step->of_best * best;
    if (load.patience_ms == 0) { /* a crowd comes as it comes */
        load.warmed = note_start;
        load.context = &before;
    }
    if (load_run(&load, &r) != 0) {
        cluster_die(c, "can't connect: %s", strerror(errno));
    }
    pauses = pauses_end(watch);
    after = usage_of(c);
    settle(c);
    rate = (double)r.done / r.seconds;
    cpu_us = r.done == 0 ? 0 : (usage_of(c).cpu_s - before.usage.cpu_s) * 1e6 / (double)r.done;
    print_result(step, &r, rate, cpu_us, &pauses, (long[]){before.usage.anon_kib, after.anon_kib});
    json_array_append_new(
        results,
        json_pack(
            "{s:s, s:b, s:i, s:i, s:f, s:f, s:I, s:I, s:I, s:I, s:f, s:I, s:I, s:I, s:I, s:I}",
            "load", step->name, "bets", load.work == LOAD_BETS, "connections", load.connections,
            "batch", load.batch, "offered_per_s", load.rate_per_s, "per_second", rate, "p50_us",
            (json_int_t)latencies_at(&r.ok, 0.5), "p99_us", (json_int_t)latencies_at(&r.ok, 0.99),
            "p999_us", (json_int_t)latencies_at(&r.ok, 0.999), "max_us", (json_int_t)r.ok.max_us,
            "cpu_us", cpu_us, "anon_kib", (json_int_t)after.anon_kib, "overloaded",
            (json_int_t)r.overloaded, "overloaded_p99_us",
            (json_int_t)latencies_at(&r.refused, 0.99), "unsent", (json_int_t)r.unsent, "failed",
            (json_int_t)r.failed));
    return rate;
}

/* Whether the name holds one of the filter's words. */
static bool is_wanted(const char *name, const char *filter)
{
    char words[256];
    char *rest = words, *word;

    snprintf(words, sizeof words, "%s", filter);
    while ((word = strsep(&rest, "|")) != NULL) {
        if (strstr(name, word) != NULL) {
            return true;
        }
    }
    return false;
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    int seconds = argc > 2 ? atoi(argv[2]) : 5;
    int players = argc > 3 ? atoi(argv[3]) : 1000;
    const char *filter = argc > 4 ? argv[4] : "";
    json_t *results = json_array();
    double best = 0;
    size_t i;

    if (argc < 2 || seconds < 1 || players < 1) {
        fprintf(stderr, "usage: bench_http FLORIND [SECONDS [PLAYERS [FILTER [tls]]]]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    cluster.config = ""; /* everything as by default */
    cluster_make(&cluster, argv[1], NODES);
    if (argc > 5 && strcmp(argv[5], "tls") == 0) {
        cluster_secure(&cluster);
    }
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    cluster_seed(&cluster, players, "1000000");
    if (*filter == '\0') {
        measure_idle(&cluster);
    }
    settle(&cluster);
    printf("three nodes and the load on this machine, %d s each, %d players\n", seconds, players);
    printf("%-38s %12s  %7s %7s %7s %7s ms  %7s  %15s\n", "", "", "p50", "p99", "p99.9", "max",
           "cpu", "memory");
    for (i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct load load = steps[i].load;
        double rate;

        if (!is_wanted(steps[i].name, filter) || (steps[i].of_best > 0 && best == 0)) {
            continue;
        }
        load.seconds = (unsigned)seconds;
        load.players = (unsigned)players;
        rate = run_step(&cluster, &steps[i], load, best, results);
        if (load.batch == 0 && load.work == LOAD_BETS && rate > best && steps[i].of_best == 0) {
            best = rate;
        }
    }
    mkdir("tests/bench/results", 0755);
    json_dump_file(results, "tests/bench/results/http.json",
                   JSON_INDENT(1) | JSON_REAL_PRECISION(8));
    if (*filter == '\0') {
        plot_write(results, "tests/bench/results/http.svg");
    }
    json_decref(results);
    cluster_destroy(&cluster, false);
    return 0;
}
