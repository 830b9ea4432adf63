/* The state copy when messages are lost: both sides give up, and say so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consensus/copy.h"

enum { ASK = 1, ACK = 5 }; /* on the wire */
enum { PEER = 2, PATIENT_MS = 3600000, HASTY_MS = 1, STATE_BYTES = 32 << 20 };

/* One node; what it sends is counted and lost. */
struct host {
    uv_loop_t loop;
    char folder[256];
    struct copy *copy;
    unsigned sent, fetched, asked, taken;
    bool ok;
};

static bool lose(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct host *h = impl;

    (void)kind;
    (void)frame;
    assert_int_equal(peer, PEER);
    h->sent++;
    return true;
}

static void on_fetched(void *context, bool ok)
{
    struct host *h = context;

    h->fetched++;
    h->ok = ok;
}

static void on_sending(void *context, uint64_t peer, bool begins)
{
    struct host *h = context;

    assert_int_equal(peer, PEER);
    h->asked += begins;
    h->taken += !begins;
}

/* More than a window and a pipe can hold. */
static int write_state(void *context, int fd, struct fault *fault)
{
    static const char block[65536];
    size_t done;

    (void)context;
    for (done = 0; done < STATE_BYTES; done += sizeof block) {
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block) {
            return fault_set(fault, "the reader went away");
        }
    }
    return 0;
}

static uint64_t state_bytes(void *context)
{
    (void)context;
    return STATE_BYTES;
}

static void open_host(struct host *h, unsigned quiet_ms)
{
    const char *tmp = getenv("TMPDIR");
    struct copy_options options = {
        .loop = &h->loop,
        .transport = {h, lose, NULL, NULL},
        .reporter = NULL,
        .folder = h->folder,
        .file = "data.mdb",
        .write_state = write_state,
        .state_bytes = state_bytes,
        .sending = on_sending,
        .fetched = on_fetched,
        .context = h,
        .quiet_ms = quiet_ms,
    };

    memset(h, 0, sizeof *h);
    snprintf(h->folder, sizeof h->folder, "%s/copy-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(h->folder));
    assert_int_equal(uv_loop_init(&h->loop), 0);
    h->copy = copy_new(&options);
}

static void close_host(struct host *h)
{
    copy_close(h->copy, NULL, NULL);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&h->loop), 0);
    assert_int_equal(rmdir(h->folder), 0); /* a fetch that failed leaves nothing */
}

static void a_fetch_that_hears_nothing_ends(void **state)
{
    struct host h;

    (void)state;
    open_host(&h, HASTY_MS);
    copy_fetch(h.copy, PEER);
    assert_int_equal(h.sent, 1);
    while (h.fetched == 0) {
        copy_look(h.copy);
    }
    assert_false(h.ok);
    copy_look(h.copy);
    assert_int_equal(h.fetched, 1);
    copy_fetch(h.copy, PEER); /* and the next one may begin */
    assert_int_equal(h.sent, 3);
    close_host(&h);
}

static void a_fetch_is_given_time(void **state)
{
    struct host h;

    (void)state;
    open_host(&h, PATIENT_MS);
    copy_fetch(h.copy, PEER);
    copy_look(h.copy);
    assert_int_equal(h.fetched, 0);
    close_host(&h);
}

static void receive(struct host *h, uint8_t what)
{
    struct bytes frame;

    bytes_init(&frame);
    bytes_append_u8(&frame, COPY_VERSION);
    bytes_append_u8(&frame, what);
    bytes_append_u64(&frame, 7);
    if (what == ACK) {
        bytes_append_u64(&frame, 0);
    }
    copy_frame(h->copy, PEER, (struct slice){(const char *)frame.base, frame.len});
    bytes_release(&frame);
}

/* What the receiver asks for and takes is passed on; then it is given up. */
static void a_sender_that_hears_nothing_ends(void **state)
{
    struct host h;

    (void)state;
    open_host(&h, HASTY_MS);
    receive(&h, ASK);
    assert_true(copy_sending(h.copy));
    assert_int_equal(h.asked, 1);
    assert_int_equal(h.taken, 0);
    receive(&h, ACK);
    assert_int_equal(h.asked, 1);
    assert_int_equal(h.taken, 1);
    while (copy_sending(h.copy)) {
        uv_run(&h.loop, UV_RUN_NOWAIT);
        copy_look(h.copy);
    }
    close_host(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fetch_that_hears_nothing_ends),
        cmocka_unit_test(a_fetch_is_given_time),
        cmocka_unit_test(a_sender_that_hears_nothing_ends),
    };

    signal(SIGPIPE, SIG_IGN); /* as florind does: the thread's pipe is closed under it */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
