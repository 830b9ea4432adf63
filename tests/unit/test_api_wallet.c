/* A player's money and state over real HTTP: withdrawals, limits, exclusion, passwords, logins. */
#include "tests/unit/api_fixture.h"

static void player(struct rig *r, const char *name, const char *euros)
{
    backend_create(&r->backend, COMMAND_PLAYER_CREATE, name, ROLE_NONE);
    r->key = "platform";
    rig_send_text(r, "POST", "/v1/deposits",
                  "{\"id\":\"first-%s\",\"player\":\"%s\",\"currency\":\"EUR\",\"amount\":\"%s\","
                  "\"gateway\":\"bank\"}",
                  name, name, euros);
    assert_status(r, 200);
}

static void post_money(struct rig *r, const char *key, const char *path, const char *id,
                       const char *name, const char *amount)
{
    bool gateway = strcmp(path, "/v1/bets") != 0 && strcmp(path, "/v1/wins") != 0;

    r->key = key;
    rig_send_text(r, "POST", path,
                  "{\"id\":\"%s\",\"player\":\"%s\",\"currency\":\"EUR\",\"amount\":\"%s\"%s}", id,
                  name, amount, gateway ? ",\"gateway\":\"bank\"" : "");
}

static void assert_balances(struct rig *r, const char *name, const char *balance,
                            const char *available)
{
    char path[100];

    r->key = "platform";
    snprintf(path, sizeof path, "/v1/players/%s/balances", name);
    rig_get(r, path);
    assert_status(r, 200);
    assert_string_equal(json_text(rig_item(r, "balances", 0), "balance"), balance);
    assert_string_equal(json_text(rig_item(r, "balances", 0), "available"), available);
}

static void a_withdrawal_reserves_and_is_confirmed(void **state)
{
    struct rig *r = rig_of(state);

    player(r, "holder", "10");
    post_money(r, "platform", "/v1/withdrawals", "wd-1", "holder", "6");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "type"), "withdrawal");
    assert_string_equal(rig_text(r, "amount"), "0.00000");
    assert_string_equal(rig_text(r, "requested"), "6.00000");
    assert_string_equal(rig_text(r, "gateway"), "bank");
    assert_balances(r, "holder", "10.00000", "4.00000");
    post_money(r, "provider", "/v1/bets", "wd-b", "holder", "5");
    assert_problem(r, 422, "insufficient_funds");
    post_money(r, "platform", "/v1/withdrawals", "wd-2", "holder", "5");
    assert_problem(r, 422, "insufficient_funds");

    r->key = "platform";
    /* In a command no amount means all of it: a zero may not be taken for that. */
    rig_post(r, "/v1/withdrawals/wd-1/confirm", "{\"amount\":\"0\"}");
    assert_problem(r, 400, "bad_amount");
    rig_post(r, "/v1/withdrawals/wd-1/confirm", "{\"amount\":\"0.00\"}");
    assert_problem(r, 400, "bad_amount");
    assert_balances(r, "holder", "10.00000", "4.00000");
    rig_post(r, "/v1/withdrawals/wd-1/confirm", "{\"amount\":\"4\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "type"), "withdrawal_confirm");
    assert_string_equal(rig_text(r, "amount"), "4.00000");
    assert_string_equal(rig_text(r, "original"), "wd-1");
    assert_balances(r, "holder", "6.00000", "6.00000");
    rig_post(r, "/v1/withdrawals/wd-1/confirm", "{\"amount\":\"4\"}");
    assert_status(r, 200);
    assert_true(rig_true(r, "replayed"));
    rig_send(r, "POST", "/v1/withdrawals/wd-1/cancel", NULL, 0);
    assert_problem(r, 409, "hold_closed");
    rig_post(r, "/v1/withdrawals/nowhere/confirm", "{}");
    assert_problem(r, 404, "unknown_transaction");
}

