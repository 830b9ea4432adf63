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

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
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

/* --- notes ------------------------------------------------------------------------------------ */

static struct change *change_new(enum change_kind kind)
{
    struct change *c = calloc(1, sizeof *c);

    if (c == NULL) {
        power_broken("out of memory");
    }
    c->kind = kind;
    c->fd = -1;
    return c;
}

static void change_note(struct change *c)
{
    c->before = power.last;
    *(power.last == NULL ? &power.first : &power.last->next) = c;
    power.last = c;
}

static void change_forget(struct change *c)
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

/* Other libraries' constructors may come here before ours. */
static void find_all(void);

static void ready(void)
{
    if (power.renameat2 == NULL) {
        find_all();
    }
}

/* A file on the node's disk? */
static bool watched(int fd, struct stat *st)
{
    ready();
    return power.on && fstat(fd, st) == 0 && st->st_dev == power.disk && S_ISREG(st->st_mode);
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
    bool ours = power.on && fstat(fd, &st) == 0 && st.st_dev == power.disk;
    int rv, error;

    ready();
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

/* --- names ------------------------------------------------------------------------------------ */

/* The absolute path and the folder of a name; false when it isn't on the node's disk. */
static bool locate(int at, const char *name, char path[static PATH_MAX], ino_t *folder)
{
    char link[64], base[PATH_MAX];
    struct stat st;
    char *slash;
    ssize_t n;

    ready();
    if (!power.on) {
        return false;
    }
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else {
        snprintf(link, sizeof link, at == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", at);
        n = readlink(link, base, sizeof base - 1);
        if (n < 0) {
            return false;
        }
        base[n] = '\0';
        if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) {
            return false;
        }
    }
    slash = strrchr(path, '/');
    snprintf(base, sizeof base, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (stat(base, &st) != 0 || st.st_dev != power.disk) {
        return false;
    }
    *folder = st.st_ino;
    return true;
}

/* Gives the file that is about to lose a name another one, so that it can come back. Lock held. */
static void save(struct change *c, const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        return;
    }
    snprintf(c->lost, sizeof c->lost, "%s/%u", power.lost, power.lost_count++);
    if (linkat(AT_FDCWD, path, AT_FDCWD, c->lost, 0) != 0) {
        power_broken("can't keep a file that is removed");
    }
}

static int names_end(struct change *c, int rv)
{
    int error = errno;

    if (rv < 0) {
        change_forget(c);
    }
    pthread_mutex_unlock(&power.lock);
    errno = error;
    return rv;
}

/* O_TRUNC of what exists is a change of data; O_CREAT of what does not, of names. */
static int open_noted(int at, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    struct change *c = NULL;
    struct stat st;
    ino_t folder;
    bool exists;
    int fd;

    ready();
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !locate(at, name, path, &folder)) {
        return power.openat(at, name, flags, mode);
    }
    exists = stat(path, &st) == 0;
    if (exists && (flags & O_TRUNC) != 0 && S_ISREG(st.st_mode)) {
        fd = power.openat(at, name, flags & ~(O_TRUNC | O_EXCL), mode);
        if (fd >= 0 && ftruncate(fd, 0) != 0) {
            power_broken("can't truncate");
        }
        return fd;
    }
    if (exists) {
        return power.openat(at, name, flags, mode);
    }
    pthread_mutex_lock(&power.lock);
    c = change_new(CHANGE_CREATE);
    c->folder = folder;
    memcpy(c->path, path, sizeof c->path);
    change_note(c);
    return names_end(c, power.openat(at, name, flags, mode));
}

static mode_t mode_of(int flags, va_list args)
{
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
}

int open(const char *name, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_noted(AT_FDCWD, name, flags, mode);
}

int openat(int at, const char *name, int flags, ...)
{
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = mode_of(flags, args);
    va_end(args);
    return open_noted(at, name, flags, mode);
}

int mkdir(const char *name, mode_t mode)
{
    char path[PATH_MAX];
    struct change *c;
    ino_t folder;

    if (!locate(AT_FDCWD, name, path, &folder)) {
        return power.mkdir(name, mode);
    }
    pthread_mutex_lock(&power.lock);
    c = change_new(CHANGE_CREATE);
    c->folder = folder;
    c->directory = true;
    memcpy(c->path, path, sizeof c->path);
    change_note(c);
    return names_end(c, power.mkdir(name, mode));
}

