/* memmem */
#define _GNU_SOURCE

/* Money over real HTTP: every call, every refusal, repeats, conflicts, bad bodies, msgpack. */
#include "tests/unit/api_fixture.h"

#define BET(id, amount)                                                                            \
    "{\"id\":\"" id "\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":" amount "}"

static void a_bet_is_answered_with_all_its_fields(void **state)
{
    struct rig *r = rig_of(state);

    char session[ID_MAX + 1];

    rig_deposit(r, "fields-d", "100");
    assert_string_equal(rig_text(r, "gateway"), "bank");
    assert_string_equal(rig_text(r, "type"), "deposit");
    rig_post(r, "/v1/sessions", "{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"g1\"}");
    assert_status(r, 201);
    snprintf(session, sizeof session, "%s", rig_text(r, "id"));
    r->key = "provider";
    rig_send_text(r, "POST", "/v1/bets",
                  "{\"id\":\"fields-b\",\"player\":\"alice\",\"currency\":\"EUR\","
                  "\"amount\":\"12.50\",\"round\":\"r1\",\"game\":\"g1\",\"session\":\"%s\"}",
                  session);
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "id"), "fields-b");
    assert_string_equal(rig_text(r, "type"), "bet");
    assert_string_equal(rig_text(r, "player"), "alice");
    assert_string_equal(rig_text(r, "currency"), "EUR");
    assert_string_equal(rig_text(r, "amount"), "12.50000");
    assert_string_equal(rig_text(r, "balance"), "87.50000");
    assert_string_equal(rig_text(r, "round"), "r1");
    assert_string_equal(rig_text(r, "game"), "g1");
    assert_string_equal(rig_text(r, "session"), session);
    assert_int_equal(strlen(rig_text(r, "hash")), 64);
    assert_int_equal(strspn(rig_text(r, "hash"), "0123456789abcdef"), 64);
    assert_int_equal(strlen(rig_text(r, "at")), strlen("2026-01-01T00:00:00.000Z"));
    assert_memory_equal(rig_text(r, "at"), "2026-01-01T00:00:00.", 20);
    assert_true(json_is_false(json_object_get(r->json, "replayed")));
    assert_false(rig_has(r, "balance_now"));
    assert_false(rig_has(r, "kind"));
    assert_int_equal(rig_number(r, "seq"), 2);
    assert_true(rig_header(r, "Florin-Node: 2"));
    assert_true(rig_header(r, "Florin-Leader: 3"));
    assert_true(rig_header(r, "Florin-Applied: 2"));
    assert_true(rig_header(r, "Content-Type: application/json"));
}

static void a_repeat_answers_the_first_answer(void **state)
{
    struct rig *r = rig_of(state);
    json_int_t seq;

    rig_deposit(r, "repeat-d", "100");
    r->key = "provider";
    rig_post(r, "/v1/bets", BET("repeat-1", "\"1\""));
    assert_status(r, 200);
    seq = rig_number(r, "seq");
    json_t *first = json_incref(r->json);
    rig_post(r, "/v1/bets", BET("repeat-2", "\"2\""));
    rig_post(r, "/v1/bets", BET("repeat-1", "\"1.00\""));
    assert_status(r, 200);
    assert_int_equal(rig_number(r, "seq"), seq);
    assert_true(rig_true(r, "replayed"));
    assert_string_equal(rig_text(r, "balance"),
                        json_string_value(json_object_get(first, "balance")));
    assert_string_equal(rig_text(r, "hash"), json_string_value(json_object_get(first, "hash")));
    assert_string_not_equal(rig_text(r, "balance_now"), rig_text(r, "balance"));
    json_decref(first);
}

static void a_conflict_names_what_differs(void **state)
{
    struct rig *r = rig_of(state);
    json_t *fields;

    rig_deposit(r, "conflict-d", "100");
    r->key = "provider";
    rig_post(r, "/v1/bets", BET("conflict-1", "\"1\""));
    rig_post(r, "/v1/bets", BET("conflict-1", "\"2\""));
    assert_problem(r, 409, "idempotency_conflict");
    fields = json_object_get(r->json, "fields");
    assert_int_equal(json_array_size(fields), 1);
    assert_string_equal(json_string_value(json_array_get(fields, 0)), "amount");
    rig_post(r, "/v1/wins", BET("conflict-1", "\"1\""));
    assert_problem(r, 409, "idempotency_conflict");
    assert_string_equal(json_string_value(json_array_get(json_object_get(r->json, "fields"), 0)),
                        "type");
    assert_false(rig_has(r, "seq"));
}

