/* A copy of the state that breaks off leaves the node as it was, and it tries again.
 *
 * A node is away until the others have cut their log. Then it is killed in the middle of fetching
 * the state, several times: each start finds the state from before. Then work goes on while it
 * fetches, for longer than the log is kept behind a checkpoint: one copy is enough. Then the node
 * that sends is killed: the fetching one gets the state from the next leader. At last a node that
 * was added is killed in the middle of its first copy.
 *
 * usage: test_copy FLORIND FLORINCTL */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/bets.h"
#include "tests/cluster/look.h"

enum {
    NODES = 3,
    AWAY = 2,
    BATCH = 8000,
    BATCHES = 6,    /* so much state that a copy takes a while */
    KILLS = 2,      /* in the middle of a copy */
    TRIES_MAX = 20, /* a copy may end before the kill */
    LIMIT_S = 30,
};

struct test {
    struct cluster cluster;
    struct http http;
    int bets; /* so many were placed */
};

static void place(struct test *t, int node)
{
    if (!place_batch(&t->cluster, &t->http, node, t->bets, BATCH)) {
        cluster_die(&t->cluster, "a batch: %.300s", t->http.len > 0 ? t->http.body : "no answer");
    }
    t->bets += BATCH;
}

/* Work until the nodes that are there have cut their log behind this index. */
static void fill(struct test *t, int node, int other, long index)
{
    int i;

    for (i = 0; i < BATCHES; i++) {
        place(t, node);
    }
    look_wait(&t->cluster, node, "first_index", index + 1);
    look_wait(&t->cluster, other, "first_index", index + 1);
}

/* How often the node's log says this. */
static unsigned count(struct test *t, int i, const char *text)
{
    char line[2048];
    char path[512];
    unsigned n = 0;
    FILE *log;

    snprintf(path, sizeof path, "%s/node%d.log", t->cluster.folder, i + 1);
    log = fopen(path, "r");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        n += strstr(line, text) != NULL;
    }
    if (log != NULL) {
        fclose(log);
    }
    return n;
}

static void wait_count(struct test *t, int i, const char *text, unsigned more_than)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (count(t, i, text) <= more_than) {
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "node %d did not say: %s", i + 1, text);
        }
        usleep(500);
    }
}

#define FETCHING "fetching the state from the leader"
#define FETCHED  "fetched the state"
#define FAILED   "could not fetch the state"

/* The ledger's seq with which the node's last start began. */
static long seq_at_start(struct test *t, int i)
{
    char line[2048];
    char path[512];
    long seq = -1;
    FILE *log;

    snprintf(path, sizeof path, "%s/node%d.log", t->cluster.folder, i + 1);
    log = fopen(path, "r");
    while (log != NULL && fgets(line, sizeof line, log) != NULL) {
        const char *at = strstr(line, " seq=");
        if (strstr(line, "florind is up") != NULL && at != NULL) {
            seq = atol(at + 5);
        }
    }
    if (log != NULL) {
        fclose(log);
    }
    return seq;
}

static void stop(struct test *t, int i)
{
    cluster_signal(&t->cluster, i, SIGTERM);
    if (cluster_reap(&t->cluster, i) != 0) {
        cluster_die(&t->cluster, "node %d did not stop in order", i + 1);
    }
}

static void kill_node(struct test *t, int i)
{
    cluster_signal(&t->cluster, i, SIGKILL);
    cluster_reap(&t->cluster, i);
}

/* It stops, and the others go on until they have cut their log behind it. */
static void leave_behind(struct test *t, int leader, int other)
{
    long index = look_number(&t->cluster, AWAY, "last_index");

    stop(t, AWAY);
    fill(t, leader, other, index);
}

/* Its state, and then its log: until then the others keep theirs for it. */
static void wait_caught_up(struct test *t, int leader)
{
    look_wait(&t->cluster, AWAY, "applied_seq", look_number(&t->cluster, leader, "applied_seq"));
    look_wait(&t->cluster, AWAY, "stored_index", look_number(&t->cluster, leader, "commit_index"));
}

/* Starts the node and kills it while it fetches; false when the copy had ended before. */
static bool break_copy(struct test *t, int i)
{
    unsigned fetching = count(t, i, FETCHING);
    unsigned fetched = count(t, i, FETCHED);

    cluster_start(&t->cluster, i);
    wait_count(t, i, FETCHING, fetching);
    kill_node(t, i);
    return count(t, i, FETCHED) == fetched;
}

/* KILLS times in the middle of a copy; what the node had is there each time. Should a copy end
 * before the kill, the node goes on from there, and the others go on, too. */
static void killed_while_fetching(struct test *t, int leader, int other)
{
    long seq = look_number(&t->cluster, AWAY, "applied_seq");
    int broken = 0;
    int tries;

    leave_behind(t, leader, other);
    for (tries = 0; broken < KILLS; tries++) {
        if (tries == TRIES_MAX) {
            cluster_die(&t->cluster, "in %d tries the copy was killed in its middle %d times",
                        tries, broken);
        }
        if (break_copy(t, AWAY)) {
            broken++;
            if (seq_at_start(t, AWAY) != seq) {
                cluster_die(&t->cluster, "the node began with seq %ld, and it had %ld",
                            seq_at_start(t, AWAY), seq);
            }
        } else {
            cluster_start(&t->cluster, AWAY);
            cluster_wait_ready(&t->cluster);
            wait_caught_up(t, leader);
            seq = look_number(&t->cluster, AWAY, "applied_seq");
            leave_behind(t, leader, other);
        }
    }
    printf("killed %d times in the middle of a copy (%d tries): it had seq %ld each time\n", broken,
           tries, seq);
}

