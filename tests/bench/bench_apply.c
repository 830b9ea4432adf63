/* How fast does one core apply bets? Bets of random players in entries of 1,024, without and with
 * checkpoints on a second thread, as a node makes them; plain ones, and ones that name a round, of
 * which nearly every one is new for its player.
 *
 *   bench_apply [bets] [players] [plain | rounds | count]      (default 1000000 100000)
 *
 * "count" is for count.sh, which counts instructions: plain bets, in memory, and nothing else. */
#include <pthread.h>
#include <time.h>

#include "tests/unit/ledger_fixture.h"

enum { GROUP = 1024 };

struct checkpointer {
    pthread_t thread;
    struct machine *machine;
    struct fault fault;
    double cpu_s; /* of all its threads */
    int rc;
    bool running;
    _Atomic bool done;
};

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double thread_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void must(int rc, const struct fault *fault)
{
    if (rc != 0) {
        fprintf(stderr, "bench_apply: %s\n", fault->text);
        exit(1);
    }
}

static void *write_frozen(void *context)
{
    struct checkpointer *c = context;

    c->rc = machine_checkpoint_write(c->machine, &c->fault);
    c->cpu_s += thread_s(); /* a thread of its own for each */
    c->done = true;
    return NULL;
}

static void finish(struct checkpointer *c, unsigned *checkpoints)
{
    uint64_t index;

    pthread_join(c->thread, NULL);
    c->running = false;
    must(c->rc, &c->fault);
    must(machine_checkpoint_end(c->machine, &index, &c->fault), &c->fault);
    (*checkpoints)++;
}

static void begin_or_end(struct checkpointer *c, unsigned *checkpoints)
{
    if (c->running && (c->done || !machine_ready(c->machine))) {
        finish(c, checkpoints);
    }
    if (!c->running && machine_checkpoint_wanted(c->machine) &&
        machine_checkpoint_begin(c->machine)) {
        c->done = false;
        c->running = pthread_create(&c->thread, NULL, write_frozen, c) == 0;
    }
}

static void encode_bet(struct bytes *out, uint64_t number, uint64_t player, bool in_round)
{
    struct command c = {.type = COMMAND_BET, .origin = number};
    char id[40], name[40], round[40];

    /* Ids as providers send them: not in any order. */
    snprintf(id, sizeof id, "%016llx-%08llx",
             (unsigned long long)(number * UINT64_C(0x9e3779b97f4a7c15)),
             (unsigned long long)number);
    snprintf(name, sizeof name, "player-%llu", (unsigned long long)player);
    snprintf(round, sizeof round, "round-%llu", (unsigned long long)(number / 3));
    c.principal = slice_of("demo");
    c.id = slice_of(id);
    c.player = slice_of(name);
    c.currency = slice_of("EUR");
    c.amount = (struct decimal){125, 2};
    c.round = slice_of(in_round ? round : NULL);
    c.game = slice_of("book-of-tests");
    command_encode(&c, out);
}

static void prepare(struct fixture *f, unsigned players)
{
    unsigned i;

    must(fixture_world(f, NULL, 0), &f->fault);
    for (i = 0; i < players; i++) {
        char name[40], id[48];
        struct command c;

        snprintf(name, sizeof name, "player-%u", i);
        snprintf(id, sizeof id, "d-%s", name);
        c = create(COMMAND_PLAYER_CREATE, name);
        must(fixture_apply(f, &c), &f->fault);
        c = money(COMMAND_DEPOSIT, "bank", id, name, "EUR", 1000000);
        c.gateway = slice_of("bank");
        must(fixture_apply(f, &c), &f->fault);
    }
    must(fixture_checkpoint(f), &f->fault);
}

/* One entry, as a node applies it. Not inlined: a profiler that counts only here sees no set-up. */
static __attribute__((noinline)) void apply_group(struct fixture *f, uint64_t time_ms,
                                                  const struct bytes *commands, const size_t *ends,
                                                  struct bytes *outcomes)
{
    uint64_t index = machine_applied_index(f->machine) + 1;
    size_t at = 0, expected_at = 0;
    int i, expected = 0;

