/* Peer links that work, break and heal. */
#include "tests/unit/peer_rig.h"

#include <netinet/tcp.h>

static void test_two_talk(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];

    (void)state;
    assert_int_equal(one->ups[2], 1);
    assert_int_equal(two->ups[1], 1);
    assert_false(rig_up(one, 3));
    assert_false(rig_send(one, 3, 16));
    assert_false(rig_send(one, 1, 16));
    assert_true(rig_send(one, 2, 16));
    assert_true(rig_send(two, 1, 1000));
    RIG_UNTIL(rig, two->frames[1] == 1 && one->frames[2] == 1);
    rig_free(rig);
}

static void test_a_peer_restarts(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];
    unsigned round;

    (void)state;
    for (round = 1; round <= 3; round++) {
        rig_close(two);
        RIG_UNTIL(rig, one->downs[2] == round && one->losses[2] == round);
        assert_false(rig_send(one, 2, 16));
        rig_open(rig, 2);
        rig_peers(two, 1u << 1);
        RIG_UNTIL(rig, rig_up(one, 2) && rig_up(two, 1));
        assert_true(rig_send(one, 2, 70000));
        assert_true(rig_send(two, 1, 70000));
        RIG_UNTIL(rig, two->got[1] == one->sent[2] && one->got[2] == two->sent[1]);
    }
    rig_free(rig);
}

/* Attempts at a peer that is away grow further apart, and are told once. */
static void test_away(void **state)
{
    struct rig *rig = rig_new(2);
    struct rig_node *one = &rig->nodes[1];
    struct peer_link *link;

    (void)state;
    rig_close(&rig->nodes[2]);
    RIG_UNTIL(rig, !rig_up(one, 2));
    link = peer_links_find(one->links, 2);
    RIG_UNTIL(rig, link->redial_wait_ms >= 800);
    assert_true(rig_said(rig, "peer not reached") <= 1);
    RIG_UNTIL(rig, link->redial_wait_ms == PEER_REDIAL_MAX_MS && link->out == NULL);
    RIG_UNTIL(rig, link->out != NULL || link->redial_at_ms > uv_now(&rig->loop));
    assert_true(link->redial_at_ms <= uv_now(&rig->loop) + PEER_REDIAL_MAX_MS);
    rig_free(rig);
}

/* A peer that dials us is back: it is dialled at once, whatever wait was planned. */
static void test_back_again(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1];
    struct peer_link *link = peer_links_find(one->links, 2);

    (void)state;
    rig_close(&rig->nodes[2]);
    RIG_UNTIL(rig, one->downs[2] == 1);
    RIG_UNTIL(rig, link->out == NULL && uv_now(&rig->loop) >= link->at_once_from_ms);
    link->redial_at_ms = uv_now(&rig->loop) + 3600000;
    peer_links_rearm(one->links);
    rig_open(rig, 2);
    rig_peers(&rig->nodes[2], 1u << 1);
    RIG_UNTIL(rig, rig_up(one, 2));
    rig_free(rig);
}

static void wait_planned(struct rig_node *node, uint64_t peer, bool up)
{
    struct peer_link *link = peer_links_find(node->links, peer);
    uint64_t wait = up ? 0 : link->redial_at_ms - uv_now(&node->rig->loop);

    if (!up && node->downs[peer] == 1) {
        assert_int_equal(wait, 0);
        assert_int_equal(link->at_once_from_ms, uv_now(&node->rig->loop) + PEER_AT_ONCE_EVERY_MS);
        link->at_once_from_ms += 3600000; /* however slow the machine is */
    } else if (!up) {
        assert_int_equal(wait, PEER_REDIAL_FIRST_MS);
    }
}

/* A link that worked is dialled at once; when it breaks again and again, that has an end. */
static void test_redialled_at_once(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];
    unsigned round;

    (void)state;
    one->on_link = wait_planned;
    for (round = 1; round <= 2; round++) {
        peer_inbound_drop(two->links->inbound);
        RIG_UNTIL(rig, one->downs[2] == round);
        RIG_UNTIL(rig, rig_up(one, 2) && two->links->inbound != NULL);
    }
    rig_free(rig);
}

