/* The gate: bounds, order, giving up, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "consensus/admission.h"
#include "consensus/gate.h"

struct loop {
    struct gate *gate;
    uint64_t now_ms;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned wakes;
    bool stop;
};

static void wake(void *context)
{
    struct loop *l = context;

    pthread_mutex_lock(&l->lock);
    l->wakes++;
    pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

static uint64_t now_ms(void *context)
{
    return ((struct loop *)context)->now_ms;
}

static void open_gate_with(struct loop *l, struct gate_options options)
{
    options.node_id = 1;
    options.wake = wake;
    options.now_ms = now_ms;
    options.context = l;
    *l = (struct loop){.now_ms = 100};
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->changed, NULL);
    l->gate = gate_new(&options);
}

static void open_gate(struct loop *l, uint32_t tickets, size_t bytes)
{
    open_gate_with(l, (struct gate_options){.max_tickets = tickets, .max_bytes = bytes});
}

static void close_gate(struct loop *l)
{
    gate_free(l->gate);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->lock);
}

static struct ticket *ticket_with(const char *in)
{
    struct ticket *t = ticket_new(TICKET_COMMANDS);

    bytes_append(&t->in, in, strlen(in));
    return t;
}

static void test_frames(void **state)
{
    struct bytes b;
    struct cursor c;
    struct slice frame;

    (void)state;
    bytes_init(&b);
    frame_append(&b, "one", 3);
    frame_append(&b, "", 0);
    c = cursor_of(b.base, b.len);
    assert_true(frame_next(&c, &frame) && slice_is(frame, "one"));
    assert_true(frame_next(&c, &frame) && frame.len == 0);
    assert_false(frame_next(&c, &frame));
    assert_false(c.failed);
    c = cursor_of(b.base, b.len - 1); /* cut in the second one's length */
    assert_true(frame_next(&c, &frame));
    assert_false(frame_next(&c, &frame));
    assert_true(c.failed);
    bytes_release(&b);
}

static void test_drains_in_order_and_wakes_once(void **state)
{
    struct loop l;
    struct ticket *a = ticket_with("a"), *b = ticket_with("b"), *first;

    (void)state;
    open_gate(&l, 10, 100);
    assert_int_equal(gate_hand_in(l.gate, a, 50), RESULT_OK);
    assert_int_equal(gate_hand_in(l.gate, b, 60), RESULT_OK);
    assert_int_equal(l.wakes, 1);
    first = gate_drain(l.gate);
    assert_ptr_equal(first, a);
    assert_ptr_equal(first->next, b);
    assert_null(b->next);
    assert_null(gate_drain(l.gate));
    assert_int_equal(ticket_deadline_ms(a), 150);
    ticket_done(a, RESULT_OK);
    assert_true(ticket_is_done(a));
    assert_int_equal(a->result, RESULT_OK);
    ticket_done(b, RESULT_REFUSED);
    ticket_release(a);
    ticket_release(b);
    close_gate(&l);
}

static void test_bounds_hold_until_the_answer(void **state)
{
    struct loop l;
    struct ticket *a = ticket_with("12345"), *b = ticket_with("1234"), *c = ticket_with("");
    struct gate_load load;

    (void)state;
    open_gate(&l, 2, 8);
    assert_int_equal(gate_hand_in(l.gate, a, 50), RESULT_OK);
    assert_int_equal(gate_hand_in(l.gate, b, 50), RESULT_OVERLOADED); /* nine bytes */
    assert_int_equal(gate_hand_in(l.gate, c, 50), RESULT_OK);
    assert_int_equal(gate_hand_in(l.gate, b, 50), RESULT_OVERLOADED);
    assert_non_null(gate_drain(l.gate));
    assert_int_equal(gate_hand_in(l.gate, b, 50), RESULT_OVERLOADED); /* drained, not answered */
    ticket_done(a, RESULT_OK);
    assert_int_equal(gate_hand_in(l.gate, b, 50), RESULT_OK);
    gate_load(l.gate, &load);
    assert_int_equal(load.tickets, 2);
    assert_int_equal(load.bytes, 4);
    assert_int_equal(load.refused, 3);
    ticket_done(c, RESULT_OK);
    ticket_release(a);
    ticket_release(c);
    close_gate(&l); /* answers what was never drained */
    assert_true(ticket_is_done(b));
    assert_int_equal(b->result, RESULT_UNAVAILABLE);
    ticket_release(b);
}

