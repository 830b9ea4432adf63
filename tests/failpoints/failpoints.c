/* A real node is killed at every point where something on its disk has just changed, one after the
 * other, and must come back right each time: with the same ledger as the others.
 *
 * The program lists its points itself (florind --failpoints, built with -DFLORIN_FAILPOINTS), so
 * that none is left out; one that is never reached fails the test, too.
 *
 * usage: failpoints FLORIND FLORINCTL [POINT] */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/bets.h"
#include "tests/cluster/look.h"

enum { NODES = 3, AWAY = 2, POINTS_MAX = 100, LIMIT_S = 60, BATCH = 50, TRANSFER_EVERY = 10 };
enum { SEGMENT_ENTRIES = 200 }; /* more than one of 64 KiB holds */

struct test {
    struct cluster cluster;
    struct http http;
    const char *florinctl;
    int bets; /* the next one's number */
};

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Bets through node `at`, each until it is answered: nodes die on the way, the ids stay. */
static void place(struct test *t, int at)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (!place_batch(&t->cluster, &t->http, at, t->bets, BATCH)) {
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "no bets through node %d for %d s: %s", at + 1, LIMIT_S,
                        t->http.len > 0 ? t->http.body : "no answer");
        }
        usleep(10000);
    }
    t->bets += BATCH;
}

static bool has_died(struct test *t, int i, const char *point)
{
    pid_t *pid = &t->cluster.nodes[i].pid;
    int status;

    if (*pid == 0 || waitpid(*pid, &status, WNOHANG) <= 0) {
        return false;
    }
    *pid = 0;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        cluster_die(&t->cluster, "at \"%s\" node %d ended with wait status %d", point, i + 1,
                    status);
    }
    return true;
}

static void start_armed(struct test *t, int i, const char *point)
{
    setenv("FLORIN_FAILPOINT", point, 1);
    cluster_start(&t->cluster, i);
    unsetenv("FLORIN_FAILPOINT");
}

static void kill_node(struct test *t, int i)
{
    cluster_signal(&t->cluster, i, SIGKILL);
    cluster_reap(&t->cluster, i);
}

/* Elections change terms and votes, too; whether this one succeeds does not matter. */
static void transfer(struct test *t, int at)
{
    char url[URL_MAX];

    cluster_url(&t->cluster, at, url, "/v1/cluster/transfer");
    http_call(&t->http, "POST", url, t->cluster.operator_key, "{}", NULL);
}

/* Bets and now and then an election, until the armed node has died of its point. */
static int work_until_death(struct test *t, const char *point, const int *armed, int n)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    int rounds, i;

    for (rounds = 1;; rounds++) {
        int at = -1;

        for (i = 0; i < n; i++) {
            if (has_died(t, armed[i], point)) {
                return armed[i];
            }
        }
        for (i = 0; i < NODES; i++) {
            at = t->cluster.nodes[i].pid != 0 && i != armed[0] ? i : at;
        }
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "the point \"%s\" was not reached in %d s", point, LIMIT_S);
        }
        if (place_batch(&t->cluster, &t->http, at, t->bets, BATCH)) {
            t->bets += BATCH;
        }
        /* At full speed a node that fetches the state would be behind the logs again each time. */
        usleep(10000);
        if (rounds % TRANSFER_EVERY == 0 && begins(point, "vote")) {
            transfer(t, at);
        }
    }
}

/* Kills node AWAY, and bets until the others can't give it what it missed from their logs: also
 * not after a restart, which finds what is left in the oldest segment. */
static void leave_behind(struct test *t)
{
    long last = look_number(&t->cluster, AWAY, "last_index") + SEGMENT_ENTRIES;

    kill_node(t, AWAY);
    while (look_number(&t->cluster, 0, "first_index") <= last ||
           look_number(&t->cluster, 1, "first_index") <= last) {
        place(t, 0);
    }
}

/* All are up, have applied the same, and have the log to it: a state that came as a copy is ahead
 * of its log, and as long as that is so the others keep theirs for the node. */
static void come_back(struct test *t)
{
    long seq, commit;
    int i;

    for (i = 0; i < NODES; i++) {
        if (t->cluster.nodes[i].pid == 0) {
            cluster_start(&t->cluster, i);
        }
    }
    cluster_wait_ready(&t->cluster);
    for (i = 0; i < NODES; i++) {
        place(t, i);
    }
    seq = look_number(&t->cluster, 0, "applied_seq");
    look_equal(&t->cluster, (1u << NODES) - 1, seq);
    commit = look_number(&t->cluster, 0, "commit_index");
    for (i = 0; i < NODES; i++) {
        look_wait(&t->cluster, i, "stored_index", commit);
    }
}

