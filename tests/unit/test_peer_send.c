/* The sending side of peer links: at once, together, and within bounds. */
#include "tests/unit/peer_rig.h"

/* Small and large ones in all directions, each once and in order. */
static void test_three_talk_a_lot(void **state)
{
    struct rig *rig = rig_new(3);
    uint64_t from, to;
    unsigned i, ups = 0;

    (void)state;
    for (from = 1; from <= 3; from++) {
        for (to = 1; to <= 3; to++) {
            RIG_UNTIL(rig, from == to || rig_up(&rig->nodes[from], to));
        }
    }
    for (from = 1; from <= 3; from++) {
        for (to = 1; to <= 3; to++) {
            for (i = 0; i < 3000 && from != to; i++) {
                assert_true(rig_send(&rig->nodes[from], to, 16 + i % 100));
            }
            assert_true(from == to || rig_send(&rig->nodes[from], to, 5 << 20));
            assert_true(from == to || rig_send(&rig->nodes[from], to, 17));
        }
    }
    assert_false(rig_send(&rig->nodes[1], 2, FRAME_BYTES_MAX + 1));
    for (from = 1; from <= 3; from++) {
        for (to = 1; to <= 3; to++) {
            RIG_UNTIL(rig, from == to || rig->nodes[to].frames[from] == 3002);
            ups += rig->nodes[from].ups[to];
            assert_int_equal(rig->nodes[from].downs[to], 0);
        }
    }
    assert_int_equal(ups, 6);
    assert_true(rig_send(&rig->nodes[1], 2, FRAME_BYTES_MAX));
    RIG_UNTIL(rig, rig->nodes[2].frames[1] == 3003);
    rig_free(rig);
}

/* The first frame is in the socket before send returns; the next ones of the turn go together. */
static void test_at_once_then_together(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];
    struct peer_outbound *out = peer_links_find(one->links, 2)->out;

    (void)state;
    assert_true(rig_send(one, 2, 100));
    assert_int_equal(out->queue.len, 0);
    assert_true(rig_send(one, 2, 100));
    assert_true(rig_send(one, 2, 100));
    assert_int_equal(out->queue.len, 2 * (100 + FRAME_HEADER_BYTES));
    RIG_UNTIL(rig, two->frames[1] == 3);
    assert_true(rig_send(one, 2, 100));
    assert_int_equal(out->queue.len, 0);
    RIG_UNTIL(rig, two->frames[1] == 4);
    rig_free(rig);
}

struct slow_timer {
    uv_timer_t timer;
    uv_prepare_t prepare;
    struct rig_node *node;
    bool sent;
};

static void send_two(struct slow_timer *s)
{
    s->sent = rig_send(s->node, 2, 50) && rig_send(s->node, 2, 50);
    assert_int_equal(uv_backend_timeout(&s->node->rig->loop), 0); /* it will not wait first */
}

static void send_in_timer(uv_timer_t *timer)
{
    send_two(timer->data);
}

static void send_in_prepare(uv_prepare_t *prepare)
{
    send_two(prepare->data);
    uv_prepare_stop(prepare);
}

/* Whatever kind of callback sends, nothing waits in the queue for some later event. */
static void test_sent_from_any_callback(void **state)
{
    struct rig *rig = rig_new_pair();
    struct slow_timer s = {.node = &rig->nodes[1]};
    struct peer_outbound *out = peer_links_find(rig->nodes[1].links, 2)->out;
    int i;

    (void)state;
    uv_timer_init(&rig->loop, &s.timer);
    uv_prepare_init(&rig->loop, &s.prepare);
    s.timer.data = s.prepare.data = &s;
    uv_timer_stop(&rig->tick); /* which would end a wait, and hide it */
    for (i = 0; i < 2; i++) {
        s.sent = false;
        if (i == 0) {
            uv_timer_start(&s.timer, send_in_timer, 0, 0);
        } else {
            uv_prepare_start(&s.prepare, send_in_prepare);
        }
        while (!s.sent) {
            uv_run(&rig->loop, UV_RUN_ONCE);
        }
        /* From 1.45 on libuv runs timers at a turn's end: the flush is then the next turn's, which
         * will not wait (send_two has checked). */
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        assert_int_equal(out->queue.len, 0);
        RIG_UNTIL(rig, rig->nodes[2].frames[1] == 2u * (unsigned)(i + 1));
        assert_int_not_equal(uv_backend_timeout(&rig->loop), 0); /* nor does it spin after */
    }
    uv_close((uv_handle_t *)&s.timer, NULL);
    uv_close((uv_handle_t *)&s.prepare, NULL);
    rig_free(rig);
}

/* A peer that does not read: what is kept for it has a bound, and what was kept is whole. */
static void test_bounded_queue(void **state)
{
    struct rig *rig = rig_new(1);
    struct rig_node *one = &rig->nodes[1];
    struct handshake_self self = raw_self(2);
    struct handshake h;
    int listener = raw_listen(rig, 2), fd;
    uint64_t sent = 0, seen = 0;
    struct frame_decoder d;
    struct frame frame;

    (void)state;
    rig_peers(one, 1u << 2);
    fd = raw_welcome(rig, listener, &self, &h);
    raw_send(fd, h.out, h.out_len);
    RIG_UNTIL(rig, rig_up(one, 2));
    while (rig_send(one, 2, 1 << 20)) {
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        sent++;
        assert_true(sent < 64); /* 16 in the queue, the rest in the kernel */
    }
    assert_true(sent >= 15);
    assert_true(rig_up(one, 2));
    assert_int_equal(rig_said(rig, "no room in the peer's queue"), 1);
    assert_true(peer_links_find(one->links, 2)->out->queue.len <= 16 << 20);

    frame_decoder_init(&d);
    while (seen < sent) {
        uint8_t *base;
        size_t room;
        ssize_t n;

        frame_decoder_space(&d, &base, &room);
        n = recv(fd, base, room, MSG_DONTWAIT);
        assert_true(n > 0 || errno == EAGAIN);
        frame_decoder_filled(&d, n > 0 ? (size_t)n : 0);
        while (frame_decoder_take(&d, &frame)) {
            struct cursor c = cursor_of(frame.payload.base + 8, 8);

            assert_int_equal(cursor_u64(&c), ++seen);
            assert_int_equal(frame.payload.len, 1 << 20);
        }
        assert_int_equal(d.problem, FRAME_GOOD);
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        assert_false(rig->expired);
    }
    assert_true(rig_send(one, 2, 1 << 20));
    frame_decoder_release(&d);
    close(fd);
    close(listener);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_three_talk_a_lot),
        cmocka_unit_test(test_at_once_then_together),
        cmocka_unit_test(test_sent_from_any_callback),
        cmocka_unit_test(test_bounded_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
