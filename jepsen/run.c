#define _GNU_SOURCE 1 /* setns */

#include "jepsen/run.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jepsen/nemesis.h"
#include "jepsen/power.h"
#include "jepsen/workload.h"

extern char **environ;

enum {
    ARGS_MAX = CLUSTER_NODES_MAX + 8,
    LIVE_LIMIT_MS = 60000, /* from the last fault's end to every node taking money */
    CALM_AFTER_MS = 5000,
    CALL_TIMEOUT_MS = 7000, /* a node answers within 5 s, with 504 at the latest */
    START_AMOUNT_UNITS = 500,
    LOOK_US = 20000,
    STOP_LIMIT_MS = 60000,
};

static void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("jepsen: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    exit(2);
}

void run_ground(const struct run *run, const char *verb, ...)
{
    const char *argv[ARGS_MAX] = {run->options.ground, verb};
    va_list args;
    int n = 2;
    int status;
    pid_t pid;

    va_start(args, verb);
    while (n < ARGS_MAX - 1 && (argv[n] = va_arg(args, const char *)) != NULL) {
        n++;
    }
    va_end(args);
    if (posix_spawn(&pid, argv[0], NULL, NULL, (char **)argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0) {
        die("%s %s failed", argv[0], verb);
    }
}

static void enter_namespace(const struct run *run, const char *who)
{
    char path[128];
    int fd;

    snprintf(path, sizeof path, "/run/netns/florin-jepsen-%s-%s", run->id, who);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) {
        die("can't enter %s: %s", path, strerror(errno));
    }
    close(fd);
}

void run_power_path(const struct run *run, int i, char path[static RUN_PATH_MAX])
{
    snprintf(path, RUN_PATH_MAX, "%s/node%d.power", run->cluster.folder, i + 1);
}

/* libfaketime's lock is named by the pid. A process that was killed leaves it behind, perhaps taken
 * for ever, and a pid comes again. */
static void drop_old_lock(void)
{
    char name[32];

    snprintf(name, sizeof name, "/faketime_sem_%d", (int)getpid());
    sem_unlink(name);
    snprintf(name, sizeof name, "/faketime_shm_%d", (int)getpid());
    shm_unlink(name);
}

/* In a node's process: its own network, its own clock, its own disk's faults. */
static void enter_node(void *context, int i)
{
    const struct run *run = context;
    char text[RUN_PATH_MAX];

    snprintf(text, sizeof text, "%d", i + 1);
    enter_namespace(run, text);
    snprintf(text, sizeof text, "%s/node%d.clock", run->cluster.folder, i + 1);
    setenv("FAKETIME_TIMESTAMP_FILE", text, 1);
    setenv("FAKETIME_NO_CACHE", "1", 1);
    setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
    setenv("FAKETIME_FORCE_MONOTONIC_FIX", "0",
           1); /* else waits of the monotonic clock end at once */
    drop_old_lock();
    run_power_path(run, i, text);
    setenv(POWER_FIFO, text, 1);
    snprintf(text, sizeof text, "%s/node%d", run->cluster.folder, i + 1);
    setenv(POWER_DISK, text, 1);
    setenv("LD_PRELOAD", run->options.preload, 1);
}

/* What node i finds when it starts: its orders' FIFO, and its clock's offset. */
static void furnish(const struct run *run, int i)
{
    char path[RUN_PATH_MAX];
    FILE *file;

    run_power_path(run, i, path);
    if (mkfifo(path, 0600) != 0) {
        die("can't make %s: %s", path, strerror(errno));
    }
    snprintf(path, sizeof path, "%s/node%d.clock", run->cluster.folder, i + 1);
    file = fopen(path, "we");
    if (file == NULL || fputs("+0\n", file) < 0 || fclose(file) != 0) {
        die("can't write %s: %s", path, strerror(errno));
    }
}

static void address_node(struct cluster *c, int i)
{
    snprintf(c->nodes[i].host, sizeof c->nodes[i].host, "127.73.0.%d", i + 1);
}

