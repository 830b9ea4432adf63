/* Operators change a running cluster with florinctl, and clients only ever see 2xx, 503 or 504:
 *   - every node is restarted, one after the other;
 *   - three voters become five, the leader and one more are removed;
 *   - a node that is dead is replaced, by a command that is interrupted and given again;
 *   - two changes at once: one is told to wait;
 *   - removed nodes stop by themselves, also when they were off while it happened.
 * After each part all that was acknowledged is in the ledger, once, and all nodes have the same.
 *
 * usage: test_members FLORIND FLORINCTL */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/load.h"
#include "tests/cluster/look.h"

enum {
    NODES = 3,
    PLAYERS = 8,
    CLIENTS = 16,
    LIMIT_S = 60,  /* for any condition that is waited for */
    PROGRESS = 50, /* acknowledged calls between two changes */
    EXIT_REMOVED = 3,
};

#define REMOVED_LINE "this node is no member of the cluster any more"

struct test {
    struct cluster cluster;
    struct load load;
};

static void must(struct test *t, int rc, const char *what)
{
    if (rc != 0) {
        cluster_die(&t->cluster, "%s: florinctl ended with %d", what, rc);
    }
}

/* --- words of a command line --- */

struct words {
    char id[16];
    char address[32];
};

static struct words words_of(const struct test *t, int i)
{
    struct words w;

    snprintf(w.id, sizeof w.id, "%d", i + 1);
    snprintf(w.address, sizeof w.address, "127.0.0.1:%u", t->cluster.nodes[i].peer_port);
    return w;
}

#define ctl(t, ...) cluster_ctl(&(t)->cluster, (t)->cluster.operator_key, __VA_ARGS__)

/* --- every node restarted --- */

/* Serves what the operator's command asks for over two pipes: the nodes are this process's
 * children, so it has to be the one that restarts them. Returns how many it was asked for. */
static int restart_nodes(struct test *t, pid_t florinctl, int ask, int answer)
{
    struct pollfd wait = {ask, POLLIN, 0};
    int restarted = 0;
    siginfo_t ended = {0};

    while (ended.si_pid == 0) {
        char text[16] = "";

        if (poll(&wait, 1, 20) == 1 && read(ask, text, sizeof text - 1) > 0) {
            int i = atoi(text) - 1;
            if (i < 0 || i >= NODES) {
                cluster_die(&t->cluster, "the command for \"%s\" was run", text);
            }
            cluster_signal(&t->cluster, i, SIGTERM);
            if (cluster_reap(&t->cluster, i) != 0) {
                cluster_die(&t->cluster, "node %d did not stop in order", i + 1);
            }
            load_wait_progress(&t->load, PROGRESS); /* without it */
            cluster_start(&t->cluster, i);
            restarted++;
            if (write(answer, "done\n", 5) != 5) {
                cluster_die(&t->cluster, "nobody waits for the restart");
            }
        }
        waitid(P_PID, (id_t)florinctl, &ended, WEXITED | WNOHANG | WNOWAIT);
    }
    return restarted;
}

static void rolling_restart(struct test *t)
{
    char ask_path[300], answer_path[300], command[700];
    int ask, answer;
    int restarted;
    pid_t pid;

    puts("-- every node restarted, one after the other");
    snprintf(ask_path, sizeof ask_path, "%s/ask", t->cluster.folder);
    snprintf(answer_path, sizeof answer_path, "%s/answer", t->cluster.folder);
    snprintf(command, sizeof command, "echo {id} >'%s' && read -r line <'%s'", ask_path,
             answer_path);
    if (mkfifo(ask_path, 0600) != 0 || mkfifo(answer_path, 0600) != 0 ||
        (ask = open(ask_path, O_RDWR | O_CLOEXEC)) < 0 ||
        (answer = open(answer_path, O_RDWR | O_CLOEXEC)) < 0) {
        cluster_die(&t->cluster, "no pipes: %s", strerror(errno));
    }
    pid = cluster_ctl_start(&t->cluster, t->cluster.operator_key,
                            (const char *const[]){"cluster", "rolling-restart", "--restart-command",
                                                  command, "--wait", "60s", "--timeout", "30s",
                                                  NULL});
    restarted = restart_nodes(t, pid, ask, answer);
    must(t, cluster_ctl_wait(&t->cluster, pid), "rolling-restart");
    if (restarted != NODES) {
        cluster_die(&t->cluster, "%d nodes were restarted", restarted);
    }
    close(ask);
    close(answer);
    /* A command that restarts nothing is noticed. */
    if (ctl(t, "cluster", "rolling-restart", "--restart-command", "true", "--wait", "500ms",
            "--timeout", "30s") != 3 ||
        !cluster_ctl_says(&t->cluster, "still runs as the process")) {
        cluster_die(&t->cluster, "a restart that was none was not noticed");
    }
}

