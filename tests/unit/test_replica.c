/* One replica, driven by hand: tickets alone, as leader, as follower. What several replicas do
 * together is the simulator's. */
#include "tests/unit/replica_host.h"

#include <stdlib.h>
#include <string.h>

#include "consensus/forward.h"
#include "consensus/message.h"

static void must(int rv, const struct fault *fault)
{
    if (rv != 0) {
        fail_msg("%s", fault->text);
    }
}

static void expect(struct ticket *t, enum ticket_result result)
{
    assert_true(ticket_is_done(t));
    assert_int_equal(t->result, result);
    ticket_release(t);
}

static uint64_t number(struct slice s)
{
    struct cursor c = cursor_of(s.base, s.len);

    return cursor_u64(&c);
}

/* ---- alone ---- */

static void test_commands_are_answered_in_order(void **state)
{
    struct host *h = host_new(1);
    struct ticket *t;
    struct cursor c;
    struct slice outcome;
    unsigned i;

    (void)state;
    host_pump(h);
    host_write_all(h);
    t = host_hand_in(h, TICKET_COMMANDS, 30,
                     "a command"); /* several entries, more than the window */
    host_pump(h);
    assert_false(ticket_is_done(t)); /* proposed, not durable */
    host_write_all(h);
    assert_true(ticket_is_done(t));
    c = cursor_of(t->out.base, t->out.len);
    for (i = 1; i <= 30; i++) {
        assert_true(frame_next(&c, &outcome));
        assert_int_equal(number(outcome), i);
    }
    assert_false(frame_next(&c, &outcome));
    expect(t, RESULT_OK);
    assert_int_equal(h->applied, 7); /* six entries after the first configuration */
    assert_true(replica_idle(h->replica));
    host_free(h);
}

static void test_a_read_waits_for_what_was_proposed_after_it(void **state)
{
    struct host *h = host_new(1);
    struct ticket *read, *stale;

    (void)state;
    host_pump(h);
    host_write_all(h);
    read = host_hand_in(h, TICKET_QUERY, 0, "count");
    stale = host_hand_in(h, TICKET_STALE_QUERY, 0, "count");
    host_pump(h);
    expect(stale, RESULT_OK);
    assert_false(ticket_is_done(read));
    host_write_all(h); /* the barrier */
    assert_int_equal(number((struct slice){(char *)read->out.base, read->out.len}), 0);
    expect(read, RESULT_OK);
    host_free(h);
}

/* A leader that has been replaced may still get the answers to a barrier of before, and would show
 * a state in which what its successor has acknowledged is missing. */
static void test_a_read_waits_for_a_barrier_of_its_own(void **state)
{
    struct host *h = host_new(1);
    struct ticket *first, *second, *t;
    const struct cluster_status *status;

    (void)state;
    host_pump(h);
    host_write_all(h);
    first = host_hand_in(h, TICKET_QUERY, 0, "count");
    host_pump(h); /* its barrier is on its way to the disk */
    second = host_hand_in(h, TICKET_QUERY, 0, "count");
    host_pump(h);
    host_write_all(h);
    expect(first, RESULT_OK);
    expect(second, RESULT_OK);
    t = host_hand_in(h, TICKET_STATUS, 0, "");
    host_pump(h);
    status = (const struct cluster_status *)(void *)t->out.base;
    assert_int_equal(status->barriers, 2);
    expect(t, RESULT_OK);
    host_free(h);
}

static void test_what_is_malformed_is_said_to_be(void **state)
{
    struct host *h = host_new(1);
    struct ticket *fewer = ticket_new(TICKET_COMMANDS), *torn = ticket_new(TICKET_COMMANDS);
    struct ticket *none = ticket_new(TICKET_COMMANDS), *question;

    (void)state;
    host_pump(h);
    host_write_all(h);
    frame_append(&fewer->in, "one", 3);
    fewer->n_commands = 2;
    frame_append(&torn->in, "one", 3);
    torn->in.len--;
    torn->n_commands = 1;
    gate_hand_in(h->gate, fewer, 1000);
    gate_hand_in(h->gate, torn, 1000);
    gate_hand_in(h->gate, none, 1000);
    question = host_hand_in(h, TICKET_STALE_QUERY, 0, "what?");
    host_pump(h);
    host_write_all(h);
    expect(fewer, RESULT_MALFORMED);
    expect(torn, RESULT_MALFORMED);
    expect(none, RESULT_MALFORMED);
    expect(question, RESULT_MALFORMED);
    assert_int_equal(h->count, 0);
    host_free(h);
}

