/* Bodies as they come in: both readers, the tree that they fill, and what they refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "api/body.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define BYTES(text)  ((struct slice){text, sizeof(text) - 1})

/* Parses a copy of exactly this length, so that a sanitizer sees a read beyond it. The copy is for
 * the caller to free, after the tree. */
static int parse(struct slice body, enum form form, struct tree *tree, char **copy,
                 struct problem *problem)
{
    *copy = malloc(body.len == 0 ? 1 : body.len);
    assert_non_null(*copy);
    memcpy(*copy, body.base, body.len);
    tree_init(tree);
    memset(problem, 0, sizeof *problem);
    return body_parse((struct slice){*copy, body.len}, form, tree, problem);
}

/* The tree as JSON, a real number as `real`. */
static void show(const struct value *v, struct bytes *out)
{
    static const char *const plain[] = {[VALUE_NULL] = "null", [VALUE_REAL] = "real"};
    const struct value *member;
    struct writer w;
    char number[32];

    writer_init(&w, out, FORM_JSON);
    switch (v->kind) {
    case VALUE_NULL:
    case VALUE_REAL:
        writer_written(&w, slice_of(plain[v->kind]));
        break;
    case VALUE_BOOL:
        writer_bool(&w, v->boolean);
        break;
    case VALUE_INTEGER:
        snprintf(number, sizeof number, "%lld", (long long)v->integer);
        writer_written(&w, slice_of(number));
        break;
    case VALUE_TEXT:
        writer_text(&w, value_text(v));
        break;
    case VALUE_LIST:
    case VALUE_MAP:
        bytes_append(out, v->kind == VALUE_MAP ? "{" : "[", 1);
        for (member = v->first; member != NULL; member = member->next) {
            if (v->kind == VALUE_MAP) {
                writer_init(&w, out, FORM_JSON);
                writer_text(&w, member->key);
                bytes_append(out, ":", 1);
            }
            show(member, out);
            bytes_append(out, ",", member->next != NULL);
        }
        bytes_append(out, v->kind == VALUE_MAP ? "}" : "]", 1);
        break;
    }
}

static void assert_read(struct slice body, enum form form, const char *wanted)
{
    struct problem problem;
    struct bytes shown;
    struct tree tree;
    char *copy;

    if (parse(body, form, &tree, &copy, &problem) != 0) {
        fail_msg("%.*s: %s", (int)body.len, body.base, problem.detail);
    }
    bytes_init(&shown);
    show(tree.root, &shown);
    bytes_append_u8(&shown, 0);
    assert_string_equal((const char *)shown.base, wanted);
    bytes_release(&shown);
    tree_release(&tree);
    free(copy);
}

static void assert_refused(struct slice body, enum form form)
{
    struct problem problem;
    struct tree tree;
    char *copy;

    if (parse(body, form, &tree, &copy, &problem) == 0) {
        fail_msg("was let through: %.*s", (int)body.len, body.base);
    }
    assert_null(tree.root);
    assert_null(tree.blocks);
    assert_int_equal(problem.status, 400);
    assert_string_equal(problem.code, "malformed");
    assert_true(problem.detail[0] != '\0');
    free(copy);
}

static void json_is_read(void **state)
{
    static const struct {
        const char *body;
        const char *wanted; /* NULL: the same */
    } cases[] = {
        {"{}", NULL},
        {" \t\r\n{ \"a\" : [ ] , \"b\" : { } }\n", "{\"a\":[],\"b\":{}}"},
        {"{\"a\":null,\"b\":true,\"c\":false,\"d\":[1,[2,{\"e\":3}],4]}", NULL},
        {"{\"a\":9223372036854775807,\"b\":-9223372036854775808,\"c\":0,\"d\":-7}", NULL},
        {"{\"a\":-0}", "{\"a\":0}"},
        {"{\"a\":1.5,\"b\":1e5,\"c\":-0.0,\"d\":2E-3}",
         "{\"a\":real,\"b\":real,\"c\":real,\"d\":real}"},
        /* No double is made of a number, so none is too large or too long for one. */
        {"{\"a\":1e999,\"b\":123456789012345678901234567890.5}", "{\"a\":real,\"b\":real}"},
        {"{\"\":\"\"}", NULL},
        {"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}",
         "{\"a\":\"\\\"\\\\/\\u0008\\u000c\\u000a\\u000d\\u0009\"}"},
        {"{\"\\u0041\":\"\\u00e9 \\u20ac \\ud83d\\uDE00\"}",
         "{\"A\":\"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"}"},
        {"{\"a\":\"\xc3\xa9\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\x7f\"}", NULL},
        {"{\"a\":\"\\\\ud800 is no escape\"}", NULL},
        {"{\"a\":\"\\\"[[[[[[[[[[[\\\\\",\"b\":[]}", NULL}, /* brackets in a text do not count */
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        assert_read(slice_of(cases[i].body), FORM_JSON,
                    cases[i].wanted == NULL ? cases[i].body : cases[i].wanted);
    }
}

