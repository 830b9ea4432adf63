#define _GNU_SOURCE /* copy_file_range, nftw */
#include "node/folders.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 2048, COPY_BYTES = 64 << 20, PIECE_BYTES = 64 << 10, OPEN_FOLDERS = 8 };

int folder_make(const char *path, struct fault *fault)
{
    char partial[PATH_BYTES];
    char *at;

    snprintf(partial, sizeof partial, "%s", path);
    for (at = partial + 1; *at != '\0'; at++) {
        if (*at == '/') {
            *at = '\0';
            if (mkdir(partial, 0700) != 0 && errno != EEXIST) {
                return fault_set(fault, "can't make the folder %s: %s", partial, strerror(errno));
            }
            *at = '/';
        }
    }
    if (mkdir(partial, 0700) != 0 && errno != EEXIST) {
        return fault_set(fault, "can't make the folder %s: %s", partial, strerror(errno));
    }
    return 0;
}

int folder_is_empty(const char *path, bool *empty, struct fault *fault)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    *empty = true;
    if (folder == NULL) {
        return errno == ENOENT ? 0
                               : fault_set(fault, "can't look into %s: %s", path, strerror(errno));
    }
    while ((entry = readdir(folder)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            strcmp(entry->d_name, "lost+found") != 0) {
            *empty = false;
        }
    }
    closedir(folder);
    return 0;
}

static int remove_one(const char *path, const struct stat *at, int type, struct FTW *ftw)
{
    (void)at;
    (void)type;
    (void)ftw;
    return remove(path);
}

int folder_remove(const char *path, struct fault *fault)
{
    if (nftw(path, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT) {
        return fault_set(fault, "can't remove %s: %s", path, strerror(errno));
    }
    return 0;
}

int folder_sync(const char *path, struct fault *fault)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rv = fd < 0 ? -1 : fsync(fd);

    if (rv != 0) {
        fault_set(fault, "can't sync the folder %s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
    return rv;
}

/* What copy_file_range can't do between two file systems of some kinds. */
static ssize_t copy_piece(int in, int out, size_t len)
{
    char piece[PIECE_BYTES];
    ssize_t n = read(in, piece, len < sizeof piece ? len : sizeof piece);

    return n <= 0 ? n : write(out, piece, (size_t)n); /* a short one fails the next check */
}

static int copy_bytes(int in, int out, uint64_t bytes)
{
    bool by_kernel = true; /* it shares blocks where the file system can */

    while (bytes > 0) {
        size_t len = bytes < COPY_BYTES ? (size_t)bytes : COPY_BYTES;
        off_t before = lseek(in, 0, SEEK_CUR);
        ssize_t n =
            by_kernel ? copy_file_range(in, NULL, out, NULL, len, 0) : copy_piece(in, out, len);

        if (n < 0 && by_kernel &&
            (errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP)) {
            by_kernel = false;
            continue;
        }
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        if (n == 0) {
            errno = EIO; /* the file became shorter */
            return -1;
        }
        if (n > 0 && lseek(in, 0, SEEK_CUR) != before + n) { /* read more than was written */
            errno = ENOSPC;
            return -1;
        }
        bytes -= n > 0 ? (uint64_t)n : 0;
    }
    return fsync(out);
}

int file_copy(const char *from, const char *to, uint64_t bytes, struct fault *fault)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = -1;
    int rv = -1;

    if (in < 0) {
        return fault_set(fault, "can't open %s: %s", from, strerror(errno));
    }
    out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (out < 0) {
        fault_set(fault, "can't make %s: %s", to, strerror(errno));
        goto out;
    }
    rv = copy_bytes(in, out, bytes);
    if (rv != 0) {
        fault_set(fault, "can't copy %s to %s: %s", from, to, strerror(errno));
        unlink(to);
    }
out:
    if (out >= 0) {
        close(out);
    }
    close(in);
    return rv;
}
