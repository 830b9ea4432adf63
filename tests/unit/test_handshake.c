/* The handshake: two that share a secret find each other; nobody else gets in. */
#include "consensus/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

static bool knows_one_and_two(void *context, uint64_t id)
{
    (void)context;
    return id == 1 || id == 2;
}

static struct handshake_self self_of(uint64_t id, const char *cluster, uint8_t secret)
{
    struct handshake_self self = {.id = id, .is_peer = knows_one_and_two};

    memcpy(self.cluster, cluster, strlen(cluster));
    memset(self.secret, secret, sizeof self.secret);
    return self;
}

/* Hands h's output to `to`, `most` bytes at a time. */
static enum handshake_result pass(const struct handshake *h, struct handshake *to, size_t most)
{
    enum handshake_result result = HANDSHAKE_MORE;
    size_t at, len;

    for (at = 0; at < h->out_len && result == HANDSHAKE_MORE; at += len) {
        len = h->out_len - at < most ? h->out_len - at : most;
        result = handshake_feed(to, h->out + at, len);
        if (result == HANDSHAKE_MORE && at + len < h->out_len) {
            assert_int_equal(to->out_len, 0);
        }
    }
    return result;
}

/* Runs both ends; what the acceptor said of the dialler, or the dialler of the acceptor. */
static enum handshake_result meet(const struct handshake_self *dialler,
                                  const struct handshake_self *acceptor, uint64_t dialled,
                                  size_t most)
{
    struct handshake d, a;
    enum handshake_result result;

    handshake_begin(&d, HANDSHAKE_DIALLER, dialler, dialled);
    assert_int_equal(d.out_len, HANDSHAKE_HELLO_BYTES);
    handshake_begin(&a, HANDSHAKE_ACCEPTOR, acceptor, 0);
    assert_int_equal(a.out_len, 0);
    result = pass(&d, &a, most);
    if (result != HANDSHAKE_MORE) {
        assert_int_equal(a.out_len, 0); /* who is refused is told nothing */
        return result;
    }
    assert_int_equal(a.out_len, HANDSHAKE_CHALLENGE_BYTES);
    assert_int_equal(pass(&a, &d, most), HANDSHAKE_MORE);
    assert_int_equal(d.out_len, HANDSHAKE_PROOF_BYTES);
    result = pass(&d, &a, most);
    if (result != HANDSHAKE_DONE) {
        assert_int_equal(a.out_len, 0);
        return result;
    }
    assert_int_equal(a.peer, dialler->id);
    assert_int_equal(a.out_len, HANDSHAKE_PROOF_BYTES);
    result = pass(&a, &d, most);
    assert_int_equal(d.out_len, 0);
    return result;
}

static void test_two_that_belong_together(void **state)
{
    struct handshake_self one = self_of(1, "c", 7), two = self_of(2, "c", 7);
    size_t most;

    (void)state;
    for (most = 1; most < 130; most += 16) {
        assert_int_equal(meet(&one, &two, 2, most), HANDSHAKE_DONE);
        assert_int_equal(meet(&two, &one, 1, most), HANDSHAKE_DONE);
    }
}

static void test_those_that_do_not(void **state)
{
    char longest[HANDSHAKE_CLUSTER_MAX + 1] = {0};
    struct handshake_self one = self_of(1, "c", 7), two = self_of(2, "c", 7);
    struct handshake_self three = self_of(3, "c", 7), zero = self_of(0, "c", 7);
    struct handshake_self secret = self_of(2, "c", 8), cluster = self_of(2, "cc", 7);
    struct handshake_self long1, long2;

    (void)state;
    assert_int_equal(meet(&one, &secret, 2, 200), HANDSHAKE_WRONG_PROOF);
    assert_int_equal(meet(&one, &cluster, 2, 200), HANDSHAKE_OTHER_CLUSTER);
    assert_int_equal(meet(&one, &two, 3, 200), HANDSHAKE_OTHER_NODE);
    assert_int_equal(meet(&three, &two, 2, 200), HANDSHAKE_NO_MEMBER);
    assert_int_equal(meet(&zero, &two, 2, 200), HANDSHAKE_NO_MEMBER);

    memset(longest, 'x', HANDSHAKE_CLUSTER_MAX);
    long1 = self_of(1, longest, 7);
    long2 = self_of(2, longest, 7);
    assert_int_equal(meet(&long1, &long2, 2, 200), HANDSHAKE_DONE);
    long2.cluster[HANDSHAKE_CLUSTER_MAX - 1] = 'y';
    assert_int_equal(meet(&long1, &long2, 2, 200), HANDSHAKE_OTHER_CLUSTER);
}

