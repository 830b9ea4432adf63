/* Raft entries of ours: round trip, padding, and everything that must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "consensus/entry.h"

static void build(struct bytes *out, uint32_t n, size_t len)
{
    struct entry_header h = {.time_ms = 77, .has_check = true};
    static const char text[100] = "command";
    uint32_t i;

    h.check[0] = 9;
    entry_begin(out, &h);
    for (i = 0; i < n; i++) {
        frame_append(out, text, len);
    }
    entry_finish(out, n);
}

static void test_round_trip(void **state)
{
    struct bytes b;
    struct entry_header h;
    struct cursor frames;
    struct slice frame;
    struct fault fault;
    size_t len;
    uint32_t n, i;

    (void)state;
    bytes_init(&b);
    for (n = 0; n < 5; n++) {
        for (len = 1; len < 20; len++) {
            build(&b, n, len);
            assert_int_equal(b.len % 8, 0);
            assert_int_equal(entry_decode(b.base, b.len, &h, &frames, &fault), 0);
            assert_int_equal(h.count, n);
            assert_int_equal(h.time_ms, 77);
            assert_true(h.has_check);
            assert_int_equal(h.check[0], 9);
            for (i = 0; i < n; i++) {
                assert_true(frame_next(&frames, &frame));
                assert_int_equal(frame.len, len);
            }
        }
    }
    bytes_release(&b);
}

static void test_every_truncation_is_refused(void **state)
{
    struct bytes b;
    struct entry_header h;
    struct cursor frames;
    struct fault fault;
    size_t len;

    (void)state;
    bytes_init(&b);
    build(&b, 2, 6); /* 56 + 2 * 10 = 76, and four bytes of padding, which may go */
    for (len = 0; len < 76; len++) {
        assert_int_equal(entry_decode(b.base, len, &h, &frames, &fault), -1);
    }
    bytes_release(&b);
}

static void expect_refused(struct bytes *b, size_t at, uint8_t value)
{
    struct entry_header h;
    struct cursor frames;
    struct fault fault;
    uint8_t old = b->base[at];

    b->base[at] = value;
    assert_int_equal(entry_decode(b->base, b->len, &h, &frames, &fault), -1);
    b->base[at] = old;
    assert_int_equal(entry_decode(b->base, b->len, &h, &frames, &fault), 0);
}

static void test_damage_is_refused(void **state)
{
    struct bytes b;

    (void)state;
    bytes_init(&b);
    build(&b, 2, 6);
    expect_refused(&b, 0, 2);                      /* a newer version */
    expect_refused(&b, 2, 0x80 | ENTRY_HAS_CHECK); /* an unknown flag */
    expect_refused(&b, 4, 1);                      /* fewer commands than there are */
    expect_refused(&b, 4, 3);                      /* more */
    expect_refused(&b, 7, 1);                      /* absurdly many */
    expect_refused(&b, ENTRY_HEADER_BYTES, 200);   /* a frame beyond the end */
    expect_refused(&b, b.len - 1, 1);              /* padding that says something */
    bytes_release(&b);
}

static void test_more_than_padding_is_refused(void **state)
{
    struct bytes b;
    struct entry_header h;
    struct cursor frames;
    struct fault fault;

    (void)state;
    bytes_init(&b);
    build(&b, 1, 4);
    bytes_append_u64(&b, 0);
    assert_int_equal(entry_decode(b.base, b.len, &h, &frames, &fault), -1);
    bytes_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_damage_is_refused),
        cmocka_unit_test(test_more_than_padding_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
