/* The machine's life: determinism, replay, checkpoints, clock, head, and how it breaks. */
#include "tests/unit/machine_fixture.h"

#include <pthread.h>

static void digest(struct fixture *f, uint8_t out[HASH_BYTES])
{
    assert_int_equal(machine_digest(f->machine, out, &f->fault), 0);
}

/* A stream of money commands that hits every rule now and then; the same for the same seed. */
struct stream {
    uint64_t random;
    char id[32], original[32];
};

static uint64_t next_random(struct stream *s, uint64_t below)
{
    s->random = s->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (s->random >> 33) % below;
}

static struct command next_command(struct stream *s)
{
    static const enum command_type types[] = {COMMAND_BET,      COMMAND_BET,      COMMAND_WIN,
                                              COMMAND_ROLLBACK, COMMAND_ROLLBACK, COMMAND_DEPOSIT};
    enum command_type type = types[next_random(s, 6)];
    struct command c;

    /* Few ids, so that many are taken, reversed or tombstoned already. */
    snprintf(s->id, sizeof s->id, "t%u", (unsigned)next_random(s, 300));
    snprintf(s->original, sizeof s->original, "t%u", (unsigned)next_random(s, 300));
    c = money(type, type == COMMAND_DEPOSIT ? "bank" : "demo", s->id,
              players[next_random(s, PLAYERS)], "EUR", (int64_t)next_random(s, 40));
    c.origin = next_random(s, 1000);
    if (type == COMMAND_ROLLBACK) {
        c.amount = whole(0);
        c.original = slice_of(s->original);
    }
    if (type == COMMAND_DEPOSIT) {
        c.gateway = slice_of("bank");
    }
    return c;
}

/* Two replicas, one with another hash key, checkpoints in between and a restart: the same outcomes
 * byte for byte, the same digest. */
static void test_determinism(void **state)
{
    struct fixture *f = *state, other;
    struct stream stream = {.random = 11};
    uint8_t a[HASH_BYTES], b[HASH_BYTES];
    int i;

    fixture_open(&other, 200);
    assert_int_equal(fixture_world(&other, players, PLAYERS), 0);
    for (i = 0; i < 1500; i++) {
        struct command c = next_command(&stream);

        apply(f, c);
        apply(&other, c);
        assert_int_equal(f->outcome_bytes.len, other.outcome_bytes.len);
        assert_memory_equal(f->outcome_bytes.base, other.outcome_bytes.base, f->outcome_bytes.len);
        assert_int_equal(machine_invariants(f->machine, &f->fault), 0);
        if (i % 100 == 99) {
            assert_int_equal(fixture_checkpoint(&other), 0);
        }
        if (i == 777) {
            assert_int_equal(fixture_checkpoint(&other), 0);
            assert_int_equal(fixture_reopen(&other), 0);
        }
    }
    digest(f, a);
    digest(&other, b);
    assert_memory_equal(a, b, HASH_BYTES);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
    assert_int_equal(machine_audit(other.machine, &other.fault), 0);
    assert_true(machine_sequence(f->machine) > 250);
    apply(f, money(COMMAND_BET, "demo", "one-more", "alice", "EUR", 1));
    digest(f, a);
    assert_memory_not_equal(a, b, HASH_BYTES);
    fixture_close(&other);
}

/* What a crash leaves: the last checkpoint, and a log that is replayed from before it. */
static void test_replay_skips(void **state)
{
    struct fixture *f = *state, other;
    struct stream stream = {.random = 5}, replay;
    uint8_t a[HASH_BYTES], b[HASH_BYTES];
    uint64_t start = f->index, index;
    int i;

    fixture_open(&other, 1);
    assert_int_equal(fixture_world(&other, players, PLAYERS), 0);
    replay = stream;
    for (i = 0; i < 300; i++) {
        struct command c = next_command(&stream);

        apply(f, c);
        apply(&other, c);
        if (i == 150) {
            assert_int_equal(fixture_checkpoint(f), 0);
        }
    }
    digest(&other, a);
    assert_int_equal(fixture_reopen(f), 0); /* the changes after the checkpoint are gone */
    assert_int_equal(machine_applied_index(f->machine), start + 151);
    assert_true(machine_sequence(f->machine) < machine_sequence(other.machine));
    f->time_ms = 1000 + start;
    for (i = 0, index = start + 1; i < 300; i++, index++) {
        struct command c = next_command(&replay);

        bytes_clear(&f->command);
        command_encode(&c, &f->command);
        assert_int_equal(machine_apply(f->machine, index, ++f->time_ms, f->command.base,
                                       f->command.len, NULL, &f->fault),
                         0);
        assert_int_equal(machine_end_entry(f->machine, index, &f->fault), 0);
    }
    digest(f, b);
    assert_memory_equal(a, b, HASH_BYTES);
    fixture_close(&other);
}

