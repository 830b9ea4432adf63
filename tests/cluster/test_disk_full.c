/* Nearly full and full disks under real nodes, each on a small file system of its own: writes are
 * refused before Raft can break, reads go on, and all goes on by itself when there is room again.
 *
 * The file systems live in a namespace of mounts that ends with this process; without the right to
 * mount the test says so and is skipped.
 *
 * usage: test_disk_full FLORIND */
#define _GNU_SOURCE 1 /* unshare */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/bets.h"
#include "tests/cluster/look.h"

enum { NODES = 3, DISK_MIB = 48, LIMIT_S = 60, MIB = 1 << 20 };

static const char config[] = CLUSTER_CONFIG "checkpoint_interval = 100ms\nraft_trailing = 50\n"
                                            "disk_reserve = 16MiB\nrequest_timeout = 10s\n";

static void run(struct cluster *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void run(struct cluster *c, const char *format, ...)
{
    char command[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    if (system(command) != 0) {
        cluster_die(c, "failed: %s", command);
    }
}

/* Puts a node's data, fresh from --format, on a file system of its own. */
static void give_disk(struct cluster *c, int i)
{
    char path[300], options[32];

    snprintf(path, sizeof path, "%s/node%d", c->folder, i + 1);
    snprintf(options, sizeof options, "size=%dm", DISK_MIB);
    run(c, "mv '%s' '%s.formatted' && mkdir '%s'", path, path, path);
    if (mount("tmpfs", path, "tmpfs", 0, options) != 0) {
        cluster_die(c, "can't mount on %s: %s", path, strerror(errno));
    }
    run(c, "cp -a '%s.formatted/.' '%s/'", path, path);
}

/* Leaves so many bytes free on a node's disk, by one large file. */
static void leave(struct cluster *c, int i, uint64_t bytes)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    char path[300];
    int fd, rv;

    snprintf(path, sizeof path, "%s/node%d/ballast", c->folder, i + 1);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        cluster_die(c, "can't fill %s: %s", path, strerror(errno));
    }
    do { /* the node takes some of the room meanwhile */
        struct statvfs fs;
        uint64_t left = fstatvfs(fd, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
        rv = left > bytes ? posix_fallocate(fd, 0, (off_t)(left - bytes)) : 0;
    } while (rv == ENOSPC && test_now_us() < limit);
    if (rv != 0) {
        cluster_die(c, "can't fill %s: %s", path, strerror(rv));
    }
    close(fd);
}

static void make_room(struct cluster *c, int i)
{
    char path[300];

    snprintf(path, sizeof path, "%s/node%d/ballast", c->folder, i + 1);
    unlink(path);
}

static long bet(struct cluster *c, struct http *http, int node, int number, json_t **json)
{
    char url[URL_MAX];
    char body[256];

    cluster_url(c, node, url, "/v1/bets");
    snprintf(body, sizeof body,
             "{\"id\":\"bet-%d\",\"player\":\"p0\",\"currency\":\"EUR\",\"amount\":\"1\"}", number);
    return http_call(http, "POST", url, c->provider_key, body, json);
}

static long balance(struct cluster *c, struct http *http, int node)
{
    char url[URL_MAX];

    cluster_url(c, node, url, "/v1/players/p0/balances");
    return http_call(http, "GET", url, c->provider_key, NULL, NULL);
}

/* Places bets until one is answered with `status`; gives how many there were before. */
static int bet_until(struct cluster *c, struct http *http, int node, int *number, long status)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    int before = 0;
    long got;

    while ((got = bet(c, http, node, *number, NULL)) != status) {
        if ((got != 200 && got != 503) || test_now_us() > limit) {
            cluster_die(c, "node %d answers a bet %ld, not %ld: %s", node + 1, got, status,
                        http->len > 0 ? http->body : "nothing");
        }
        *number += got == 200;
        before++;
        usleep(10000);
    }
    *number += status == 200;
    return before;
}

static void refused_everywhere(struct cluster *c, struct http *http, int number)
{
    int i;

    for (i = 0; i < NODES; i++) {
        json_t *json = NULL;
        const char *code, *detail;

        if (bet(c, http, i, number, &json) != 503) {
            cluster_die(c, "node %d takes a bet, or hangs, with full disks: %s", i + 1, http->body);
        }
        code = json_string_value(json_object_get(json, "code"));
        detail = json_string_value(json_object_get(json, "detail"));
        if (code == NULL || strcmp(code, "unavailable") != 0 || detail == NULL ||
            strstr(detail, "disks are nearly full") == NULL) {
            cluster_die(c, "node %d refuses a bet with other words: %s", i + 1, http->body);
        }
        json_decref(json);
        if (balance(c, http, i) != 200) {
            cluster_die(c, "node %d does not read with full disks: %s", i + 1, http->body);
        }
    }
}

