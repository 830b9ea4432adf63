/* Damage in a run: it is noticed, by a walk or at the latest when the run is merged, and never
 * copied into another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "statemachine/crc32c.h"
#include "tests/unit/runs_scene.h"

enum { COMMITS_MOST = 300 };

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

enum which { YOUNGEST, MERGING, OUTPUT, UNUSED };

/* The database of such a run of the table; or the first that nothing uses. */
static void name_slot(struct world *w, enum which which, char name[static 32])
{
    const struct store_manifest *m;
    unsigned i, slot = RUN_SLOTS;

    open_store(w);
    m = runs_manifest(&w->store, 0);
    for (i = 0; which == MERGING && i < m->n_runs; i++) {
        slot = m->runs[i].merging ? m->runs[i].slot : slot;
    }
    if (which == YOUNGEST) {
        slot = m->runs[0].slot;
    } else if (which == OUTPUT) {
        slot = m->merges[m->n_merges - 1].slot;
    } else if (which == UNUSED) {
        slot = unused_slot(m);
    }
    assert_true(slot < RUN_SLOTS);
    snprintf(name, 32, slot == 0 ? "transaction" : "transaction.%u", slot);
    w->store.close(w->store.impl);
}

static void damage_record(struct world *w, enum which which, MDB_cursor_op op)
{
    char name[32], value[RUNS_VALUE_MAX + STORE_CHECK_BYTES];
    MDB_cursor *cursor;
    MDB_val k, v;
    struct raw r;
    MDB_dbi dbi;

    name_slot(w, which, name);
    raw_open(w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, name, 0, &dbi), 0);
    assert_int_equal(mdb_cursor_open(r.txn, dbi, &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &k, &v, op), 0);
    memcpy(value, v.mv_data, v.mv_size);
    value[3] ^= 4;
    v.mv_data = value;
    assert_int_equal(mdb_cursor_put(cursor, &k, &v, MDB_CURRENT), 0);
    mdb_cursor_close(cursor);
    raw_close(&r);
}

/* What is damaged is not merged, and a merge does not go on behind it. */
static void test_record_damaged(void **state)
{
    static const enum which which[] = {MERGING, OUTPUT};
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    size_t i;

    for (i = 0; i < 2; i++) {
        prepare(w, "runs of transaction", list);
        damage_record(w, which[i], MDB_LAST);
        expect_commit_refused(w, "table transaction: a record has a wrong checksum");
        fixture_remove(w->folder);
        start_anew(w);
    }
}

/* A search that met damage leaves no place behind that is wrong for the next. */
static void test_search_after_damage(void **state)
{
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    unsigned i, right = 0;

    prepare(w, "runs of transaction", list);
    damage_record(w, YOUNGEST, MDB_FIRST);
    open_store(w);
    for (i = 0; i < RUNS_KEYS; i++) {
        int rc;

        assert_int_equal(runs_seek_right(&w->store, &w->model, 0, RUNS_KEYS - 1, &w->fault), 1);
        assert_int_equal(runs_seek_right(&w->store, &w->model, 0, 0, &w->fault), -1);
        rc = runs_seek_right(&w->store, &w->model, 0, i, &w->fault);
        assert_int_not_equal(rc, 0);
        right += rc == 1;
    }
    assert_true(right > RUNS_KEYS / 2);
    w->store.close(w->store.impl);
}

/* On the page of a run's last record, this record and the one before change places; what they hold
 * is whole. False: there are not as many. */
static bool swap_records(struct world *w, const char *name, unsigned number)
{
    enum { PAGE_BYTES = 4096, LOWER_AT = 12, HEAD_BYTES = 16 };
    uint8_t page[PAGE_BYTES], *at = page + HEAD_BYTES + 2 * (size_t)number, keep[2];
    MDB_cursor *cursor;
    MDB_val k, v;
    struct raw r;
    MDB_dbi dbi;
    FILE *f;

    raw_open(w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, name, 0, &dbi), 0);
    assert_int_equal(mdb_cursor_open(r.txn, dbi, &cursor), 0);
    assert_int_equal(mdb_cursor_get(cursor, &k, &v, MDB_LAST), 0);
    memcpy(page, (void *)((uintptr_t)k.mv_data & ~(uintptr_t)(PAGE_BYTES - 1)), PAGE_BYTES);
    mdb_cursor_close(cursor);
    mdb_txn_abort(r.txn);
    mdb_env_close(r.env);
    if (at + 2 > page + page[LOWER_AT] + 256 * page[LOWER_AT + 1]) {
        return false;
    }
    memcpy(keep, at, 2);
    memcpy(at, at - 2, 2);
    memcpy(at - 2, keep, 2);
    f = fopen(w->path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)(load_le64(page) * PAGE_BYTES), SEEK_SET), 0);
    assert_int_equal(fwrite(page, sizeof page, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    return true;
}

/* From the first key to where a walk ends: 1 all were there, 0 not, -1 it met damage. */
static int walk_to_end(struct world *w)
{
    char text[RUNS_KEY_MAX + 1];
    struct slice from = {"", 0}, key, value;
    unsigned n = 0, i;
    int rc;

    while ((rc = w->store.seek(w->store.impl, TABLE_TRANSACTION, from, &key, &value, &w->fault)) ==
           1) {
        memcpy(text, key.base, key.len);
        text[key.len] = 0;
        from = (struct slice){text, key.len + 1};
        n++;
    }
    for (i = 0; i < RUNS_KEYS; i++) {
        n -= w->model.last[0][i] != 0;
    }
    return rc < 0 ? -1 : n == 0;
}

/* A run whose keys are not in order: no walk passes over one of them as if all were well, and they
 * are not merged. */
static void test_order_damaged(void **state)
{
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    unsigned i;
    char name[32];

    prepare(w, "runs of transaction", list);
    name_slot(w, MERGING, name);
    for (i = 1; swap_records(w, name, i); i++) {
        open_store(w);
        assert_int_equal(walk_to_end(w), -1);
        assert_non_null(strstr(w->fault.text, "table transaction: its keys are not in order"));
        w->store.close(w->store.impl);
        swap_records(w, name, i);
    }
    assert_true(i > 3);
    swap_records(w, name, i - 1);
    expect_commit_refused(w, "table transaction: its keys are not in order");
}

/* A run that has lost records, as by a branch that leads past them, is not merged as if it were
 * whole: here the list of runs says that one more was taken. */
static void test_records_lost(void **state)
{
    static const char name[] = "runs of transaction";
    struct world *w = *state;
    uint8_t list[LIST_MAX];
    size_t len = prepare(w, name, list);
    uint8_t *taken = list + len - 4 - 2 * sizeof(uint64_t); /* of the last merge */

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
        cmocka_unit_test_setup_teardown(test_record_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_search_after_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_damaged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_record_of_another_run, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_run, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