static void a_withdrawal_is_cancelled_or_expires(void **state)
{
    struct rig *r = rig_of(state);

    player(r, "changer", "10");
    post_money(r, "gateway", "/v1/withdrawals", "wd-3", "changer", "10");
    assert_status(r, 200);
    rig_send(r, "POST", "/v1/withdrawals/wd-3/cancel", NULL, 0);
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "type"), "withdrawal_cancel");
    assert_string_equal(rig_text(r, "amount"), "0.00000");
    assert_balances(r, "changer", "10.00000", "10.00000");
    r->key = "gateway";
    rig_post(r, "/v1/withdrawals/wd-3/cancel", "{}");
    assert_status(r, 200);
    rig_send(r, "POST", "/v1/withdrawals/wd-3/confirm", NULL, 0);
    assert_problem(r, 409, "hold_closed");
    rig_post(r, "/v1/withdrawals/wd-3/cancel", "{\"amount\":\"1\"}");
    assert_problem(r, 400, "unknown_field");

    rig_post(r, "/v1/withdrawals",
             "{\"id\":\"wd-4\",\"player\":\"changer\",\"currency\":\"EUR\",\"amount\":\"10\","
             "\"gateway\":\"bank\",\"expires_s\":60}");
    assert_status(r, 200);
    assert_balances(r, "changer", "10.00000", "0.00000");
    pthread_mutex_lock(&r->backend.lock);
    r->backend.ledger.time_ms += 60000;
    pthread_mutex_unlock(&r->backend.lock);
    post_money(r, "provider", "/v1/bets", "wd-e", "changer", "1");
    assert_status(r, 200);
    r->key = "gateway";
    rig_send(r, "POST", "/v1/withdrawals/wd-4/confirm", NULL, 0);
    assert_problem(r, 409, "hold_closed");

    rig_post(r, "/v1/withdrawals",
             "{\"id\":\"wd-5\",\"player\":\"changer\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"gateway\":\"card\"}");
    assert_problem(r, 403, "forbidden");
    rig_post(r, "/v1/withdrawals",
             "{\"id\":\"wd-5\",\"player\":\"changer\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"gateway\":\"bank\",\"expires_s\":0}");
    assert_problem(r, 400, "malformed");
}

static void update(struct rig *r, const char *name, const char *body)
{
    char path[100];

    r->key = "platform";
    snprintf(path, sizeof path, "/v1/players/%s", name);
    rig_send(r, "PATCH", path, body, strlen(body));
}

static void a_blocked_player_does_not_bet(void **state)
{
    struct rig *r = rig_of(state);

    player(r, "blockee", "10");
    update(r, "blockee", "{\"status\":\"blocked\",\"reminder_s\":600}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "id"), "blockee");
    assert_string_equal(rig_text(r, "status"), "blocked");
    assert_int_equal(rig_number(r, "reminder_s"), 600);
    post_money(r, "provider", "/v1/bets", "bl-1", "blockee", "1");
    assert_problem(r, 422, "player_blocked");
    post_money(r, "provider", "/v1/wins", "bl-2", "blockee", "1");
    assert_status(r, 200);
    r->key = "platform";
    rig_post(r, "/v1/sessions", "{\"player\":\"blockee\",\"provider\":\"demo\",\"game\":\"g\"}");
    assert_problem(r, 422, "player_blocked");
    update(r, "blockee", "{\"status\":\"active\"}");
    assert_status(r, 200);
    post_money(r, "provider", "/v1/bets", "bl-3", "blockee", "1");
    assert_status(r, 200);
    r->key = "auditor";
    rig_get(r, "/v1/players/blockee?consistency=stale");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "status"), "active");
    assert_int_equal(rig_number(r, "reminder_s"), 600);
    assert_true(rig_has(r, "created_at"));
    assert_true(json_is_false(json_object_get(r->json, "has_password")));
    rig_get(r, "/v1/players/nobody");
    assert_problem(r, 404, "unknown_player");
    update(r, "nobody", "{\"status\":\"active\"}");
    assert_problem(r, 404, "unknown_player");
}

