/* A large ledger: how much disk and memory it takes, how long a node needs to be ready with it, and
 * what clients notice of checkpoints and of a state that is streamed to another node.
 *
 * It is put under two of three nodes as a snapshot; the third one has nothing, as if it had been
 * away since the beginning.
 *
 * NEW_NODE_IN=FOLDER: the third node's data lies in there, on another disk (or in memory,
 * /dev/shm), as a new machine has a disk of its own.
 *
 * usage: bench_state FLORIND [PLAYERS] [TRANSACTIONS] [BETS A SECOND] [SECONDS] */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/ledger_maker.h"
#include "tests/bench/load.h"
#include "tests/bench/pauses.h"
#include "tests/cluster/bets.h"
#include "tests/cluster/look.h"

enum { NODES = 3, NEW = 2, CONNECTIONS = 64, LIMIT_S = 600, MIB = 1 << 20 };

/* A steady load of bets while something else happens. */
struct phase {
    struct load load;
    struct load_result result;
    uint16_t ports[NODES];
    atomic_bool stop;
    pthread_t thread;
    struct pause_watch *watch;
};

struct bench {
    struct cluster cluster;
    struct http http;
    long players, transactions;
    int rate, seconds;
    char elsewhere[256]; /* where the new node's data is; "": with the others' */
};

static double seconds_since(uint64_t began_us)
{
    return (double)(test_now_us() - began_us) / 1e6;
}

/* Makes the system forget what it has of a node's state in memory: a start from a cold disk. */
static void forget_state(struct bench *b, int i)
{
    char path[400];
    int fd;

    snprintf(path, sizeof path, "%s/node%d/state/data.mdb", b->cluster.folder, i + 1);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0) {
        cluster_die(&b->cluster, "can't open %s", path);
    }
    close(fd);
}

static unsigned long status_kib(pid_t pid, const char *field)
{
    char path[64], line[256];
    unsigned long kib = 0;
    size_t len = strlen(field);
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, field, len) == 0 && line[len] == ':') {
            kib = strtoul(line + len + 1, NULL, 10);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib;
}

static void print_memory(struct bench *b)
{
    int i;

    for (i = 0; i < NODES; i++) {
        pid_t pid = b->cluster.nodes[i].pid;
        char name[44];

        if (pid != 0) {
            snprintf(name, sizeof name, "memory of node %d", i + 1);
            printf("%-44s %lu MiB resident: %lu of its own, %lu mapped pages of the state\n", name,
                   status_kib(pid, "VmRSS") >> 10, status_kib(pid, "RssAnon") >> 10,
                   status_kib(pid, "RssFile") >> 10);
        }
    }
}

static void *run_phase(void *argument)
{
    struct phase *p = argument;

    if (load_run(&p->load, &p->result) != 0) {
        perror("bench_state: the load");
        exit(1);
    }
    return NULL;
}

/* Bets at the first NEW nodes, due at fixed times: a stall shows in each that was due in it. */
static struct phase *phase_start(const struct bench *b)
{
    struct phase *p = calloc(1, sizeof *p);
    int i;

    if (p == NULL) {
        abort();
    }
    for (i = 0; i < NEW; i++) {
        p->ports[i] = (uint16_t)b->cluster.nodes[i].http_port;
    }
    p->load = (struct load){.ports = p->ports,
                            .n_ports = NEW,
                            .key = b->cluster.provider_key,
                            .connections = CONNECTIONS,
                            .rate_per_s = b->rate,
                            .seconds = 24 * 3600,
                            .stop = &p->stop,
                            .players = (unsigned)b->players};
    p->watch = pauses_begin();
    if (pthread_create(&p->thread, NULL, run_phase, p) != 0) {
        abort();
    }
    return p;
}

static void phase_end(struct phase *p, const char *name)
{
    const struct latencies *l = &p->result.ok;
    struct pauses pauses;

    p->stop = true;
    pthread_join(p->thread, NULL);
    pauses = pauses_end(p->watch);
    printf("%-44s p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f ms; %llu bets, %llu over 50 ms, %llu "
           "not 200\n",
           name, (double)latencies_at(l, 0.5) / 1000, (double)latencies_at(l, 0.99) / 1000,
           (double)latencies_at(l, 0.999) / 1000, (double)l->max_us / 1000,
           (unsigned long long)l->n, (unsigned long long)latencies_above(l, 50000),
           (unsigned long long)(p->result.failed + p->result.overloaded));
    printf("%-44s %u times over 10 ms, %.0f ms in all, the longest %.1f%s\n",
           "    a processor stood still meanwhile", pauses.n, pauses.total_ms, pauses.longest_ms,
           pauses.sure ? "" : " (or was busy: no right to SCHED_FIFO)");
    free(p);
}

/* Keeps the load on until `n` more checkpoints have begun and ended on both nodes. */
static void wait_checkpoints(struct bench *b, int n)
{
    uint64_t limit = test_now_us() + (uint64_t)LIMIT_S * 1000000;
    int i, seen;

    for (i = 0; i < NEW; i++) {
        for (seen = 0; seen < n; seen++) {
            long from = look_number(&b->cluster, i, "checkpoint_index");
            while (look_number(&b->cluster, i, "checkpoint_index") == from) {
                if (test_now_us() > limit) {
                    cluster_die(&b->cluster, "no checkpoint in %d s", LIMIT_S);
                }
                usleep(20000);
            }
        }
    }
}

