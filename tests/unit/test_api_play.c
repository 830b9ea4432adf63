/* Steps of a game over real HTTP: atomic transactions, rounds, dry runs. */
#include "tests/unit/api_fixture.h"

#define MONEY(id, amount)                                                                          \
    "{\"id\":\"" id "\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"" amount "\"}"

static const char *balance(struct rig *r)
{
    r->key = "platform";
    rig_get(r, "/v1/players/alice/balances");
    return json_text(rig_item(r, "balances", 0), "balance");
}

#define ATOMIC(id, items, more)                                                                    \
    "{\"id\":\"" id "\",\"player\":\"alice\",\"currency\":\"EUR\",\"items\":[" items "]" more "}"
#define ITEM(type, id, more) "{\"type\":\"" type "\",\"id\":\"" id "\"" more "}"
#define AMOUNT(amount)       ",\"amount\":\"" amount "\""

static void all_of_it_or_none(void **state)
{
    struct rig *r = rig_of(state);
    char before[32];
    json_t *t;

    rig_deposit(r, "atomic-d", "10");
    snprintf(before, sizeof before, "%s", balance(r));
    r->key = "provider";
    rig_post(r, "/v1/transactions",
             "{\"id\":\"call-1\",\"player\":\"alice\",\"currency\":\"EUR\",\"round\":\"ar-1\","
             "\"game\":\"roulette\",\"close_round\":true,\"items\":["
             "{\"type\":\"bet\",\"id\":\"at-1\",\"amount\":\"5\"},"
             "{\"type\":\"win\",\"id\":\"at-2\",\"amount\":\"2\",\"bet\":\"at-1\","
             "\"kind\":\"jackpot\"},"
             "{\"type\":\"adjust\",\"id\":\"at-3\",\"amount\":\"-0.50\"},"
             "{\"type\":\"rollback\",\"id\":\"at-4\",\"original\":\"at-1\"}]}");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "transactions")), 4);
    t = rig_item(r, "transactions", 0);
    assert_string_equal(json_text(t, "type"), "bet");
    assert_string_equal(json_text(t, "amount"), "5.00000");
    assert_string_equal(json_text(t, "round"), "ar-1");
    assert_true(json_is_false(json_object_get(t, "replayed")));
    assert_int_equal(strlen(json_text(t, "hash")), 64);
    assert_string_equal(json_text(rig_item(r, "transactions", 1), "kind"), "jackpot");
    assert_string_equal(json_text(rig_item(r, "transactions", 2), "type"), "adjust");
    assert_string_equal(json_text(rig_item(r, "transactions", 3), "amount"), "5.00000");
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "transactions", 3), "seq")),
                     json_integer_value(json_object_get(t, "seq")) + 3);
    rig_get(r, "/v1/transactions/at-3");
    assert_status(r, 200);
    r->key = "provider";
    rig_post(r, "/v1/bets",
             "{\"id\":\"at-late\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"round\":\"ar-1\"}");
    assert_problem(r, 409, "round_closed");

    /* The third is refused: nothing of it happened, and it says which. */
    snprintf(before, sizeof before, "%s", balance(r));
    r->key = "provider";
    rig_post(r, "/v1/transactions",
             ATOMIC("call-2",
                    ITEM("bet", "at-5", AMOUNT("1")) "," ITEM("win", "at-6", AMOUNT("1")) "," ITEM(
                        "bet", "at-7", AMOUNT("99999")),
                    ""));
    assert_problem(r, 422, "insufficient_funds");
    assert_int_equal(rig_number(r, "item"), 2);
    assert_string_equal(balance(r), before);
    r->key = "provider";
    rig_get(r, "/v1/transactions/at-5");
    assert_problem(r, 404, "unknown_transaction");
    rig_get(r, "/v1/transactions/at-7");
    assert_string_equal(rig_text(r, "outcome"), "insufficient_funds");
}

