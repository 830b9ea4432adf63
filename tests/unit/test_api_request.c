/* A request's name and its sender: ids, the client behind a proxy, the lines in the log. */
#define _GNU_SOURCE /* memmem */

#include "api/forwarded.h"
#include "tests/unit/api_fixture.h"

/* --- X-Forwarded-For, without a server --- */

static void only_a_trusted_proxy_is_believed(void **state)
{
    static const struct {
        const char *peer, *header, *client; /* client NULL: refused */
    } cases[] = {
        {"127.0.0.1", "192.0.2.7", "192.0.2.7"},
        {"127.0.0.1", NULL, "127.0.0.1"},
        {"::ffff:127.0.0.1", "192.0.2.7", "192.0.2.7"}, /* the same proxy by an IPv6 socket */
        {"2001:db8::1", "192.0.2.7", "192.0.2.7"},
        {"127.0.0.1", "10.0.0.1, 192.0.2.7", "192.0.2.7"}, /* the client wrote the first one */
        {"127.0.0.1", "10.0.0.1,\t192.0.2.7 \t", "192.0.2.7"},
        {"127.0.0.1", "nonsense, 2001:DB8:0::7", "2001:db8::7"},
        {"127.0.0.1", "[2001:db8::7]", "2001:db8::7"},
        {"127.0.0.1", "::ffff:192.0.2.7", "192.0.2.7"},
        {"127.0.0.2", "192.0.2.7", "127.0.0.2"},
        {"10.0.0.1", "127.0.0.1", "10.0.0.1"},
        {"not an address", "192.0.2.7", "not an address"},
        {"127.0.0.1", "", NULL},
        {"127.0.0.1", "192.0.2.7,", NULL},
        {"127.0.0.1", "192.0.2.7, unknown", NULL},
        {"127.0.0.1", "192.0.2.7:4711", NULL},
        {"127.0.0.1", "192.0.2.7 10.0.0.1", NULL},
        {"127.0.0.1", "2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8:2001:db8",
         NULL},
    };
    struct proxies proxies = {.n = 0};
    char client[NETWORK_TEXT_MAX];
    size_t i;

    (void)state;
    assert_int_equal(forwarded_client(&proxies, "127.0.0.1", "192.0.2.7", client), 0);
    assert_string_equal(client, "127.0.0.1"); /* by default nobody */
    assert_int_equal(proxies_add(&proxies, "127.0.0.1"), 0);
    assert_int_equal(proxies_add(&proxies, "2001:db8::1"), 0);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int rv = forwarded_client(&proxies, cases[i].peer, cases[i].header, client);

        if (rv != (cases[i].client == NULL ? -1 : 0) ||
            (rv == 0 && strcmp(client, cases[i].client) != 0)) {
            fail_msg("case %zu: %d, %s", i, rv, client);
        }
    }
}

static void proxies_are_addresses_and_few(void **state)
{
    struct proxies proxies = {.n = 0};
    int i;

    (void)state;
    assert_int_equal(proxies_add(&proxies, "localhost"), -1);
    assert_int_equal(proxies_add(&proxies, "10.0.0.0/8"), -1);
    for (i = 0; i < PROXIES_MAX; i++) {
        assert_int_equal(proxies_add(&proxies, "127.0.0.1"), 0);
    }
    assert_int_equal(proxies_add(&proxies, "127.0.0.1"), -1);
    assert_int_equal(proxies.n, PROXIES_MAX);
}

/* --- with a server that trusts 127.0.0.1 and finds every request slow --- */

struct told {
    struct reporter reporter; /* first: the line's `r` is this one */
    pthread_mutex_t lock;
    struct bytes text;
};

static void tell(struct reporter *r, enum level level, const char *room, const char *message,
                 const char *fields)
{
    struct told *t = (struct told *)r;
    char line[1000];
    int len = snprintf(line, sizeof line, "%d %s %s %s\n", (int)level, room, message, fields);

    pthread_mutex_lock(&t->lock);
    bytes_append(&t->text, line, (size_t)len);
    pthread_mutex_unlock(&t->lock);
}

