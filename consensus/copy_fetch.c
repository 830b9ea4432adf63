/* The receiver: chunks to a file in order, acknowledged as they are written; the sum is compared
 * before the file is synced. */
#include "consensus/copy_private.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "statemachine/failpoint.h"

enum { SAY_EVERY_MS = 1000 };

static void end(struct copy *c, bool ok)
{
    struct copy_fetch_state *f = &c->fetch;

    if (f->file != NULL) {
        copy_file_close(f->file);
        f->file = NULL;
    }
    f->active = false;
    if (!ok) {
        unlink(c->path);
    }
    if (c->options.fetched != NULL) {
        c->options.fetched(c->options.context, ok);
    }
}

void copy_fetch_fail(struct copy *c, const char *why)
{
    struct copy_fetch_state *f = &c->fetch;

    report(c->options.reporter, LEVEL_WARN, "consensus", "could not fetch the state",
           "peer=%llu bytes=%llu why=\"%s\"", (unsigned long long)f->peer,
           (unsigned long long)f->received, why);
    copy_frame_begin(c, COPY_STOP, f->number);
    copy_post(c, f->peer);
    end(c, false);
}

static void say_progress(struct copy *c)
{
    struct copy_fetch_state *f = &c->fetch;
    uint64_t now = copy_now_ms();
    uint64_t took = now - f->began_ms;

    if (now - f->said_ms < SAY_EVERY_MS) {
        return;
    }
    f->said_ms = now;
    report(c->options.reporter, LEVEL_INFO, "consensus", "fetching the state",
           "peer=%llu bytes=%llu of=%llu percent=%llu rate_mb_s=%llu", (unsigned long long)f->peer,
           (unsigned long long)f->received, (unsigned long long)f->total,
           (unsigned long long)(f->total == 0 ? 0 : f->received * 100 / f->total),
           (unsigned long long)(took == 0 ? 0 : f->received / 1000 / took));
}

void copy_fetch_chunk(struct copy *c, uint64_t offset, struct slice bytes)
{
    struct copy_fetch_state *f = &c->fetch;

    if (offset != f->received) {
        copy_fetch_fail(c, "a chunk is missing");
        return;
    }
    if (!copy_file_add(f->file, bytes)) {
        copy_fetch_fail(c, "the sender did not wait for what it sent to be written");
        return;
    }
    copy_sum_add(&f->sum, bytes.base, bytes.len);
    f->received += bytes.len;
    f->moved_ms = copy_now_ms();
    say_progress(c);
}

static void finish(struct copy *c)
{
    struct copy_fetch_state *f = &c->fetch;

    report(c->options.reporter, LEVEL_INFO, "consensus", "fetched the state",
           "peer=%llu bytes=%llu duration_ms=%llu", (unsigned long long)f->peer,
           (unsigned long long)f->received, (unsigned long long)(copy_now_ms() - f->began_ms));
    end(c, true);
}

/* Something was written: the sender may send as much again. */
static void on_moved(void *context, uint64_t written, bool finished, int error)
{
    struct copy *c = context;
    struct copy_fetch_state *f = &c->fetch;

    f->moved_ms = copy_now_ms();
    if (error != 0) {
        copy_fetch_fail(c, strerror(error));
    } else if (finished) {
        finish(c);
    } else if (!f->ended) {
        copy_frame_begin(c, COPY_ACK, f->number);
        bytes_append_u64(&c->frame, written);
        if (!copy_post(c, f->peer)) {
            copy_fetch_fail(c, "no link to the sender");
        }
    }
}

static void on_file_closed(void *context)
{
    struct copy *c = context;

    c->files--;
    copy_maybe_done(c);
}

void copy_fetch_end(struct copy *c, uint64_t bytes, const uint8_t *sum)
{
    struct copy_fetch_state *f = &c->fetch;
    uint8_t own[COPY_SUM_BYTES];

    copy_sum_end(&f->sum, own);
    if (bytes != f->received || memcmp(own, sum, sizeof own) != 0) {
        copy_fetch_fail(c, "the sum is not the sender's");
        return;
    }
    f->ended = true;
    copy_file_finish(f->file);
}

void copy_fetch(struct copy *c, uint64_t peer)
{
    struct copy_file_options options = {
        .loop = c->options.loop,
        .folder = c->options.folder,
        .path = c->path,
        .room = COPY_WINDOW + COPY_CHUNK,
        .moved = on_moved,
        .closed = on_file_closed,
        .context = c,
    };
    struct copy_fetch_state *f = &c->fetch;
    int error;

    if (f->active) {
        return; /* one is under way: it will end, well or badly, and the leader asks again */
    }
    memset(f, 0, sizeof *f);
    f->active = true;
    f->peer = peer;
    f->number = c->next_number++;
    f->began_ms = copy_now_ms();
    f->said_ms = f->began_ms;
    f->moved_ms = f->began_ms;
    copy_sum_begin(&f->sum, COPY_SUM_BLAKE2B);
    error = copy_file_open(&f->file, &options);
    FAILPOINT("copy: file made");
    if (error != 0) {
        copy_fetch_fail(c, strerror(error));
        return;
    }
    c->files++;
    copy_frame_begin(c, COPY_ASK, f->number);
    bytes_append_u8(&c->frame, COPY_SUM_CRC64);
    if (!copy_post(c, peer)) {
        copy_fetch_fail(c, "no link to the sender");
    }
}

/* What is fetched must not take the room that the log needs meanwhile. */
void copy_fetch_begin(struct copy *c, uint64_t total, enum copy_sum_kind sum)
{
    uint64_t room = c->options.room == NULL ? UINT64_MAX : c->options.room(c->options.context);
    char why[160];

    if (c->fetch.received > 0) {
        copy_fetch_fail(c, "it began twice");
        return;
    }
    c->fetch.total = total;
    copy_sum_begin(&c->fetch.sum, sum);
    if (total > room) {
        snprintf(why, sizeof why,
                 "the state has %llu bytes, and the disk has room for %llu: free some space",
                 (unsigned long long)total, (unsigned long long)room);
        copy_fetch_fail(c, why);
    }
}

void copy_fetch_look(struct copy *c)
{
    const struct copy_fetch_state *f = &c->fetch;

    if (f->active && !f->ended && copy_quiet(c, f->moved_ms)) {
        copy_fetch_fail(c, "the sender has gone quiet");
    }
}
