#define _GNU_SOURCE 1 /* strcasestr */
/* florinctl's calls against scripted nodes: when it repeats, where, and which exit code it ends
 * with. */
#include "tests/unit/ctl_fixture.h"

static int bet(struct rig *r)
{
    return ctl_call(&r->ctl, "/v1/bets", json_pack("{s:s}", "id", "b1"), &r->reply);
}

static void an_answer_is_an_answer(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {200, "{\"seq\":7}"});
    SCRIPT(&r.b, {500, ""});
    rig_open(&r);
    assert_int_equal(bet(&r), CTL_OK);
    assert_int_equal(json_integer_value(json_object_get(r.reply.body, "seq")), 7);
    assert_int_equal(requests(&r.b), 0);
    assert_non_null(strstr(got(&r.a, r.a.last), "POST /v1/bets HTTP/1.1\r\n"));
    assert_non_null(strstr(got(&r.a, r.a.last), "Authorization: Bearer key.0123456789abcdef\r\n"));
    assert_non_null(strstr(got(&r.a, r.a.last), "Content-Type: application/json\r\n"));
    assert_non_null(strstr(got(&r.a, r.a.last), "\r\n\r\n{\"id\":\"b1\"}"));
    rig_close(&r);
}

static void unavailable_goes_to_the_next(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {503, "{\"code\":\"unavailable\"}"});
    SCRIPT(&r.b, {200, "{}"});
    rig_open(&r);
    assert_int_equal(bet(&r), CTL_OK);
    assert_int_equal(requests(&r.a), 1);
    assert_int_equal(requests(&r.b), 1);
    rig_close(&r);
}

static void an_unknown_outcome_is_asked_again_with_the_same_id(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {504, "{\"code\":\"outcome_unknown\"}"}, {200, "{\"replayed\":true}"});
    SCRIPT(&r.b, {HANG_UP, ""});
    rig_open(&r);
    assert_int_equal(bet(&r), CTL_OK);
    assert_int_equal(requests(&r.a), 2);
    assert_string_equal(strstr(got(&r.a, r.a.first), "\r\n\r\n"),
                        strstr(got(&r.a, r.a.last), "\r\n\r\n"));
    assert_string_equal(strstr(got(&r.a, r.a.first), "\r\n\r\n"),
                        strstr(got(&r.b, r.b.last), "\r\n\r\n"));
    rig_close(&r);
}

/* One 504 is enough: no later 503 may turn it into "nothing was applied". */
static void unknown_stays_unknown(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {504, "{}"}, {503, "{}"});
    SCRIPT(&r.b, {503, "{}"});
    rig_open(&r);
    r.ctl.options.timeout_ms = 200;
    assert_int_equal(bet(&r), CTL_UNKNOWN);
    rig_close(&r);
}

static void a_lost_connection_is_unknown(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {HANG_UP, ""});
    SCRIPT(&r.b, {503, "{}"});
    rig_open(&r);
    r.ctl.options.timeout_ms = 200;
    assert_int_equal(bet(&r), CTL_UNKNOWN);
    rig_close(&r);
}

/* The node dies while it has a request that came over a kept connection. curl tries by itself once
 * more, and that attempt is refused: what is known is about the second, not about the first. */
static void a_kept_connection_that_breaks_is_unknown(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {503, "{}"}, {VANISH, ""});
    SCRIPT(&r.b, {503, "{}"});
    rig_open(&r);
    r.ctl.n_endpoints = 1;
    r.ctl.options.timeout_ms = 500;
    assert_int_equal(bet(&r), CTL_UNKNOWN);
    assert_int_equal(requests(&r.a), 2);
    rig_close(&r);
}

static void a_lost_read_is_just_unavailable(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {HANG_UP, ""});
    SCRIPT(&r.b, {504, "{}"});
    rig_open(&r);
    r.ctl.options.timeout_ms = 200;
    assert_int_equal(ctl_call(&r.ctl, "/v1/ledger", NULL, &r.reply), CTL_UNAVAILABLE);
    assert_non_null(strstr(got(&r.a, r.a.last), "GET /v1/ledger HTTP/1.1\r\n"));
    rig_close(&r);
}

static void certain_unavailability(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {503, "{}"});
    SCRIPT(&r.b, {429, "{}"});
    rig_open(&r);
    r.ctl.options.timeout_ms = 1000; /* a busy machine needs some of it for the first answer */
    assert_int_equal(bet(&r), CTL_UNAVAILABLE);
    assert_true(requests(&r.a) > 1);
    /* The same when nobody is there at all: a port that was just closed. */
    snprintf(r.ctl.endpoints[0], sizeof r.ctl.endpoints[0], "http://127.0.0.1:%u", 1u);
    r.ctl.n_endpoints = 1;
    assert_int_equal(bet(&r), CTL_UNAVAILABLE);
    rig_close(&r);
}