/* --- three, five, three --- */

static void targets_add(struct test *t, int i)
{
    atomic_fetch_or(&t->load.targets, 1u << i);
}

static void targets_remove(struct test *t, int i)
{
    atomic_fetch_and(&t->load.targets, ~(1u << i));
}

static void grow(struct test *t)
{
    int i = cluster_add_node(&t->cluster, NULL);
    struct words w = words_of(t, i);

    printf("-- node %s becomes a voter\n", w.id);
    cluster_start(&t->cluster, i);
    targets_add(t, i); /* from the first moment: it knows nobody's key yet */
    must(t, ctl(t, "cluster", "add", w.id, w.address, "--timeout", "30s"), "add");
    must(t, ctl(t, "cluster", "add", w.id, w.address, "--timeout", "30s"), "add again");
    must(t, ctl(t, "cluster", "promote", w.id, "--wait", "60s", "--timeout", "30s"), "promote");
    must(t, ctl(t, "cluster", "promote", w.id, "--timeout", "30s"), "promote again");
    load_wait_progress(&t->load, PROGRESS);
}

/* A removed node ends by itself, and says why. */
static void must_end(struct test *t, int i)
{
    int status = cluster_wait_end(&t->cluster, i);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_REMOVED) {
        cluster_die(&t->cluster, "removed node %d ended with wait status %d", i + 1, status);
    }
    cluster_log_must_say(&t->cluster, i, REMOVED_LINE);
}

static void shrink(struct test *t, int i)
{
    struct words w = words_of(t, i);

    printf("-- node %s is removed\n", w.id);
    must(t, ctl(t, "cluster", "remove", w.id, "--timeout", "30s"), "remove");
    must_end(t, i);
    targets_remove(t, i);
    load_wait_progress(&t->load, PROGRESS);
}

static void three_five_three(struct test *t)
{
    int leader;
    int other;

    grow(t);
    grow(t);
    /* One of the first leads when it is removed: what the new ones are for. */
    leader = look_leader(&t->cluster);
    if (leader >= NODES) {
        must(t, ctl(t, "cluster", "transfer", "1", "--timeout", "30s"), "transfer");
        leader = 0;
    }
    shrink(t, leader);
    other = leader == 1 ? 2 : 1;
    shrink(t, other);
    load_stop(&t->load);
    load_check(&t->load, "three to five to three");
}

/* --- a dead node replaced, in two goes --- */

static void wait_ctl_says(struct test *t, const char *text)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;

    while (!cluster_ctl_says(&t->cluster, text)) {
        if (test_now_us() > limit) {
            cluster_die(&t->cluster, "florinctl did not say: %s", text);
        }
        usleep(20000);
    }
}

static void replace(struct test *t, int old)
{
    int i = cluster_add_node(&t->cluster, NULL);
    struct words was = words_of(t, old);
    struct words new = words_of(t, i);
    const char *const words[] = {"cluster", "replace", was.id,      new.id, new.address,
                                 "--wait",  "60s",     "--timeout", "30s",  NULL};
    pid_t pid;

    printf("-- node %s dies, node %s stands in for it\n", was.id, new.id);
    targets_remove(t, old);
    cluster_signal(&t->cluster, old, SIGKILL);
    cluster_reap(&t->cluster, old);

    /* Interrupted where it waits for the new node, which does not run yet. */
    pid = cluster_ctl_start(&t->cluster, t->cluster.operator_key, words);
    wait_ctl_says(t, "not connected");
    kill(pid, SIGINT);
    if (cluster_ctl_wait(&t->cluster, pid) != -1) {
        cluster_die(&t->cluster, "florinctl was not interrupted");
    }
    cluster_start(&t->cluster, i);
    must(t,
         cluster_ctl_wait(&t->cluster,
                          cluster_ctl_start(&t->cluster, t->cluster.operator_key, words)),
         "replace, taken up again");
    must(t,
         cluster_ctl_wait(&t->cluster,
                          cluster_ctl_start(&t->cluster, t->cluster.operator_key, words)),
         "replace, when all is done");
    targets_add(t, i);
    load_wait_progress(&t->load, PROGRESS);

    printf("-- node %s comes back, and is told\n", was.id);
    cluster_start(&t->cluster, old);
    must_end(t, old);
    load_wait_progress(&t->load, PROGRESS);
}