static void make_cluster(struct run *run)
{
    struct cluster *c = &run->cluster;
    int i;

    enter_namespace(run, "clients");
    for (i = 0; i < (int)run->options.nodes; i++) {
        address_node(c, i);
        furnish(run, i);
    }
    c->n = (int)run->options.nodes;
    c->config = "checkpoint_interval = 2s\nraft_trailing = 2000\n";
    c->before_run = enter_node;
    c->context = run;
    c->florinctl = run->options.florinctl;
    cluster_make(c, run->options.florind, (int)run->options.nodes);
    cluster_start_all(c);
    cluster_wait_ready(c);
    cluster_seed(c, PLAYERS, NULL);
    members_init(run);
}

/* --- clients ---------------------------------------------------------------------------------- */

/* Steps come at random times, so that clients meet: exponentially distributed pauses. */
static void pause_client(struct client *c)
{
    double mean_us = 1e6 * c->run->options.clients / c->run->options.rate;
    double u = (double)(chance_next(&c->chance) >> 11) / 9007199254740992.0;
    double us = -log(1.0 - u) * mean_us;

    usleep((useconds_t)(us < 2e6 ? us : 2e6));
}

static const struct workload *workload_of(const struct client *c)
{
    const char *name = c->run->options.workload;
    const struct workload *w;
    unsigned n = 0;

    while (workload_nth(n) != NULL) {
        n++;
    }
    if (strcmp(name, "mixed") == 0) {
        return workload_nth(c->number % n);
    }
    for (n = 0; (w = workload_nth(n)) != NULL && strcmp(w->name, name) != 0; n++) {
    }
    return w;
}

static void *client_run(void *argument)
{
    struct client *c = argument;
    const struct workload *w = workload_of(c);

    while (!atomic_load(&c->run->stop)) {
        w->step(c);
        pause_client(c);
    }
    return NULL;
}

static void open_clients(struct run *run)
{
    unsigned i;

    run->clients = calloc(run->options.clients, sizeof *run->clients);
    if (run->clients == NULL) {
        abort();
    }
    for (i = 0; i < run->options.clients; i++) {
        struct client *c = &run->clients[i];
        *c = (struct client){
            .run = run, .number = i, .process = i, .chance = {run->options.seed * 1000003 + i}};
        http_init(&c->http);
        c->http.timeout_ms = CALL_TIMEOUT_MS;
    }
}

/* The players' first money, by the first client, so that it is in the history. */
static void give_money(struct run *run)
{
    int i;

    for (i = 0; i < PLAYERS; i++) {
        struct op op = {.f = FN_DEPOSIT};
        snprintf(op.player, sizeof op.player, "p%d", i);
        snprintf(op.amount, sizeof op.amount, "%d", START_AMOUNT_UNITS);
        client_new_id(&run->clients[0], "start", op.id);
        if (!client_settle(&run->clients[0], &op).applied) {
            die("the first deposit of p%d was not taken", i);
        }
    }
}

static void start_clients(struct run *run)
{
    unsigned i;

    for (i = 0; i < run->options.clients; i++) {
        if (pthread_create(&run->clients[i].thread, NULL, client_run, &run->clients[i]) != 0) {
            die("can't start a thread");
        }
    }
    if (pthread_create(&run->monitor, NULL, monitor_watch, run) != 0) {
        die("can't start a thread");
    }
}

static void stop_clients(struct run *run)
{
    unsigned i;

    atomic_store(&run->stop, true);
    for (i = 0; i < run->options.clients; i++) {
        pthread_join(run->clients[i].thread, NULL);
        http_release(&run->clients[i].http);
    }
    pthread_join(run->monitor, NULL);
    free(run->clients);
}

/* --- nodes ------------------------------------------------------------------------------------ */

void run_node_in(struct run *run, int i)
{
    atomic_fetch_or(&run->nodes, 1u << i);
}

void run_node_out(struct run *run, int i)
{
    atomic_fetch_and(&run->nodes, ~(1u << i));
}

