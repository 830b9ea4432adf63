/* The store's file as a whole: one of before there were runs, one of a later program, and one whose
 * list of runs is damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "statemachine/crc32c.h"
#include "tests/unit/old_store.h"
#include "tests/unit/runs_scene.h"

enum { SCRAMBLES = 400 };

static void expect_refused(struct world *w, const char *why)
{
    struct store store;

    assert_int_equal(store_lmdb_open(&store, w->folder, RUNS_MAP_BYTES, &w->fault), -1);
    assert_non_null(strstr(w->fault.text, w->folder));
    assert_non_null(strstr(w->fault.text, why));
    assert_int_equal(store_lmdb_open_file(&store, w->path, &w->fault), -1);
    assert_non_null(strstr(w->fault.text, w->path));
    assert_non_null(strstr(w->fault.text, why));
}

static void test_format_1(void **state)
{
    struct world *w = *state;
    uint8_t format[2];
    struct store file;
    struct raw r;

    open_store(w);
    w->store.close(w->store.impl);
    old_store_make(w->folder, TABLE_COUNT); /* an empty one */
    open_store(w);
    assert_int_equal(runs_manifest(&w->store, 0)->n_runs, 0);
    commit_on(w, 60);
    w->store.close(w->store.impl);
    old_store_make(w->folder, TABLE_COUNT);
    assert_int_equal(store_lmdb_open_file(&file, w->path, &w->fault), 0);
    assert_int_equal(runs_all_right(&file, &w->model, &w->fault), 1);
    file.close(file.impl);

    open_store(w);
    assert_int_equal(runs_manifest(&w->store, 0)->n_runs, 1);
    assert_int_equal(runs_all_right(&w->store, &w->model, &w->fault), 1);
    commit_on(w, 90);
    assert_true(runs_manifest(&w->store, 0)->n_runs > 1);
    assert_int_equal(runs_all_right(&w->store, &w->model, &w->fault), 1);
    w->store.close(w->store.impl);

    raw_open(w, &r);
    assert_int_equal(raw_get(&r, "florin", format, sizeof format), sizeof format);
    raw_close(&r);
    assert_int_equal(format[0], 3);
    open_store(w);
    commit_on(w, 250); /* until the old run was merged, too */
    assert_int_equal(runs_all_right(&w->store, &w->model, &w->fault), 1);
    w->store.close(w->store.impl);
}

/* What was one tree is a run of the level that its size says: of a lower one, all that comes after
 * would be merged with it again and again. */
static void test_format_1_large(void **state)
{
    enum { KEYS = RUN_LEAST_KEYS * RUN_FANOUT };
    static struct store_write writes[KEYS];
    static char keys[KEYS][RUNS_KEY_MAX];
    struct world *w = *state;
    unsigned i;

    for (i = 0; i < KEYS; i++) {
        snprintf(keys[i], RUNS_KEY_MAX, "%08u", i);
        writes[i] = (struct store_write){TABLE_TRANSACTION, slice_of(keys[i]), slice_of("value")};
    }
    open_store(w);
    assert_int_equal(w->store.commit(w->store.impl, writes, KEYS, &w->fault), 0);
    w->store.close(w->store.impl);
    old_store_make(w->folder, TABLE_COUNT);
    open_store(w);
    assert_int_equal(runs_manifest(&w->store, 0)->n_runs, 1);
    assert_int_equal(runs_manifest(&w->store, 0)->runs[0].level, 1);
    w->store.close(w->store.impl);
}

static void test_newer(void **state)
{
    static const uint8_t formats[][2] = {{4, TABLE_COUNT}, {3, TABLE_COUNT + 1}};
    struct world *w = *state;
    size_t i;

    for (i = 0; i < 2; i++) {
        open_store(w);
        w->store.close(w->store.impl);
        write_record(w, "florin", formats[i], sizeof formats[i]);
        expect_refused(w, "newer format");
        fixture_remove(w->folder);
        start_anew(w);
    }
}

