/* A bit of a stopped node's disk changes. The node must notice, refuse to start and name the file;
 * then it gets the file back as it was, or another stands in for it, as an operator would have it.
 *
 * The ledger's own file is too large to be read at every start. A node that does not meet the
 * damaged place runs, until it does: then it must stop and name the file. What it answers until
 * then is judged like everything else, and another node stands in for it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jepsen/nemesis.h"

enum {
    START_LIMIT_MS = 30000,
    LOOK_US = 20000,
    NAME_MAX_ = 64,
    LOG_TAIL = 4096,
    COPIES_MAX = 2,
    REPLACE_LIMIT_S = 8
};

#define LEDGER_FILE "state/data.mdb"

/* Where the damage is: one bit of a byte, or of the same byte of two copies. */
struct damage {
    char name[NAME_MAX_]; /* in the node's data folder */
    off_t offsets[COPIES_MAX];
    uint8_t was[COPIES_MAX];
    int n;
    bool seen_later; /* it may be noticed only when it is met */
};

/* The oldest segment of the log: what it holds was synced long ago. */
static void oldest_segment(const struct run *run, int i, char name[static NAME_MAX_])
{
    char path[RUN_PATH_MAX];
    const struct dirent *entry;
    DIR *folder;

    snprintf(path, sizeof path, "%s/node%d/raft", run->cluster.folder, i + 1);
    folder = opendir(path);
    name[0] = '\0';
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        const char *end = strstr(entry->d_name, ".seg");
        if (end != NULL && end[4] == '\0' && strlen(entry->d_name) < NAME_MAX_ - 8 &&
            (name[0] == '\0' || strcmp(entry->d_name, name + 5) < 0)) {
            snprintf(name, NAME_MAX_, "raft/%.50s", entry->d_name);
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
}

static void path_of(const struct run *run, int i, const char *name,
                    char path[static 2 * RUN_PATH_MAX])
{
    snprintf(path, 2 * RUN_PATH_MAX, "%s/node%d/%s", run->cluster.folder, i + 1, name);
}

/* 0 where there is none. */
static off_t size_of(const struct run *run, int i, const char *name)
{
    char path[2 * RUN_PATH_MAX];
    struct stat st;

    path_of(run, i, name, path);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static int open_damaged(const struct run *run, int i, const struct damage *d)
{
    char path[2 * RUN_PATH_MAX];
    int fd;

    path_of(run, i, d->name, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "jepsen: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    return fd;
}

/* A file that the node has, and a place in it. */
static void choose_place(struct run *run, int i, struct damage *d)
{
    static const struct {
        const char *name; /* NULL: the oldest segment of the log */
        off_t within;     /* the place is before this; 0: anywhere */
        off_t copy_after; /* there is a second copy at this distance */
        bool seen_later;
    } places[] = {
        {NULL, 512, 0, false},           {NULL, 512, 0, false},
        {"raft/identity", 16, 0, false}, {"raft/snapshot", 16, 0, false},
        {"raft/vote", 40, 4096, false},  {LEDGER_FILE, 0, 0, true},
    };
    off_t size = 0;

    while (size == 0) {
        unsigned k = chance_below(&run->chance, sizeof places / sizeof *places);
        if (places[k].name == NULL) {
            oldest_segment(run, i, d->name);
        } else {
            snprintf(d->name, sizeof d->name, "%s", places[k].name);
        }
        size = d->name[0] == '\0' ? 0 : size_of(run, i, d->name);
        d->seen_later = places[k].seen_later;
        if (d->seen_later && !members_can_replace(run)) {
            size = 0;
        }
        if (size > 0) {
            off_t within = places[k].within == 0 ? size : places[k].within;
            d->offsets[0] = chance_below(&run->chance, (unsigned)(within < size ? within : size));
            d->offsets[1] = d->offsets[0] + places[k].copy_after;
            d->n = places[k].copy_after > 0 && d->offsets[1] < size ? 2 : 1;
        }
    }
}

static void do_damage(struct run *run, int i, struct damage *d)
{
    uint8_t bit = (uint8_t)(1u << chance_below(&run->chance, 8));
    bool done = true;
    int fd;
    int k;

    choose_place(run, i, d);
    fd = open_damaged(run, i, d);
    for (k = 0; k < d->n; k++) {
        uint8_t now;
        done = done && pread(fd, &d->was[k], 1, d->offsets[k]) == 1;
        now = d->was[k] ^ bit;
        done = done && pwrite(fd, &now, 1, d->offsets[k]) == 1;
    }
    if (!done || fsync(fd) != 0 || close(fd) != 0) {
        fprintf(stderr, "jepsen: can't damage %s\n", d->name);
        exit(2);
    }
}

static void repair(struct run *run, int i, const struct damage *d)
{
    int fd = open_damaged(run, i, d);
    int k;

    for (k = 0; k < d->n; k++) {
        if (pwrite(fd, &d->was[k], 1, d->offsets[k]) != 1) {
            fprintf(stderr, "jepsen: can't repair %s\n", d->name);
            exit(2);
        }
    }
    close(fd);
}

static bool log_names(const struct run *run, int i, const char *name)
{
    char path[RUN_PATH_MAX];
    char text[LOG_TAIL + 1];
    size_t n;
    FILE *file;

    snprintf(path, sizeof path, "%s/node%d.log", run->cluster.folder, i + 1);
    file = fopen(path, "re");
    if (file == NULL || (fseek(file, -LOG_TAIL, SEEK_END) != 0 && fseek(file, 0, SEEK_SET) != 0)) {
        return false;
    }
    n = fread(text, 1, LOG_TAIL, file);
    text[n] = '\0';
    fclose(file);
    return strstr(text, name) != NULL;
}

/* Did it end as a node should that finds its disk damaged? */
static void judge_end(struct run *run, int i, int status, const char *name)
{
    run->cluster.nodes[i].pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) == 0 || !log_names(run, i, name)) {
        snprintf(run->surprise, sizeof run->surprise,
                 "node %d has a damaged %s, and ended (wait status %d) without naming it", i + 1,
                 name, status);
    }
}

/* Starts the damaged node; true when it refused, false when it runs, as yet. */
static bool refuses(struct run *run, int i, const struct damage *d)
{
    uint64_t until_us = test_now_us() + START_LIMIT_MS * UINT64_C(1000);
    struct cluster_node *node = &run->cluster.nodes[i];
    int status = 0;

    cluster_start(&run->cluster, i);
    while (waitpid(node->pid, &status, WNOHANG) == 0) {
        if (test_now_us() > until_us || run_ready(run, i, 0)) {
            return false;
        }
        usleep(LOOK_US);
    }
    judge_end(run, i, status, d->name);
    return true;
}

static void must_refuse(struct run *run, int i, const struct damage *d)
{
    if (!refuses(run, i, d)) {
        snprintf(run->surprise, sizeof run->surprise,
                 "node %d has a damaged %s (byte %ld) and did not refuse to start", i + 1, d->name,
                 (long)d->offsets[0]);
        cluster_signal(&run->cluster, i, SIGKILL);
        cluster_reap(&run->cluster, i);
    }
}

static void corrupt_start(struct attack *a)
{
    struct run *run = a->run;
    int i = run_any_node(run, &run->chance);
    struct damage d = {.name = ""};
    const char *how = "it refused to start";

    a->nodes = 1u << i;
    run->away[i] = true;
    cluster_signal(&run->cluster, i, SIGKILL);
    cluster_reap(&run->cluster, i);
    do_damage(run, i, &d);
    if (!d.seen_later) {
        must_refuse(run, i, &d);
        repair(run, i, &d);
    } else if (!refuses(run, i, &d)) {
        how = "it has not met it yet";
    }
    if (d.seen_later || (members_can_replace(run) && chance_in(&run->chance, 1, 3))) {
        members_lose(run, i);
    }
    snprintf(a->what, sizeof a->what, "one bit of %s of node %d, at byte %ld: %s", d.name, i + 1,
             (long)d.offsets[0], how);
}

static void corrupt_stop(struct attack *a)
{
    struct run *run = a->run;
    int i = __builtin_ctz(a->nodes);
    int status;

    if (run->cluster.nodes[i].pid > 0 &&
        waitpid(run->cluster.nodes[i].pid, &status, WNOHANG) == run->cluster.nodes[i].pid) {
        judge_end(run, i, status, LEDGER_FILE); /* it has met it */
    }
    if (!members_lost(run, i)) {
        cluster_start(&run->cluster, i);
        run->away[i] = false;
        return;
    }
    cluster_signal(&run->cluster, i, SIGKILL);
    cluster_reap(&run->cluster, i);
    run_node_out(run, i);
    members_take_up(run);
    members_settle(run, REPLACE_LIMIT_S);
}

const struct nemesis nemesis_corrupt = {"corrupt", NEMESIS_NODE, corrupt_start, corrupt_stop};
