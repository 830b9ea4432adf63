/* The state copy between two of them: what arrives is what was sent, at the rate that was asked
 * for; what is wrong on the way is refused; programs of before are understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consensus/copy.h"

enum { STATE_MAX = 12 << 20, RECEIVER = 0, SENDER = 1 };
enum { VERSION = 1, ASK = 1, BEGIN, PIECE, END, ACK, STOP };
enum { HEAD = 10 }; /* bytes of a frame: version, what, number */

struct mail {
    struct mail *next;
    size_t len;
    char data[];
};

struct pair;

struct host {
    struct pair *pair;
    int i;
    struct copy *copy; /* NULL: the test plays this one */
    struct mail *inbox, **inbox_end;
};

struct pair {
    uv_loop_t loop;
    char folder[256];
    uint8_t *state;
    size_t len;
    struct host hosts[2];
    bool fetched, ok;
};

static bool deliver(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct host *from = impl;
    struct host *to = &from->pair->hosts[!from->i];
    struct mail *m = malloc(sizeof *m + frame.len);

    assert_non_null(m);
    assert_int_equal(kind, FRAME_STATE);
    assert_int_equal(peer, to->i + 1);
    m->next = NULL;
    m->len = frame.len;
    memcpy(m->data, frame.base, frame.len);
    *to->inbox_end = m;
    to->inbox_end = &m->next;
    return true;
}

static struct mail *take_mail(struct host *h)
{
    struct mail *m = h->inbox;

    if (m != NULL) {
        h->inbox = m->next;
        h->inbox_end = h->inbox == NULL ? &h->inbox : h->inbox_end;
    }
    return m;
}

static void on_fetched(void *context, bool ok)
{
    struct pair *p = context;

    p->fetched = true;
    p->ok = ok;
}

static int write_state(void *context, int fd, struct fault *fault)
{
    struct pair *p = context;
    size_t done = 0;

    while (done < p->len) {
        ssize_t n = write(fd, p->state + done, p->len - done);
        if (n <= 0) {
            return fault_set(fault, "the reader went away");
        }
        done += (size_t)n;
    }
    return 0;
}

static uint64_t state_bytes(void *context)
{
    return ((struct pair *)context)->len;
}

static void open_host(struct pair *p, int i, uint64_t rate)
{
    struct copy_options options = {
        .loop = &p->loop,
        .transport = {&p->hosts[i], deliver, NULL, NULL},
        .folder = p->folder,
        .file = "data.mdb",
        .write_state = write_state,
        .state_bytes = state_bytes,
        .fetched = on_fetched,
        .context = p,
        .rate = rate,
    };

    p->hosts[i].copy = copy_new(&options);
}

static void open_pair(struct pair *p, size_t len)
{
    const char *tmp = getenv("TMPDIR");
    int i;

    memset(p, 0, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "%s/copy-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(p->folder));
    assert_int_equal(uv_loop_init(&p->loop), 0);
    p->len = len;
    p->state = malloc(len + 1);
    assert_non_null(p->state);
    randombytes_buf(p->state, len);
    for (i = 0; i < 2; i++) {
        p->hosts[i] = (struct host){.pair = p, .i = i};
        p->hosts[i].inbox_end = &p->hosts[i].inbox;
    }
}

static void close_pair(struct pair *p)
{
    char path[300];
    int i;

    for (i = 0; i < 2; i++) {
        struct mail *m;

        if (p->hosts[i].copy != NULL) {
            copy_close(p->hosts[i].copy, NULL, NULL);
        }
        while ((m = take_mail(&p->hosts[i])) != NULL) {
            free(m);
        }
    }
    uv_run(&p->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&p->loop), 0);
    for (i = 0; i < 2; i++) {
        struct mail *m;

        while ((m = take_mail(&p->hosts[i])) != NULL) {
            free(m);
        }
    }
    snprintf(path, sizeof path, "%s/data.mdb", p->folder);
    unlink(path);
    assert_int_equal(rmdir(p->folder), 0);
    free(p->state);
}

static void turn(struct pair *p)
{
    int i;

    uv_run(&p->loop, UV_RUN_NOWAIT);
    for (i = 0; i < 2; i++) {
        struct mail *m;

        while (p->hosts[i].copy != NULL && (m = take_mail(&p->hosts[i])) != NULL) {
            copy_frame(p->hosts[i].copy, (uint64_t)(!i) + 1, (struct slice){m->data, m->len});
            free(m);
        }
    }
}

static void run_until_fetched(struct pair *p)
{
    while (!p->fetched) {
        turn(p);
    }
}

