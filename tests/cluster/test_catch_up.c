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

#include "tests/cluster/cluster.h"

enum { NODES = 3, AWAY = 2, BETS = 1000, LIMIT_S = 60 };

static long status_number(struct cluster *c, struct http *http, int i, const char *field)
{
    json_t *json = NULL;
    char url[URL_MAX];
    long value = -1;

    cluster_url(c, i, url, "/v1/cluster");
    if (http_call(http, "GET", url, c->operator_key, NULL, &json) == 200) {
        value = (long)json_integer_value(json_object_get(json, field));
    }
    json_decref(json);
    return value;
}

static void place_bets(struct cluster *c, struct http *http, int node, int from, int count)
{
    char url[URL_MAX];
    char body[256];
    int i;

    cluster_url(c, node, url, "/v1/bets");
    for (i = from; i < from + count; i++) {
        snprintf(body, sizeof body,
                 "{\"id\":\"bet-%d\",\"player\":\"p0\",\"currency\":\"EUR\",\"amount\":\"1\"}", i);
        if (http_call(http, "POST", url, c->provider_key, body, NULL) != 200) {
            cluster_die(c, "bet %d: %s", i, http->len > 0 ? http->body : "no answer");
        }
    }
}

/* Until the others have cut their log behind where the absent node stopped. */
static void wait_cut(struct cluster *c, struct http *http, long stopped_at)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (status_number(c, http, 0, "first_index") <= stopped_at ||
           status_number(c, http, 1, "first_index") <= stopped_at) {
        if (test_now_us() > limit) {
            cluster_die(c, "the log was not cut behind %ld", stopped_at);
        }
        usleep(20000);
    }
}

/* A read takes a place in the log and changes nothing: reads alone must get it cut, too. */
static void read_until_cut(struct cluster *c, struct http *http)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    long last = status_number(c, http, 0, "last_index");
    char url[URL_MAX];

    while (status_number(c, http, 0, "checkpoint_index") < last) { /* what was changed before */
        if (test_now_us() > limit) {
            cluster_die(c, "no checkpoint holds %ld", last);
        }
        usleep(20000);
    }
    cluster_url(c, 0, url, "/v1/players/p0/balances");
    while (status_number(c, http, 0, "first_index") <= last) {
        if (http_call(http, "GET", url, c->provider_key, NULL, NULL) != 200) {
            cluster_die(c, "a read: %s", http->len > 0 ? http->body : "no answer");
        }
        if (test_now_us() > limit) {
            cluster_die(c, "the log was not cut behind %ld while there were only reads", last);
        }
    }
}

static void wait_equal(struct cluster *c, struct http *http, long seq)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (status_number(c, http, AWAY, "applied_seq") < seq) {
        if (test_now_us() > limit) {
            cluster_die(c, "the node did not catch up with seq %ld", seq);
        }
        usleep(20000);
    }
}

static void compare_heads(struct cluster *c, struct http *http, long seq)
{
    char hashes[NODES][80];
    char url[URL_MAX];
    int i;

    for (i = 0; i < NODES; i++) {
        json_t *json = NULL;
        json_t *entry;
        cluster_url(c, i, url, "/v1/ledger?from=%ld&limit=1&consistency=stale", seq);
        http_call(http, "GET", url, c->platform_key, NULL, &json);
        entry = json_array_get(json_object_get(json, "entries"), 0);
        if (entry == NULL) {
            cluster_die(c, "node %d has no entry %ld", i + 1, seq);
        }
        snprintf(hashes[i], sizeof hashes[i], "%s",
                 json_string_value(json_object_get(entry, "hash")));
        json_decref(json);
        if (strcmp(hashes[0], hashes[i]) != 0) {
            cluster_die(c, "node %d has another hash at seq %ld", i + 1, seq);
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
    cluster.config = "checkpoint_interval = 200ms\nraft_trailing = 50\n";
    cluster_make(&cluster, argv[1], NODES);
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    cluster_seed(&cluster, 1, "1000000");
    read_until_cut(&cluster, &http);

    stopped_at = status_number(&cluster, &http, AWAY, "last_index");
    cluster_signal(&cluster, AWAY, SIGKILL);
    cluster_reap(&cluster, AWAY);
    place_bets(&cluster, &http, 0, 0, BETS);
    wait_cut(&cluster, &http, stopped_at);

    cluster_start(&cluster, AWAY);
    cluster_wait_ready(&cluster);
    place_bets(&cluster, &http, AWAY, BETS, 10);
    seq = status_number(&cluster, &http, 0, "applied_seq");
    wait_equal(&cluster, &http, seq);
    cluster_log_must_say(&cluster, AWAY, "installed the fetched state");
    compare_heads(&cluster, &http, seq);

    make_leader(&cluster, &http);
    place_bets(&cluster, &http, 0, BETS + 10, 10);

    /* And once more from its own disk, with the copied state. */
    cluster_signal(&cluster, AWAY, SIGKILL);
    cluster_reap(&cluster, AWAY);
    cluster_start(&cluster, AWAY);
    cluster_wait_ready(&cluster);
    place_bets(&cluster, &http, AWAY, BETS + 20, 10);
    seq = status_number(&cluster, &http, 0, "applied_seq");
    wait_equal(&cluster, &http, seq);
    compare_heads(&cluster, &http, seq);

    http_release(&http);
    cluster_destroy(&cluster, false);
    printf(
        "a node that was away got the state as a copy, led, and came back\n1 passed, 0 failed\n");
    return 0;
}