static struct told told = {.reporter = {.line = tell, .least = LEVEL_WARN},
                           .lock = PTHREAD_MUTEX_INITIALIZER};

/* The line comes after the answer. */
static bool was_told(const char *text)
{
    const struct timespec pause = {0, 5000000};
    int tries;

    for (tries = 0; tries < 6000; tries++) {
        bool found;

        pthread_mutex_lock(&told.lock);
        found =
            told.text.len > 0 && memmem(told.text.base, told.text.len, text, strlen(text)) != NULL;
        pthread_mutex_unlock(&told.lock);
        if (found) {
            return true;
        }
        nanosleep(&pause, NULL);
    }
    print_error("not said: %s\n%.*s\n", text, (int)told.text.len, (const char *)told.text.base);
    return false;
}

static int open_behind_a_proxy(void **state)
{
    static const char *const proxies[] = {"127.0.0.1"};
    struct api_server_options options = {.listen = "127.0.0.1:0",
                                         .num_threads = 16,
                                         .slow_request_ms = 200,
                                         .trusted_proxies = proxies,
                                         .n_trusted_proxies = 1,
                                         .reporter = &told.reporter};
    struct fault fault;
    struct rig *r;

    bytes_clear(&told.text);
    rig_open(state);
    r = rig_of(state);
    api_server_stop(r->server);
    options.gate = r->backend.gate;
    return api_server_start(&r->server, &options, &fault);
}

static int close_behind_a_proxy(void **state)
{
    int rv = rig_close(state);

    bytes_release(&told.text);
    return rv;
}

static void an_id_is_taken_or_made(void **state)
{
    static const char *const bad[] = {
        "Florin-Request-Id: two words", "Florin-Request-Id: \"",
        "Florin-Request-Id: "
        "12345678901234567890123456789012345678901234567890123456789012345"};
    struct rig *r = rig_of(state);
    size_t i;

    r->headers = "Florin-Request-Id: order-7:a_B.c";
    rig_get(r, "/healthz");
    assert_true(rig_header(r, "Florin-Request-Id: order-7:a_B.c"));
    r->headers = "Florin-Request-Id: nobody-there";
    rig_get(r, "/nowhere");
    assert_problem(r, 404, "not_found");
    assert_true(rig_header(r, "Florin-Request-Id: nobody-there"));
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *at;

        r->headers = bad[i];
        rig_get(r, "/healthz");
        assert_status(r, 200);
        at = strstr((const char *)r->head.base, "\r\nFlorin-Request-Id: ");
        assert_non_null(at);
        at += strlen("\r\nFlorin-Request-Id: ");
        assert_int_equal(strspn(at, "0123456789abcdef"), 16);
        assert_memory_equal(at + 16, "\r\n", 2);
    }
}

static void a_failure_has_a_line_with_its_id(void **state)
{
    struct rig *r = rig_of(state);

    backend_set_mode(&r->backend, LEAVE_QUEUED);
    r->key = "provider";
    r->headers = "Florin-Request-Id: lost-1\nFlorin-Timeout-Ms: 20\nX-Forwarded-For: 192.0.2.7";
    rig_post(r, "/v1/bets",
             "{\"id\":\"b1\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\"}");
    assert_problem(r, 503, "unavailable");
    assert_true(was_told("2 api request failed request=lost-1 method=POST route=/v1/bets "
                         "from=192.0.2.7 principal=demo status=503 code=unavailable ms="));
    /* That it is not ready is what was asked. */
    r->headers = "Florin-Request-Id: ready-1\nFlorin-Timeout-Ms: 20";
    rig_get(r, "/readyz");
    assert_status(r, 503);
    r->headers = "Florin-Request-Id: lost-2\nFlorin-Timeout-Ms: 20";
    rig_get(r, "/v1/players/alice/balances");
    assert_true(was_told("request=lost-2"));
    assert_null(memmem(told.text.base, told.text.len, "ready-1", 7));
}

