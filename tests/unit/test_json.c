/* Bodies out without a server: the two forms, problems, rendering. What comes in: test_value.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include <jansson.h>

#include "api/body.h"
#include "api/fields.h"
#include "api/render.h"

static void write_example(struct writer *w)
{
    writer_open_map(w);
    writer_put_string(w, "text", "a\"b\\c\n\x01\xc3\xa9/");
    writer_put_u64(w, "big", UINT64_MAX);
    writer_put_given(w, "absent", slice_of(""));
    writer_put_bool(w, "yes", true);
    writer_key(w, "list");
    writer_open_list(w);
    writer_null(w);
    writer_open_map(w);
    writer_close_map(w);
    writer_bool(w, false);
    writer_open_list(w);
    writer_close_list(w);
    writer_close_list(w);
    writer_put_u64(w, "n", 7);
    writer_close_map(w);
}

static void json_is_written(void **state)
{
    static const char wanted[] = "{\"text\":\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa9/\","
                                 "\"big\":18446744073709551615,\"yes\":true,"
                                 "\"list\":[null,{},false,[]],\"n\":7}";
    struct bytes out;
    struct writer w;

    (void)state;
    bytes_init(&out);
    writer_init(&w, &out, FORM_JSON);
    write_example(&w);
    assert_int_equal(out.len, sizeof wanted - 1);
    assert_memory_equal(out.base, wanted, out.len);
    bytes_release(&out);
}

static void msgpack_is_written(void **state)
{
    static const char wanted[] = "\xde\x00\x05\xa4text\xaa"
                                 "a\"b\\c\n\x01\xc3\xa9/"
                                 "\xa3"
                                 "big\xcf\xff\xff\xff\xff\xff\xff\xff\xff"
                                 "\xa3yes\xc3\xa4list\xdc\x00\x04\xc0\xde\x00\x00\xc2\xdc\x00\x00"
                                 "\xa1n\x07";
    struct bytes out;
    struct writer w;

    (void)state;
    bytes_init(&out);
    writer_init(&w, &out, FORM_MSGPACK);
    write_example(&w);
    assert_int_equal(out.len, sizeof wanted - 1);
    assert_memory_equal(out.base, wanted, out.len);
    bytes_release(&out);
}

static void what_is_written_can_be_read(void **state)
{
    struct bytes out;
    struct writer w;
    struct problem problem;
    struct tree tree;

    (void)state;
    bytes_init(&out);
    tree_init(&tree);
    writer_init(&w, &out, FORM_MSGPACK);
    writer_open_map(&w);
    writer_put_string(&w, "id", "x");
    writer_put_u64(&w, "n", 1234567890123);
    writer_close_map(&w);
    assert_int_equal(
        body_parse((struct slice){(char *)out.base, out.len}, FORM_MSGPACK, &tree, &problem), 0);
    assert_true(slice_is(value_text(value_get(tree.root, "id")), "x"));
    assert_int_equal(value_get(tree.root, "n")->integer, 1234567890123);
    tree_release(&tree);
    bytes_release(&out);
}

static void content_types_are_told_apart(void **state)
{
    enum form form = FORM_MSGPACK;

    (void)state;
    assert_int_equal(body_form(NULL, &form), 0);
    assert_int_equal(form, FORM_JSON);
    assert_int_equal(body_form("Application/MsgPack", &form), 0);
    assert_int_equal(form, FORM_MSGPACK);
    assert_int_equal(body_form("application/json;charset=utf-8", &form), 0);
    assert_int_equal(form, FORM_JSON);
    assert_int_equal(body_form("application/jsonx", &form), -1);
    assert_int_equal(body_form("text/plain", &form), -1);
    assert_int_equal(body_form("", &form), -1);
}

static void details_are_printable(void **state)
{
    struct problem problem;
    struct bytes out;
    struct writer w;
    json_t *json;

    (void)state;
    bytes_init(&out);
    assert_int_equal(problem_set(&problem, PROBLEM_MALFORMED, "%s", "a\xc3\n\"\x7f"), -1);
    assert_string_equal(problem.detail, "a??\"?");
    problem.conflicts = CONFLICT_AMOUNT | CONFLICT_ROUND;
    problem.seq = 9;
    problem.replayed = true;
    writer_init(&w, &out, FORM_JSON);
    writer_open_map(&w);
    problem_write(&problem, &w);
    writer_close_map(&w);
    json = json_loadb((char *)out.base, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "fields")), 2);
    assert_int_equal(json_integer_value(json_object_get(json, "seq")), 9);
    assert_true(json_is_true(json_object_get(json, "replayed")));
    json_decref(json);
    bytes_release(&out);
}

static void times_are_rfc_3339(void **state)
{
    char text[TIME_TEXT_MAX];

    (void)state;
    assert_int_equal(time_render(0, text), 24);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    time_render(UINT64_C(1709210096789), text);
    assert_string_equal(text, "2024-02-29T12:34:56.789Z");
    time_render(UINT64_C(253402300799999), text);
    assert_string_equal(text, "9999-12-31T23:59:59.999Z");
    time_render(UINT64_MAX, text); /* no crash, whatever it says */
}

/* Against the C library's calendar, through all years and all days of a year. */
static void calendar_is_right(void **state)
{
    uint64_t s;

    (void)state;
    for (s = 0; s <= UINT64_C(253402300799); s += 13 * 86400 + 12345) {
        char text[TIME_TEXT_MAX], wanted[64];
        time_t t = (time_t)s;
        struct tm tm;

        gmtime_r(&t, &tm);
        strftime(wanted, sizeof wanted, "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        assert_int_equal(time_render(s * 1000 + 7, text), strlen(wanted));
        assert_string_equal(text, wanted);
        strftime(wanted, sizeof wanted, "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_int_equal(time_render_http(s, text), strlen(wanted));
        assert_string_equal(text, wanted);
    }
}

static void decimals_are_written(void **state)
{
    static const uint64_t numbers[] = {0, 9, 10, 12345, UINT64_C(9999999999), UINT64_MAX};
    struct bytes b;
    size_t i;

    (void)state;
    bytes_init(&b);
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        char wanted[32];

        snprintf(wanted, sizeof wanted, "%llu", (unsigned long long)numbers[i]);
        bytes_clear(&b);
        bytes_append_decimal(&b, numbers[i]);
        bytes_append_u8(&b, 0);
        assert_string_equal((const char *)b.base, wanted);
    }
    bytes_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_written),
        cmocka_unit_test(msgpack_is_written),
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(content_types_are_told_apart),
        cmocka_unit_test(details_are_printable),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(calendar_is_right),
        cmocka_unit_test(decimals_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