/* Brings a handshake of 1 with 2 to where the acceptor has its proof to judge. */
static void begin_pair(struct handshake *d, struct handshake *a, const struct handshake_self *one,
                       const struct handshake_self *two)
{
    handshake_begin(d, HANDSHAKE_DIALLER, one, two->id);
    handshake_begin(a, HANDSHAKE_ACCEPTOR, two, 0);
    assert_int_equal(pass(d, a, 200), HANDSHAKE_MORE);
    assert_int_equal(pass(a, d, 200), HANDSHAKE_MORE);
}

static void test_replayed(void **state)
{
    struct handshake_self one = self_of(1, "c", 7), two = self_of(2, "c", 7);
    uint8_t hello[HANDSHAKE_HELLO_BYTES], proof[HANDSHAKE_PROOF_BYTES];
    uint8_t welcome[HANDSHAKE_PROOF_BYTES], challenge[HANDSHAKE_CHALLENGE_BYTES];
    struct handshake d, a;

    (void)state;
    handshake_begin(&d, HANDSHAKE_DIALLER, &one, 2);
    memcpy(hello, d.out, sizeof hello);
    handshake_begin(&a, HANDSHAKE_ACCEPTOR, &two, 0);
    pass(&d, &a, 200);
    memcpy(challenge, a.out, sizeof challenge);
    pass(&a, &d, 200);
    memcpy(proof, d.out, sizeof proof);
    assert_int_equal(pass(&d, &a, 200), HANDSHAKE_DONE);
    memcpy(welcome, a.out, sizeof welcome);

    /* To the acceptor again. */
    handshake_begin(&a, HANDSHAKE_ACCEPTOR, &two, 0);
    assert_int_equal(handshake_feed(&a, hello, sizeof hello), HANDSHAKE_MORE);
    assert_int_equal(handshake_feed(&a, proof, sizeof proof), HANDSHAKE_WRONG_PROOF);

    /* To a dialler that dials anew. */
    handshake_begin(&d, HANDSHAKE_DIALLER, &one, 2);
    assert_int_equal(handshake_feed(&d, challenge, sizeof challenge), HANDSHAKE_MORE);
    assert_int_equal(handshake_feed(&d, welcome, sizeof welcome), HANDSHAKE_WRONG_PROOF);
}

/* A proof sent back to its maker, and one passed on to another node. */
static void test_reflected_and_relayed(void **state)
{
    struct handshake_self one = self_of(1, "c", 7), two = self_of(2, "c", 7);
    struct handshake_self other = self_of(4, "c", 7);
    struct handshake d, a, relayed;
    uint8_t proof[HANDSHAKE_PROOF_BYTES];

    (void)state;
    begin_pair(&d, &a, &one, &two);
    memcpy(proof, d.out, sizeof proof);
    assert_int_equal(handshake_feed(&d, proof, sizeof proof), HANDSHAKE_WRONG_PROOF);

    /* A HELLO that comes back is no challenge. */
    handshake_begin(&d, HANDSHAKE_DIALLER, &one, 2);
    assert_int_equal(pass(&d, &d, 200), HANDSHAKE_NOT_A_PEER);

    /* Node 4 is shown what node 1 proved to node 2, with the very same nonces. */
    begin_pair(&d, &a, &one, &two);
    relayed = a;
    relayed.self = &other;
    assert_int_equal(handshake_feed(&relayed, d.out, d.out_len), HANDSHAKE_WRONG_PROOF);
    /* ... and the honest one still holds. */
    assert_int_equal(pass(&d, &a, 200), HANDSHAKE_DONE);
}

