/* The sender: a thread writes the state into a pipe, the loop reads it as the window allows. */
#define _GNU_SOURCE 1 /* F_SETPIPE_SZ */
#include "consensus/copy_private.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "statemachine/failpoint.h"

enum { CATCH_UP_US = 10000 };

static struct copy_sender *find(struct copy *c, uint64_t peer, uint64_t number)
{
    size_t i;

    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        struct copy_sender *s = &c->senders[i];
        if (s->used && s->pipe_open && s->peer == peer && s->number == number) {
            return s;
        }
    }
    return NULL;
}

static void maybe_free(struct copy_sender *s)
{
    struct copy *c = s->copy;

    if (!s->thread_done || s->open_handles > 0) {
        return;
    }
    free(s->chunk);
    s->used = false;
    copy_maybe_done(c);
}

static void on_closed(uv_handle_t *handle)
{
    struct copy_sender *s = handle->data;

    s->open_handles--;
    maybe_free(s);
}

/* Closing the reading end also ends the thread: its next write is EPIPE. */
void copy_sender_stop(struct copy_sender *s)
{
    if (s->pipe_open) {
        s->pipe_open = false;
        uv_close((uv_handle_t *)&s->pipe, on_closed);
        uv_close((uv_handle_t *)&s->later, on_closed);
    }
}

static void give_up(struct copy_sender *s, const char *why)
{
    report(s->copy->options.reporter, LEVEL_WARN, "consensus", "gave up sending the state",
           "peer=%llu sent=%llu why=\"%s\"", (unsigned long long)s->peer,
           (unsigned long long)s->sent, why);
    copy_frame_begin(s->copy, COPY_STOP, s->number);
    copy_post(s->copy, s->peer);
    copy_sender_stop(s);
}

static void write_state(uv_work_t *work)
{
    struct copy_sender *s = work->data;

    s->write_rv = s->copy->options.write_state(s->copy->options.context, s->write_fd, &s->fault);
    close(s->write_fd);
}

static void allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct copy_sender *s = handle->data;

    (void)suggested;
    *buf = uv_buf_init((char *)s->chunk, COPY_CHUNK);
}

static void finish(struct copy_sender *s)
{
    uint8_t sum[COPY_SUM_BYTES];

    copy_sum_end(&s->sum, sum);
    FAILPOINT("send: all but the end sent");
    copy_frame_begin(s->copy, COPY_END, s->number);
    bytes_append_u64(&s->copy->frame, s->sent);
    bytes_append(&s->copy->frame, sum, sizeof sum);
    copy_post(s->copy, s->peer);
    report(s->copy->options.reporter, LEVEL_INFO, "consensus", "sent the state",
           "peer=%llu bytes=%llu", (unsigned long long)s->peer, (unsigned long long)s->sent);
    copy_sender_stop(s);
}

/* The end of the pipe is the end of the state only when the thread says so: a failed write closes
 * the pipe too. */
static void conclude(struct copy_sender *s)
{
    if (!s->thread_done || !s->pipe_open) {
        return;
    }
    if (s->write_rv != 0) {
        give_up(s, s->fault.text);
    } else if (s->at_end) {
        finish(s);
    }
}