static void an_atomic_repeat_and_its_conflicts(void **state)
{
    static const char call[] = ATOMIC(
        "again-1", ITEM("bet", "ag-1", AMOUNT("1")) "," ITEM("win", "ag-2", AMOUNT("2")), "");
    struct rig *r = rig_of(state);
    json_int_t seq;

    rig_deposit(r, "again-d", "10");
    r->key = "provider";
    rig_post(r, "/v1/transactions", call);
    assert_status(r, 200);
    seq = json_integer_value(json_object_get(rig_item(r, "transactions", 1), "seq"));
    rig_post(r, "/v1/transactions", call);
    assert_status(r, 200);
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "transactions", 1), "seq")),
                     seq);
    assert_true(json_is_true(json_object_get(rig_item(r, "transactions", 1), "replayed")));
    rig_post(r, "/v1/transactions",
             ATOMIC("again-2",
                    ITEM("bet", "ag-1", AMOUNT("1")) "," ITEM("win", "ag-new", AMOUNT("2")), ""));
    assert_problem(r, 409, "idempotency_conflict");
    assert_string_equal(json_string_value(rig_item(r, "fields", 0)), "items");
    assert_int_equal(rig_number(r, "item"), 0);
    rig_post(r, "/v1/transactions",
             ATOMIC("again-3",
                    ITEM("win", "ag-new", AMOUNT("2")) "," ITEM("bet", "ag-1", AMOUNT("7")), ""));
    assert_problem(r, 409, "idempotency_conflict");
    assert_string_equal(json_string_value(rig_item(r, "fields", 0)), "amount");
}

static void bad_atomics_are_refused(void **state)
{
    static const struct {
        const char *body, *code;
        int item; /* -1: none is named */
    } bad[] = {
        {ATOMIC("bad", "", ""), "malformed", -1},
        {ATOMIC("bad", "7", ""), "malformed", 0},
        {ATOMIC("bad", ITEM("deposit", "b", AMOUNT("1")), ""), "malformed", 0},
        {ATOMIC("bad", ITEM("bet", "b", AMOUNT("1")) "," ITEM("bet", "c", AMOUNT("0")), ""),
         "bad_amount", 1},
        {ATOMIC("bad", ITEM("bet", "b", AMOUNT("-1")), ""), "bad_amount", 0},
        {ATOMIC("bad", ITEM("adjust", "b", AMOUNT("0")), ""), "bad_amount", 0},
        {ATOMIC("bad", ITEM("adjust", "b", AMOUNT("-0")), ""), "bad_amount", 0},
        {ATOMIC("bad", ITEM("adjust", "b", AMOUNT("--1")), ""), "bad_amount", 0},
        {ATOMIC("bad", ITEM("adjust", "b", ",\"amount\":-1"), ""), "bad_amount", 0},
        {ATOMIC("bad", ITEM("rollback", "b", ""), ""), "malformed", 0},
        {ATOMIC("bad", ITEM("rollback", "b", AMOUNT("1")), ""), "unknown_field", 0},
        {ATOMIC("bad", ITEM("bet", "b c", AMOUNT("1")), ""), "bad_id", 0},
        {ATOMIC("bad", ITEM("bet", "b", AMOUNT("1")) "," ITEM("win", "b", AMOUNT("1")), ""),
         "malformed", 1},
        {ATOMIC("bad", ITEM("bet", "b", AMOUNT("1")), ",\"close_round\":true"), "malformed", -1},
        {ATOMIC("bad", ITEM("bet", "b", AMOUNT("1")), ",\"dry_run\":\"yes\""), "malformed", -1},
        {ATOMIC("bad", ITEM("bet", "b", AMOUNT("1")), ",\"amount\":\"1\""), "unknown_field", -1},
    };
    static const char many[] =
        "{\"id\":\"bad\",\"player\":\"alice\",\"currency\":\"EUR\",\"items\":[";
    struct rig *r = rig_of(state);
    struct bytes body;
    size_t i;

    r->key = "provider";
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_post(r, "/v1/transactions", bad[i].body);
        if (r->status != 400 || strcmp(rig_text(r, "code"), bad[i].code) != 0) {
            print_error("%s\n", bad[i].body);
        }
        assert_problem(r, 400, bad[i].code);
        assert_int_equal(rig_has(r, "item") ? rig_number(r, "item") : -1, bad[i].item);
    }
    bytes_init(&body);
    bytes_append(&body, many, sizeof many - 1);
    for (i = 0; i < 65; i++) {
        char item[100];
        int len =
            snprintf(item, sizeof item, "%s{\"type\":\"win\",\"id\":\"m-%zu\",\"amount\":\"1\"}",
                     i == 0 ? "" : ",", i);
        bytes_append(&body, item, (size_t)len);
    }
    bytes_append(&body, "]}", 2);
    rig_send(r, "POST", "/v1/transactions", body.base, body.len);
    assert_problem(r, 400, "malformed");
    assert_string_equal(rig_text(r, "detail"), "items: expected a list of at most 64 items");
    bytes_release(&body);
}