static void try_point(struct test *t, const char *point, int n)
{
    uint64_t began = test_now_us();
    int armed[] = {n % NODES, 0};
    int died;

    if (begins(point, "send:")) { /* either of the others may be the leader that sends */
        leave_behind(t);
        for (armed[0] = 0; armed[0] < AWAY; armed[0]++) {
            kill_node(t, armed[0]);
            start_armed(t, armed[0], point);
        }
        cluster_start(&t->cluster, AWAY);
        armed[0] = 0;
        armed[1] = 1;
        died = work_until_death(t, point, armed, 2);
        kill_node(t, 1 - died); /* it is armed, too */
    } else {
        if (begins(point, "copy:") || begins(point, "install:") || begins(point, "restart:")) {
            leave_behind(t);
            armed[0] = AWAY;
        }
        kill_node(t, armed[0]);
        start_armed(t, armed[0], point);
        died = work_until_death(t, point, armed, 1);
    }
    come_back(t);
    printf("%-42s node %d died there and came back (%llu ms)\n", point, died + 1,
           (unsigned long long)(test_now_us() - began) / 1000);
    fflush(stdout);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* The points of the program, once each. */
static int list_points(struct test *t, char points[POINTS_MAX][64])
{
    char command[600];
    FILE *f;
    int n = 0;
    int i, kept = 0;

    snprintf(command, sizeof command, "'%s' --failpoints", t->cluster.florind);
    f = popen(command, "r");
    while (f != NULL && n < POINTS_MAX && fgets(points[n], sizeof points[n], f) != NULL) {
        points[n][strcspn(points[n], "\n")] = '\0';
        n++;
    }
    if (f == NULL || pclose(f) != 0 || n == 0 || n == POINTS_MAX) {
        fprintf(stderr, "%s lists no failpoints: build it with -DFLORIN_FAILPOINTS\n",
                t->cluster.florind);
        exit(1);
    }
    qsort(points, (size_t)n, sizeof points[0], by_name);
    for (i = 0; i < n; i++) {
        if (kept == 0 || strcmp(points[kept - 1], points[i]) != 0) {
            memmove(points[kept++], points[i], sizeof points[0]);
        }
    }
    return kept;
}

/* The whole ledger of each node, from the ground up. */
static void audit(struct test *t)
{
    char command[1200], url[URL_MAX];
    int i;

    for (i = 0; i < NODES; i++) {
        cluster_url(&t->cluster, i, url, "%s", "");
        snprintf(command, sizeof command,
                 "FLORIN_ENDPOINTS=%s FLORIN_KEY=%s '%s' ledger --verify | grep -q '^verified:'",
                 url, t->cluster.platform_key, t->florinctl);
        if (system(command) != 0) {
            cluster_die(&t->cluster, "the ledger of node %d does not verify", i + 1);
        }
    }
}

int main(int argc, char **argv)
{
    static struct test t;
    static char points[POINTS_MAX][64];
    int n, i, tried = 0;

    if (argc < 3) {
        fprintf(stderr, "usage: failpoints FLORIND FLORINCTL [POINT]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http_init(&t.http);
    t.florinctl = argv[2];
    t.cluster.florind = argv[1];
    n = list_points(&t, points);
    t.cluster.config = "http_threads = 160\nsegment_bytes = 64KiB\n"
                       "checkpoint_interval = 100ms\nraft_trailing = 100\ngroup_bytes = 16KiB\n"
                       "election_timeout = 500ms\nheartbeat = 50ms\nrequest_timeout = 1s\n";
    cluster_make(&t.cluster, argv[1], NODES);
    cluster_start_all(&t.cluster);
    cluster_wait_ready(&t.cluster);
    cluster_seed(&t.cluster, 1, "1000000000");
    for (i = 0; i < n; i++) {
        if (argc < 4 || strcmp(argv[3], points[i]) == 0) {
            try_point(&t, points[i], i);
            tried++;
        }
    }
    audit(&t);
    http_release(&t.http);
    cluster_destroy(&t.cluster, false);
    printf("%d passed, 0 failed\n", tried);
    return tried > 0 ? 0 : 1;
}
