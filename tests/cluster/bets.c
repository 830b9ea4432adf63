#include "tests/cluster/bets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
