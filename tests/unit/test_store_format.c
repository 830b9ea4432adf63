/* The store's file as a whole: one of before there were runs, one of a later program, and one whose
 * list of runs, or a run itself, is damaged. What is wrong is put there with LMDB itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "statemachine/crc32c.h"
#include "tests/unit/old_store.h"
#include "tests/unit/runs_fixture.h"

enum { COMMITS = 100, SCRAMBLES = 400, COMMITS_MOST = 300, LIST_MAX = 2000 };

struct world {
    char folder[256];
    char path[300];
    struct store store;
    struct runs_model model;
    unsigned commits;
    struct fault fault;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    fixture_folder(w->folder);
    snprintf(w->path, sizeof w->path, "%s/data.mdb", w->folder);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    fixture_remove(w->folder);
    free(w);
    return 0;
}

/* ---- the file from outside ---- */

struct raw {
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi unnamed;
};

static void raw_open(struct world *w, struct raw *r)
{
    assert_int_equal(mdb_env_create(&r->env), 0);
    assert_int_equal(mdb_env_set_maxdbs(r->env, STORE_DATABASES), 0);
    assert_int_equal(mdb_env_set_mapsize(r->env, RUNS_MAP_BYTES), 0);
    assert_int_equal(mdb_env_open(r->env, w->folder, MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(r->env, NULL, 0, &r->txn), 0);
    assert_int_equal(mdb_dbi_open(r->txn, NULL, 0, &r->unnamed), 0);
}

static void raw_close(struct raw *r)
{
    assert_int_equal(mdb_txn_commit(r->txn), 0);
    mdb_env_close(r->env);
}

static MDB_val text_val(const char *text)
{
    return (MDB_val){strlen(text), (void *)(uintptr_t)text};
}

static size_t raw_get(struct raw *r, const char *name, uint8_t *out, size_t most)
{
    MDB_val k = text_val(name), v;

    assert_int_equal(mdb_get(r->txn, r->unnamed, &k, &v), 0);
    assert_true(v.mv_size <= most);
    memcpy(out, v.mv_data, v.mv_size);
    return v.mv_size;
}

static void raw_put(struct raw *r, const char *name, const void *record, size_t len)
{
    MDB_val k = text_val(name), v = {len, (void *)(uintptr_t)record};

    assert_int_equal(mdb_put(r->txn, r->unnamed, &k, &v, 0), 0);
}

static void write_record(struct world *w, const char *name, const void *record, size_t len)
{
    struct raw r;

    raw_open(w, &r);
    raw_put(&r, name, record, len);
    raw_close(&r);
}

/* ---- */

static void open_store(struct world *w)
{
    if (runs_open(&w->store, w->folder, &w->fault) != 0) {
        fail_msg("%s", w->fault.text);
    }
}

static void commit_on(struct world *w, unsigned until)
{
    while (w->commits < until) {
        assert_int_equal(runs_commit(&w->store, ++w->commits, &w->fault), 0);
        runs_model_commit(&w->model, w->commits);
    }
    assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
}

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
    assert_int_equal(format[0], 2);
    open_store(w);
    commit_on(w, 250); /* until the old run was merged, too */
    assert_int_equal(runs_all_right(&w->store, &w->model, &w->fault), 1);
    w->store.close(w->store.impl);
}

static void test_newer(void **state)
{
    static const uint8_t formats[][2] = {{3, TABLE_COUNT}, {2, TABLE_COUNT + 1}};
    struct world *w = *state;
    size_t i;

    for (i = 0; i < 2; i++) {
        open_store(w);
        w->store.close(w->store.impl);
        write_record(w, "florin", formats[i], sizeof formats[i]);
        expect_refused(w, "newer format");
        fixture_remove(w->folder);
        fixture_folder(w->folder);
        snprintf(w->path, sizeof w->path, "%s/data.mdb", w->folder);
    }
}

/* A store with several runs and a merge under way; and its list of runs. */
static size_t prepare(struct world *w, const char *name, uint8_t list[static LIST_MAX])
{
    struct raw r;
    size_t len;

    open_store(w);
    commit_on(w, COMMITS);
    while (runs_manifest(&w->store, 0)->n_merges == 0 ||
           runs_manifest(&w->store, 1)->n_merges == 0) {
        commit_on(w, w->commits + 1);
    }
    w->store.close(w->store.impl);
    raw_open(w, &r);
    len = raw_get(&r, name, list, LIST_MAX);
    raw_close(&r);
    return len;
}

