/* More clients than a node lets in: the others are refused with 503, what is let in goes on being
 * acknowledged, nothing is lost or done twice, and when the crowd is gone nobody is refused.
 *
 * The target for how long calls may take is so low here that a crowd on any machine exceeds it, and
 * the fixed bounds so high that only the target can refuse.
 *
 * usage: test_overload FLORIND FLORINCTL */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cluster/load.h"

enum { NODES = 3, CROWD = 250, PROGRESS = 2000, LIMIT_S = 60 };

static uint64_t metric(struct cluster *c, const char *name)
{
    char url[URL_MAX];
    const char *line;
    struct http http;
    uint64_t value;

    http_init(&http);
    cluster_url(c, 0, url, "/metrics");
    if (http_call(&http, "GET", url, NULL, NULL, NULL) != 200) {
        cluster_die(c, "no metrics during overload"); /* a crowd of bets is no reason */
    }
    line = strstr(http.body, name);
    while (line != NULL && (line[-1] != '\n' || line[strlen(name)] != ' ')) {
        line = strstr(line + 1, name);
    }
    if (line == NULL) {
        cluster_die(c, "no %s among the metrics", name);
    }
    value = strtoull(line + strlen(name), NULL, 10);
    http_release(&http);
    return value;
}

/* Until the node refuses bets, and has lowered its limit for it. */
static void wait_refusals(struct cluster *c)
{
    uint64_t until = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (metric(c, "florin_overloaded_total") == 0) {
        if (test_now_us() > until) {
            cluster_die(c, "nobody of %d was refused", CROWD);
        }
        usleep(20000);
    }
    printf("refusals began: %llu tickets are let in\n",
           (unsigned long long)metric(c, "florin_queue_limit"));
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    static struct load load;
    unsigned long refused;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc != 3) {
        fprintf(stderr, "usage: test_overload FLORIND FLORINCTL\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    cluster.florinctl = argv[2];
    cluster.config = CLUSTER_CONFIG "queue_target = 1ms\n";
    cluster_make(&cluster, argv[1], NODES);
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    load.cluster = &cluster;
    load.n_clients = CROWD;
    load.players = 8;
    atomic_store(&load.targets, 1);
    cluster_seed(&cluster, (int)load.players, "1000000");

    load_start(&load, 1);
    wait_refusals(&cluster);
    load_wait_progress(&load, PROGRESS);
    load_stop(&load);
    refused = load.unavailable;
    if (refused == 0) {
        cluster_die(&cluster, "a node refused, but no client heard of it");
    }
    load_check(&load, "in overload");

    load.n_clients = 4;
    load_start(&load, 2);
    load_wait_progress(&load, PROGRESS / 10);
    load_stop(&load);
    if (load.unavailable != refused) {
        cluster_die(&cluster, "refused although the crowd was gone");
    }
    load_release(&load);
    cluster_destroy(&cluster, false);
    return 0;
}