static void a_self_exclusion_can_not_be_shortened(void **state)
{
    struct rig *r = rig_of(state);

    player(r, "excluded", "10");
    update(r, "excluded", "{\"status\":\"self_excluded\",\"until\":\"2031-01-01T00:00:00Z\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "status"), "self_excluded");
    assert_string_equal(rig_text(r, "until"), "2031-01-01T00:00:00.000Z");
    post_money(r, "provider", "/v1/bets", "ex-1", "excluded", "1");
    assert_problem(r, 422, "player_blocked");
    post_money(r, "platform", "/v1/deposits", "ex-2", "excluded", "1");
    assert_problem(r, 422, "self_excluded");
    post_money(r, "platform", "/v1/withdrawals", "ex-3", "excluded", "1");
    assert_status(r, 200);
    update(r, "excluded", "{\"status\":\"active\"}");
    assert_problem(r, 409, "self_excluded");
    update(r, "excluded", "{\"status\":\"self_excluded\",\"until\":\"2030-01-01T00:00:00Z\"}");
    assert_problem(r, 409, "self_excluded");
    update(r, "excluded", "{\"status\":\"self_excluded\",\"until\":\"2032-01-01T00:00:00Z\"}");
    assert_status(r, 200);
}

static void limits_bind_at_once_and_loosen_later(void **state)
{
    struct rig *r = rig_of(state);
    json_t *l;

    player(r, "limited", "100");
    update(r, "limited",
           "{\"limits\":[{\"kind\":\"stake\",\"period\":\"day\",\"currency\":\"EUR\","
           "\"amount\":\"5\"},{\"kind\":\"deposit\",\"period\":\"month\",\"currency\":\"EUR\","
           "\"amount\":\"150\"}]}");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "limits")), 2);
    post_money(r, "provider", "/v1/bets", "li-1", "limited", "4");
    assert_status(r, 200);
    post_money(r, "provider", "/v1/bets", "li-2", "limited", "1.00001");
    assert_problem(r, 422, "limit_reached");
    post_money(r, "platform", "/v1/deposits", "li-3", "limited", "51");
    assert_problem(r, 422, "limit_reached");

    update(r, "limited",
           "{\"limits\":[{\"kind\":\"stake\",\"period\":\"day\",\"currency\":\"EUR\","
           "\"amount\":null}]}");
    assert_status(r, 200);
    l = rig_item(r, "limits", 0);
    if (strcmp(json_text(l, "kind"), "stake") != 0) {
        l = rig_item(r, "limits", 1);
    }
    assert_string_equal(json_text(l, "kind"), "stake");
    assert_string_equal(json_text(l, "period"), "day");
    assert_string_equal(json_text(l, "amount"), "5.00000");
    assert_string_equal(json_text(l, "used"), "4.00000");
    l = json_object_get(l, "pending");
    assert_true(json_is_null(json_object_get(l, "amount")));
    assert_true(json_object_get(l, "effective_at") != NULL);
    post_money(r, "provider", "/v1/bets", "li-4", "limited", "2");
    assert_problem(r, 422, "limit_reached");
    pthread_mutex_lock(&r->backend.lock);
    r->backend.ledger.time_ms += COOLING_OFF_MS;
    pthread_mutex_unlock(&r->backend.lock);
    post_money(r, "provider", "/v1/bets", "li-5", "limited", "20");
    assert_status(r, 200);
    update(r, "limited",
           "{\"limits\":[{\"kind\":\"deposit\",\"period\":\"month\",\"currency\":\"EUR\","
           "\"amount\":\"200\"}]}");
    assert_status(r, 200);
    l = json_object_get(rig_item(r, "limits", 0), "pending");
    assert_string_equal(json_text(l, "amount"), "200.00000");
}

