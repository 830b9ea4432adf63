/* When work waits for company, and that it does not wait for longer. */
#include "tests/unit/replica_host.h"

#include "consensus/replica_private.h"

enum { GATHER_US = 500 };

/* Member 1 of so many, which gathers after two that went out together. */
static struct host *gathering(unsigned members)
{
    struct host *h = host_new(members);

    host_stop(h);
    h->gather_us = GATHER_US;
    host_start(h, 8);
    host_pump(h);
    host_write_all(h);
    return h;
}

static struct ticket *bet(struct host *h)
{
    return host_hand_in(h, TICKET_COMMANDS, 1, "a");
}

static void expect(struct ticket *t, enum ticket_result result)
{
    assert_true(ticket_is_done(t));
    assert_int_equal(t->result, result);
    ticket_release(t);
}

static void pump_and_write(struct host *h)
{
    host_pump(h);
    host_write_all(h);
}

static void test_a_lone_client_never_waits(void **state)
{
    struct host *h = gathering(1);
    int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        struct ticket *t = bet(h);
        pump_and_write(h);
        expect(t, RESULT_OK);
    }
    assert_int_equal(h->count, 3);
    host_free(h);
}

static void test_a_leader_waits_after_many(void **state)
{
    struct host *h = gathering(1);
    struct ticket *first = bet(h), *second = bet(h), *third, *read;
    uint64_t due = h->now_ms * 1000 + GATHER_US;

    (void)state;
    pump_and_write(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    h->us = GATHER_US - 1;
    third = bet(h);
    read = host_hand_in(h, TICKET_QUERY, 0, "count");
    pump_and_write(h);
    assert_false(ticket_is_done(third));
    assert_int_equal(replica_gather_until_us(h->replica), due);
    h->us = GATHER_US;
    pump_and_write(h);
    expect(third, RESULT_OK);
    expect(read, RESULT_OK);
    assert_true(replica_gather_until_us(h->replica) == UINT64_MAX);
    host_free(h);
}

/* What came over a link is on the list already. */
static void test_forwarded_work_waits_too(void **state)
{
    struct host *h = gathering(1);
    struct ticket *first = bet(h), *second = bet(h);
    struct work *w;

    (void)state;
    pump_and_write(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    w = work_new(h->replica, TICKET_COMMANDS);
    w->peer = 2;
    w->deadline_ms = h->now_ms + HOST_TIMEOUT_MS;
    w->n_commands = 1;
    frame_append(&w->in, "a", 1);
    w->rest = cursor_of(w->in.base, w->in.len);
    h->replica->forwarded_now = 1;
    h->replica->forwarded_bytes = w->in.len;
    pump_and_write(h);
    assert_int_equal(h->count, 2);
    h->us += GATHER_US;
    pump_and_write(h);
    assert_int_equal(h->count, 3);
    host_free(h);
}

static void test_reads_alone_do_not_gather(void **state)
{
    struct host *h = gathering(1);
    struct ticket *first = host_hand_in(h, TICKET_QUERY, 0, "count");
    struct ticket *second = host_hand_in(h, TICKET_QUERY, 0, "count");
    struct ticket *third;

    (void)state;
    pump_and_write(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    third = host_hand_in(h, TICKET_QUERY, 0, "count");
    pump_and_write(h);
    expect(third, RESULT_OK);
    host_free(h);
}

static void test_a_follower_waits_after_many(void **state)
{
    struct host *h = gathering(3);
    struct ticket *first = bet(h), *second = bet(h), *third;
    size_t sent;

    (void)state;
    host_heartbeat(h, 2, 1);
    assert_true(h->n_sent > 0);
    sent = h->n_sent;
    third = bet(h);
    host_pump(h);
    assert_int_equal(h->n_sent, sent);
    assert_int_equal(replica_gather_until_us(h->replica), h->now_ms * 1000 + GATHER_US);
    h->us += GATHER_US;
    host_pump(h);
    assert_int_equal(h->n_sent, sent + 1);
    ticket_release(first);
    ticket_release(second);
    ticket_release(third);
    host_free(h);
}

/* The clock goes on between the turn that let a ticket wait and the question when the next one is
 * due. Nobody else would wake the loop: the gate has done so for the first that waits. */
static void test_what_waits_is_due_whatever_the_clock_says(void **state)
{
    struct host *h = gathering(1);
    struct ticket *first = bet(h), *second = bet(h), *third;
    uint64_t due = h->now_ms * 1000 + GATHER_US;

    (void)state;
    pump_and_write(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    third = bet(h);
    host_pump(h);
    h->us = GATHER_US + 1;
    assert_int_equal(replica_gather_until_us(h->replica), due);
    pump_and_write(h);
    expect(third, RESULT_OK);
    host_free(h);
}

static void test_a_node_that_stops_does_not_gather(void **state)
{
    struct host *h = gathering(1);
    struct ticket *first = bet(h), *second = bet(h), *third;
    struct fault fault;

    (void)state;
    pump_and_write(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    third = bet(h);
    gate_close(h->gate);
    assert_int_equal(replica_stop(h->replica, &fault), 0);
    pump_and_write(h);
    expect(third, RESULT_OK);
    assert_true(replica_idle(h->replica));
    host_free(h);
}

/* A batch is one ticket: its provider waits for it alone. */
static void test_a_batch_is_one(void **state)
{
    struct host *h = gathering(1);
    struct ticket *batch = host_hand_in(h, TICKET_COMMANDS, 3, "a"), *next;

    (void)state;
    pump_and_write(h);
    expect(batch, RESULT_OK);
    next = bet(h);
    pump_and_write(h);
    expect(next, RESULT_OK);
    host_free(h);
}

/* One entry is full with the first's commands: both groups are of one turn. */
static void test_groups_of_one_turn_count_together(void **state)
{
    struct host *h = gathering(1);
    struct ticket *first = host_hand_in(h, TICKET_COMMANDS, 5, "a command");
    struct ticket *second = host_hand_in(h, TICKET_COMMANDS, 5, "a command"), *third;

    (void)state;
    pump_and_write(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    third = bet(h);
    pump_and_write(h);
    assert_false(ticket_is_done(third));
    h->us = GATHER_US;
    pump_and_write(h);
    expect(third, RESULT_OK);
    host_free(h);
}

/* What is repeated meanwhile goes out at once, and must not put off what waits, again and again. */
static void test_repeats_do_not_put_it_off(void **state)
{
    struct host *h = gathering(3);
    struct ticket *first = bet(h), *second = bet(h), *third;
    uint64_t due = h->now_ms * 1000 + GATHER_US;
    struct cluster_status status;

    (void)state;
    host_heartbeat(h, 2, 1);
    third = bet(h);
    host_pump(h);
    h->us = GATHER_US - 100;
    replica_recall(h->replica);
    host_pump(h);
    assert_int_equal(replica_gather_until_us(h->replica), due);
    h->us = GATHER_US;
    host_pump(h);
    replica_status(h->replica, &status);
    assert_int_equal(status.forwarded, 5); /* two, the same two again, and the third */
    ticket_release(first);
    ticket_release(second);
    ticket_release(third);
    host_free(h);
}

static void test_closing_answers_what_waits(void **state)
{
    struct host *h = gathering(1);
    struct ticket *first = bet(h), *second = bet(h), *third;

    (void)state;
    pump_and_write(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    third = bet(h);
    pump_and_write(h);
    gate_close(h->gate);
    replica_close(h->replica);
    expect(third, RESULT_UNAVAILABLE);
    gate_free(h->gate);
    log_close(h->log);
    h->us = 0;
    host_start(h, 9);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lone_client_never_waits),
        cmocka_unit_test(test_a_leader_waits_after_many),
        cmocka_unit_test(test_forwarded_work_waits_too),
        cmocka_unit_test(test_reads_alone_do_not_gather),
        cmocka_unit_test(test_a_follower_waits_after_many),
        cmocka_unit_test(test_what_waits_is_due_whatever_the_clock_says),
        cmocka_unit_test(test_a_node_that_stops_does_not_gather),
        cmocka_unit_test(test_a_batch_is_one),
        cmocka_unit_test(test_groups_of_one_turn_count_together),
        cmocka_unit_test(test_repeats_do_not_put_it_off),
        cmocka_unit_test(test_closing_answers_what_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
