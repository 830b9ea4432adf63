/* Forwarded work and its answers as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "consensus/forward.h"
#include "consensus/transport.h"

static struct slice slice_in(const struct bytes *b)
{
    return (struct slice){(const char *)b->base, b->len};
}

/* A request with n commands of one byte each. */
static void add_commands(struct bytes *frame, uint64_t request, uint32_t n, uint32_t claimed)
{
    struct forward f = {
        .request = request, .kind = TICKET_COMMANDS, .timeout_ms = 500, .n_commands = claimed};
    struct bytes in, names;
    uint32_t i;

    bytes_init(&in);
    bytes_init(&names); /* left away, as a node of before them does */
    for (i = 0; i < n; i++) {
        frame_append(&in, "x", 1);
    }
    f.bytes = slice_in(&in);
    forward_append(frame, &names, &f);
    bytes_release(&in);
    bytes_release(&names);
}

/* Reads all; how many there were, or -1. */
static int read_all(struct slice frame)
{
    struct cursor c, names;
    struct forward f;
    struct fault fault;
    uint32_t count, i;

    if (forward_begin(frame, &c, &count, &fault) != 0) {
        return -1;
    }
    forward_names(&c, count, &names);
    for (i = 0; i < count; i++) {
        if (forward_next(&c, &names, &f, &fault) != 1) {
            return -1;
        }
    }
    return (int)count;
}

static void test_requests_round_trip(void **state)
{
    struct forward query = {.request = 2,
                            .kind = TICKET_QUERY,
                            .timeout_ms = FORWARD_TIMEOUT_MAX_MS,
                            .bytes = {"head", 4}};
    struct bytes b, ignored;
    struct cursor c, names;
    struct forward f;
    struct fault fault;
    uint32_t count;

    (void)state;
    bytes_init(&b);
    add_commands(&b, 1, 3, 3);
    bytes_init(&ignored);
    forward_append(&b, &ignored, &query);
    bytes_release(&ignored);
    assert_int_equal(forward_begin(slice_in(&b), &c, &count, &fault), 0);
    assert_int_equal(count, 2);
    forward_names(&c, count, &names);
    assert_int_equal(forward_next(&c, &names, &f, &fault), 1);
    assert_int_equal(f.request, 1);
    assert_int_equal(f.kind, TICKET_COMMANDS);
    assert_int_equal(f.n_commands, 3);
    assert_int_equal(f.timeout_ms, 500);
    assert_int_equal(f.bytes.len, 15);
    assert_int_equal(forward_next(&c, &names, &f, &fault), 1);
    assert_int_equal(f.request, 2);
    assert_true(slice_is(f.bytes, "head"));
    assert_int_equal(forward_next(&c, &names, &f, &fault), 0);
    bytes_release(&b);
}

static void test_the_count_carries(void **state)
{
    struct bytes b;
    uint32_t i;

    (void)state;
    bytes_init(&b);
    for (i = 0; i < 700; i++) {
        add_commands(&b, i, 1, 1);
    }
    assert_int_equal(read_all(slice_in(&b)), 700);
    bytes_release(&b);
}

static void test_every_truncation_is_refused(void **state)
{
    struct bytes b;
    size_t len;

    (void)state;
    bytes_init(&b);
    add_commands(&b, 1, 2, 2);
    add_commands(&b, 2, 1, 1);
    for (len = 0; len < b.len; len++) {
        assert_int_equal(read_all((struct slice){(const char *)b.base, len}), -1);
    }
    bytes_release(&b);
}

static void expect_refused(const struct forward *f)
{
    struct bytes b, names;

    bytes_init(&b);
    bytes_init(&names);
    forward_append(&b, &names, f);
    assert_int_equal(read_all(slice_in(&b)), -1);
    bytes_append(&b, names.base, names.len);
    assert_int_equal(read_all(slice_in(&b)), -1);
    bytes_release(&b);
    bytes_release(&names);
}

