/* The log is cut behind checkpoints, whatever is in it. A node that was away for longer than the
 * others keep their log gets the state as a copy, while the cluster goes on, and is then as good as
 * the others: it can lead.
 *
 * usage: test_catch_up FLORIND */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/cluster/bets.h"
#include "tests/cluster/look.h"

enum { NODES = 3, AWAY = 2, BETS = 1000, LIMIT_S = 60 };

/* Until the others have cut their log behind where the absent node stopped. */
static void wait_cut(struct cluster *c, long stopped_at)
{
    look_wait(c, 0, "first_index", stopped_at + 1);
    look_wait(c, 1, "first_index", stopped_at + 1);
}

/* A read takes a place in the log and changes nothing: reads alone must get it cut, too. */
static void read_until_cut(struct cluster *c, struct http *http)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    long last = look_number(c, 0, "last_index");
    char url[URL_MAX];

    look_wait(c, 0, "checkpoint_index", last); /* what was changed before */
    cluster_url(c, 0, url, "/v1/players/p0/balances");
    while (look_number(c, 0, "first_index") <= last) {
        if (http_call(http, "GET", url, c->provider_key, NULL, NULL) != 200) {
            cluster_die(c, "a read: %s", http->len > 0 ? http->body : "no answer");
        }
        if (test_now_us() > limit) {
            cluster_die(c, "the log was not cut behind %ld while there were only reads", last);
        }
    }
}

/* Makes the once absent node the leader, by killing the others' way out: only it may be asked. */
static void make_leader(struct cluster *c, struct http *http)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    char url[URL_MAX];

    cluster_url(c, 0, url, "/v1/cluster/transfer");
    while (cluster_leader(c) != AWAY) {
        http_call(http, "POST", url, c->operator_key, "{\"to\":3}", NULL);
        if (test_now_us() > limit) {
            cluster_die(c, "the node that caught up does not lead");
        }
        usleep(50000);
    }
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    struct http http;
    long seq;
    long stopped_at;

    if (argc < 2) {
        fprintf(stderr, "usage: test_catch_up FLORIND\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http_init(&http);
    cluster.config = CLUSTER_CONFIG "checkpoint_interval = 200ms\nraft_trailing = 50\n";
    cluster_make(&cluster, argv[1], NODES);
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    cluster_seed(&cluster, 1, "1000000");
    read_until_cut(&cluster, &http);

    stopped_at = look_number(&cluster, AWAY, "last_index");
    cluster_signal(&cluster, AWAY, SIGKILL);
    cluster_reap(&cluster, AWAY);
    place_bets(&cluster, &http, 0, 0, BETS);
    wait_cut(&cluster, stopped_at);

    cluster_start(&cluster, AWAY);
    cluster_wait_ready(&cluster);
    place_bets(&cluster, &http, AWAY, BETS, 10);
    seq = look_number(&cluster, 0, "applied_seq");
    look_wait(&cluster, AWAY, "applied_seq", seq);
    cluster_log_must_say(&cluster, AWAY, "installed the fetched state");
    look_equal(&cluster, (1u << NODES) - 1, seq);

    make_leader(&cluster, &http);
    place_bets(&cluster, &http, 0, BETS + 10, 10);

    /* And once more from its own disk, with the copied state. */
    cluster_signal(&cluster, AWAY, SIGKILL);
    cluster_reap(&cluster, AWAY);
    cluster_start(&cluster, AWAY);
    cluster_wait_ready(&cluster);
    place_bets(&cluster, &http, AWAY, BETS + 20, 10);
    seq = look_number(&cluster, 0, "applied_seq");
    look_wait(&cluster, AWAY, "applied_seq", seq);
    look_equal(&cluster, (1u << NODES) - 1, seq);

    http_release(&http);
    cluster_destroy(&cluster, false);
    printf(
        "a node that was away got the state as a copy, led, and came back\n1 passed, 0 failed\n");
    return 0;
}
