#include "node/warm.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STEP_BYTES = 4 << 20 };

static void read_ahead(uv_work_t *work)
{
    struct warm *w = work->data;
    int fd = open(w->path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0) {
        return; /* whoever needs the file says so */
    }
    if (fstat(fd, &st) == 0) {
        uint64_t size = (uint64_t)st.st_size;
        uint64_t end = size < w->most_bytes ? size : w->most_bytes;

        while (w->bytes < end && !w->stop &&
               posix_fadvise(fd, (off_t)w->bytes, STEP_BYTES, POSIX_FADV_WILLNEED) == 0) {
            w->bytes += end - w->bytes < STEP_BYTES ? end - w->bytes : STEP_BYTES;
        }
    }
    close(fd);
}

static void on_read(uv_work_t *work, int status)
{
    struct warm *w = work->data;

    (void)status;
    w->ended = true;
    report(w->reporter, LEVEL_DEBUG, "node", "the state was read ahead",
           "bytes=%llu duration_ms=%llu", (unsigned long long)w->bytes,
           (unsigned long long)(uv_now(work->loop) - w->began_ms));
}

void warm_start(struct warm *w, uv_loop_t *loop, const char *folder, struct reporter *reporter)
{
    snprintf(w->path, sizeof w->path, "%s/data.mdb", folder);
    w->most_bytes = uv_get_free_memory() / 2;
    w->bytes = 0;
    w->began_ms = uv_now(loop);
    w->stop = w->ended = false;
    w->reporter = reporter;
    w->work.data = w;
    uv_queue_work(loop, &w->work, read_ahead, on_read);
}

void warm_stop(struct warm *w)
{
    w->stop = true;
}
