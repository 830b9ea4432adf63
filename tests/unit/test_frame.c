/* Frames: what went in comes out, however the bytes were cut; what is wrong is named. */
#include "consensus/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void put_frame(struct bytes *out, enum frame_kind kind, const void *data, size_t len)
{
    uint8_t header[FRAME_HEADER_BYTES];

    frame_header_write(header, kind, (struct slice){data, len});
    bytes_append(out, header, sizeof header);
    bytes_append(out, data, len);
}

/* Reads up to `most` bytes at a time; returns how many it took. */
static size_t feed(struct frame_decoder *d, const uint8_t *at, size_t left, size_t most)
{
    uint8_t *base;
    size_t room, take = left < most ? left : most;

    frame_decoder_space(d, &base, &room);
    take = take < room ? take : room;
    memcpy(base, at, take);
    frame_decoder_filled(d, take);
    return take;
}

static void pattern(uint8_t *data, size_t len, unsigned seed)
{
    size_t i;

    for (i = 0; i < len; i++) {
        data[i] = (uint8_t)(seed + i * 7 + (i >> 8));
    }
}

enum { N_LENGTHS = 7 };
static const size_t lengths[N_LENGTHS] = {0, 1, 11, 12, 13, 70000, 300000};

/* Every way of cutting gives the same frames. */
static void test_cut_anywhere(void **state)
{
    static const size_t cuts[] = {1, 5, 12, 13, 4096, 65536, 1 << 20};
    uint8_t *data = malloc(300000);
    struct bytes stream;
    size_t c, i, at;

    (void)state;
    assert_non_null(data);
    bytes_init(&stream);
    for (i = 0; i < N_LENGTHS; i++) {
        pattern(data, lengths[i], (unsigned)i);
        put_frame(&stream, FRAME_RAFT + (i % 3), data, lengths[i]);
    }
    for (c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
        struct frame_decoder d;
        struct frame frame;

        frame_decoder_init(&d);
        for (at = 0, i = 0; at < stream.len;) {
            at += feed(&d, stream.base + at, stream.len - at, cuts[c]);
            while (frame_decoder_take(&d, &frame)) {
                assert_true(i < N_LENGTHS);
                pattern(data, lengths[i], (unsigned)i);
                assert_int_equal(frame.kind, FRAME_RAFT + (i % 3));
                assert_int_equal(frame.payload.len, lengths[i]);
                assert_memory_equal(frame.payload.base, data, lengths[i]);
                i++;
            }
            assert_int_equal(d.problem, FRAME_GOOD);
        }
        assert_int_equal(i, N_LENGTHS);
        frame_decoder_release(&d);
    }
    bytes_release(&stream);
    free(data);
}

/* The format is a promise to nodes of other builds: these bytes never change. */
static void test_known_bytes(void **state)
{
    static const uint8_t known[FRAME_HEADER_BYTES] = {5, 0, 0,    0,    2,    1,
                                                      0, 0, 0xb8, 0x11, 0xa0, 0x70};
    uint8_t header[FRAME_HEADER_BYTES];

    (void)state;
    frame_header_write(header, FRAME_FORWARD, slice_of("hello"));
    assert_memory_equal(header, known, sizeof known);
}

static enum frame_problem problem_of(const uint8_t *bytes, size_t len)
{
    struct frame_decoder d;
    struct frame frame;
    enum frame_problem problem;

    frame_decoder_init(&d);
    assert_int_equal(feed(&d, bytes, len, len), len);
    assert_false(frame_decoder_take(&d, &frame));
    problem = d.problem;
    assert_false(frame_decoder_take(&d, &frame));
    assert_int_equal(d.problem, problem);
    frame_decoder_release(&d);
    return problem;
}

static void test_wrong_headers(void **state)
{
    uint8_t good[FRAME_HEADER_BYTES + 5], bad[sizeof good];
    static const struct {
        size_t at;
        uint8_t value;
        enum frame_problem problem;
    } cases[] = {
        {3, 0x80, FRAME_TOO_LONG},         {3, 0xff, FRAME_TOO_LONG},
        {4, 0, FRAME_UNKNOWN_KIND},        {4, 200, FRAME_UNKNOWN_KIND},
        {5, 0, FRAME_UNKNOWN_VERSION},     {5, 2, FRAME_UNKNOWN_VERSION},
        {6, 1, FRAME_RESERVED_SET},        {7, 1, FRAME_RESERVED_SET},
        {4, FRAME_FORWARD, FRAME_CORRUPT}, {0, 4, FRAME_CORRUPT},
    };
    size_t i, bit;

    (void)state;
    frame_header_write(good, FRAME_RAFT, slice_of("hello"));
    memcpy(good + FRAME_HEADER_BYTES, "hello", 5);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(bad, good, sizeof bad);
        bad[cases[i].at] = cases[i].value;
        assert_int_equal(problem_of(bad, sizeof bad), cases[i].problem);
    }
    /* No single flipped bit passes; one that makes it longer may also just wait for more. */
    for (bit = 0; bit < 8 * sizeof bad; bit++) {
        memcpy(bad, good, sizeof bad);
        bad[bit / 8] = (uint8_t)(bad[bit / 8] ^ (1u << (bit % 8)));
        assert_true(problem_of(bad, sizeof bad) != FRAME_GOOD || bit < 24);
    }
}

/* The longest frame passes, one byte more is refused from its header alone, and no room is made
 * for it. */
static void test_longest(void **state)
{
    uint8_t *data = calloc(1, FRAME_BYTES_MAX), header[FRAME_HEADER_BYTES];
    struct frame_decoder d;
    struct frame frame;
    struct bytes stream;
    size_t at = 0;

    (void)state;
    assert_non_null(data);
    bytes_init(&stream);
    put_frame(&stream, FRAME_RAFT, data, FRAME_BYTES_MAX);
    frame_decoder_init(&d);
    while (at < stream.len) {
        assert_false(frame_decoder_take(&d, &frame));
        at += feed(&d, stream.base + at, stream.len - at, 1 << 20);
    }
    assert_true(frame_decoder_take(&d, &frame));
    assert_int_equal(frame.payload.len, FRAME_BYTES_MAX);
    frame_decoder_release(&d);

    frame_header_write(header, FRAME_RAFT, slice_of(""));
    header[0] = 1;
    header[3] = FRAME_BYTES_MAX >> 24;
    header[2] = (uint8_t)(FRAME_BYTES_MAX >> 16);
    frame_decoder_init(&d);
    feed(&d, header, sizeof header, sizeof header);
    assert_false(frame_decoder_take(&d, &frame));
    assert_int_equal(d.problem, FRAME_TOO_LONG);
    assert_true(d.buffer.cap <= 2 * FRAME_READ_BYTES);
    frame_decoder_release(&d);
    bytes_release(&stream);
    free(data);
}

static void test_problems_have_words(void **state)
{
    int i, j;

    (void)state;
    for (i = 0; i < FRAME_PROBLEMS; i++) {
        for (j = 0; j < i; j++) {
            assert_string_not_equal(frame_problem_text((enum frame_problem)i),
                                    frame_problem_text((enum frame_problem)j));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_anywhere),        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_wrong_headers),       cmocka_unit_test(test_longest),
        cmocka_unit_test(test_problems_have_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