bool run_has_node(const struct run *run, int i)
{
    return (atomic_load(&run->nodes) >> i & 1u) != 0;
}

unsigned run_node_count(const struct run *run)
{
    return (unsigned)__builtin_popcount(atomic_load(&run->nodes));
}

int run_any_node(const struct run *run, struct chance *chance)
{
    unsigned nodes = atomic_load(&run->nodes);
    unsigned skip = chance_below(chance, (unsigned)__builtin_popcount(nodes));

    for (; skip > 0; skip--) {
        nodes &= nodes - 1;
    }
    return __builtin_ctz(nodes);
}

int run_new_node(struct run *run)
{
    int i = run->cluster.n;
    char id[12];

    snprintf(id, sizeof id, "%d", i + 1);
    run_ground(run, "one_more", run->id, id, run->cluster.folder, NULL);
    address_node(&run->cluster, i);
    furnish(run, i);
    cluster_add_node(&run->cluster, NULL);
    cluster_start(&run->cluster, i);
    run_node_in(run, i);
    return i;
}

void run_look_after(struct run *run)
{
    int i;

    for (i = 0; i < run->cluster.n; i++) {
        struct cluster_node *node = &run->cluster.nodes[i];
        int status;
        if (node->pid > 0 && !run->away[i] && waitpid(node->pid, &status, WNOHANG) == node->pid) {
            node->pid = 0;
            if (members_left(run, i, status)) {
                continue;
            }
            snprintf(run->surprise, sizeof run->surprise,
                     "node %d ended by itself: %s %d; see its log", i + 1,
                     WIFEXITED(status) ? "exit code" : "signal",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
            printf("          %s\n", run->surprise);
        }
    }
}

void run_restart_if_ended(struct run *run, int i)
{
    struct cluster_node *node = &run->cluster.nodes[i];
    int status;

    if (node->pid > 0 && waitpid(node->pid, &status, WNOHANG) == node->pid) {
        node->pid = 0;
    }
    if (node->pid == 0) {
        cluster_start(&run->cluster, i);
    }
}

bool run_ready(struct run *run, int i, unsigned limit_ms)
{
    uint64_t until_us = test_now_us() + limit_ms * UINT64_C(1000);
    char url[URL_MAX];

    cluster_url(&run->cluster, i, url, "/readyz");
    while (http_call(&run->http, "GET", url, NULL, NULL, NULL) != 200) {
        run_look_after(run);
        if (test_now_us() > until_us || run->cluster.nodes[i].pid == 0) {
            return false;
        }
        usleep(LOOK_US);
    }
    return true;
}

/* After the last fault: every node takes money again within the limit. The checker judges it by the
 * history; here clients only get the time to show it. */
static void wait_live(struct run *run)
{
    uint64_t until_us = test_now_us() + LIVE_LIMIT_MS * UINT64_C(1000);
    unsigned long before[CLUSTER_NODES_MAX];
    json_t *nodes = json_array();
    int i;

    for (i = 0; i < run->cluster.n; i++) {
        if (run_has_node(run, i)) {
            json_array_append_new(nodes, json_integer(i + 1));
        }
    }
    recorder_event(&run->recorder, "healed",
                   json_pack("{s:o, s:i}", "nodes", nodes, "within_ms", LIVE_LIMIT_MS));
    usleep(CALM_AFTER_MS * 1000); /* calls from before the end of the last fault are over */
    for (i = 0; i < run->cluster.n; i++) {
        before[i] = atomic_load(&run->acknowledged[i]);
    }
    for (i = 0; i < run->cluster.n; i++) {
        while (run_has_node(run, i) && atomic_load(&run->acknowledged[i]) == before[i] &&
               test_now_us() < until_us) {
            usleep(LOOK_US);
            run_look_after(run);
        }
    }
}

void run_stopped(struct run *run, int i)
{
    struct cluster_node *node = &run->cluster.nodes[i];
    uint64_t until_us = test_now_us() + STOP_LIMIT_MS * UINT64_C(1000);
    int status = 0;

    while (node->pid > 0 && waitpid(node->pid, &status, WNOHANG) == 0 && test_now_us() < until_us) {
        usleep(LOOK_US);
    }
    if (node->pid > 0 &&
        (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || test_now_us() >= until_us)) {
        snprintf(run->surprise, sizeof run->surprise, "node %d did not stop in order at SIGTERM",
                 i + 1);
        cluster_signal(&run->cluster, i, SIGKILL);
        cluster_reap(&run->cluster, i);
    }
    node->pid = 0;
}

static void stop_nodes(struct run *run)
{
    int i;

    for (i = 0; i < run->cluster.n; i++) {
        cluster_signal(&run->cluster, i, SIGTERM);
    }
    for (i = 0; i < run->cluster.n; i++) {
        run_stopped(run, i);
    }
}

/* --- all of it -------------------------------------------------------------------------------- */

static void record_test(struct run *run)
{
    const struct options *o = &run->options;
    json_t *nodes = json_array();
    char began[32];
    time_t now = time(NULL);
    struct tm utc;
    unsigned i;

    for (i = 0; i < o->nodes; i++) {
        json_array_append_new(nodes, json_integer((json_int_t)i + 1));
    }
    strftime(began, sizeof began, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    recorder_event(&run->recorder, "test",
                   json_pack("{s:o, s:I, s:s, s:s, s:i, s:s}", "nodes", nodes, "seed",
                             (json_int_t)o->seed, "workload", o->workload, "nemesis", o->nemesis,
                             "clients", (int)o->clients, "began", began));
}

static int check(const struct run *run)
{
    const struct options *o = &run->options;
    char report[512], history[512], ledgers[CLUSTER_NODES_MAX][512];
    const char *argv[ARGS_MAX] = {o->checker, "--report", report, history};
    int n = 4;
    int status;
    unsigned i;
    pid_t pid;

    snprintf(report, sizeof report, "%s", o->out);
    snprintf(history, sizeof history, "%s/history.edn", o->out);
    for (i = 0; i < CLUSTER_NODES_MAX; i++) {
        if (!run_has_node(run, (int)i)) {
            continue;
        }
        snprintf(ledgers[i], sizeof ledgers[i], "%s/ledger-%u.jsonl", o->out, i + 1);
        argv[n++] = ledgers[i];
    }
    if (posix_spawn(&pid, argv[0], NULL, NULL, (char **)argv, environ) != 0 ||
        waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        die("%s could not be run", argv[0]);
    }
    return WEXITSTATUS(status);
}

int run_do(struct run *run)
{
    char path[512];
    char nodes[8];
    int rc;

    snprintf(nodes, sizeof nodes, "%u", run->options.nodes);
    run_ground(run, "up", run->id, nodes, run->cluster.folder, NULL);
    make_cluster(run);
    snprintf(path, sizeof path, "%s/history.edn", run->options.out);
    if (recorder_open(&run->recorder, path) != 0) {
        die("can't write %s: %s", path, strerror(errno));
    }
    http_init(&run->http);
    run->http.timeout_ms = CALL_TIMEOUT_MS;
    run->chance.state = run->options.seed;
    record_test(run);
    open_clients(run);
    give_money(run);
    start_clients(run);
    nemesis_rage(run);
    members_finish(run);
    wait_live(run);
    stop_clients(run);
    if (recorder_close(&run->recorder) != 0) {
        die("can't write %s: %s", path, strerror(errno));
    }
    printf("jepsen: %lu ok, %lu fail, %lu unknown; reading every node's ledger\n",
           atomic_load(&run->ended[END_OK]), atomic_load(&run->ended[END_FAIL]),
           atomic_load(&run->ended[END_UNKNOWN]));
    fflush(stdout);
    run_collect(run);
    stop_nodes(run);
    http_release(&run->http);
    rc = check(run);
    if (run->surprise[0] != '\0') {
        printf("jepsen: %s\n", run->surprise);
        rc = rc == 0 ? 1 : rc;
    }
    return rc;
}