/* --- refusals --- */

struct call {
    struct test *t;
    pthread_t thread;
    pthread_barrier_t *together;
    unsigned id;
    long status;
    char code[32];
};

static void *call_remove(void *context)
{
    struct call *c = context;
    json_t *json = NULL;
    char url[URL_MAX];
    struct http http;
    const char *code;

    http_init(&http);
    cluster_url(&c->t->cluster, look_leader(&c->t->cluster), url, "/v1/cluster/members/%u", c->id);
    pthread_barrier_wait(c->together);
    c->status = http_call(&http, "DELETE", url, c->t->cluster.operator_key, NULL, &json);
    code = json_string_value(json_object_get(json, "code"));
    snprintf(c->code, sizeof c->code, "%s", code == NULL ? "" : code);
    json_decref(json);
    http_release(&http);
    return NULL;
}

/* A stand-by that nobody ever starts. */
static void add_nobody(struct test *t, unsigned id)
{
    char text[16], address[32];

    snprintf(text, sizeof text, "%u", id);
    snprintf(address, sizeof address, "127.0.0.1:%u", id); /* below 1024: nobody listens */
    must(t, ctl(t, "cluster", "add", text, address, "--timeout", "30s"), "add");
}

/* Two operators remove a member each in the same moment; at most one removal is under way, so the
 * other waits or is refused. True when one was. */
static bool collide(struct test *t, unsigned first_id)
{
    pthread_barrier_t together;
    struct call calls[2];
    bool busy = false;
    int i;

    pthread_barrier_init(&together, NULL, 2);
    for (i = 0; i < 2; i++) {
        calls[i] = (struct call){.t = t, .together = &together, .id = first_id + (unsigned)i};
        add_nobody(t, calls[i].id);
    }
    for (i = 0; i < 2; i++) {
        if (pthread_create(&calls[i].thread, NULL, call_remove, &calls[i]) != 0) {
            cluster_die(&t->cluster, "no thread");
        }
    }
    for (i = 0; i < 2; i++) {
        pthread_join(calls[i].thread, NULL);
        printf("    remove %u: %ld %s\n", calls[i].id, calls[i].status, calls[i].code);
        if (calls[i].status == 409 && strcmp(calls[i].code, "membership_busy") == 0) {
            char text[16];
            busy = true;
            snprintf(text, sizeof text, "%u", calls[i].id);
            must(t, ctl(t, "cluster", "remove", text, "--timeout", "30s"), "remove");
        } else if (calls[i].status != 200) {
            cluster_die(&t->cluster, "remove %u was answered %ld %s", calls[i].id, calls[i].status,
                        calls[i].code);
        }
    }
    pthread_barrier_destroy(&together);
    return busy;
}

static void two_at_once(struct test *t)
{
    unsigned id;

    puts("-- two changes at once");
    for (id = 100; !collide(t, id); id += 2) {
        if (id > 200) {
            cluster_die(&t->cluster, "two changes at once, and never was one refused");
        }
    }
}

