/* The log, call by call: what a node does with it, what it refuses, and what it says. Power cuts at
 * random moments are in test_log_crash.c, damage in test_log_damage.c. */
#include "tests/unit/log_fixture.h"

#include <errno.h>
#include <stdio.h>

static int snapshot_at(struct log *log, uint64_t index, uint64_t term, const char *manifest,
                       struct fault *fault)
{
    struct log_snapshot s = {.index = index, .term = term, .configuration_index = 1};
    int rv;

    bytes_init(&s.configuration);
    bytes_init(&s.manifest);
    bytes_append(&s.configuration, "1,2,3", 5);
    bytes_append(&s.manifest, manifest, strlen(manifest));
    rv = log_set_snapshot(log, &s, fault);
    log_snapshot_release(&s);
    return rv;
}

/* Entries [first, last] of one term and length. */
static void append_many(struct fixture *f, uint64_t first, uint64_t last, uint64_t term, size_t len)
{
    struct fault fault;

    for (; first <= last; first++) {
        must(fixture_append(f->log, first, term, len, &fault));
    }
    must(log_sync(f->log, &fault));
}

static void expect_many(struct fixture *f, uint64_t first, uint64_t last, uint64_t term, size_t len)
{
    for (; first <= last; first++) {
        fixture_expect(f->log, first, term, len);
    }
}

static void test_new(void **state)
{
    struct fixture *f = fixture_new();
    struct bytes data;
    struct log_entry entry;
    struct fault fault;

    (void)state;
    assert_int_equal(log_first_index(f->log), 1);
    assert_int_equal(log_last_index(f->log), 0);
    assert_int_equal(log_term(f->log), 0);
    assert_int_equal(log_vote(f->log), 0);
    assert_int_equal(log_snapshot(f->log)->index, 0);
    bytes_init(&data);
    must_fail(log_read(f->log, 1, &entry, &data, &fault), "no entry 1");
    must_fail(log_format(&f->disk, &fixture_identity, NULL, &fault), "already holds the log");
    bytes_release(&data);
    fixture_free(f);
}

static void test_format_with_first(void **state)
{
    struct sim_disk *sim = sim_disk_new();
    struct log_entry first = {1, 1, LOG_CHANGE, (const uint8_t *)"eight by", 8};
    struct log_entry entry;
    struct disk disk;
    struct bytes data;
    struct log *log;
    struct fault fault;

    (void)state;
    sim_disk_interface(sim, &disk);
    must(log_format(&disk, &fixture_identity, &first, &fault));
    sim_disk_crash(sim, 1);
    must(log_open(&log, &disk, &fixture_identity, NULL, NULL, &fault));
    bytes_init(&data);
    must(log_read(log, 1, &entry, &data, &fault));
    assert_int_equal(entry.type, LOG_CHANGE);
    assert_int_equal(entry.term, 1);
    assert_memory_equal(entry.data, "eight by", 8);
    assert_int_equal(log_term(log), 1);
    bytes_release(&data);
    log_close(log);
    sim_disk_free(sim);
}

static void test_format_refuses_parts(void **state)
{
    struct fixture *f = fixture_new();
    struct fault fault;

    (void)state;
    append_many(f, 1, 3, 1, 8);
    sim_disk_erase(f->sim, "identity");
    must_fail(log_format(&f->disk, &fixture_identity, NULL, &fault), "no identity");
    fixture_free(f);

    f = fixture_new(); /* a vote alone would be lost as well */
    must(log_set_vote(f->log, 3, 2, &fault));
    sim_disk_erase(f->sim, "identity");
    must_fail(log_format(&f->disk, &fixture_identity, NULL, &fault), "no identity");
    fixture_free(f);
}

static void test_identity(void **state)
{
    struct fixture *f = fixture_new();
    struct log_identity other = fixture_identity;
    struct log *log;
    struct disk empty_disk;
    struct sim_disk *empty = sim_disk_new();
    struct fault fault;

    (void)state;
    log_close(f->log);
    f->log = NULL;
    other.node_id = 3;
    must_fail(log_open(&log, &f->disk, &other, NULL, NULL, &fault), "belongs to node 2");
    assert_null(log);
    other = fixture_identity;
    other.cluster_id[0] = 'x';
    must_fail(log_open(&log, &f->disk, &other, NULL, NULL, &fault),
              "not to node 2 of cluster xemo");
    sim_disk_interface(empty, &empty_disk);
    must_fail(log_open(&log, &empty_disk, &other, NULL, NULL, &fault), "holds no log");
    sim_disk_free(empty);
    fixture_free(f);
}