static void every_msgpack_kind_is_read(void **state)
{
    static const char body[] = "\xde\x00\x0f"
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
                               "\xa1m\xdd\x00\x00\x00\x01\xdf\x00\x00\x00\x00"
                               "\xa1n\xd9\x02\xc3\xa9\xa0\xda\x00\x01z";

    (void)state;
    assert_read(BYTES(body), FORM_MSGPACK,
                "{\"a\":-32,\"b\":255,\"c\":256,\"d\":65536,\"e\":9223372036854775807,"
                "\"f\":-128,\"g\":-32768,\"h\":-2147483648,\"i\":-9223372036854775808,"
                "\"j\":real,\"k\":real,\"l\":[null,true],\"m\":[{}],"
                "\"n\":\"\xc3\xa9\",\"\":\"z\"}");
}

static void bad_json_is_refused(void **state)
{
    static const struct slice bad[] = {
        BYTES(""),
        BYTES(" "),
        BYTES("[]"), /* not a map */
        BYTES("1"),
        BYTES("\"a\""),
        BYTES("null"),
        BYTES("{"),
        BYTES("{\"a\""),
        BYTES("{\"a\":"),
        BYTES("{\"a\":1"),
        BYTES("{\"a\":\"b"),
        BYTES("{}}"),
        BYTES("{}{}"),
        BYTES("{}1"),
        BYTES("{},"),
        BYTES("{}tru"),
        BYTES("{}\""), /* unfinished, behind the end */
        BYTES("{} \"abc"),
        BYTES("{}\0"),
        BYTES("{\"a\":1,}"),
        BYTES("{\"a\":[1,]}"),
        BYTES("{\"a\" 1}"),
        BYTES("{a:1}"),
        BYTES("{'a':1}"),
        BYTES("{\"a\":tru}"),
        BYTES("{\"a\":NaN}"),
        BYTES("{\"a\":01}"),
        BYTES("{\"a\":+1}"),
        BYTES("{\"a\":1.}"),
        BYTES("{\"a\":.5}"),
        BYTES("{\"a\":1e}"),
        BYTES("{\"a\":-}"),
        BYTES("{\"a\":0x1}"),
        BYTES("{\"a\":1\0}"),
        BYTES("{\"a\":9223372036854775808}"),
        BYTES("{\"a\":-9223372036854775809}"),
        BYTES("{\"a\":123456789012345678901234567890}"),
        BYTES("{\"a\":1}//x"),
        BYTES("{/* */\"a\":1}"),
        BYTES("\xef\xbb\xbf{}"), /* a byte order mark */
        BYTES("\v{}"),
        BYTES("{\f}"),
        BYTES("{}\v"),
        BYTES("{\"a\":\"\t\"}"),
        BYTES("{\"a\":\"\n\"}"),
        BYTES("{\"a\":\"\0\"}"),
        BYTES("{\"a\":\"\\u0000\"}"),
        BYTES("{\"a\\u0000\":1}"),
        BYTES("{\"a\":\"\\x\"}"),
        BYTES("{\"a\":\"\\u12\"}"),
        BYTES("{\"a\":\"\\"),
        BYTES("{\"a\":\"\\u"),
        BYTES("{\"a\":\"\\ud83d"),
        BYTES("{\"a\":\"\\ud83d\\"),
        BYTES("{\"a\":\"\\ud83d\\ude0"),
        BYTES("{\"a\":\"\\ud83d\"}"), /* halves of surrogate pairs */
        BYTES("{\"a\":\"\\ude00\"}"),
        BYTES("{\"a\":\"\\ud83d\\u0041\"}"),
        BYTES("{\"a\":\"\\ud83d\\ud83d\\ude00\"}"),
        BYTES("{\"a\":\"\\ud83d\\\\ude00\"}"),
        BYTES("{\"\\ud83d\":1}"),
        BYTES("{\"a\":\"\xed\xa0\x80\"}"), /* not UTF-8 */
        BYTES("{\"a\":\"\xc0\x80\"}"),
        BYTES("{\"a\":\"\xc1\xbf\"}"),
        BYTES("{\"a\":\"\xe0\x9f\xbf\"}"),
        BYTES("{\"a\":\"\xf0\x8f\xbf\xbf\"}"),
        BYTES("{\"a\":\"\xf4\x90\x80\x80\"}"),
        BYTES("{\"a\":\"\xf5\x80\x80\x80\"}"),
        BYTES("{\"a\":\"\x80\"}"),
        BYTES("{\"a\":\"\xc3\"}"),
        BYTES("{\"\xc0\x80\":1}"),
        BYTES("{\"a\":1,\"a\":2}"), /* a key twice */
        BYTES("{\"a\":1,\"\\u0061\":2}"),
        BYTES("{\"b\":[{\"\":1,\"\":1}]}"),
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        assert_refused(bad[i], FORM_JSON);
    }
}

