/* When checkpoints are due: each node at a place of its own in the interval. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "node/checkpointer.h"

enum { INTERVAL = 30000, CYCLE = 4000 };

static const uint64_t start_ms = UINT64_C(1790000000000);

static void test_about_every_interval(void **state)
{
    uint64_t id, wall;

    (void)state;
    for (id = 1; id <= 100; id++) {
        for (wall = start_ms; wall < start_ms + 2 * INTERVAL; wall += 7) {
            uint64_t wait = checkpointer_wait_ms(id, INTERVAL, wall);

            assert_in_range(wait, INTERVAL / 2, INTERVAL + INTERVAL / 2);
            /* Once in its place, a node stays there. */
            assert_int_equal(checkpointer_wait_ms(id, INTERVAL, wall + wait), INTERVAL);
        }
    }
}

/* Any moment, any cycle: the place is reached within one cycle, and is the same place again. */
static void test_turns_come_once_a_cycle(void **state)
{
    uint64_t id, wall;

    (void)state;
    for (id = 1; id <= 100; id++) {
        uint64_t place = (start_ms + checkpointer_turn_ms(id, CYCLE, start_ms)) % CYCLE;

        for (wall = start_ms; wall < start_ms + 2 * CYCLE; wall += 3) {
            uint64_t turn = checkpointer_turn_ms(id, CYCLE, wall);

            assert_in_range(turn, 1, CYCLE);
            assert_int_equal((wall + turn) % CYCLE, place);
        }
    }
}

static void test_nodes_take_turns(void **state)
{
    uint64_t first, a, b;

    (void)state;
    for (first = 1; first < 1000; first++) { /* five ids in a row */
        for (a = first; a < first + 5; a++) {
            for (b = a + 1; b < first + 5; b++) {
                uint64_t at_a = checkpointer_wait_ms(a, INTERVAL, start_ms);
                uint64_t at_b = checkpointer_wait_ms(b, INTERVAL, start_ms);
                uint64_t apart = (at_a + INTERVAL - at_b % INTERVAL) % INTERVAL;

                assert_in_range(apart, INTERVAL / 10, INTERVAL - INTERVAL / 10);
            }
        }
    }
}

/* The smallest interval that the configuration takes, and clocks before any sense. */
static void test_small_numbers(void **state)
{
    uint64_t interval, wall;

    (void)state;
    for (interval = 1; interval <= 200; interval++) {
        for (wall = 0; wall < 400; wall++) {
            assert_in_range(checkpointer_wait_ms(UINT64_MAX, interval, wall), (interval + 1) / 2,
                            interval + interval / 2);
        }
    }
}

/* However near to each other the two limits are. */
static void test_many_changes_wait_for_no_turn(void **state)
{
    (void)state;
    assert_int_equal(checkpointer_urgent_bytes(32, 512), 64);
    assert_int_equal(checkpointer_urgent_bytes(300, 512), 353);
    assert_int_equal(checkpointer_urgent_bytes(100, 101), 100);
    assert_int_equal(checkpointer_urgent_bytes(100, 500), 200);
    assert_true(checkpointer_urgent_bytes(UINT64_MAX / 2, UINT64_MAX) < UINT64_MAX / 4 * 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_about_every_interval),
        cmocka_unit_test(test_turns_come_once_a_cycle),
        cmocka_unit_test(test_nodes_take_turns),
        cmocka_unit_test(test_small_numbers),
        cmocka_unit_test(test_many_changes_wait_for_no_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
