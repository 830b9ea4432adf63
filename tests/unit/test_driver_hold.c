/* The driver on a bench: a leader's checkpoints while other nodes get its state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "consensus/driver_private.h"
#include "consensus/message.h"
#include "consensus/replica_private.h"
#include "tests/sim/rig.h"
#include "tests/unit/replica_host.h"

static const struct slice manifest = {"manifest", 8};

enum { HOLD_MS = 1000, OFFER_AGAIN_MS = 5000 };

static uint64_t first_index(struct rig *rig)
{
    struct cluster_status status = {0};

    driver_status(rig->driver, &status);
    return status.first_index;
}

static void answer(struct rig *rig, uint64_t peer, uint64_t rejected, uint64_t last)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES_RESULT};

    m.append_entries_result.term = driver_term(rig->driver);
    m.append_entries_result.rejected = rejected;
    m.append_entries_result.last_log_index = last;
    assert_int_equal(rig_receive(rig, peer, &m), 0);
}

enum { NO_ENTRY = 999 }; /* rejecting it is late news, and only shows that the peer is there */

/* Only peer 2 and this one are there. */
static void wait_ms(struct rig *rig, unsigned ms, uint64_t peer)
{
    for (; ms > 0; ms -= 100) {
        answer(rig, peer, NO_ENTRY, 0);
        answer(rig, 2, 0, driver_applicable(rig->driver));
        rig_forget_sent(rig);
        rig_pass(rig, 100);
    }
}

/* Entries up to `index`, committed with peer 2. */
static void commit_until(struct rig *rig, uint64_t index)
{
    uint64_t last;

    do {
        assert_int_equal(driver_propose(rig->driver, rig->now_ms, LOG_COMMAND,
                                        (struct slice){"12345678", 8}, &last, &rig->fault),
                         0);
        rig_write_all(rig);
        answer(rig, 2, 0, last);
        rig_forget_sent(rig);
    } while (last < index);
    assert_int_equal(driver_applicable(rig->driver), index);
}

/* ... and all of them are a snapshot then. */
static void work_until(struct rig *rig, uint64_t index)
{
    commit_until(rig, index);
    assert_int_equal(driver_checkpointed(rig->driver, index, manifest, &rig->fault), 0);
    rig_write_all(rig);
}

/* A peer that has no entry `asked_for` is offered the snapshot. */
static void offer(struct rig *rig, uint64_t peer, uint64_t asked_for, uint64_t index)
{
    struct raft_message m;

    rig_forget_sent(rig);
    answer(rig, peer, asked_for, 0);
    assert_true(rig_last(rig, RAFT_INSTALL_SNAPSHOT, &m));
    assert_int_equal(m.server_id, peer);
    assert_int_equal(m.install_snapshot.last_index, index);
    message_release(&m);
}

static void lead(struct rig *rig, unsigned members, unsigned hold_ms)
{
    rig_init(rig, 1, members, MUTANT_NONE);
    rig->hold_ms = hold_ms;
    assert_int_equal(rig_open(rig), 0);
    rig_elect(rig);
    work_until(rig, 8);
    assert_int_equal(first_index(rig), 6);
}

/* Checkpoints go on while it fetches, and behind that what it needs is there still. */
static void test_the_log_is_kept_under_a_copy(void **state)
{
    struct rig rig;
    struct raft_message m;

    (void)state;
    lead(&rig, 3, HOLD_MS);
    offer(&rig, 3, 1, 8);
    driver_copying(rig.driver, rig.now_ms, 3, true);
    work_until(&rig, 20);
    work_until(&rig, 30);
    assert_int_equal(first_index(&rig), 8);
    wait_ms(&rig, HOLD_MS - 100, 3);
    driver_copying(rig.driver, rig.now_ms, 3, false);
    wait_ms(&rig, HOLD_MS - 100, 3);
    work_until(&rig, 40);
    assert_int_equal(first_index(&rig), 8);

    rig_forget_sent(&rig);
    answer(&rig, 3, 0, 8); /* installed; the core goes on from where it is itself */
    answer(&rig, 3, 30, 8);
    assert_true(rig_last(&rig, RAFT_APPEND_ENTRIES, &m));
    assert_int_equal(m.server_id, 3);
    assert_int_equal(m.append_entries.prev_log_index, 8);
    assert_int_equal(m.append_entries.n_entries, 32);
    message_release(&m);
    work_until(&rig, 41);
    assert_int_equal(first_index(&rig), 8); /* it is catching up */
    answer(&rig, 3, 0, 41);
    work_until(&rig, 42);
    assert_int_equal(first_index(&rig), 40); /* it has caught up */
    rig_release(&rig);
}

