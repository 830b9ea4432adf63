/* Too many calls with one key, guessed passwords and secrets, a key from where it may not be used.
 */
#include <stdio.h>
#include <string.h>

#include "tests/security/attack.h"

#define BALANCES "/v1/players/p1/balances"

enum { CALLS = 200, GUESSES = 200 };

/* How many of n equal calls were answered 429; none may be answered otherwise but with `status`. */
static int too_many(struct attack *a, int n, long status, const char *method, const char *path,
                    const char *key, const char *body)
{
    char url[URL_MAX];
    int refused = 0;
    int i;

    cluster_url(&a->cluster, 0, url, "%s", path);
    for (i = 0; i < n; i++) {
        long got = http_call(&a->http, method, url, key, body, NULL);

        if (got != status && got != 429) {
            cluster_die(&a->cluster, "%s %s answered %ld: %s", method, path, got, a->http.body);
        }
        refused += got == 429;
    }
    a->refused += (unsigned)refused;
    return refused;
}

static void hurry(struct attack *a)
{
    const char *operator_key = a->cluster.operator_key;

    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key, "{\"rate_per_s\":1}", NULL);
    attack_await(a, 0, 429, BALANCES, RIVAL_KEY);
    if (too_many(a, CALLS, 200, "GET", BALANCES, RIVAL_KEY, NULL) == 0) {
        cluster_die(&a->cluster, "a key with one call a second made %d at once", CALLS);
    }
    /* ... and nobody else's calls are fewer for it. */
    if (too_many(a, CALLS, 200, "GET", BALANCES, a->cluster.provider_key, NULL) != 0) {
        cluster_die(&a->cluster, "one key's limit is another's");
    }
    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key, "{\"rate_per_s\":0}", NULL);
    attack_await(a, 0, 200, BALANCES, RIVAL_KEY);
}

static void guess_a_password(struct attack *a)
{
    if (too_many(a, GUESSES, 401, "POST", "/v1/login", NULL,
                 "{\"player\":\"p1\",\"password\":\"one of my guesses\"}") < GUESSES / 2) {
        cluster_die(&a->cluster, "%d passwords could be guessed", GUESSES);
    }
}

/* Once too much was guessed, a right guess is not told from a wrong one. */
static void guess_a_secret(struct attack *a)
{
    if (too_many(a, GUESSES, 401, "GET", BALANCES, "gw.one-of-my-guesses", NULL) < GUESSES / 2) {
        cluster_die(&a->cluster, "%d secrets could be guessed", GUESSES);
    }
    attack_expect(a, 0, 429, "rate_limited", "GET", BALANCES, GATEWAY_KEY, NULL);
}

static void elsewhere(struct attack *a)
{
    const char *operator_key = a->cluster.operator_key;

    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key,
                "{\"ip_allow\":[\"192.0.2.0/24\",\"2001:db8::/32\"]}", NULL);
    attack_await(a, 0, 403, BALANCES, RIVAL_KEY);
    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key, "{\"ip_allow\":[]}", NULL);
    attack_await(a, 0, 200, BALANCES, RIVAL_KEY);
    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key, "{\"disabled\":true}", NULL);
    attack_await(a, 0, 403, BALANCES, RIVAL_KEY);
    attack_must(a, 0, "PATCH", "/v1/providers/rival", operator_key, "{\"disabled\":false}", NULL);
    attack_await(a, 0, 200, BALANCES, RIVAL_KEY);
}

void attack_limits(struct attack *a)
{
    hurry(a);
    guess_a_password(a);
    guess_a_secret(a);
    elsewhere(a);
}
