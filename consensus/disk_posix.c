/* Files in a folder, through POSIX calls. Guarantees what disk.h says, and that one process at a
 * time has the folder: two writers would ruin each other's log, so the folder is locked (flock)
 * for as long as the disk is open. Handles are file descriptors. */
#define _GNU_SOURCE 1 /* fallocate, scandirat */

#include "consensus/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct disk_posix {
    int folder_fd;
    char *where;
};

static int name_check(const char *name)
{
    size_t len = strlen(name);

    return len == 0 || len >= DISK_NAME_MAX || strchr(name, '/') != NULL ? -EINVAL : 0;
}

static int posix_open(void *impl, const char *name, int create)
{
    struct disk_posix *d = impl;
    int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0);
    int rv = name_check(name);

    if (rv != 0) {
        return rv;
    }
    do {
        rv = openat(d->folder_fd, name, flags, 0600);
    } while (rv < 0 && errno == EINTR);
    return rv < 0 ? -errno : rv;
}

static int posix_close(void *impl, int handle)
{
    (void)impl;
    /* After EINTR Linux has closed it all the same. */
    return close(handle) == 0 || errno == EINTR ? 0 : -errno;
}

static int64_t posix_size(void *impl, int handle)
{
    struct stat st;

    (void)impl;
    return fstat(handle, &st) == 0 ? st.st_size : -errno;
}

/* For file systems without fallocate: zeros by hand, which reserves the blocks just as well. */
static int fill_with_zeros(int handle, int64_t from, int64_t size)
{
    static const uint8_t zeros[65536];

    while (from < size) {
        int64_t left = size - from;
        size_t len = left < (int64_t)sizeof zeros ? (size_t)left : sizeof zeros;
        ssize_t n = pwrite(handle, zeros, len, from);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n == 0 ? -EIO : -errno;
        }
        from += n;
    }
    return 0;
}

static int posix_allocate(void *impl, int handle, int64_t size)
{
    int64_t from = posix_size(impl, handle);
    int rv;

    if (from < 0) {
        return (int)from;
    }
    do {
        rv = fallocate(handle, 0, 0, size);
    } while (rv != 0 && errno == EINTR);
    if (rv != 0 && errno == EOPNOTSUPP) {
        return fill_with_zeros(handle, from, size);
    }
    return rv == 0 ? 0 : -errno;
}

static int posix_truncate(void *impl, int handle, int64_t size)
{
    int rv;

    (void)impl;
    do {
        rv = ftruncate(handle, size);
    } while (rv != 0 && errno == EINTR);
    return rv == 0 ? 0 : -errno;
}

static int64_t posix_read(void *impl, int handle, void *data, size_t len, int64_t offset)
{
    ssize_t n;

    (void)impl;
    do {
        n = pread(handle, data, len, offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static int64_t posix_write(void *impl, int handle, const void *data, size_t len, int64_t offset)
{
    ssize_t n;

    (void)impl;
    do {
        n = pwrite(handle, data, len, offset);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

/* fdatasync also writes the size; an interrupted one is an error like any other: never retried. */
static int posix_sync(void *impl, int handle)
{
    (void)impl;
    return fdatasync(handle) == 0 ? 0 : -errno;
}

static int posix_rename(void *impl, const char *from, const char *to)
{
    struct disk_posix *d = impl;

    if (name_check(from) != 0 || name_check(to) != 0) {
        return -EINVAL;
    }
    return renameat(d->folder_fd, from, d->folder_fd, to) == 0 ? 0 : -errno;
}

static int posix_remove(void *impl, const char *name)
{
    struct disk_posix *d = impl;

    if (name_check(name) != 0) {
        return -EINVAL;
    }
    return unlinkat(d->folder_fd, name, 0) == 0 ? 0 : -errno;
}

static int posix_sync_folder(void *impl)
{
    struct disk_posix *d = impl;

    return fsync(d->folder_fd) == 0 ? 0 : -errno;
}

static int plain_name(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int posix_list(void *impl, void (*each)(void *context, const char *name), void *context)
{
    struct disk_posix *d = impl;
    struct dirent **entries;
    int n = scandirat(d->folder_fd, ".", &entries, plain_name, by_bytes);
    int i;

    if (n < 0) {
        return -errno;
    }
    for (i = 0; i < n; i++) {
        each(context, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

static const char *posix_where(void *impl)
{
    return ((struct disk_posix *)impl)->where;
}

static void posix_release(void *impl)
{
    struct disk_posix *d = impl;

    close(d->folder_fd);
    free(d->where);
    free(d);
}

int disk_posix_open(struct disk *disk, const char *folder)
{
    struct disk_posix *d = calloc(1, sizeof *d);
    int rv = -ENOMEM;

    if (d == NULL) {
        return rv;
    }
    d->where = strdup(folder);
    if (d->where == NULL) {
        goto err_disk;
    }
    d->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->folder_fd < 0) {
        rv = -errno;
        goto err_where;
    }
    if (flock(d->folder_fd, LOCK_EX | LOCK_NB) != 0) {
        rv = errno == EWOULDBLOCK ? -EBUSY : -errno;
        goto err_folder;
    }
    *disk = (struct disk){
        .impl = d,
        .open = posix_open,
        .close = posix_close,
        .size = posix_size,
        .allocate = posix_allocate,
        .truncate = posix_truncate,
        .read = posix_read,
        .write = posix_write,
        .sync = posix_sync,
        .rename = posix_rename,
        .remove = posix_remove,
        .sync_folder = posix_sync_folder,
        .list = posix_list,
        .where = posix_where,
        .release = posix_release,
    };
    return 0;

err_folder:
    close(d->folder_fd);
err_where:
    free(d->where);
err_disk:
    free(d);
    return rv;
}
