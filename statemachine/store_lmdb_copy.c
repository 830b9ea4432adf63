/* The whole store into a file descriptor, as of one commit, while others read and commit.
 *
 * LMDB writes its copy straight from the mapped file: where the target is a pipe, that is under the
 * pipe's lock, and a page that is not in memory is read from the disk meanwhile, 4 KiB at a time
 * (MDB_NORDAHEAD). Whoever reads such a pipe, the loop perhaps, would wait for the disk. So LMDB
 * writes to a pipe of ours on a thread of its own; this one has the file read ahead of it, and
 * passes on what is in memory by then. */
#define _GNU_SOURCE 1 /* F_SETPIPE_SZ, pipe2 */
#include "statemachine/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE_BYTES = 1 << 20, AHEAD_BYTES = 16 << 20 };

struct copying {
    MDB_env *env;
    int fd; /* where LMDB writes to */
    int rc;
};

static void *write_pipe(void *argument)
{
    struct copying *c = argument;
    sigset_t pipe_signal;

    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE); /* a reader that is gone is an error here, and no death */
    pthread_sigmask(SIG_BLOCK, &pipe_signal, NULL);
    c->rc = mdb_env_copyfd2(c->env, c->fd, 0);
    close(c->fd);
    return NULL;
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Until LMDB closes its end. 0, or the system's error. */
static int pass_on(int source, int from, int to, char *piece)
{
    off_t copied = 0, ahead = 0;

    for (;;) {
        ssize_t n;
        int rc;

        for (; ahead < copied + AHEAD_BYTES; ahead += PIECE_BYTES) {
            (void)posix_fadvise(source, ahead, PIECE_BYTES, POSIX_FADV_WILLNEED);
        }
        n = read(from, piece, PIECE_BYTES);
        if (n == 0) {
            return 0;
        }
        rc = n > 0 ? write_all(to, piece, (size_t)n) : errno == EINTR ? 0 : errno;
        if (rc != 0) {
            return rc;
        }
        copied += n > 0 ? n : 0;
    }
}

/* 0, or LMDB's or the system's error. */
static int copy_through(struct copying *c, const int *pipe_fds, int to, char *piece)
{
    pthread_t thread;
    int source, rc = mdb_env_get_fd(c->env, &source);

    c->fd = pipe_fds[1];
    rc = rc == 0 ? pthread_create(&thread, NULL, write_pipe, c) : rc;
    if (rc != 0) {
        close(pipe_fds[0]);
        close(pipe_fds[1]);
        return rc;
    }
    (void)fcntl(pipe_fds[0], F_SETPIPE_SZ, PIECE_BYTES); /* the usual pipe holds 64 KiB */
    rc = pass_on(source, pipe_fds[0], to, piece);
    close(pipe_fds[0]); /* ends LMDB's writing, if this end failed: EPIPE */
    pthread_join(thread, NULL);
    return rc != 0 ? rc : c->rc;
}

int store_lmdb_copy(void *impl, int fd, struct fault *fault)
{
    struct store_lmdb *s = impl;
    struct copying c = {.env = s->env};
    char *piece = malloc(PIECE_BYTES);
    int fds[2], rc;

    if (piece == NULL) {
        abort();
    }
    rc = pipe2(fds, O_CLOEXEC) == 0 ? copy_through(&c, fds, fd, piece) : errno;
    free(piece);
    return rc == 0 ? 0 : store_lmdb_fault(s, "copy", rc, fault);
}
