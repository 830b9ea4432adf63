/* Creation, roles, health, and what is answered when the ledger can't. */
#include "tests/unit/api_fixture.h"

static void players_are_created_once(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "platform";
    rig_post(r, "/v1/players", "{\"id\":\"bob\",\"currencies\":[\"EUR\"]}");
    assert_status(r, 201);
    assert_string_equal(rig_text(r, "id"), "bob");
    assert_int_equal(json_array_size(json_object_get(r->json, "currencies")), 1);
    rig_post(r, "/v1/players", "{\"id\":\"bob\",\"currencies\":[\"EUR\"]}");
    assert_problem(r, 409, "already_exists");
    rig_get(r, "/v1/players/bob/balances");
    assert_int_equal(json_array_size(json_object_get(r->json, "balances")), 1);
    rig_post(r, "/v1/players", "{\"id\":\"eve\",\"currencies\":[\"ZZZ\"]}");
    assert_problem(r, 404, "unknown_currency");
    rig_post(r, "/v1/players", "{\"id\":\"eve\",\"currencies\":[\"EUR\",\"EUR\"]}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/players", "{\"id\":\"eve\",\"currencies\":\"EUR\"}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/players", "{\"id\":\"eve\",\"currencies\":[7]}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/players",
             "{\"id\":\"eve\",\"currencies\":[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\","
             "\"i\",\"j\",\"k\",\"l\",\"m\",\"n\",\"o\",\"p\",\"q\"]}");
    assert_problem(r, 400, "malformed");
}

static void currencies_have_a_scale(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_post(r, "/v1/currencies", "{\"code\":\"USD\"}");
    assert_status(r, 201);
    assert_int_equal(rig_number(r, "scale"), 5);
    rig_post(r, "/v1/currencies", "{\"code\":\"JPY\",\"scale\":0}");
    assert_status(r, 201);
    assert_string_equal(rig_text(r, "code"), "JPY");
    assert_int_equal(rig_number(r, "scale"), 0);
    rig_post(r, "/v1/currencies", "{\"code\":\"JPY\",\"scale\":0}");
    assert_problem(r, 409, "already_exists");
    rig_post(r, "/v1/currencies", "{\"code\":\"BIG\",\"scale\":10}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/currencies", "{\"code\":\"BIG\",\"scale\":-1}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/currencies", "{\"code\":\"BIG\",\"scale\":\"5\"}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/currencies", "{\"code\":\"THIRTEENCHARS\"}");
    assert_problem(r, 400, "bad_id");
    rig_post(r, "/v1/currencies", "{}");
    assert_problem(r, 400, "malformed");
    r->key = "provider";
    rig_post(r, "/v1/wins",
             "{\"id\":\"yen\",\"player\":\"alice\",\"currency\":\"JPY\",\"amount\":\"7\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "amount"), "7");
}

static void keys_work_as_soon_as_they_are_made(void **state)
{
    struct rig *r = rig_of(state);
    char header[300];

    r->key = "operator";
    rig_post(r, "/v1/providers", "{\"id\":\"fresh\"}");
    assert_status(r, 201);
    assert_string_equal(rig_text(r, "role"), "provider");
    rig_post(r, "/v1/gateways", "{\"id\":\"card\"}");
    assert_status(r, 201);
    assert_string_equal(rig_text(r, "role"), "gateway");
    rig_post(r, "/v1/providers", "{\"id\":\"card\"}");
    assert_problem(r, 409, "already_exists");

    rig_post(r, "/v1/keys", "{\"principal\":\"fresh\",\"role\":\"provider\"}");
    assert_status(r, 201);
    assert_int_equal(strlen(rig_text(r, "key")), 16);
    assert_int_equal(strlen(rig_text(r, "secret")), 64);
    assert_string_equal(rig_text(r, "principal"), "fresh");
    assert_string_equal(rig_text(r, "role"), "provider");
    snprintf(header, sizeof header, "Authorization: Bearer %s", rig_text(r, "credential"));
    r->key = NULL;
    r->headers = header;
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);

    r->key = "operator";
    rig_post(r, "/v1/keys",
             "{\"principal\":\"fresh\",\"role\":\"provider\",\"key\":\"mine\","
             "\"secret\":\"0123456789abcdef\"}");
    assert_status(r, 201);
    assert_string_equal(rig_text(r, "credential"), "mine.0123456789abcdef");
    rig_post(r, "/v1/keys",
             "{\"principal\":\"fresh\",\"role\":\"provider\",\"key\":\"mine\","
             "\"secret\":\"0123456789abcdef\"}");
    assert_problem(r, 409, "already_exists");
    r->key = "mine";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
}

