#include "tests/cluster/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_S = 60 };

long status_number(struct cluster *c, struct http *http, int i, const char *field)
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

void place_bets(struct cluster *c, struct http *http, int node, int from, int count)
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

bool place_batch(struct cluster *c, struct http *http, int node, int from, int count)
{
    char *body = malloc((size_t)count * 128 + 64);
    char url[URL_MAX];
    json_t *json = NULL;
    json_t *result;
    size_t len, i;
    bool all;

    if (body == NULL) {
        abort();
    }
    len = (size_t)sprintf(body, "{\"transactions\":[");
    for (i = 0; i < (size_t)count; i++) {
        len += (size_t)sprintf(body + len,
                               "%s{\"type\":\"bet\",\"id\":\"bet-%d\",\"player\":\"p0\","
                               "\"currency\":\"EUR\",\"amount\":\"1\"}",
                               i == 0 ? "" : ",", from + (int)i);
    }
    strcpy(body + len, "]}");
    cluster_url(c, node, url, "/v1/batches");
    all = http_call(http, "POST", url, c->provider_key, body, &json) == 200;
    if (all) {
        json_array_foreach(json_object_get(json, "results"), i, result)
        {
            all = all && json_integer_value(json_object_get(result, "status")) == 200;
        }
    }
    json_decref(json);
    free(body);
    return all;
}

void wait_applied(struct cluster *c, struct http *http, int i, long seq)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (status_number(c, http, i, "applied_seq") < seq) {
        if (test_now_us() > limit) {
            cluster_die(c, "node %d did not catch up with seq %ld", i + 1, seq);
        }
        usleep(20000);
    }
}

void compare_heads(struct cluster *c, struct http *http, long seq)
{
    char hashes[CLUSTER_NODES_MAX][80];
    char url[URL_MAX];
    int i;

    for (i = 0; i < c->n; i++) {
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

void log_must_say(struct cluster *c, int i, const char *text)
{
    char command[512];

    snprintf(command, sizeof command, "grep -q '%s' '%s/node%d.log'", text, c->folder, i + 1);
    if (system(command) != 0) {
        cluster_die(c, "node %d's log does not say: %s", i + 1, text);
    }
}
