/* What the parts of power.so share: what a node changed on its disk and has not synced. */
#ifndef FLORIN_POWER_PRIVATE_H
#define FLORIN_POWER_PRIVATE_H

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "jepsen/power.h"

enum { LOST_NAME_MAX = PATH_MAX + 32 };

enum change_kind {
    CHANGE_DATA,   /* of a file's bytes or size */
    CHANGE_CREATE, /* of names from here on */
    CHANGE_REMOVE,
    CHANGE_RENAME,
};

/* One change that is not synced yet. Data: what was there, what is there. Names: paths. */
struct change {
    struct change *next, *before;
    enum change_kind kind;
    ino_t file;   /* data: the file */
    ino_t folder; /* names: the folder (of a rename, the target's) */
    int fd;       /* data: ours, open as long as the change is noted */
    off_t offset;
    off_t size_before; /* of the file */
    uint8_t *was, *is;
    size_t was_len, is_len;
    bool directory;
    char path[PATH_MAX], target[PATH_MAX];
    char lost[LOST_NAME_MAX]; /* another name of the file that a name no longer names; "": none */
};

struct power {
    pthread_mutex_t lock;
    struct change *first, *last;
    dev_t disk;
    char root[PATH_MAX], lost[PATH_MAX];
    bool on;
    unsigned lost_count;
    atomic_uint slow_us;
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    int (*fsync)(int);
    int (*fdatasync)(int);
    int (*ftruncate)(int, off_t);
    int (*fallocate)(int, int, off_t, off_t);
    int (*open)(const char *, int, ...);
    int (*openat)(int, const char *, int, ...);
    int (*unlinkat)(int, const char *, int);
    int (*mkdir)(const char *, mode_t);
    int (*renameat2)(int, const char *, int, const char *, unsigned);
};
extern struct power power;

/* Says what, and ends the process: the library is of no use when it can't do its work, and neither
 * is the run. */
void power_broken(const char *what);

/* Finds the functions that stand behind ours, once. */
void power_ready(void);

/* fstatat; false when it fails. Also within a signal handler. */
bool power_look(int at, const char *name, int flags, struct stat *st);

/* A change is made, filled in, noted, and forgotten when a sync covers it or when it failed. Lock
 * held, but for change_new. */
struct change *change_new(enum change_kind kind);
void change_note(struct change *c);
void change_forget(struct change *c);

/* Never returns. Any thread. */
void power_cut(uint32_t seed) __attribute__((noreturn));

#endif
