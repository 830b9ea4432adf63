/* The loop's timer for less than a millisecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "node/short_timer.h"

enum { LONG_US = 3600 * 1000000U }; /* longer than any test */

struct rig {
    uv_loop_t loop;
    struct short_timer timer;
    int fired;
};

static void on_fire(void *context)
{
    ((struct rig *)context)->fired++;
}

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);

    assert_non_null(r);
    assert_int_equal(uv_loop_init(&r->loop), 0);
    assert_int_equal(short_timer_init(&r->timer, &r->loop, on_fire, r), 0);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    short_timer_close(&r->timer);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    free(r);
    return 0;
}

static void fire(struct rig *r, int times)
{
    while (r->fired < times) {
        uv_run(&r->loop, UV_RUN_ONCE);
    }
    assert_int_equal(r->fired, times);
}

static void test_it_fires_when_it_is_due_and_again(void **state)
{
    struct rig *r = *state;
    uint64_t due = now_us() + 300;

    short_timer_set(&r->timer, due);
    fire(r, 1);
    assert_true(now_us() >= due);
    uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->fired, 1);
    short_timer_set(&r->timer, now_us() + 300);
    fire(r, 2);
}

static void test_a_time_that_is_over_fires_at_once(void **state)
{
    struct rig *r = *state;

    short_timer_set(&r->timer, now_us() - 100);
    fire(r, 1);
}

static void test_an_earlier_time_wins(void **state)
{
    struct rig *r = *state;

    short_timer_set(&r->timer, now_us() + LONG_US);
    short_timer_set(&r->timer, now_us() + 100);
    fire(r, 1);
}

static void test_a_later_time_does_not_put_it_off(void **state)
{
    struct rig *r = *state;

    short_timer_set(&r->timer, now_us() + 100);
    short_timer_set(&r->timer, now_us() + LONG_US);
    fire(r, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_it_fires_when_it_is_due_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_time_that_is_over_fires_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_an_earlier_time_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_later_time_does_not_put_it_off, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
