/* Whom peer links refuse, and that it costs nothing. */
#include "tests/unit/peer_rig.h"

#include "consensus/peer_address.h"

/* A node 2 that differs from the others in one option never gets a link, and both logs say why. */
static void refused(struct rig *rig, const struct peer_options *o, const char *why)
{
    rig_open_with(rig, o);
    rig_peers(&rig->nodes[1], 1u << 2);
    rig_peers(&rig->nodes[2], 1u << 1);
    RIG_UNTIL(rig, rig_said(rig, why) >= 1 && rig_said(rig, "it closed the handshake") >= 1);
    assert_int_equal(rig->nodes[1].ups[2], 0);
    assert_int_equal(rig->nodes[2].ups[1], 0);
    assert_false(rig_send(&rig->nodes[1], 2, 16));
    rig_free(rig);
}

static void test_wrong_secret(void **state)
{
    uint8_t secret[HANDSHAKE_SECRET_BYTES];
    struct rig *rig = rig_new(1);
    struct peer_options o = rig_options(rig, 2);

    (void)state;
    memcpy(secret, rig_secret, sizeof secret);
    secret[31] ^= 1;
    o.secret = secret;
    refused(rig, &o, "its proof is wrong: another cluster secret?");
}

static void test_wrong_cluster(void **state)
{
    struct rig *rig = rig_new(1);
    struct peer_options o = rig_options(rig, 2);

    (void)state;
    o.cluster_id = "test2";
    refused(rig, &o, "it belongs to another cluster");
}

/* Node 3 answers at the address where 1 expects 2. */
static void test_wrong_node(void **state)
{
    struct rig *rig = rig_new(1);

    (void)state;
    rig_open(rig, 3);
    memcpy(rig->nodes[2].address, rig->nodes[3].address, PEER_ADDRESS_MAX);
    rig_peers(&rig->nodes[1], 1u << 2);
    rig_peers(&rig->nodes[3], 1u << 1);
    RIG_UNTIL(rig, rig_said(rig, "it looks for another node") >= 1);
    assert_int_equal(rig->nodes[1].ups[2], 0);
    rig_free(rig);
}

/* After whatever came: an honest pair still works, and nothing is left over. */
static void still_works(struct rig *rig)
{
    struct rig_node *one = &rig->nodes[1], *two = &rig->nodes[2];
    uint64_t got = one->frames[2];

    RIG_UNTIL(rig, rig_up(two, 1) && one->links->n_unproven == 0);
    assert_true(rig_send(two, 1, 100));
    RIG_UNTIL(rig, one->frames[2] == got + 1);
}

static void test_garbage_at_the_port(void **state)
{
    struct rig *rig = rig_new_pair();
    char noise[5000];
    unsigned i;
    int fd;

    (void)state;
    fd = raw_connect(rig->nodes[1].port);
    raw_send(fd, "GET / HTTP/1.1\r\n", 16);
    RIG_UNTIL(rig, raw_dropped(fd));
    close(fd);
    assert_int_equal(rig_said(rig, "it does not speak the peer protocol"), 1);
    for (i = 0; i < 50; i++) {
        memset(noise, (int)(i * 5), sizeof noise);
        fd = raw_connect(rig->nodes[1].port);
        raw_send(fd, noise, sizeof noise);
        RIG_UNTIL(rig, raw_dropped(fd));
        close(fd);
    }
    still_works(rig);
    rig_free(rig);
}

/* However many come, a reason is told once a second, and what was skipped is counted. */
static void test_told_once_a_second(void **state)
{
    struct rig *rig = rig_new(1);
    uint64_t start_ms = uv_now(&rig->loop), now_ms;
    unsigned said;
    int fd;

    (void)state;
    do {
        fd = raw_connect(rig->nodes[1].port);
        raw_send(fd, "x", 1);
        RIG_UNTIL(rig, raw_dropped(fd));
        close(fd);
        said = rig_said(rig, "it does not speak the peer protocol");
        now_ms = uv_now(&rig->loop);
        assert_true(said >= 1 && said <= 1 + (now_ms - start_ms) / PEER_SAY_EVERY_MS);
    } while (rig_said(rig, "skipped=") == 0);
    rig_free(rig);
}

