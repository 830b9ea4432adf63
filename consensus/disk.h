/* The file operations that the log needs, so that the simulator can lose power.
 *
 * Paths are names inside one folder, without slashes. Every function returns 0 or a count, or
 * -errno. What was written is durable only after sync of the file; a created, renamed or removed
 * name only after sync_folder. One writer thread and the loop (reads only) use a disk at the same
 * time. */
#ifndef FLORIN_DISK_H
#define FLORIN_DISK_H

#include <stddef.h>
#include <stdint.h>

enum { DISK_NAME_MAX = 64 };

struct disk {
    void *impl;
    int (*open)(void *impl, const char *name, int create); /* a handle >= 0 */
    int (*close)(void *impl, int handle);
    int64_t (*size)(void *impl, int handle);
    int (*allocate)(void *impl, int handle, int64_t size); /* zero-filled, blocks reserved */
    int (*truncate)(void *impl, int handle, int64_t size);
    int64_t (*read)(void *impl, int handle, void *data, size_t len, int64_t offset);
    int64_t (*write)(void *impl, int handle, const void *data, size_t len, int64_t offset);
    int (*sync)(void *impl, int handle); /* data and size */
    int (*rename)(void *impl, const char *from, const char *to);
    int (*remove)(void *impl, const char *name);
    int (*sync_folder)(void *impl);
    /* Calls back for each name, in byte order. */
    int (*list)(void *impl, void (*each)(void *context, const char *name), void *context);
    const char *(*where)(void *impl); /* the folder, for messages */
    void (*release)(void *impl);
};

/* POSIX files in `folder` (exists). Returns 0 or -errno. */
int disk_posix_open(struct disk *disk, const char *folder);

#endif