/* For longer than a silent peer is waited for, as long as it moves; and only what it has not yet.
 */
static void test_the_log_is_kept_for_one_that_catches_up(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 3, HOLD_MS);
    offer(&rig, 3, 1, 8);
    driver_copying(rig.driver, rig.now_ms, 3, true);
    work_until(&rig, 60);
    answer(&rig, 3, 0, 8);
    wait_ms(&rig, HOLD_MS - 100, 3);
    answer(&rig, 3, 0, 20);
    wait_ms(&rig, HOLD_MS - 100, 3);
    work_until(&rig, 70);
    assert_int_equal(first_index(&rig), 20);
    wait_ms(&rig, 100, 3); /* it answers, and does not move */
    work_until(&rig, 80);
    assert_int_equal(first_index(&rig), 78);
    rig_release(&rig);
}

/* Also when nothing at all trails: the entry of the snapshot itself, which the core asks for. */
static void test_the_log_is_kept_under_a_copy_with_nothing_trailing(void **state)
{
    struct rig rig;
    struct raft_message m;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig.hold_ms = HOLD_MS;
    rig.trailing = 0;
    assert_int_equal(rig_open(&rig), 0);
    rig_elect(&rig);
    work_until(&rig, 8);
    offer(&rig, 3, 1, 8);
    driver_copying(rig.driver, rig.now_ms, 3, true);
    work_until(&rig, 20);
    rig_forget_sent(&rig);
    answer(&rig, 3, 0, 8);
    assert_true(rig_last(&rig, RAFT_APPEND_ENTRIES, &m));
    assert_int_equal(m.append_entries.prev_log_index, 8);
    assert_int_equal(m.append_entries.n_entries, 12);
    message_release(&m);
    rig_release(&rig);
}

static void test_a_silent_peer_does_not_hold_the_log(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 3, HOLD_MS);
    offer(&rig, 3, 1, 8); /* and it never asks */
    work_until(&rig, 20);
    assert_int_equal(first_index(&rig), 8);
    wait_ms(&rig, HOLD_MS, 3);
    work_until(&rig, 30);
    assert_int_equal(first_index(&rig), 28);

    driver_copying(rig.driver, rig.now_ms, 3, true); /* offered long ago */
    work_until(&rig, 40);
    assert_int_equal(first_index(&rig), 38);
    rig_release(&rig);
}

static void test_who_asks_late_is_held_the_log_that_is_there(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 3, HOLD_MS);
    offer(&rig, 3, 1, 8);
    wait_ms(&rig, HOLD_MS, 3);
    driver_copying(rig.driver, rig.now_ms, 3, true);
    work_until(&rig, 20);
    assert_int_equal(first_index(&rig), 8);
    rig_release(&rig);
}

static void test_room_comes_before_a_copy(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 3, HOLD_MS);
    offer(&rig, 3, 1, 8);
    driver_copying(rig.driver, rig.now_ms, 3, true);
    driver_short_of_room(rig.driver, true);
    work_until(&rig, 20);
    assert_int_equal(first_index(&rig), 18);
    driver_short_of_room(rig.driver, false);
    work_until(&rig, 30);
    assert_int_equal(first_index(&rig), 28);
    rig_release(&rig);
}

static void wait_offer(struct rig *rig, uint64_t index)
{
    struct raft_message m;

    wait_ms(rig, OFFER_AGAIN_MS, 3);
    assert_true(rig_last(rig, RAFT_INSTALL_SNAPSHOT, &m));
    assert_int_equal(m.install_snapshot.last_index, index);
    message_release(&m);
}

/* Offers that it dropped while it fetched do not count; what it asked for before does not either,
 * once it asks again: a peer that fails each time does not hold the log for ever. */
static void test_a_peer_that_asks_again_moves_its_hold(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 3, 2 * OFFER_AGAIN_MS);
    offer(&rig, 3, 1, 8);
    driver_copying(rig.driver, rig.now_ms, 3, true);
    work_until(&rig, 20);
    wait_offer(&rig, 20);
    work_until(&rig, 30);
    wait_offer(&rig, 30);
    work_until(&rig, 40);
    wait_offer(&rig, 40);
    work_until(&rig, 50);
    assert_int_equal(first_index(&rig), 8); /* offers are all that is heard while it syncs */
    driver_copying(rig.driver, rig.now_ms, 3, true); /* it may have taken the offer of 20 */
    work_until(&rig, 60);
    assert_int_equal(first_index(&rig), 20);
    rig_release(&rig);
}

