/* The fields of a body by a table: what is let through, how the rest is refused, and how long a
 * list may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "api/body.h"
#include "api/fields.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

struct target {
    uint8_t scale;
    uint64_t node;
    bool yes;
    struct slice id;
    struct decimal amount;
};

static const char *read_fields(const char *body, struct target *target, struct problem *problem)
{
    static const struct field fields[] = {
        {"scale", FIELD_SCALE, offsetof(struct target, scale), false},
        {"node", FIELD_NODE, offsetof(struct target, node), true},
        {"yes", FIELD_BOOL, offsetof(struct target, yes), false},
        {"id", FIELD_ID, offsetof(struct target, id), false},
        {"amount", FIELD_AMOUNT, offsetof(struct target, amount), false},
    };
    struct tree tree;
    int result;

    tree_init(&tree);
    *target = (struct target){.scale = 77};
    problem->code = "parsed";
    result = body_parse(slice_of(body), FORM_JSON, &tree, problem);
    if (result == 0) {
        result = fields_read(tree.root, fields, COUNT(fields), target, problem);
    }
    tree_release(&tree);
    return result == 0 ? "" : problem->code;
}

static void fields_are_read_strictly(void **state)
{
    static const struct {
        const char *body;
        const char *code;
        const char *detail; /* a part of it */
    } bad[] = {
        {"{}", "malformed", "missing field: node"},
        {"{\"node\":1,\"Node\":1}", "unknown_field", "unknown field: Node"},
        {"{\"node\":1,\"\":1}", "unknown_field", "unknown field: "},
        {"{\"node\":1,\"nod\":1}", "unknown_field", "unknown field: nod"},
        {"{\"node\":1,\"nodes\":1}", "unknown_field", "unknown field: nodes"},
        {"{\"node\":0}", "malformed", "from 1 to 9223372036854775807"},
        {"{\"node\":1.0}", "malformed", "whole number"},
        {"{\"node\":1e0}", "malformed", "whole number"},
        {"{\"node\":1e999}", "malformed", "whole number"},
        {"{\"node\":\"1\"}", "malformed", "whole number"},
        {"{\"node\":null}", "malformed", "whole number"},
        {"{\"node\":1,\"scale\":10}", "malformed", "from 0 to 9"},
        {"{\"node\":1,\"scale\":-1}", "malformed", "from 0 to 9"},
        /* Nothing else is taken for the number zero, which a scale may be. */
        {"{\"node\":1,\"scale\":0.0}", "malformed", "from 0 to 9"},
        {"{\"node\":1,\"scale\":1e0}", "malformed", "from 0 to 9"},
        {"{\"node\":1,\"scale\":false}", "malformed", "from 0 to 9"},
        {"{\"node\":1,\"scale\":null}", "malformed", "from 0 to 9"},
        {"{\"node\":1,\"scale\":\"0\"}", "malformed", "from 0 to 9"},
        {"{\"node\":1,\"scale\":[]}", "malformed", "from 0 to 9"},
        {"{\"node\":1,\"yes\":1}", "malformed", "true or false"},
        {"{\"node\":1,\"yes\":null}", "malformed", "true or false"},
        {"{\"node\":1,\"yes\":\"true\"}", "malformed", "true or false"},
        {"{\"node\":1,\"id\":1}", "malformed", "expected a text"},
        {"{\"node\":1,\"id\":\"\"}", "bad_id", "not a valid id"},
        {"{\"node\":1,\"amount\":1}", "bad_amount", "is a number"},
        {"{\"node\":1,\"amount\":1.5}", "bad_amount", "is a number"},
        {"{\"node\":1,\"amount\":true}", "malformed", "a decimal in a text"},
        {"{\"node\":1,\"amount\":null}", "malformed", "a decimal in a text"},
        {"{\"node\":1,\"amount\":[\"1\"]}", "malformed", "a decimal in a text"},
        {"{\"node\":1,\"amount\":\"\"}", "bad_amount", "digits"},
        {"{\"node\":1,\"amount\":\"-1\"}", "bad_amount", "digits"},
        {"{\"node\":1,\"amount\":\"1e5\"}", "bad_amount", "digits"},
        {"{\"node\":1,\"amount\":\"0\"}", "bad_amount", "zero"},
    };
    struct problem problem;
    struct target t;
    size_t i;

    (void)state;
    assert_string_equal(read_fields("{\"amount\":\"1.50\",\"yes\":true,\"scale\":0,"
                                    "\"node\":9223372036854775807}",
                                    &t, &problem),
                        "");
    assert_int_equal(t.scale, 0);
    assert_int_equal(t.node, INT64_MAX);
    assert_true(t.yes);
    assert_int_equal(t.amount.digits, 150);
    assert_int_equal(t.id.len, 0);
    for (i = 0; i < COUNT(bad); i++) {
        assert_string_equal(read_fields(bad[i].body, &t, &problem), bad[i].code);
        assert_non_null(strstr(problem.detail, bad[i].detail));
    }
}