static void bad_msgpack_is_refused(void **state)
{
    static const struct slice bad[] = {
        BYTES(""),
        BYTES("\x90"),          /* not a map */
        BYTES("\x81"),          /* ends */
        BYTES("\x81\xa1"),      /* ends */
        BYTES("\x81\xa1x"),     /* ends */
        BYTES("\x81\xa1x\xcd"), /* ends behind a kind */
        BYTES("\x81\xa1x\xd3"),
        BYTES("\x81\xa1x\xcb"),
        BYTES("\x81\xa1x\xda"),
        BYTES("\x81\xa1x\xdc"),
        BYTES("\x81\xa1x\xdf"),
        BYTES("\x81\xa1x\xcd\x01"),      /* ends */
        BYTES("\x81\xa1x\xca\x01"),      /* ends */
        BYTES("\x81\xa1x\xdc\x01"),      /* ends */
        BYTES("\x81\xd9"),               /* ends */
        BYTES("\x80\x80"),               /* bytes left over */
        BYTES("\x82\xa1x\x01\xa1x\x02"), /* a key twice */
        BYTES("\x81\x01\x01"),           /* a number as a key */
        BYTES("\x81\xa1\xff\x01"),       /* not UTF-8 */
        BYTES("\x81\xa1x\xa2\xc3\x28"),
        BYTES("\x81\xa1x\xa3\xed\xa0\x80"),
        BYTES("\x81\xa1x\xa2\xc0\x80"),
        BYTES("\x81\xa1x\xa4\xf4\x90\x80\x80"),
        BYTES("\x81\xa1x\xa1\x00"),             /* a zero byte */
        BYTES("\x81\xa1\x00\x01"),              /* a zero byte in a key */
        BYTES("\x81\xa1x\xc4\x01z"),            /* binary */
        BYTES("\x81\xa1x\xd4\x01z"),            /* an extension */
        BYTES("\x81\xa1x\xc1"),                 /* no such kind */
        BYTES("\xdf\xff\xff\xff\xff"),          /* more members than bytes */
        BYTES("\x81\xa1x\xdd\xff\xff\xff\xff"), /* the same in a list */
        BYTES("\x81\xa1x\xdb\xff\xff\xff\xff"), /* a text longer than the body */
        BYTES("\x81\xa1x\xcf\xff\xff\xff\xff\xff\xff\xff\xff"),
        BYTES("\x81\xa1x\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
        BYTES("\x81\xa1x\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00"), /* NaN */
        BYTES("\x81\xa1x\xcb\xff\xf0\x00\x00\x00\x00\x00\x00"), /* infinity */
        BYTES("\x81\xa1x\xca\x7f\x80\x00\x00"),
        BYTES("\x81\xa1x\x91\x91\x91\x91\x91\x91\x91\x91\x91\x90"),
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        assert_refused(bad[i], FORM_MSGPACK);
    }
}

/* Whatever is missing at the end, or is another byte, ends in an answer and in no read outside. */
static void cut_and_changed_bodies_are_answered(void **state)
{
    static const struct slice bodies[] = {
        BYTES("{\"id\":\"\\u00e9\\ud83d\\ude00\",\"n\":[-12,3.5,true,null,{\"a\":\"\xe2\x82\xac\"}]"
              "}"),
        BYTES("\x82\xa2id\xd9\x03\xe2\x82\xac\xa1n\x95\xd1\xff\xf4\xca\x40\x60\x00\x00\xc3\xc0\x81"
              "\xa1"
              "a\xda\x00\x02\xc3\xa9"),
    };
    struct problem problem;
    struct tree tree;
    char changed[128];
    size_t i, at;
    char *copy;
    int byte;

    (void)state;
    for (i = 0; i < COUNT(bodies); i++) {
        enum form form = i == 0 ? FORM_JSON : FORM_MSGPACK;

        for (at = 0; at < bodies[i].len; at++) {
            assert_refused((struct slice){bodies[i].base, at}, form);
            memcpy(changed, bodies[i].base, bodies[i].len);
            for (byte = 0; byte < 256; byte++) {
                changed[at] = (char)byte;
                if (parse((struct slice){changed, bodies[i].len}, form, &tree, &copy, &problem) !=
                    0) {
                    assert_string_equal(problem.code, "malformed");
                }
                tree_release(&tree);
                free(copy);
            }
        }
    }
}

static void depth_is_bounded(void **state)
{
    static const struct {
        struct slice body;
        enum form form;
        bool fits;
    } cases[] = {
        {BYTES("{\"a\":[[[[[[[1]]]]]]]}"), FORM_JSON, true},
        {BYTES("{\"a\":[[[[[[[[]]]]]]]]}"), FORM_JSON, false},
        {BYTES("{\"a\":[[[[[[[{}]]]]]]]}"), FORM_JSON, false},
        {BYTES("\x81\xa1x\x91\x91\x91\x91\x91\x91\x91\x01"), FORM_MSGPACK, true},
        {BYTES("\x81\xa1x\x91\x91\x91\x91\x91\x91\x91\x90"), FORM_MSGPACK, false},
        {BYTES("\x81\xa1x\x91\x91\x91\x91\x91\x91\x91\x80"), FORM_MSGPACK, false},
    };
    struct problem problem;
    struct tree tree;
    size_t i;
    char *copy;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        int result = parse(cases[i].body, cases[i].form, &tree, &copy, &problem);

        assert_int_equal(result, cases[i].fits ? 0 : -1);
        assert_true(cases[i].fits || strstr(problem.detail, "nested too deeply") != NULL);
        tree_release(&tree);
        free(copy);
    }
}

