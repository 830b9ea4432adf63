/* The receiver: chunks to a file in order, acknowledged as they are written, then checked and
 * synced by the thread pool. */
#define _GNU_SOURCE 1 /* sync_file_range */
#include "consensus/copy_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "statemachine/failpoint.h"

enum { SAY_EVERY_MS = 1000, WRITE_OUT_BYTES = 8 << 20 };

static void end(struct copy *c, bool ok)
{
    struct copy_fetch_state *f = &c->fetch;

    if (f->fd >= 0) {
        close(f->fd);
        f->fd = -1;
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

void copy_fetch(struct copy *c, uint64_t peer)
{
    struct copy_fetch_state *f = &c->fetch;

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
    f->fd = open(c->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FAILPOINT("copy: file made");
    crypto_generichash_init(&f->digest, NULL, 0, COPY_DIGEST_BYTES);
    if (f->fd < 0) {
        copy_fetch_fail(c, strerror(errno));
        return;
    }
    copy_frame_begin(c, COPY_ASK, f->number);
    if (!copy_post(c, peer)) {
        copy_fetch_fail(c, "no link to the sender");
    }
}

/* What is fetched must not take the room that the log needs meanwhile. */
void copy_fetch_begin(struct copy *c, uint64_t total)
{
    uint64_t room = c->options.room == NULL ? UINT64_MAX : c->options.room(c->options.context);
    char why[160];

    c->fetch.total = total;
    if (total > room) {
        snprintf(why, sizeof why,
                 "the state has %llu bytes, and the disk has room for %llu: free some space",
                 (unsigned long long)total, (unsigned long long)room);
        copy_fetch_fail(c, why);
    }
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

static bool write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return true;
}

/* Has the system write to the disk what came, as it comes: gigabytes that wait in memory for one
 * sync at the end would keep the log's syncs waiting behind them. Only a hint: errors show then. */
static void write_out(struct copy_fetch_state *f, size_t len)
{
    uint64_t whole = f->received / WRITE_OUT_BYTES * WRITE_OUT_BYTES;

    if (f->received - len < whole && whole > 0) {
        (void)sync_file_range(f->fd, (off_t)(whole - WRITE_OUT_BYTES), WRITE_OUT_BYTES,
                              SYNC_FILE_RANGE_WRITE);
    }
}

void copy_fetch_chunk(struct copy *c, uint64_t offset, struct slice bytes)
{
    struct copy_fetch_state *f = &c->fetch;

    if (offset != f->received) {
        copy_fetch_fail(c, "a chunk is missing");
        return;
    }
    if (!write_all(f->fd, bytes.base, bytes.len)) {
        copy_fetch_fail(c, strerror(errno));
        return;
    }
    FAILPOINT("copy: a piece written");
    crypto_generichash_update(&f->digest, (const unsigned char *)bytes.base, bytes.len);
    f->received += bytes.len;
    write_out(f, bytes.len);
    f->moved_ms = copy_now_ms();
    say_progress(c);
    copy_frame_begin(c, COPY_ACK, f->number);
    bytes_append_u64(&c->frame, f->received);
    if (!copy_post(c, f->peer)) {
        copy_fetch_fail(c, "no link to the sender");
    }
}

static void sync_file(uv_work_t *work)
{
    struct copy *c = work->data;
    int folder = open(c->options.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    c->fetch.sync_rv = fsync(c->fetch.fd) != 0 || folder < 0 || fsync(folder) != 0 ? errno : 0;
    if (folder >= 0) {
        close(folder);
    }
}

static void on_synced(uv_work_t *work, int status)
{
    struct copy *c = work->data;
    struct copy_fetch_state *f = &c->fetch;

    (void)status;
    FAILPOINT("copy: synced");
    f->syncing = false;
    if (f->sync_rv != 0) {
        copy_fetch_fail(c, strerror(f->sync_rv));
    } else {
        report(c->options.reporter, LEVEL_INFO, "consensus", "fetched the state",
               "peer=%llu bytes=%llu duration_ms=%llu", (unsigned long long)f->peer,
               (unsigned long long)f->received, (unsigned long long)(copy_now_ms() - f->began_ms));
        end(c, true);
    }
    copy_maybe_done(c);
}

void copy_fetch_end(struct copy *c, uint64_t bytes, const uint8_t *digest)
{
    struct copy_fetch_state *f = &c->fetch;
    uint8_t own[COPY_DIGEST_BYTES];

    crypto_generichash_final(&f->digest, own, sizeof own);
    if (bytes != f->received || sodium_memcmp(own, digest, sizeof own) != 0) {
        copy_fetch_fail(c, "the digest is not the sender's");
        return;
    }
    f->syncing = true;
    f->work.data = c;
    uv_queue_work(c->options.loop, &f->work, sync_file, on_synced);
}

void copy_fetch_look(struct copy *c)
{
    const struct copy_fetch_state *f = &c->fetch;

    if (f->active && !f->syncing && copy_quiet(c, f->moved_ms)) {
        copy_fetch_fail(c, "the sender has gone quiet");
    }
}
