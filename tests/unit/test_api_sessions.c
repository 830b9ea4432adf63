/* Sessions over real HTTP: launched, authenticated, used, rotated, closed, over. */
#include "tests/unit/api_fixture.h"

struct launched {
    char id[ID_MAX + 1];
    char token[64];
};

static struct launched launch(struct rig *r, const char *more)
{
    struct launched l;

    r->key = "platform";
    rig_send_text(r, "POST", "/v1/sessions",
                  "{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"roulette\"%s}", more);
    assert_status(r, 201);
    snprintf(l.id, sizeof l.id, "%s", rig_text(r, "id"));
    snprintf(l.token, sizeof l.token, "%s", rig_text(r, "token"));
    return l;
}

static void authenticate(struct rig *r, const char *key, const char *token)
{
    r->key = key;
    rig_send_text(r, "POST", "/v1/authenticate", "{\"token\":\"%s\"}", token);
}

static void bet_in(struct rig *r, const char *id, const char *session)
{
    r->key = "provider";
    rig_send_text(r, "POST", "/v1/bets",
                  "{\"id\":\"%s\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
                  "\"session\":\"%s\"}",
                  id, session);
}

static void a_session_is_opened_used_and_closed(void **state)
{
    struct rig *r = rig_of(state);
    struct launched l;

    rig_deposit(r, "session-d", "100");
    l = launch(r, ",\"ttl_s\":3600,\"reminder_s\":1800");
    assert_int_equal(strlen(l.token), 43);
    assert_string_equal(rig_text(r, "player"), "alice");
    assert_string_equal(rig_text(r, "provider"), "demo");
    assert_string_equal(rig_text(r, "game"), "roulette");
    assert_true(rig_has(r, "opened_at"));
    assert_true(rig_has(r, "expires_at"));
    assert_false(rig_has(r, "authenticated_at"));

    authenticate(r, "provider", l.token);
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "player"), "alice");
    assert_string_equal(json_string_value(rig_item(r, "currencies", 0)), "EUR");
    assert_string_equal(json_text(rig_item(r, "balances", 0), "balance"), "100.00000");
    assert_string_equal(json_text(rig_item(r, "balances", 0), "available"), "100.00000");
    assert_string_equal(rig_inner(r, "session", "id"), l.id);
    assert_string_not_equal(rig_inner(r, "session", "authenticated_at"), "(none)");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(r->json, "reminder"), "interval_s")),
        1800);
    assert_string_not_equal(rig_inner(r, "reminder", "next_at"), "(none)");
    assert_false(rig_has(r, "token"));

    bet_in(r, "session-b", l.id);
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "session"), l.id);

    r->key = "platform";
    char path[100];
    snprintf(path, sizeof path, "/v1/sessions/%s", l.id);
    rig_get(r, path);
    assert_status(r, 200);
    assert_true(rig_has(r, "authenticated_at"));
    assert_false(rig_has(r, "token"));
    rig_send(r, "DELETE", path, NULL, 0);
    assert_status(r, 200);
    assert_true(rig_has(r, "closed_at"));
    bet_in(r, "session-c", l.id);
    assert_problem(r, 422, "session_expired");
    assert_true(rig_number(r, "seq") > 0);
    authenticate(r, "provider", l.token);
    assert_problem(r, 422, "session_expired");
    /* What was won is paid. */
    rig_send_text(r, "POST", "/v1/wins",
                  "{\"id\":\"session-w\",\"player\":\"alice\",\"currency\":\"EUR\","
                  "\"amount\":\"2\",\"session\":\"%s\"}",
                  l.id);
    assert_status(r, 200);
}