/* The next frame for a host that the test plays. */
static struct mail *expect(struct pair *p, int host, int what)
{
    struct mail *m;

    while ((m = take_mail(&p->hosts[host])) == NULL) {
        turn(p);
    }
    assert_true(m->len >= HEAD);
    assert_int_equal(m->data[0], VERSION);
    assert_int_equal(m->data[1], what);
    return m;
}

/* A frame from the host that the test plays to the other. */
static void say(struct pair *p, int to, int what, uint64_t number, const struct bytes *rest)
{
    struct bytes frame;

    bytes_init(&frame);
    bytes_append_u8(&frame, VERSION);
    bytes_append_u8(&frame, (uint8_t)what);
    bytes_append_u64(&frame, number);
    bytes_append(&frame, rest->base, rest->len);
    copy_frame(p->hosts[to].copy, (uint64_t)(!to) + 1,
               (struct slice){(const char *)frame.base, frame.len});
    bytes_release(&frame);
}

static void assert_same_file(const struct pair *p)
{
    uint8_t *got = malloc(p->len + 1);
    char path[300];
    FILE *f;

    assert_non_null(got);
    snprintf(path, sizeof path, "%s/data.mdb", p->folder);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(got, 1, p->len + 1, f), p->len);
    assert_memory_equal(got, p->state, p->len);
    fclose(f);
    free(got);
}

static void what_arrives_is_what_was_sent(void **state)
{
    /* Nothing; less than a block; whole writes; whole blocks; ends within a block. */
    static const size_t lens[] = {0, 1, 1 << 20, STATE_MAX, (3 << 20) + 4096, (5 << 20) + 777};
    struct pair p;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        open_pair(&p, lens[i]);
        open_host(&p, RECEIVER, 0);
        open_host(&p, SENDER, 0);
        copy_fetch(p.hosts[RECEIVER].copy, SENDER + 1);
        run_until_fetched(&p);
        assert_true(p.ok);
        assert_same_file(&p);
        close_pair(&p);
    }
}

static void the_rate_is_kept(void **state)
{
    enum { RATE = 16 << 20, BYTES = 4 << 20 };
    /* The last piece need not be waited for, and what is late is made up for a moment. */
    uint64_t least_us = (uint64_t)(BYTES - (256 << 10)) * 1000000 / RATE - 10000;
    struct pair p;
    uint64_t began_us;

    (void)state;
    open_pair(&p, BYTES);
    open_host(&p, RECEIVER, 0);
    open_host(&p, SENDER, RATE);
    began_us = uv_hrtime() / 1000;
    copy_fetch(p.hosts[RECEIVER].copy, SENDER + 1);
    run_until_fetched(&p);
    assert_true(p.ok);
    assert_true(uv_hrtime() / 1000 - began_us >= least_us);
    assert_same_file(&p);
    close_pair(&p);
}

/* The END that a receiver played by the test gets, which asked with these bytes. */
static struct mail *play_receiver(struct pair *p, const struct bytes *asked)
{
    struct bytes acknowledged;
    struct mail *m;
    uint64_t got = 0;

    open_host(p, SENDER, 0);
    say(p, SENDER, ASK, 7, asked);
    free(expect(p, RECEIVER, BEGIN));
    while (got < p->len) {
        m = expect(p, RECEIVER, PIECE);
        got += m->len - HEAD - 8;
        free(m);
    }
    bytes_init(&acknowledged);
    bytes_append_u64(&acknowledged, got);
    say(p, SENDER, ACK, 7, &acknowledged);
    bytes_release(&acknowledged);
    m = expect(p, RECEIVER, END);
    assert_int_equal(m->len, HEAD + 8 + 32);
    return m;
}

/* It asks without a word on sums, and compares BLAKE2b. */
static void a_receiver_of_before_gets_its_sum(void **state)
{
    uint8_t blake2b[32];
    struct bytes nothing;
    struct mail *m;
    struct pair p;

    (void)state;
    open_pair(&p, (1 << 20) + 5);
    bytes_init(&nothing);
    m = play_receiver(&p, &nothing);
    crypto_generichash(blake2b, sizeof blake2b, p.state, p.len, NULL, 0);
    assert_memory_equal(m->data + HEAD + 8, blake2b, sizeof blake2b);
    free(m);
    close_pair(&p);
}