static void test_slow_handshakes(void **state)
{
    struct rig *rig = rig_new(1);
    struct handshake_self self = raw_self(1);
    struct peer_options o = rig_options(rig, 2);
    struct handshake h;
    int silent, half;

    (void)state;
    o.handshake_timeout_ms = 50;
    rig_open_with(rig, &o);
    rig_peers(&rig->nodes[1], 1u << 2);
    rig_peers(&rig->nodes[2], 1u << 1);

    handshake_begin(&h, HANDSHAKE_DIALLER, &self, 2);
    silent = raw_connect(rig->nodes[2].port);
    half = raw_connect(rig->nodes[2].port);
    raw_send(half, h.out, h.out_len / 2);
    RIG_UNTIL(rig, raw_dropped(silent) && raw_dropped(half));
    assert_true(rig_said(rig, "the handshake took too long") >= 1);
    still_works(rig);
    close(silent);
    close(half);
    rig_free(rig);
}

static void test_cut_handshake(void **state)
{
    struct rig *rig = rig_new_pair();
    struct handshake_self self = raw_self(2);
    struct handshake h;
    int fd = raw_connect(rig->nodes[1].port);

    (void)state;
    handshake_begin(&h, HANDSHAKE_DIALLER, &self, 1);
    raw_send(fd, h.out, h.out_len / 2);
    close(fd);
    RIG_UNTIL(rig, rig_said(rig, "it closed in the handshake") == 1);
    still_works(rig);
    rig_free(rig);
}

/* What one session sent is worthless in the next. */
static void test_replayed(void **state)
{
    struct rig *rig = rig_new_pair();
    struct handshake_self self = raw_self(2);
    uint8_t hello[HANDSHAKE_HELLO_BYTES], proof[HANDSHAKE_PROOF_BYTES];
    uint8_t challenge[HANDSHAKE_CHALLENGE_BYTES];
    struct handshake h;
    int first, again;

    (void)state;
    first = raw_connect(rig->nodes[1].port);
    handshake_begin(&h, HANDSHAKE_DIALLER, &self, 1);
    memcpy(hello, h.out, sizeof hello);
    raw_send(first, hello, sizeof hello);
    raw_read(rig, first, challenge, sizeof challenge);
    handshake_feed(&h, challenge, sizeof challenge);
    memcpy(proof, h.out, sizeof proof);
    raw_send(first, proof, sizeof proof);
    raw_read(rig, first, proof, sizeof proof); /* the WELCOME: the first time it is taken */
    memcpy(proof, h.out, sizeof proof);

    again = raw_connect(rig->nodes[1].port);
    raw_send(again, hello, sizeof hello);
    raw_read(rig, again, challenge, sizeof challenge);
    raw_send(again, proof, sizeof proof);
    RIG_UNTIL(rig, raw_dropped(again));
    assert_int_equal(rig_said(rig, "its proof is wrong"), 1);
    assert_false(raw_dropped(first));
    close(first);
    close(again);
    rig_free(rig);
}

/* Many that connect and wait: at most so many are kept, and an honest peer gets through them. */
static void test_crowded(void **state)
{
    enum { CROWD = PEER_UNPROVEN_MAX + 30 };
    struct rig *rig = rig_new(1);
    int fds[CROWD];
    unsigned i, dropped = 0;

    (void)state;
    rig_open(rig, 2);
    for (i = 0; i < CROWD; i++) {
        fds[i] = raw_connect(rig->nodes[1].port);
        uv_run(&rig->loop, UV_RUN_NOWAIT);
        assert_true(rig->nodes[1].links->n_unproven <= PEER_UNPROVEN_MAX);
    }
    RIG_UNTIL(rig, raw_dropped(fds[29]));
    assert_int_equal(rig->nodes[1].links->n_unproven, PEER_UNPROVEN_MAX);
    for (i = 0; i < CROWD; i++) {
        dropped += raw_dropped(fds[i]);
    }
    assert_int_equal(dropped, CROWD - PEER_UNPROVEN_MAX);
    assert_true(rig_said(rig, "too many connections in their handshake") >= 1);

    rig_peers(&rig->nodes[1], 1u << 2);
    rig_peers(&rig->nodes[2], 1u << 1);
    RIG_UNTIL(rig, rig_up(&rig->nodes[2], 1));
    for (i = 0; i < CROWD; i++) {
        close(fds[i]);
    }
    still_works(rig);
    rig_free(rig);
}

