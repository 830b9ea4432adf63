/* A library that is loaded before a node (LD_PRELOAD) and can cut its power: the process is gone at
 * once, and so is what it wrote and did not sync.
 *
 * Guarantees after a cut: a file's content is what was written up to the start of its last sync
 * that returned (or of an O_DSYNC write), and of what was written later a part chosen by the seed:
 * nothing, or any of the writes, some cut at a multiple of 512 bytes. Names (created, renamed,
 * removed files) are those of the last sync of their folder, and of the later changes the first few
 * stay. Nobody outside has seen anything in between: the process is dead before its disk changes.
 *
 * How: every change of the disk is done as asked, and noted together with what undoes it; a sync
 * forgets the notes that it covers. A cut forks, under the lock, so that the notes are whole; the
 * child kills its parent, waits for its end, undoes the notes from the last to the first, and does
 * again what survives. The child calls nothing but system calls.
 *
 * A preloaded library is handed no context: what it knows is in one struct at file level. */
#define _GNU_SOURCE 1

#include "jepsen/power_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct power power = {.lock = PTHREAD_MUTEX_INITIALIZER};

void power_broken(const char *what)
{
    dprintf(STDERR_FILENO, "power: %s: %s\n", what, strerror(errno));
    abort();
}

/* libfaketime, which is loaded behind this library, has a stat and an fstat that take a lock. A
 * signal may come while a thread holds it, and a handler's write would wait for it for ever. It has
 * no fstatat. */
bool power_look(int at, const char *name, int flags, struct stat *st)
{
    return fstatat(at, name, st, flags) == 0;
}

/* --- notes ------------------------------------------------------------------------------------ */

struct change *change_new(enum change_kind kind)
{
    struct change *c = calloc(1, sizeof *c);

    if (c == NULL) {
        power_broken("out of memory");
    }
    c->kind = kind;
    c->fd = -1;
    return c;
}

void change_note(struct change *c)
{
    c->before = power.last;
    *(power.last == NULL ? &power.first : &power.last->next) = c;
    power.last = c;
}

void change_forget(struct change *c)
{
    *(c->before == NULL ? &power.first : &c->before->next) = c->next;
    *(c->next == NULL ? &power.last : &c->next->before) = c->before;
    if (c->fd >= 0) {
        close(c->fd);
    }
    if (c->lost[0] != '\0') {
        power.unlinkat(AT_FDCWD, c->lost, 0);
    }
    free(c->was);
    free(c->is);
    free(c);
}

/* A file on the node's disk? */
static bool watched(int fd, struct stat *st)
{
    power_ready();
    return power.on && power_look(fd, "", AT_EMPTY_PATH, st) && st->st_dev == power.disk &&
           S_ISREG(st->st_mode);
}

/* A change of [offset, offset + len) of a file that is `size` long, or of its size when len is 0.
 * What is there between `offset` and `keep_to` is kept. Lock held. */
static struct change *data_change(int fd, const struct stat *st, off_t offset, off_t keep_to)
{
    struct change *c = change_new(CHANGE_DATA);
    off_t end = keep_to < st->st_size ? keep_to : st->st_size;
    char path[64];

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    c->fd = power.open(path, O_RDWR | O_CLOEXEC);
    c->file = st->st_ino;
    c->offset = offset;
    c->size_before = st->st_size;
    if (c->fd < 0) {
        power_broken("can't open a file again");
    }
    if (end > offset) {
        c->was_len = (size_t)(end - offset);
        c->was = malloc(c->was_len);
        if (c->was == NULL || pread(c->fd, c->was, c->was_len, offset) != (ssize_t)c->was_len) {
            power_broken("can't read what is overwritten");
        }
    }
    return c;
}

static void change_keep(struct change *c, const void *data, size_t len)
{
    c->is = malloc(len);
    if (c->is == NULL) {
        power_broken("out of memory");
    }
    memcpy(c->is, data, len);
    c->is_len = len;
}

/* --- writes ----------------------------------------------------------------------------------- */

static void slow_down(void)
{
    unsigned us = atomic_load(&power.slow_us);

    if (us > 0) {
        usleep(us);
    }
}

