#include "consensus/copy_private.h"

#include <stdio.h>
#include <stdlib.h>

uint64_t copy_now_ms(void)
{
    return uv_hrtime() / 1000000;
}

bool copy_quiet(const struct copy *c, uint64_t moved_ms)
{
    return copy_now_ms() - moved_ms >= c->options.quiet_ms;
}

struct copy *copy_new(const struct copy_options *options)
{
    struct copy *c = calloc(1, sizeof *c);

    if (c == NULL) {
        abort();
    }
    c->options = *options;
    c->options.quiet_ms = options->quiet_ms == 0 ? COPY_QUIET_MS : options->quiet_ms;
    snprintf(c->path, sizeof c->path, "%s/%s", options->folder, options->file);
    c->next_number = 1;
    return c;
}

void copy_frame_begin(struct copy *c, enum copy_what what, uint64_t number)
{
    bytes_clear(&c->frame);
    bytes_append_u8(&c->frame, COPY_VERSION);
    bytes_append_u8(&c->frame, (uint8_t)what);
    bytes_append_u64(&c->frame, number);
}

bool copy_post(struct copy *c, uint64_t peer)
{
    return c->options.transport.send(c->options.transport.impl, peer, FRAME_STATE,
                                     (struct slice){(const char *)c->frame.base, c->frame.len});
}

/* What belongs to the fetch under way; anything else is late news of an earlier one. */
static bool ours(const struct copy *c, uint64_t peer, uint64_t number)
{
    return c->fetch.active && !c->fetch.ended && c->fetch.peer == peer && c->fetch.number == number;
}

static void take(struct copy *c, uint64_t peer, enum copy_what what, uint64_t number,
                 struct cursor *in)
{
    uint64_t value = what == COPY_ASK || what == COPY_STOP ? 0 : cursor_u64(in);
    const uint8_t *sum = what == COPY_END ? cursor_take(in, COPY_SUM_BYTES) : NULL;
    enum copy_sum_kind kind = COPY_SUM_BLAKE2B;

    if (in->failed) {
        return;
    }
    if ((what == COPY_ASK || what == COPY_BEGIN) && in->left > 0 &&
        cursor_u8(in) >= COPY_SUM_CRC64) {
        kind = COPY_SUM_CRC64;
    }
    if ((what == COPY_ASK || what == COPY_ACK) && c->options.sending != NULL) {
        c->options.sending(c->options.context, peer, what == COPY_ASK);
    }
    switch (what) {
    case COPY_ASK:
        copy_send_start(c, peer, number, kind);
        break;
    case COPY_ACK:
        copy_send_acknowledged(c, peer, number, value);
        break;
    case COPY_STOP:
        copy_send_stop(c, peer, number);
        if (ours(c, peer, number)) {
            copy_fetch_fail(c, "the sender gave up");
        }
        break;
    case COPY_BEGIN:
        if (ours(c, peer, number)) {
            copy_fetch_begin(c, value, kind);
        }
        break;
    case COPY_PIECE:
        if (ours(c, peer, number)) {
            copy_fetch_chunk(c, value, (struct slice){(const char *)in->at, in->left});
        }
        break;
    case COPY_END:
        if (ours(c, peer, number)) {
            copy_fetch_end(c, value, sum);
        }
        break;
    }
}

void copy_frame(struct copy *c, uint64_t peer, struct slice frame)
{
    struct cursor in = cursor_of(frame.base, frame.len);
    uint8_t version = cursor_u8(&in);
    uint8_t what = cursor_u8(&in);
    uint64_t number = cursor_u64(&in);

    if (!in.failed && version != COPY_VERSION) {
        report(c->options.reporter, LEVEL_WARN, "consensus", "dropped a piece of a state copy",
               "peer=%llu why=\"format %u is not known here (%d is)\"", (unsigned long long)peer,
               version, COPY_VERSION);
        return;
    }
    if (in.failed || what < COPY_ASK || what > COPY_STOP || c->closing) {
        return;
    }
    take(c, peer, what, number, &in);
}

void copy_link(struct copy *c, uint64_t peer, bool up)
{
    size_t i;

    if (up) {
        return;
    }
    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        if (c->senders[i].used && c->senders[i].peer == peer) {
            copy_sender_stop(&c->senders[i]);
        }
    }
    if (c->fetch.active && !c->fetch.ended && c->fetch.peer == peer) {
        copy_fetch_fail(c, "the link to the sender is down");
    }
}

void copy_look(struct copy *c)
{
    if (!c->closing) {
        copy_send_look(c);
        copy_fetch_look(c);
    }
}

static struct status_copy status_of(uint64_t peer, uint64_t bytes, uint64_t total,
                                    uint64_t began_ms)
{
    uint64_t took_ms = copy_now_ms() - began_ms;

    return (struct status_copy){peer, bytes, total, took_ms == 0 ? 0 : bytes * 1000 / took_ms};
}

void copy_status(const struct copy *c, struct cluster_status *status)
{
    const struct copy_fetch_state *f = &c->fetch;
    size_t i;
    size_t n = 0;

    if (f->active) {
        status->fetch = status_of(f->peer, f->received, f->total, f->began_ms);
    }
    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        const struct copy_sender *s = &c->senders[i];
        if (s->used && s->pipe_open) {
            status->sends[n++] = status_of(s->peer, s->acknowledged, s->total, s->began_ms);
        }
    }
}

void copy_maybe_done(struct copy *c)
{
    size_t i;

    if (!c->closing || c->files > 0) {
        return;
    }
    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        if (c->senders[i].used) {
            return;
        }
    }
    bytes_release(&c->frame);
    if (c->done != NULL) {
        c->done(c->done_context);
    }
    free(c);
}

void copy_close(struct copy *c, void (*done)(void *context), void *context)
{
    size_t i;

    c->done = done;
    c->done_context = context;
    for (i = 0; i < COPY_SENDERS_MAX; i++) {
        if (c->senders[i].used) {
            copy_sender_stop(&c->senders[i]);
        }
    }
    c->options.fetched = NULL; /* nobody listens any more */
    if (c->fetch.active) {
        copy_fetch_fail(c, "stopping");
    }
    c->closing = true;
    copy_maybe_done(c);
}
