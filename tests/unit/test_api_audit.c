/* What calls of operators and platforms leave in the ledger, and how it is read. */
#include "tests/unit/api_fixture.h"

/* The action with this many newer ones. */
static json_t *action(struct rig *r, size_t newer)
{
    r->key = "auditor";
    rig_get(r, "/v1/audit");
    assert_status(r, 200);
    return json_array_get(json_object_get(r->json, "actions"), newer);
}

static void expect(json_t *a, const char *call, const char *subject, const char *detail,
                   const char *outcome)
{
    assert_non_null(a);
    assert_string_equal(json_text(a, "call"), call);
    assert_string_equal(json_text(a, "subject"), subject);
    assert_string_equal(json_text(a, "detail"), detail);
    assert_string_equal(json_text(a, "outcome"), outcome);
}

static json_int_t actions(struct rig *r)
{
    return json_integer_value(json_object_get(action(r, 0), "number"));
}

static void what_was_done_by_whom(void **state)
{
    struct rig *r = rig_of(state);
    json_t *a;

    r->key = "operator";
    r->headers = "Florin-Request-Id: call-1";
    rig_post(r, "/v1/currencies", "{\"code\":\"USD\",\"scale\":2}");
    assert_status(r, 201);
    r->headers = NULL;
    a = action(r, 0);
    expect(a, "currency_create", "USD", "scale=2", "applied");
    assert_string_equal(json_text(a, "principal"), "ops");
    assert_string_equal(json_text(a, "role"), "operator");
    assert_string_equal(json_text(a, "key"), "operator");
    assert_string_equal(json_text(a, "from"), "127.0.0.1");
    assert_string_equal(json_text(a, "request"), "call-1");
    assert_int_equal(json_integer_value(json_object_get(a, "node")), 2);
    assert_int_equal(strlen(json_text(a, "hash")), 64);

    r->key = "operator";
    rig_post(r, "/v1/currencies", "{\"code\":\"USD\"}"); /* a refusal is one, too */
    assert_problem(r, 409, "already_exists");
    expect(action(r, 0), "currency_create", "USD", "scale=5", "already_exists");
}

static void secrets_stay_out(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_post(r, "/v1/keys",
             "{\"principal\":\"demo\",\"role\":\"provider\",\"key\":\"k9\","
             "\"secret\":\"very-secret-0123456789\"}");
    assert_status(r, 201);
    expect(action(r, 0), "key_create", "k9", "role=provider principal=demo kind=bearer", "applied");
    r->key = "platform";
    rig_post(r, "/v1/players/alice/password", "{\"password\":\"correct horse battery\"}");
    assert_status(r, 200);
    expect(action(r, 0), "password_set", "alice", "(none)", "applied");
    assert_null(strstr(r->body.base == NULL ? "" : (const char *)r->body.base, "horse"));
    assert_null(strstr((const char *)r->body.base, "very-secret"));
}

static void what_changes_the_cluster(void **state)
{
    struct rig *r = rig_of(state);
    struct backend *b = &r->backend;
    json_int_t before = actions(r);

    r->key = "operator";
    rig_post(r, "/v1/cluster/members", "{\"id\":7,\"address\":\"[::1]:7007\"}");
    assert_status(r, 200);
    expect(action(r, 0), "member_add", "7", "address=[::1]:7007", "asked");
    r->key = "operator";
    rig_post(r, "/v1/cluster/transfer", "{\"to\":3}");
    expect(action(r, 0), "transfer", "3", "(none)", "asked");
    r->key = "operator";
    rig_post(r, "/v1/cluster/members", "{\"id\":0,\"address\":\"h:1\"}"); /* no call at all */
    assert_problem(r, 400, "malformed");
    assert_int_equal(actions(r), before + 2);

    /* What can't be put down is not done. */
    b->change.id = 0;
    backend_set_mode(b, LEAVE_QUEUED);
    r->key = "operator";
    r->headers = "Florin-Timeout-Ms: 100";
    rig_send(r, "DELETE", "/v1/cluster/members/3", NULL, 0);
    assert_problem(r, 503, "unavailable");
    r->headers = NULL;
    backend_set_mode(b, SERVE);
    assert_int_equal(b->change.id, 0);
}