/* Windows of tickets that took twice the target: half of them are let in from then on, but what
 * an overload is mended with always is. */
static void test_slow_answers_lower_the_limit(void **state)
{
    enum { N = 1000, TARGET_MS = 50 };
    static struct ticket *waiting[N], *refused;
    struct ticket *status = ticket_new(TICKET_STATUS), *exempt = ticket_new(TICKET_QUERY);
    struct gate_load load;
    struct loop l;
    int round, i;

    (void)state;
    open_gate_with(&l,
                   (struct gate_options){.max_tickets = N, .max_bytes = N, .target_ms = TARGET_MS});
    for (round = 0; round < 3; round++) {
        l.now_ms += ADMISSION_WINDOW_MS;
        for (i = 0; i < N; i++) {
            waiting[i] = ticket_new(TICKET_COMMANDS);
            assert_int_equal(gate_hand_in(l.gate, waiting[i], 5000), RESULT_OK);
        }
        l.now_ms += 2 * TARGET_MS;
        gate_drain(l.gate);
        for (i = 0; i < N; i++) {
            ticket_done(waiting[i], RESULT_OK);
            ticket_release(waiting[i]);
        }
    }
    gate_load(l.gate, &load);
    assert_int_equal(load.limit, N / 2);
    assert_false(gate_refuses(l.gate));
    exempt->exempt = true;
    assert_int_equal(gate_hand_in(l.gate, exempt, 5000), RESULT_OK); /* in nobody's place */
    for (i = 0; i < N / 2; i++) {
        waiting[i] = ticket_new(TICKET_COMMANDS);
        assert_int_equal(gate_hand_in(l.gate, waiting[i], 5000), RESULT_OK);
    }
    assert_true(gate_refuses(l.gate));
    refused = ticket_new(TICKET_QUERY);
    assert_int_equal(gate_hand_in(l.gate, refused, 5000), RESULT_OVERLOADED);
    assert_int_equal(gate_hand_in(l.gate, status, 5000), RESULT_OK);
    gate_load(l.gate, &load);
    assert_int_equal(load.refused, 2);
    gate_drain(l.gate);
    ticket_done(exempt, RESULT_OK);
    assert_true(gate_refuses(l.gate)); /* ... and so it leaves no place */
    ticket_release(exempt);
    for (i = 0; i < N / 2; i++) {
        ticket_done(waiting[i], RESULT_OK);
    }
    ticket_done(status, RESULT_OK);
    close_gate(&l);
    for (i = 0; i < N / 2; i++) {
        ticket_release(waiting[i]);
    }
    ticket_release(refused);
    ticket_release(status);
}

static void test_giving_up_says_what_is_certain(void **state)
{
    struct loop l;
    struct ticket *queued = ticket_with("q"), *entered = ticket_with("e"), *left = ticket_with("l");

    (void)state;
    open_gate(&l, 10, 100);
    gate_hand_in(l.gate, queued, 50);
    gate_hand_in(l.gate, entered, 50);
    gate_hand_in(l.gate, left, 50);
    assert_non_null(gate_drain(l.gate));
    assert_true(ticket_enter(entered));
    assert_true(ticket_enter(entered)); /* a second time is fine */
    assert_true(ticket_enter(left));
    ticket_leave(left);
    assert_int_equal(ticket_give_up(queued), RESULT_UNAVAILABLE);
    assert_int_equal(ticket_give_up(entered), RESULT_UNKNOWN);
    assert_int_equal(ticket_give_up(entered), RESULT_UNKNOWN); /* and stays so */
    assert_int_equal(ticket_give_up(left), RESULT_UNAVAILABLE);
    assert_true(ticket_abandoned(queued));
    assert_false(ticket_enter(queued)); /* it was promised that nothing happened */
    ticket_done(queued, RESULT_OK);
    assert_false(ticket_is_done(queued));
    ticket_done(entered, RESULT_OK);
    ticket_done(left, RESULT_UNKNOWN);
    ticket_release(queued);
    ticket_release(entered);
    ticket_release(left);
    close_gate(&l);
}

static void test_an_answer_beats_giving_up(void **state)
{
    struct loop l;
    struct ticket *t = ticket_with("t");

    (void)state;
    open_gate(&l, 10, 100);
    gate_hand_in(l.gate, t, 50);
    gate_drain(l.gate);
    ticket_enter(t);
    ticket_done(t, RESULT_OK);
    assert_int_equal(ticket_give_up(t), RESULT_OK);
    ticket_release(t);
    close_gate(&l);
}

