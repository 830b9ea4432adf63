#include "tests/cluster/look.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT_S = 60, LOOK_US = 10000 };

static uint64_t limit_us(void)
{
    return test_now_us() + (uint64_t)LIMIT_S * 1000000;
}

long look_number(struct cluster *c, int i, const char *field)
{
    json_t *json = NULL;
    json_t *value;
    char url[URL_MAX];
    struct http http;
    long number = -1;

    http_init(&http);
    cluster_url(c, i, url, "/v1/cluster");
    if (http_call(&http, "GET", url, c->operator_key, NULL, &json) == 200) {
        value = json_object_get(json, field);
        number = json_is_integer(value) ? (long)json_integer_value(value) : -1;
    }
    json_decref(json);
    http_release(&http);
    return number;
}

void look_wait(struct cluster *c, int i, const char *field, long at_least)
{
    uint64_t limit = limit_us();
    long number;

    while ((number = look_number(c, i, field)) < at_least) {
        if (test_now_us() > limit) {
            cluster_die(c, "node %d: %s is %ld after %d s, expected %ld", i + 1, field, number,
                        LIMIT_S, at_least);
        }
        usleep(LOOK_US);
    }
}

int look_leader(struct cluster *c)
{
    uint64_t limit = limit_us();
    int leader;

    while ((leader = cluster_leader(c)) < 0) {
        if (test_now_us() > limit) {
            cluster_die(c, "no leader for %d s", LIMIT_S);
        }
        usleep(LOOK_US);
    }
    return leader;
}

/* The hash of one entry in a node's own state; false when it has not applied it. */
static bool hash_at(struct cluster *c, int i, long seq, char hash[static 80])
{
    json_t *json = NULL;
    const char *text;
    char url[URL_MAX];
    struct http http;

    http_init(&http);
    cluster_url(c, i, url, "/v1/ledger?from=%ld&limit=1&consistency=stale", seq);
    http_call(&http, "GET", url, c->platform_key, NULL, &json);
    text = json_string_value(
        json_object_get(json_array_get(json_object_get(json, "entries"), 0), "hash"));
    snprintf(hash, 80, "%s", text == NULL ? "" : text);
    json_decref(json);
    http_release(&http);
    return hash[0] != '\0';
}

void look_equal(struct cluster *c, unsigned nodes, long seq)
{
    uint64_t limit = limit_us();
    char first[80] = "";
    char hash[80];
    int i;

    for (i = 0; i < c->n; i++) {
        if ((nodes >> i & 1u) == 0) {
            continue;
        }
        while (!hash_at(c, i, seq, hash)) {
            if (test_now_us() > limit) {
                cluster_die(c, "node %d has not applied seq %ld", i + 1, seq);
            }
            usleep(LOOK_US);
        }
        if (first[0] == '\0') {
            memcpy(first, hash, sizeof first);
        } else if (strcmp(first, hash) != 0) {
            cluster_die(c, "node %d has another chain head at seq %ld", i + 1, seq);
        }
    }
    printf("chain heads at seq %ld are equal: %.16s...\n", seq, first);
}