static void a_refusal_has_a_seq_and_is_repeated(void **state)
{
    struct rig *r = rig_of(state);
    json_int_t seq;

    r->key = "provider";
    rig_post(r, "/v1/bets", BET("poor-1", "\"99999\""));
    assert_problem(r, 422, "insufficient_funds");
    seq = rig_number(r, "seq");
    assert_true(seq > 0);
    assert_false(rig_has(r, "replayed"));
    rig_deposit(r, "poor-d", "99999");
    r->key = "provider";
    rig_post(r, "/v1/bets", BET("poor-1", "\"99999\""));
    assert_problem(r, 422, "insufficient_funds");
    assert_int_equal(rig_number(r, "seq"), seq);
    assert_true(rig_true(r, "replayed"));
    rig_get(r, "/v1/transactions/poor-1");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "outcome"), "insufficient_funds");
    assert_string_equal(rig_text(r, "amount"), "0.00000");
    assert_string_equal(rig_text(r, "requested"), "99999.00000");
}

static void wins_have_kinds(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "provider";
    rig_post(r, "/v1/wins",
             "{\"id\":\"win-1\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"0\","
             "\"bet\":\"b\",\"kind\":\"jackpot\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "type"), "win");
    assert_string_equal(rig_text(r, "kind"), "jackpot");
    assert_string_equal(rig_text(r, "bet"), "b");
    assert_string_equal(rig_text(r, "amount"), "0.00000");
    rig_post(r, "/v1/wins",
             "{\"id\":\"win-2\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"kind\":\"win\"}");
    assert_status(r, 200);
    assert_false(rig_has(r, "kind"));
    rig_post(r, "/v1/wins",
             "{\"id\":\"win-3\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"kind\":\"gift\"}");
    assert_problem(r, 400, "malformed");
}

static void rollbacks_and_tombstones(void **state)
{
    struct rig *r = rig_of(state);

    rig_deposit(r, "back-d", "10");
    r->key = "provider";
    rig_post(r, "/v1/bets", BET("back-b", "\"3\""));
    rig_post(r, "/v1/rollbacks",
             "{\"id\":\"back-r\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"original\":\"back-b\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "type"), "rollback");
    assert_string_equal(rig_text(r, "amount"), "3.00000");
    assert_string_equal(rig_text(r, "original"), "back-b");
    rig_post(r, "/v1/rollbacks",
             "{\"id\":\"back-t\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"original\":\"back-late\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "amount"), "0.00000");
    rig_get(r, "/v1/transactions/back-late");
    assert_problem(r, 404, "unknown_transaction");
    assert_string_equal(rig_text(r, "rolled_back_by"), "back-t");
    rig_post(r, "/v1/bets", BET("back-late", "\"1\""));
    assert_problem(r, 409, "rolled_back");
    assert_true(rig_number(r, "seq") > 0);
    rig_post(r, "/v1/rollbacks",
             "{\"id\":\"x\",\"player\":\"alice\",\"currency\":\"EUR\",\"original\":\"y\","
             "\"amount\":\"1\"}");
    assert_problem(r, 400, "unknown_field");
}

static void what_does_not_exist_is_404(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "provider";
    rig_post(r, "/v1/bets",
             "{\"id\":\"n\",\"player\":\"nobody\",\"currency\":\"EUR\",\"amount\":\"1\"}");
    assert_problem(r, 404, "unknown_player");
    rig_post(r, "/v1/bets",
             "{\"id\":\"n\",\"player\":\"alice\",\"currency\":\"ZZZ\",\"amount\":\"1\"}");
    assert_problem(r, 404, "unknown_currency");
    rig_get(r, "/v1/transactions/never");
    assert_problem(r, 404, "unknown_transaction");
    assert_false(rig_has(r, "rolled_back_by"));
    rig_get(r, "/v1/players/nobody/balances");
    assert_problem(r, 404, "unknown_player");
    r->key = "platform";
    rig_get(r, "/v1/players/nobody/transactions");
    assert_problem(r, 404, "unknown_player");
    rig_post(r, "/v1/deposits",
             "{\"id\":\"n\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"gateway\":\"nowhere\"}");
    assert_problem(r, 404, "unknown_gateway");
}

static void amounts_are_decimal_texts(void **state)
{
    static const char *const bad[] = {
        "1",
        "1.5",
        "-1",
        "1e3",
        "\"-1\"",
        "\"+1\"",
        "\"1e3\"",
        "\"1.\"",
        "\".5\"",
        "\"\"",
        "\" 1\"",
        "\"1,5\"",
        "\"0\"",
        "\"0.000\"",
        "\"0x10\"",
        "\"01\"",
        "\"NaN\"",
        "\"1.1234567890\"",
        "\"1.123456\"",
        "\"9223372036854775808\"",
        "\"9223372036854775807\"",
        "123456789012",
        "\"92233720368547758070000000000000\"",
    };
    struct rig *r = rig_of(state);
    char body[300];
    size_t i;

    r->key = "provider";
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(body, sizeof body,
                 "{\"id\":\"amount-%zu\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":%s}",
                 i, bad[i]);
        rig_post(r, "/v1/bets", body);
        if (r->status != 400) {
            print_error("%s was not refused\n", bad[i]);
        }
        assert_problem(r, 400, "bad_amount");
    }
    rig_post(r, "/v1/bets", BET("amount", "\"0.0\""));
    assert_string_equal(rig_text(r, "detail"), "amount is zero"); /* the ledger was not asked */
    rig_post(r, "/v1/bets", BET("amount", "true"));
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/bets", BET("amount", "null"));
    assert_problem(r, 400, "malformed");
}

static void bad_bodies_are_refused(void **state)
{
    static const struct {
        const char *body, *code;
    } bad[] = {
        {"", "malformed"},
        {"{", "malformed"},
        {"[]", "malformed"},
        {"\"text\"", "malformed"},
        {"{} {}", "malformed"},
        {BET("a", "\"1\"") "x", "malformed"},
        {"{\"id\":\"a\",\"id\":\"b\"}", "malformed"},
        {"{\"id\":\"a\"}", "malformed"},
        {"{\"id\":\"\xff\xfe\"}", "malformed"},
        {"{\"id\":\"a\\u0000b\"}", "malformed"},
        {"{\"id\":99999999999999999999999}", "malformed"},
        {"{\"id\":7}", "malformed"},
        {"{\"id\":\"\"}", "bad_id"},
        {"{\"id\":\"with space\"}", "bad_id"},
        {"{\"id\":\"\xc3\xa9\"}", "bad_id"},
        {"{\"id\":\"a/b\"}", "bad_id"},
        {"{\"id\":\"12345678901234567890123456789012345678901234567890123456789012345\"}",
         "bad_id"},
        {"{\"ammount\":\"1\"}", "unknown_field"},
        {"{\"type\":\"bet\"}", "unknown_field"},
        {"{\"kind\":\"win\"}", "unknown_field"},
        {"{\"\xc3\xa9\xc3\xa9\":\"1\"}", "unknown_field"},
    };
    struct rig *r = rig_of(state);
    size_t i;

    r->key = "provider";
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_post(r, "/v1/bets", bad[i].body);
        assert_problem(r, 400, bad[i].code);
        assert_true(rig_has(r, "detail"));
    }
}

