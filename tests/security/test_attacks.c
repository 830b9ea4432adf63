/* Attacks on a running cluster of three nodes, each of which must be refused, with the cluster at
 * work after it and its books whole in the end.
 *
 * usage: test_attacks FLORIND */
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cluster/secure.h"
#include "tests/security/attack.h"

/* Links and the API under TLS, and a box for the secrets of hmac keys. */
static void secure(struct attack *a)
{
    char path[512];
    FILE *f;
    int i;

    cluster_secure(&a->cluster);
    cluster_secure_http(&a->cluster);
    snprintf(a->pki, sizeof a->pki, "%s/pki", a->cluster.folder);
    snprintf(path, sizeof path, "%s/box.key", a->cluster.folder);
    f = fopen(path, "w");
    if (f == NULL || fchmod(fileno(f), 0600) != 0) {
        cluster_die(&a->cluster, "can't write %s", path);
    }
    fputs("1f1e1d1c1b1a191817161514131211100f0e0d0c0b0a09080706050403020100\n", f);
    fclose(f);
    for (i = 0; i < NODES; i++) {
        cluster_configure(&a->cluster, i, "secret_box_file = box.key");
    }
}

static void add_key(struct attack *a, const char *credential, const char *principal,
                    const char *role, const char *kind)
{
    const char *dot = strchr(credential, '.');
    char body[300];

    snprintf(body, sizeof body,
             "{\"principal\":\"%s\",\"role\":\"%s\",\"key\":\"%.*s\",\"secret\":\"%s\","
             "\"kind\":\"%s\"}",
             principal, role, (int)(dot - credential), credential, dot + 1, kind);
    attack_must(a, 0, "POST", "/v1/keys", a->cluster.operator_key, body, NULL);
}

/* What the attacks want to have: another provider and gateway, money on hold, a session. */
static void furnish(struct attack *a)
{
    const char *operator_key = a->cluster.operator_key;
    const char *platform = a->cluster.platform_key;
    json_t *json = NULL;

    cluster_seed(&a->cluster, PLAYERS, "1000");
    attack_must(a, 0, "POST", "/v1/providers", operator_key, "{\"id\":\"rival\"}", NULL);
    attack_must(a, 0, "POST", "/v1/gateways", operator_key, "{\"id\":\"shady\"}", NULL);
    add_key(a, RIVAL_KEY, "rival", "provider", "bearer");
    add_key(a, GATEWAY_KEY, "shady", "gateway", "bearer");
    add_key(a, AUDITOR_KEY, "eyes", "auditor", "bearer");
    add_key(a, RETIRED_KEY, "demo", "provider", "bearer");
    add_key(a, SIGNING_ID "." SIGNING_TEXT, "demo", "provider", "hmac");
    attack_must(a, 0, "PATCH", "/v1/keys/old", operator_key, "{\"disabled\":true}", NULL);
    attack_must(a, 0, "POST", "/v1/withdrawals", platform,
                "{\"id\":\"hold-1\",\"player\":\"p1\",\"currency\":\"EUR\",\"amount\":\"10\","
                "\"gateway\":\"bank\"}",
                NULL);
    attack_must(a, 0, "POST", "/v1/players/p1/password", platform,
                "{\"password\":\"" PASSWORD "\"}", NULL);
    attack_must(a, 0, "POST", "/v1/sessions", platform,
                "{\"player\":\"p1\",\"provider\":\"demo\",\"game\":\"g\"}", &json);
    snprintf(a->token, sizeof a->token, "%s", json_string_value(json_object_get(json, "token")));
    json_decref(json);
}

/* The nodes' own audit: chain, sums, balances, each id once. */
static void audit(struct attack *a)
{
    int i;

    for (i = 0; i < NODES; i++) {
        attack_must(a, i, "POST", "/v1/verify", a->cluster.operator_key, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(struct attack *a);
    } attacks[] = {
        {"keys", attack_keys},   {"limits", attack_limits}, {"signatures", attack_signatures},
        {"sizes", attack_sizes}, {"noise", attack_noise},   {"peers", attack_peers},
        {"crowd", attack_crowd}, {"https", attack_https},
    };
    static struct attack a;
    size_t i;

    if (argc < 2 || sodium_init() < 0) {
        fprintf(stderr, "usage: test_attacks FLORIND [ATTACK]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    cluster_make(&a.cluster, argv[1], NODES);
    secure(&a);
    cluster_start_all(&a.cluster);
    cluster_wait_ready(&a.cluster);
    http_init(&a.http);
    furnish(&a);
    for (i = 0; i < sizeof attacks / sizeof *attacks; i++) {
        if (argc < 4 || strcmp(argv[3], attacks[i].name) == 0) {
            attacks[i].run(&a);
            attack_unharmed(&a, attacks[i].name);
        }
    }
    attack_traces(&a);
    audit(&a);
    printf("attacks: all refused (%u), no secret to be found, the books are whole\n", a.refused);
    http_release(&a.http);
    cluster_destroy(&a.cluster, false);
    return 0;
}