static void who_may_not_leaves_nothing(void **state)
{
    struct rig *r = rig_of(state);
    json_int_t before = actions(r);

    r->key = "provider";
    rig_post(r, "/v1/keys", "{\"principal\":\"demo\",\"role\":\"provider\"}");
    assert_problem(r, 403, "forbidden");
    rig_get(r, "/v1/audit");
    assert_problem(r, 403, "forbidden");
    r->key = "platform";
    rig_get(r, "/v1/audit");
    assert_problem(r, 403, "forbidden");
    r->key = NULL;
    rig_post(r, "/v1/keys", "{\"principal\":\"demo\",\"role\":\"provider\"}");
    assert_problem(r, 401, "bad_credentials");
    r->key = "operator";
    rig_post(r, "/v1/keys", "{\"principal\":\"demo\"}");
    assert_problem(r, 400, "malformed");
    r->key = "provider";
    rig_post(r, "/v1/wins",
             "{\"id\":\"w1\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"7\"}");
    assert_status(r, 200);
    assert_int_equal(actions(r), before);
}

static void it_is_read_in_pages(void **state)
{
    struct rig *r = rig_of(state);
    json_int_t newest, i;
    char path[64];

    r->key = "operator";
    for (i = 0; i < 5; i++) {
        rig_send_text(r, "PATCH", "/v1/providers/demo", "{\"rate_per_s\":0}");
        assert_status(r, 200);
    }
    newest = actions(r);
    rig_get(r, "/v1/audit?limit=2");
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "actions", 0), "number")),
                     newest);
    assert_int_equal(rig_number(r, "next"), newest - 1);
    snprintf(path, sizeof path, "/v1/audit?limit=1000&before=%lld", (long long)newest - 1);
    rig_get(r, path);
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "actions", 0), "number")),
                     newest - 2);
    assert_true(json_is_null(json_object_get(r->json, "next")));
    rig_get(r, "/v1/audit?from=1&limit=1");
    assert_int_equal(json_integer_value(json_object_get(rig_item(r, "actions", 0), "number")), 1);
    assert_int_equal(rig_number(r, "next"), 2);
    rig_get(r, "/v1/audit?from=1&before=2");
    assert_problem(r, 400, "malformed");
    rig_get(r, "/v1/audit?from=999999&consistency=stale");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "actions")), 0);
}

/* The first entry after an action holds it, and no other does. */
static void the_ledger_holds_it(void **state)
{
    struct rig *r = rig_of(state);
    char hash[65];
    json_int_t newest = 0;
    json_t *entry;
    int i;

    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/providers/demo", "{\"rate_per_s\":0}");
    newest = actions(r);
    snprintf(hash, sizeof hash, "%s", json_text(rig_item(r, "actions", 0), "hash"));
    for (i = 0; i < 2; i++) {
        r->key = "provider";
        rig_post(
            r, "/v1/wins",
            i == 0 ? "{\"id\":\"h1\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"7\"}"
                   : "{\"id\":\"h2\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"7\"}");
        assert_status(r, 200);
    }
    r->key = "auditor";
    rig_get(r, "/v1/ledger?limit=1000");
    entry = rig_item(r, "entries", json_array_size(json_object_get(r->json, "entries")) - 2);
    assert_string_equal(json_text(entry, "id"), "h1");
    assert_int_equal(json_integer_value(json_object_get(entry, "action")), newest);
    assert_string_equal(json_text(entry, "action_hash"), hash);
    entry = rig_item(r, "entries", json_array_size(json_object_get(r->json, "entries")) - 1);
    assert_null(json_object_get(entry, "action"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_by_whom),    cmocka_unit_test(secrets_stay_out),
        cmocka_unit_test(what_changes_the_cluster), cmocka_unit_test(who_may_not_leaves_nothing),
        cmocka_unit_test(it_is_read_in_pages),      cmocka_unit_test(the_ledger_holds_it),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