static void test_a_status_is_answered_at_once(void **state)
{
    struct host *h = host_new(1);
    struct ticket *t = host_hand_in(h, TICKET_STATUS, 0, "");
    const struct cluster_status *status;

    (void)state;
    host_pump(h);
    assert_true(ticket_is_done(t));
    status = (const struct cluster_status *)(void *)t->out.base;
    assert_int_equal(status->node_id, 1);
    assert_int_equal(status->n_members, 1);
    assert_string_equal(status->state, "leader");
    expect(t, RESULT_OK);
    host_free(h);
}

/* What was applied when the process began came from the last durable checkpoint. */
static void test_a_status_knows_the_checkpoint_of_an_earlier_life(void **state)
{
    struct host *h = host_new(1);
    const struct cluster_status *status;
    struct ticket *t;

    (void)state;
    host_pump(h);
    host_write_all(h);
    assert_true(h->applied > 0);
    host_stop(h);
    host_start(h, 8);
    t = host_hand_in(h, TICKET_STATUS, 0, "");
    host_pump(h);
    assert_true(ticket_is_done(t));
    status = (const struct cluster_status *)(void *)t->out.base;
    assert_int_equal(status->checkpoint_index, h->applied);
    expect(t, RESULT_OK);
    host_free(h);
}

static void test_closing_says_what_is_certain(void **state)
{
    struct host *h = host_new(1);
    struct ticket *logged = host_hand_in(h, TICKET_COMMANDS, 1, "a"), *queued;

    (void)state;
    host_pump(h);
    queued = host_hand_in(h, TICKET_COMMANDS, 1, "b");
    host_free(h); /* with one proposed and one in the gate */
    expect(logged, RESULT_UNKNOWN);
    expect(queued, RESULT_UNAVAILABLE);
}

static void test_a_state_ahead_of_the_log_is_refused(void **state)
{
    struct host *h = host_new(1);

    (void)state;
    host_stop(h);
    h->applied = 50;
    {
        struct log_identity identity = {"test", 1};
        struct replica_options o;
        struct replica *r;
        struct fault fault;
        host_state_options(h, &o);
        must(log_open(&h->log, &h->files, &identity, &host_log_options, NULL, &fault), &fault);
        assert_int_equal(replica_open(&r, &o, h->log, &fault), -1);
        assert_non_null(strstr(fault.text, "lost its end"));
        log_close(h->log);
    }
    sim_disk_free(h->disk);
    free(h);
}

/* ---- as follower of node 2 ---- */

/* The n-th forward in what was sent (0: the newest frame's first); takes the frames away. */
static bool take_forward(struct host *h, uint64_t peer, struct forward *f)
{
    struct cursor c, names;
    struct fault fault;
    uint32_t count;
    size_t i = h->n_sent;

    while (i-- > 0) {
        if (h->sent[i].kind == FRAME_FORWARD && h->sent[i].peer == peer) {
            struct slice frame = {(char *)h->sent[i].bytes.base, h->sent[i].bytes.len};
            assert_int_equal(forward_begin(frame, &c, &count, &fault), 0);
            forward_names(&c, count, &names);
            assert_int_equal(forward_next(&c, &names, f, &fault), 1);
            return true;
        }
    }
    return false;
}

static void answer(struct host *h, uint64_t peer, uint64_t request, enum forward_status status,
                   uint64_t outcome)
{
    struct forward_result r = {request, status, {NULL, 0}};
    struct bytes one, out, frame;
    struct fault fault;

    bytes_init(&one);
    bytes_init(&out);
    bytes_init(&frame);
    bytes_append_u64(&one, outcome);
    frame_append(&out, one.base, one.len);
    if (status == FORWARD_OK) {
        r.bytes = (struct slice){(char *)out.base, out.len};
    }
    forward_result_append(&frame, &r);
    must(replica_frame(h->replica, peer, FRAME_FORWARD_RESULT,
                       (struct slice){(char *)frame.base, frame.len}, &fault),
         &fault);
    host_pump(h);
    bytes_release(&one);
    bytes_release(&out);
    bytes_release(&frame);
}

static void test_work_goes_to_the_leader_and_comes_back(void **state)
{
    struct host *h = host_new(3);
    struct ticket *t = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    struct forward f;

    (void)state;
    host_pump(h);
    assert_int_equal(h->n_sent, 0); /* nobody leads yet */
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &f));
    assert_int_equal(f.kind, TICKET_COMMANDS);
    answer(h, 3, f.request, FORWARD_OK, 5); /* from somebody who was not asked */
    assert_false(ticket_is_done(t));
    answer(h, 2, f.request + 1, FORWARD_OK, 5); /* to another question */
    assert_false(ticket_is_done(t));
    answer(h, 2, f.request, FORWARD_OK, 42);
    assert_int_equal(t->out.len, 12);
    expect(t, RESULT_OK);
    host_free(h);
}