static void test_append_and_read(void **state)
{
    static const size_t lens[] = {8, 64, 456, 464, 472, 1000, 4096, 100000, LOG_ENTRY_MAX};
    struct fixture *f = fixture_new();
    struct fault fault;
    uint64_t i;

    (void)state;
    for (i = 0; i < 9; i++) { /* those larger than a segment get one of their own */
        must(fixture_append(f->log, i + 1, 1 + i / 3, lens[i], &fault));
    }
    must(log_sync(f->log, &fault));
    assert_true(log_bytes_written(f->log) > LOG_ENTRY_MAX);
    for (i = 0; i < 9; i++) {
        fixture_expect(f->log, i + 1, 1 + i / 3, lens[i]);
    }
    fixture_crash(f, 7);
    assert_int_equal(log_last_index(f->log), 9);
    for (i = 0; i < 9; i++) {
        fixture_expect(f->log, i + 1, 1 + i / 3, lens[i]);
    }
    fixture_free(f);
}

/* Many small entries: the index in memory keeps only a mark every 16 KiB. */
static void test_sparse_index(void **state)
{
    struct fixture *f = fixture_new();
    struct fault fault;

    (void)state;
    f->options.segment_bytes = 1 << 20;
    fixture_reopen(f);
    append_many(f, 1, 3000, 1, 24);
    must(fixture_append(f->log, 1501, 2, 24, &fault)); /* cuts between two marks */
    append_many(f, 1502, 2000, 2, 32);
    expect_many(f, 1, 1500, 1, 24);
    fixture_expect(f->log, 1501, 2, 24);
    expect_many(f, 1502, 2000, 2, 32);
    fixture_reopen(f);
    expect_many(f, 1, 1500, 1, 24);
    fixture_expect(f->log, 1501, 2, 24);
    expect_many(f, 1502, 2000, 2, 32);
    assert_int_equal(log_last_index(f->log), 2000);
    fixture_free(f);
}

static void test_refuses_bad_entries(void **state)
{
    static const struct {
        uint64_t index, term;
        size_t len;
        enum log_entry_type type;
        const char *says;
    } bad[] = {
        {5, 2, 8, LOG_COMMAND, "can't append entry 5"},
        {4, 1, 8, LOG_COMMAND, "not well formed"},
        {4, 2, 0, LOG_COMMAND, "not well formed"},
        {4, 2, 12, LOG_COMMAND, "not well"},
        {4, 2, LOG_ENTRY_MAX + 8, LOG_COMMAND, "not well"},
        {4, 2, 8, 4, "not well formed"},
        {2, 3, 8, LOG_COMMAND, "can't append entry 2"},
    };
    static uint8_t data[LOG_ENTRY_MAX + 8];
    struct fault fault;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fixture *f = fixture_new();
        struct log_entry e = {bad[i].index, bad[i].term, bad[i].type, data, bad[i].len};
        append_many(f, 1, 3, 2, 8);
        must(snapshot_at(f->log, 2, 2, "m", &fault));
        must_fail(log_append(f->log, &e, 1, &fault), bad[i].says);
        must_fail(log_sync(f->log, &fault), bad[i].says);
        fixture_free(f);
    }
}

static void test_vote(void **state)
{
    struct fixture *f = fixture_new();
    struct fault fault;

    (void)state;
    must(log_set_vote(f->log, 3, 0, &fault));
    must(log_set_vote(f->log, 3, 2, &fault));
    must(log_set_vote(f->log, 3, 2, &fault));
    fixture_crash(f, 3);
    assert_int_equal(log_term(f->log), 3);
    assert_int_equal(log_vote(f->log), 2);
    must_fail(log_set_vote(f->log, 3, 1, &fault), "refused to go back");
    must_fail(log_set_vote(f->log, 9, 1, &fault), "refused to go back");
    fixture_reopen(f);
    must_fail(log_set_vote(f->log, 2, 1, &fault), "refused to go back");
    fixture_reopen(f);
    assert_int_equal(log_term(f->log), 3);
    assert_int_equal(log_vote(f->log), 2);
    fixture_free(f);
}

struct files {
    char names[512];
};

static void note_file(void *context, const char *name)
{
    struct files *files = context;

    strncat(files->names, name, sizeof files->names - strlen(files->names) - 2);
    strcat(files->names, " ");
}

static void expect_files(struct fixture *f, const char *names)
{
    struct files files = {""};

    assert_int_equal(f->disk.list(f->disk.impl, note_file, &files), 0);
    assert_string_equal(files.names, names);
}

