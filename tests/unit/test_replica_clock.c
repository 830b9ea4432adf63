/* What time a leader stamps, as the clocks of the others allow. */
#include "tests/unit/replica_host.h"

#include "consensus/replica_private.h"

enum { HOUR_MS = 3600000 };
static const uint64_t YEAR_MS = UINT64_C(365) * 24 * HOUR_MS;

static void say(struct host *h, uint64_t peer, uint64_t wall_ms)
{
    struct fault fault;
    struct bytes frame;

    bytes_init(&frame);
    bytes_append_u8(&frame, 2);
    bytes_append_u8(&frame, 0);
    bytes_append_u64(&frame, wall_ms);
    assert_int_equal(replica_frame(h->replica, peer, FRAME_ROOM,
                                   (struct slice){(const char *)frame.base, frame.len}, &fault),
                     0);
    bytes_release(&frame);
}

static void test_its_own_clock_counts_while_few_were_heard(void **state)
{
    struct host *h = host_new(3);

    (void)state;
    say(h, 2, h->wall_ms - YEAR_MS); /* one of two others: which is right? */
    assert_int_equal(replica_wall_ms(h->replica), h->wall_ms);
    say(h, 9, h->wall_ms - YEAR_MS); /* no voter */
    assert_int_equal(replica_wall_ms(h->replica), h->wall_ms);
    host_free(h);
}

static void test_one_wrong_clock_moves_nothing(void **state)
{
    struct host *h = host_new(3);
    uint64_t right = h->wall_ms;

    (void)state;
    say(h, 2, right - YEAR_MS);
    say(h, 3, right - 20);
    assert_int_equal(replica_wall_ms(h->replica), right);
    say(h, 2, right + YEAR_MS);
    assert_int_equal(replica_wall_ms(h->replica), right);
    host_free(h);
}

static void test_a_clock_that_jumps_ahead_is_held_back(void **state)
{
    struct host *h = host_new(3);
    uint64_t right = h->wall_ms;

    (void)state;
    say(h, 2, right);
    say(h, 3, right - 20);
    h->wall_ms = right + CLOCK_AHEAD_MAX_MS;
    assert_int_equal(replica_wall_ms(h->replica), h->wall_ms);
    h->wall_ms = right + YEAR_MS; /* nobody has said anything since */
    assert_int_equal(replica_wall_ms(h->replica), right + CLOCK_AHEAD_MAX_MS);
    h->now_ms += HOUR_MS;
    h->wall_ms += HOUR_MS;
    assert_int_equal(replica_wall_ms(h->replica), right + CLOCK_AHEAD_MAX_MS + HOUR_MS);
    h->wall_ms = right + HOUR_MS;
    assert_int_equal(replica_wall_ms(h->replica), h->wall_ms);
    host_free(h);
}

/* What a peer of another version says, and what nobody may say. */
static void test_words_of_other_formats(void **state)
{
    struct host *h = host_new(3);
    const char old[] = {1, 1};
    const char newer[] = {3, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    struct fault fault;

    (void)state;
    replica_frame(h->replica, 2, FRAME_ROOM, (struct slice){old, sizeof old}, &fault);
    assert_true(replica_word(h->replica, 2)->short_of_room);
    assert_false(replica_word(h->replica, 2)->has_clock);
    replica_frame(h->replica, 3, FRAME_ROOM, (struct slice){newer, sizeof newer}, &fault);
    say(h, 3, UINT64_MAX);
    assert_null(replica_word(h->replica, 3));
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_own_clock_counts_while_few_were_heard),
        cmocka_unit_test(test_one_wrong_clock_moves_nothing),
        cmocka_unit_test(test_a_clock_that_jumps_ahead_is_held_back),
        cmocka_unit_test(test_words_of_other_formats),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
