#define _GNU_SOURCE 1 /* sync_file_range */
#include "consensus/copy_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "statemachine/failpoint.h"

enum { WRITE_BYTES = 1 << 20 }; /* at a time, at least, but for the last */

struct buffer {
    uint8_t *base;
    size_t len;
};

struct copy_file {
    struct copy_file_options options;
    struct buffer filling, writing;
    bool finishing, closing;

    uv_work_t work; /* what follows is the thread's while `busy` */
    bool busy;
    bool last;
    int fd;
    uint64_t written;
    int error;
};

/* ---- the thread's side ---- */

static int sync_all(struct copy_file *f)
{
    int folder = open(f->options.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rv = folder < 0 || fsync(f->fd) != 0 || fsync(folder) != 0 ? errno : 0;

    if (folder >= 0) {
        close(folder);
    }
    return rv;
}

static void write_out(uv_work_t *work)
{
    struct copy_file *f = work->data;
    uint64_t from = f->written;
    uint64_t end = from + f->writing.len;

    while (f->error == 0 && f->written < end) {
        size_t done = (size_t)(f->written - from);
        ssize_t n = pwrite(f->fd, f->writing.base + done, f->writing.len - done, (off_t)f->written);

        if (n < 0 && errno != EINTR) {
            f->error = errno;
        }
        f->written += n > 0 ? (uint64_t)n : 0;
    }
    FAILPOINT("copy: a piece written");
    /* Has the system write it to the disk as it comes: gigabytes that wait in memory for the one
     * sync at the end would keep the log's syncs waiting behind them. Only a hint. */
    (void)sync_file_range(f->fd, (off_t)from, (off_t)(f->written - from), SYNC_FILE_RANGE_WRITE);
    if (f->error == 0 && f->last) {
        f->error = sync_all(f);
        FAILPOINT("copy: synced");
    }
}

/* ---- the loop's side ---- */

static void maybe_free(struct copy_file *f)
{
    if (!f->closing || f->busy) {
        return;
    }
    close(f->fd);
    free(f->filling.base);
    free(f->writing.base);
    f->options.closed(f->options.context);
    free(f);
}

static void on_written(uv_work_t *work, int status);

/* Whole writes, until the last one. */
static void maybe_write(struct copy_file *f)
{
    struct buffer next = f->filling;
    size_t rest = f->finishing ? 0 : next.len % WRITE_BYTES;

    if (f->busy || f->closing || f->error != 0 || (next.len == rest && !f->finishing)) {
        return;
    }
    f->filling = f->writing;
    f->writing = next;
    f->writing.len -= rest;
    f->filling.len = rest;
    memcpy(f->filling.base, f->writing.base + f->writing.len, rest);
    f->busy = true;
    f->last = f->finishing;
    uv_queue_work(f->options.loop, &f->work, write_out, on_written);
}

static void on_written(uv_work_t *work, int status)
{
    struct copy_file *f = work->data;
    uint64_t written = f->written;
    bool finished = f->last && f->error == 0;
    int error = f->error;

    (void)status;
    f->busy = false;
    if (f->closing) {
        maybe_free(f);
        return;
    }
    if (!f->last) {
        maybe_write(f);
    }
    f->options.moved(f->options.context, written, finished, error); /* may close it */
}

int copy_file_open(struct copy_file **file, const struct copy_file_options *options)
{
    struct copy_file *f = calloc(1, sizeof *f);

    *file = NULL;
    if (f == NULL) {
        return ENOMEM;
    }
    f->options = *options;
    f->work.data = f;
    f->filling.base = malloc(options->room);
    f->writing.base = malloc(options->room);
    f->fd = open(options->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->fd < 0 || f->filling.base == NULL || f->writing.base == NULL) {
        int error = f->fd < 0 ? errno : ENOMEM;

        if (f->fd >= 0) {
            close(f->fd);
        }
        free(f->filling.base);
        free(f->writing.base);
        free(f);
        return error;
    }
    *file = f;
    return 0;
}

bool copy_file_add(struct copy_file *f, struct slice bytes)
{
    if (bytes.len > f->options.room - f->filling.len) {
        return false;
    }
    memcpy(f->filling.base + f->filling.len, bytes.base, bytes.len);
    f->filling.len += bytes.len;
    maybe_write(f);
    return true;
}

void copy_file_finish(struct copy_file *f)
{
    f->finishing = true;
    maybe_write(f);
}

void copy_file_close(struct copy_file *f)
{
    f->closing = true;
    maybe_free(f);
}