static void a_problem_says_where(void **state)
{
    static const struct {
        const char *body;
        const char *wanted;
    } cases[] = {
        {"{\n \"a\": 1,\n \"b\": \f2}", "line 3, column 7: "},
        {"{\n \"a\": \"\\ud800\"}", "line 2, column 8: half of a surrogate pair"},
        {"{\n \"a\": 1\n}\n x", "line 4, column 3: parse error: trailing garbage"},
        {"{} \"x", "line 1, column 4: something is left over"},
        {"{\"a\":1", "it ends too early"},
        {"{\"a\":1,\"a\":2}", "duplicate key"},
        {"{\"a\":9223372036854775808}", "a number is too large"},
    };
    struct problem problem;
    struct tree tree;
    size_t i;
    char *copy;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        assert_int_equal(parse(slice_of(cases[i].body), FORM_JSON, &tree, &copy, &problem), -1);
        if (strstr(problem.detail, cases[i].wanted) == NULL) {
            fail_msg("%s: %s", cases[i].body, problem.detail);
        }
        free(copy);
    }
}

/* Texts are looked at in pieces: a bad byte is found at every place in them. */
static void bad_bytes_are_found_wherever_they_are(void **state)
{
    static const char bad[] = {'\0', '\x80', '\xff', '\xc3'};
    enum { LEN = 29 };
    char body[4 + LEN];
    struct problem problem;
    struct tree tree;
    size_t i, at;
    char *copy;

    (void)state;
    memcpy(body, "\x81\xa0\xbd", 3);
    memset(body + 3, '\x7f', LEN);
    assert_int_equal(parse((struct slice){body, 3 + LEN}, FORM_MSGPACK, &tree, &copy, &problem), 0);
    assert_int_equal(tree.root->first->n, LEN);
    tree_release(&tree);
    free(copy);
    for (at = 3; at < 3 + LEN; at++) {
        for (i = 0; i < COUNT(bad); i++) {
            memset(body + 3, i % 2 == 0 ? '\x01' : 'a', LEN);
            body[at] = bad[i];
            assert_refused((struct slice){body, 3 + LEN}, FORM_MSGPACK);
        }
    }
}

