/* Those who have no key, a wrong one, another role's, or another provider's transactions in mind.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/routes.h"
#include "tests/security/attack.h"

static const char *const open_to_all[] = {"/healthz", "/readyz", "/metrics", "/openapi.yaml"};

/* A route's path with something in its {...}. */
static void fill(const char *pattern, char path[static 200])
{
    size_t len = 0;

    for (; *pattern != '\0' && len < 190; pattern++) {
        if (*pattern == '{') {
            path[len++] = 'p';
            path[len++] = '1';
            pattern = strchr(pattern, '}');
        } else {
            path[len++] = *pattern;
        }
    }
    path[len] = '\0';
}

static bool is_open(const char *path)
{
    size_t i;

    for (i = 0; i < sizeof open_to_all / sizeof *open_to_all; i++) {
        if (strcmp(path, open_to_all[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Every route but those four wants to know who asks, and wrong keys are nobody's. */
static void no_key(struct attack *a)
{
    char path[200];
    int i;

    for (i = 0; i < routes_count; i++) {
        const char *body = routes[i].body == BODY_NONE ? NULL : "{}";
        fill(routes[i].path, path);
        /* These two take a player's own secret in place of a key; see below. */
        if (!is_open(path) && strcmp(path, "/v1/login") != 0 && strcmp(path, "/v1/sessions") != 0) {
            attack_expect(a, i % NODES, 401, "bad_credentials", routes[i].method, path, NULL, body);
            attack_expect(a, i % NODES, 401, "bad_credentials", routes[i].method, path,
                          "pv.guessed", body);
        }
    }
    attack_expect(a, 0, 401, NULL, "POST", "/v1/sessions", NULL,
                  "{\"player\":\"p1\",\"provider\":\"demo\",\"game\":\"g\"}");
    attack_expect(a, 0, 401, NULL, "POST", "/v1/login", NULL,
                  "{\"player\":\"p1\",\"password\":\"a guess of mine\"}");
}

static void wrong_keys(struct attack *a)
{
    static const char *const wrong[] = {
        "pv.",
        ".provider-secret-for-tests",
        "pv",
        "pv.provider-secret-for-test",
        "pv.provider-secret-for-testsX",
        "pv.operator-secret-for-tests",
        "nobody.nothing",
        "rv.provider-secret-for-tests",
        SIGNING_ID "." SIGNING_TEXT,
        RETIRED_KEY,
        "../../etc/passwd.x",
    };
    size_t i;
    int node;

    for (node = 0; node < NODES; node++) {
        attack_await(a, node, 401, "/v1/players/p1/balances", RETIRED_KEY);
    }
    for (i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        for (node = 0; node < NODES; node++) {
            attack_expect(a, node, 401, "bad_credentials", "GET", "/v1/players/p1/balances",
                          wrong[i], NULL);
        }
    }
}

/* What each role may not do. Written down here once more, not taken from the routes. */
static void other_roles(struct attack *a)
{
    static const struct {
        const char *method, *path, *key;
    } forbidden[] = {
        {"POST", "/v1/keys", RIVAL_KEY},        {"POST", "/v1/deposits", RIVAL_KEY},
        {"GET", "/v1/ledger", RIVAL_KEY},       {"GET", "/v1/backup", RIVAL_KEY},
        {"POST", "/v1/players", RIVAL_KEY},     {"GET", "/v1/cluster", RIVAL_KEY},
        {"POST", "/v1/bets", GATEWAY_KEY},      {"GET", "/v1/ledger", GATEWAY_KEY},
        {"POST", "/v1/keys", GATEWAY_KEY},      {"POST", "/v1/sessions", GATEWAY_KEY},
        {"POST", "/v1/bets", AUDITOR_KEY},      {"POST", "/v1/deposits", AUDITOR_KEY},
        {"POST", "/v1/keys", AUDITOR_KEY},      {"GET", "/v1/backup", AUDITOR_KEY},
        {"PATCH", "/v1/keys/pv", AUDITOR_KEY},  {"POST", "/v1/cluster/transfer", AUDITOR_KEY},
        {"PATCH", "/v1/keys/op", RIVAL_KEY},    {"PATCH", "/v1/providers/demo", RIVAL_KEY},
        {"PATCH", "/v1/players/p1", RIVAL_KEY}, {"GET", "/v1/players/p1/transactions", RIVAL_KEY},
    };
    const char *platform = a->cluster.platform_key;
    const char *operator= a->cluster.operator_key;
    size_t i;

    for (i = 0; i < sizeof forbidden / sizeof *forbidden; i++) {
        attack_expect(a, (int)(i % NODES), 403, "forbidden", forbidden[i].method, forbidden[i].path,
                      forbidden[i].key, forbidden[i].method[0] == 'G' ? NULL : "{}");
    }
    attack_expect(a, 0, 403, "forbidden", "POST", "/v1/keys", platform, "{}");
    attack_expect(a, 1, 403, "forbidden", "GET", "/v1/backup", platform, NULL);
    attack_expect(a, 2, 403, "forbidden", "POST", "/v1/bets", platform, "{}");
    /* Not even operators move money. */
    attack_expect(a, 0, 403, "forbidden", "POST", "/v1/bets", operator, "{}");
    attack_expect(a, 1, 403, "forbidden", "POST", "/v1/deposits", operator, "{}");
    attack_expect(a, 2, 403, "forbidden", "POST", "/v1/players/p1/password", operator, "{}");
}

/* A rival with a good key of its own finds and reverses nothing of the other provider's. */
static void others_transactions(struct attack *a)
{
    char before[32], after[32];
    char token[200];
    json_t *json = NULL;

    attack_must(a, 0, "POST", "/v1/bets", a->cluster.provider_key,
                "{\"id\":\"theirs\",\"player\":\"p1\",\"currency\":\"EUR\",\"amount\":\"5\","
                "\"round\":\"their-round\"}",
                NULL);
    attack_balance(a, "p1", before);
    attack_expect(a, 1, 404, "unknown_transaction", "GET", "/v1/transactions/theirs", RIVAL_KEY,
                  NULL);
    attack_expect(a, 1, 400, NULL, "GET", "/v1/transactions/theirs?provider=demo", RIVAL_KEY, NULL);
    attack_expect(a, 2, 404, "unknown_transaction", "GET", "/v1/transactions/theirs", GATEWAY_KEY,
                  NULL);
    attack_must(a, 2, "POST", "/v1/rollbacks", RIVAL_KEY,
                "{\"id\":\"mine\",\"player\":\"p1\",\"currency\":\"EUR\",\"original\":\"theirs\"}",
                &json);
    if (strtod(json_string_value(json_object_get(json, "amount")), NULL) != 0) {
        cluster_die(&a->cluster, "a rival rolled another provider's bet back");
    }
    json_decref(json);
    snprintf(token, sizeof token, "{\"token\":\"%s\"}", a->token);
    attack_expect(a, 0, 404, NULL, "POST", "/v1/authenticate", RIVAL_KEY, token);
    attack_must(a, 0, "POST", "/v1/authenticate", a->cluster.provider_key, token, NULL);
    attack_expect(a, 1, 404, NULL, "POST", "/v1/withdrawals/hold-1/confirm", GATEWAY_KEY, NULL);
    attack_balance(a, "p1", after);
    if (strcmp(before, after) != 0) {
        cluster_die(&a->cluster, "a rival moved p1's balance from %s to %s", before, after);
    }
}

void attack_keys(struct attack *a)
{
    no_key(a);
    wrong_keys(a);
    other_roles(a);
    others_transactions(a);
}