/* Notes and writes; an O_DSYNC write is forgotten once it has returned. */
static ssize_t write_noted(int fd, const struct stat *st, const void *data, size_t len,
                           off_t offset)
{
    bool sync = (fcntl(fd, F_GETFL) & (O_DSYNC | O_SYNC)) != 0;
    struct change *c;
    ssize_t n;

    if (sync) {
        slow_down();
    }
    pthread_mutex_lock(&power.lock);
    c = data_change(fd, st, offset, offset + (off_t)len);
    change_keep(c, data, len);
    change_note(c);
    n = power.pwrite(fd, data, len, offset);
    int error = errno;
    if (n >= 0) {
        c->is_len = (size_t)n;
    }
    if (sync || n <= 0) {
        change_forget(c);
    }
    pthread_mutex_unlock(&power.lock);
    errno = error;
    return n;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    struct stat st;

    return watched(fd, &st) ? write_noted(fd, &st, data, len, offset)
                            : power.pwrite(fd, data, len, offset);
}

/* At the file's own position, which moves on. */
static ssize_t write_here(int fd, const struct stat *st, const void *data, size_t len)
{
    bool append = (fcntl(fd, F_GETFL) & O_APPEND) != 0;
    off_t offset = append ? st->st_size : lseek(fd, 0, SEEK_CUR);
    ssize_t n = write_noted(fd, st, data, len, offset);

    if (n > 0 && lseek(fd, offset + n, SEEK_SET) < 0) {
        power_broken("can't seek");
    }
    return n;
}

ssize_t write(int fd, const void *data, size_t len)
{
    struct stat st;

    return watched(fd, &st) ? write_here(fd, &st, data, len) : power.write(fd, data, len);
}

ssize_t writev(int fd, const struct iovec *parts, int n)
{
    struct stat st;
    uint8_t *all;
    size_t len = 0;
    ssize_t written;
    int i;

    if (!watched(fd, &st)) {
        return power.writev(fd, parts, n);
    }
    for (i = 0; i < n; i++) {
        len += parts[i].iov_len;
    }
    all = malloc(len + 1);
    if (all == NULL) {
        power_broken("out of memory");
    }
    for (i = 0, len = 0; i < n; i++) {
        memcpy(all + len, parts[i].iov_base, parts[i].iov_len);
        len += parts[i].iov_len;
    }
    written = write_here(fd, &st, all, len);
    free(all);
    return written;
}

int ftruncate(int fd, off_t size)
{
    struct stat st;
    struct change *c;
    int rv, error;

    if (!watched(fd, &st)) {
        return power.ftruncate(fd, size);
    }
    pthread_mutex_lock(&power.lock);
    c = data_change(fd, &st, size, st.st_size);
    change_note(c);
    rv = power.ftruncate(fd, size);
    error = errno;
    if (rv != 0) {
        change_forget(c);
    }
    pthread_mutex_unlock(&power.lock);
    errno = error;
    return rv;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    struct stat st;
    struct change *c;
    int rv, error;

    if (!watched(fd, &st)) {
        return power.fallocate(fd, mode, offset, len);
    }
    if (mode != 0) { /* nothing of a node's asks for more than room */
        errno = EOPNOTSUPP;
        return -1;
    }
    pthread_mutex_lock(&power.lock);
    c = data_change(fd, &st, offset + len, offset + len);
    change_note(c);
    rv = power.fallocate(fd, mode, offset, len);
    error = errno;
    if (rv != 0) {
        change_forget(c);
    }
    pthread_mutex_unlock(&power.lock);
    errno = error;
    return rv;
}

/* --- syncs ------------------------------------------------------------------------------------ */

static bool covers(const struct stat *st, const struct change *c)
{
    return c->kind == CHANGE_DATA ? S_ISREG(st->st_mode) && c->file == st->st_ino
                                  : S_ISDIR(st->st_mode) && c->folder == st->st_ino;
}

/* A sync covers what was noted before it began; whether it does is known when it has returned. */
static int sync_noted(int fd, int (**sync)(int))
{
    struct change *until, *c, *next;
    struct stat st;
    bool ours = power.on && power_look(fd, "", AT_EMPTY_PATH, &st) && st.st_dev == power.disk;
    int rv, error;

    power_ready();
    if (!ours) {
        return (*sync)(fd);
    }
    pthread_mutex_lock(&power.lock);
    until = change_new(CHANGE_DATA); /* a mark, of no file */
    change_note(until);
    pthread_mutex_unlock(&power.lock);
    slow_down();
    rv = (*sync)(fd);
    error = errno;
    pthread_mutex_lock(&power.lock);
    for (c = power.first; c != until; c = next) {
        next = c->next;
        if (rv == 0 && covers(&st, c)) {
            change_forget(c);
        }
    }
    change_forget(until);
    pthread_mutex_unlock(&power.lock);
    errno = error;
    return rv;
}

int fsync(int fd)
{
    return sync_noted(fd, &power.fsync);
}

int fdatasync(int fd)
{
    return sync_noted(fd, &power.fdatasync);
}