/* The most that a call may hold, with the longest names, gets through. */
static void the_longest_atomic_fits(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes body;
    char name[ID_MAX + 1];
    char head[400];
    size_t i;

    memset(name, 'n', ID_MAX);
    name[ID_MAX] = '\0';
    bytes_init(&body);
    bytes_append(&body, head,
                 (size_t)snprintf(head, sizeof head,
                                  "{\"id\":\"%s\",\"player\":\"alice\",\"currency\":\"EUR\","
                                  "\"round\":\"%s\",\"game\":\"%s\",\"items\":[",
                                  name, name, name));
    for (i = 0; i < 64; i++) {
        char item[400];
        int len = snprintf(item, sizeof item,
                           "%s{\"type\":\"win\",\"id\":\"%.62s%02zu\",\"amount\":\"0.00001\","
                           "\"bet\":\"%s\",\"kind\":\"freespin\"}",
                           i == 0 ? "" : ",", name, i, name);
        bytes_append(&body, item, (size_t)len);
    }
    bytes_append(&body, "]}", 2);
    r->key = "provider";
    rig_send(r, "POST", "/v1/transactions", body.base, body.len);
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "transactions")), 64);
    bytes_release(&body);
}

static void a_dry_run_says_what_would_be(void **state)
{
    struct rig *r = rig_of(state);
    char before[32];

    rig_deposit(r, "dry-d", "10");
    snprintf(before, sizeof before, "%s", balance(r));
    r->key = "provider";
    rig_post(r, "/v1/bets",
             "{\"id\":\"dry-1\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"dry_run\":true}");
    assert_status(r, 200);
    assert_true(rig_true(r, "dry_run"));
    assert_int_equal(rig_number(r, "seq"), 0);
    assert_false(rig_has(r, "hash"));
    rig_get(r, "/v1/transactions/dry-1");
    assert_problem(r, 404, "unknown_transaction");
    rig_post(r, "/v1/bets",
             "{\"id\":\"dry-2\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"99999\","
             "\"dry_run\":true}");
    assert_problem(r, 422, "insufficient_funds");
    assert_true(rig_true(r, "dry_run"));
    assert_false(rig_has(r, "seq"));
    rig_post(r, "/v1/transactions",
             ATOMIC("dry-3", ITEM("bet", "dry-4", AMOUNT("1")), ",\"dry_run\":true"));
    assert_status(r, 200);
    assert_true(rig_true(r, "dry_run"));
    assert_true(json_is_true(json_object_get(rig_item(r, "transactions", 0), "dry_run")));
    assert_string_equal(balance(r), before);
}

static void rounds_are_listed_until_they_are_closed(void **state)
{
    struct rig *r = rig_of(state);
    char next[150], path[250];
    size_t i;

    backend_create(&r->backend, COMMAND_PLAYER_CREATE, "rounder", ROLE_NONE);
    r->key = "provider";
    for (i = 0; i < 3; i++) {
        rig_send_text(r, "POST", "/v1/wins",
                      "{\"id\":\"round-w%zu\",\"player\":\"rounder\",\"currency\":\"EUR\","
                      "\"amount\":\"1\",\"round\":\"R:%zu\"}",
                      i, i);
        assert_status(r, 200);
    }
    rig_get(r, "/v1/rounds?player=rounder&limit=2");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "rounds")), 2);
    assert_string_equal(json_text(rig_item(r, "rounds", 0), "round"), "R:0");
    assert_string_equal(json_text(rig_item(r, "rounds", 0), "player"), "rounder");
    assert_true(json_object_get(rig_item(r, "rounds", 0), "opened_at") != NULL);
    snprintf(next, sizeof next, "%s", rig_text(r, "next"));
    snprintf(path, sizeof path, "/v1/rounds?player=rounder&after=%s", next);
    rig_get(r, path);
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "rounds")), 1);
    assert_string_equal(json_text(rig_item(r, "rounds", 0), "round"), "R:2");
    assert_true(json_is_null(json_object_get(r->json, "next")));

    rig_post(r, "/v1/rounds/R:1/close", "{\"id\":\"close-1\",\"player\":\"rounder\"}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "type"), "round_close");
    assert_string_equal(rig_text(r, "round"), "R:1");
    rig_post(r, "/v1/rounds/R%3a1/close", "{\"id\":\"close-1\",\"player\":\"rounder\"}");
    assert_status(r, 200);
    assert_true(rig_true(r, "replayed"));
    rig_post(r, "/v1/bets",
             "{\"id\":\"round-b\",\"player\":\"rounder\",\"currency\":\"EUR\",\"amount\":\"1\","
             "\"round\":\"R:1\"}");
    assert_problem(r, 409, "round_closed");
    rig_post(r, "/v1/rounds/nowhere/close", "{\"id\":\"close-2\",\"player\":\"rounder\"}");
    assert_problem(r, 404, "unknown_round");
    r->key = "auditor";
    rig_get(r, "/v1/rounds?provider=demo&player=rounder");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "rounds")), 2);
}

