/* Bodies in and out without a server: the two forms, the field reader, problems, rendering. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <cmocka.h>

#include <stdlib.h>

#include "api/body.h"
#include "api/fields.h"
#include "api/render.h"

#define BYTES(text) ((struct slice){text, sizeof(text) - 1})

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
    json_t *json;

    (void)state;
    bytes_init(&out);
    writer_init(&w, &out, FORM_MSGPACK);
    writer_open_map(&w);
    writer_put_string(&w, "id", "x");
    writer_put_u64(&w, "n", 1234567890123);
    writer_close_map(&w);
    json = body_parse((struct slice){(char *)out.base, out.len}, FORM_MSGPACK, &problem);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "id")), "x");
    assert_int_equal(json_integer_value(json_object_get(json, "n")), 1234567890123);
    json_decref(json);
    bytes_release(&out);
}

static void every_msgpack_kind_is_read(void **state)
{
    static const char body[] = "\xde\x00\x0d"
                               "\xa1"
                               "a\xe0" /* -32 */
                               "\xd9\x01"
                               "b\xcc\xff" /* 255 */
                               "\xda\x00\x01"
                               "c\xcd\x01\x00"
                               "\xdb\x00\x00\x00\x01"
                               "d\xce\x00\x01\x00\x00"
                               "\xa1"
                               "e\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"
                               "\xa1"
                               "f\xd0\x80\xa1g\xd1\x80\x00\xa1h\xd2\x80\x00\x00\x00"
                               "\xa1i\xd3\x80\x00\x00\x00\x00\x00\x00\x00"
                               "\xa1j\xcb\x3f\xf8\x00\x00\x00\x00\x00\x00" /* 1.5 */
                               "\xa1k\xca\x3f\xc0\x00\x00"                 /* 1.5 */
                               "\xa1l\x92\xc0\xc3"
                               "\xa1m\xdd\x00\x00\x00\x01\xdf\x00\x00\x00\x00";
    struct problem problem;
    json_t *json = body_parse(BYTES(body), FORM_MSGPACK, &problem);
    json_t *wanted =
        json_loads("{\"a\":-32,\"b\":255,\"c\":256,\"d\":65536,\"e\":9223372036854775807,"
                   "\"f\":-128,\"g\":-32768,\"h\":-2147483648,\"i\":-9223372036854775808,"
                   "\"j\":1.5,\"k\":1.5,\"l\":[null,true],\"m\":[{}]}",
                   0, NULL);

    (void)state;
    assert_non_null(json);
    assert_non_null(wanted);
    assert_true(json_equal(json, wanted));
    json_decref(json);
    json_decref(wanted);
}

static void bad_msgpack_is_refused(void **state)
{
    static const struct slice bad[] = {
        BYTES(""),
        BYTES("\x90"),                          /* not a map */
        BYTES("\x81"),                          /* ends */
        BYTES("\x81\xa1"),                      /* ends */
        BYTES("\x81\xa1x"),                     /* ends */
        BYTES("\x80\x80"),                      /* bytes left over */
        BYTES("\x82\xa1x\x01\xa1x\x02"),        /* a key twice */
        BYTES("\x81\x01\x01"),                  /* a number as a key */
        BYTES("\x81\xa1\xff\x01"),              /* not UTF-8 */
        BYTES("\x81\xa1x\xa2\xc3\x28"),         /* not UTF-8 */
        BYTES("\x81\xa1x\xa1\x00"),             /* a zero byte */
        BYTES("\x81\xa1\x00\x01"),              /* a zero byte in a key */
        BYTES("\x81\xa1x\xc4\x01z"),            /* binary */
        BYTES("\x81\xa1x\xd4\x01z"),            /* an extension */
        BYTES("\x81\xa1x\xc1"),                 /* no such kind */
        BYTES("\xdf\xff\xff\xff\xff"),          /* more members than bytes */
        BYTES("\x81\xa1x\xdd\xff\xff\xff\xff"), /* the same in a list */
        BYTES("\x81\xa1x\xdb\xff\xff\xff\xff"), /* a text longer than the body */
        BYTES("\x81\xa1x\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        BYTES("\x81\xa1x\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), /* NaN */
        BYTES("\x81\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90"),
    };
    struct problem problem;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        /* A copy of exactly this length, so that a sanitizer sees a read beyond it. */
        char *copy = malloc(bad[i].len + 1);

        memcpy(copy, bad[i].base, bad[i].len);
        copy = realloc(copy, bad[i].len == 0 ? 1 : bad[i].len);
        memset(&problem, 0, sizeof problem);
        assert_null(body_parse((struct slice){copy, bad[i].len}, FORM_MSGPACK, &problem));
        assert_int_equal(problem.status, 400);
        assert_string_equal(problem.code, "malformed");
        free(copy);
    }
}

static void depth_is_bounded_in_json(void **state)
{
    struct problem problem;
    json_t *json;

    (void)state;
    json = body_parse(BYTES("{\"a\":[[[[[[[1]]]]]]]}"), FORM_JSON, &problem);
    assert_non_null(json);
    json_decref(json);
    assert_null(body_parse(BYTES("{\"a\":[[[[[[[[1]]]]]]]]}"), FORM_JSON, &problem));
    assert_non_null(strstr(problem.detail, "nested"));
    /* Brackets in texts don't count, whatever is escaped around them. */
    json = body_parse(BYTES("{\"a\":\"\\\"[[[[[[[[[[[\\\\\",\"b\":[]}"), FORM_JSON, &problem);
    assert_non_null(json);
    json_decref(json);
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
        cmocka_unit_test(every_msgpack_kind_is_read),
        cmocka_unit_test(bad_msgpack_is_refused),
        cmocka_unit_test(depth_is_bounded_in_json),
        cmocka_unit_test(content_types_are_told_apart),
        cmocka_unit_test(details_are_printable),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(calendar_is_right),
        cmocka_unit_test(decimals_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
