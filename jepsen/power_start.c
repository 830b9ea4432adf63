/* The start: finds the functions that the library stands before, and listens to the runner. */
#define _GNU_SOURCE 1

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jepsen/power_private.h"

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

/* Other libraries' constructors may come here before ours. */
void power_ready(void)
{
    if (power.renameat2 == NULL) {
        find_all();
    }
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

    power_ready();
    if (disk == NULL || fifo == NULL) {
        return;
    }
    if (!power_look(AT_FDCWD, disk, 0, &st)) {
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
