/* What the suite writes down of a call: decided, certainly not, or unknown; and that the checker
 * reads it as it was meant. A mistake here makes the checker condemn the innocent or believe a lie.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "jepsen/op.h"
#include "jepsen/recorder.h"

static void endings(void **state)
{
    static const struct {
        enum fn f;
        long status;
        const char *answer; /* NULL: none */
        bool refused;
        enum ending end;
        const char *error, *outcome;
    } cases[] = {
        {FN_BET, 200, "{\"seq\":7,\"amount\":\"1\"}", false, END_OK, NULL, "applied"},
        {FN_BET, 422, "{\"code\":\"insufficient_funds\",\"seq\":8}", false, END_OK, NULL,
         "insufficient_funds"},
        {FN_BET, 409, "{\"code\":\"idempotency_conflict\",\"seq\":3}", false, END_FAIL,
         "idempotency_conflict", NULL},
        {FN_BET, 404, "{\"code\":\"unknown_player\"}", false, END_FAIL, "unknown_player", NULL},
        {FN_BET, 503, "{\"code\":\"unavailable\"}", false, END_FAIL, "unavailable", NULL},
        {FN_BET, 504, "{\"code\":\"outcome_unknown\"}", false, END_UNKNOWN, "outcome_unknown",
         NULL},
        {FN_BET, 500, "{\"code\":\"internal\"}", false, END_UNKNOWN, "internal", NULL},
        {FN_BET, 503, NULL, false, END_UNKNOWN, "no code", NULL}, /* not a node's own answer */
        {FN_BET, 0, NULL, true, END_FAIL, "refused", NULL},
        {FN_BET, 0, NULL, false, END_UNKNOWN, "no answer", NULL},
        {FN_BET, 200, NULL, false, END_UNKNOWN, "no code", NULL}, /* cut off */
        {FN_BALANCE, 504, "{\"code\":\"outcome_unknown\"}", false, END_FAIL, "outcome_unknown",
         NULL},
        {FN_BALANCE, 0, NULL, false, END_FAIL, "no answer", NULL},
        {FN_TRANSACTION, 404, "{\"code\":\"unknown_transaction\"}", false, END_OK, NULL,
         "unknown_transaction"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct op op = {.f = cases[i].f};
        json_t *answer = cases[i].answer == NULL ? NULL : json_loads(cases[i].answer, 0, NULL);
        json_t *value;
        const char *error, *outcome;

        if (op_ended(&op, 2, cases[i].status, cases[i].refused, answer, 9, &value) !=
            cases[i].end) {
            fail_msg("case %zu has another ending", i);
        }
        error = json_string_value(json_object_get(value, "error"));
        outcome = json_string_value(json_object_get(value, "outcome"));
        assert_string_equal(error == NULL ? "" : error,
                            cases[i].error == NULL ? "" : cases[i].error);
        assert_string_equal(outcome == NULL ? "" : outcome,
                            cases[i].outcome == NULL ? "" : cases[i].outcome);
        assert_int_equal(json_integer_value(json_object_get(value, "node")), 2);
        json_decref(value);
        json_decref(answer);
    }
}

static char *whole_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "re");
    char *text = malloc(65536);

    assert_non_null(file);
    assert_non_null(text);
    *len = fread(text, 1, 65536, file);
    fclose(file);
    return text;
}

/* Recorder to parser: names, strings with quotes in them, numbers, nothing lost. */
static void what_is_written_is_read(void **state)
{
    const struct op bet = {.f = FN_BET, .id = "b\"1", .player = "p\\1", .amount = "1.25"};
    const char *tmp = getenv("TMPDIR");
    char path[256];
    json_t *answer = json_loads("{\"seq\":17,\"amount\":\"1.25\",\"balance_now\":\"3\"}", 0, NULL);
    json_t *invoked = op_invoked(&bet, 3);
    json_t *value;
    struct recorder r;
    struct history h;
    struct fault fault;
    size_t len;
    char *text;

    (void)state;
    snprintf(path, sizeof path, "%s/florin-recorder-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    close(mkstemp(path));
    assert_int_equal(recorder_open(&r, path), 0);
    assert_int_equal(op_ended(&bet, 3, 200, false, answer, 17, &value), END_OK);
    recorder_event(&r, "start-kill", json_pack("{s:[i,i], s:s}", "nodes", 1, 3, "what", "it"));
    recorder_line(&r, 1000, 5, "invoke", fn_name(FN_BET), invoked);
    recorder_line(&r, 2000, 5, "ok", fn_name(FN_BET), value);
    assert_int_equal(recorder_close(&r), 0);
    text = whole_file(path, &len);
    unlink(path);

    history_init(&h);
    assert_int_equal(history_parse(&h, (struct slice){text, len}, &fault), 0);
    assert_int_equal(h.n_events, 1);
    assert_true(h.events[0].nodes == (1u << 1 | 1u << 3));
    assert_int_equal(h.n_calls, 1);
    assert_int_equal(h.calls[0].end, END_OK);
    assert_int_equal(h.calls[0].node, 3);
    assert_int_equal(h.calls[0].invoked_ns, 1000);
    assert_int_equal(h.calls[0].ended_ns, 2000);
    assert_int_equal(h.parts[h.calls[0].first_part].seq, 17);
    assert_true(slice_equal(history_text(&h, h.calls[0].id), slice_of("b\\\"1")));
    assert_true(slice_equal(history_text(&h, h.calls[0].player), slice_of("p\\\\1")));
    history_release(&h);
    free(text);
    json_decref(answer);
    json_decref(invoked);
    json_decref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endings),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
