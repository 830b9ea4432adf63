/* timegm */
#define _GNU_SOURCE

/* Many at once, and what is read back, over real HTTP: batches, history, balances, and a ledger
 * that an auditor can recompute from its answers alone. */
#include "tests/unit/api_fixture.h"

#define BET(id, amount)                                                                            \
    "{\"id\":\"" id "\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":" amount "}"

static json_t *result(struct rig *r, size_t i)
{
    return json_array_get(json_object_get(r->json, "results"), i);
}

static void batches_answer_each_item(void **state)
{
    struct rig *r = rig_of(state);

    rig_deposit(r, "batch-d", "100");
    r->key = "provider";
    rig_post(r, "/v1/batches",
             "{\"transactions\":["
             "{\"type\":\"bet\",\"id\":\"ba-1\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":\"1\"},"
             "{\"type\":\"bet\",\"id\":\"ba-2\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":1},"
             "{\"type\":\"win\",\"id\":\"ba-3\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":\"0.5\",\"bet\":\"ba-1\"},"
             "{\"type\":\"bet\",\"id\":\"ba-4\",\"player\":\"nobody\",\"currency\":\"EUR\","
             "\"amount\":\"1\"},"
             "17,"
             "{\"type\":\"deposit\",\"id\":\"ba-6\"},"
             "{\"type\":\"rollback\",\"id\":\"ba-7\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"original\":\"ba-1\"},"
             "{\"type\":\"bet\",\"id\":\"ba-1\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":\"1\"}"
             "]}");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "results")), 8);
    static const struct {
        int status;
        const char *code;
    } wanted[] = {{200, "applied"},        {400, "bad_amount"}, {200, "applied"},
                  {404, "unknown_player"}, {400, "malformed"},  {400, "malformed"},
                  {200, "applied"},        {200, "applied"}};
    for (size_t i = 0; i < 8; i++) {
        json_t *item = result(r, i);

        assert_int_equal(json_integer_value(json_object_get(item, "status")), wanted[i].status);
        assert_string_equal(json_string_value(json_object_get(item, "code")), wanted[i].code);
        if (wanted[i].status == 200) {
            assert_true(json_integer_value(json_object_get(item, "seq")) > 0);
        }
    }
    assert_string_equal(json_string_value(json_object_get(result(r, 1), "detail")),
                        "amount is a number; an amount is a text, such as \"12.50\"");
    assert_string_equal(json_string_value(json_object_get(result(r, 2), "id")), "ba-3");
    assert_string_equal(json_string_value(json_object_get(result(r, 4), "detail")),
                        "a transaction is not an object");
    assert_string_equal(json_string_value(json_object_get(result(r, 6), "id")), "ba-7");
    assert_string_equal(json_string_value(json_object_get(result(r, 0), "balance")),
                        json_string_value(json_object_get(result(r, 7), "balance")));
    assert_true(json_is_true(json_object_get(result(r, 7), "replayed")));
    rig_post(r, "/v1/batches", "{\"transactions\":[]}");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "results")), 0);
    rig_post(r, "/v1/batches", "{\"transactions\":{}}");
    assert_problem(r, 400, "malformed");
    rig_post(r, "/v1/batches", "{}");
    assert_problem(r, 400, "malformed");
}

static void a_batch_has_at_most_8192(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes body;
    int i;

    bytes_init(&body);
    bytes_append(&body, "{\"transactions\":[", 17);
    for (i = 0; i < 8192; i++) {
        char item[200];
        int len = snprintf(item, sizeof item,
                           "%s{\"type\":\"win\",\"id\":\"big-%d\",\"player\":\"alice\","
                           "\"currency\":\"EUR\",\"amount\":\"0.01\"}",
                           i == 0 ? "" : ",", i);
        bytes_append(&body, item, (size_t)len);
    }
    bytes_append(&body, ",{}]}", 5);
    r->key = "provider";
    rig_send(r, "POST", "/v1/batches", body.base, body.len);
    assert_problem(r, 413, "too_large");
    memcpy(body.base + body.len - 5, "]}   ", 5);
    rig_send(r, "POST", "/v1/batches", body.base, body.len);
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "results")), 8192);
    assert_string_equal(json_string_value(json_object_get(result(r, 8191), "id")), "big-8191");
    bytes_release(&body);
}