static void all_nearly_full(struct cluster *c, struct http *http, int *number)
{
    int i;

    for (i = 0; i < NODES; i++) {
        leave(c, i, 8 * MIB);
    }
    bet_until(c, http, 0, number, 503);
    refused_everywhere(c, http, *number);
    for (i = 0; i < NODES; i++) {
        leave(c, i, 0); /* and even with nothing left at all */
    }
    for (i = 0; i < 200; i++) {
        if (balance(c, http, i % NODES) != 200) {
            cluster_die(c, "no reads with disks that are really full: %s", http->body);
        }
    }
    refused_everywhere(c, http, *number);
    for (i = 0; i < NODES; i++) {
        make_room(c, i);
    }
    bet_until(c, http, 1, number, 200);
    cluster_log_must_say(c, 0, "the disk is nearly full: free some space");
    cluster_log_must_say(c, 0, "the disk has room again");
    printf("all disks full: writes refused, reads answered, and on again with room\n");
}

/* Only the leader's: another one leads, and no bet is refused for long. */
static void leader_full(struct cluster *c, struct http *http, int *number)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    int leader = cluster_leader(c);
    int now;

    if (leader < 0) {
        cluster_die(c, "nobody leads");
    }
    leave(c, leader, 8 * MIB);
    while ((now = cluster_leader(c)) == leader || now < 0) {
        if (test_now_us() > limit) {
            cluster_die(c, "a leader with a full disk leads on");
        }
        usleep(20000);
    }
    bet_until(c, http, leader, number, 200);
    place_bets(c, http, leader, *number, 50);
    *number += 50;
    make_room(c, leader);
    cluster_log_must_say(c, leader, "handing leadership over");
    printf("the leader's disk full: node %d led instead of node %d\n", now + 1, leader + 1);
}

/* Both followers': the leader has room, but each entry needs one of them. */
static void followers_full(struct cluster *c, struct http *http, int *number)
{
    int leader = cluster_leader(c);

    leave(c, (leader + 1) % NODES, 8 * MIB);
    leave(c, (leader + 2) % NODES, 8 * MIB);
    bet_until(c, http, leader, number, 503);
    refused_everywhere(c, http, *number);
    make_room(c, (leader + 1) % NODES);
    bet_until(c, http, leader, number, 200);
    make_room(c, (leader + 2) % NODES);
    printf("both followers' disks full: writes refused until one had room\n");
}

/* It stops when its log finds no room, with the remedy. Or, when it fell behind the others' logs
 * before that, it lives on without the state that it has no room for. True: it stopped. */
static bool stops_or_waits(struct cluster *c, struct http *http, int full, int other, int *number)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    int status = 0;

    while (waitpid(c->nodes[full].pid, &status, WNOHANG) == 0) {
        place_bets(c, http, other, *number, 100);
        *number += 100;
        if (cluster_log_says(c, full, "the disk has room for 0: free some space")) {
            return false;
        }
        if (test_now_us() > limit) {
            cluster_die(c, "a follower goes on writing to a disk that is full");
        }
    }
    c->nodes[full].pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 70) {
        cluster_die(c, "the follower did not stop in order: wait status %d", status);
    }
    cluster_log_must_say(c, full, "the disk is full: free some space, then start this node");
    return true;
}

/* A follower's: the others go on without it, and it comes back whole. */
static void follower_full(struct cluster *c, struct http *http, int *number)
{
    int leader = cluster_leader(c);
    int full = (leader + 1) % NODES;
    int other = (leader + 2) % NODES;
    bool stopped;

    leave(c, full, 0);
    stopped = stops_or_waits(c, http, full, other, number);
    place_bets(c, http, other, *number, 50);
    *number += 50;
    make_room(c, full);
    if (stopped) {
        cluster_start(c, full);
    }
    cluster_wait_ready(c);
    place_bets(c, http, full, *number, 10);
    *number += 10;
    printf("a follower's disk full: it %s, the others went on, it came back\n",
           stopped ? "stopped with the remedy" : "waited for room");
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    struct http http;
    int number = 0;
    long seq;
    int i;

    if (argc < 2) {
        fprintf(stderr, "usage: test_disk_full FLORIND\n");
        return 2;
    }
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        printf("skipped: no right to mount small file systems (not root)\n");
        return 0;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http_init(&http);
    cluster.config = config;
    cluster_make(&cluster, argv[1], NODES);
    for (i = 0; i < NODES; i++) {
        give_disk(&cluster, i);
    }
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    cluster_seed(&cluster, 1, "1000000");
    place_bets(&cluster, &http, 0, number, 100);
    number += 100;

    all_nearly_full(&cluster, &http, &number);
    leader_full(&cluster, &http, &number);
    followers_full(&cluster, &http, &number);
    follower_full(&cluster, &http, &number);

    seq = look_number(&cluster, 0, "applied_seq");
    look_equal(&cluster, (1u << NODES) - 1, seq);
    http_release(&http);
    for (i = 0; i < NODES; i++) {
        cluster_signal(&cluster, i, SIGKILL);
        cluster_reap(&cluster, i);
        run(&cluster, "umount '%s/node%d'", cluster.folder, i + 1);
    }
    cluster_destroy(&cluster, false);
    printf("5 passed, 0 failed\n");
    return 0;
}