/* A member that sends what is no frame: dropped with a word, nothing of it is delivered. */
static void test_wrong_frames(void **state)
{
    static const struct {
        uint8_t at, value;
        const char *why;
    } cases[] = {
        {3, 0x7f, "frame longer than the limit"}, {4, 99, "frame of an unknown kind"},
        {5, 9, "frame of an unknown version"},    {7, 1, "frame with a reserved field set"},
        {9, 0xa5, "frame with a wrong checksum"},
    };
    struct rig *rig = rig_new_pair();
    uint8_t frame[FRAME_HEADER_BYTES + 5];
    size_t i;
    int fd;

    (void)state;
    rig_peers(&rig->nodes[1], 1u << 2 | 1u << 3);
    for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fd = raw_dial(rig, 3, 1);
        frame_header_write(frame, FRAME_RAFT, slice_of("hello"));
        memcpy(frame + FRAME_HEADER_BYTES, "hello", 5);
        frame[cases[i].at] = (uint8_t)(frame[cases[i].at] ^ cases[i].value);
        raw_send(fd, frame, sizeof frame);
        RIG_UNTIL(rig, raw_dropped(fd));
        assert_int_equal(rig_said(rig, cases[i].why), 1);
        close(fd);
    }
    assert_int_equal(rig->nodes[1].frames[3], 0);
    still_works(rig);
    rig_free(rig);
}

/* A peer that connects anew replaces its older connection. */
static void test_newer_replaces_older(void **state)
{
    struct rig *rig = rig_new_pair();
    int old, newer;

    (void)state;
    rig_peers(&rig->nodes[1], 1u << 2 | 1u << 3);
    old = raw_dial(rig, 3, 1);
    newer = raw_dial(rig, 3, 1);
    RIG_UNTIL(rig, raw_dropped(old));
    assert_false(raw_dropped(newer));
    still_works(rig);
    close(old);
    close(newer);
    rig_free(rig);
}

static void test_silent_acceptor(void **state)
{
    struct rig *rig = rig_new(0);
    struct peer_options o = rig_options(rig, 1);
    int listener = raw_listen(rig, 2), fd;

    (void)state;
    o.handshake_timeout_ms = 50;
    rig_open_with(rig, &o);
    rig_peers(&rig->nodes[1], 1u << 2);
    fd = raw_accept(rig, listener);
    RIG_UNTIL(rig, raw_dropped(fd));
    assert_int_equal(rig_said(rig, "no answer in the handshake"), 1);
    close(fd);
    close(raw_accept(rig, listener)); /* it tries again */
    close(listener);
    rig_free(rig);
}

/* The other side: who answers wrongly, or too much, is no peer. */
static void test_false_acceptors(void **state)
{
    struct rig *rig = rig_new(1);
    struct rig_node *one = &rig->nodes[1];
    struct handshake_self self = raw_self(2);
    struct handshake h;
    int listener = raw_listen(rig, 2), fd;

    (void)state;
    rig_peers(one, 1u << 2);
    fd = raw_accept(rig, listener);
    raw_send(fd, "HTTP/1.1 400 Bad Request\r\n", 26);
    RIG_UNTIL(rig, raw_dropped(fd));
    close(fd);
    /* Can't welcome: it does not know the secret. */
    fd = raw_welcome(rig, listener, &self, &h);
    h.out[5] ^= 1;
    raw_send(fd, h.out, h.out_len);
    RIG_UNTIL(rig, raw_dropped(fd));
    close(fd);
    assert_int_equal(one->ups[2], 0);

    fd = raw_welcome(rig, listener, &self, &h); /* a good one, that then talks out of turn */
    raw_send(fd, h.out, h.out_len);
    RIG_UNTIL(rig, one->ups[2] == 1);
    raw_send(fd, "?", 1);
    RIG_UNTIL(rig, one->downs[2] == 1 && raw_dropped(fd));
    assert_int_equal(rig_said(rig, "it sent more than its turn"), 1);
    close(fd);
    close(listener);
    rig_free(rig);
}

static void open_fails(struct rig *rig, const struct peer_options *o, const char *why)
{
    struct peer_links *links = (void *)rig;
    struct fault fault = {""};

    assert_int_equal(peer_links_open(&links, o, &fault), -1);
    assert_null(links);
    if (strstr(fault.text, why) == NULL) {
        fail_msg("the fault is '%s', expected '%s' in it", fault.text, why);
    }
}

