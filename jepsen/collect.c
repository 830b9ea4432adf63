/* What is looked at from outside: who leads, while a run lasts, and every node's ledger at its end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "jepsen/run.h"

enum { WATCH_MS = 250, WATCH_TIMEOUT_MS = 400, PAGE = 1000, EQUAL_LIMIT_MS = 60000, LOOK_MS = 100 };

/* --- the leader ------------------------------------------------------------------------------- */

/* The term in which the node leads, or 0. */
static uint64_t term_led(struct run *run, struct http *http, int i)
{
    char url[URL_MAX];
    json_t *json = NULL;
    uint64_t term = 0;

    cluster_url(&run->cluster, i, url, "/v1/cluster");
    if (http_call(http, "GET", url, run->cluster.operator_key, NULL, &json) == 200) {
        const char *state = json_string_value(json_object_get(json, "state"));
        if (state != NULL && strcmp(state, "leader") == 0) {
            term = (uint64_t)json_integer_value(json_object_get(json, "term"));
        }
    }
    json_decref(json);
    return term;
}

void *monitor_watch(void *argument)
{
    struct run *run = argument;
    struct http http;
    uint64_t newest = 0;
    int i;

    http_init(&http);
    http.timeout_ms = WATCH_TIMEOUT_MS;
    while (!atomic_load(&run->stop)) {
        for (i = 0; i < CLUSTER_NODES_MAX; i++) {
            uint64_t term = run_has_node(run, i) ? term_led(run, &http, i) : 0;
            if (term > newest) {
                newest = term;
                recorder_event(&run->recorder, "leader",
                               json_pack("{s:i, s:I}", "node", i + 1, "term", (json_int_t)term));
            }
        }
        usleep(WATCH_MS * 1000);
    }
    http_release(&http);
    return NULL;
}

/* --- the ledgers ------------------------------------------------------------------------------ */

static void fail(const struct run *run, int i, const char *what, const char *detail)
{
    (void)run;
    fprintf(stderr, "jepsen: node %d: %s: %s\n", i + 1, what, detail);
    exit(2);
}

static json_t *page(struct run *run, int i, uint64_t from)
{
    char url[URL_MAX];
    json_t *json = NULL;
    uint64_t until_us = test_now_us() + EQUAL_LIMIT_MS * UINT64_C(1000);

    cluster_url(&run->cluster, i, url, "/v1/ledger?from=%" PRIu64 "&limit=%d", from, PAGE);
    while (http_call(&run->http, "GET", url, run->cluster.platform_key, NULL, &json) != 200) {
        json_decref(json);
        json = NULL;
        if (test_now_us() > until_us) {
            fail(run, i, "its ledger can't be read", run->http.len > 0 ? run->http.body : "");
        }
        usleep(LOOK_MS * 1000);
    }
    return json;
}

static uint64_t collect(struct run *run, int i)
{
    char path[512];
    uint64_t from = 1;
    size_t n = PAGE;
    FILE *file;

    snprintf(path, sizeof path, "%s/ledger-%d.jsonl", run->options.out, i + 1);
    file = fopen(path, "we");
    if (file == NULL) {
        fail(run, i, path, strerror(errno));
    }
    while (n == PAGE) {
        json_t *json = page(run, i, from);
        json_t *entries = json_object_get(json, "entries");
        json_t *entry;
        size_t k;
        n = json_array_size(entries);
        json_array_foreach(entries, k, entry)
        {
            json_dumpf(entry, file, JSON_COMPACT);
            fputc('\n', file);
        }
        from += n;
        json_decref(json);
    }
    if (ferror(file) || fclose(file) != 0) {
        fail(run, i, path, strerror(errno));
    }
    return from;
}

/* Calls whose outcome is unknown may still be on their way: nodes are read until one look at each
 * finds the same end, twice. */
void run_collect(struct run *run)
{
    uint64_t until_us = test_now_us() + EQUAL_LIMIT_MS * UINT64_C(1000);
    uint64_t before = 0;
    uint64_t now = 1;
    int i;

    while (before != now && test_now_us() < until_us) {
        char url[URL_MAX];
        usleep(6 * 1000 * 1000); /* longer than a node repeats what it was given */
        before = now;
        cluster_url(&run->cluster, __builtin_ctz(atomic_load(&run->nodes)), url,
                    "/v1/players/p0/balances");
        if (http_call(&run->http, "GET", url, run->cluster.platform_key, NULL, NULL) == 200) {
            now = run->http.applied;
        }
    }
    for (i = 0; i < run->cluster.n; i++) {
        if (run_has_node(run, i)) {
            collect(run, i);
        }
    }
}
