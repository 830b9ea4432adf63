/* A large ledger: how much disk and memory it takes, how long a node needs to be ready with it, and
 * what clients notice of checkpoints and of a state that is streamed to another node.
 *
 * The ledger is made by the state machine itself, in this process, and put under two of three nodes
 * as a snapshot; the third one has nothing, as if it had been away since the beginning.
 *
 * usage: bench_state FLORIND [PLAYERS] [TRANSACTIONS] [BETS A SECOND] [SECONDS] */
#include <fcntl.h>
#include <lmdb.h>
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

#include "consensus/log.h"
#include "statemachine/command.h"
#include "statemachine/machine.h"
#include "tests/bench/load.h"
#include "tests/cluster/bets.h"
#include "tests/cluster/look.h"

enum { NODES = 3, NEW = 2, GROUP = 1024, CONNECTIONS = 64, LIMIT_S = 600, MIB = 1 << 20 };

/* A steady load of bets while something else happens. */
struct phase {
    struct load load;
    struct load_result result;
    uint16_t ports[NODES];
    atomic_bool stop;
    pthread_t thread;
};

struct bench {
    struct cluster cluster;
    struct http http;
    long players, transactions;
    int rate, seconds;

    struct machine *machine; /* while the ledger is made */
    uint64_t index;
    unsigned in_entry;
    struct bytes command;
    pthread_t checkpointer;
    bool checkpointing;
    _Atomic bool written;
    struct fault fault;

    uint64_t state_bytes;
    uint64_t pause_us; /* the longest that a checkpoint's begin or end kept the loop's thread */
};

static double seconds_since(uint64_t began_us)
{
    return (double)(test_now_us() - began_us) / 1e6;
}

static void must(struct bench *b, int rc)
{
    if (rc != 0) {
        cluster_die(&b->cluster, "%s", b->fault.text);
    }
}

/* ---- making the ledger ---- */

static void *write_frozen(void *argument)
{
    struct bench *b = argument;

    must(b, machine_checkpoint_write(b->machine, &b->fault));
    b->written = true;
    return NULL;
}

static void note_pause(struct bench *b, uint64_t began_us)
{
    uint64_t took_us = test_now_us() - began_us;

    b->pause_us = took_us > b->pause_us ? took_us : b->pause_us;
}

static void end_checkpoint(struct bench *b)
{
    uint64_t index, began;

    if (b->checkpointing) {
        pthread_join(b->checkpointer, NULL);
        b->checkpointing = false;
        began = test_now_us();
        must(b, machine_checkpoint_end(b->machine, &index, &b->fault));
        note_pause(b, began);
    }
}

static void begin_checkpoint(struct bench *b)
{
    uint64_t began = test_now_us();

    if (machine_checkpoint_begin(b->machine)) {
        note_pause(b, began);
        b->written = false;
        b->checkpointing = pthread_create(&b->checkpointer, NULL, write_frozen, b) == 0;
    }
}

static void end_entry(struct bench *b)
{
    must(b, machine_end_entry(b->machine, b->index, &b->fault));
    b->in_entry = 0;
    if (b->checkpointing && (b->written || !machine_ready(b->machine))) {
        end_checkpoint(b);
    }
    if (!b->checkpointing && machine_checkpoint_wanted(b->machine)) {
        begin_checkpoint(b);
    }
}