/* {"k0":0,"k1":1,...}, and `more` before the brace. */
static void make_large_map(struct bytes *body, unsigned members, const char *more)
{
    char member[32];
    unsigned i;

    bytes_append(body, "{", 1);
    for (i = 0; i < members; i++) {
        int len = snprintf(member, sizeof member, "%s\"k%u\":%u", i == 0 ? "" : ",", i, i);

        bytes_append(body, member, (size_t)len);
    }
    bytes_append(body, more, strlen(more));
    bytes_append(body, "}", 1);
}

/* Around the size from which keys are put in order to be compared, and in a map that fills a body:
 * were each compared with each, that one would take minutes. */
static void keys_of_large_maps_are_compared(void **state)
{
    static const unsigned sizes[] = {15, 16, 17, 60000};
    struct problem problem;
    struct bytes body;
    struct tree tree;
    size_t i;

    (void)state;
    bytes_init(&body);
    tree_init(&tree);
    for (i = 0; i < COUNT(sizes); i++) {
        bytes_clear(&body);
        make_large_map(&body, sizes[i], "");
        assert_int_equal(
            body_parse((struct slice){(char *)body.base, body.len}, FORM_JSON, &tree, &problem), 0);
        assert_int_equal(tree.root->n, sizes[i]);
        assert_int_equal(value_get(tree.root, "k14")->integer, 14);
        assert_null(value_get(tree.root, "k"));
        tree_release(&tree);

        bytes_clear(&body);
        make_large_map(&body, sizes[i], ",\"k7\":1");
        assert_int_equal(
            body_parse((struct slice){(char *)body.base, body.len}, FORM_JSON, &tree, &problem),
            -1);
        assert_non_null(strstr(problem.detail, "duplicate key"));
    }
    bytes_release(&body);
}

static void texts_lie_in_the_body_where_they_can(void **state)
{
    struct slice body = slice_of("{\"ab\":\"cd\",\"\\u0065f\":\"g\\n\",\"\":\"\"}");
    const struct value *v;
    struct problem problem;
    struct tree tree;

    (void)state;
    tree_init(&tree);
    assert_int_equal(body_parse(body, FORM_JSON, &tree, &problem), 0);
    v = tree.root->first;
    assert_ptr_equal(v->key.base, body.base + 2);
    assert_ptr_equal(v->text, body.base + 7);
    v = v->next;
    assert_true(slice_is(v->key, "ef") && slice_is(value_text(v), "g\n"));
    assert_true(v->text < body.base || v->text >= body.base + body.len);
    v = v->next;
    assert_true(v->key.base != NULL && v->key.len == 0 && v->text != NULL && v->n == 0);
    assert_null(v->next);
    tree_release(&tree);
    assert_null(tree.root);
}

static void what_is_no_map_has_no_members(void **state)
{
    const struct value text = {.kind = VALUE_TEXT, .text = "x", .n = 1};
    const struct value list = {.kind = VALUE_LIST, .n = 1, .first = &text};

    (void)state;
    assert_null(value_get(NULL, "x"));
    assert_null(value_get(&text, "x"));
    assert_null(value_get(&list, ""));
    assert_ptr_equal(value_first(&list), &text);
    assert_null(value_first(&text));
    assert_null(value_first(NULL));
    assert_null(value_text(&list).base);
    assert_null(value_text(NULL).base);
    assert_false(value_is(NULL, VALUE_NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_read),
        cmocka_unit_test(every_msgpack_kind_is_read),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(bad_msgpack_is_refused),
        cmocka_unit_test(cut_and_changed_bodies_are_answered),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(a_problem_says_where),
        cmocka_unit_test(bad_bytes_are_found_wherever_they_are),
        cmocka_unit_test(keys_of_large_maps_are_compared),
        cmocka_unit_test(texts_lie_in_the_body_where_they_can),
        cmocka_unit_test(what_is_no_map_has_no_members),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