/* Starts the node, holds it in the middle of a copy, works for more entries than trail, and lets it
 * go on. False when the copy had ended before, or was given up: nothing was to be seen. */
static bool fetch_slowly(struct test *t, int leader)
{
    unsigned fetching = count(t, AWAY, FETCHING);
    unsigned fetched = count(t, AWAY, FETCHED);
    unsigned failed = count(t, AWAY, FAILED);
    bool held;
    int i;

    cluster_start(&t->cluster, AWAY);
    wait_count(t, AWAY, FETCHING, fetching);
    cluster_signal(&t->cluster, AWAY, SIGSTOP);
    waitpid(t->cluster.nodes[AWAY].pid, NULL, WUNTRACED);
    held = count(t, AWAY, FETCHED) == fetched;
    for (i = 0; held && i < BATCHES; i++) {
        place(t, leader);
    }
    look_wait(&t->cluster, leader, "checkpoint_index",
              look_number(&t->cluster, leader, "last_index"));
    cluster_signal(&t->cluster, AWAY, SIGCONT);
    wait_caught_up(t, leader);
    if (!held || count(t, AWAY, FAILED) != failed) {
        return false;
    }
    if (count(t, AWAY, FETCHING) != fetching + 1) {
        cluster_die(&t->cluster, "the state was fetched %u times: the log was cut under the copy",
                    count(t, AWAY, FETCHING) - fetching);
    }
    return true;
}

static void work_while_fetching(struct test *t, int leader, int other)
{
    int tries = 1;

    while (!fetch_slowly(t, leader)) {
        if (tries++ == TRIES_MAX) {
            cluster_die(&t->cluster, "in %d tries no copy was held in its middle", TRIES_MAX);
        }
        leave_behind(t, leader, other);
    }
    printf("the log went on for more than trails while the state was fetched, once (%d tries)\n",
           tries);
}

/* The node fetches, the sender is killed: the next leader sends. */
static void sender_killed(struct test *t, int leader, int other)
{
    unsigned fetching = count(t, AWAY, FETCHING);
    unsigned failed = count(t, AWAY, FAILED);
    long seq = look_number(&t->cluster, leader, "applied_seq");

    cluster_start(&t->cluster, AWAY);
    wait_count(t, AWAY, FETCHING, fetching);
    kill_node(t, leader);
    look_wait(&t->cluster, AWAY, "applied_seq", seq);
    printf("the sender killed: %s; the state came from node %d\n",
           count(t, AWAY, FAILED) > failed ? "the copy broke off" : "the copy was there already",
           other + 1);
    cluster_start(&t->cluster, leader);
    cluster_wait_ready(&t->cluster);
    place(t, AWAY);
    look_equal(&t->cluster, (1u << NODES) - 1, seq + BATCH);
}

/* A new node has nothing; killed in the middle of its first copy it still has nothing. */
static void added_and_killed(struct test *t)
{
    int i = cluster_add_node(&t->cluster, NULL);
    unsigned fetching;
    char id[16], address[32];
    long seq;

    snprintf(id, sizeof id, "%d", i + 1);
    snprintf(address, sizeof address, "127.0.0.1:%u", t->cluster.nodes[i].peer_port);
    if (cluster_ctl(&t->cluster, t->cluster.operator_key, "cluster", "add", id, address) != 0) {
        cluster_die(&t->cluster, "the node was not added");
    }
    break_copy(t, i);
    fetching = count(t, i, FETCHING);
    cluster_start(&t->cluster, i);
    /* The leader asks again soon, not when it takes a copy to have failed by its age. */
    wait_count(t, i, FETCHING, fetching);
    if (cluster_ctl(&t->cluster, t->cluster.operator_key, "cluster", "promote", id, "--wait",
                    "60s") != 0) {
        cluster_die(&t->cluster, "the node was not promoted");
    }
    /* A vote only with the state, however few entries of the log it lacks. */
    cluster_log_must_say(&t->cluster, i, "installed the fetched state");
    seq = look_number(&t->cluster, 0, "applied_seq");
    look_equal(&t->cluster, (1u << (NODES + 1)) - 1, seq);
}

int main(int argc, char **argv)
{
    static struct test test;
    struct test *t = &test;
    int leader;

    if (argc < 3) {
        fprintf(stderr, "usage: test_copy FLORIND FLORINCTL\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http_init(&t->http);
    t->cluster.config = "checkpoint_interval = 200ms\nraft_trailing = 10\n";
    t->cluster.florinctl = argv[2];
    cluster_make(&t->cluster, argv[1], NODES);
    cluster_start_all(&t->cluster);
    cluster_wait_ready(&t->cluster);
    cluster_seed(&t->cluster, 1, "1000000");
    place(t, 0);
    leader = look_leader(&t->cluster);
    while (leader == AWAY) {
        if (cluster_ctl(&t->cluster, t->cluster.operator_key, "cluster", "transfer", "1") != 0) {
            cluster_die(&t->cluster, "leadership was not handed over");
        }
        leader = look_leader(&t->cluster);
    }
    wait_caught_up(t, leader);

    killed_while_fetching(t, leader, 1 - leader);
    work_while_fetching(t, leader, 1 - leader);
    leave_behind(t, leader, 1 - leader);
    sender_killed(t, look_leader(&t->cluster), 1 - look_leader(&t->cluster));
    added_and_killed(t);

    http_release(&t->http);
    cluster_destroy(&t->cluster, false);
    puts("a copy that breaks off leaves the node as it was\n1 passed, 0 failed");
    return 0;
}