/* What an operator gets wrong is refused, with the reason. */
static void mistakes(struct test *t)
{
    static const struct {
        const char *words[5];
        const char *says;
    } cases[] = {
        {{"cluster", "add", "5", "127.0.0.1:9"}, "already_exists (409)"},
        {{"cluster", "remove", "77"}, "unknown_member (404)"},
        {{"cluster", "promote", "77"}, "unknown_member (404)"},
        {{"cluster", "add", "99", "127.0.0.1:9"}, "id_used (409)"},
        {{"cluster", "add", "300", "127.0.0.1"}, "malformed (400)"},
    };
    size_t i;

    puts("-- mistakes");
    for (i = 0; i < sizeof cases / sizeof *cases; i++) {
        pid_t pid = cluster_ctl_start(&t->cluster, t->cluster.operator_key, cases[i].words);
        if (cluster_ctl_wait(&t->cluster, pid) == 0 ||
            !cluster_ctl_says(&t->cluster, cases[i].says)) {
            cluster_die(&t->cluster, "expected %s", cases[i].says);
        }
    }
}

/* A node of another cluster that was added by mistake never gets in, and can be removed again. */
static void wrong_cluster(struct test *t)
{
    int i = cluster_add_node(&t->cluster, "other");
    struct words w = words_of(t, i);

    puts("-- a node of another cluster");
    cluster_start(&t->cluster, i);
    must(t, ctl(t, "cluster", "add", w.id, w.address, "--timeout", "30s"), "add");
    if (ctl(t, "cluster", "promote", w.id, "--wait", "1s", "--timeout", "30s") != 1 ||
        !cluster_ctl_says(&t->cluster, "not connected")) {
        cluster_die(&t->cluster, "a node of another cluster was let in");
    }
    must(t, ctl(t, "cluster", "remove", w.id, "--timeout", "30s"), "remove");
    cluster_log_must_say(&t->cluster, i, "it belongs to another cluster");
    cluster_signal(&t->cluster, i, SIGKILL);
    cluster_reap(&t->cluster, i);
}

/* A folder is one node's of one cluster; `what` is the line of the config that is changed. */
static void wrong_folder(struct test *t, int i, const char *what)
{
    char command[1600];
    int status;

    printf("-- the folder of node %d, started with %s\n", i + 1, what);
    snprintf(command, sizeof command,
             "sed 's/^%.*s = .*/%s/' '%s/node%d.conf' >'%s/wrong.conf' && "
             "timeout 60 '%s' --config '%s/wrong.conf' >'%s/wrong.log' 2>&1",
             (int)strcspn(what, " "), what, what, t->cluster.folder, i + 1, t->cluster.folder,
             t->cluster.florind, t->cluster.folder, t->cluster.folder);
    status = system(command);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 70) {
        cluster_die(&t->cluster, "it ended with wait status %d", status);
    }
    snprintf(command, sizeof command,
             "grep -q 'raft belongs to node %d of cluster test' '%s/wrong.log'", i + 1,
             t->cluster.folder);
    if (system(command) != 0) {
        cluster_die(&t->cluster, "wrong.log does not say whose the folder is");
    }
}

static void open_test(struct test *t, char **argv)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    t->cluster.florinctl = argv[2];
    cluster_make(&t->cluster, argv[1], NODES);
    t->load.cluster = &t->cluster;
    t->load.n_clients = CLIENTS;
    t->load.players = PLAYERS;
    atomic_store(&t->load.targets, (1u << NODES) - 1);
    cluster_start_all(&t->cluster);
    cluster_wait_ready(&t->cluster);
    cluster_seed(&t->cluster, PLAYERS, "1000000");
}

int main(int argc, char **argv)
{
    static struct test test; /* large, and zero */
    struct test *t = &test;
    int old;

    if (argc < 3) {
        fprintf(stderr, "usage: test_members FLORIND FLORINCTL\n");
        return 2;
    }
    open_test(t, argv);

    load_start(&t->load, 0);
    rolling_restart(t);
    three_five_three(t); /* stops the load */

    load_start(&t->load, 1);
    load_wait_progress(&t->load, PROGRESS);
    old = NODES; /* node 4: one of those that were added */
    replace(t, old);
    wrong_cluster(t);
    two_at_once(t);
    mistakes(t);
    load_stop(&t->load);
    load_check(&t->load, "a node replaced");
    wrong_folder(t, old, "cluster_id = other");
    wrong_folder(t, old, "node_id = 2");

    cluster_destroy(&t->cluster, false);
    load_release(&t->load);
    puts("every node restarted; three voters, five, three; one replaced; mistakes refused\n"
         "1 passed, 0 failed");
    return 0;
}