static void a_token_is_for_one_provider_and_can_be_rotated(void **state)
{
    struct rig *r = rig_of(state);
    struct launched l = launch(r, "");
    char path[100];
    char fresh[64];

    authenticate(r, "other", l.token);
    assert_problem(r, 404, "unknown_session");
    authenticate(r, "provider", "no-such-token");
    assert_problem(r, 404, "unknown_session");
    r->key = "other";
    rig_send_text(r, "POST", "/v1/bets",
                  "{\"id\":\"foreign\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
                  "\"session\":\"%s\"}",
                  l.id);
    assert_problem(r, 404, "unknown_session");
    bet_in(r, "no-session", "no-such-session");
    assert_problem(r, 404, "unknown_session");
    assert_false(rig_has(r, "seq"));

    r->key = "platform";
    snprintf(path, sizeof path, "/v1/sessions/%s/rotate", l.id);
    rig_send(r, "POST", path, NULL, 0);
    assert_status(r, 200);
    snprintf(fresh, sizeof fresh, "%s", rig_text(r, "token"));
    assert_string_equal(rig_text(r, "id"), l.id);
    assert_string_not_equal(fresh, l.token);
    authenticate(r, "provider", l.token);
    assert_problem(r, 404, "unknown_session");
    authenticate(r, "provider", fresh);
    assert_status(r, 200);
    r->key = "platform";
    rig_post(r, path, "{\"ttl_s\":60}");
    assert_status(r, 200);
    rig_post(r, "/v1/sessions/nowhere/rotate", "{}");
    assert_problem(r, 404, "unknown_session");
    rig_send(r, "DELETE", "/v1/sessions/nowhere", NULL, 0);
    assert_problem(r, 404, "unknown_session");
    rig_get(r, "/v1/sessions/nowhere");
    assert_problem(r, 404, "unknown_session");
}

static void a_session_expires_by_the_ledgers_clock(void **state)
{
    struct rig *r = rig_of(state);
    struct launched l = launch(r, ",\"ttl_s\":5");

    bet_in(r, "expiry-1", l.id);
    assert_status(r, 200);
    pthread_mutex_lock(&r->backend.lock);
    r->backend.ledger.time_ms += 5000;
    pthread_mutex_unlock(&r->backend.lock);
    bet_in(r, "expiry-2", l.id);
    assert_problem(r, 422, "session_expired");
    authenticate(r, "provider", l.token);
    assert_problem(r, 422, "session_expired");
}

static void bad_launches_are_refused(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *code;
    } bad[] = {
        {"{\"player\":\"nobody\",\"provider\":\"demo\",\"game\":\"g\"}", 404, "unknown_player"},
        {"{\"player\":\"alice\",\"provider\":\"nobody\",\"game\":\"g\"}", 404, "unknown_provider"},
        {"{\"player\":\"alice\",\"provider\":\"demo\"}", 400, "malformed"},
        {"{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"ttl_s\":0}", 400,
         "malformed"},
        {"{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"ttl_s\":2592001}", 400,
         "malformed"},
        {"{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"ttl\":9}", 400,
         "unknown_field"},
        {"{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"x\"}", 404,
         "unknown_session"},
        {"{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"\"}", 400,
         "malformed"},
    };
    struct rig *r = rig_of(state);
    size_t i;

    r->key = "platform";
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_post(r, "/v1/sessions", bad[i].body);
        assert_problem(r, bad[i].status, bad[i].code);
    }
    r->key = NULL;
    rig_post(r, "/v1/sessions", "{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\"}");
    assert_problem(r, 401, "bad_credentials");
    rig_post(r, "/v1/sessions",
             "{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"x\"}");
    assert_problem(r, 404, "unknown_session");
}

/* Anybody may try a player's token; a hundred at once, ten a second. Runs last. */
static void launches_without_a_key_are_rated(void **state)
{
    struct rig *r = rig_of(state);
    int i;

    r->key = NULL;
    r->status = 404;
    for (i = 0; i < 2000 && r->status == 404; i++) {
        rig_post(
            r, "/v1/sessions",
            "{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"x\"}");
    }
    assert_problem(r, 429, "rate_limited");
    launch(r, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_is_opened_used_and_closed),
        cmocka_unit_test(a_token_is_for_one_provider_and_can_be_rotated),
        cmocka_unit_test(a_session_expires_by_the_ledgers_clock),
        cmocka_unit_test(bad_launches_are_refused),
        cmocka_unit_test(launches_without_a_key_are_rated),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