/* Their records are in the answer, too: it must fit what a leader may answer a follower in. */
static void a_batch_counts_the_items_of_atomics(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes body;
    int i, j;

    bytes_init(&body);
    bytes_append(&body, "{\"transactions\":[", 17);
    for (i = 0; i < 128; i++) {
        char text[200];
        int len = snprintf(text, sizeof text,
                           "%s{\"type\":\"transaction\",\"id\":\"many-%d\",\"player\":\"alice\","
                           "\"currency\":\"EUR\",\"items\":[",
                           i == 0 ? "" : ",", i);
        bytes_append(&body, text, (size_t)len);
        for (j = 0; j < 64; j++) {
            len = snprintf(text, sizeof text,
                           "%s{\"type\":\"win\",\"id\":\"many-%d-%d\",\"amount\":\"0.01\"}",
                           j == 0 ? "" : ",", i, j);
            bytes_append(&body, text, (size_t)len);
        }
        bytes_append(&body, "]}", 2);
    }
    bytes_append(&body, ",{}]}", 5);
    r->key = "provider";
    rig_send(r, "POST", "/v1/batches", body.base, body.len);
    assert_problem(r, 413, "too_large");
    memcpy(body.base + body.len - 5, "]}   ", 5);
    rig_send(r, "POST", "/v1/batches", body.base, body.len);
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(result(r, 127), "transactions")), 64);
    bytes_release(&body);
}

static void history_is_newest_first_in_pages(void **state)
{
    struct rig *r = rig_of(state);
    json_t *list;
    char path[128];
    json_int_t next, last = INT64_MAX;
    size_t pages = 0;
    size_t records = 0;
    size_t i;

    backend_create(&r->backend, COMMAND_PLAYER_CREATE, "paged", ROLE_NONE);
    r->key = "provider";
    for (i = 0; i < 7; i++) {
        char body[200];

        snprintf(body, sizeof body,
                 "{\"id\":\"page-%zu\",\"player\":\"paged\",\"currency\":\"EUR\",\"amount\":\"1\"}",
                 i);
        rig_post(r, "/v1/wins", body);
        assert_status(r, 200);
    }
    r->key = "platform";
    snprintf(path, sizeof path, "/v1/players/paged/transactions?limit=3");
    do {
        json_t *item;

        rig_get(r, path);
        assert_status(r, 200);
        list = json_object_get(r->json, "transactions");
        json_array_foreach(list, i, item)
        {
            json_int_t seq = json_integer_value(json_object_get(item, "seq"));

            assert_true(seq < last);
            last = seq;
            records++;
        }
        next = rig_number(r, "next");
        snprintf(path, sizeof path, "/v1/players/paged/transactions?limit=3&before=%lld",
                 (long long)next);
        pages++;
    } while (next != 0);
    assert_int_equal(records, 7);
    assert_true(pages >= 3);
    assert_true(json_is_null(json_object_get(r->json, "next")));
    rig_get(r, "/v1/players/paged/transactions?limit=0");
    assert_problem(r, 400, "malformed");
    rig_get(r, "/v1/players/paged/transactions?limit=1001");
    assert_problem(r, 400, "malformed");
    rig_get(r, "/v1/players/paged/transactions?before=x");
    assert_problem(r, 400, "malformed");
    rig_get(r, "/v1/players/paged/transactions?befor=1");
    assert_problem(r, 400, "unknown_field");
    rig_get(r, "/v1/players/paged/transactions?consistency=strong");
    assert_problem(r, 400, "malformed");
}