static void test_snapshot_and_cut(void **state)
{
    struct fixture *f = fixture_new();
    struct fault fault;

    (void)state;
    append_many(f, 1, 12, 1, 1000);          /* three to a segment */
    must(log_cut_before(f->log, 9, &fault)); /* no snapshot: nothing may go */
    assert_int_equal(log_first_index(f->log), 1);
    must(snapshot_at(f->log, 8, 1, "state at 8", &fault));
    must(log_cut_before(f->log, 100, &fault)); /* and never beyond it */
    assert_int_equal(log_first_index(f->log), 7);
    fixture_crash(f, 4);
    assert_int_equal(log_first_index(f->log), 7);
    assert_int_equal(log_last_index(f->log), 12);
    assert_int_equal(log_snapshot(f->log)->index, 8);
    assert_int_equal(log_snapshot(f->log)->term, 1);
    assert_int_equal(log_snapshot(f->log)->configuration_index, 1);
    assert_int_equal(log_snapshot(f->log)->configuration.len, 5);
    assert_int_equal(log_snapshot(f->log)->manifest.len, 10);
    assert_memory_equal(log_snapshot(f->log)->manifest.base, "state at 8", 10);
    expect_many(f, 7, 12, 1, 1000);
    must_fail(snapshot_at(f->log, 7, 1, "", &fault), "can't follow");
    fixture_free(f);
}

static void test_install(void **state)
{
    struct fixture *f = fixture_new();
    struct fault fault;

    (void)state;
    append_many(f, 1, 8, 1, 1000);
    must(snapshot_at(f->log, 50, 4, "installed", &fault));
    must(log_restart_after(f->log, 50, &fault));
    assert_int_equal(log_first_index(f->log), 51);
    assert_int_equal(log_last_index(f->log), 50);
    expect_files(f, "0000000000000005.seg identity snapshot vote ");
    must_fail(fixture_append(f->log, 51, 3, 8, &fault), "term 3 after 4");
    fixture_crash(f, 5);
    assert_int_equal(log_first_index(f->log), 51);
    append_many(f, 51, 53, 4, 8);
    fixture_crash(f, 6);
    expect_many(f, 51, 53, 4, 8);
    /* One that the log contains: what comes after it goes only when asked. */
    must(snapshot_at(f->log, 52, 4, "again", &fault));
    assert_int_equal(log_last_index(f->log), 53);
    must(log_restart_after(f->log, 52, &fault));
    assert_int_equal(log_last_index(f->log), 52);
    must_fail(log_restart_after(f->log, 51, &fault), "can't restart");
    fixture_crash(f, 8);
    assert_int_equal(log_first_index(f->log), 53);
    fixture_free(f);
}

/* The log has that index, but of another leader, and more behind it: nothing of it continues what
 * was installed, not even until somebody asks for the restart. */
static void test_install_over_another_tail(void **state)
{
    struct fixture *f = fixture_new();
    struct fault fault;

    (void)state;
    append_many(f, 1, 8, 1, 64);
    must(snapshot_at(f->log, 5, 2, "installed", &fault));
    assert_int_equal(log_first_index(f->log), 6);
    assert_int_equal(log_last_index(f->log), 5);
    fixture_crash(f, 5);
    assert_int_equal(log_last_index(f->log), 5);
    append_many(f, 6, 7, 2, 64);
    expect_many(f, 6, 7, 2, 64);
    fixture_free(f);
}

/* The power goes at each step of a restart: the old log or the new one, and no file of the other.
 */
static void test_install_interrupted(void **state)
{
    bool done = false;
    uint64_t step, seed;
    struct fault fault;

    (void)state;
    for (step = 1; !done; step++) {
        for (seed = 0; seed < 30; seed++) {
            struct fixture *f = fixture_new();
            append_many(f, 1, 8, 1, 1000);
            sim_disk_cut_power_after(f->sim, step);
            done = snapshot_at(f->log, 50, 4, "installed", &fault) == 0;
            fixture_crash(f, seed);
            if (log_last_index(f->log) == 50) {
                expect_files(f, "0000000000000005.seg identity snapshot vote ");
            } else {
                assert_false(done);
                assert_int_equal(log_last_index(f->log), 8);
                expect_files(f, "0000000000000001.seg 0000000000000002.seg 0000000000000003.seg "
                                "0000000000000004.seg identity vote ");
                expect_many(f, 1, 8, 1, 1000);
            }
            fixture_free(f);
        }
    }
    assert_true(step > 10);
}

struct told {
    struct reporter reporter;
    char text[1024];
};

static void tell(struct reporter *r, enum level level, const char *room, const char *message,
                 const char *fields)
{
    struct told *told = (struct told *)r;

    if (level == LEVEL_WARN) {
        snprintf(told->text, sizeof told->text, "%s: %s %s", room, message, fields);
    }
}

