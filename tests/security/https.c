/* What TLS must not open: a key used from elsewhere, and a crowd that begins handshakes. */
#include <stdio.h>
#include <string.h>

#include "tests/security/attack.h"

/* How node 0 answers a call of the rival's by HTTPS, from that address of loopback. */
static long status_from(struct attack *a, const char *from, const char *ca)
{
    char url[URL_MAX];
    struct http http;
    long status;

    snprintf(url, sizeof url, "https://127.0.0.1:%u/v1/players/p1/balances",
             a->cluster.nodes[0].https_port);
    http_init(&http);
    http.ca = ca;
    http.from = from;
    status = http_call(&http, "GET", url, RIVAL_KEY, NULL, NULL);
    http_release(&http);
    return status;
}

/* The address that counts is the client's, not that of the node's own way in. */
static void elsewhere(struct attack *a, const char *ca)
{
    const char *operator_key = a->cluster.operator_key;

    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key,
                "{\"ip_allow\":[\"127.0.0.9\"]}", NULL);
    attack_await(a, 0, 403, "/v1/players/p1/balances", RIVAL_KEY);
    if (status_from(a, "127.0.0.8", ca) != 403 || status_from(a, NULL, ca) != 403) {
        cluster_die(&a->cluster, "by HTTPS a key is good from anywhere");
    }
    if (status_from(a, "127.0.0.9", ca) != 200) {
        cluster_die(&a->cluster, "by HTTPS a key is not good from where it should be");
    }
    a->refused += 2;
    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key, "{\"ip_allow\":[]}", NULL);
}

void attack_https(struct attack *a)
{
    /* Four beginnings of a handshake, none of which ever becomes one. */
    static const char hello[] = "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    int node = cluster_leader(&a->cluster);
    char ca[400];
    const struct crowd_ways ways = {
        .scheme = "https",
        .port = a->cluster.nodes[node < 0 ? 0 : node].https_port,
        .ca = ca,
        .beginnings = {
            {"", 0, false}, {hello, 1, false}, {hello, sizeof hello - 1, true}, {hello, 5, true}}};

    snprintf(ca, sizeof ca, "%s/ca.crt", a->pki);
    if (node < 0) {
        cluster_die(&a->cluster, "nobody leads");
    }
    elsewhere(a, ca);
    attack_crowd_at(a, node, &ways);
}