static void test_abandoned_tickets_are_not_drained(void **state)
{
    struct loop l;
    struct ticket *t = ticket_with("t");
    struct gate_load load;

    (void)state;
    open_gate(&l, 1, 100);
    gate_hand_in(l.gate, t, 50);
    assert_int_equal(ticket_give_up(t), RESULT_UNAVAILABLE);
    assert_null(gate_drain(l.gate));
    gate_load(l.gate, &load);
    assert_int_equal(load.tickets, 0); /* its place is free again */
    ticket_release(t);
    close_gate(&l);
}

static void test_a_closed_gate_refuses(void **state)
{
    struct loop l;
    struct ticket *t = ticket_with("t");

    (void)state;
    open_gate(&l, 1, 100);
    gate_close(l.gate);
    assert_int_equal(gate_submit(l.gate, t, 10000), RESULT_UNAVAILABLE); /* at once */
    ticket_release(t);
    close_gate(&l);
}

static void test_the_view_is_what_was_published(void **state)
{
    struct gate_view view = {.node_id = 1, .leader_id = 3, .applied_seq = 12, .ready = true};
    struct gate_view seen;
    struct loop l;

    (void)state;
    open_gate(&l, 1, 100);
    gate_view(l.gate, &seen);
    assert_int_equal(seen.node_id, 1);
    assert_int_equal(seen.leader_id, 0);
    gate_publish(l.gate, &view);
    gate_view(l.gate, &seen);
    assert_int_equal(seen.leader_id, 3);
    assert_int_equal(seen.applied_seq, 12);
    assert_true(seen.ready);
    close_gate(&l);
}

/* ---- with threads ---- */

enum { WORKERS = 8, PER_WORKER = 200 };

static void *run_loop(void *context)
{
    struct loop *l = context;
    struct ticket *t;
    bool stop = false;

    while (!stop) {
        pthread_mutex_lock(&l->lock);
        while (l->wakes == 0 && !l->stop) {
            pthread_cond_wait(&l->changed, &l->lock);
        }
        l->wakes = 0;
        stop = l->stop;
        pthread_mutex_unlock(&l->lock);
        for (t = gate_drain(l->gate); t != NULL;) {
            struct ticket *next = t->next;
            if (ticket_enter(t)) {
                bytes_append(&t->out, t->in.base, t->in.len);
            }
            ticket_done(t, RESULT_OK);
            t = next;
        }
    }
    return NULL;
}

static void *run_worker(void *context)
{
    struct loop *l = context;
    uintptr_t good = 0;
    int i;

    for (i = 0; i < PER_WORKER; i++) {
        struct ticket *t = ticket_with("hello");
        enum ticket_result result = gate_submit(l->gate, t, i % 10 == 0 ? 0 : 60000);
        if (result == RESULT_OK ? t->out.len == 5 : i % 10 == 0) {
            good++; /* without any time, every answer is fine */
        }
        ticket_release(t);
    }
    return (void *)good;
}

static void test_many_workers(void **state)
{
    pthread_t loop, workers[WORKERS];
    struct loop l;
    void *good;
    int i;

    (void)state;
    open_gate(&l, 100, 10000);
    assert_int_equal(pthread_create(&loop, NULL, run_loop, &l), 0);
    for (i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&workers[i], NULL, run_worker, &l), 0);
    }
    for (i = 0; i < WORKERS; i++) {
        pthread_join(workers[i], &good);
        assert_int_equal((uintptr_t)good, PER_WORKER);
    }
    pthread_mutex_lock(&l.lock);
    l.stop = true;
    pthread_cond_signal(&l.changed);
    pthread_mutex_unlock(&l.lock);
    pthread_join(loop, NULL);
    close_gate(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_drains_in_order_and_wakes_once),
        cmocka_unit_test(test_bounds_hold_until_the_answer),
        cmocka_unit_test(test_slow_answers_lower_the_limit),
        cmocka_unit_test(test_giving_up_says_what_is_certain),
        cmocka_unit_test(test_an_answer_beats_giving_up),
        cmocka_unit_test(test_abandoned_tickets_are_not_drained),
        cmocka_unit_test(test_a_closed_gate_refuses),
        cmocka_unit_test(test_the_view_is_what_was_published),
        cmocka_unit_test(test_many_workers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
