/* Bets a second and latency over real HTTP against three nodes on this machine: wrk makes the load
 * (tests/bench/bets.lua), the nodes are real florinds in a folder of their own. Prints a table and
 * writes tests/bench/results/http.json.
 *
 * usage: bench_http FLORIND [SECONDS] [PLAYERS] [tls]    tls: the nodes' links under TLS */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cluster/secure.h"

enum { NODES = 3 };

struct load {
    const char *name;
    int connections;
    int batch;
    bool reads, stale;
};

static const struct load loads[] = {
    {"bets, 1 connection", 1, 0, false, false},
    {"bets, 16 connections", 16, 0, false, false},
    {"bets, 64 connections", 64, 0, false, false},
    {"bets, 256 connections", 256, 0, false, false},
    {"batches of 1,024, 4 connections", 4, 1024, false, false},
    {"batches of 1,024, 16 connections", 16, 1024, false, false},
    {"balance reads, 64 connections", 64, 0, true, false},
    {"stale balance reads, 64 connections", 64, 0, true, true},
};

static void set(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void set(const char *name, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    setenv(name, text, 1);
}

static void run_load(struct cluster *c, const struct load *load, int seconds, int players,
                     json_t *results)
{
    int threads = load->connections < NODES ? 1 : NODES;
    int connections = (load->connections + threads - 1) / threads * threads;
    unsigned long long requests = 0, duration_us = 1, p50 = 0, p99 = 0, p999 = 0, max = 0, bad = 0;
    char command[512];
    char line[512];
    FILE *wrk;
    double rate;

    set("FLORIN_HOSTS", "127.0.0.1:%u,127.0.0.1:%u,127.0.0.1:%u", c->nodes[0].http_port,
        c->nodes[1].http_port, c->nodes[2].http_port);
    set("FLORIN_KEY", "%s", c->provider_key);
    set("FLORIN_PLAYERS", "%d", players);
    set("FLORIN_RUN", "%llx", (unsigned long long)test_now_us());
    set("FLORIN_BATCH", "%d", load->batch);
    set("FLORIN_READS", "%d", load->reads);
    set("FLORIN_STALE", "%d", load->stale);
    snprintf(command, sizeof command,
             "wrk -t%d -c%d -d%ds --timeout 20s -s tests/bench/bets.lua http://127.0.0.1:%u",
             threads, connections, seconds, c->nodes[0].http_port);
    wrk = popen(command, "r");
    if (wrk == NULL) {
        cluster_die(c, "can't run wrk: %s", strerror(errno));
    }
    while (fgets(line, sizeof line, wrk) != NULL) {
        sscanf(line, "RESULT %llu %llu %llu %llu %llu %llu %llu", &requests, &duration_us, &p50,
               &p99, &p999, &max, &bad);
    }
    if (pclose(wrk) != 0 || requests == 0) {
        cluster_die(c, "wrk gave nothing: %s", command);
    }
    rate = (double)requests * (load->batch == 0 ? 1 : load->batch) * 1e6 / (double)duration_us;
    printf("%-36s %10.0f /s   %8.2f %8.2f %8.2f %8.2f ms   %llu\n", load->name, rate,
           (double)p50 / 1000, (double)p99 / 1000, (double)p999 / 1000, (double)max / 1000, bad);
    fflush(stdout);
    json_array_append_new(results,
                          json_pack("{s:s, s:i, s:i, s:f, s:I, s:I, s:I, s:I, s:I}", "load",
                                    load->name, "connections", load->connections, "batch",
                                    load->batch, "per_second", rate, "p50_us", (json_int_t)p50,
                                    "p99_us", (json_int_t)p99, "p999_us", (json_int_t)p999,
                                    "max_us", (json_int_t)max, "not_200", (json_int_t)bad));
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    int seconds = argc > 2 ? atoi(argv[2]) : 5;
    int players = argc > 3 ? atoi(argv[3]) : 1000;
    bool tls = argc > 4 && strcmp(argv[4], "tls") == 0;
    json_t *results = json_array();
    size_t i;

    if (argc < 2 || seconds < 1 || players < 1) {
        fprintf(stderr, "usage: bench_http FLORIND [SECONDS] [PLAYERS] [tls]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    cluster_make(&cluster, argv[1], NODES);
    if (tls) {
        cluster_secure(&cluster);
    }
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    cluster_seed(&cluster, players, "1000000");
    printf("three nodes%s and the load on this machine, %d s each, %d players\n",
           tls ? " with TLS between them" : "", seconds, players);
    printf("%-36s %13s   %8s %8s %8s %8s      %s\n", "", "", "p50", "p99", "p99.9", "max",
           "not 200");
    for (i = 0; i < sizeof loads / sizeof loads[0]; i++) {
        run_load(&cluster, &loads[i], seconds, players, results);
    }
    mkdir("tests/bench/results", 0755);
    json_dump_file(results, "tests/bench/results/http.json",
                   JSON_INDENT(1) | JSON_REAL_PRECISION(8));
    json_decref(results);
    cluster_destroy(&cluster, false);
    return 0;
}
