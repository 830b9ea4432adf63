/* The fields of a body by a table: what is let through, and how the rest is refused. */
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
        {"{\"node\":1,\"yes\":1}", "malformed", "true or false"},
        {"{\"node\":1,\"id\":1}", "malformed", "expected a text"},
        {"{\"node\":1,\"id\":\"\"}", "bad_id", "not a valid id"},
        {"{\"node\":1,\"amount\":1}", "bad_amount", "is a number"},
        {"{\"node\":1,\"amount\":1.5}", "bad_amount", "is a number"},
        {"{\"node\":1,\"amount\":true}", "malformed", "a decimal in a text"},
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_strictly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