static unsigned socket_option(const uv_tcp_t *tcp, int level, int name)
{
    unsigned value = 0;
    socklen_t len = sizeof value;
    uv_os_fd_t fd;

    assert_int_equal(uv_fileno((const uv_handle_t *)tcp, &fd), 0);
    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

/* What keeps a link quick, and tells when its other end is gone, is set at both ends. */
static void test_socket_options(void **state)
{
    struct rig *rig = rig_new_pair();
    const uv_tcp_t *ends[] = {&peer_links_find(rig->nodes[1].links, 2)->out->tcp,
                              &rig->nodes[1].links->inbound->tcp};
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        assert_int_equal(socket_option(ends[i], IPPROTO_TCP, TCP_NODELAY), 1);
        assert_int_equal(socket_option(ends[i], SOL_SOCKET, SO_KEEPALIVE), 1);
        assert_int_equal(socket_option(ends[i], IPPROTO_TCP, TCP_KEEPIDLE), 5);
        assert_int_equal(socket_option(ends[i], IPPROTO_TCP, TCP_USER_TIMEOUT), 5000);
    }
    rig_free(rig);
}

static void test_a_peer_is_removed(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];

    (void)state;
    assert_true(rig_send(two, 1, 16)); /* on its way while 2 is removed */
    rig_peers(one, 0);
    assert_false(rig_up(one, 2));
    assert_false(rig_send(one, 2, 16));
    RIG_UNTIL(rig, two->downs[1] == 1);
    assert_int_equal(one->frames[2], 0);
    assert_int_equal(one->downs[2], 0); /* who dropped it needs no telling */
    RIG_UNTIL(rig, two->ups[1] == 2);   /* it may come again: as a stranger */
    assert_false(rig_up(one, 2));

    rig_peers(one, 1u << 2);
    RIG_UNTIL(rig, rig_up(one, 2) && rig_up(two, 1));
    assert_true(rig_send(two, 1, 16));
    RIG_UNTIL(rig, one->frames[2] == 1);
    rig_free(rig);
}

/* Removed between its HELLO and its proof. */
static void test_removed_in_the_handshake(void **state)
{
    struct rig *rig = rig_new(2);
    struct handshake_self self = raw_self(3);
    struct handshake h;
    uint8_t challenge[HANDSHAKE_CHALLENGE_BYTES];
    int fd = raw_connect(rig->nodes[1].port);

    (void)state;
    rig_peers(&rig->nodes[1], 1u << 3);
    handshake_begin(&h, HANDSHAKE_DIALLER, &self, 1);
    raw_send(fd, h.out, h.out_len);
    raw_read(rig, fd, challenge, sizeof challenge);
    rig_peers(&rig->nodes[1], 1u << 2);
    RIG_UNTIL(rig, raw_dropped(fd));
    close(fd);
    rig_free(rig);
}

static void test_a_peer_moves(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];
    struct peer_options o = rig_options(rig, 2);
    int raw = raw_listen(rig, 2), fd;

    (void)state;
    /* While it is up: the old connection is dropped, told, and the new address dialled. */
    rig_peers(one, 1u << 2);
    assert_int_equal(one->downs[2], 0);
    assert_false(rig_send(one, 2, 16));
    RIG_UNTIL(rig, one->downs[2] == 1);
    fd = raw_accept(rig, raw);
    /* While it is being dialled. */
    rig_close(two);
    rig_open_with(rig, &o);
    rig_peers(one, 1u << 2);
    rig_peers(two, 1u << 1);
    RIG_UNTIL(rig, rig_up(one, 2) && rig_up(two, 1));
    assert_true(rig_send(one, 2, 16));
    RIG_UNTIL(rig, two->frames[1] == 1);
    close(fd);
    close(raw);
    rig_free(rig);
}

/* Bytes that change on the way: the link is closed, dialled again, and later frames come. */
static void test_corrupt_heals(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];
    uint8_t frame[FRAME_HEADER_BYTES + 5];
    unsigned round;
    uv_os_fd_t fd;

    (void)state;
    for (round = 1; round <= 2; round++) {
        uint64_t got = two->frames[1];

        uv_fileno((uv_handle_t *)&peer_links_find(one->links, 2)->out->tcp, &fd);
        frame_header_write(frame, FRAME_RAFT, slice_of("hello"));
        memcpy(frame + FRAME_HEADER_BYTES, "hEllo", 5);
        raw_send(fd, frame, sizeof frame);
        RIG_UNTIL(rig, one->downs[2] == round && rig_up(one, 2));
        assert_true(rig_send(one, 2, 16));
        RIG_UNTIL(rig, two->frames[1] == got + 1);
    }
    assert_true(rig_said(rig, "frame with a wrong checksum") >= 1);
    assert_int_equal(one->ups[2], 3);
    rig_free(rig);
}

