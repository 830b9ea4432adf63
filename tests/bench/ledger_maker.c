/* Making a ledger with the state machine itself, in this process. */
#include "tests/bench/ledger_maker.h"

#include <lmdb.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "consensus/log.h"
#include "statemachine/command.h"
#include "statemachine/machine.h"
#include "statemachine/store_lmdb.h"
#include "tests/cluster/bets.h"

enum { GROUP = 1024, MIB = 1 << 20 };

struct maker {
    struct cluster *cluster;
    long players, transactions;
    struct machine *machine;
    uint64_t index;
    unsigned in_entry;
    struct bytes command;
    pthread_t checkpointer;
    bool checkpointing;
    atomic_bool written;
    struct fault fault;
    uint64_t pause_us; /* the longest that a checkpoint's begin or end kept the loop's thread */
};

static void must(struct maker *m, int rc)
{
    if (rc != 0) {
        cluster_die(m->cluster, "%s", m->fault.text);
    }
}

static void *write_frozen(void *argument)
{
    struct maker *m = argument;

    must(m, machine_checkpoint_write(m->machine, &m->fault));
    m->written = true;
    return NULL;
}

static void note_pause(struct maker *m, uint64_t began_us)
{
    uint64_t took_us = test_now_us() - began_us;

    m->pause_us = took_us > m->pause_us ? took_us : m->pause_us;
}

static void end_checkpoint(struct maker *m)
{
    uint64_t index, began;

    if (m->checkpointing) {
        pthread_join(m->checkpointer, NULL);
        m->checkpointing = false;
        began = test_now_us();
        must(m, machine_checkpoint_end(m->machine, &index, &m->fault));
        note_pause(m, began);
    }
}

static void begin_checkpoint(struct maker *m)
{
    uint64_t began = test_now_us();

    if (machine_checkpoint_begin(m->machine)) {
        note_pause(m, began);
        m->written = false;
        m->checkpointing = pthread_create(&m->checkpointer, NULL, write_frozen, m) == 0;
    }
}

static void end_entry(struct maker *m)
{
    must(m, machine_end_entry(m->machine, m->index, &m->fault));
    m->in_entry = 0;
    if (m->checkpointing && (m->written || !machine_ready(m->machine))) {
        end_checkpoint(m);
    }
    if (!m->checkpointing && machine_checkpoint_wanted(m->machine)) {
        begin_checkpoint(m);
    }
}