static void refusals_have_their_codes(void **state)
{
    static const struct {
        int status;
        int code;
    } cases[] = {{400, CTL_USAGE},   {401, CTL_CREDENTIALS}, {403, CTL_CREDENTIALS},
                 {404, CTL_REFUSED}, {409, CTL_REFUSED},     {413, CTL_USAGE},
                 {422, CTL_REFUSED}, {500, CTL_UNAVAILABLE}};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig r = {0};

        SCRIPT(&r.b, {200, "{}"});
        r.a.script[0] = (struct reply_line){cases[i].status, "{\"code\":\"x\",\"fields\":[\"y\"]}"};
        r.a.n_script = 1;
        rig_open(&r);
        assert_int_equal(bet(&r), cases[i].code);
        assert_int_equal(requests(&r.a), 1); /* answered for good: not asked again */
        assert_int_equal(requests(&r.b), 0);
        rig_close(&r);
    }
}

static void what_exists_may_have_been_ours(void **state)
{
    struct rig r = {0};

    (void)state;
    SCRIPT(&r.a, {409, "{\"code\":\"already_exists\"}"});
    SCRIPT(&r.b, {200, "{}"});
    rig_open(&r);
    assert_int_equal(bet(&r), CTL_REFUSED);
    r.ctl.options.if_missing = true;
    assert_int_equal(bet(&r), CTL_OK);
    rig_close(&r);

    r = (struct rig){0};
    SCRIPT(&r.a, {HANG_UP, ""});
    SCRIPT(&r.b, {409, "{\"code\":\"already_exists\"}"});
    rig_open(&r);
    assert_int_equal(bet(&r), CTL_OK); /* the lost attempt may have made it */
    rig_close(&r);
}

static void endpoints_and_keys(void **state)
{
    struct ctl ctl = {.options.endpoints = "127.0.0.1:1,http://[::1]:2/,https://x:3"};

    (void)state;
    assert_int_equal(ctl_endpoints_resolve(&ctl), CTL_OK);
    assert_int_equal(ctl.n_endpoints, 3);
    assert_string_equal(ctl.endpoints[0], "http://127.0.0.1:1");
    assert_string_equal(ctl.endpoints[1], "http://[::1]:2");
    assert_string_equal(ctl.endpoints[2], "https://x:3");
    ctl.options.endpoints = "a,,b";
    assert_int_equal(ctl_endpoints_resolve(&ctl), CTL_USAGE);

    setenv("FLORIN_KEY", "any.0123456789abcdef", 1);
    setenv("FLORIN_PLATFORM_KEY", "platform.0123456789abcdef", 1);
    unsetenv("FLORIN_OPERATOR_KEY");
    assert_int_equal(ctl_key_resolve(&ctl, CTL_PLATFORM), CTL_OK);
    assert_string_equal(ctl.key, "any.0123456789abcdef");
    ctl.options.as = "platform";
    assert_int_equal(ctl_key_resolve(&ctl, CTL_PROVIDER), CTL_OK);
    assert_string_equal(ctl.key, "platform.0123456789abcdef");
    ctl.options.as = "king";
    assert_int_equal(ctl_key_resolve(&ctl, CTL_PROVIDER), CTL_USAGE);
    ctl.options.as = NULL;
    unsetenv("FLORIN_KEY");
    assert_int_equal(ctl_key_resolve(&ctl, CTL_OPERATOR), CTL_CREDENTIALS);
    ctl.options.key = "nonsense";
    assert_int_equal(ctl_key_resolve(&ctl, CTL_OPERATOR), CTL_CREDENTIALS);
    ctl.options.key = "given.0123456789abcdef";
    assert_int_equal(ctl_key_resolve(&ctl, CTL_OPERATOR), CTL_OK);
    assert_string_equal(ctl.key, "given.0123456789abcdef");
}

static void paths(void **state)
{
    char path[64] = "/v1/ledger";

    (void)state;
    ctl_path_add_number(path, sizeof path, "from", 5);
    ctl_path_add(path, sizeof path, "consistency", "stale");
    assert_string_equal(path, "/v1/ledger?from=5&consistency=stale");
    assert_true(ctl_id_ok("player", "a.b_c:d-1"));
    assert_false(ctl_id_ok("player", "a/b"));
    assert_false(ctl_id_ok("player", ""));
}