static void a_key_may_not_come_twice(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "provider";
    rig_post(r, "/v1/wins",
             "{\"id\":\"twice\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"amount\":\"2\"}");
    assert_problem(r, 400, "malformed");
    assert_non_null(strstr(rig_text(r, "detail"), "duplicate"));
    rig_get(r, "/v1/transactions/twice");
    assert_problem(r, 404, "unknown_transaction");
}

static void deep_nesting_is_refused(void **state)
{
    struct rig *r = rig_of(state);
    size_t len = 200000;
    char *body = malloc(len);

    memset(body, '[', len);
    r->key = "provider";
    rig_send(r, "POST", "/v1/bets", body, len);
    assert_problem(r, 400, "malformed");
    free(body);
}

static void msgpack_in_and_out(void **state)
{
    /* {"id":"mp-1","player":"alice","currency":"EUR","amount":"0.5"} */
    static const char win[] = "\x84\xa2id\xa4mp-1\xa6player\xa5"
                              "alice\xa8"
                              "currency\xa3"
                              "EUR\xa6"
                              "amount\xa3"
                              "0.5";
    struct rig *r = rig_of(state);

    r->key = "provider";
    r->headers = "Content-Type: application/msgpack";
    rig_send(r, "POST", "/v1/wins", win, sizeof win - 1);
    assert_status(r, 200);
    assert_true(rig_header(r, "Content-Type: application/msgpack"));
    assert_int_equal(r->body.base[0], 0xde); /* map16 */
    assert_non_null(memmem(r->body.base, r->body.len,
                           "\xa6"
                           "amount\xa7"
                           "0.50000",
                           15));
    r->headers = "Accept: application/msgpack";
    rig_post(r, "/v1/wins", BET("mp-1", "\"9\""));
    assert_int_equal(r->status, 409);
    assert_non_null(memmem(r->body.base, r->body.len, "idempotency_conflict", 20));
    r->headers = "Content-Type: application/msgpack";
    rig_send(r, "POST", "/v1/wins", win, sizeof win - 2);
    assert_int_equal(r->status, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bet_is_answered_with_all_its_fields),
        cmocka_unit_test(a_repeat_answers_the_first_answer),
        cmocka_unit_test(a_conflict_names_what_differs),
        cmocka_unit_test(a_refusal_has_a_seq_and_is_repeated),
        cmocka_unit_test(wins_have_kinds),
        cmocka_unit_test(rollbacks_and_tombstones),
        cmocka_unit_test(what_does_not_exist_is_404),
        cmocka_unit_test(amounts_are_decimal_texts),
        cmocka_unit_test(bad_bodies_are_refused),
        cmocka_unit_test(a_key_may_not_come_twice),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(msgpack_in_and_out),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