/* Rebuilds a record's canonical bytes from nothing but the answer, as an auditor does. */
static void rebuild_hash(json_t *e, uint8_t hash[HASH_BYTES], const uint8_t prev[HASH_BYTES])
{
    struct record r;
    struct bytes out;
    json_t *p;
    size_t i;

    memset(&r, 0, sizeof r);
    bytes_init(&out);
#define TEXT(key) slice_of(json_string_value(json_object_get(e, key)))
#define MONEY(object, key, into)                                                                   \
    do {                                                                                           \
        const char *text = json_string_value(json_object_get(object, key));                        \
        bool minus = text[0] == '-';                                                               \
        struct decimal d;                                                                          \
        assert_int_equal(decimal_parse(slice_of(text + minus), &d), 0);                            \
        assert_int_equal(decimal_to_minor(d, 5, &(into)), 0);                                      \
        (into) = minus ? -(into) : (into);                                                         \
    } while (0)
    r.seq = (uint64_t)json_integer_value(json_object_get(e, "seq"));
    r.previous = (uint64_t)json_integer_value(json_object_get(e, "previous"));
    struct tm tm = {0};
    unsigned ms;
    assert_int_equal(sscanf(json_string_value(json_object_get(e, "at")), "%d-%d-%dT%d:%d:%d.%uZ",
                            &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                            &tm.tm_sec, &ms),
                     7);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    r.at_ms = (uint64_t)timegm(&tm) * 1000 + ms;
    static const enum command_type types[] = {COMMAND_BET, COMMAND_WIN, COMMAND_ROLLBACK,
                                              COMMAND_DEPOSIT};
    for (i = 0; i < 4; i++) {
        if (slice_is(TEXT("type"), command_type_name(types[i]))) {
            r.type = types[i];
        }
    }
    for (i = 0; i < 64; i++) {
        if (verdict_known((unsigned)i) &&
            slice_is(TEXT("outcome"), verdict_code((enum verdict)i))) {
            r.verdict = (enum verdict)i;
        }
    }
    if (json_object_get(e, "kind") != NULL) {
        assert_int_equal(win_kind_parse(TEXT("kind"), &r.win_kind), 0);
    }
    r.scale = 5;
    MONEY(e, "amount", r.amount_minor);
    r.requested_minor = r.amount_minor;
    if (json_object_get(e, "requested") != NULL) {
        MONEY(e, "requested", r.requested_minor);
    }
    MONEY(e, "balance", r.balance_minor);
    r.principal = TEXT("provider");
    r.id = TEXT("id");
    r.player = TEXT("player");
    r.currency = TEXT("currency");
    r.round = TEXT("round");
    r.game = TEXT("game");
    r.session = TEXT("session");
    r.bet = TEXT("bet");
    r.original = TEXT("original");
    r.gateway = TEXT("gateway");
    assert_int_equal(account_parse(TEXT("debit"), &r.debit), 0);
    assert_int_equal(account_parse(TEXT("credit"), &r.credit), 0);
    json_array_foreach(json_object_get(e, "postings"), i, p)
    {
        struct posting *to = &r.postings[r.n_postings++];
        const char *debit = json_string_value(json_object_get(p, "debit"));
        const char *credit = json_string_value(json_object_get(p, "credit"));

        assert_int_equal(account_parse(slice_of(debit), &to->debit), 0);
        assert_int_equal(account_parse(slice_of(credit), &to->credit), 0);
        MONEY(p, "amount", to->amount_minor);
        MONEY(p, "debit_balance", to->debit_balance_minor);
        MONEY(p, "credit_balance", to->credit_balance_minor);
    }
    record_encode(&r, &out);
    record_hash(prev, out.base, out.len, hash);
    bytes_release(&out);
}

static void hex_of(const uint8_t hash[HASH_BYTES], char text[2 * HASH_BYTES + 1])
{
    for (size_t i = 0; i < HASH_BYTES; i++) {
        snprintf(text + 2 * i, 3, "%02x", hash[i]);
    }
}