static void test_manifest_damaged(void **state)
{
    static const uint8_t formats[][2] = {{1, TABLE_COUNT}, {2, TABLE_COUNT}};
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

/* Commits until one is refused, which must be before all is merged. */
static void expect_commit_refused(struct world *w, const char *why)
{
    int rc = 0;

    open_store(w);
    while (rc == 0 && w->commits < COMMITS_MOST) {
        rc = runs_commit(&w->store, w->commits + 1, &w->fault);
        if (rc == 0) {
            runs_model_commit(&w->model, ++w->commits);
        }
    }
    assert_int_equal(rc, -1);
    assert_non_null(strstr(w->fault.text, w->path));
    assert_non_null(strstr(w->fault.text, why));
    assert_non_null(strstr(w->fault.text, "rebuild this node"));
    assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
    assert_int_equal(runs_applied(&w->store, &w->fault), w->commits);
    w->store.close(w->store.impl);
}

enum which { YOUNGEST, MERGING, UNUSED };

/* The database of such a run of the table; or the first that nothing uses. */
static void name_slot(struct world *w, enum which which, char name[static 32])
{
    const struct store_manifest *m;
    bool used[RUN_SLOTS] = {false};
    unsigned i, slot = RUN_SLOTS;

    open_store(w);
    m = runs_manifest(&w->store, 0);
    for (i = 0; i < m->n_runs; i++) {
        used[m->runs[i].slot] = true;
        slot = which == MERGING && m->runs[i].merging ? m->runs[i].slot : slot;
    }
    for (i = 0; i < m->n_merges; i++) {
        used[m->merges[i].slot] = true;
    }
    if (which == YOUNGEST) {
        slot = m->runs[0].slot;
    }
    for (i = 0; which == UNUSED && slot == RUN_SLOTS; i++) {
        slot = used[i] ? RUN_SLOTS : i;
    }
    assert_true(slot < RUN_SLOTS);
    snprintf(name, 32, slot == 0 ? "transaction" : "transaction.%u", slot);
    w->store.close(w->store.impl);
}

/* What is damaged is not merged. */
static void test_record_damaged(void **state)
{
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    char name[32], value[RUNS_VALUE_MAX + STORE_CHECK_BYTES];
    MDB_cursor *cursor;
    MDB_val k, v;
    struct raw r;
    MDB_dbi dbi;

    prepare(w, "runs of transaction", list);
    name_slot(w, MERGING, name);
    raw_open(w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, name, 0, &dbi), 0);
    assert_int_equal(mdb_cursor_open(r.txn, dbi, &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_LAST), 0);
    memcpy(value, v.mv_data, v.mv_size);
    value[3] ^= 4;
    v.mv_data = value;
    assert_int_equal(mdb_cursor_put(cursor, &k, &v, MDB_CURRENT), 0);
    mdb_cursor_close(cursor);
    raw_close(&r);
    expect_commit_refused(w, "table transaction: a record has a wrong checksum");
}

/* A run that has lost records, as by a branch that leads past them, is not merged as if it were
 * whole: here the list of runs says that one more was taken. */
static void test_records_lost(void **state)
{
    static const char name[] = "runs of transaction";
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    size_t len = prepare(w, name, list);
    uint8_t *taken = list + len - 4 - sizeof(uint64_t); /* of the last merge */

    store_le64(taken, load_le64(taken) + 1);
    store_le32(list + len - 4, crc32c(crc32c(0, name, sizeof name - 1), list, len - 4));
    write_record(w, name, list, len);
    expect_commit_refused(w, "table transaction: a run has more or fewer records than it should");
}

/* A record of another run, or of one that is gone, is no record of this one. */
static void test_record_of_another_run(void **state)
{
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    char from[32], to[32];
    MDB_cursor *cursor;
    MDB_val k, v;
    MDB_dbi dbi, other;
    struct raw r;

    prepare(w, "runs of transaction", list);
    name_slot(w, YOUNGEST, from);
    name_slot(w, MERGING, to);
    raw_open(w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, from, 0, &dbi), 0);
    assert_int_equal(mdb_dbi_open(r.txn, to, 0, &other), 0);
    assert_int_equal(mdb_cursor_open(r.txn, dbi, &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_LAST), 0);
    assert_int_equal(mdb_put(r.txn, other, &k, &v, 0), 0);
    mdb_cursor_close(cursor);
    raw_close(&r);
    expect_commit_refused(w, "table transaction: a record has a wrong checksum");
}

/* What is in a slot that is not in use would be taken for a part of the next run there. */
static void test_unknown_run(void **state)
{
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    char name[32];
    MDB_val k = text_val("a key"), v = text_val("a value with some check");
    struct raw r;
    MDB_dbi dbi;

    prepare(w, "runs of transaction", list);
    name_slot(w, UNUSED, name);
    raw_open(w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, name, 0, &dbi), 0);
    assert_int_equal(mdb_put(r.txn, dbi, &k, &v, 0), 0);
    raw_close(&r);
    expect_commit_refused(w, "table transaction: a run that nothing knows");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_format_1, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_manifest_scrambled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_slots_run_out, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_of_another_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_run, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
