/* How long is nobody there when the leader dies? Kills it with SIGKILL while bets go to the other
 * nodes, and takes the time to the next acknowledged bet; then starts it again, many times over.
 * Prints median, p99 and the longest, and writes tests/bench/results/elections.json.
 *
 * usage: bench_elections FLORIND [TIMES] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cluster/cluster.h"

enum { NODES = 3, TIMES_MAX = 1000, LEADER_WAIT_US = 60000000 };

struct player {
    struct cluster *cluster;
    struct http http;
    unsigned long long run, made;
};

/* One bet at one node; is it acknowledged? */
static bool bet(struct player *p, int node)
{
    char url[URL_MAX], body[160];
    json_t *json = NULL;
    long status;

    cluster_url(p->cluster, node, url, "/v1/bets");
    snprintf(body, sizeof body,
             "{\"id\":\"e-%llx-%llu\",\"player\":\"p0\",\"currency\":\"EUR\",\"amount\":\"0.01\"}",
             p->run, ++p->made);
    status = http_call(&p->http, "POST", url, p->cluster->provider_key, body, &json);
    json_decref(json);
    return status == 200;
}

static int wait_for_leader(struct cluster *c)
{
    uint64_t until = test_now_us() + LEADER_WAIT_US;
    int leader;

    while ((leader = cluster_leader(c)) < 0) {
        if (test_now_us() > until) {
            cluster_die(c, "there is no leader after a minute");
        }
        usleep(20000);
    }
    return leader;
}

/* Kills the leader; microseconds to the next acknowledged bet. */
static uint64_t kill_once(struct player *p)
{
    struct cluster *c = p->cluster;
    int leader = wait_for_leader(c);
    int node = (leader + 1) % NODES;
    uint64_t killed_us, back_us;

    if (!bet(p, node)) {
        cluster_die(c, "a bet fails while all is well");
    }
    killed_us = test_now_us();
    cluster_signal(c, leader, SIGKILL);
    while (!bet(p, node)) {
        node = (leader + 1 + (node == (leader + 1) % NODES)) % NODES;
    }
    back_us = test_now_us();
    cluster_reap(c, leader);
    cluster_start(c, leader);
    cluster_wait_ready(c);
    return back_us - killed_us;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    static uint64_t took_us[TIMES_MAX];
    struct player player = {.cluster = &cluster};
    int times = argc > 2 ? atoi(argv[2]) : 20;
    json_t *results;
    int i;

    if (argc < 2 || times < 1 || times > TIMES_MAX) {
        fprintf(stderr, "usage: bench_elections FLORIND [TIMES]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    cluster.config = ""; /* everything as by default */
    cluster_make(&cluster, argv[1], NODES);
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    cluster_seed(&cluster, 1, "1000000");
    http_init(&player.http);
    player.run = test_now_us();
    for (i = 0; i < times; i++) {
        took_us[i] = kill_once(&player);
    }
    qsort(took_us, (size_t)times, sizeof *took_us, by_value);
    printf("the leader killed %d times; to the next acknowledged bet: median %.2f s, p99 %.2f s, "
           "longest %.2f s\n",
           times, (double)took_us[times / 2] / 1e6, (double)took_us[times * 99 / 100] / 1e6,
           (double)took_us[times - 1] / 1e6);
    mkdir("tests/bench/results", 0755);
    results = json_pack(
        "{s:i, s:I, s:I, s:I}", "times", times, "median_us", (json_int_t)took_us[times / 2],
        "p99_us", (json_int_t)took_us[times * 99 / 100], "max_us", (json_int_t)took_us[times - 1]);
    json_dump_file(results, "tests/bench/results/elections.json", JSON_INDENT(1));
    json_decref(results);
    http_release(&player.http);
    cluster_destroy(&cluster, false);
    return 0;
}