static void test_manifest_damaged(void **state)
{
    static const uint8_t formats[][2] = {{1, TABLE_COUNT}, {3, TABLE_COUNT}};
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    size_t len = prepare(w, "runs of transaction", list), i;
    MDB_val k = text_val("runs of transaction");
    struct raw r;

    for (i = 0; i < len; i++) {
        list[i] ^= (uint8_t)(1 << i % 8);
        write_record(w, "runs of transaction", list, len);
        expect_refused(w, "is damaged (runs of transaction");
        list[i] ^= (uint8_t)(1 << i % 8);
        if (i % 16 == 0) {
            write_record(w, "runs of transaction", list, i);
            expect_refused(w, "is damaged (runs of transaction");
        }
    }
    raw_open(w, &r);
    assert_int_equal(mdb_del(r.txn, r.unnamed, &k, NULL), 0);
    raw_close(&r);
    expect_refused(w, "is damaged (runs of transaction");
    write_record(w, "runs of transaction", list, len);
    /* A list of runs, and a format that has none. */
    write_record(w, "florin", formats[0], sizeof formats[0]);
    expect_refused(w, "is damaged (runs of transaction");
    write_record(w, "florin", formats[1], sizeof formats[1]);
    open_store(w);
    w->store.close(w->store.impl);
    write_record(w, "runs of round", list, len); /* another's */
    expect_refused(w, "is damaged (runs of round");
}

static void expect_senseless(struct world *w, const struct store_manifest *m)
{
    struct store_lmdb s = {.read = NULL};
    struct raw r;

    raw_open(w, &r);
    s.unnamed = r.unnamed;
    assert_int_equal(store_manifest_save(&s, r.txn, TABLE_TRANSACTION, m), 0);
    raw_close(&r);
    expect_refused(w, "is damaged (runs of transaction: it makes no sense");
}

/* Each rule of a list of runs, broken alone. */
static void test_manifest_senseless(void **state)
{
    struct world *w = *state;
    struct store_manifest good, bad;
    struct store_run *last, extra = {.number = 0};
    uint8_t list[LIST_MAX];
    unsigned input = 0;

    prepare(w, "runs of transaction", list);
    open_store(w);
    good = *runs_manifest(&w->store, 0);
    w->store.close(w->store.impl);
    extra.slot = unused_slot(&good);
    while (!good.runs[input].merging) {
        input++;
    }
    last = &bad.runs[good.n_runs];

    bad = good; /* one slot for two runs; no slot */
    bad.runs[1].slot = bad.runs[0].slot;
    expect_senseless(w, &bad);
    bad.runs[1].slot = RUN_SLOTS;
    expect_senseless(w, &bad);
    bad = good; /* no level; the oldest of a lower one than others; a number not given yet */
    extra.level = RUN_LEVELS;
    bad.runs[bad.n_runs++] = extra;
    expect_senseless(w, &bad);
    assert_true(good.runs[good.n_runs - 1].level > 0);
    last->level = 0;
    expect_senseless(w, &bad);
    last->level = RUN_LEVELS - 1;
    last->number = bad.next_number;
    expect_senseless(w, &bad);
    bad = good; /* a merge into a run; into no slot; of a number that was not given; of no runs */
    bad.merges[0].slot = bad.runs[0].slot;
    expect_senseless(w, &bad);
    bad.merges[0].slot = RUN_SLOTS;
    expect_senseless(w, &bad);
    bad = good;
    bad.merges[0].number = bad.next_number;
    expect_senseless(w, &bad);
    bad = good;
    bad.merges[bad.n_merges - 1].level = RUN_LEVELS - 1;
    expect_senseless(w, &bad);
    bad = good; /* one run more is merged, by nothing */
    extra.level = RUN_LEVELS - 1;
    extra.merging = true;
    bad.runs[bad.n_runs++] = extra;
    expect_senseless(w, &bad);
    bad = good; /* what is merged does not stand together */
    extra = (struct store_run){.slot = extra.slot, .level = bad.runs[input].level};
    memmove(&bad.runs[input + 2], &bad.runs[input + 1],
            (bad.n_runs++ - input - 1) * sizeof bad.runs[0]);
    bad.runs[input + 1] = extra;
    expect_senseless(w, &bad);
}

