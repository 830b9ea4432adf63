/* The driver on a bench: restart, checkpoints, installs, transfer. The guards have scripts of their
 * own (tests/sim/guards.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/sim/rig.h"

static const struct slice manifest = {"manifest", 8};

static void test_a_new_node_waits_as_follower(void **state)
{
    struct rig rig;
    struct raft_message m;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    assert_int_equal(rig_open(&rig), 0);
    assert_false(driver_is_leader(rig.driver));
    assert_int_equal(driver_leader(rig.driver), 0);
    assert_int_equal(driver_term(rig.driver), 1);
    assert_int_equal(rig.n_sent, 0);
    assert_true(driver_deadline_ms(rig.driver) > rig.now_ms);
    rig_pass(&rig, 2000);
    assert_true(rig_last(&rig, RAFT_REQUEST_VOTE, &m)); /* and then asks, term untouched */
    assert_true(m.request_vote.pre_vote);
    assert_int_equal(driver_term(rig.driver), 1);
    rig_release(&rig);
}

static void test_one_alone_leads_at_once(void **state)
{
    struct rig rig;
    uint64_t index;

    (void)state;
    rig_init(&rig, 1, 1, MUTANT_NONE);
    assert_int_equal(rig_open(&rig), 0);
    assert_true(driver_is_leader(rig.driver));
    assert_int_equal(driver_propose(rig.driver, rig.now_ms, LOG_COMMAND,
                                    (struct slice){"12345678", 8}, &index, &rig.fault),
                     0);
    assert_int_equal(index, 2);
    assert_true(driver_applicable(rig.driver) < 2); /* not durable yet */
    rig_write_all(&rig);
    assert_int_equal(driver_applicable(rig.driver), 2);
    rig_release(&rig);
}

static void test_followers_refuse_to_propose(void **state)
{
    struct rig rig;
    uint64_t index = 99;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    assert_int_equal(rig_open(&rig), 0);
    assert_int_equal(driver_propose(rig.driver, rig.now_ms, LOG_COMMAND,
                                    (struct slice){"12345678", 8}, &index, &rig.fault),
                     0);
    assert_int_equal(index, 0);
    rig_release(&rig);
}

static void test_a_restart_finds_term_and_entries(void **state)
{
    struct rig rig;
    struct log_entry e;
    uint64_t term;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    rig_append(&rig, 2, 5, 1, 1, 3, 5, 4);
    rig_write_all(&rig);
    assert_int_equal(driver_applicable(rig.driver), 4);
    rig_crash(&rig);
    assert_int_equal(rig_open(&rig), 0);
    term = driver_term(rig.driver);
    assert_int_equal(term, 5);
    assert_int_equal(driver_entry(rig.driver, 4, &e, &rig.fault), 0); /* from the log */
    assert_int_equal(e.term, 5);
    rig_append(&rig, 2, 5, 4, 5, 1, 5, 5);
    rig_write_all(&rig);
    assert_int_equal(driver_applicable(rig.driver), 5);
    rig_release(&rig);
}

static void test_a_checkpoint_becomes_a_snapshot(void **state)
{
    struct rig rig;
    struct cluster_status status = {0};

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    rig_append(&rig, 2, 1, 1, 1, 9, 1, 8);
    rig_write_all(&rig);
    assert_int_equal(driver_checkpointed(rig.driver, 9, manifest, &rig.fault), 0);
    assert_int_equal(rig_writes(&rig), 0); /* 9 is not committed */
    assert_int_equal(driver_checkpointed(rig.driver, 8, manifest, &rig.fault), 0);
    assert_int_equal(rig_writes(&rig), 1);
    assert_int_equal(driver_checkpointed(rig.driver, 8, manifest, &rig.fault), 0);
    assert_int_equal(rig_writes(&rig), 1); /* one at a time */
    assert_int_equal(driver_snapshot_index(rig.driver), 0);
    rig_write_all(&rig);
    assert_int_equal(driver_snapshot_index(rig.driver), 8);
    driver_status(rig.driver, &status);
    assert_int_equal(status.first_index, 6); /* two entries trail */
    rig_crash(&rig);
    assert_int_equal(rig_open(&rig), 0);
    assert_int_equal(driver_snapshot_index(rig.driver), 8);
    assert_int_equal(driver_applicable(rig.driver), 8); /* what a snapshot holds is committed */
    rig_release(&rig);
}