static void *write_frozen(void *context)
{
    struct fixture *f = context;

    return machine_checkpoint_write(f->machine, &f->fault) == 0 ? f : NULL;
}

/* The checkpointer writes on its own thread while the loop applies, asks and scans. */
static void test_checkpoint_while_applying(void **state)
{
    struct fixture *f = *state, other;
    struct stream stream = {.random = 99};
    uint8_t a[HASH_BYTES], b[HASH_BYTES];
    int round, i;

    fixture_open(&other, 1);
    assert_int_equal(fixture_world(&other, players, PLAYERS), 0);
    for (round = 0; round < 8; round++) {
        pthread_t thread;
        void *ok;
        uint64_t index;

        assert_true(machine_checkpoint_begin(f->machine));
        assert_false(machine_checkpoint_begin(f->machine));
        assert_int_equal(pthread_create(&thread, NULL, write_frozen, f), 0);
        for (i = 0; i < 100; i++) {
            struct command c = next_command(&stream);
            struct fault fault;

            apply(f, c);
            apply(&other, c);
            assert_int_equal(machine_invariants(f->machine, &fault), 0);
        }
        digest(f, a);
        assert_int_equal(pthread_join(thread, &ok), 0);
        assert_non_null(ok);
        digest(f, b);
        assert_memory_equal(a, b, HASH_BYTES);
        assert_int_equal(machine_checkpoint_end(f->machine, &index, &f->fault), 0);
        assert_int_equal(index, f->index - 100);
        digest(f, b);
        assert_memory_equal(a, b, HASH_BYTES);
    }
    digest(&other, b);
    assert_memory_equal(a, b, HASH_BYTES);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
    fixture_close(&other);
}

static void test_checkpoint_when(void **state)
{
    struct fixture *f = *state;
    struct machine_options options = {.changes_bytes_soft = 4000, .changes_bytes_hard = 8000};
    struct store store;
    struct command c;
    uint64_t index;
    int i;

    assert_int_equal(fixture_checkpoint(f), 0);
    assert_false(machine_checkpoint_possible(f->machine));
    assert_false(machine_checkpoint_begin(f->machine)); /* nothing new */
    assert_int_equal(machine_changes_bytes(f->machine), 0);
    assert_int_equal(machine_end_entry(f->machine, ++f->index, &f->fault), 0);
    assert_true(machine_checkpoint_possible(f->machine)); /* an index is something new */
    assert_true(machine_checkpoint_begin(f->machine));
    assert_false(machine_checkpoint_possible(f->machine)); /* one at a time */
    assert_int_equal(machine_checkpoint_write(f->machine, &f->fault), 0);
    assert_int_equal(machine_checkpoint_end(f->machine, &index, &f->fault), 0);
    assert_int_equal(index, f->index);

    machine_close(f->machine);
    assert_int_equal(store_lmdb_open(&store, f->folder, FIXTURE_MAP_BYTES, &f->fault), 0);
    assert_int_equal(machine_open(&f->machine, store, &options, &f->fault), 0);
    assert_false(machine_checkpoint_wanted(f->machine));
    for (i = 0; !machine_checkpoint_wanted(f->machine); i++) {
        char id[16];

        assert_true(i < 100);
        snprintf(id, sizeof id, "w%d", i);
        apply(f, money(COMMAND_WIN, "demo", id, "alice", "EUR", 1));
    }
    assert_true(machine_ready(f->machine));
    assert_true(machine_checkpoint_begin(f->machine));
    assert_false(machine_checkpoint_wanted(f->machine)); /* one is running */
    for (i = 0; machine_ready(f->machine); i++) {
        char id[16];

        assert_true(i < 100);
        snprintf(id, sizeof id, "x%d", i);
        apply(f, money(COMMAND_WIN, "demo", id, "alice", "EUR", 1));
    }
    assert_true(machine_changes_bytes(f->machine) >= 8000);
    assert_int_equal(machine_checkpoint_write(f->machine, &f->fault), 0);
    assert_int_equal(machine_checkpoint_end(f->machine, &index, &f->fault), 0);
    assert_true(machine_ready(f->machine));

    /* Not in the middle of an entry. */
    c = money(COMMAND_WIN, "demo", "half", "alice", "EUR", 1);
    bytes_clear(&f->command);
    command_encode(&c, &f->command);
    assert_int_equal(machine_apply(f->machine, f->index + 1, 1, f->command.base, f->command.len,
                                   NULL, &f->fault),
                     0);
    assert_false(machine_checkpoint_begin(f->machine));
    assert_int_equal(machine_end_entry(f->machine, ++f->index, &f->fault), 0);
    assert_true(machine_checkpoint_begin(f->machine));
}

