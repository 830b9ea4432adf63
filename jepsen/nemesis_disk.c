/* Disks: what was not synced is lost with the power, syncs are slow, there is no room. */
#define _GNU_SOURCE 1 /* fallocate */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "jepsen/nemesis.h"
#include "jepsen/power.h"

enum { LOOK_US = 1000, CUT_LIMIT_US = 20000000, ROOM_MAX_KB = 2048 };

/* --- power ------------------------------------------------------------------------------------ */

/* Says something to the library between node i and its disk; false when nobody listens. */
static bool tell(struct run *run, int i, enum power_verb verb, uint32_t number)
{
    struct power_message m = {.verb = verb, .number = number};
    char path[RUN_PATH_MAX];
    bool told;
    int fd;

    run_power_path(run, i, path);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return false;
    }
    told = write(fd, &m, sizeof m) == (ssize_t)sizeof m;
    close(fd);
    return told;
}

/* The library's child holds the FIFO open until the disk is as the cut left it. */
static void wait_undone(struct run *run, int i)
{
    uint64_t until_us = test_now_us() + CUT_LIMIT_US;
    char path[RUN_PATH_MAX];
    int fd;

    run_power_path(run, i, path);
    while ((fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0) {
        close(fd);
        if (test_now_us() > until_us) {
            fprintf(stderr, "jepsen: the power of node %d could not be cut\n", i + 1);
            exit(2);
        }
        usleep(LOOK_US);
    }
}

static void lost_writes_start(struct attack *a)
{
    struct run *run = a->run;
    int i;

    attack_say(a, "power cut, unsynced writes lost:");
    for (i = 0; i < run->cluster.n; i++) {
        if (attack_has(a, i) && run->cluster.nodes[i].pid > 0) {
            bool all = chance_in(&run->chance, 1, 3);
            run->away[i] = true;
            tell(run, i, POWER_CUT, all ? 0 : (uint32_t)chance_next(&run->chance) | 1);
            cluster_reap(&run->cluster, i);
            wait_undone(run, i);
        }
    }
}

static void start_again(struct attack *a)
{
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            cluster_start(&a->run->cluster, i);
            a->run->away[i] = false;
        }
    }
}

const struct nemesis nemesis_lost_writes = {"lost-writes", NEMESIS_NODE, lost_writes_start,
                                            start_again};

static void slow_disk_start(struct attack *a)
{
    uint32_t ms = 5u << chance_below(&a->run->chance, 7);
    char what[64];
    int i;

    snprintf(what, sizeof what, "syncs take %u ms longer:", ms);
    attack_say(a, what);
    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            tell(a->run, i, POWER_SLOW, ms * 1000);
        }
    }
}

static void slow_disk_stop(struct attack *a)
{
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            tell(a->run, i, POWER_SLOW, 0);
        }
    }
}

const struct nemesis nemesis_slow_disk = {"slow-disk", NEMESIS_DISK, slow_disk_start,
                                          slow_disk_stop};

/* --- no room ---------------------------------------------------------------------------------- */

static void ballast_path(const struct run *run, int i, char path[static RUN_PATH_MAX])
{
    snprintf(path, RUN_PATH_MAX, "%s/node%d/ballast", run->cluster.folder, i + 1);
}

/* Leaves so much room on node i's disk, and no more. */
static void fill(struct run *run, int i, unsigned room_kb)
{
    char path[RUN_PATH_MAX];
    struct statvfs disk;
    off_t size;
    int fd;

    ballast_path(run, i, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || fstatvfs(fd, &disk) != 0) {
        fprintf(stderr, "jepsen: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    size = (off_t)(disk.f_bfree * disk.f_frsize) - (off_t)room_kb * 1024;
    if (size > 0 && fallocate(fd, 0, 0, size) != 0 && errno != ENOSPC) {
        fprintf(stderr, "jepsen: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    close(fd);
}

/* A node that finds no room may end, and say so; it is started again when there is some. */
static void disk_full_start(struct attack *a)
{
    struct run *run = a->run;
    unsigned room_kb = chance_below(&run->chance, ROOM_MAX_KB);
    char what[64];
    int i;

    snprintf(what, sizeof what, "%u KiB of room left:", room_kb);
    attack_say(a, what);
    for (i = 0; i < run->cluster.n; i++) {
        if (attack_has(a, i)) {
            run->away[i] = true;
            fill(run, i, room_kb);
        }
    }
}

static void disk_full_stop(struct attack *a)
{
    struct run *run = a->run;
    char path[RUN_PATH_MAX];
    int i;

    for (i = 0; i < run->cluster.n; i++) {
        if (attack_has(a, i)) {
            ballast_path(run, i, path);
            unlink(path);
            run->away[i] = false;
            run_restart_if_ended(run, i);
        }
    }
}

const struct nemesis nemesis_disk_full = {"disk-full", NEMESIS_NODE, disk_full_start,
                                          disk_full_stop};
