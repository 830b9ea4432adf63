/* The cut: see power.c. After the fork only system calls are made, through the C library's own
 * functions: other threads may have held any lock. */
#define _GNU_SOURCE 1

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jepsen/power_private.h"

enum { SECTOR = 512 };

static void undo(const struct change *c)
{
    bool ok = true;

    switch (c->kind) {
    case CHANGE_DATA:
        ok = c->fd < 0 ||
             (power.ftruncate(c->fd, c->size_before) == 0 &&
              power.pwrite(c->fd, c->was, c->was_len, c->offset) == (ssize_t)c->was_len);
        break;
    case CHANGE_CREATE:
        ok = power.unlinkat(AT_FDCWD, c->path, c->directory ? AT_REMOVEDIR : 0) == 0;
        break;
    case CHANGE_REMOVE:
        ok = c->directory ? power.mkdir(c->path, 0700) == 0
                          : linkat(AT_FDCWD, c->lost, AT_FDCWD, c->path, 0) == 0;
        break;
    case CHANGE_RENAME:
        ok = power.renameat2(AT_FDCWD, c->target, AT_FDCWD, c->path, 0) == 0 &&
             (c->lost[0] == '\0' || linkat(AT_FDCWD, c->lost, AT_FDCWD, c->target, 0) == 0);
        break;
    }
    if (!ok) {
        power_broken("can't undo");
    }
}

static uint32_t draw(uint32_t *seed, uint32_t below) /* xorshift */
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed % below;
}

/* Some of the writes come through, whole or in part. A file's size was changed by them or not. */
static void redo(const struct change *c, uint32_t *seed)
{
    size_t len = c->is_len;

    if (c->kind != CHANGE_DATA || c->is == NULL || draw(seed, 2) == 0) {
        return;
    }
    if (draw(seed, 2) == 0) {
        len = draw(seed, (uint32_t)(len / SECTOR) + 1) * SECTOR;
    }
    if (len > 0 && power.pwrite(c->fd, c->is, len, c->offset) != (ssize_t)len) {
        power_broken("can't do again");
    }
}

static unsigned names_noted(void)
{
    unsigned names = 0;

    for (const struct change *c = power.first; c != NULL; c = c->next) {
        names += c->kind != CHANGE_DATA;
    }
    return names;
}

void power_cut(uint32_t seed)
{
    pid_t node = getpid();
    unsigned names, kept;
    struct change *c;

    pthread_mutex_lock(&power.lock);
    if (_Fork() != 0) { /* fork would call others' handlers, which may wait for their own locks */
        for (;;) {
            pause(); /* for the end, with the lock: nothing is written any more */
        }
    }
    kill(node, SIGKILL);
    while (getppid() == node) {
        sched_yield();
    }
    names = names_noted();
    /* Names change in order on a journaled file system: the first few of these stay. */
    kept = seed == 0 ? 0 : draw(&seed, names + 1);
    for (c = power.last; c != NULL; c = c->before) {
        if (c->kind == CHANGE_DATA || names-- > kept) {
            undo(c);
        }
    }
    for (c = power.first; c != NULL && seed != 0; c = c->next) {
        redo(c, &seed);
    }
    _exit(0);
}