static void test_clock(void **state)
{
    struct fixture *f = *state;
    uint64_t at;

    f->time_ms = 5000;
    apply(f, money(COMMAND_WIN, "demo", "w1", "alice", "EUR", 1));
    at = f->outcome.at_ms;
    assert_int_equal(at, 5001);
    assert_int_equal(f->outcome.record.at_ms, at);
    f->time_ms = 100; /* a new leader whose clock is behind */
    apply(f, money(COMMAND_WIN, "demo", "w2", "alice", "EUR", 1));
    assert_int_equal(f->outcome.record.at_ms, at);
    assert_int_equal(machine_clock_ms(f->machine), at);
    assert_int_equal(fixture_checkpoint(f), 0);
    assert_int_equal(fixture_reopen(f), 0);
    assert_int_equal(machine_clock_ms(f->machine), at);
}

static void test_index_gap(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(machine_end_entry(f->machine, f->index, &f->fault), 0); /* again: skipped */
    assert_int_equal(machine_end_entry(f->machine, f->index + 2, &f->fault), -1);
    /* Broken is for ever. */
    assert_int_equal(machine_end_entry(f->machine, f->index + 1, &f->fault), -1);
    assert_int_equal(machine_invariants(f->machine, &f->fault), -1);
    assert_false(machine_checkpoint_begin(f->machine));
}

static void test_unknown_command(void **state)
{
    struct fixture *f = *state;
    static const uint8_t newer[] = {0x82, 0, 98, 1, 0};

    assert_int_equal(
        machine_apply(f->machine, f->index + 1, 1, newer, sizeof newer, NULL, &f->fault), -1);
    /* The node's last line says what to do. */
    assert_non_null(strstr(f->fault.text, "start the version that the other nodes run"));
    assert_int_equal(machine_end_entry(f->machine, f->index + 1, &f->fault), -1);
}

/* Opens the state again as one of this format, whose meta entries are those of a program of then:
 * only what it knew is believed. */
static int reopen_as(struct fixture *f, uint8_t format)
{
    const char number[4] = {(char)format, 0, 0, 0};
    const struct store_write writes[] = {{TABLE_META, slice_of("actions"), slice_of("not there")},
                                         {TABLE_META, slice_of("format"), {number, 4}}};
    struct store store;

    assert_int_equal(fixture_checkpoint(f), 0);
    machine_close(f->machine);
    f->machine = NULL;
    assert_int_equal(store_lmdb_open(&store, f->folder, FIXTURE_MAP_BYTES, &f->fault), 0);
    assert_int_equal(store.commit(store.impl, writes, 2, &f->fault), 0);
    store.close(store.impl);
    return fixture_reopen(f);
}

static void test_newer_format(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(reopen_as(f, STATE_FORMAT + 1), -1);
    assert_non_null(strstr(f->fault.text, "format 5"));
}

/* A state of before there were actions is taken on, and gets its first one. */
static void test_format_without_actions(void **state)
{
    struct fixture *f = *state;
    struct command c = {.type = COMMAND_ACTION, .id = slice_of("verify"), .origin = 7, .n_by = 1};

    c.by[0] = (struct actor){slice_of("olga"), slice_of("k1"), slice_of("::1"),
                             slice_of("r-1"),  ROLE_OPERATOR,  2};
    assert_int_equal(reopen_as(f, STATE_FORMAT_ACTIONS - 1), 0);
    assert_int_equal(f->machine->state.actions.number, 0);
    apply(f, money(COMMAND_WIN, "demo", "w1", "alice", "EUR", 1));
    assert_int_equal(f->outcome.record.action, 0);
    apply(f, c);
    apply(f, money(COMMAND_WIN, "demo", "w2", "alice", "EUR", 1));
    assert_int_equal(f->outcome.record.action, 1);
    assert_int_equal(fixture_checkpoint(f), 0);
    assert_int_equal(fixture_reopen(f), 0);
    assert_int_equal(f->machine->state.actions.number, 1);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
}