static void apply(struct bench *b, struct command *c)
{
    struct timespec now;

    b->index += b->in_entry == 0;
    clock_gettime(CLOCK_REALTIME, &now);
    c->origin = 1;
    bytes_clear(&b->command);
    command_encode(c, &b->command);
    must(b, machine_apply(b->machine, b->index,
                          (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
                          b->command.base, b->command.len, NULL, &b->fault));
    if (++b->in_entry == GROUP) {
        end_entry(b);
    }
}

static void make_key(struct bench *b, const char *credential, const char *principal, enum role role)
{
    const char *point = strchr(credential, '.');
    uint8_t hash[32];
    struct command c = {.type = COMMAND_KEY_CREATE, .role = role, .secret_hash = hash};

    crypto_generichash(hash, sizeof hash, (const uint8_t *)point + 1, strlen(point + 1), NULL, 0);
    c.name = (struct slice){credential, (size_t)(point - credential)};
    c.principal = slice_of(principal);
    apply(b, &c);
}

static void make_world(struct bench *b)
{
    struct command euro = {.type = COMMAND_CURRENCY_CREATE, .name = slice_of("EUR"), .scale = 5};
    struct command demo = {
        .type = COMMAND_PRINCIPAL_CREATE, .name = slice_of("demo"), .role = ROLE_PROVIDER};
    struct command bank = {
        .type = COMMAND_PRINCIPAL_CREATE, .name = slice_of("bank"), .role = ROLE_GATEWAY};

    apply(b, &euro);
    apply(b, &demo);
    apply(b, &bank);
    make_key(b, b->cluster.operator_key, "operator", ROLE_OPERATOR);
    make_key(b, b->cluster.platform_key, "casino", ROLE_PLATFORM);
    make_key(b, b->cluster.provider_key, "demo", ROLE_PROVIDER);
}

static void make_player(struct bench *b, long number)
{
    char name[32], id[32];
    struct command player = {.type = COMMAND_PLAYER_CREATE};
    struct command deposit = {.type = COMMAND_DEPOSIT, .amount = {1000, 0}};

    snprintf(name, sizeof name, "p%ld", number);
    snprintf(id, sizeof id, "seed-%ld", number);
    player.player = slice_of(name);
    apply(b, &player);
    deposit.principal = deposit.gateway = slice_of("bank");
    deposit.id = slice_of(id);
    deposit.player = slice_of(name);
    deposit.currency = slice_of("EUR");
    apply(b, &deposit);
}

/* Bets and wins, four to one, under ids as providers send them: in no order. */
static void make_transaction(struct bench *b, long number, unsigned *seed)
{
    char name[32], id[48];
    struct command c = {.type = number % 5 == 4 ? COMMAND_WIN : COMMAND_BET, .amount = {125, 2}};

    snprintf(id, sizeof id, "%016llx-%08lx",
             (unsigned long long)number * UINT64_C(0x9e3779b97f4a7c15),
             (unsigned long)number & 0xffffffff);
    snprintf(name, sizeof name, "p%ld", rand_r(seed) % b->players);
    c.principal = slice_of("demo");
    c.id = slice_of(id);
    c.player = slice_of(name);
    c.currency = slice_of("EUR");
    c.game = slice_of("book-of-tests");
    apply(b, &c);
}

/* What the tables take of the file. The rest are free pages: a checkpoint writes each page that it
 * changes to another place, and what it leaves is used by the ones after it. */
static uint64_t used_bytes(struct bench *b, const char *folder)
{
    uint64_t pages = 2, page_bytes = 0;
    MDB_cursor *cursor;
    MDB_val name, record;
    MDB_dbi unnamed, table;
    MDB_stat stat;
    MDB_env *env;
    MDB_txn *txn;

    if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, TABLE_COUNT) != 0 ||
        mdb_env_open(env, folder, MDB_RDONLY | MDB_NOLOCK, 0600) != 0 ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 ||
        mdb_dbi_open(txn, NULL, 0, &unnamed) != 0 || mdb_cursor_open(txn, unnamed, &cursor) != 0) {
        cluster_die(&b->cluster, "can't look into %s", folder);
    }
    while (mdb_cursor_get(cursor, &name, &record, MDB_NEXT) == 0) {
        char text[64];

        snprintf(text, sizeof text, "%.*s", (int)name.mv_size, (const char *)name.mv_data);
        if (mdb_dbi_open(txn, text, 0, &table) == 0 && mdb_stat(txn, table, &stat) == 0) {
            pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
            page_bytes = stat.ms_psize;
        }
    }
    mdb_txn_abort(txn);
    mdb_env_close(env);
    return pages * page_bytes;
}