/* More of them than there are slots; a list with something behind it. */
static void test_manifest_too_long(void **state)
{
    enum { COUNT_AT = 8, RUNS_AT = 9, RUN_BYTES = 19 };
    static const char name[] = "runs of transaction";
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    size_t len = prepare(w, name, list);

    store_le32(list + len - 3, crc32c(crc32c(0, name, sizeof name - 1), list, len - 3));
    write_record(w, name, list, len + 1);
    expect_refused(w, "is damaged (runs of transaction: it makes no sense");

    memset(list, 0, sizeof list); /* as many as are read, and no merges; but it says more */
    list[0] = 1;
    for (list[COUNT_AT] = 0; list[COUNT_AT] < RUN_SLOTS; list[COUNT_AT]++) {
        list[RUNS_AT + list[COUNT_AT] * RUN_BYTES] = list[COUNT_AT];
    }
    len = RUNS_AT + RUN_SLOTS * RUN_BYTES + 1 + 8 + 4;
    store_le32(list + len - 4, crc32c(crc32c(0, name, sizeof name - 1), list, len - 4));
    write_record(w, name, list, len);
    open_store(w); /* it would be right */
    w->store.close(w->store.impl);
    list[COUNT_AT] = 255;
    store_le32(list + len - 4, crc32c(crc32c(0, name, sizeof name - 1), list, len - 4));
    write_record(w, name, list, len);
    expect_refused(w, "is damaged (runs of transaction: it makes no sense");
}

/* Lists with a right checksum that make no sense, or not the right one: whatever is made of them,
 * no process ends by it. */
static void test_manifest_scrambled(void **state)
{
    static const char name[] = "runs of transaction";
    struct world *w = *state;
    uint8_t list[LIST_MAX], bad[LIST_MAX];
    size_t len = prepare(w, name, list);
    uint64_t random = 7;
    unsigned i, refused = 0;

    for (i = 0; i < SCRAMBLES; i++) {
        struct store store;
        unsigned n;

        memcpy(bad, list, len);
        for (n = 0; n <= i % 3; n++) {
            bad[runs_random(&random) % (len - 4)] = (uint8_t)(runs_random(&random) % 20);
        }
        store_le32(bad + len - 4, crc32c(crc32c(0, name, sizeof name - 1), bad, len - 4));
        write_record(w, name, bad, len);
        if (store_lmdb_open(&store, w->folder, RUNS_MAP_BYTES, &w->fault) != 0) {
            assert_non_null(strstr(w->fault.text, "is damaged (runs of transaction"));
            refused++;
            continue;
        }
        store_lmdb_set_run_least(&store, RUNS_LEAST);
        runs_all_right(&store, &w->model, &w->fault);
        runs_commit(&store, w->commits + 1, &w->fault);
        store.close(store.impl);
    }
    assert_true(refused > SCRAMBLES / 2);
}

/* Without a free slot a commit first finishes merges. The list of runs is filled up with empty
 * ones.
 */
static void test_slots_run_out(void **state)
{
    enum { RUNS_AT = 9, RUN_BYTES = 19, TOP_LEVEL = RUN_LEVELS - 1 };
    static const char name[] = "runs of transaction";
    struct world *w = *state;
    const struct store_manifest *m;
    uint8_t list[LIST_MAX], full[LIST_MAX], *at;
    size_t len = prepare(w, name, list), rest;
    bool used[RUN_SLOTS] = {false};
    unsigned i, slot;

    open_store(w);
    m = runs_manifest(&w->store, 0);
    for (i = 0; i < m->n_runs; i++) {
        used[m->runs[i].slot] = true;
    }
    for (i = 0; i < m->n_merges; i++) {
        used[m->merges[i].slot] = true;
    }
    rest = RUNS_AT + m->n_runs * RUN_BYTES;
    memcpy(full, list, rest);
    at = full + rest;
    for (slot = 0; slot < RUN_SLOTS; slot++) {
        if (!used[slot]) {
            memset(at, 0, RUN_BYTES);
            at[0] = (uint8_t)slot;
            at[1] = TOP_LEVEL;
            store_le64(at + 3, 1);
            at += RUN_BYTES;
            full[8]++;
        }
    }
    w->store.close(w->store.impl);
    memcpy(at, list + rest, len - rest); /* the merges */
    len += (size_t)(at - full) - rest;
    store_le32(full + len - 4, crc32c(crc32c(0, name, sizeof name - 1), full, len - 4));
    write_record(w, name, full, len);
    open_store(w);
    m = runs_manifest(&w->store, 0);
    assert_int_equal(m->n_runs + m->n_merges, RUN_SLOTS);
    commit_on(w, w->commits + 1);
    assert_true(m->n_runs + m->n_merges < RUN_SLOTS);
    commit_on(w, w->commits + 100);
    assert_int_equal(runs_all_right(&w->store, &w->model, &w->fault), 1);
    w->store.close(w->store.impl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_format_1, setup, teardown),
        cmocka_unit_test_setup_teardown(test_format_1_large, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_senseless, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_scrambled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slots_run_out, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
