/* The limit on what is under way: when it falls, how far, and how it comes back. And the pace of
 * refusals, its other half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "api/pace.h"
#include "consensus/admission.h"

enum { TARGET_MS = 50, MAX = 8000 };

struct queue {
    struct admission admission;
    uint64_t now_ms;
};

static void open_queue(struct queue *q, uint32_t target_ms, uint32_t max)
{
    *q = (struct queue){.now_ms = 1000000};
    admission_init(&q->admission, target_ms, max);
    admission_answered(&q->admission, q->now_ms, 0); /* a window begins */
}

static uint64_t limit(const struct queue *q)
{
    return atomic_load(&q->admission.limit);
}

/* A window with so many under way, all of whose answers took so long. */
static void window(struct queue *q, unsigned under_way, unsigned answers, uint64_t took_ms)
{
    unsigned i;

    admission_note(&q->admission, under_way);
    for (i = 0; i < answers; i++) {
        if (i + 1 == answers) {
            q->now_ms += ADMISSION_WINDOW_MS;
        }
        admission_answered(&q->admission, q->now_ms, took_ms);
    }
}

static void test_quick_answers_leave_it_alone(void **state)
{
    struct queue q;
    int i;

    (void)state;
    open_queue(&q, TARGET_MS, MAX);
    for (i = 0; i < 100; i++) {
        window(&q, 4000, 500, TARGET_MS);
    }
    assert_int_equal(limit(&q), MAX);
    assert_true(admission_admits(&q.admission, MAX - 1));
    assert_false(admission_admits(&q.admission, MAX));
}

static void test_one_slow_window_is_no_overload(void **state)
{
    struct queue q;
    int i;

    (void)state;
    open_queue(&q, TARGET_MS, MAX);
    for (i = 0; i < 10; i++) {
        window(&q, 4000, 500, 3000); /* an election */
        window(&q, 4000, 500, 10);
    }
    assert_int_equal(limit(&q), MAX);
    for (i = 0; i < 10; i++) {
        window(&q, 4000, ADMISSION_SAMPLES_MIN - 1, 3000); /* too few to say anything */
    }
    assert_int_equal(limit(&q), MAX);
}

static void test_it_falls_by_what_is_too_much(void **state)
{
    struct queue q;

    (void)state;
    open_queue(&q, TARGET_MS, MAX);
    window(&q, 1000, 500, 80);
    assert_int_equal(limit(&q), MAX);
    window(&q, 1000, 500, 80); /* of the thousand under way, not of what might have been */
    assert_int_equal(limit(&q), 1000 * 50 / 80);
    window(&q, 625, 500, 5000); /* by no more than half in one go */
    assert_int_equal(limit(&q), 312);
}

/* A cluster that carries 10 tickets a millisecond, and is always offered more than is let in. */
static void test_it_settles_where_the_target_is_met(void **state)
{
    struct queue q;
    uint64_t took = 0;
    int i;

    (void)state;
    open_queue(&q, TARGET_MS, MAX);
    for (i = 0; i < 300; i++) {
        took = limit(&q) / 10;
        window(&q, (unsigned)limit(&q), 1000, took);
        if (i > 20) {
            assert_in_range(took, TARGET_MS / 2, TARGET_MS * 5 / 4);
        }
    }
}

static void test_it_never_falls_below_the_floor_and_comes_back(void **state)
{
    struct queue q;
    int i;

    (void)state;
    open_queue(&q, TARGET_MS, MAX);
    for (i = 0; i < 50; i++) {
        window(&q, MAX, 500, 1000);
    }
    assert_int_equal(limit(&q), ADMISSION_FLOOR);
    for (i = 0; i < 100; i++) {
        window(&q, 1, ADMISSION_SAMPLES_MIN, 1);
    }
    assert_int_equal(limit(&q), MAX);

    open_queue(&q, TARGET_MS, 5); /* a smaller bound than the floor stays */
    for (i = 0; i < 50; i++) {
        window(&q, 5, 500, 1000);
    }
    assert_int_equal(limit(&q), 5);
    open_queue(&q, 0, MAX); /* no target */
    for (i = 0; i < 50; i++) {
        window(&q, MAX, 500, 1000);
    }
    assert_int_equal(limit(&q), MAX);
}

static void test_few_refusals_wait_for_nothing(void **state)
{
    struct pace p = {0};
    uint64_t now_us = 5000000;
    int i;

    (void)state;
    for (i = 0; i < 10; i++) {
        assert_int_equal(pace_refusal_us(&p, now_us), 0);
    }
    for (i = 0; i < 10 * PACE_PER_S; i++) { /* as many as may be, for ten seconds */
        now_us += 1000000 / PACE_PER_S;
        assert_int_equal(pace_refusal_us(&p, now_us), 0);
    }
}

static void test_many_refusals_take_turns(void **state)
{
    struct pace p = {0};
    uint64_t now_us = 5000000, wait_us = 0, before_us;
    int i;

    (void)state;
    for (i = 0; i < 100; i++) {
        before_us = wait_us;
        wait_us = pace_refusal_us(&p, now_us);
        assert_true(wait_us == 0 || wait_us == before_us + 1000000 / PACE_PER_S);
    }
    assert_in_range(wait_us, 80 * 1000000 / PACE_PER_S, 100 * 1000000 / PACE_PER_S);
    for (i = 0; i < 100 * PACE_PER_S; i++) {
        wait_us = pace_refusal_us(&p, now_us);
    }
    assert_int_equal(wait_us, PACE_WAIT_MAX_MS * 1000); /* what Retry-After says, at most */
    now_us += 3 * PACE_WAIT_MAX_MS * 1000;
    assert_int_equal(pace_refusal_us(&p, now_us), 0); /* it is over */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quick_answers_leave_it_alone),
        cmocka_unit_test(test_one_slow_window_is_no_overload),
        cmocka_unit_test(test_it_falls_by_what_is_too_much),
        cmocka_unit_test(test_it_settles_where_the_target_is_met),
        cmocka_unit_test(test_it_never_falls_below_the_floor_and_comes_back),
        cmocka_unit_test(test_few_refusals_wait_for_nothing),
        cmocka_unit_test(test_many_refusals_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
