/* Keys that sign, policies of principals, keys and principals that are disabled. */
#include "tests/unit/api_fixture.h"

/* A clock read is the only way: the node goes by the wall clock, too. */
static uint64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct signer {
    const char *key;
    const char *secret;
    int64_t skew_ms;
    const char *signed_path; /* NULL: what is sent */
    const char *signed_body; /* likewise */
};

static void send_signed(struct rig *r, const struct signer *s, const char *method, const char *path,
                        const char *body)
{
    char whole[200], headers[500], at[24];
    char hex[2 * SIGNATURE_BYTES + 1];
    uint8_t signature[SIGNATURE_BYTES];
    char *query;
    size_t i;

    snprintf(whole, sizeof whole, "%s", s->signed_path == NULL ? path : s->signed_path);
    query = strchr(whole, '?');
    if (query != NULL) {
        *query++ = '\0';
    }
    snprintf(at, sizeof at, "%lld", (long long)((int64_t)wall_ms() + s->skew_ms));
    const struct signed_request q = {
        .method = method,
        .path = whole,
        .query = query,
        .timestamp = slice_of(at),
        .body = slice_of(s->signed_body == NULL ? body : s->signed_body),
    };
    signature_compute(slice_of(s->secret), &q, signature);
    for (i = 0; i < SIGNATURE_BYTES; i++) {
        snprintf(hex + 2 * i, 3, "%02x", signature[i]);
    }
    snprintf(headers, sizeof headers, "Florin-Key: %s\nFlorin-Timestamp: %s\nFlorin-Signature: %s",
             s->key, at, hex);
    r->key = NULL;
    r->headers = headers;
    rig_send(r, method, path, body, body == NULL ? 0 : strlen(body));
}

#define WIN(id) "{\"id\":\"" id "\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\"}"

static const struct signer good = {.key = "signs",
                                   .secret = "a-secret-of-35-characters-or-so-it-is"};

static void make_signing_key(struct rig *r)
{
    r->key = "operator";
    rig_send_text(r, "POST", "/v1/keys",
                  "{\"principal\":\"demo\",\"role\":\"provider\",\"kind\":\"hmac\",\"key\":\"%s\","
                  "\"secret\":\"%s\"}",
                  good.key, good.secret);
    assert_status(r, 201);
}

static void a_signed_call_is_let_in(void **state)
{
    struct rig *r = rig_of(state);
    struct signer s = good;

    make_signing_key(r);
    assert_string_equal(rig_text(r, "kind"), "hmac");
    assert_string_equal(rig_text(r, "secret"), good.secret);
    assert_false(rig_has(r, "credential"));

    send_signed(r, &good, "POST", "/v1/wins", WIN("signed-1"));
    assert_status(r, 200);
    send_signed(r, &good, "GET", "/v1/players/alice/balances", NULL);
    assert_status(r, 200);
    send_signed(r, &good, "GET", "/v1/players/alice/balances?consistency=stale", NULL);
    assert_status(r, 200);
    send_signed(r, &good, "GET", "/v1/players/al%69ce/balances?", NULL); /* as it is sent */
    assert_status(r, 200);
    send_signed(r, &good, "HEAD", "/v1/players/alice/balances", NULL);
    assert_int_equal(r->status, 200);
    s.skew_ms = -25000;
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_status(r, 200);
    s.skew_ms = 25000;
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_status(r, 200);

    /* One that the node makes up. */
    r->key = "operator";
    rig_post(r, "/v1/keys", "{\"principal\":\"demo\",\"role\":\"provider\",\"kind\":\"hmac\"}");
    assert_status(r, 201);
    char key[65], secret[129];
    snprintf(key, sizeof key, "%s", rig_text(r, "key"));
    snprintf(secret, sizeof secret, "%s", rig_text(r, "secret"));
    s = (struct signer){.key = key, .secret = secret};
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_status(r, 200);
}