/* A tail that was torn is cut and told; what comes after goes to another file. */
static void test_torn_tail(void **state)
{
    static const char newest[] = "0000000000000002.seg";
    struct fixture *f = fixture_new();
    struct told told = {.reporter = {.line = tell}};
    uint8_t zeros[512] = {0};
    uint8_t *bytes;
    size_t size;
    struct fault fault;

    (void)state;
    append_many(f, 1, 2, 1, 1000); /* at 512 and 1560 */
    must(fixture_append(f->log, 3, 1, 8, &fault));
    must(fixture_append(f->log, 4, 1, 1200, &fault)); /* header at 2664 */
    must(fixture_append(f->log, 5, 1, 8, &fault));
    must(log_sync(f->log, &fault));
    log_close(f->log);
    size = (size_t)sim_disk_size(f->sim, newest);
    bytes = malloc(size);
    sim_disk_get(f->sim, newest, bytes, size, 0);
    memcpy(bytes + 3072, zeros, 400); /* part of a sector that entry 4's payload lies in */
    sim_disk_put(f->sim, newest, bytes, size);
    assert_int_equal(
        log_open(&f->log, &f->disk, &fixture_identity, &f->options, &told.reporter, &fault),
        -1); /* half a sector is not torn */
    memcpy(bytes + 3072, zeros, 512);
    sim_disk_put(f->sim, newest, bytes, size);
    must(log_open(&f->log, &f->disk, &fixture_identity, &f->options, &told.reporter, &fault));
    assert_int_equal(log_last_index(f->log), 3);
    assert_non_null(strstr(told.text, "offset=2664"));
    assert_non_null(strstr(told.text, "entries=2"));
    append_many(f, 4, 4, 2, 800);
    fixture_reopen(f);
    assert_int_equal(log_last_index(f->log), 4); /* the old entry 5 stays dead */
    fixture_expect(f->log, 4, 2, 800);
    free(bytes);
    fixture_free(f);
}

static void test_full_disk(void **state)
{
    struct fixture *f = fixture_new();
    struct bytes data;
    struct log_entry entry;
    struct fault fault;

    (void)state;
    append_many(f, 1, 2, 1, 1000);
    sim_disk_fail(f->sim, SIM_DISK_ALLOCATE, 1, ENOSPC);
    must(fixture_append(f->log, 3, 1, 1000, &fault));
    must_fail(fixture_append(f->log, 4, 1, 1000, &fault), "0000000000000003.seg failed: No space");
    assert_non_null(strstr(fault.text, "the disk is full"));
    must_fail(log_sync(f->log, &fault), "the disk is full");
    must_fail(log_set_vote(f->log, 2, 0, &fault), "the disk is full");
    must_fail(snapshot_at(f->log, 1, 1, "", &fault), "the disk is full");
    must_fail(log_cut_before(f->log, 1, &fault), "the disk is full");
    must_fail(log_restart_after(f->log, 1, &fault), "the disk is full");
    bytes_init(&data);
    must_fail(log_read(f->log, 1, &entry, &data, &fault), "the disk is full");
    bytes_release(&data);
    fixture_reopen(f);
    expect_many(f, 1, 2, 1, 1000);
    fixture_free(f);
}

/* A disk that stays full lets a node start again and keep what it has; the first write that needs
 * room ends it once more, until there is some. */
static void test_disk_stays_full(void **state)
{
    struct fixture *f = fixture_new();
    struct fault fault;
    uint64_t next = 2;
    uint64_t index;

    (void)state;
    must(fixture_append(f->log, 1, 1, 512, &fault)); /* takes its segment's room */
    must(log_sync(f->log, &fault));
    sim_disk_set_full(f->sim, true);
    while (fixture_append(f->log, next, 1, 512, &fault) == 0 && log_sync(f->log, &fault) == 0) {
        next++;
    }
    assert_non_null(strstr(fault.text, "No space left"));
    assert_true(next > 2);
    fixture_reopen(f);
    assert_int_equal(log_last_index(f->log), next - 1);
    for (index = 1; index < next; index++) {
        fixture_expect(f->log, index, 1, 512);
    }
    assert_int_equal(fixture_append(f->log, next, 1, 512, &fault), -1);
    sim_disk_set_full(f->sim, false);
    fixture_reopen(f);
    must(fixture_append(f->log, next, 1, 512, &fault));
    must(log_sync(f->log, &fault));
    fixture_expect(f->log, next, 1, 512);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new),
        cmocka_unit_test(test_format_with_first),
        cmocka_unit_test(test_format_refuses_parts),
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_append_and_read),
        cmocka_unit_test(test_sparse_index),
        cmocka_unit_test(test_refuses_bad_entries),
        cmocka_unit_test(test_vote),
        cmocka_unit_test(test_snapshot_and_cut),
        cmocka_unit_test(test_install),
        cmocka_unit_test(test_install_over_another_tail),
        cmocka_unit_test(test_install_interrupted),
        cmocka_unit_test(test_torn_tail),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_disk_stays_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