static void on_written(uv_work_t *work, int status)
{
    struct copy_sender *s = work->data;

    (void)status;
    s->thread_done = true;
    conclude(s);
    maybe_free(s);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void on_later(uv_timer_t *timer);

/* By the window, and by the rate. */
static void pace(struct copy_sender *s)
{
    uint64_t now_us = uv_hrtime() / 1000;
    bool early = s->next_us > now_us;
    bool may = s->sent - s->acknowledged < COPY_WINDOW && !early;

    if (may && !s->reading) {
        s->reading = uv_read_start((uv_stream_t *)&s->pipe, allocate, on_read) == 0;
    } else if (!may && s->reading) {
        uv_read_stop((uv_stream_t *)&s->pipe);
        s->reading = false;
    }
    if (early) {
        uv_update_time(s->copy->options.loop);
        uv_timer_start(&s->later, on_later, (s->next_us - now_us + 999) / 1000, 0);
    }
}

static void on_later(uv_timer_t *timer)
{
    struct copy_sender *s = timer->data;

    if (s->pipe_open && !s->at_end) {
        pace(s);
    }
}

/* When the next piece may go after one of so many bytes. What was not sent in time is made up for,
 * but not after more than a moment: that would be the burst that the rate is to prevent. */
static void count_rate(struct copy_sender *s, size_t bytes)
{
    uint64_t rate = s->copy->options.rate;
    uint64_t earliest_us = uv_hrtime() / 1000 - CATCH_UP_US;

    if (rate > 0) {
        s->next_us = (s->next_us > earliest_us ? s->next_us : earliest_us) + bytes * 1000000 / rate;
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct copy_sender *s = stream->data;
    struct copy *c = s->copy;

    if (n == UV_EOF) {
        uv_read_stop(stream);
        s->reading = false;
        s->at_end = true;
        conclude(s);
        return;
    }
    if (n < 0) {
        give_up(s, uv_strerror((int)n));
        return;
    }
    copy_sum_add(&s->sum, buf->base, (size_t)n);
    copy_frame_begin(c, COPY_PIECE, s->number);
    bytes_append_u64(&c->frame, s->sent);
    bytes_append(&c->frame, buf->base, (size_t)n);
    s->sent += (uint64_t)n;
    count_rate(s, (size_t)n);
    s->moved_ms = copy_now_ms();
    if (!copy_post(c, s->peer)) {
        give_up(s, "the peer's queue is full");
        return;
    }
    FAILPOINT("send: a piece sent");
    pace(s);
}

static struct copy_sender *free_sender(struct copy *c)
{
    size_t i;

    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        if (!c->senders[i].used) {
            return &c->senders[i];
        }
    }
    return NULL;
}

void copy_send_start(struct copy *c, uint64_t peer, uint64_t number, enum copy_sum_kind sum)
{
    struct copy_sender *s = free_sender(c);
    int fds[2];

    if (s == NULL || uv_pipe(fds, UV_NONBLOCK_PIPE, 0) != 0) {
        copy_frame_begin(c, COPY_STOP, number);
        copy_post(c, peer);
        return;
    }
    /* Whole chunks at a time, where the system allows that; the usual pipe holds 64 KiB. */
    (void)fcntl(fds[1], F_SETPIPE_SZ, 4 * COPY_CHUNK);
    memset(s, 0, sizeof *s);
    s->copy = c;
    s->used = true;
    s->peer = peer;
    s->number = number;
    s->write_fd = fds[1];
    s->write_rv = 0;
    s->moved_ms = s->began_ms = copy_now_ms();
    s->total = c->options.state_bytes(c->options.context);
    s->chunk = malloc(COPY_CHUNK);
    if (s->chunk == NULL) {
        abort();
    }
    copy_sum_begin(&s->sum, sum);
    uv_pipe_init(c->options.loop, &s->pipe, 0);
    uv_pipe_open(&s->pipe, fds[0]);
    uv_timer_init(c->options.loop, &s->later);
    s->pipe.data = s->later.data = s;
    s->open_handles = 2;
    s->pipe_open = true;
    s->work.data = s;
    copy_frame_begin(c, COPY_BEGIN, number);
    bytes_append_u64(&c->frame, s->total);
    bytes_append_u8(&c->frame, (uint8_t)sum);
    copy_post(c, peer);
    report(c->options.reporter, LEVEL_INFO, "consensus", "sending the state", "peer=%llu",
           (unsigned long long)peer);
    uv_queue_work(c->options.loop, &s->work, write_state, on_written);
    pace(s);
}

void copy_send_acknowledged(struct copy *c, uint64_t peer, uint64_t number, uint64_t bytes)
{
    struct copy_sender *s = find(c, peer, number);

    if (s != NULL && bytes > s->acknowledged && bytes <= s->sent) {
        s->acknowledged = bytes;
        s->moved_ms = copy_now_ms();
        pace(s);
    }
}

void copy_send_stop(struct copy *c, uint64_t peer, uint64_t number)
{
    struct copy_sender *s = find(c, peer, number);

    if (s != NULL) {
        copy_sender_stop(s);
    }
}

bool copy_sending(const struct copy *c)
{
    size_t i;

    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        if (c->senders[i].used) {
            return true;
        }
    }
    return false;
}

void copy_stop_sending(struct copy *c)
{
    size_t i;

    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        if (c->senders[i].used && c->senders[i].pipe_open) {
            give_up(&c->senders[i], "this node's own state is being replaced");
        }
    }
}

/* Not only for the receiver's sake: what is being sent holds pages of the store that it could use
 * again otherwise. */
void copy_send_look(struct copy *c)
{
    size_t i;

    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        struct copy_sender *s = &c->senders[i];
        if (s->used && s->pipe_open && copy_quiet(c, s->moved_ms)) {
            give_up(s, "the receiver has gone quiet");
        }
    }
}