static void what_was_not_signed_is_refused(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes first;
    struct signer s = good;

    s.secret = "a-secret-of-35-characters-or-so-it-iS";
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_problem(r, 401, "bad_signature");
    bytes_init(&first);
    bytes_append(&first, r->body.base, r->body.len);
    /* Unknown, and of the other kind: the same to the byte. */
    s.key = "nosuchkey";
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_string_equal((const char *)r->body.base, (const char *)first.base);
    s.key = "provider";
    s.secret = "0123456789abcdef";
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_string_equal((const char *)r->body.base, (const char *)first.base);
    s.secret = "";
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_string_equal((const char *)r->body.base, (const char *)first.base);
    bytes_release(&first);

    s = good;
    s.signed_path = "/v1/players/alice/balances?consistency=stale";
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_problem(r, 401, "bad_signature");
    s = good;
    s.signed_body = WIN("signed-2");
    send_signed(r, &s, "POST", "/v1/wins", WIN("signed-3"));
    assert_problem(r, 401, "bad_signature");
    send_signed(r, &s, "POST", "/v1/wins", WIN("signed-2") " ");
    assert_problem(r, 401, "bad_signature");
    send_signed(r, &s, "POST", "/v1/wins", WIN("signed-2"));
    assert_status(r, 200);
}

static void old_and_early_signatures_are_refused(void **state)
{
    struct rig *r = rig_of(state);
    struct signer s = good;

    s.skew_ms = -40000;
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_problem(r, 401, "stale_signature");
    s.skew_ms = 40000;
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_problem(r, 401, "stale_signature");
    s.key = "nosuchkey";
    send_signed(r, &s, "GET", "/v1/players/alice/balances", NULL);
    assert_problem(r, 401, "stale_signature");
}

static void half_a_signature_is_none(void **state)
{
    static const char *const bad[] = {
        "Florin-Key: signs",
        "Florin-Timestamp: 1700000000000",
        "Florin-Key: signs\nFlorin-Timestamp: 1700000000000",
        "Florin-Key: si/gns\nFlorin-Timestamp: 1\nFlorin-Signature: 00",
        "Authorization: Bearer provider.0123456789abcdef\nFlorin-Key: signs\n"
        "Florin-Timestamp: 1\nFlorin-Signature: 00",
    };
    struct rig *r = rig_of(state);
    size_t i;

    r->key = NULL;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        r->headers = bad[i];
        rig_get(r, "/v1/players/alice/balances");
        assert_problem(r, 401, "bad_credentials");
    }
    r->headers = "Florin-Key: signs\nFlorin-Timestamp: 1\nFlorin-Signature: 00";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_signature");
    r->headers = "Florin-Key: signs\nFlorin-Timestamp: now\nFlorin-Signature: "
                 "0000000000000000000000000000000000000000000000000000000000000000";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_signature");
    r->headers = "Authorization: Bearer signs.a-secret-of-35-characters-or-so-it-is";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_credentials");
}

static void bad_signing_keys_are_refused(void **state)
{
    struct rig *r = rig_of(state);
    char secret[90];

    r->key = "operator";
    rig_post(r, "/v1/keys", "{\"principal\":\"demo\",\"role\":\"provider\",\"kind\":\"rsa\"}");
    assert_problem(r, 400, "malformed");
    memset(secret, 's', sizeof secret);
    secret[sizeof secret - 1] = '\0';
    rig_send_text(
        r, "POST", "/v1/keys",
        "{\"principal\":\"demo\",\"role\":\"provider\",\"kind\":\"hmac\",\"secret\":\"%s\"}",
        secret);
    assert_problem(r, 400, "malformed");
    rig_send_text(
        r, "POST", "/v1/keys",
        "{\"principal\":\"demo\",\"role\":\"provider\",\"kind\":\"hmac\",\"secret\":\"%s\"}",
        secret + 1);
    assert_status(r, 201);
}