static void receive_install(struct rig *rig, uint64_t index, uint64_t term)
{
    char data[] = "manifest";
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT};

    m.install_snapshot.term = term;
    m.install_snapshot.last_index = index;
    m.install_snapshot.last_term = 2;
    m.install_snapshot.conf_index = 1;
    m.install_snapshot.data.base = data;
    m.install_snapshot.data.len = 8;
    raft_configuration_init(&m.install_snapshot.conf);
    raft_configuration_add(&m.install_snapshot.conf, 1, "127.0.0.1:1", RAFT_VOTER);
    raft_configuration_add(&m.install_snapshot.conf, 2, "127.0.0.1:2", RAFT_VOTER);
    assert_int_equal(rig_receive(rig, 2, &m), 0);
    raft_configuration_close(&m.install_snapshot.conf);
}

static void test_an_install_fetches_first(void **state)
{
    struct rig rig;
    struct raft_message m;
    struct cluster_status status = {0};

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    receive_install(&rig, 100, 2);
    assert_int_equal(rig.fetch_index, 100);
    assert_int_equal(rig_writes(&rig), 0); /* the core has not heard of it */
    rig.fetch_index = 0;
    receive_install(&rig, 120, 2); /* the leader asks again meanwhile */
    assert_int_equal(rig.fetch_index, 0);
    assert_int_equal(driver_fetched(rig.driver, rig.now_ms, true, &rig.fault), 0);
    rig_write_all(&rig);
    assert_int_equal(driver_snapshot_index(rig.driver), 100);
    assert_int_equal(driver_applicable(rig.driver), 100);
    assert_true(rig_last(&rig, RAFT_APPEND_ENTRIES_RESULT, &m));
    assert_int_equal(m.append_entries_result.last_log_index, 100);
    rig_append(&rig, 2, 2, 100, 2, 2, 2, 102); /* and goes on from there */
    rig_write_all(&rig);
    assert_int_equal(driver_applicable(rig.driver), 102);
    rig_crash(&rig);
    assert_int_equal(rig_open(&rig), 0);
    driver_status(rig.driver, &status);
    assert_int_equal(status.first_index, 101);
    assert_int_equal(status.last_index, 102);
    rig_release(&rig);
}

/* Members 2 and 3 alone, from the leader 2 of term 1, at index 2: not committed. */
static void receive_removal(struct rig *rig)
{
    struct raft_configuration members;
    struct raft_entry change = {.term = 1, .type = RAFT_CHANGE};
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES};

    raft_configuration_init(&members);
    raft_configuration_add(&members, 2, "127.0.0.1:2", RAFT_VOTER);
    raft_configuration_add(&members, 3, "127.0.0.1:3", RAFT_VOTER);
    assert_int_equal(raft_configuration_encode(&members, &change.buf), 0);
    raft_configuration_close(&members);
    m.append_entries.term = 1;
    m.append_entries.prev_log_index = 1;
    m.append_entries.prev_log_term = 1;
    m.append_entries.leader_commit = 1;
    m.append_entries.entries = &change;
    m.append_entries.n_entries = 1;
    assert_int_equal(rig_receive(rig, 2, &m), 0);
    rig_write_all(rig);
    raft_free(change.buf.base);
}

/* The log that held it is given up for the state, in whose members this node is. Heartbeats that
 * come while the state is made durable commit the state's index, and nothing of that log. */
static void test_a_discarded_change_is_not_committed_with_an_install(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    receive_removal(&rig);
    assert_int_equal(driver_change(rig.driver), 2);
    receive_install(&rig, 100, 2);
    assert_int_equal(driver_fetched(rig.driver, rig.now_ms, true, &rig.fault), 0);
    assert_true(rig_writes(&rig) > 0);
    rig_append(&rig, 2, 2, 100, 2, 0, 2, 100);
    assert_int_equal(driver_removed(rig.driver), 0);
    rig_write_all(&rig);
    rig_append(&rig, 2, 2, 100, 2, 0, 2, 100);
    assert_int_equal(driver_applicable(rig.driver), 100);
    assert_int_equal(driver_change(rig.driver), 0);
    assert_int_equal(driver_removed(rig.driver), 0);
    rig_release(&rig);
}

static void test_a_failed_fetch_changes_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    receive_install(&rig, 100, 2);
    assert_int_equal(driver_fetched(rig.driver, rig.now_ms, false, &rig.fault), 0);
    assert_int_equal(driver_snapshot_index(rig.driver), 0);
    rig.fetch_index = 0;
    receive_install(&rig, 100, 2); /* the leader asks again */
    assert_int_equal(rig.fetch_index, 100);
    rig_release(&rig); /* in the middle of the fetch */
}

static void test_no_install_while_a_manifest_is_written(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    rig_append(&rig, 2, 2, 1, 1, 9, 2, 8);
    rig_write_all(&rig);
    assert_int_equal(driver_checkpointed(rig.driver, 8, manifest, &rig.fault), 0);
    receive_install(&rig, 100, 2);
    assert_int_equal(rig.fetch_index, 0);
    rig_write_all(&rig);
    receive_install(&rig, 100, 2);
    assert_int_equal(rig.fetch_index, 100);
    assert_int_equal(driver_checkpointed(rig.driver, 8, manifest, &rig.fault), 0);
    assert_int_equal(rig_writes(&rig), 0); /* nor the other way round */
    rig_release(&rig);
}