/* Runs last: by then the ledger holds every kind of record. */
static void the_ledger_can_be_recomputed_from_its_answers(void **state)
{
    struct rig *r = rig_of(state);
    uint8_t head[HASH_BYTES] = {0};
    char text[2 * HASH_BYTES + 1];
    char path[64];
    json_int_t from = 1;
    json_int_t seq = 0;
    bool negative = false;

    /* A rollback of a win that is spent: two postings, and a house account below zero. */
    backend_create(&r->backend, COMMAND_PLAYER_CREATE, "spent", ROLE_NONE);
    r->key = "provider";
    rig_post(r, "/v1/wins",
             "{\"id\":\"sp-w\",\"player\":\"spent\",\"currency\":\"EUR\",\"amount\":\"10\","
             "\"kind\":\"freespin\",\"bet\":\"sp\"}");
    rig_post(r, "/v1/bets",
             "{\"id\":\"sp-b\",\"player\":\"spent\",\"currency\":\"EUR\",\"amount\":\"4\"}");
    rig_post(r, "/v1/rollbacks",
             "{\"id\":\"sp-r\",\"player\":\"spent\",\"currency\":\"EUR\",\"original\":\"sp-w\"}");
    assert_string_equal(rig_text(r, "amount"), "6.00000");
    r->key = "auditor";
    while (from != 0) {
        json_t *e;
        size_t i;

        snprintf(path, sizeof path, "/v1/ledger?from=%lld&limit=1000", (long long)from);
        rig_get(r, path);
        assert_status(r, 200);
        json_array_foreach(json_object_get(r->json, "entries"), i, e)
        {
            json_t *postings = json_object_get(e, "postings");

            assert_int_equal(json_integer_value(json_object_get(e, "seq")), ++seq);
            hex_of(head, text);
            assert_string_equal(json_string_value(json_object_get(e, "prev_hash")), text);
            rebuild_hash(e, head, head);
            hex_of(head, text);
            assert_string_equal(json_string_value(json_object_get(e, "hash")), text);
            negative = negative || (json_array_size(postings) == 2 &&
                                    json_string_value(json_object_get(json_array_get(postings, 1),
                                                                      "debit_balance"))[0] == '-');
        }
        from = rig_number(r, "next");
    }
    assert_true(negative);
    assert_true(seq > 8192);
}

static void balances_are_read(void **state)
{
    struct rig *r = rig_of(state);
    json_t *b;

    backend_create(&r->backend, COMMAND_PLAYER_CREATE, "rich", ROLE_NONE);
    r->key = "provider";
    rig_get(r, "/v1/players/rich/balances");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "balances")), 0);
    rig_post(r, "/v1/wins",
             "{\"id\":\"rich\",\"player\":\"rich\",\"currency\":\"EUR\",\"amount\":\"1.5\"}");
    rig_get(r, "/v1/players/r%69ch/balances?consistency=stale");
    assert_status(r, 200);
    b = json_array_get(json_object_get(r->json, "balances"), 0);
    assert_string_equal(json_string_value(json_object_get(b, "currency")), "EUR");
    assert_string_equal(json_string_value(json_object_get(b, "balance")), "1.50000");
    assert_string_equal(json_string_value(json_object_get(b, "available")), "1.50000");
    rig_get(r, "/v1/players/a%20b/balances");
    assert_problem(r, 400, "bad_id");
    rig_get(r, "/v1/players/a%zz/balances");
    assert_problem(r, 400, "bad_id");
    rig_get(r, "/v1/players/a%00b/balances");
    assert_problem(r, 400, "bad_id");
}

static void transactions_are_seen_by_their_own_principal_only(void **state)
{
    struct rig *r = rig_of(state);

    rig_deposit(r, "scope-d", "5");
    rig_get(r, "/v1/transactions/scope-d");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "outcome"), "applied");
    assert_false(rig_has(r, "requested"));
    r->key = "provider";
    rig_get(r, "/v1/transactions/scope-d");
    assert_problem(r, 404, "unknown_transaction");
    rig_post(r, "/v1/bets", BET("scope-b", "\"1\""));
    r->key = "other";
    rig_get(r, "/v1/transactions/scope-b");
    assert_problem(r, 404, "unknown_transaction");
    rig_post(r, "/v1/bets", BET("scope-b", "\"2\""));
    assert_status(r, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_answer_each_item),
        cmocka_unit_test(a_batch_has_at_most_8192),
        cmocka_unit_test(a_batch_counts_the_items_of_atomics),
        cmocka_unit_test(history_is_newest_first_in_pages),
        cmocka_unit_test(balances_are_read),
        cmocka_unit_test(transactions_are_seen_by_their_own_principal_only),
        cmocka_unit_test(the_ledger_can_be_recomputed_from_its_answers),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