/* Names travel with their requests; a frame that ends within them is refused as a whole. */
static void test_names(void **state)
{
    struct forward a = {.request = 1, .kind = TICKET_QUERY, .name = {"req-1", 5}};
    struct forward b = {.request = 2, .kind = TICKET_QUERY, .bytes = {"q", 1}, .urgent = true};
    struct bytes frame, names;
    struct cursor c, n;
    struct fault fault;
    uint32_t count;
    size_t len, items;

    (void)state;
    bytes_init(&frame);
    bytes_init(&names);
    forward_append(&frame, &names, &a);
    forward_append(&frame, &names, &b);
    items = frame.len;
    bytes_append(&frame, names.base, names.len);
    assert_int_equal(forward_begin(slice_in(&frame), &c, &count, &fault), 0);
    forward_names(&c, count, &n);
    assert_int_equal(forward_next(&c, &n, &a, &fault), 1);
    assert_true(slice_is(a.name, "req-1") && !a.urgent);
    assert_int_equal(forward_next(&c, &n, &b, &fault), 1);
    assert_true(b.name.len == 0 && b.urgent && slice_is(b.bytes, "q"));
    assert_int_equal(forward_next(&c, &n, &b, &fault), 0);
    for (len = items + 1; len < frame.len; len++) {
        assert_int_equal(read_all((struct slice){(const char *)frame.base, len}), -1);
    }
    assert_int_equal(read_all(slice_in(&frame)), 2);
    frame.base[items + 2] = '\n'; /* of the name: it would be printed */
    assert_int_equal(read_all(slice_in(&frame)), -1);
    frame.base[items + 2] = 'r';
    frame.base[items] = 2; /* a bit that nobody knows */
    assert_int_equal(read_all(slice_in(&frame)), -1);
    bytes_release(&frame);
    bytes_release(&names);
}

static void test_what_no_node_sends_is_refused(void **state)
{
    struct bytes b;

    (void)state;
    bytes_init(&b);
    add_commands(&b, 1, 2, 3); /* fewer commands than claimed: it would never be complete */
    assert_int_equal(read_all(slice_in(&b)), -1);
    bytes_clear(&b);
    add_commands(&b, 1, 0, 0);
    assert_int_equal(read_all(slice_in(&b)), -1);
    bytes_release(&b);
    expect_refused(&(struct forward){.request = 1,
                                     .kind = TICKET_COMMANDS,
                                     .timeout_ms = 500,
                                     .n_commands = 1,
                                     .bytes = {"\0\0\0\0", 4}}); /* empty one */
    expect_refused(&(struct forward){
        .request = 1, .kind = TICKET_STATUS, .timeout_ms = 500, .n_commands = 0, .bytes = {"", 0}});
    expect_refused(&(struct forward){.request = 1,
                                     .kind = TICKET_TRANSFER,
                                     .timeout_ms = 500,
                                     .n_commands = 0,
                                     .bytes = {"short", 5}});
    expect_refused(&(struct forward){.request = 1,
                                     .kind = TICKET_QUERY,
                                     .timeout_ms = FORWARD_TIMEOUT_MAX_MS + 1,
                                     .n_commands = 0,
                                     .bytes = {"q", 1}});
}

static void test_results_round_trip(void **state)
{
    struct forward_result r = {9, FORWARD_LOST, {NULL, 0}};
    struct forward_result ok = {10, FORWARD_OK, {"out", 3}};
    struct bytes b;
    struct cursor c;
    struct fault fault;
    uint32_t count;

    (void)state;
    bytes_init(&b);
    forward_result_append(&b, &r);
    forward_result_append(&b, &ok);
    assert_int_equal(forward_begin(slice_in(&b), &c, &count, &fault), 0);
    assert_int_equal(count, 2);
    assert_int_equal(forward_result_next(&c, &r, &fault), 1);
    assert_int_equal(r.status, FORWARD_LOST);
    assert_int_equal(forward_result_next(&c, &r, &fault), 1);
    assert_int_equal(r.request, 10);
    assert_true(slice_is(r.bytes, "out"));
    assert_int_equal(forward_result_next(&c, &r, &fault), 0);
    b.base[5 + 8] = FORWARD_NO_ROOM + 1; /* a status that nobody knows */
    assert_int_equal(forward_begin(slice_in(&b), &c, &count, &fault), 0);
    assert_int_equal(forward_result_next(&c, &r, &fault), -1);
    bytes_release(&b);
}

static void test_an_absurd_count_is_refused(void **state)
{
    static const char frame[] = "\1\377\377\377\377";

    (void)state;
    assert_int_equal(read_all((struct slice){frame, 5}), -1);
    assert_int_equal(read_all((struct slice){"\2\0\0\0\0", 5}), -1); /* another version */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_round_trip),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_the_count_carries),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_what_no_node_sends_is_refused),
        cmocka_unit_test(test_results_round_trip),
        cmocka_unit_test(test_an_absurd_count_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
