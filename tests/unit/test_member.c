/* Changes of members: their bytes, and what a leader answers. What several nodes do together is the
 * simulator's. */
#include "tests/unit/replica_host.h"

#include <stdio.h>
#include <string.h>

static struct slice slice_in(const struct bytes *b)
{
    return (struct slice){(const char *)b->base, b->len};
}

static void test_changes_round_trip(void **state)
{
    struct member_change add = {MEMBER_ADD, 7, "node-7.example:7001"};
    struct member_change remove_it = {MEMBER_REMOVE, 8, ""};
    struct member_change got;
    struct fault fault;
    struct bytes b;
    size_t len;

    (void)state;
    bytes_init(&b);
    member_change_encode(&add, &b);
    assert_int_equal(member_change_decode(slice_in(&b), &got, &fault), 0);
    assert_int_equal(got.op, MEMBER_ADD);
    assert_int_equal(got.id, 7);
    assert_string_equal(got.address, add.address);
    for (len = 0; len < b.len; len++) {
        struct slice cut = {(const char *)b.base, len};
        assert_int_equal(member_change_decode(cut, &got, &fault), -1);
    }
    bytes_append_u8(&b, 0);
    assert_int_equal(member_change_decode(slice_in(&b), &got, &fault), -1);
    bytes_clear(&b);
    member_change_encode(&remove_it, &b);
    assert_int_equal(member_change_decode(slice_in(&b), &got, &fault), 0);
    assert_int_equal(got.op, MEMBER_REMOVE);
    b.base[1] = 9; /* no such op */
    assert_int_equal(member_change_decode(slice_in(&b), &got, &fault), -1);
    bytes_release(&b);
}

static void test_addresses_are_checked(void **state)
{
    static const char *const bad[] = {"", "nowhere", "127.0.0.1:0", "a b:1"};
    struct member_change got;
    struct fault fault;
    struct bytes b;
    size_t i;

    (void)state;
    bytes_init(&b);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct member_change c = {.op = MEMBER_ADD, .id = 7};
        snprintf(c.address, sizeof c.address, "%s", bad[i]);
        bytes_clear(&b);
        member_change_encode(&c, &b);
        assert_int_equal(member_change_decode(slice_in(&b), &got, &fault), -1);
    }
    bytes_release(&b);
}

static void test_answers_round_trip(void **state)
{
    struct member_answer a = {MEMBER_NOT_CAUGHT_UP, 5, 900, 0};
    struct member_answer got;
    struct fault fault;
    struct bytes b;

    (void)state;
    bytes_init(&b);
    member_answer_encode(&a, &b);
    assert_int_equal(member_answer_decode(slice_in(&b), &got, &fault), 0);
    assert_int_equal(got.reason, MEMBER_NOT_CAUGHT_UP);
    assert_int_equal(got.match_index, 5);
    assert_int_equal(got.last_index, 900);
    b.base[1] = MEMBER_REFUSALS_END;
    assert_int_equal(member_answer_decode(slice_in(&b), &got, &fault), -1);
    bytes_release(&b);
}

/* ---- one leader ---- */

static struct ticket *ask(struct host *h, enum member_op op, uint64_t id, const char *address)
{
    struct member_change change = {.op = op, .id = id};
    struct ticket *t = ticket_new(TICKET_MEMBER);

    snprintf(change.address, sizeof change.address, "%s", address);
    member_change_encode(&change, &t->in);
    assert_int_equal(gate_hand_in(h->gate, t, HOST_TIMEOUT_MS), RESULT_OK);
    host_pump(h);
    return t;
}

/* 0: done; else the reason of the refusal. */
static int change(struct host *h, enum member_op op, uint64_t id, const char *address)
{
    struct ticket *t = ask(h, op, id, address);
    struct member_answer answer = {.reason = 0};
    struct fault fault;

    host_write_all(h);
    assert_true(ticket_is_done(t));
    if (t->result == RESULT_REFUSED) {
        assert_int_equal(member_answer_decode(slice_in(&t->out), &answer, &fault), 0);
    } else {
        assert_int_equal(t->result, RESULT_OK);
    }
    ticket_release(t);
    return (int)answer.reason;
}

static struct host *leader_alone(void)
{
    struct host *h = host_new(1);

    host_pump(h);
    host_write_all(h);
    return h;
}

static void test_a_leader_judges(void **state)
{
    struct host *h = leader_alone();
    struct cluster_status status;

    (void)state;
    assert_int_equal(change(h, MEMBER_PROMOTE, 4, ""), MEMBER_UNKNOWN);
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), 0);
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), 0); /* asked again */
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:5"), MEMBER_EXISTS);
    assert_int_equal(change(h, MEMBER_ADD, 5, "127.0.0.1:4"), MEMBER_ADDRESS_TAKEN);
    assert_int_equal(change(h, MEMBER_ADD, 3, "127.0.0.1:3"), MEMBER_ID_USED); /* below 4 */
    assert_int_equal(change(h, MEMBER_DEMOTE, 4, ""), 0);
    assert_int_equal(change(h, MEMBER_PROMOTE, 1, ""), 0);
    assert_int_equal(change(h, MEMBER_DEMOTE, 1, ""), MEMBER_LAST_VOTER);
    assert_int_equal(change(h, MEMBER_REMOVE, 1, ""), MEMBER_LAST_VOTER);
    replica_status(h->replica, &status);
    assert_int_equal(status.n_members, 2);
    assert_int_equal(status.members[1].role, MEMBER_STANDBY);
    assert_int_equal(status.change_index, 0);
    assert_int_equal(status.highest_member_id, 4);
    assert_int_equal(change(h, MEMBER_REMOVE, 4, ""), 0);
    assert_int_equal(change(h, MEMBER_REMOVE, 4, ""), MEMBER_UNKNOWN);
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), MEMBER_ID_USED); /* never again */
    host_free(h);
}