    bytes_clear(outcomes);
    for (i = 0; i < GROUP; i++) {
        while (expected < GROUP && machine_expect(f->machine, commands->base + expected_at,
                                                  ends[expected] - expected_at)) {
            expected_at = ends[expected++];
        }
        must(machine_apply(f->machine, index, time_ms, commands->base + at, ends[i] - at, outcomes,
                           &f->fault),
             &f->fault);
        at = ends[i];
    }
    must(machine_end_entry(f->machine, index, &f->fault), &f->fault);
}

static void run(unsigned bets, unsigned players, bool in_round, bool checkpoints,
                struct bytes *outcomes)
{
    struct fixture f;
    struct checkpointer c = {0};
    struct machine_options options = {.changes_bytes_soft = checkpoints ? 64 << 20 : SIZE_MAX,
                                      .changes_bytes_hard = checkpoints ? 256 << 20 : SIZE_MAX};
    struct store store;
    struct bytes commands;
    uint64_t random = 42, number = 0;
    unsigned n_checkpoints = 0;
    double wall = 0, cpu = 0;

    fixture_open(&f, 7);
    prepare(&f, players);
    machine_close(f.machine);
    must(store_lmdb_open(&store, f.folder, (size_t)8 << 30, &f.fault), &f.fault);
    must(machine_open(&f.machine, store, &options, &f.fault), &f.fault);
    c.machine = f.machine;
    bytes_init(&commands);
    while (number < bets) {
        size_t ends[GROUP];
        double wall_start, cpu_start;
        int i;

        bytes_clear(&commands);
        for (i = 0; i < GROUP; i++) {
            random = random * UINT64_C(6364136223846793005) + 1;
            encode_bet(&commands, ++number, (random >> 33) % players, in_round);
            ends[i] = commands.len;
        }
        wall_start = now_s();
        cpu_start = thread_s();
        apply_group(&f, number, &commands, ends, outcomes);
        if (checkpoints) {
            begin_or_end(&c, &n_checkpoints);
        }
        wall += now_s() - wall_start;
        cpu += thread_s() - cpu_start;
    }
    if (c.running) {
        finish(&c, &n_checkpoints);
    }
    printf("%-9s %-17s %7.0f ns/bet cpu  %7.0f ns/bet wall  %9.0f bets/s  %u checkpoints of "
           "%.0f ns/bet cpu  %zu MiB changes\n",
           in_round ? "in rounds" : "plain", checkpoints ? "with checkpoints" : "in memory only",
           cpu * 1e9 / (double)number, wall * 1e9 / (double)number, (double)number / wall,
           n_checkpoints, c.cpu_s * 1e9 / (double)number, machine_changes_bytes(f.machine) >> 20);
    must(machine_invariants(f.machine, &f.fault), &f.fault);
    bytes_release(&commands);
    fixture_close(&f);
}

int main(int argc, char **argv)
{
    unsigned bets = argc > 1 ? (unsigned)atoi(argv[1]) : 1000000;
    unsigned players = argc > 2 ? (unsigned)atoi(argv[2]) : 100000;
    const char *which = argc > 3 ? argv[3] : "";
    struct bytes outcomes;

    if (bets == 0 || players == 0) {
        fprintf(stderr, "usage: bench_apply [bets] [players] [plain | rounds | count]\n");
        return 2;
    }
    bytes_init(&outcomes);
    if (strcmp(which, "count") == 0) {
        run(bets, players, false, false, &outcomes);
        bytes_release(&outcomes);
        return 0;
    }
    if (strcmp(which, "rounds") != 0) {
        run(bets, players, false, false, &outcomes);
        run(bets, players, false, true, &outcomes);
    }
    if (strcmp(which, "plain") != 0) {
        run(bets, players, true, false, &outcomes);
        run(bets, players, true, true, &outcomes);
    }
    bytes_release(&outcomes);
    return 0;
}