static void keys_are_disabled_and_enabled(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/keys/provider", "{\"disabled\":true}");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "key"), "provider");
    assert_true(rig_true(r, "disabled"));
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_credentials");
    send_signed(r, &good, "GET", "/v1/players/alice/balances", NULL); /* its other key works */
    assert_status(r, 200);
    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/keys/provider", "{\"disabled\":false}");
    assert_status(r, 200);
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/keys/nosuchkey", "{\"disabled\":true}");
    assert_problem(r, 404, "unknown_key");
    rig_send_text(r, "PATCH", "/v1/keys/provider", "{\"disabled\":1}");
    assert_problem(r, 400, "malformed");
    rig_send_text(r, "PATCH", "/v1/keys/provider", "{}");
    assert_problem(r, 400, "malformed");
}

static void patch(struct rig *r, const char *body)
{
    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/providers/demo", "%s", body);
    assert_status(r, 200);
}

static void a_provider_is_disabled_and_enabled(void **state)
{
    struct rig *r = rig_of(state);

    patch(r, "{\"disabled\":true}");
    assert_true(rig_true(r, "disabled"));
    assert_string_equal(rig_text(r, "role"), "provider");
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 403, "forbidden");
    r->key = "provider-wrong"; /* nothing is said to who does not have the secret */
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 401, "bad_credentials");
    patch(r, "{\"disabled\":false}");
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/gateways/bank", "{\"disabled\":true}");
    assert_status(r, 200);
    r->key = "gateway";
    rig_get(r, "/v1/transactions/x");
    assert_problem(r, 403, "forbidden");
    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/gateways/bank", "{\"disabled\":false}");
    assert_status(r, 200);
}

static void a_policy_names_who_may_come_from_where(void **state)
{
    struct rig *r = rig_of(state);

    patch(r, "{\"ip_allow\":[\"10.0.0.0/8\",\"2001:db8::/32\"]}");
    assert_int_equal(json_array_size(json_object_get(r->json, "ip_allow")), 2);
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 403, "forbidden");
    patch(r, "{\"ip_allow\":[\"10.0.0.0/8\",\"127.0.0.0/8\"]}");
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
    patch(r, "{\"ip_allow\":[]}");
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
}

/* However slow the machine is: 200 calls take less than 100 s, so some come too soon. */
static void a_policy_bounds_the_rate_of_each_key(void **state)
{
    struct rig *r = rig_of(state);
    int refused = 0;
    int i;

    patch(r, "{\"rate_per_s\":2}");
    assert_int_equal(rig_number(r, "rate_per_s"), 2);
    r->key = "provider";
    for (i = 0; i < 200 && refused == 0; i++) {
        rig_get(r, "/v1/players/alice/balances");
        if (i < 2) {
            assert_status(r, 200);
        } else if (r->status != 200) {
            assert_problem(r, 429, "rate_limited");
            assert_true(rig_header(r, "Retry-After: 1"));
            refused++;
        }
    }
    assert_int_equal(refused, 1);
    /* Wrong secrets use nothing up, and another key has its own. */
    send_signed(r, &good, "GET", "/v1/players/alice/balances", NULL);
    assert_status(r, 200);
    patch(r, "{\"rate_per_s\":0}");
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
}

