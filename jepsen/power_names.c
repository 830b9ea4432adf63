/* Names: files and folders that are made, renamed and removed; see power.c. */
#define _GNU_SOURCE 1

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jepsen/power_private.h"

/* The absolute path and the folder of a name; false when it isn't on the node's disk. */
static bool locate(int at, const char *name, char path[static PATH_MAX], ino_t *folder)
{
    char link[64], base[PATH_MAX];
    struct stat st;
    char *slash;
    ssize_t n;

    power_ready();
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
    if (!power_look(AT_FDCWD, base, 0, &st) || st.st_dev != power.disk) {
        return false;
    }
    *folder = st.st_ino;
    return true;
}

/* Gives the file that is about to lose a name another one, so that it can come back. Lock held. */
static void save(struct change *c, const char *path)
{
    struct stat st;

    if (!power_look(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, &st) || !S_ISREG(st.st_mode)) {
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

    power_ready();
    if ((flags & (O_CREAT | O_TRUNC)) == 0 || !locate(at, name, path, &folder)) {
        return power.openat(at, name, flags, mode);
    }
    exists = power_look(AT_FDCWD, path, 0, &st);
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
