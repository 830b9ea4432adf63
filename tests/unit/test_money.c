#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "statemachine/money.h"

static void parses(const char *text, int64_t digits, uint8_t after_point)
{
    struct decimal d = {-1, 99};

    if (decimal_parse(slice_of(text), &d) != 0) {
        fail_msg("'%s' was refused", text);
    }
    assert_int_equal(d.digits, digits);
    assert_int_equal(d.after_point, after_point);
}

static void test_parse(void **state)
{
    (void)state;
    parses("0", 0, 0);
    parses("7", 7, 0);
    parses("12", 12, 0);
    parses("12.5", 125, 1);
    parses("12.50", 1250, 2);
    parses("0.00001", 1, 5);
    parses("0.000000001", 1, 9);
    parses("10.000000000", 10000000000, 9);
    parses("9223372036854775807", INT64_MAX, 0);
    parses("9223372036.854775807", INT64_MAX, 9);
}

static void test_parse_refuses(void **state)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "1 ",
                                      " 1",
                                      "+1",
                                      "-1",
                                      ".",
                                      ".5",
                                      "5.",
                                      "1..2",
                                      "1.2.3",
                                      "01",
                                      "00",
                                      "00.5",
                                      "1e3",
                                      "1E3",
                                      "0x10",
                                      "1,5",
                                      "NaN",
                                      "inf",
                                      "1_000",
                                      "0.0000000001",
                                      "9223372036854775808",
                                      "92233720368547758070",
                                      "1.9223372036854775807",
                                      "99999999999999999999999999999999999999999999",
                                      "\xd9\xa1"};
    struct decimal d = {42, 3};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (decimal_parse(slice_of(bad[i]), &d) != -1) {
            fail_msg("'%s' was accepted", bad[i]);
        }
    }
    assert_int_equal(decimal_parse((struct slice){"1\0002", 3}, &d), -1);
    assert_int_equal(d.digits, 42);
    assert_int_equal(d.after_point, 3);
}

static void test_to_minor(void **state)
{
    int64_t minor = -5;

    (void)state;
    assert_int_equal(decimal_to_minor((struct decimal){125, 1}, 5, &minor), 0);
    assert_int_equal(minor, 1250000);
    assert_int_equal(decimal_to_minor((struct decimal){1250, 2}, 2, &minor), 0);
    assert_int_equal(minor, 1250);
    assert_int_equal(decimal_to_minor((struct decimal){INT64_MAX, 0}, 0, &minor), 0);
    assert_int_equal(minor, INT64_MAX);
    assert_int_equal(decimal_to_minor((struct decimal){INT64_MAX / 10, 0}, 1, &minor), 0);
    assert_int_equal(minor, INT64_MAX / 10 * 10);
    minor = -5;
    assert_int_equal(decimal_to_minor((struct decimal){INT64_MAX / 10 + 1, 0}, 1, &minor), -1);
    assert_int_equal(decimal_to_minor((struct decimal){1, 0}, 19, &minor), -1);
    assert_int_equal(decimal_to_minor((struct decimal){1000, 3}, 2, &minor), -1);
    assert_int_equal(decimal_to_minor((struct decimal){0, 3}, 2, &minor), -1);
    assert_int_equal(decimal_to_minor((struct decimal){-1, 0}, 2, &minor), -1);
    assert_int_equal(minor, -5);
}

static void formats(int64_t minor, uint8_t scale, const char *expected)
{
    char text[AMOUNT_TEXT_MAX];
    int len = money_format(minor, scale, text);

    assert_string_equal(text, expected);
    assert_int_equal(len, strlen(expected));
}

static void test_format(void **state)
{
    (void)state;
    formats(0, 0, "0");
    formats(0, 5, "0.00000");
    formats(12, 0, "12");
    formats(1250000, 5, "12.50000");
    formats(1, 9, "0.000000001");
    formats(-1, 2, "-0.01");
    formats(-1250, 2, "-12.50");
    formats(-7, 0, "-7");
    formats(INT64_MAX, 0, "9223372036854775807");
    formats(INT64_MIN, 0, "-9223372036854775808");
    formats(INT64_MIN, 9, "-9223372036.854775808");
    formats(10, 1, "1.0");
}

/* What is formatted parses to the same amount. */
static void test_round_trip(void **state)
{
    uint64_t random = 1;
    int i;

    (void)state;
    for (i = 0; i < 20000; i++) {
        char text[AMOUNT_TEXT_MAX];
        uint8_t scale;
        int64_t minor, back;
        struct decimal d;

        random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
        scale = (uint8_t)((random >> 59) % (SCALE_MAX + 1));
        minor = (int64_t)((random << 1) >> (1 + random % 63));
        money_format(minor, scale, text);
        assert_int_equal(decimal_parse(slice_of(text), &d), 0);
        assert_int_equal(decimal_to_minor(d, scale, &back), 0);
        assert_int_equal(back, minor);
    }
}

static void test_sums(void **state)
{
    int64_t v = 3;

    (void)state;
    assert_true(money_add(INT64_MAX - 1, 1, &v));
    assert_int_equal(v, INT64_MAX);
    assert_false(money_add(INT64_MAX, 1, &v));
    assert_true(money_sub(INT64_MIN + 1, 1, &v));
    assert_int_equal(v, INT64_MIN);
    assert_false(money_sub(INT64_MIN, 1, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),      cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_to_minor),   cmocka_unit_test(test_format),
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_sums),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