static void drop_all(struct rig_node *node, uint64_t peer)
{
    (void)peer;
    rig_peers(node, 0);
}

static void close_all(struct rig_node *node, uint64_t peer)
{
    (void)peer;
    if (node->links != NULL) {
        rig_begin_close(node);
    }
}

static void close_on_link(struct rig_node *node, uint64_t peer, bool up)
{
    (void)up;
    close_all(node, peer);
}

static void drop_on_link(struct rig_node *node, uint64_t peer, bool up)
{
    (void)up;
    drop_all(node, peer);
}

/* Callbacks may take the ground from under the code that calls them. */
static void test_callbacks_that_change_all(void **state)
{
    unsigned what, i;

    (void)state;
    for (what = 0; what < 2; what++) {
        struct rig *rig = rig_new_pair();

        rig->nodes[2].on_frame = what == 0 ? drop_all : close_all;
        for (i = 0; i < 100; i++) {
            rig_send(&rig->nodes[1], 2, 3000);
        }
        RIG_UNTIL(rig, rig->nodes[1].downs[2] == 1);
        assert_int_equal(rig->nodes[2].frames[1], 1);
        RIG_UNTIL(rig, what == 0 || rig->nodes[2].closed);
        rig_free(rig);
    }
    for (what = 0; what < 4; what++) {
        struct rig *rig = what < 2 ? rig_new(2) : rig_new_pair();

        rig->nodes[1].on_link = what % 2 == 0 ? drop_on_link : close_on_link;
        if (what >= 2) {
            rig_close(&rig->nodes[2]); /* so that the link goes down */
        }
        RIG_UNTIL(rig, what % 2 == 0 ? rig->nodes[1].links->links == NULL : rig->nodes[1].closed);
        rig_free(rig);
    }
}

/* Closing in the middle of everything: resolving, dialling, megabytes on their way. */
static void test_close_at_any_time(void **state)
{
    unsigned turns;

    (void)state;
    for (turns = 0; turns < 12; turns++) {
        struct rig *rig = rig_new(3);
        unsigned i;

        snprintf(rig->nodes[3].address, sizeof rig->nodes[3].address, "localhost:%u",
                 rig->nodes[3].port);
        rig_peers(&rig->nodes[1], 1u << 2 | 1u << 3);
        for (i = 0; i < turns; i++) {
            uv_run(&rig->loop, UV_RUN_NOWAIT);
            rig_send(&rig->nodes[1], 2, 1 << 20);
            rig_send(&rig->nodes[3], 1, 1 << 20);
        }
        rig_free(rig);
    }
}

static void test_names_and_ipv6(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2], *three = &rig->nodes[3];
    struct peer_options o = rig_options(rig, 3);
    struct fault fault;

    (void)state;
    snprintf(two->address, sizeof two->address, "localhost:%u", two->port);
    rig_peers(one, 1u << 2);
    RIG_UNTIL(rig, one->downs[2] == 1 && rig_up(one, 2));
    assert_true(rig_send(one, 2, 16));
    RIG_UNTIL(rig, two->frames[1] == 1);

    o.listen = "localhost:0";
    rig_open_with(rig, &o);
    rig_close(three);
    o.listen = "[::1]:0";
    if (peer_links_open(&three->links, &o, &fault) == 0) { /* some machines have no IPv6 */
        peer_links_close(three->links, NULL, NULL);
        rig_open_with(rig, &o);
        snprintf(three->address, sizeof three->address, "[::1]:%u", three->port);
        rig_peers(one, 1u << 3);
        rig_peers(three, 1u << 1);
        RIG_UNTIL(rig, rig_up(one, 3) && rig_up(three, 1));
    }
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_talk),
        cmocka_unit_test(test_a_peer_restarts),
        cmocka_unit_test(test_away),
        cmocka_unit_test(test_back_again),
        cmocka_unit_test(test_redialled_at_once),
        cmocka_unit_test(test_socket_options),
        cmocka_unit_test(test_a_peer_is_removed),
        cmocka_unit_test(test_removed_in_the_handshake),
        cmocka_unit_test(test_a_peer_moves),
        cmocka_unit_test(test_corrupt_heals),
        cmocka_unit_test(test_callbacks_that_change_all),
        cmocka_unit_test(test_close_at_any_time),
        cmocka_unit_test(test_names_and_ipv6),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