static void bad_round_questions_are_refused(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "provider";
    rig_get(r, "/v1/rounds?provider=other");
    assert_problem(r, 403, "forbidden");
    rig_get(r, "/v1/rounds?provider=demo");
    assert_status(r, 200);
    rig_get(r, "/v1/rounds?after=alice");
    assert_problem(r, 400, "malformed");
    rig_get(r, "/v1/rounds?after=a/b/c");
    assert_problem(r, 400, "malformed");
    rig_get(r, "/v1/rounds?after=alice%2fr-1&player=alice");
    assert_status(r, 200);
    rig_get(r, "/v1/rounds?player=a%20b");
    assert_problem(r, 400, "bad_id");
    rig_get(r, "/v1/rounds?player=alice&player=alice");
    assert_problem(r, 400, "malformed");
    r->key = "operator";
    rig_get(r, "/v1/rounds");
    assert_problem(r, 400, "malformed");
}

static void batches_take_rounds_and_atomics(void **state)
{
    struct rig *r = rig_of(state);

    rig_deposit(r, "mixed-d", "10");
    r->key = "provider";
    rig_post(r, "/v1/batches",
             "{\"transactions\":["
             "{\"type\":\"bet\",\"id\":\"mi-1\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":\"1\",\"round\":\"mi-r\"},"
             "{\"type\":\"transaction\",\"id\":\"mi-2\",\"player\":\"alice\","
             "\"currency\":\"EUR\",\"items\":["
             "{\"type\":\"win\",\"id\":\"mi-3\",\"amount\":\"1\"},"
             "{\"type\":\"bet\",\"id\":\"mi-4\",\"amount\":\"1\"}]},"
             "{\"type\":\"transaction\",\"id\":\"mi-5\",\"player\":\"alice\","
             "\"currency\":\"EUR\",\"items\":["
             "{\"type\":\"bet\",\"id\":\"mi-6\",\"amount\":\"99999\"}]},"
             "{\"type\":\"round_close\",\"id\":\"mi-7\",\"player\":\"alice\","
             "\"round\":\"mi-r\"},"
             "{\"type\":\"adjust\",\"id\":\"mi-8\"}]}");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "results")), 5);
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "results", 1), "status")), 200);
    assert_int_equal(json_array_size(json_object_get(rig_item(r, "results", 1), "transactions")),
                     2);
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "results", 2), "status")), 422);
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "results", 2), "item")), 0);
    assert_string_equal(json_text(rig_item(r, "results", 3), "type"), "round_close");
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "results", 4), "status")), 400);
}

static void atomics_go_as_msgpack(void **state)
{
    struct rig *r = rig_of(state);

    rig_deposit(r, "pack-d", "1");
    r->key = "provider";
    r->headers = "Accept: application/msgpack";
    rig_post(r, "/v1/transactions", ATOMIC("pack", ITEM("win", "pack-1", AMOUNT("1")), ""));
    assert_int_equal(r->status, 200);
    assert_true(rig_header(r, "Content-Type: application/msgpack"));
    assert_memory_equal(r->body.base, "\xde\x00\x01\xactransactions\xdc\x00\x01\xde", 20);
    r->headers = "Accept: application/msgpack";
    rig_post(r, "/v1/bets", MONEY("pack-2", "99999"));
    assert_int_equal(r->status, 422);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_or_none),
        cmocka_unit_test(an_atomic_repeat_and_its_conflicts),
        cmocka_unit_test(bad_atomics_are_refused),
        cmocka_unit_test(the_longest_atomic_fits),
        cmocka_unit_test(a_dry_run_says_what_would_be),
        cmocka_unit_test(rounds_are_listed_until_they_are_closed),
        cmocka_unit_test(bad_round_questions_are_refused),
        cmocka_unit_test(batches_take_rounds_and_atomics),
        cmocka_unit_test(atomics_go_as_msgpack),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