static void a_policy_names_currencies_and_what_a_shortfall_does(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_post(r, "/v1/currencies", "{\"code\":\"USD\"}");
    assert_status(r, 201);
    patch(r, "{\"currencies\":[\"USD\"],\"shortfall\":\"reject\"}");
    assert_string_equal(rig_text(r, "shortfall"), "reject");
    assert_string_equal(json_string_value(rig_item(r, "currencies", 0)), "USD");
    r->key = "provider";
    rig_post(r, "/v1/bets",
             "{\"id\":\"policy-b\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\"}");
    assert_problem(r, 422, "currency_not_allowed");
    patch(r, "{\"currencies\":[]}");
    assert_string_equal(rig_text(r, "shortfall"), "reject"); /* what was not named stays */

    backend_create(&r->backend, COMMAND_PLAYER_CREATE, "spender", ROLE_NONE);
    r->key = "provider";
    rig_post(r, "/v1/wins",
             "{\"id\":\"policy-w\",\"player\":\"spender\",\"currency\":\"EUR\",\"amount\":\"5\"}");
    rig_post(r, "/v1/bets",
             "{\"id\":\"policy-c\",\"player\":\"spender\",\"currency\":\"EUR\",\"amount\":\"3\"}");
    assert_status(r, 200);
    rig_post(r, "/v1/rollbacks",
             "{\"id\":\"policy-r\",\"player\":\"spender\",\"currency\":\"EUR\","
             "\"original\":\"policy-w\"}");
    assert_problem(r, 422, "insufficient_funds");
    patch(r, "{\"shortfall\":\"clamp\"}");
}

static void bad_policies_are_refused(void **state)
{
    static const struct {
        const char *body, *code;
    } bad[] = {
        {"{}", "malformed"},
        {"{\"shortfall\":\"some\"}", "malformed"},
        {"{\"rate_per_s\":-1}", "malformed"},
        {"{\"rate_per_s\":1000001}", "malformed"},
        {"{\"rate_per_s\":\"5\"}", "malformed"},
        {"{\"ip_allow\":\"10.0.0.0/8\"}", "malformed"},
        {"{\"ip_allow\":[\"10.0.0.1/8\"]}", "malformed"},
        {"{\"ip_allow\":[\"localhost\"]}", "malformed"},
        {"{\"ip_allow\":[7]}", "malformed"},
        {"{\"ip_allow\":[\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\","
         "\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\",\"::1\"]}",
         "malformed"},
        {"{\"currencies\":[\"a b\"]}", "bad_id"},
        {"{\"policy\":{}}", "unknown_field"},
        {"{\"disabled\":null}", "malformed"},
    };
    struct rig *r = rig_of(state);
    size_t i;

    r->key = "operator";
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        rig_send_text(r, "PATCH", "/v1/providers/demo", "%s", bad[i].body);
        assert_problem(r, 400, bad[i].code);
    }
    rig_send_text(r, "PATCH", "/v1/providers/nobody", "{\"disabled\":true}");
    assert_problem(r, 404, "unknown_provider");
    rig_send_text(r, "PATCH", "/v1/providers/bank", "{\"disabled\":true}");
    assert_problem(r, 404, "unknown_provider");
    rig_send_text(r, "PATCH", "/v1/gateways/demo", "{\"disabled\":true}");
    assert_problem(r, 404, "unknown_gateway");
    rig_get(r, "/v1/gateways/demo");
    assert_problem(r, 404, "unknown_gateway");
    rig_get(r, "/v1/providers/nobody");
    assert_problem(r, 404, "unknown_provider");
    rig_get(r, "/v1/gateways/bank?consistency=stale");
    assert_status(r, 200);
    assert_string_equal(rig_text(r, "role"), "gateway");
    assert_false(rig_true(r, "disabled"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signed_call_is_let_in),
        cmocka_unit_test(what_was_not_signed_is_refused),
        cmocka_unit_test(old_and_early_signatures_are_refused),
        cmocka_unit_test(half_a_signature_is_none),
        cmocka_unit_test(bad_signing_keys_are_refused),
        cmocka_unit_test(keys_are_disabled_and_enabled),
        cmocka_unit_test(a_provider_is_disabled_and_enabled),
        cmocka_unit_test(a_policy_names_who_may_come_from_where),
        cmocka_unit_test(a_policy_bounds_the_rate_of_each_key),
        cmocka_unit_test(a_policy_names_currencies_and_what_a_shortfall_does),
        cmocka_unit_test(bad_policies_are_refused),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
