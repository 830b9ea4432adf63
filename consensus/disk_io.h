/* What every file of the log does with a struct disk: whole reads and writes, and faults that name
 * the file, the reason and the remedy. All return 0, or -1 with the fault. Any thread. */
#ifndef FLORIN_DISK_IO_H
#define FLORIN_DISK_IO_H

#include <stdbool.h>

#include "consensus/disk.h"
#include "statemachine/report.h"

/* What a person does with a node whose log can't be trusted. Said in every such fault. */
#define DISK_REMEDY                                                                                \
    "restore this node from the others: remove it, add a new node id, see docs/operations.md"

/* "writing FOLDER/NAME failed: No space left on device: the disk is full: ...". `error` is -errno
 * or errno. */
int disk_fault(struct fault *fault, struct disk *disk, const char *doing, const char *name,
               int64_t error);

/* "FOLDER/NAME is damaged at byte OFFSET: WHAT; REMEDY". */
int disk_damage(struct fault *fault, struct disk *disk, const char *name, uint64_t offset,
                const char *what);

/* Writes all of it. */
int disk_write_all(struct disk *disk, int handle, const char *name, const void *data, size_t len,
                   uint64_t offset, struct fault *fault);

/* Reads up to `len` bytes, fewer only at the end of the file. */
int disk_read_upto(struct disk *disk, int handle, const char *name, void *data, size_t len,
                   uint64_t offset, size_t *got, struct fault *fault);

int disk_sync_file(struct disk *disk, int handle, const char *name, struct fault *fault);
int disk_sync_names(struct disk *disk, struct fault *fault);

/* Opens an existing file. *found is false, and the result 0, when there is none. */
int disk_open_existing(struct disk *disk, const char *name, int *handle, bool *found,
                       struct fault *fault);

#endif
