#define _GNU_SOURCE 1 /* strerrordesc_np */

#include "consensus/disk_io.h"

#include <errno.h>
#include <string.h>

int disk_fault(struct fault *fault, struct disk *disk, const char *doing, const char *name,
               int64_t error)
{
    int number = (int)(error < 0 ? -error : error);
    const char *text = strerrordesc_np(number); /* strerror shares a buffer between threads */
    const char *advice = "the disk or its file system is failing: check it before this node starts "
                         "again";

    if (number == ENOSPC || number == EDQUOT) {
        advice = "the disk is full: free some space, then start this node again";
    } else if (number == EACCES || number == EPERM || number == EROFS) {
        advice = "check the owner and the mode of the folder";
    } else if (number == ENOENT) {
        advice = "check the path";
    } else if (number == EMFILE || number == ENFILE) {
        advice = "raise the limit of open files, then start this node again";
    }
    return fault_set(fault, "%s %s/%s failed: %s: %s", doing, disk->where(disk->impl), name,
                     text == NULL ? "unknown error" : text, advice);
}

int disk_damage(struct fault *fault, struct disk *disk, const char *name, uint64_t offset,
                const char *what)
{
    return fault_set(fault, "%s/%s is damaged at byte %llu: %s; %s", disk->where(disk->impl), name,
                     (unsigned long long)offset, what, DISK_REMEDY);
}

int disk_write_all(struct disk *disk, int handle, const char *name, const void *data, size_t len,
                   uint64_t offset, struct fault *fault)
{
    const uint8_t *at = data;

    while (len > 0) {
        int64_t n = disk->write(disk->impl, handle, at, len, (int64_t)offset);
        if (n <= 0) {
            return disk_fault(fault, disk, "writing", name, n == 0 ? -EIO : n);
        }
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

int disk_read_upto(struct disk *disk, int handle, const char *name, void *data, size_t len,
                   uint64_t offset, size_t *got, struct fault *fault)
{
    uint8_t *at = data;

    *got = 0;
    while (*got < len) {
        int64_t n = disk->read(disk->impl, handle, at + *got, len - *got, (int64_t)(offset + *got));
        if (n < 0) {
            return disk_fault(fault, disk, "reading", name, n);
        }
        if (n == 0) {
            break;
        }
        *got += (size_t)n;
    }
    return 0;
}

int disk_sync_file(struct disk *disk, int handle, const char *name, struct fault *fault)
{
    int rv = disk->sync(disk->impl, handle);

    return rv == 0 ? 0 : disk_fault(fault, disk, "syncing", name, rv);
}

int disk_sync_names(struct disk *disk, struct fault *fault)
{
    int rv = disk->sync_folder(disk->impl);

    return rv == 0 ? 0 : disk_fault(fault, disk, "syncing", ".", rv);
}

int disk_open_existing(struct disk *disk, const char *name, int *handle, bool *found,
                       struct fault *fault)
{
    int rv = disk->open(disk->impl, name, 0);

    *found = rv >= 0;
    if (rv == -ENOENT) {
        return 0;
    }
    if (rv < 0) {
        return disk_fault(fault, disk, "opening", name, rv);
    }
    *handle = rv;
    return 0;
}