int unlinkat(int at, const char *name, int flags)
{
    char path[PATH_MAX];
    struct change *c;
    ino_t folder;

    if (!locate(at, name, path, &folder)) {
        return power.unlinkat(at, name, flags);
    }
    pthread_mutex_lock(&power.lock);
    c = change_new(CHANGE_REMOVE);
    c->folder = folder;
    c->directory = (flags & AT_REMOVEDIR) != 0;
    memcpy(c->path, path, sizeof c->path);
    save(c, path);
    change_note(c);
    return names_end(c, power.unlinkat(at, name, flags));
}

int unlink(const char *name)
{
    return unlinkat(AT_FDCWD, name, 0);
}

int rmdir(const char *name)
{
    return unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags)
{
    char path[PATH_MAX], target[PATH_MAX];
    struct change *c;
    ino_t from_folder, folder;

    if (!locate(from_at, from, path, &from_folder) || !locate(to_at, to, target, &folder)) {
        return power.renameat2(from_at, from, to_at, to, flags);
    }
    pthread_mutex_lock(&power.lock);
    c = change_new(CHANGE_RENAME);
    c->folder = folder;
    memcpy(c->path, path, sizeof c->path);
    memcpy(c->target, target, sizeof c->target);
    if (flags == 0) {
        save(c, target);
    }
    change_note(c);
    return names_end(c, power.renameat2(from_at, from, to_at, to, flags));
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    return renameat2(from_at, from, to_at, to, 0);
}

int rename(const char *from, const char *to)
{
    return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* --- start ------------------------------------------------------------------------------------ */

/* What files that a process before this one had removed are called. */
static void empty_lost(void)
{
    DIR *folder;
    const struct dirent *entry;

    if (power.mkdir(power.lost, 0700) != 0 && errno != EEXIST) {
        power_broken(power.lost);
    }
    folder = opendir(power.lost);
    if (folder == NULL) {
        power_broken(power.lost);
    }
    while ((entry = readdir(folder)) != NULL) {
        power.unlinkat(dirfd(folder), entry->d_name, 0);
    }
    closedir(folder);
}

static void *listen_for_orders(void *argument)
{
    int fd = *(int *)argument;
    struct power_message m;

    while (read(fd, &m, sizeof m) == (ssize_t)sizeof m) {
        if (m.verb == POWER_CUT) {
            power_cut(m.number);
        } else if (m.verb == POWER_SLOW) {
            atomic_store(&power.slow_us, m.number);
        }
    }
    return NULL;
}

static void find(void *function, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);

    if (symbol == NULL) {
        power_broken(name);
    }
    memcpy(function, &symbol, sizeof symbol);
}

static void find_all(void)
{
    find(&power.write, "write");
    find(&power.writev, "writev");
    find(&power.pwrite, "pwrite");
    find(&power.fsync, "fsync");
    find(&power.fdatasync, "fdatasync");
    find(&power.ftruncate, "ftruncate");
    find(&power.fallocate, "fallocate");
    find(&power.open, "open");
    find(&power.openat, "openat");
    find(&power.unlinkat, "unlinkat");
    find(&power.mkdir, "mkdir");
    find(&power.renameat2, "renameat2");
}

static void start_listening(const char *path)
{
    int *fd = malloc(sizeof *fd);
    sigset_t all, before;
    pthread_t thread;

    if (fd == NULL) {
        power_broken("out of memory");
    }
    *fd = power.open(path, O_RDWR | O_CLOEXEC); /* so that it never ends */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the node's */
    if (*fd < 0 || pthread_create(&thread, NULL, listen_for_orders, fd) != 0) {
        power_broken(path);
    }
    pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

__attribute__((constructor)) static void power_start(void)
{
    const char *disk = getenv(POWER_DISK);
    const char *fifo = getenv(POWER_FIFO);
    struct stat st;

    find_all();
    if (disk == NULL || fifo == NULL) {
        return;
    }
    if (stat(disk, &st) != 0) {
        power_broken(disk);
    }
    power.disk = st.st_dev;
    snprintf(power.root, sizeof power.root, "%s", disk);
    if (snprintf(power.lost, sizeof power.lost, "%s/.lost", disk) >= PATH_MAX) {
        power_broken(disk);
    }
    empty_lost();
    power.on = true;
    start_listening(fifo);
}