static void test_transfer(void **state)
{
    struct rig rig;
    uint64_t index;
    bool accepted;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    assert_int_equal(driver_transfer(rig.driver, rig.now_ms, 2, &accepted, &rig.fault), 0);
    assert_false(accepted); /* it does not lead */
    rig_elect(&rig);
    assert_int_equal(driver_transfer(rig.driver, rig.now_ms, 9, &accepted, &rig.fault), 0);
    assert_false(accepted); /* nobody */
    assert_int_equal(driver_transfer(rig.driver, rig.now_ms, 1, &accepted, &rig.fault), 0);
    assert_false(accepted); /* itself */
    assert_int_equal(driver_transfer(rig.driver, rig.now_ms, 2, &accepted, &rig.fault), 0);
    assert_true(accepted);
    assert_true(driver_transferring(rig.driver));
    assert_int_equal(driver_propose(rig.driver, rig.now_ms, LOG_BARRIER,
                                    (struct slice){"12345678", 8}, &index, &rig.fault),
                     0);
    assert_int_equal(index, 0);
    rig_release(&rig);
}

static void test_garbage_is_dropped(void **state)
{
    struct rig rig;
    uint8_t frame[64];
    uint32_t noise = 1;
    size_t i, n;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_open(&rig);
    for (n = 0; n < 20000; n++) {
        for (i = 0; i < sizeof frame; i++) {
            noise = noise * 1664525 + 1013904223;
            frame[i] = (uint8_t)(noise >> 24);
        }
        frame[0] = 1; /* the version, so that it gets further */
        frame[1] %= 8;
        assert_int_equal(driver_receive(rig.driver, rig.now_ms, 2,
                                        (struct slice){(char *)frame, n % sizeof frame},
                                        &rig.fault),
                         0);
    }
    assert_int_equal(driver_term(rig.driver), 1);
    rig_release(&rig);
}

/* What passes its checksum may still be no configuration: written by something else. */
static void test_an_unreadable_configuration_is_named(void **state)
{
    const struct log_entry bad = {3, 1, LOG_CHANGE, (const uint8_t *)"12345678", 8};
    const uint64_t terms[] = {1};
    struct rig rig;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_entries(&rig, terms, 1, 0);
    assert_int_equal(log_append(rig.log, &bad, 1, &rig.fault), 0);
    assert_int_equal(log_sync(rig.log, &rig.fault), 0);
    assert_int_equal(rig_open(&rig), -1);
    assert_non_null(strstr(rig.fault.text, "the configuration at index 3"));
    rig_release(&rig);
}

static void test_a_newer_snapshot_is_not_opened(void **state)
{
    static const uint8_t newer[] = {'F', 'L', 'O', 'R', 'I', 'N', 2, 0, 9, 9, 9, 9, 9, 9, 9, 9};
    const uint64_t terms[] = {1};
    struct log_snapshot snapshot = {.index = 2, .term = 1, .configuration_index = 1};
    struct log_entry first;
    struct rig rig;

    (void)state;
    rig_init(&rig, 1, 3, MUTANT_NONE);
    rig_entries(&rig, terms, 1, 0);
    bytes_init(&snapshot.configuration);
    bytes_init(&snapshot.manifest);
    assert_int_equal(log_read(rig.log, 1, &first, &snapshot.configuration, &rig.fault), 0);
    bytes_append(&snapshot.manifest, newer, sizeof newer);
    assert_int_equal(log_set_snapshot(rig.log, &snapshot, &rig.fault), 0);
    assert_int_equal(rig_open(&rig), -1);
    assert_non_null(strstr(rig.fault.text, "install the newer florin"));
    bytes_release(&snapshot.configuration);
    bytes_release(&snapshot.manifest);
    rig_release(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_node_waits_as_follower),
        cmocka_unit_test(test_one_alone_leads_at_once),
        cmocka_unit_test(test_followers_refuse_to_propose),
        cmocka_unit_test(test_a_restart_finds_term_and_entries),
        cmocka_unit_test(test_a_checkpoint_becomes_a_snapshot),
        cmocka_unit_test(test_an_install_fetches_first),
        cmocka_unit_test(test_a_discarded_change_is_not_committed_with_an_install),
        cmocka_unit_test(test_a_failed_fetch_changes_nothing),
        cmocka_unit_test(test_no_install_while_a_manifest_is_written),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_garbage_is_dropped),
        cmocka_unit_test(test_an_unreadable_configuration_is_named),
        cmocka_unit_test(test_a_newer_snapshot_is_not_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
