/* The limiter with a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>

#include "api/limiter.h"

static const int64_t SECOND = 1000000000;
static const struct limiter_rule five_then_one_in_two_s = {5, 2000000000};

static int open_limiter(void **state)
{
    if (sodium_init() < 0) {
        return -1;
    }
    *state = limiter_new();
    return 0;
}

static int close_limiter(void **state)
{
    limiter_free(*state);
    return 0;
}

static void a_burst_and_then_one_at_a_time(void **state)
{
    struct slice name = slice_of("alice");
    unsigned wait = 99;
    int64_t now = 1000 * SECOND;
    int i;

    for (i = 0; i < 5; i++) {
        assert_true(
            limiter_may(*state, name, five_then_one_in_two_s, now, &wait)); /* not counted */
        assert_true(limiter_take(*state, name, five_then_one_in_two_s, now, &wait));
        assert_int_equal(wait, 0);
    }
    assert_false(limiter_may(*state, name, five_then_one_in_two_s, now, &wait));
    assert_int_equal(wait, 2);
    assert_false(limiter_take(*state, name, five_then_one_in_two_s, now, &wait));
    assert_int_equal(wait, 2);
    /* A refusal is not counted: the wait does not grow. */
    assert_false(limiter_take(*state, name, five_then_one_in_two_s, now + SECOND / 2, &wait));
    assert_int_equal(wait, 2);
    assert_false(limiter_take(*state, name, five_then_one_in_two_s, now + 2 * SECOND - 1, &wait));
    assert_int_equal(wait, 1);
    assert_true(limiter_take(*state, name, five_then_one_in_two_s, now + 2 * SECOND, &wait));
    assert_false(limiter_take(*state, name, five_then_one_in_two_s, now + 2 * SECOND, &wait));
    /* A long rest fills it up, and not further. */
    now += 1000 * SECOND;
    for (i = 0; i < 5; i++) {
        assert_true(limiter_take(*state, name, five_then_one_in_two_s, now, &wait));
    }
    assert_false(limiter_take(*state, name, five_then_one_in_two_s, now, &wait));
}

static void names_do_not_share(void **state)
{
    unsigned wait;
    int i;

    for (i = 0; i < 6; i++) {
        bool let = limiter_take(*state, slice_of("a"), five_then_one_in_two_s, SECOND, &wait);
        assert_int_equal(let, i < 5);
    }
    assert_true(limiter_take(*state, slice_of("b"), five_then_one_in_two_s, SECOND, &wait));
    assert_true(limiter_take(*state, slice_of(""), five_then_one_in_two_s, SECOND, &wait));
}

/* A flood of other names does not push a spent bucket out while fuller ones lie beside it. */
static void a_flood_takes_the_fullest_first(void **state)
{
    unsigned wait;
    char name[32];
    int i;

    for (i = 0; i < 5; i++) {
        limiter_take(*state, slice_of("guessed"), five_then_one_in_two_s, SECOND, &wait);
    }
    for (i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "n-%d", i);
        assert_true(limiter_take(*state, slice_of(name), five_then_one_in_two_s, SECOND, &wait));
    }
    assert_false(limiter_take(*state, slice_of("guessed"), five_then_one_in_two_s, SECOND, &wait));
}

struct crowd {
    struct limiter *limiter;
    atomic_int let;
};

static void *push(void *context)
{
    const struct limiter_rule rule = {1000, 1000000000};
    struct crowd *c = context;
    unsigned wait;
    int i;

    for (i = 0; i < 1000; i++) {
        c->let += limiter_take(c->limiter, slice_of("door"), rule, SECOND, &wait);
    }
    return NULL;
}

static void a_crowd_gets_no_more(void **state)
{
    struct crowd c = {.limiter = *state};
    pthread_t threads[4];
    size_t i;

    for (i = 0; i < 4; i++) {
        pthread_create(&threads[i], NULL, push, &c);
    }
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(c.let, 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_limiter, close_limiter)
    const struct CMUnitTest tests[] = {
        TEST(a_burst_and_then_one_at_a_time),
        TEST(names_do_not_share),
        TEST(a_flood_takes_the_fullest_first),
        TEST(a_crowd_gets_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