static void bad_updates_are_refused(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *code;
    } bad[] = {
        {"{}", 400, "malformed"},
        {"{\"status\":\"gone\"}", 400, "malformed"},
        {"{\"status\":\"active\",\"until\":\"2031-01-01T00:00:00Z\"}", 400, "malformed"},
        {"{\"until\":\"2031-01-01T00:00:00Z\"}", 400, "malformed"},
        {"{\"status\":\"blocked\",\"until\":\"tomorrow\"}", 400, "malformed"},
        {"{\"status\":\"blocked\",\"until\":\"1970-01-01T00:00:00.000Z\"}", 400, "malformed"},
        {"{\"status\":\"blocked\",\"until\":1767225600000}", 400, "malformed"},
        {"{\"reminder_s\":-1}", 400, "malformed"},
        {"{\"limits\":{}}", 400, "malformed"},
        {"{\"limits\":[]}", 400, "malformed"},
        {"{\"limits\":[7]}", 400, "malformed"},
        {"{\"limits\":[{\"kind\":\"stake\",\"period\":\"day\",\"currency\":\"EUR\"}]}", 400,
         "malformed"},
        {"{\"limits\":[{\"kind\":\"win\",\"period\":\"day\",\"currency\":\"EUR\",\"amount\":\"1\"}]"
         "}",
         400, "malformed"},
        {"{\"limits\":[{\"kind\":\"loss\",\"period\":\"year\",\"currency\":\"EUR\",\"amount\":"
         "\"1\"}]}",
         400, "malformed"},
        {"{\"limits\":[{\"kind\":\"loss\",\"period\":\"day\",\"currency\":\"EUR\",\"amount\":1}]}",
         400, "bad_amount"},
        {"{\"limits\":[{\"kind\":\"loss\",\"period\":\"day\",\"currency\":\"EUR\",\"amount\":"
         "\"-1\"}]}",
         400, "bad_amount"},
        {"{\"limits\":[{\"kind\":\"loss\",\"period\":\"day\",\"currency\":\"ZZZ\",\"amount\":"
         "\"1\"}]}",
         404, "unknown_currency"},
        {"{\"limits\":[{\"kind\":\"loss\",\"period\":\"day\",\"currency\":\"EUR\",\"amount\":"
         "\"1\",\"until\":\"x\"}]}",
         400, "unknown_field"},
        {"{\"balance\":\"1\"}", 400, "unknown_field"},
    };
    struct rig *r = rig_of(state);
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        update(r, "alice", bad[i].body);
        if (r->status != bad[i].status) {
            print_error("%s\n", bad[i].body);
        }
        assert_problem(r, bad[i].status, bad[i].code);
    }
}

static void login(struct rig *r, const char *key, const char *name, const char *password)
{
    r->key = key;
    rig_send_text(r, "POST", "/v1/login", "{\"player\":\"%s\",\"password\":\"%s\"}", name,
                  password);
}

static void set_password(struct rig *r, const char *name, const char *password)
{
    char path[100];

    r->key = "platform";
    snprintf(path, sizeof path, "/v1/players/%s/password", name);
    rig_send_text(r, "POST", path, "{\"password\":\"%s\"}", password);
}

static void a_login_gives_a_token_that_launches_games(void **state)
{
    struct rig *r = rig_of(state);
    char token[64], game[64];

    player(r, "lara", "10");
    set_password(r, "lara", "correct horse");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "player"), "lara");
    r->key = "platform";
    rig_get(r, "/v1/players/lara");
    assert_true(rig_true(r, "has_password"));
    assert_null(strstr((const char *)r->body.base, "argon2"));

    login(r, NULL, "lara", "correct horse");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "player"), "lara");
    assert_false(rig_has(r, "provider"));
    snprintf(token, sizeof token, "%s", rig_text(r, "player_token"));
    assert_int_equal(strlen(token), 43);

    r->key = NULL;
    rig_send_text(
        r, "POST", "/v1/sessions",
        "{\"player\":\"lara\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"%s\"}",
        token);
    assert_status(r, 201);
    snprintf(game, sizeof game, "%s", rig_text(r, "token"));
    r->key = "provider";
    rig_send_text(r, "POST", "/v1/authenticate", "{\"token\":\"%s\"}", game);
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "player"), "lara");

    /* It is no session of a game, and for nobody else. */
    rig_send_text(r, "POST", "/v1/authenticate", "{\"token\":\"%s\"}", token);
    assert_problem(r, 404, "unknown_session");
    r->key = NULL;
    rig_send_text(
        r, "POST", "/v1/sessions",
        "{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"%s\"}",
        token);
    assert_problem(r, 404, "unknown_session");
    rig_send_text(
        r, "POST", "/v1/sessions",
        "{\"player\":\"lara\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"%s\"}", game);
    assert_problem(r, 404, "unknown_session");

    pthread_mutex_lock(&r->backend.lock);
    r->backend.ledger.time_ms += 15 * 60 * 1000;
    pthread_mutex_unlock(&r->backend.lock);
    rig_send_text(
        r, "POST", "/v1/sessions",
        "{\"player\":\"lara\",\"provider\":\"demo\",\"game\":\"g\",\"player_token\":\"%s\"}",
        token);
    assert_problem(r, 422, "session_expired");
}

