/* A provider whose ids are unique for each player only, over real HTTP. */
#include "tests/unit/api_fixture.h"

/* A provider, a gateway (till) and two players of their own, called as the test is. */
static void player_scoped(struct rig *r, const char *provider)
{
    r->key = "operator";
    rig_send_text(r, "POST", "/v1/providers", "{\"id\":\"%s\",\"ids_scope\":\"player\"}", provider);
    assert_status(r, 201);
    assert_string_equal(rig_text(r, "ids_scope"), "player");
    rig_send_text(r, "POST", "/v1/keys",
                  "{\"principal\":\"%s\",\"role\":\"provider\",\"key\":\"%s\","
                  "\"secret\":\"0123456789abcdef\"}",
                  provider, provider);
    assert_status(r, 201);
}

static void paid_in(struct rig *r, const char *player, const char *gateway, const char *id)
{
    backend_create(&r->backend, COMMAND_PLAYER_CREATE, player, ROLE_NONE);
    r->key = gateway;
    rig_send_text(r, "POST", "/v1/deposits",
                  "{\"id\":\"%s\",\"player\":\"%s\",\"currency\":\"EUR\",\"amount\":\"100\","
                  "\"gateway\":\"%s\"}",
                  id, player, strcmp(gateway, "gateway") == 0 ? "bank" : gateway);
    assert_status(r, 200);
}

static void play(struct rig *r, const char *path, const char *id, const char *player,
                 const char *more)
{
    rig_send_text(r, "POST", path, "{\"id\":\"%s\",\"player\":\"%s\",\"currency\":\"EUR\",%s}", id,
                  player, more);
}

static void the_scope_is_chosen_at_creation_for_ever(void **state)
{
    struct rig *r = rig_of(state);

    player_scoped(r, "fixed");
    r->key = "operator";
    rig_get(r, "/v1/providers/fixed");
    assert_string_equal(rig_text(r, "ids_scope"), "player");
    rig_get(r, "/v1/providers/demo");
    assert_string_equal(rig_text(r, "ids_scope"), "provider");
    rig_send_text(r, "PATCH", "/v1/providers/fixed", "{\"ids_scope\":\"player\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "ids_scope"), "player");
    rig_send_text(r, "PATCH", "/v1/providers/fixed",
                  "{\"ids_scope\":\"provider\",\"rate_per_s\":3}");
    assert_problem(r, 409, "ids_scope_fixed");
    rig_send_text(r, "PATCH", "/v1/providers/demo", "{\"ids_scope\":\"player\"}");
    assert_problem(r, 409, "ids_scope_fixed");
    rig_get(r, "/v1/providers/fixed");
    assert_int_equal(rig_number(r, "rate_per_s"), 0); /* all of it or nothing */
    rig_post(r, "/v1/providers", "{\"id\":\"odd\",\"ids_scope\":\"game\"}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/gateways", "{\"id\":\"plain-bank\",\"ids_scope\":\"provider\"}");
    assert_status(r, 201);
    assert_string_equal(rig_text(r, "ids_scope"), "provider");
}

static void each_player_has_ids_of_its_own(void **state)
{
    struct rig *r = rig_of(state);

    player_scoped(r, "slots");
    paid_in(r, "ann", "gateway", "scope-d1");
    paid_in(r, "ben", "gateway", "scope-d2");
    r->key = "slots";
    play(r, "/v1/bets", "1", "ann", "\"amount\":\"10\"");
    assert_string_equal(rig_text(r, "balance"), "90.00000");
    play(r, "/v1/bets", "1", "ben", "\"amount\":\"20\"");
    assert_status(r, 200);
    assert_false(rig_true(r, "replayed"));
    assert_string_equal(rig_text(r, "balance"), "80.00000");
    play(r, "/v1/bets", "1", "ann", "\"amount\":\"10\"");
    assert_true(rig_true(r, "replayed"));
    assert_string_equal(rig_text(r, "balance"), "90.00000");
    play(r, "/v1/bets", "2", "ben", "\"amount\":\"1\",\"dry_run\":true");
    assert_status(r, 200);

    /* Another player's bet is an unknown original. */
    play(r, "/v1/wins", "3", "ann", "\"amount\":\"5\"");
    play(r, "/v1/rollbacks", "4", "ben", "\"original\":\"3\"");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "amount"), "0.00000");
    play(r, "/v1/wins", "3", "ben", "\"amount\":\"5\"");
    assert_problem(r, 409, "rolled_back");
    play(r, "/v1/rollbacks", "4", "ann", "\"original\":\"3\"");
    assert_string_equal(rig_text(r, "amount"), "5.00000");

    rig_post(r, "/v1/batches",
             "{\"transactions\":["
             "{\"type\":\"bet\",\"id\":\"9\",\"player\":\"ann\",\"currency\":\"EUR\","
             "\"amount\":\"1\"},"
             "{\"type\":\"bet\",\"id\":\"9\",\"player\":\"ben\",\"currency\":\"EUR\","
             "\"amount\":\"2\"},"
             "{\"type\":\"bet\",\"id\":\"9\",\"player\":\"ben\",\"currency\":\"EUR\","
             "\"amount\":\"3\"}]}");
    assert_status(r, 200);
    assert_string_equal(json_text(rig_item(r, "results", 0), "amount"), "1.00000");
    assert_string_equal(json_text(rig_item(r, "results", 1), "amount"), "2.00000");
    assert_string_equal(json_text(rig_item(r, "results", 2), "code"), "idempotency_conflict");
}