static void bad_keys_are_refused(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *code;
    } bad[] = {
        {"{\"principal\":\"nobody\",\"role\":\"provider\"}", 404, "unknown_provider"},
        {"{\"principal\":\"demo\",\"role\":\"king\"}", 400, "malformed"},
        {"{\"principal\":\"demo\",\"role\":\"none\"}", 400, "malformed"},
        {"{\"principal\":\"demo\"}", 400, "malformed"},
        {"{\"principal\":\"demo\",\"role\":\"provider\",\"key\":\"a.b\"}", 400, "bad_id"},
        {"{\"principal\":\"demo\",\"role\":\"provider\",\"secret\":\"short\"}", 400, "malformed"},
        {"{\"principal\":\"demo\",\"role\":\"provider\",\"secret\":\"with spaces in it.\"}", 400,
         "malformed"},
    };
    struct rig *r = rig_of(state);
    size_t i;

    r->key = "operator";
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_post(r, "/v1/keys", bad[i].body);
        assert_problem(r, bad[i].status, bad[i].code);
    }
}

static void bad_credentials_look_all_the_same(void **state)
{
    static const char *const headers[] = {
        "Authorization: Bearer provider.0123456789abcdeF", /* wrong secret */
        "Authorization: Bearer nosuchkey.0123456789abcdef",
        "Authorization: Bearer provider.",
    };
    struct rig *r = rig_of(state);
    struct bytes first;
    size_t i;

    bytes_init(&first);
    for (i = 0; i < sizeof headers / sizeof *headers; i++) {
        r->key = NULL;
        r->headers = headers[i];
        rig_get(r, "/v1/players/alice/balances");
        assert_problem(r, 401, "bad_credentials");
        assert_true(rig_header(r, "WWW-Authenticate: Bearer"));
        if (i == 0) {
            bytes_append(&first, r->body.base, r->body.len);
        }
        assert_string_equal((const char *)r->body.base, (const char *)first.base);
    }
    bytes_release(&first);
    r->key = NULL;
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_credentials");
    r->headers = "Authorization: Basic YTpi";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_credentials");
    r->headers = "Authorization: Bearer a b.c";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_credentials");
    r->headers = "Authorization: bearer provider.0123456789abcdef";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
}

/* Which of the six keys may make each call: P provider, G gateway, B back office (platform),
 * O operator, A auditor. A call that is let in may then fail for another reason, but not 401/403.*/
static void each_role_may_do_its_own_calls(void **state)
{
    static const struct {
        const char *method, *path, *may;
    } calls[] = {
        {"POST", "/v1/bets", "P"},
        {"POST", "/v1/wins", "P"},
        {"POST", "/v1/rollbacks", "P"},
        {"POST", "/v1/batches", "P"},
        {"GET", "/v1/transactions/x", "PGB"},
        {"POST", "/v1/players", "B"},
        {"GET", "/v1/players/alice/balances", "PBOA"},
        {"GET", "/v1/players/alice/transactions", "BOA"},
        {"POST", "/v1/deposits", "GB"},
        {"GET", "/v1/ledger", "BOA"},
        {"POST", "/v1/currencies", "O"},
        {"POST", "/v1/providers", "O"},
        {"POST", "/v1/gateways", "O"},
        {"POST", "/v1/keys", "O"},
        {"GET", "/v1/cluster", "BOA"},
        {"POST", "/v1/cluster/transfer", "O"},
        {"POST", "/v1/cluster/members", "O"},
        {"POST", "/v1/cluster/members/9/promote", "O"},
        {"POST", "/v1/cluster/members/9/demote", "O"},
        {"DELETE", "/v1/cluster/members/9", "O"},
        {"POST", "/v1/transactions", "P"},
        {"POST", "/v1/rounds/r/close", "P"},
        {"GET", "/v1/rounds?provider=demo", "PBOA"},
        {"POST", "/v1/authenticate", "P"},
        {"POST", "/v1/sessions", "B"},
        {"GET", "/v1/sessions/s", "BOA"},
        {"DELETE", "/v1/sessions/s", "B"},
        {"POST", "/v1/sessions/s/rotate", "B"},
        {"POST", "/v1/withdrawals", "GB"},
        {"POST", "/v1/withdrawals/w/confirm", "GB"},
        {"POST", "/v1/withdrawals/w/cancel", "GB"},
        {"GET", "/v1/players/alice", "BOA"},
        {"PATCH", "/v1/players/alice", "B"},
        {"POST", "/v1/players/alice/password", "B"},
        {"GET", "/v1/providers/demo", "BOA"},
        {"PATCH", "/v1/providers/demo", "O"},
        {"GET", "/v1/gateways/bank", "BOA"},
        {"PATCH", "/v1/gateways/bank", "O"},
        {"PATCH", "/v1/keys/provider", "O"},
    };
    static const struct {
        char letter;
        const char *key;
    } keys[] = {
        {'P', "provider"}, {'G', "gateway"}, {'B', "platform"}, {'O', "operator"}, {'A', "auditor"},
    };
    struct rig *r = rig_of(state);
    size_t i, k;

    for (i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (k = 0; k < sizeof keys / sizeof *keys; k++) {
            bool post = calls[i].method[0] == 'P'; /* or PATCH */

            r->key = keys[k].key;
            rig_send(r, calls[i].method, calls[i].path, post ? "{\"?\":1}" : NULL, post ? 7 : 0);
            if (strchr(calls[i].may, keys[k].letter) == NULL) {
                assert_problem(r, 403, "forbidden");
            } else {
                assert_int_not_equal(r->status, 401);
                assert_int_not_equal(r->status, 403);
            }
        }
        r->key = NULL;
        rig_send(r, calls[i].method, calls[i].path, "{}", 2);
        assert_problem(r, 401, "bad_credentials");
    }
}