static void every_failed_login_looks_the_same(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes first;

    player(r, "liam", "10");
    player(r, "nopassword", "10");
    set_password(r, "liam", "correct horse");
    login(r, "platform", "liam", "correct horsE");
    assert_problem(r, 401, "bad_credentials");
    bytes_init(&first);
    bytes_append(&first, r->body.base, r->body.len);
    login(r, "platform", "nobody", "correct horse");
    assert_string_equal((const char *)r->body.base, (const char *)first.base);
    login(r, "platform", "nopassword", "correct horse");
    assert_string_equal((const char *)r->body.base, (const char *)first.base);
    bytes_release(&first);

    login(r, "platform", "liam", "correct horse");
    assert_status(r, 200);
    set_password(r, "liam", "another horse");
    assert_status(r, 200);
    login(r, "platform", "liam", "correct horse");
    assert_problem(r, 401, "bad_credentials");
    login(r, "platform", "liam", "another horse");
    assert_status(r, 200);
    login(r, "provider", "liam", "another horse");
    assert_problem(r, 403, "forbidden");
    login(r, "nosuchkey", "liam", "another horse");
    assert_problem(r, 401, "bad_credentials");
}

static void bad_passwords_are_refused(void **state)
{
    char longest[130];
    struct rig *r = rig_of(state);

    set_password(r, "alice", "7 bytes");
    assert_problem(r, 400, "malformed");
    memset(longest, 'p', sizeof longest);
    longest[129] = '\0';
    set_password(r, "alice", longest);
    assert_problem(r, 400, "malformed");
    longest[128] = '\0';
    set_password(r, "alice", longest);
    assert_status(r, 200);
    set_password(r, "nobody", "correct horse");
    assert_problem(r, 404, "unknown_player");
    r->key = NULL;
    rig_post(r, "/v1/login", "{\"player\":\"alice\"}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/login", "{\"player\":\"a b\",\"password\":\"correct horse\"}");
    assert_problem(r, 400, "bad_id");
}

/* Five at once, one in 30 s: the ten here would have to take two minutes to come through. Known
 * and unknown players are held back alike. */
static void guesses_are_rated(void **state)
{
    static const char *const names[] = {"guessed", "unknown-to-all"};
    struct rig *r = rig_of(state);
    size_t i;
    int k;

    player(r, "guessed", "1");
    set_password(r, "guessed", "correct horse");
    for (i = 0; i < 2; i++) {
        for (k = 0; k < 5; k++) {
            login(r, "platform", names[i], "wrong horse");
            assert_problem(r, 401, "bad_credentials");
        }
        for (k = 0; k < 5 && r->status == 401; k++) {
            login(r, "platform", names[i], "correct horse");
        }
        assert_problem(r, 429, "rate_limited");
        assert_non_null(strstr((const char *)r->head.base, "\r\nRetry-After: "));
    }
    login(r, "platform", "alice", "wrong horse"); /* others are not held back */
    assert_problem(r, 401, "bad_credentials");
}

/* Without a key the address counts, whoever is guessed: twenty at once, one in 3 s. Runs last: it
 * uses the address up. */
static void guesses_from_one_address_are_rated(void **state)
{
    struct rig *r = rig_of(state);
    char name[32];
    int i;

    r->status = 401;
    for (i = 0; i < 60 && r->status == 401; i++) {
        snprintf(name, sizeof name, "anybody-%d", i);
        login(r, NULL, name, "wrong horse");
    }
    assert_problem(r, 429, "rate_limited");
    login(r, "platform", "anybody-0", "wrong horse"); /* a platform is not one player */
    assert_problem(r, 401, "bad_credentials");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_withdrawal_reserves_and_is_confirmed),
        cmocka_unit_test(a_withdrawal_is_cancelled_or_expires),
        cmocka_unit_test(a_blocked_player_does_not_bet),
        cmocka_unit_test(a_self_exclusion_can_not_be_shortened),
        cmocka_unit_test(limits_bind_at_once_and_loosen_later),
        cmocka_unit_test(bad_updates_are_refused),
        cmocka_unit_test(a_login_gives_a_token_that_launches_games),
        cmocka_unit_test(every_failed_login_looks_the_same),
        cmocka_unit_test(bad_passwords_are_refused),
        cmocka_unit_test(guesses_are_rated),
        cmocka_unit_test(guesses_from_one_address_are_rated),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
