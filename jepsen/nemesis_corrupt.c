/* A byte of a stopped node's disk changes. The node must notice, refuse to start and name the file;
 * then it gets the file back as it was. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jepsen/nemesis.h"

enum { START_LIMIT_MS = 30000, LOOK_US = 20000, NAME_MAX_ = 64, LOG_TAIL = 4096 };

/* Where the damage is. */
struct damage {
    char name[NAME_MAX_]; /* in the node's data folder */
    off_t offset;
    uint8_t was;
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

static int open_damaged(const struct run *run, int i, const struct damage *d)
{
    char path[2 * RUN_PATH_MAX];
    int fd;

    snprintf(path, sizeof path, "%s/node%d/%s", run->cluster.folder, i + 1, d->name);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        fprintf(stderr, "jepsen: %s: %s\n", path, strerror(errno));
        exit(2);
    }
    return fd;
}

static void do_damage(struct run *run, int i, struct damage *d)
{
    static const char *const names[] = {"raft/identity", "raft/snapshot"};
    unsigned what = chance_below(&run->chance, 4);
    uint8_t now;
    int fd;

    if (what < 2) {
        snprintf(d->name, sizeof d->name, "%s", names[what]);
        d->offset = chance_below(&run->chance, 16);
    } else {
        oldest_segment(run, i, d->name);
        d->offset = chance_below(&run->chance, 512);
    }
    fd = open_damaged(run, i, d);
    if (pread(fd, &d->was, 1, d->offset) != 1) {
        fprintf(stderr, "jepsen: can't read %s\n", d->name);
        exit(2);
    }
    now = (uint8_t)(d->was ^ 1u << chance_below(&run->chance, 8));
    if (pwrite(fd, &now, 1, d->offset) != 1 || fsync(fd) != 0 || close(fd) != 0) {
        fprintf(stderr, "jepsen: can't write %s\n", d->name);
        exit(2);
    }
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

/* Starts the damaged node, which must end by itself. */
static void must_refuse(struct run *run, int i, const struct damage *d)
{
    uint64_t until_us = test_now_us() + START_LIMIT_MS * UINT64_C(1000);
    struct cluster_node *node = &run->cluster.nodes[i];
    int status = 0;

    cluster_start(&run->cluster, i);
    while (waitpid(node->pid, &status, WNOHANG) == 0 && test_now_us() < until_us &&
           !run_ready(run, i, 0)) {
        usleep(LOOK_US);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) != 0 && log_names(run, i, d->name)) {
        node->pid = 0;
        return;
    }
    snprintf(run->surprise, sizeof run->surprise,
             "node %d has a damaged %s (byte %ld) and did not refuse to start, naming it", i + 1,
             d->name, (long)d->offset);
    cluster_signal(&run->cluster, i, SIGKILL);
    cluster_reap(&run->cluster, i);
}

static void corrupt_start(struct attack *a)
{
    struct run *run = a->run;
    int i = run_any_node(run, &run->chance);
    struct damage d = {.name = ""};
    int fd;

    a->nodes = 1u << i;
    run->away[i] = true;
    cluster_signal(&run->cluster, i, SIGKILL);
    cluster_reap(&run->cluster, i);
    do_damage(run, i, &d);
    must_refuse(run, i, &d);
    fd = open_damaged(run, i, &d);
    if (pwrite(fd, &d.was, 1, d.offset) != 1 || close(fd) != 0) {
        fprintf(stderr, "jepsen: can't repair %s\n", d.name);
        exit(2);
    }
    snprintf(a->what, sizeof a->what, "one bit of %s of node %d, at byte %ld: it refused to start",
             d.name, i + 1, (long)d.offset);
}

static void corrupt_stop(struct attack *a)
{
    int i = __builtin_ctz(a->nodes);

    cluster_start(&a->run->cluster, i);
    a->run->away[i] = false;
}

const struct nemesis nemesis_corrupt = {"corrupt", NEMESIS_NODE, corrupt_start, corrupt_stop};