static void test_used_ids_survive_a_restart(void **state)
{
    struct host *h = leader_alone();

    (void)state;
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), 0);
    assert_int_equal(change(h, MEMBER_REMOVE, 4, ""), 0);
    host_stop(h);
    host_start(h, 8);
    host_pump(h);
    host_write_all(h);
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), MEMBER_ID_USED);
    assert_int_equal(change(h, MEMBER_ADD, 5, "127.0.0.1:5"), 0);
    host_free(h);
}

static void test_used_ids_survive_a_snapshot(void **state)
{
    struct host *h = leader_alone();
    struct fault fault;
    int i;

    (void)state;
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), 0);
    assert_int_equal(change(h, MEMBER_REMOVE, 4, ""), 0);
    for (i = 0; i < 400; i++) { /* several segments, so that the old ones are cut */
        ticket_release(host_hand_in(h, TICKET_COMMANDS, 1, "a command that fills the log a bit"));
        host_pump(h);
        host_write_all(h);
    }
    assert_int_equal(replica_checkpointed(h->replica, replica_applied_index(h->replica),
                                          slice_of("a manifest"), &fault),
                     0);
    host_write_all(h);
    assert_true(log_first_index(h->log) > 3);
    host_stop(h);
    host_start(h, 8);
    host_pump(h);
    host_write_all(h);
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), MEMBER_ID_USED);
    host_free(h);
}

static void test_promotion_waits_for_the_log(void **state)
{
    struct host *h = leader_alone();
    struct member_answer answer;
    struct ticket *t;
    struct fault fault;
    int i;

    (void)state;
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), 0);
    assert_int_equal(change(h, MEMBER_PROMOTE, 4, ""), MEMBER_NOT_CAUGHT_UP); /* it has nothing */
    for (i = 0; i < 40; i++) {
        ticket_release(host_hand_in(h, TICKET_COMMANDS, 1, "x"));
        host_pump(h);
        host_write_all(h);
    }
    t = ask(h, MEMBER_PROMOTE, 4, "");
    assert_int_equal(t->result, RESULT_REFUSED);
    assert_int_equal(member_answer_decode(slice_in(&t->out), &answer, &fault), 0);
    assert_int_equal(answer.reason, MEMBER_NOT_CAUGHT_UP);
    assert_int_equal(answer.match_index, 0);
    assert_true(answer.last_index >= 40);
    ticket_release(t);
    host_free(h);
}

static void test_one_change_at_a_time(void **state)
{
    struct host *h = leader_alone();
    struct ticket *first, *second;
    struct member_answer answer;
    struct fault fault;

    (void)state;
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), 0);
    first = ask(h, MEMBER_ADD, 5, "127.0.0.1:5"); /* proposed, not durable */
    second = ask(h, MEMBER_ADD, 6, "127.0.0.1:6");
    assert_false(ticket_is_done(first));
    assert_true(ticket_is_done(second));
    assert_int_equal(second->result, RESULT_REFUSED);
    assert_int_equal(member_answer_decode(slice_in(&second->out), &answer, &fault), 0);
    assert_int_equal(answer.reason, MEMBER_BUSY);
    host_write_all(h);
    assert_true(ticket_is_done(first));
    assert_int_equal(first->result, RESULT_OK);
    ticket_release(first);
    ticket_release(second);
    host_free(h);
}

static void test_a_majority_must_be_in_reach(void **state)
{
    struct host *h = leader_alone();

    (void)state;
    assert_int_equal(change(h, MEMBER_ADD, 4, "127.0.0.1:4"), 0);
    h->disconnected = true;
    assert_int_equal(change(h, MEMBER_PROMOTE, 4, ""), MEMBER_NOT_CAUGHT_UP); /* no link */
    host_free(h);
}

static void test_garbage_is_malformed(void **state)
{
    struct host *h = leader_alone();
    struct ticket *t = host_hand_in(h, TICKET_MEMBER, 0, "garbage");

    (void)state;
    host_pump(h);
    assert_true(ticket_is_done(t));
    assert_int_equal(t->result, RESULT_MALFORMED);
    ticket_release(t);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes_round_trip),
        cmocka_unit_test(test_addresses_are_checked),
        cmocka_unit_test(test_answers_round_trip),
        cmocka_unit_test(test_a_leader_judges),
        cmocka_unit_test(test_used_ids_survive_a_restart),
        cmocka_unit_test(test_used_ids_survive_a_snapshot),
        cmocka_unit_test(test_promotion_waits_for_the_log),
        cmocka_unit_test(test_one_change_at_a_time),
        cmocka_unit_test(test_a_majority_must_be_in_reach),
        cmocka_unit_test(test_garbage_is_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