static void one_call_each(void **state)
{
    static const struct {
        ctl_command_fn *command;
        const char *args[6];
        const char *line, *body;
    } cases[] = {
        {ctl_withdrawal_add,
         {"w1", "alice", "EUR", "5", "bank"},
         "POST /v1/withdrawals ",
         "{\"id\":\"w1\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"5\",\"gateway\":"
         "\"bank\"}"},
        {ctl_withdrawal_confirm, {"w1"}, "POST /v1/withdrawals/w1/confirm ", "{}"},
        {ctl_withdrawal_confirm,
         {"w1", "2.5"},
         "POST /v1/withdrawals/w1/confirm ",
         "{\"amount\":\"2.5\"}"},
        {ctl_withdrawal_cancel, {"w1"}, "POST /v1/withdrawals/w1/cancel ", "{}"},
        {ctl_player_show, {"alice"}, "GET /v1/players/alice ", ""},
        {ctl_player_status,
         {"alice", "blocked"},
         "PATCH /v1/players/alice ",
         "{\"status\":\"blocked\"}"},
        {ctl_player_limit,
         {"alice", "loss", "day", "EUR", "50"},
         "PATCH /v1/players/alice ",
         "{\"limits\":[{\"kind\":\"loss\",\"period\":\"day\",\"currency\":\"EUR\",\"amount\":"
         "\"50\"}]}"},
        {ctl_player_limit,
         {"alice", "loss", "day", "EUR", "none"},
         "PATCH /v1/players/alice ",
         "{\"limits\":[{\"kind\":\"loss\",\"period\":\"day\",\"currency\":\"EUR\",\"amount\":null}]"
         "}"},
        {ctl_session_show, {"s1"}, "GET /v1/sessions/s1 ", ""},
        {ctl_session_close, {"s1"}, "DELETE /v1/sessions/s1 ", ""},
        {ctl_provider_show, {"demo"}, "GET /v1/providers/demo ", ""},
        {ctl_provider_disable, {"demo"}, "PATCH /v1/providers/demo ", "{\"disabled\":true}"},
        {ctl_provider_enable, {"demo"}, "PATCH /v1/providers/demo ", "{\"disabled\":false}"},
        {ctl_gateway_show, {"bank"}, "GET /v1/gateways/bank ", ""},
        {ctl_gateway_disable, {"bank"}, "PATCH /v1/gateways/bank ", "{\"disabled\":true}"},
        {ctl_gateway_enable, {"bank"}, "PATCH /v1/gateways/bank ", "{\"disabled\":false}"},
        {ctl_key_disable, {"k1"}, "PATCH /v1/keys/k1 ", "{\"disabled\":true}"},
        {ctl_key_enable, {"k1"}, "PATCH /v1/keys/k1 ", "{\"disabled\":false}"},
    };
    struct rig r = {0};
    size_t i;

    (void)state;
    SCRIPT(&r.a, {200, "{}"});
    rig_open(&r);
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *args[6];
        int n = 0;

        for (; n < 6 && cases[i].args[n] != NULL; n++) {
            args[n] = (char *)cases[i].args[n];
        }
        assert_int_equal(cases[i].command(&r.ctl, args, n), CTL_OK);
        const char *request = got(&r.a, r.a.last);
        assert_int_equal(strncmp(request, cases[i].line, strlen(cases[i].line)), 0);
        assert_string_equal(strstr(request, "\r\n\r\n") + 4, cases[i].body);
    }
    assert_int_equal(requests(&r.a), i);
    assert_int_equal(ctl_key_disable(&r.ctl, (char *[]){"k/1"}, 1), CTL_USAGE);
    assert_int_equal(requests(&r.a), i);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_an_answer),
        cmocka_unit_test(unavailable_goes_to_the_next),
        cmocka_unit_test(an_unknown_outcome_is_asked_again_with_the_same_id),
        cmocka_unit_test(unknown_stays_unknown),
        cmocka_unit_test(a_lost_connection_is_unknown),
        cmocka_unit_test(a_kept_connection_that_breaks_is_unknown),
        cmocka_unit_test(a_lost_read_is_just_unavailable),
        cmocka_unit_test(certain_unavailability),
        cmocka_unit_test(refusals_have_their_codes),
        cmocka_unit_test(what_exists_may_have_been_ours),
        cmocka_unit_test(endpoints_and_keys),
        cmocka_unit_test(paths),
        cmocka_unit_test(one_call_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