static void a_slow_request_has_a_line(void **state)
{
    struct rig *r = rig_of(state);

    r->headers = "Florin-Request-Id: quick";
    rig_get(r, "/healthz");
    /* Held for its whole time, then answered as it should be: /readyz waits a second at most. */
    backend_set_mode(&r->backend, LEAVE_QUEUED);
    r->headers = "Florin-Request-Id: slow-1\nFlorin-Timeout-Ms: 400";
    rig_get(r, "/readyz");
    assert_true(was_told("2 api slow request request=slow-1 method=GET route=/readyz "
                         "from=127.0.0.1 principal=- status=503 code=- ms="));
}

/* Allow-lists go by the client, not by the proxy; and what the client writes himself is not it. */
static void an_allow_list_sees_the_client(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "operator";
    rig_send_text(r, "PATCH", "/v1/providers/demo", "{\"ip_allow\":[\"192.0.2.0/24\"]}");
    assert_status(r, 200);
    r->key = "provider";
    r->headers = "X-Forwarded-For: 198.51.100.1, 192.0.2.7";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
    r->headers = "X-Forwarded-For: 198.51.100.1\nX-Forwarded-For: 192.0.2.7";
    rig_get(r, "/v1/players/alice/balances");
    assert_status(r, 200);
    r->headers = "X-Forwarded-For: 192.0.2.7, 198.51.100.1";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 403, "forbidden");
    r->headers = "X-Forwarded-For: 192.0.2.7\nX-Forwarded-For: 198.51.100.1";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 403, "forbidden");
    rig_get(r, "/v1/players/alice/balances"); /* the proxy itself is not in the list */
    assert_problem(r, 403, "forbidden");
    r->headers = "X-Forwarded-For: 192.0.2.7, unknown";
    rig_get(r, "/v1/players/alice/balances");
    assert_problem(r, 400, "malformed");
}

static void a_login_is_throttled_by_the_client(void **state)
{
    struct rig *r = rig_of(state);
    int i;

    r->key = NULL;
    for (i = 0; i < 60; i++) { /* 20 at once, and then one every 3 s: 180 s if none is refused */
        r->headers = "X-Forwarded-For: 192.0.2.7";
        rig_send_text(r, "POST", "/v1/login", "{\"player\":\"p%d\",\"password\":\"wrong-one\"}", i);
        if (r->status == 429) {
            break;
        }
    }
    assert_problem(r, 429, "rate_limited");
    r->headers = "X-Forwarded-For: 192.0.2.8"; /* another client of the same proxy */
    rig_send_text(r, "POST", "/v1/login", "{\"player\":\"q\",\"password\":\"wrong-one\"}");
    assert_int_not_equal(r->status, 429);
}

static void a_proxy_that_is_no_address_is_refused(void **state)
{
    static const char *const proxies[] = {"proxy.example"};
    struct rig *r = rig_of(state);
    struct api_server_options options = {.listen = "127.0.0.1:0",
                                         .num_threads = 4,
                                         .gate = r->backend.gate,
                                         .trusted_proxies = proxies,
                                         .n_trusted_proxies = 1};
    struct api_server *server;
    struct fault fault;

    assert_int_equal(api_server_start(&server, &options, &fault), -1);
    assert_non_null(strstr(fault.text, "proxy.example"));
}

#define behind_a_proxy(test)                                                                       \
    cmocka_unit_test_setup_teardown(test, open_behind_a_proxy, close_behind_a_proxy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_trusted_proxy_is_believed),
        cmocka_unit_test(proxies_are_addresses_and_few),
        behind_a_proxy(an_id_is_taken_or_made),
        behind_a_proxy(a_failure_has_a_line_with_its_id),
        behind_a_proxy(a_slow_request_has_a_line),
        behind_a_proxy(an_allow_list_sees_the_client),
        behind_a_proxy(a_login_is_throttled_by_the_client),
        behind_a_proxy(a_proxy_that_is_no_address_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
