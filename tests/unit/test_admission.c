/* The limit on what is under way: when it falls, how far, and how it comes back. And the pace of
 * refusals, its other half. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
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
    admission_answered(&q->admission, q->now_ms, 0, 1); /* a window begins */
}

static uint64_t limit(const struct queue *q)
{
    return atomic_load(&q->admission.limit);
}

/* A window with so many under way, all of whose answers took so long; all were handed in since the
 * last one. */
static void window(struct queue *q, unsigned under_way, unsigned answers, uint64_t took_ms)
{
    unsigned i;

    q->now_ms += took_ms;
    admission_note(&q->admission, under_way);
    for (i = 0; i < answers; i++) {
        if (i + 1 == answers) {
            q->now_ms += ADMISSION_WINDOW_MS;
        }
        admission_answered(&q->admission, q->now_ms, took_ms, under_way);
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

/* ---- a cluster that needs delay_ms for whatever comes in, and carries `rate` a millisecond ----
 */

enum { UNDER_WAY_MAX = MAX };

struct cluster {
    struct queue queue;
    unsigned delay_ms, rate;
    uint64_t came_ms[UNDER_WAY_MAX]; /* a ring */
    size_t first, n;
    uint64_t carried, refused, took_ms; /* since they were last set to zero */
};

static struct cluster *open_cluster(unsigned delay_ms, unsigned rate)
{
    struct cluster *c = calloc(1, sizeof *c);

    open_queue(&c->queue, 25, MAX);
    c->delay_ms = delay_ms;
    c->rate = rate;
    return c;
}

static void offer(struct cluster *c, unsigned tickets)
{
    while (tickets-- > 0) {
        if (!admission_admits(&c->queue.admission, c->n)) {
            c->refused++;
            continue;
        }
        c->came_ms[(c->first + c->n++) % UNDER_WAY_MAX] = c->queue.now_ms;
        admission_note(&c->queue.admission, c->n);
    }
}

static void carry(struct cluster *c)
{
    unsigned left = c->rate;

    while (left-- > 0 && c->n > 0 && c->came_ms[c->first] + c->delay_ms <= c->queue.now_ms) {
        uint64_t took_ms = c->queue.now_ms - c->came_ms[c->first];

        admission_answered(&c->queue.admission, c->queue.now_ms, took_ms, c->n);
        c->first = (c->first + 1) % UNDER_WAY_MAX;
        c->n--;
        c->carried++;
        c->took_ms += took_ms;
    }
}

static void run_cluster(struct cluster *c, unsigned ms, unsigned per_ms)
{
    c->carried = c->refused = c->took_ms = 0;
    while (ms-- > 0) {
        offer(c, per_ms);
        carry(c);
        c->queue.now_ms++;
    }
}

/* Nodes far apart, or a slow disk: each commit takes longer than the target, and fewer at once
 * would not be quicker. However the load comes, nobody is refused what the cluster can carry. */
static void test_a_slow_commit_is_no_overload(void **state)
{
    static const unsigned delays[] = {26, 45, 60};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct cluster *c = open_cluster(delays[i], 40);

        run_cluster(c, 20000, 1);
        assert_int_equal(c->refused, 0);
        run_cluster(c, 20000, 20); /* hundreds at once */
        assert_int_equal(c->refused, 0);
        free(c);

        c = open_cluster(delays[i], 40);
        run_cluster(c, 20000, 20); /* from the start, when nobody knows yet */
        run_cluster(c, 5000, 20);
        assert_int_equal(c->refused, 0);
        assert_int_equal(limit(&c->queue), MAX);
        free(c);
    }
}

/* Longer than that nobody should wait: then it is for the operator to say so, by the target. */
static void test_patience_has_an_end(void **state)
{
    struct cluster *c = open_cluster(25 * ADMISSION_TARGETS_MAX + 1, 40);

    (void)state;
    run_cluster(c, 20000, 20);
    assert_int_equal(limit(&c->queue), ADMISSION_FLOOR);
    free(c);
}

/* ... but a queue is, there too. */
static void test_a_queue_is_overload_wherever_it_is(void **state)
{
    static const unsigned delays[] = {1, 20, 45};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof delays / sizeof *delays; i++) {
        struct cluster *c = open_cluster(delays[i], 10);
        unsigned most_ms =
            delays[i] * ADMISSION_PATIENCE > 25 ? delays[i] * ADMISSION_PATIENCE : 25;

        run_cluster(c, 5000, 1);
        run_cluster(c, 3000, 30);
        run_cluster(c, 20000, 30);
        assert_true(c->carried >= 20000 * 10 * 95 / 100);
        assert_in_range(c->took_ms / c->carried, delays[i], most_ms * 5 / 4);
        free(c);
    }
}

/* What waited before the limit fell is no reason to let it fall again: it would end at the floor,
 * and the cluster would idle until it had risen. */
static void test_a_full_queue_is_worked_off_without_idling(void **state)
{
    struct cluster *c = open_cluster(10, 40);
    int i;

    (void)state;
    offer(c, 8000);
    for (i = 0; i < 100; i++) {
        run_cluster(c, 50, 60);
        assert_true(c->carried >= 1500); /* of 2,000 */
    }
    free(c);
}

/* Many at once, and then nobody: the next ones are as welcome. */
static void test_a_burst_is_forgotten(void **state)
{
    struct cluster *c = open_cluster(2, 2);

    (void)state;
    offer(c, 1500);
    run_cluster(c, 1000, 0);
    assert_int_equal(c->n, 0);
    assert_true(limit(&c->queue) < MAX);
    assert_true(limit(&c->queue) > ADMISSION_FLOOR);
    c->queue.now_ms += ADMISSION_SILENCE_MS;
    offer(c, 1);
    run_cluster(c, 10, 0);
    assert_int_equal(limit(&c->queue), MAX);
    free(c);
}

/* A few large batches take long by themselves; and at little load the limit comes back as well. */
static void test_few_are_never_too_many(void **state)
{
    struct queue q;
    int i;

    (void)state;
    open_queue(&q, TARGET_MS, MAX);
    for (i = 0; i < 50; i++) {
        window(&q, ADMISSION_FLOOR, 500, 3000);
    }
    assert_int_equal(limit(&q), MAX);

    open_queue(&q, TARGET_MS, MAX);
    for (i = 0; i < 50; i++) {
        window(&q, MAX, 500, 1000);
    }
    assert_int_equal(limit(&q), ADMISSION_FLOOR);
    for (i = 0; i < 100; i++) {
        window(&q, 1, 2, 1);
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
        cmocka_unit_test(test_a_slow_commit_is_no_overload),
        cmocka_unit_test(test_patience_has_an_end),
        cmocka_unit_test(test_a_queue_is_overload_wherever_it_is),
        cmocka_unit_test(test_a_full_queue_is_worked_off_without_idling),
        cmocka_unit_test(test_a_burst_is_forgotten),
        cmocka_unit_test(test_few_are_never_too_many),
        cmocka_unit_test(test_few_refusals_wait_for_nothing),
        cmocka_unit_test(test_many_refusals_take_turns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