static void test_offers_that_nobody_takes_hold_no_log(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 3, 2 * OFFER_AGAIN_MS);
    offer(&rig, 3, 1, 8);
    work_until(&rig, 20);
    wait_offer(&rig, 20);
    work_until(&rig, 30);
    assert_int_equal(first_index(&rig), 8);
    wait_offer(&rig, 30);
    work_until(&rig, 40);
    assert_true(first_index(&rig) >= 30);
    rig_release(&rig);
}

static void test_the_earliest_of_two_copies_holds_the_log(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 5, HOLD_MS);
    offer(&rig, 4, 1, 8);
    driver_copying(rig.driver, rig.now_ms, 4, true);
    work_until(&rig, 20);
    offer(&rig, 5, 1, 20);
    driver_copying(rig.driver, rig.now_ms, 5, true);
    work_until(&rig, 30);
    assert_int_equal(first_index(&rig), 8);
    answer(&rig, 4, 0, 30);
    work_until(&rig, 40);
    assert_int_equal(first_index(&rig), 20);
    answer(&rig, 5, 0, 40);
    work_until(&rig, 50);
    assert_int_equal(first_index(&rig), 48);
    rig_release(&rig);
}

/* Its log does not matter to the peer any more. */
static void test_who_does_not_lead_holds_no_log(void **state)
{
    struct rig rig;

    (void)state;
    lead(&rig, 3, HOLD_MS);
    offer(&rig, 3, 1, 8);
    driver_copying(rig.driver, rig.now_ms, 3, true);
    rig_append(&rig, 2, 9, 8, 2, 10, 9, 18);
    rig_write_all(&rig);
    assert_false(driver_is_leader(rig.driver));
    assert_int_equal(driver_checkpointed(rig.driver, 18, manifest, &rig.fault), 0);
    rig_write_all(&rig);
    assert_int_equal(first_index(&rig), 16);
    rig_release(&rig);
}

/* What comes after the older snapshot goes when the newer one's manifest is written. */
static void test_a_snapshot_is_not_offered_when_its_log_goes(void **state)
{
    struct rig rig;
    struct raft_message m;

    (void)state;
    lead(&rig, 3, HOLD_MS);
    commit_until(&rig, 20);
    assert_int_equal(driver_checkpointed(rig.driver, 20, manifest, &rig.fault), 0);
    answer(&rig, 3, 1, 0);
    assert_false(rig_last(&rig, RAFT_INSTALL_SNAPSHOT, &m));
    rig_write_all(&rig);
    answer(&rig, 3, 8, 0); /* it has no entry 8: the core tries again */
    assert_true(rig_last(&rig, RAFT_INSTALL_SNAPSHOT, &m));
    assert_int_equal(m.install_snapshot.last_index, 20);
    message_release(&m);
    rig_release(&rig);
}

static void test_the_driver_hears_of_room(void **state)
{
    struct host *h = host_new(1);
    struct fault fault;

    (void)state;
    assert_int_equal(replica_room(h->replica, true, &fault), 0);
    assert_true(h->replica->driver->short_of_room);
    assert_int_equal(replica_room(h->replica, false, &fault), 0);
    assert_false(h->replica->driver->short_of_room);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_log_is_kept_under_a_copy),
        cmocka_unit_test(test_the_log_is_kept_for_one_that_catches_up),
        cmocka_unit_test(test_the_log_is_kept_under_a_copy_with_nothing_trailing),
        cmocka_unit_test(test_a_silent_peer_does_not_hold_the_log),
        cmocka_unit_test(test_who_asks_late_is_held_the_log_that_is_there),
        cmocka_unit_test(test_room_comes_before_a_copy),
        cmocka_unit_test(test_a_peer_that_asks_again_moves_its_hold),
        cmocka_unit_test(test_offers_that_nobody_takes_hold_no_log),
        cmocka_unit_test(test_the_earliest_of_two_copies_holds_the_log),
        cmocka_unit_test(test_who_does_not_lead_holds_no_log),
        cmocka_unit_test(test_a_snapshot_is_not_offered_when_its_log_goes),
        cmocka_unit_test(test_the_driver_hears_of_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
