/* Folders and files of a node that does not run: making, copying, looking. Everything is durable
 * when it returns 0; faults name the path. Any thread. */
#ifndef FLORIN_FOLDERS_H
#define FLORIN_FOLDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/report.h"

/* Like mkdir -p; what it makes may be entered by its owner only. */
int folder_make(const char *path, struct fault *fault);

/* *empty also when there is none; a file system's own lost+found does not count. */
int folder_is_empty(const char *path, bool *empty, struct fault *fault);

/* Removes a folder of ours: its files, and folders of files. 0 also when there is none. */
int folder_remove(const char *path, struct fault *fault);

/* The names in it. */
int folder_sync(const char *path, struct fault *fault);

/* The first `bytes` bytes of a file become a new file, mode 600. */
int file_copy(const char *from, const char *to, uint64_t bytes, struct fault *fault);

#endif