static void test_head_and_check(void **state)
{
    struct fixture *f = *state;
    uint8_t early[MACHINE_CHECK_BYTES], now[MACHINE_CHECK_BYTES], start[MACHINE_CHECK_BYTES] = {0};

    assert_int_equal(machine_check(f->machine, start, &f->fault), 0);
    machine_head(f->machine, early);
    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1));
    machine_head(f->machine, now);
    assert_memory_not_equal(early, now, sizeof now);
    assert_int_equal(machine_check(f->machine, early, &f->fault), 0);
    assert_int_equal(machine_check(f->machine, now, &f->fault), 0);
    now[39] ^= 1;
    assert_int_equal(machine_check(f->machine, now, &f->fault), -1);
    now[39] ^= 1;
    now[0]++; /* a record that we do not have */
    assert_int_equal(machine_check(f->machine, now, &f->fault), -1);
    assert_non_null(strstr(f->fault.text, "ours has 5"));
    start[8] = 1;
    assert_int_equal(machine_check(f->machine, start, &f->fault), -1);
}

/* A store that fails: the machine says so and goes no further. */
static int failing_get(void *impl, enum store_table table, struct slice key, struct slice *value,
                       struct fault *fault)
{
    (void)impl, (void)table, (void)key, (void)value;
    return fault_set(fault, "the disk is gone");
}

static int failing_commit(void *impl, const struct store_write *writes, size_t n,
                          struct fault *fault)
{
    (void)impl, (void)writes, (void)n;
    return fault_set(fault, "the disk is gone");
}

static void test_failing_store(void **state)
{
    struct fixture *f = *state;
    struct command c = money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1);

    assert_true(machine_checkpoint_begin(f->machine));
    f->machine->state.layers.store.commit = failing_commit;
    assert_int_equal(machine_checkpoint_write(f->machine, &f->fault), -1);
    assert_string_equal(f->fault.text, "the disk is gone");
    f->machine->state.layers.store.get = failing_get;
    assert_int_equal(fixture_apply(f, &c), -1);
    assert_string_equal(f->fault.text, "the disk is gone");
    assert_int_equal(fixture_apply(f, &c), -1);
}

/* More known ids than an opening reads: the rest is read when there is time, without any entry. */
static void test_read_on(void **state)
{
    enum { IDS = 140000, KEY = 8, STEP = 1000 };
    static char keys[IDS][KEY + 1];
    static struct store_write writes[IDS];
    struct fixture *f = *state;
    struct store store;
    int i, steps = 0;

    assert_int_equal(fixture_checkpoint(f), 0);
    machine_close(f->machine);
    f->machine = NULL;
    for (i = 0; i < IDS; i++) {
        snprintf(keys[i], sizeof keys[i], "%08d", i);
        writes[i] = (struct store_write){TABLE_TRANSACTION, {keys[i], KEY}, slice_of("v")};
    }
    assert_int_equal(store_lmdb_open(&store, f->folder, FIXTURE_MAP_BYTES, &f->fault), 0);
    assert_int_equal(store.commit(store.impl, writes, IDS, &f->fault), 0);
    store.close(store.impl);
    assert_int_equal(fixture_reopen(f), 0);
    assert_true(machine_is_reading(f->machine));
    while (machine_is_reading(f->machine)) {
        assert_int_equal(machine_read_on(f->machine, STEP, &f->fault), 0);
        assert_true(++steps < IDS / STEP);
    }
    for (i = 0; i < IDS; i += 100) {
        struct slice key = {keys[i], KEY}, value;

        assert_int_equal(
            layers_get(&f->machine->state.layers, TABLE_TRANSACTION, key, &value, &f->fault), 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_determinism),     TEST(test_replay_skips),  TEST(test_checkpoint_while_applying),
        TEST(test_checkpoint_when), TEST(test_clock),         TEST(test_index_gap),
        TEST(test_unknown_command), TEST(test_newer_format),  TEST(test_format_without_actions),
        TEST(test_head_and_check),  TEST(test_failing_store), TEST(test_read_on),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