static void test_open_refuses(void **state)
{
    static const char *const elsewhere[] = {"0.0.0.0:0",   "192.0.2.1:0", "[::]:0",
                                            "126.0.0.1:0", "128.0.0.1:0", "[::ffff:127.0.0.1]:0"};
    static const char *const no_address[] = {"",
                                             "7001",
                                             "localhost",
                                             "127.0.0.1:",
                                             ":7001",
                                             "127.0.0.1:65536",
                                             "127.0.0.1:-1",
                                             "::1:7001",
                                             "[::1]",
                                             "[::1:7001",
                                             "[]:7001",
                                             "127.0.0.1:7001 "};
    char long_id[HANDSHAKE_CLUSTER_MAX + 2] = {0};
    struct rig *rig = rig_new(1);
    struct peer_options o = rig_options(rig, 2), changed;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++) {
        changed = o;
        changed.listen = elsewhere[i];
        open_fails(rig, &changed, "is not on loopback (127.0.0.0/8 or ::1): without TLS");
    }
    for (i = 0; i < sizeof no_address / sizeof no_address[0]; i++) {
        changed = o;
        changed.listen = no_address[i];
        open_fails(rig, &changed, "is no peer address: expected host:port");
    }
    changed = o;
    changed.listen = rig->nodes[1].address;
    open_fails(rig, &changed, "address already in use; does this node run already?");
    changed = o;
    changed.node_id = 0;
    open_fails(rig, &changed, "must not be 0");
    changed = o;
    memset(long_id, 'x', sizeof long_id - 1);
    changed.cluster_id = long_id;
    open_fails(rig, &changed, "1 to 64 characters, it has 65");
    changed = o;
    changed.queue_bytes_max = FRAME_BYTES_MAX;
    open_fails(rig, &changed, "could not hold the longest frame");
    rig_free(rig);
}

static void test_address_check(void **state)
{
    static const char *const good[] = {"127.0.0.1:7001", "127.9.9.9:1", "[::1]:65535",
                                       "node-1.example:7001", "localhost:7001"};
    static const struct {
        const char *address, *why;
    } bad[] = {
        {"10.0.0.1:7001", "is not on loopback"},
        {"[2001:db8::1]:7001", "is not on loopback"},
        {"127.0.0.1:0", "needs a port from 1 to 65535"},
        {"a b:7001", "neither a numeric host nor a host name"},
        {"localhost", "expected host:port"},
        {"0123456789012345678901234567890123456789012345678901234567890.x:7001", "host:port"},
    };
    struct fault fault;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(peer_address_check(good[i], &fault), 0);
    }
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(peer_address_check(bad[i].address, &fault), -1);
        assert_non_null(strstr(fault.text, bad[i].why));
    }
}

static void test_addresses_in_turn(void **state)
{
    struct sockaddr one, two, three;
    struct addrinfo third = {.ai_addr = &three};
    struct addrinfo second = {.ai_addr = &two, .ai_next = &third};
    struct addrinfo first = {.ai_addr = &one, .ai_next = &second};
    const struct sockaddr *expected[] = {&one, &two, &three, &one, &two, &three, &one};
    unsigned i;

    (void)state;
    for (i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_ptr_equal(peer_address_nth(&first, i), expected[i]);
        assert_ptr_equal(peer_address_nth(&third, i), &three);
    }
}

/* Nothing but loopback is dialled, whatever the configuration says; the node goes on. */
static void test_dials_loopback_only(void **state)
{
    struct rig *rig = rig_new_pair();
    struct rig_node *one = &rig->nodes[1];
    struct peer_link *link;

    (void)state;
    snprintf(rig->nodes[3].address, PEER_ADDRESS_MAX, "192.0.2.1:7001");
    rig_peers(one, 1u << 2 | 1u << 3);
    RIG_UNTIL(rig, rig_said(rig, "not on loopback: without TLS") == 1);
    snprintf(rig->nodes[3].address, PEER_ADDRESS_MAX, "nowhere");
    rig_peers(one, 1u << 2 | 1u << 3);
    link = peer_links_find(one->links, 3);
    RIG_UNTIL(rig, link->redial_wait_ms > PEER_REDIAL_FIRST_MS && link->out == NULL);
    assert_int_equal(one->ups[3], 0);
    assert_true(rig_up(one, 2));
    still_works(rig);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_secret),
        cmocka_unit_test(test_wrong_cluster),
        cmocka_unit_test(test_wrong_node),
        cmocka_unit_test(test_garbage_at_the_port),
        cmocka_unit_test(test_told_once_a_second),
        cmocka_unit_test(test_slow_handshakes),
        cmocka_unit_test(test_cut_handshake),
        cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_crowded),
        cmocka_unit_test(test_wrong_frames),
        cmocka_unit_test(test_newer_replaces_older),
        cmocka_unit_test(test_silent_acceptor),
        cmocka_unit_test(test_false_acceptors),
        cmocka_unit_test(test_open_refuses),
        cmocka_unit_test(test_address_check),
        cmocka_unit_test(test_addresses_in_turn),
        cmocka_unit_test(test_dials_loopback_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