static void test_lost_work_is_repeated(void **state)
{
    struct host *h = host_new(3);
    struct ticket *t = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    struct forward first, second;

    (void)state;
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &first));
    host_forget_sent(h);
    answer(h, 2, first.request, FORWARD_LOST, 0);
    host_heartbeat(h, 3, 2); /* another leader */
    assert_true(take_forward(h, 3, &second));
    assert_true(second.request != first.request);
    answer(h, 2, first.request, FORWARD_OK, 1); /* too late */
    assert_false(ticket_is_done(t));
    h->refuses = true;
    answer(h, 3, second.request, FORWARD_NOT_LEADER, 0);
    h->now_ms += HOST_TIMEOUT_MS + 500; /* over its deadline: it may be in the first leader's log */
    host_pump(h);
    expect(t, RESULT_UNKNOWN);
    host_free(h);
}

/* Work for several frames, of which only the first finds room: its answer counts all the same. */
static void test_the_first_of_several_frames_is_answered(void **state)
{
    enum { TICKETS = 3, COMMANDS = 2000 };
    char text[401];
    struct host *h = host_new(3);
    struct ticket *tickets[TICKETS];
    struct forward first;
    unsigned i;

    (void)state;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (i = 0; i < TICKETS; i++) { /* 800 KB each: two fill a frame */
        tickets[i] = host_hand_in(h, TICKET_COMMANDS, COMMANDS, text);
    }
    host_pump(h);
    h->takes = 2; /* the answer to the heartbeat, and one frame of work */
    host_heartbeat(h, 2, 1);
    assert_true(h->refuses);
    assert_true(take_forward(h, 2, &first));
    answer(h, 2, first.request, FORWARD_OK, 1);
    expect(tickets[0], RESULT_OK);
    for (i = 1; i < TICKETS; i++) {
        assert_false(ticket_is_done(tickets[i]));
        ticket_give_up(tickets[i]);
        ticket_release(tickets[i]);
    }
    host_free(h);
}

/* The leader's answer went down with its own connection, while ours to it is whole. */
static void test_an_answer_that_was_lost_is_asked_for_again(void **state)
{
    struct host *h = host_new(3);
    struct ticket *t = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    struct forward first, second;

    (void)state;
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &first));
    host_forget_sent(h);
    replica_lost(h->replica, 3); /* somebody else's connection */
    host_pump(h);
    assert_false(take_forward(h, 2, &second));
    replica_lost(h->replica, 2);
    host_pump(h);
    assert_true(take_forward(h, 2, &second));
    assert_true(second.request != first.request);
    answer(h, 2, second.request, FORWARD_OK, 1);
    expect(t, RESULT_OK);
    host_free(h);
}

static void test_what_never_left_is_certainly_not_applied(void **state)
{
    struct host *h = host_new(3);
    struct ticket *refused = host_hand_in(h, TICKET_COMMANDS, 1, "a"), *unsent;
    struct forward f;

    (void)state;
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &f));
    answer(h, 2, f.request, FORWARD_OVERLOADED, 0);
    expect(refused, RESULT_OVERLOADED);
    h->refuses = true;
    unsent = host_hand_in(h, TICKET_COMMANDS, 1, "b");
    host_pump(h);
    h->now_ms += HOST_TIMEOUT_MS + 500;
    host_pump(h);
    expect(unsent, RESULT_UNAVAILABLE);
    host_free(h);
}

/* Nearly full disks: writes are refused, reads are not, and it ends when there is room. */
static void test_without_room_only_reads_go_on(void **state)
{
    struct host *h = host_new(1);
    struct ticket *write, *read;
    struct fault fault;

    (void)state;
    host_pump(h);
    host_write_all(h);
    must(replica_room(h->replica, true, &fault), &fault);
    write = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    read = host_hand_in(h, TICKET_QUERY, 0, "count");
    host_pump(h);
    expect(write, RESULT_NO_ROOM);
    host_write_all(h);
    expect(read, RESULT_OK);
    must(replica_room(h->replica, false, &fault), &fault);
    write = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    host_pump(h);
    host_write_all(h);
    expect(write, RESULT_OK);
    assert_int_equal(h->count, 1);
    host_free(h);
}

/* What a log may hold is never said to be refused. */
static void test_a_leader_without_room_refuses_only_what_is_new(void **state)
{
    struct host *h = host_new(3);
    struct ticket *t = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    struct forward f;

    (void)state;
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &f));
    answer(h, 2, f.request, FORWARD_NO_ROOM, 0);
    expect(t, RESULT_NO_ROOM);
    t = host_hand_in(h, TICKET_COMMANDS, 1, "b");
    host_pump(h);
    assert_true(take_forward(h, 2, &f));
    replica_lost(h->replica, 2);
    host_pump(h);
    assert_true(take_forward(h, 2, &f));
    answer(h, 2, f.request, FORWARD_NO_ROOM, 0);
    assert_false(ticket_is_done(t));
    h->now_ms += HOST_TIMEOUT_MS + 500;
    host_pump(h);
    expect(t, RESULT_UNKNOWN);
    host_free(h);
}