static void apply(struct maker *m, struct command *c)
{
    struct timespec now;

    m->index += m->in_entry == 0;
    clock_gettime(CLOCK_REALTIME, &now);
    c->origin = 1;
    bytes_clear(&m->command);
    command_encode(c, &m->command);
    must(m, machine_apply(m->machine, m->index,
                          (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000,
                          m->command.base, m->command.len, NULL, &m->fault));
    if (++m->in_entry == GROUP) {
        end_entry(m);
    }
}

static void make_key(struct maker *m, const char *credential, const char *principal, enum role role)
{
    const char *point = strchr(credential, '.');
    uint8_t hash[32];
    struct command c = {.type = COMMAND_KEY_CREATE, .role = role, .secret_hash = hash};

    crypto_generichash(hash, sizeof hash, (const uint8_t *)point + 1, strlen(point + 1), NULL, 0);
    c.name = (struct slice){credential, (size_t)(point - credential)};
    c.principal = slice_of(principal);
    apply(m, &c);
}

static void make_world(struct maker *m)
{
    struct command euro = {.type = COMMAND_CURRENCY_CREATE, .name = slice_of("EUR"), .scale = 5};
    struct command demo = {
        .type = COMMAND_PRINCIPAL_CREATE, .name = slice_of("demo"), .role = ROLE_PROVIDER};
    struct command bank = {
        .type = COMMAND_PRINCIPAL_CREATE, .name = slice_of("bank"), .role = ROLE_GATEWAY};

    apply(m, &euro);
    apply(m, &demo);
    apply(m, &bank);
    make_key(m, m->cluster->operator_key, "operator", ROLE_OPERATOR);
    make_key(m, m->cluster->platform_key, "casino", ROLE_PLATFORM);
    make_key(m, m->cluster->provider_key, "demo", ROLE_PROVIDER);
}

static void make_player(struct maker *m, long number)
{
    char name[32], id[32];
    struct command player = {.type = COMMAND_PLAYER_CREATE};
    struct command deposit = {.type = COMMAND_DEPOSIT, .amount = {1000, 0}};

    snprintf(name, sizeof name, "p%ld", number);
    snprintf(id, sizeof id, "seed-%ld", number);
    player.player = slice_of(name);
    apply(m, &player);
    deposit.principal = deposit.gateway = slice_of("bank");
    deposit.id = slice_of(id);
    deposit.player = slice_of(name);
    deposit.currency = slice_of("EUR");
    apply(m, &deposit);
}

/* Bets and wins, four to one, under ids as providers send them: in no order. */
static void make_transaction(struct maker *m, long number, unsigned *seed)
{
    char name[32], id[48];
    struct command c = {.type = number % 5 == 4 ? COMMAND_WIN : COMMAND_BET, .amount = {125, 2}};

    snprintf(id, sizeof id, "%016llx-%08lx",
             (unsigned long long)number * UINT64_C(0x9e3779b97f4a7c15),
             (unsigned long)number & 0xffffffff);
    snprintf(name, sizeof name, "p%ld", rand_r(seed) % m->players);
    c.principal = slice_of("demo");
    c.id = slice_of(id);
    c.player = slice_of(name);
    c.currency = slice_of("EUR");
    c.game = slice_of("book-of-tests");
    apply(m, &c);
}

/* What the tables take of the file. The rest are free pages: a checkpoint writes each page that it
 * changes to another place, and what it leaves is used by the ones after it. */
static uint64_t used_bytes(struct maker *m, const char *folder)
{
    uint64_t pages = 2, page_bytes = 0;
    MDB_cursor *cursor;
    MDB_val name, record;
    MDB_dbi unnamed, table;
    MDB_stat stat;
    MDB_env *env;
    MDB_txn *txn;

    if (mdb_env_create(&env) != 0 || mdb_env_set_maxdbs(env, STORE_DATABASES) != 0 ||
        mdb_env_open(env, folder, MDB_RDONLY | MDB_NOLOCK, 0600) != 0 ||
        mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0 ||
        mdb_dbi_open(txn, NULL, 0, &unnamed) != 0 || mdb_cursor_open(txn, unnamed, &cursor) != 0) {
        cluster_die(m->cluster, "can't look into %s", folder);
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

static void make_ledger(struct maker *m, const char *folder)
{
    struct machine_options options = {.changes_bytes_soft = 128 * MIB,
                                      .changes_bytes_hard = 512 * MIB};
    uint64_t began = test_now_us();
    struct store store;
    uint64_t index, used, bytes;
    unsigned seed = 1;
    long i;

    must(m, store_lmdb_open(&store, folder, (size_t)64 << 30, &m->fault));
    must(m, machine_open(&m->machine, store, &options, &m->fault));
    m->index = 1; /* the configuration's */
    must(m, machine_end_entry(m->machine, m->index, &m->fault));
    make_world(m);
    for (i = 0; i < m->players; i++) {
        make_player(m, i);
    }
    for (i = 0; i < m->transactions; i++) {
        make_transaction(m, i, &seed);
    }
    if (m->in_entry > 0) {
        end_entry(m);
    }
    end_checkpoint(m);
    if (machine_checkpoint_begin(m->machine)) {
        must(m, machine_checkpoint_write(m->machine, &m->fault));
        must(m, machine_checkpoint_end(m->machine, &index, &m->fault));
    }
    bytes = machine_copy_bytes(m->machine);
    printf("%-44s %ld players, %ld bets and wins, in %.0f s\n", "ledger made", m->players,
           m->transactions, (double)(test_now_us() - began) / 1e6);
    printf("%-44s %.1f ms: begin or end of one of 128 MiB, on the loop's thread\n",
           "longest pause for a checkpoint", (double)m->pause_us / 1000);
    used = used_bytes(m, folder);
    printf("%-44s %llu MiB: %.0f bytes a transaction, and %llu MiB in free pages (seq %llu)\n",
           "on disk", (unsigned long long)bytes / MIB,
           (double)used / (double)machine_sequence(m->machine),
           (unsigned long long)(bytes - used) / MIB,
           (unsigned long long)machine_sequence(m->machine));
}

/* Has a node's log, fresh from --format, begin behind the ledger. */
static void begin_log(struct maker *m, int i)
{
    struct log_identity identity = {.cluster_id = "test", .node_id = (uint64_t)i + 1};
    struct log_snapshot snapshot = {.index = m->index, .term = 1, .configuration_index = 1};
    uint8_t head[MACHINE_CHECK_BYTES];
    struct log_entry entry;
    struct disk disk;
    struct log *log;
    char path[400];

    snprintf(path, sizeof path, "%s/node%d/raft", m->cluster->folder, i + 1);
    if (disk_posix_open(&disk, path) != 0) {
        cluster_die(m->cluster, "can't open %s", path);
    }
    bytes_init(&snapshot.configuration);
    bytes_init(&snapshot.manifest);
    must(m, log_open(&log, &disk, &identity, NULL, NULL, &m->fault));
    must(m, log_read(log, 1, &entry, &snapshot.configuration, &m->fault));
    machine_head(m->machine, head);
    bytes_append(&snapshot.manifest, head, sizeof head);
    must(m, log_set_snapshot(log, &snapshot, &m->fault));
    log_close(log);
    disk.release(disk.impl);
    bytes_release(&snapshot.configuration);
    bytes_release(&snapshot.manifest);
}

void ledger_make(struct cluster *cluster, int nodes, long players, long transactions)
{
    struct maker m = {.cluster = cluster, .players = players, .transactions = transactions};
    char folder[400], command[1000];
    int i;

    bytes_init(&m.command);
    snprintf(folder, sizeof folder, "%s/node1/state", cluster->folder);
    make_ledger(&m, folder);
    for (i = 0; i < nodes; i++) {
        begin_log(&m, i);
    }
    machine_close(m.machine);
    bytes_release(&m.command);
    for (i = 1; i < nodes; i++) {
        snprintf(command, sizeof command, "cp '%s/data.mdb' '%s/node%d/state/data.mdb'", folder,
                 cluster->folder, i + 1);
        if (system(command) != 0) {
            cluster_die(cluster, "failed: %s", command);
        }
    }
}