static void make_ledger(struct bench *b, const char *folder)
{
    struct machine_options options = {.changes_bytes_soft = 128 * MIB,
                                      .changes_bytes_hard = 512 * MIB};
    uint64_t began = test_now_us();
    struct store store;
    uint64_t index, used;
    unsigned seed = 1;
    long i;

    must(b, store_lmdb_open(&store, folder, (size_t)64 << 30, &b->fault));
    must(b, machine_open(&b->machine, store, &options, &b->fault));
    b->index = 1; /* the configuration's */
    must(b, machine_end_entry(b->machine, b->index, &b->fault));
    make_world(b);
    for (i = 0; i < b->players; i++) {
        make_player(b, i);
    }
    for (i = 0; i < b->transactions; i++) {
        make_transaction(b, i, &seed);
    }
    if (b->in_entry > 0) {
        end_entry(b);
    }
    end_checkpoint(b);
    if (machine_checkpoint_begin(b->machine)) {
        must(b, machine_checkpoint_write(b->machine, &b->fault));
        must(b, machine_checkpoint_end(b->machine, &index, &b->fault));
    }
    b->state_bytes = machine_copy_bytes(b->machine);
    printf("%-44s %ld players, %ld bets and wins, in %.0f s\n", "ledger made", b->players,
           b->transactions, seconds_since(began));
    printf("%-44s %.1f ms: begin or end of one of 128 MiB, on the loop's thread\n",
           "longest pause for a checkpoint", (double)b->pause_us / 1000);
    used = used_bytes(b, folder);
    printf("%-44s %llu MiB: %.0f bytes a transaction, and %llu MiB in free pages (seq %llu)\n",
           "on disk", (unsigned long long)b->state_bytes / MIB,
           (double)used / (double)machine_sequence(b->machine),
           (unsigned long long)(b->state_bytes - used) / MIB,
           (unsigned long long)machine_sequence(b->machine));
}

/* Has a node's log, fresh from --format, begin behind the ledger. */
static void begin_log(struct bench *b, int i)
{
    struct log_identity identity = {.cluster_id = "test", .node_id = (uint64_t)i + 1};
    struct log_snapshot snapshot = {.index = b->index, .term = 1, .configuration_index = 1};
    uint8_t head[MACHINE_CHECK_BYTES];
    struct log_entry entry;
    struct disk disk;
    struct log *log;
    char path[400];

    snprintf(path, sizeof path, "%s/node%d/raft", b->cluster.folder, i + 1);
    if (disk_posix_open(&disk, path) != 0) {
        cluster_die(&b->cluster, "can't open %s", path);
    }
    bytes_init(&snapshot.configuration);
    bytes_init(&snapshot.manifest);
    must(b, log_open(&log, &disk, &identity, NULL, NULL, &b->fault));
    must(b, log_read(log, 1, &entry, &snapshot.configuration, &b->fault));
    machine_head(b->machine, head);
    bytes_append(&snapshot.manifest, head, sizeof head);
    must(b, log_set_snapshot(log, &snapshot, &b->fault));
    log_close(log);
    disk.release(disk.impl);
    bytes_release(&snapshot.configuration);
    bytes_release(&snapshot.manifest);
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

static void prepare(struct bench *b)
{
    char folder[400], command[1000];
    int i;

    snprintf(folder, sizeof folder, "%s/node1/state", b->cluster.folder);
    make_ledger(b, folder);
    for (i = 0; i < NEW; i++) {
        begin_log(b, i);
    }
    machine_close(b->machine);
    snprintf(command, sizeof command, "cp '%s/data.mdb' '%s/node2/state/data.mdb'", folder,
             b->cluster.folder);
    if (system(command) != 0) {
        cluster_die(&b->cluster, "failed: %s", command);
    }
}

/* ---- measuring ---- */

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
    if (pthread_create(&p->thread, NULL, run_phase, p) != 0) {
        abort();
    }
    return p;
}

static void phase_end(struct phase *p, const char *name)
{
    const struct latencies *l = &p->result.ok;

    p->stop = true;
    pthread_join(p->thread, NULL);
    printf("%-44s p50 %.1f  p99 %.1f  p99.9 %.1f  max %.1f ms; %llu bets, %llu over 50 ms, %llu "
           "not 200\n",
           name, (double)latencies_at(l, 0.5) / 1000, (double)latencies_at(l, 0.99) / 1000,
           (double)latencies_at(l, 0.999) / 1000, (double)l->max_us / 1000,
           (unsigned long long)l->n, (unsigned long long)latencies_above(l, 50000),
           (unsigned long long)(p->result.failed + p->result.overloaded));
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
    bytes_init(&b.command);
    b.cluster.config = ""; /* everything as by default */
    cluster_make(&b.cluster, argv[1], NODES);
    prepare(&b);
    measure(&b);
    cluster_destroy(&b.cluster, false);
    bytes_release(&b.command);
    http_release(&b.http);
    return 0;
}