static void an_id_in_a_path_needs_its_player(void **state)
{
    struct rig *r = rig_of(state);

    player_scoped(r, "asked");
    paid_in(r, "cat", "gateway", "scope-d3");
    paid_in(r, "dan", "gateway", "scope-d4");
    r->key = "asked";
    play(r, "/v1/bets", "1", "cat", "\"amount\":\"10\"");
    play(r, "/v1/rollbacks", "2", "dan", "\"original\":\"1\"");
    rig_get(r, "/v1/transactions/1?player=cat");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "player"), "cat");
    rig_get(r, "/v1/transactions/1?player=dan&consistency=stale");
    assert_problem(r, 404, "unknown_transaction");
    assert_string_equal(rig_text(r, "rolled_back_by"), "2");
    rig_get(r, "/v1/transactions/1");
    assert_problem(r, 400, "malformed");
    assert_string_equal(rig_text(r, "detail"),
                        "missing: player. The ids of asked are unique for each player only.");
    rig_get(r, "/v1/transactions/1?player=a%20b");
    assert_problem(r, 400, "bad_id");

    /* Others need not say it, but if they do, it must be true. */
    r->key = "gateway";
    rig_get(r, "/v1/transactions/scope-d3");
    assert_status(r, 200);
    rig_get(r, "/v1/transactions/scope-d3?player=cat");
    assert_status(r, 200);
    rig_get(r, "/v1/transactions/scope-d3?player=dan");
    assert_problem(r, 404, "unknown_transaction");
}

static void a_withdrawal_is_ended_at_its_player(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_post(r, "/v1/gateways", "{\"id\":\"till\",\"ids_scope\":\"player\"}");
    assert_status(r, 201);
    backend_key(&r->backend, "till", "till", ROLE_GATEWAY);
    paid_in(r, "eve", "till", "1");
    paid_in(r, "fay", "till", "1");
    play(r, "/v1/withdrawals", "2", "eve", "\"amount\":\"10\",\"gateway\":\"till\"");
    play(r, "/v1/withdrawals", "2", "fay", "\"amount\":\"20\",\"gateway\":\"till\"");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "requested"), "20.00000");
    rig_send(r, "POST", "/v1/withdrawals/2/confirm", NULL, 0);
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/withdrawals/2/cancel", "{}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/withdrawals/2/confirm", "{\"player\":\"eve\",\"amount\":\"4\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "player"), "eve");
    assert_string_equal(rig_text(r, "amount"), "4.00000");
    rig_post(r, "/v1/withdrawals/2/cancel", "{\"player\":\"fay\"}");
    assert_status(r, 200);
    rig_post(r, "/v1/withdrawals/2/cancel", "{\"player\":\"alice\"}");
    assert_problem(r, 404, "unknown_transaction");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scope_is_chosen_at_creation_for_ever),
        cmocka_unit_test(each_player_has_ids_of_its_own),
        cmocka_unit_test(an_id_in_a_path_needs_its_player),
        cmocka_unit_test(a_withdrawal_is_ended_at_its_player),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