static void a_gateway_deposits_for_itself(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "gateway";
    rig_post(r, "/v1/deposits",
             "{\"id\":\"g-1\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"gateway\":\"bank\"}");
    assert_status(r, 200);
    rig_post(r, "/v1/deposits",
             "{\"id\":\"g-2\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"gateway\":\"card\"}");
    assert_problem(r, 403, "forbidden");
}

#define WIN "{\"id\":\"lost\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\"}"

static void without_a_leader_nothing_is_done(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances"); /* the key is known from here on */
    backend_set_mode(&r->backend, LEAVE_QUEUED);
    r->headers = "Florin-Timeout-Ms: 20";
    rig_post(r, "/v1/wins", WIN);
    assert_problem(r, 503, "unavailable");
    assert_true(rig_header(r, "Retry-After: 1"));
    assert_true(rig_header(r, "Florin-Leader: none"));
    r->headers = "Florin-Timeout-Ms: 20";
    rig_get(r, "/readyz");
    assert_problem(r, 503, "unavailable");
    r->key = "nosuchkey"; /* nobody can say so for sure */
    r->headers = "Florin-Timeout-Ms: 20";
    rig_get(r, "/v1/ledger");
    assert_problem(r, 503, "unavailable");
    rig_get(r, "/healthz");
    assert_status(r, 200);
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances?consistency=stale");
    assert_status(r, 200);
    backend_set_mode(&r->backend, SERVE);
    rig_get(r, "/readyz");
    assert_status(r, 200);
}

static void a_lost_answer_is_outcome_unknown_but_only_for_commands(void **state)
{
    struct rig *r = rig_of(state);

    backend_set_mode(&r->backend, LEAVE_ENTERED);
    r->key = "provider";
    r->headers = "Florin-Timeout-Ms: 20";
    rig_post(r, "/v1/wins", WIN);
    assert_problem(r, 504, "outcome_unknown");
    r->headers = "Florin-Timeout-Ms: 20";
    rig_post(r, "/v1/batches",
             "{\"transactions\":[{\"type\":\"win\",\"id\":\"l2\",\"player\":"
             "\"alice\",\"currency\":\"EUR\",\"amount\":\"1\"}]}");
    assert_problem(r, 504, "outcome_unknown");
    r->headers = "Florin-Timeout-Ms: 20";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 503, "unavailable");
    r->headers = "Florin-Timeout-Ms: soon";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 400, "malformed");
    r->headers = "Florin-Timeout-Ms: 0";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 400, "malformed");
    backend_set_mode(&r->backend, SERVE);
}

static void a_full_gate_is_overloaded(void **state)
{
    struct rig *r = rig_of(state);
    struct ticket *t[64];
    size_t i;

    /* Fill the gate past the server; nobody waits for these. */
    backend_set_mode(&r->backend, LEAVE_QUEUED);
    for (i = 0; i < 64; i++) {
        t[i] = ticket_new(TICKET_QUERY);
        gate_hand_in(r->backend.gate, t[i], 1);
    }
    r->key = "provider";
    rig_post(r, "/v1/wins", WIN);
    assert_problem(r, 503, "overloaded");
    assert_true(rig_header(r, "Retry-After: 1"));
    r->key = NULL; /* refused before anybody looks at the key: that would take time */
    rig_post(r, "/v1/wins", WIN);
    assert_problem(r, 503, "overloaded");
    rig_get(r, "/metrics"); /* the counters of requests can still be had */
    assert_status(r, 200);
    assert_non_null(strstr((const char *)r->body.base, "\nflorin_up 0\n"));
    pthread_mutex_lock(&r->backend.lock);
    while (r->backend.n_held < 64) { /* some were held before */
        pthread_cond_wait(&r->backend.changed, &r->backend.lock);
    }
    pthread_mutex_unlock(&r->backend.lock);
    for (i = 0; i < 64; i++) {
        ticket_release(t[i]);
    }
    backend_set_mode(&r->backend, SERVE);
    pthread_mutex_lock(&r->backend.lock);
    for (struct ticket *next; r->backend.held != NULL; r->backend.held = next) {
        next = r->backend.held->next;
        ticket_done(r->backend.held, RESULT_UNAVAILABLE);
    }
    pthread_mutex_unlock(&r->backend.lock);
}