static void test_every_bit_counts(void **state)
{
    struct handshake_self one = self_of(1, "c", 7), two = self_of(2, "c", 7);
    struct handshake d, a;
    uint8_t message[HANDSHAKE_MESSAGE_MAX];
    size_t bit;

    (void)state;
    for (bit = 0; bit < 8 * HANDSHAKE_HELLO_BYTES; bit++) {
        enum handshake_result result;

        handshake_begin(&d, HANDSHAKE_DIALLER, &one, 2);
        handshake_begin(&a, HANDSHAKE_ACCEPTOR, &two, 0);
        memcpy(message, d.out, d.out_len);
        message[bit / 8] = (uint8_t)(message[bit / 8] ^ (1u << (bit % 8)));
        result = handshake_feed(&a, message, d.out_len);
        if (result == HANDSHAKE_MORE) { /* an id or a nonce changed: the proof tells */
            pass(&a, &d, 200);
            result = pass(&d, &a, 200);
        }
        assert_true(result > HANDSHAKE_DONE);
    }
    for (bit = 0; bit < 8 * HANDSHAKE_PROOF_BYTES; bit++) {
        begin_pair(&d, &a, &one, &two);
        memcpy(message, d.out, d.out_len);
        message[bit / 8] = (uint8_t)(message[bit / 8] ^ (1u << (bit % 8)));
        assert_int_equal(handshake_feed(&a, message, d.out_len), HANDSHAKE_WRONG_PROOF);
    }
}

static void test_garbage(void **state)
{
    struct handshake_self one = self_of(1, "c", 7), two = self_of(2, "c", 7);
    uint8_t noise[HANDSHAKE_MESSAGE_MAX];
    struct handshake d, a;
    int i;

    (void)state;
    handshake_begin(&a, HANDSHAKE_ACCEPTOR, &two, 0);
    assert_int_equal(handshake_feed(&a, "G", 1), HANDSHAKE_NOT_A_PEER);
    handshake_begin(&a, HANDSHAKE_ACCEPTOR, &two, 0);
    assert_int_equal(handshake_feed(&a, "florin>\n\x02\x00", 10), HANDSHAKE_OTHER_VERSION);
    for (i = 0; i < 1000; i++) {
        randombytes_buf(noise, sizeof noise);
        handshake_begin(&a, HANDSHAKE_ACCEPTOR, &two, 0);
        handshake_begin(&d, HANDSHAKE_DIALLER, &one, 2);
        assert_int_equal(handshake_feed(&a, noise, sizeof noise), HANDSHAKE_NOT_A_PEER);
        assert_int_equal(handshake_feed(&d, noise, sizeof noise), HANDSHAKE_NOT_A_PEER);
    }
    /* More than one's turn. */
    handshake_begin(&d, HANDSHAKE_DIALLER, &one, 2);
    handshake_begin(&a, HANDSHAKE_ACCEPTOR, &two, 0);
    memcpy(noise, d.out, d.out_len);
    assert_int_equal(handshake_feed(&a, noise, d.out_len - 1), HANDSHAKE_MORE);
    memcpy(noise, d.out + d.out_len - 1, 1);
    assert_int_equal(handshake_feed(&a, noise, 2), HANDSHAKE_SURPLUS);
}

static int start_sodium(void **state)
{
    (void)state;
    return sodium_init() < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_that_belong_together),
        cmocka_unit_test(test_those_that_do_not),
        cmocka_unit_test(test_replayed),
        cmocka_unit_test(test_reflected_and_relayed),
        cmocka_unit_test(test_every_bit_counts),
        cmocka_unit_test(test_garbage),
    };

    return cmocka_run_group_tests(tests, start_sodium, NULL);
}