/* Its data folder goes elsewhere, and is only known by its name here. */
static void move_out(struct bench *b, const char *folder)
{
    char path[400], command[2000];

    snprintf(b->elsewhere, sizeof b->elsewhere, "%s/florin-new-XXXXXX", folder);
    snprintf(path, sizeof path, "%s/node%d", b->cluster.folder, NEW + 1);
    if (mkdtemp(b->elsewhere) == NULL) {
        cluster_die(&b->cluster, "no folder in %s for the new node", folder);
    }
    snprintf(command, sizeof command, "mv '%s' '%s/data' && ln -s '%s/data' '%s'", path,
             b->elsewhere, b->elsewhere, path);
    if (system(command) != 0) {
        cluster_die(&b->cluster, "can't move the new node's data to %s", b->elsewhere);
    }
}

static void remove_elsewhere(const struct bench *b)
{
    char command[320];

    if (b->elsewhere[0] == '/') {
        snprintf(command, sizeof command, "rm -rf '%s'", b->elsewhere);
        if (system(command) != 0) {
            fprintf(stderr, "can't remove %s\n", b->elsewhere);
        }
    }
}

/* Starts the node that has nothing, until it has applied what the others had when it was there. */
static void bring_in(struct bench *b)
{
    uint64_t began = test_now_us();
    char path[400];
    struct stat st;
    double took;
    long seq;

    seq = look_number(&b->cluster, 0, "applied_seq");
    cluster_start(&b->cluster, NEW);
    while (look_number(&b->cluster, NEW, "applied_seq") < seq) {
        if (seconds_since(began) > LIMIT_S) {
            cluster_die(&b->cluster, "the new node did not catch up in %d s", LIMIT_S);
        }
        usleep(20000);
    }
    took = seconds_since(began);
    snprintf(path, sizeof path, "%s/node%d/state/data.mdb", b->cluster.folder, NEW + 1);
    if (stat(path, &st) != 0) {
        cluster_die(&b->cluster, "the new node has no state");
    }
    printf("%-44s %.1f s for %llu MiB: %.0f MB/s, until it has all that was there\n",
           "an empty node brought in", took, (unsigned long long)st.st_size / MIB,
           (double)st.st_size / 1e6 / took);
}

static double start_until_ready(struct bench *b, int i, bool cold)
{
    uint64_t began;

    if (cold) {
        forget_state(b, i);
    }
    began = test_now_us();
    cluster_start(&b->cluster, i);
    cluster_wait_ready(&b->cluster);
    return seconds_since(began);
}

static void measure(struct bench *b)
{
    struct phase *phase;
    long seq;

    forget_state(b, 0);
    cluster_start(&b->cluster, 0);
    printf("%-44s %.2f s\n", "two nodes from a cold disk to ready", start_until_ready(b, 1, true));
    printf("at %d bets/s, from when each was due to its answer:\n", b->rate);
    phase = phase_start(b);
    wait_checkpoints(b, 1);
    phase_end(phase, "  two nodes, from a cold start");
    phase = phase_start(b);
    sleep((unsigned)b->seconds);
    wait_checkpoints(b, 1);
    phase_end(phase, "  with checkpoints");
    phase = phase_start(b);
    bring_in(b);
    phase_end(phase, "  while the state is streamed");
    phase = phase_start(b);
    sleep((unsigned)b->seconds / 4 + 1);
    print_memory(b);
    phase_end(phase, "  three nodes");

    seq = look_number(&b->cluster, 0, "applied_seq");
    look_equal(&b->cluster, (1u << b->cluster.n) - 1, seq);
    cluster_signal(&b->cluster, 1, SIGKILL);
    cluster_reap(&b->cluster, 1);
    printf("%-44s %.2f s\n", "a killed node from a cold disk to ready",
           start_until_ready(b, 1, true));
}

int main(int argc, char **argv)
{
    static struct bench b;

    if (argc < 2) {
        fprintf(stderr, "usage: bench_state FLORIND [PLAYERS] [TRANSACTIONS] [RATE] [SECONDS]\n");
        return 2;
    }
    b.players = argc > 2 ? atol(argv[2]) : 1000000;
    b.transactions = argc > 3 ? atol(argv[3]) : 10000000;
    b.rate = argc > 4 ? atoi(argv[4]) : 5000;
    b.seconds = argc > 5 ? atoi(argv[5]) : 60;
    if (b.players < 1 || b.transactions < 1 || b.rate < 1 || b.seconds < 1 || sodium_init() < 0) {
        fprintf(stderr, "bench_state: nothing to do\n");
        return 2;
    }
    setlinebuf(stdout);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    http_init(&b.http);
    b.cluster.config = ""; /* everything as by default */
    cluster_make(&b.cluster, argv[1], NODES);
    ledger_make(&b.cluster, NEW, b.players, b.transactions);
    if (getenv("NEW_NODE_IN") != NULL) {
        move_out(&b, getenv("NEW_NODE_IN"));
    }
    measure(&b);
    cluster_destroy(&b.cluster, false);
    remove_elsewhere(&b);
    http_release(&b.http);
    return 0;
}