/* One that knows the CRC, or another that is newer than this program. */
static void a_receiver_of_now_gets_a_crc(void **state)
{
    static const uint8_t crc_of_digits[32] = {0xfa, 0x39, 0x19, 0xdf, 0xbb, 0xc9, 0x5d, 0x99};
    struct bytes newest;
    struct mail *m;
    struct pair p;
    uint8_t kind;

    (void)state;
    for (kind = 1; kind <= 2; kind++) {
        open_pair(&p, 9);
        memcpy(p.state, "123456789", 9);
        bytes_init(&newest);
        bytes_append_u8(&newest, kind);
        m = play_receiver(&p, &newest);
        assert_memory_equal(m->data + HEAD + 8, crc_of_digits, sizeof crc_of_digits);
        free(m);
        close_pair(&p);
        bytes_release(&newest);
    }
}

/* What a sender of before says, or one of now with another sum or a wrong one. */
static void play_sender(struct pair *p, int sum_kind, const uint8_t sum[32], uint64_t pieces)
{
    struct bytes rest;
    struct mail *m;
    uint64_t number = 0, i;
    int shift;

    open_host(p, RECEIVER, 0);
    copy_fetch(p->hosts[RECEIVER].copy, SENDER + 1);
    m = expect(p, SENDER, ASK);
    for (shift = 0; shift < 8; shift++) {
        number |= (uint64_t)(uint8_t)m->data[2 + shift] << (8 * shift);
    }
    free(m);
    bytes_init(&rest);
    bytes_append_u64(&rest, p->len);
    if (sum_kind >= 0) {
        bytes_append_u8(&rest, (uint8_t)sum_kind);
    }
    say(p, RECEIVER, BEGIN, number, &rest);
    for (i = 0; i < pieces && !p->fetched; i++) {
        bytes_clear(&rest);
        bytes_append_u64(&rest, i * p->len);
        bytes_append(&rest, p->state, p->len);
        say(p, RECEIVER, PIECE, number, &rest);
    }
    bytes_clear(&rest);
    bytes_append_u64(&rest, p->len * pieces);
    bytes_append(&rest, sum, 32);
    say(p, RECEIVER, END, number, &rest);
    run_until_fetched(p);
    bytes_release(&rest);
}

static void a_sender_of_before_is_understood(void **state)
{
    uint8_t blake2b[32];
    struct pair p;

    (void)state;
    open_pair(&p, 100000);
    crypto_generichash(blake2b, sizeof blake2b, p.state, p.len, NULL, 0);
    play_sender(&p, -1, blake2b, 1);
    assert_true(p.ok);
    assert_same_file(&p);
    close_pair(&p);
}

static void a_wrong_sum_is_refused(void **state)
{
    uint8_t sum[32] = {1};
    struct pair p;
    int kind;

    (void)state;
    for (kind = -1; kind <= 2; kind++) {
        open_pair(&p, 100000);
        play_sender(&p, kind, sum, 1);
        assert_false(p.ok);
        close_pair(&p);
    }
}

static void a_sender_that_waits_for_nothing_is_refused(void **state)
{
    uint8_t sum[32] = {1};
    struct pair p;

    (void)state;
    open_pair(&p, 1 << 20);
    play_sender(&p, -1, sum, 20);
    assert_false(p.ok);
    close_pair(&p);
}

/* Beginnings of a frame, and frames of other kinds and numbers: nothing happens. */
static void nonsense_is_skipped(void **state)
{
    struct bytes rest;
    struct pair p;
    int what;

    (void)state;
    open_pair(&p, 1000);
    open_host(&p, RECEIVER, 0);
    bytes_init(&rest);
    for (what = 0; what < 256; what++) {
        if (what != ASK) {
            say(&p, RECEIVER, what, 99, &rest);
        }
    }
    copy_fetch(p.hosts[RECEIVER].copy, SENDER + 1);
    bytes_append_u64(&rest, 5);
    for (what = BEGIN; what <= ACK; what++) {
        say(&p, RECEIVER, what, 99, &rest);
    }
    assert_false(p.fetched);
    close_pair(&p);
    bytes_release(&rest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_arrives_is_what_was_sent),
        cmocka_unit_test(the_rate_is_kept),
        cmocka_unit_test(a_receiver_of_before_gets_its_sum),
        cmocka_unit_test(a_receiver_of_now_gets_a_crc),
        cmocka_unit_test(a_sender_of_before_is_understood),
        cmocka_unit_test(a_wrong_sum_is_refused),
        cmocka_unit_test(a_sender_that_waits_for_nothing_is_refused),
        cmocka_unit_test(nonsense_is_skipped),
    };

    signal(SIGPIPE, SIG_IGN); /* as florind does: the thread's pipe is closed under it */
    if (sodium_init() < 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