/* A loop that is woken at once, again and again, is a processor lost. */
static void test_waiting_does_not_spin(void **state)
{
    struct host *h = host_new(3);
    struct ticket *t = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    struct forward f;

    (void)state;
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &f));
    answer(h, 2, f.request, FORWARD_NOT_LEADER, 0); /* wait a little */
    h->disconnected = true;
    h->now_ms += 25; /* longer than the little while */
    host_pump(h);
    assert_false(ticket_is_done(t));
    assert_true(replica_deadline_ms(h->replica) > h->now_ms);
    ticket_release(t);
    host_free(h);
}

/* The leader may still answer what an earlier life of this process asked. */
static void test_numbers_are_not_used_again_after_a_restart(void **state)
{
    struct host *h = host_new(3);
    struct ticket *t = host_hand_in(h, TICKET_COMMANDS, 1, "a");
    struct forward before, after;

    (void)state;
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &before));
    host_stop(h);
    ticket_release(t);
    h->wall_ms += 40;
    host_start(h, 7); /* even with the same seed */
    t = host_hand_in(h, TICKET_COMMANDS, 1, "b");
    host_heartbeat(h, 2, 1);
    assert_true(take_forward(h, 2, &after));
    assert_true(after.request != before.request);
    answer(h, 2, before.request, FORWARD_OK, 1);
    assert_false(ticket_is_done(t));
    ticket_release(t);
    host_free(h);
}

static void install(struct host *h, uint64_t index)
{
    char data[] = "manifest";
    struct raft_message m = {.type = RAFT_INSTALL_SNAPSHOT};
    struct bytes b;
    struct fault fault;

    m.install_snapshot.term = 1;
    m.install_snapshot.last_index = index;
    m.install_snapshot.last_term = 1;
    m.install_snapshot.conf_index = 1;
    m.install_snapshot.data.base = data;
    m.install_snapshot.data.len = 8;
    raft_configuration_init(&m.install_snapshot.conf);
    raft_configuration_add(&m.install_snapshot.conf, 1, "127.0.0.1:1", RAFT_VOTER);
    raft_configuration_add(&m.install_snapshot.conf, 2, "127.0.0.1:2", RAFT_VOTER);
    bytes_init(&b);
    message_encode(&m, &b);
    must(replica_frame(h->replica, 2, FRAME_RAFT, (struct slice){(char *)b.base, b.len}, &fault),
         &fault);
    bytes_release(&b);
    raft_configuration_close(&m.install_snapshot.conf);
    host_pump(h);
    host_write_all(h);
}

/* The copy that was fetched ended at 9, the snapshot that it was for much earlier, and this leader
 * has nothing newer than 7 yet: it may need this node to get there. */
static void test_a_state_that_is_here_is_not_fetched(void **state)
{
    struct host *h = host_new(3);
    struct cluster_status status;

    (void)state;
    host_stop(h);
    h->applied = 9;
    h->state_may_lead = true;
    host_start(h, 8);
    install(h, 7);
    replica_status(h->replica, &status);
    assert_int_equal(h->fetches, 0);
    assert_int_equal(status.last_index, 7);
    assert_int_equal(status.applied_index, 9);
    install(h, 20);
    assert_int_equal(h->fetches, 1);
    host_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands_are_answered_in_order),
        cmocka_unit_test(test_a_read_waits_for_what_was_proposed_after_it),
        cmocka_unit_test(test_a_read_waits_for_a_barrier_of_its_own),
        cmocka_unit_test(test_what_is_malformed_is_said_to_be),
        cmocka_unit_test(test_a_status_is_answered_at_once),
        cmocka_unit_test(test_a_status_knows_the_checkpoint_of_an_earlier_life),
        cmocka_unit_test(test_closing_says_what_is_certain),
        cmocka_unit_test(test_a_state_ahead_of_the_log_is_refused),
        cmocka_unit_test(test_work_goes_to_the_leader_and_comes_back),
        cmocka_unit_test(test_lost_work_is_repeated),
        cmocka_unit_test(test_the_first_of_several_frames_is_answered),
        cmocka_unit_test(test_an_answer_that_was_lost_is_asked_for_again),
        cmocka_unit_test(test_what_never_left_is_certainly_not_applied),
        cmocka_unit_test(test_without_room_only_reads_go_on),
        cmocka_unit_test(test_a_leader_without_room_refuses_only_what_is_new),
        cmocka_unit_test(test_waiting_does_not_spin),
        cmocka_unit_test(test_numbers_are_not_used_again_after_a_restart),
        cmocka_unit_test(test_a_state_that_is_here_is_not_fetched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