static void paths_and_methods_are_strict(void **state)
{
    static const char *const unknown[] = {"/",         "/v1",          "/v1/",
                                          "/v1/bets/", "/v1/bets/x",   "/v1//bets",
                                          "/v2/bets",  "/v1/player/a", "/v1/players//balances",
                                          "/V1/bets",  "/v1/bets%2f"};
    struct rig *r = rig_of(state);
    size_t i;

    r->key = "provider";
    for (i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        rig_get(r, unknown[i]);
        assert_problem(r, 404, "not_found");
    }
    rig_get(r, "/v1/bets");
    assert_problem(r, 405, "method_not_allowed");
    assert_true(rig_header(r, "Allow: POST"));
    rig_send(r, "DELETE", "/v1/ledger", NULL, 0);
    assert_problem(r, 405, "method_not_allowed");
    assert_true(rig_header(r, "Allow: GET, HEAD"));
    rig_send(r, "POST", "/v1/players/alice", "{}", 2);
    assert_problem(r, 405, "method_not_allowed");
    assert_true(rig_header(r, "Allow: GET, HEAD, PATCH"));
    rig_send(r, "OPTIONS", "/v1/ledger", NULL, 0);
    assert_problem(r, 405, "method_not_allowed");
    rig_send(r, "PUT", "/healthz", "{}", 2);
    assert_problem(r, 405, "method_not_allowed");
    rig_send(r, "HEAD", "/healthz", NULL, 0);
    assert_int_equal(r->status, 200);
    assert_int_equal(r->body.len, 1);
}

static void figures_are_given(void **state)
{
    struct rig *r = rig_of(state);
    const char *text;

    r->backend.status.commit_index = 4711;
    r->backend.status.checkpoint_total_us = 1500000;
    r->backend.status.groups = 2;
    r->backend.status.group_commands = 9;
    r->backend.status.commit_latency.bucket[0] = 3;
    r->key = "provider";
    rig_post(r, "/v1/bets", "{}");
    rig_get(r, "/nowhere");
    r->key = NULL;
    rig_get(r, "/metrics");
    assert_status(r, 200);
    assert_true(rig_header(r, "Content-Type: text/plain; version=0.0.4; charset=utf-8"));
    text = (const char *)r->body.base;
    assert_non_null(strstr(text, "\nflorin_up 1\n"));
    assert_non_null(strstr(text, "\nflorin_commit_index 4711\n"));
    assert_non_null(strstr(text, "\nflorin_group_size_sum 9\n"));
    assert_non_null(strstr(text, "\nflorin_checkpoint_seconds_total 1.500000\n"));
    assert_non_null(strstr(text, "\nflorin_commit_latency_seconds_bucket{le=\"0.000050\"} 3\n"));
    assert_non_null(strstr(text, "\nflorin_commit_latency_seconds_bucket{le=\"+Inf\"} 3\n"));
    assert_non_null(strstr(
        text, "\nflorin_http_requests_total{route=\"/v1/bets\",method=\"POST\",status=\"400\"} "));
    assert_non_null(strstr(
        text, "\nflorin_http_requests_total{route=\"none\",method=\"any\",status=\"404\"} "));
    assert_non_null(
        strstr(text, "\nflorin_http_request_seconds_count{route=\"/v1/bets\",method=\"POST\"} "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(players_are_created_once),
        cmocka_unit_test(currencies_have_a_scale),
        cmocka_unit_test(keys_work_as_soon_as_they_are_made),
        cmocka_unit_test(bad_keys_are_refused),
        cmocka_unit_test(bad_credentials_look_all_the_same),
        cmocka_unit_test(each_role_may_do_its_own_calls),
        cmocka_unit_test(a_gateway_deposits_for_itself),
        cmocka_unit_test(without_a_leader_nothing_is_done),
        cmocka_unit_test(a_lost_answer_is_outcome_unknown_but_only_for_commands),
        cmocka_unit_test(paths_and_methods_are_strict),
        cmocka_unit_test(figures_are_given),
        cmocka_unit_test(a_full_gate_is_overloaded),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