/* {"many":[7,7,...]} */
static void make_list(struct bytes *body, unsigned n)
{
    unsigned i;

    bytes_clear(body);
    bytes_append(body, "{\"many\":[7", 10);
    for (i = 1; i < n; i++) {
        bytes_append(body, ",7", 2);
    }
    bytes_append(body, "]}", 2);
}

/* A list that is too long is refused before its members are looked at, also when its length, cut
 * to the byte that a command has for it, would fit. */
static void lists_are_no_longer_than_their_places(void **state)
{
    static const struct {
        enum field_kind kind;
        unsigned most;
    } lists[] = {{FIELD_CURRENCIES, CURRENCIES_PER_PLAYER},
                 {FIELD_IP_ALLOW, IP_ALLOW_MAX},
                 {FIELD_LIMITS, LIMIT_CHANGES_MAX},
                 {FIELD_ITEMS, ITEMS_MAX}};
    struct problem problem;
    struct bytes body;
    struct command c;
    struct tree tree;
    size_t i, j;

    (void)state;
    bytes_init(&body);
    tree_init(&tree);
    for (i = 0; i < COUNT(lists); i++) {
        const struct field field = {"many", lists[i].kind, 0, true};
        const unsigned lengths[] = {lists[i].most, lists[i].most + 1, 256, 257, 65536, 65537};

        for (j = 0; j < COUNT(lengths); j++) {
            make_list(&body, lengths[j]);
            command_init(&c);
            assert_int_equal(
                body_parse((struct slice){(char *)body.base, body.len}, FORM_JSON, &tree, &problem),
                0);
            assert_int_equal(fields_read(tree.root, &field, 1, &c, &problem), -1);
            /* A seven is none of their members: the longest list fails by that. */
            assert_int_equal(strstr(problem.detail, "expected a list of at most") != NULL, j > 0);
            tree_release(&tree);
        }
    }
    bytes_release(&body);
}

static void members_of_lists_are_what_they_should_be(void **state)
{
    static const struct {
        enum field_kind kind;
        const char *body;
        const char *code;
        const char *detail; /* a part of it */
    } bad[] = {
        {FIELD_CURRENCIES, "{\"many\":[null]}", "malformed", "expected a text"},
        {FIELD_CURRENCIES, "{\"many\":[\"EUR\",\"EUR\"]}", "malformed", "one comes twice"},
        {FIELD_IP_ALLOW, "{\"many\":[\"\"]}", "malformed", "expected addresses"},
        {FIELD_IP_ALLOW, "{\"many\":[null]}", "malformed", "expected addresses"},
        {FIELD_LIMITS, "{\"many\":[[]]}", "malformed", "expected objects"},
        {FIELD_LIMITS, "{\"many\":[[1]]}", "malformed", "expected objects"},
        {FIELD_LIMITS, "{\"many\":[7]}", "malformed", "expected objects"},
        {FIELD_LIMITS, "{\"many\":[{}]}", "malformed", "missing field: kind"},
        {FIELD_ITEMS, "{\"many\":[]}", "malformed", "at least one item"},
        {FIELD_ITEMS, "{\"many\":[[\"type\"]]}", "malformed", "with a type"},
        {FIELD_ITEMS, "{\"many\":[{\"type\":[\"bet\"]}]}", "malformed", "with a type"},
        {FIELD_LIST, "{\"many\":{}}", "malformed", "a list"},
        {FIELD_LIST, "{\"many\":null}", "malformed", "a list"},
    };
    struct problem problem;
    struct command c;
    struct tree tree;
    size_t i;

    (void)state;
    tree_init(&tree);
    for (i = 0; i < COUNT(bad); i++) {
        const struct field field = {"many", bad[i].kind, 0, true};

        command_init(&c);
        assert_int_equal(body_parse(slice_of(bad[i].body), FORM_JSON, &tree, &problem), 0);
        assert_int_equal(fields_read(tree.root, &field, 1, &c, &problem), -1);
        assert_string_equal(problem.code, bad[i].code);
        assert_non_null(strstr(problem.detail, bad[i].detail));
        tree_release(&tree);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_strictly),
        cmocka_unit_test(lists_are_no_longer_than_their_places),
        cmocka_unit_test(members_of_lists_are_what_they_should_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
