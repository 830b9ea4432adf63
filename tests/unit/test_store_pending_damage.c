/* Damage to what waits for its place in the store is noticed: it is a fault, and never has the
 * balance of before be served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "tests/unit/pending_scene.h"

static void expect_refused(struct scene *s, const char *why)
{
    struct store store;

    assert_int_equal(store_lmdb_open(&store, s->w.folder, RUNS_MAP_BYTES, &s->w.fault), -1);
    assert_non_null(strstr(s->w.fault.text, s->w.path));
    assert_non_null(strstr(s->w.fault.text, why));
    assert_int_equal(store_lmdb_open_file(&store, s->w.path, &s->w.fault), -1);
    assert_non_null(strstr(s->w.fault.text, why));
}

static void test_damaged_batch(void **state)
{
    struct scene *s = *state;
    uint8_t record[64];
    MDB_dbi dbi;
    MDB_val k = text_val("pending balance");
    size_t len, i;
    struct raw r;

    commit_some(s, SOME);
    s->w.store.close(s->w.store.impl);
    raw_open(&s->w, &r);
    len = raw_get(&r, "pending balance", record, sizeof record);
    raw_close(&r);
    for (i = 0; i < len; i++) {
        record[i] ^= (uint8_t)(1 << i % 8);
        write_record(&s->w, "pending balance", record, len);
        expect_refused(s, "is damaged (pending balance");
        record[i] ^= (uint8_t)(1 << i % 8);
        write_record(&s->w, "pending balance", record, i);
        expect_refused(s, "is damaged (pending balance");
    }
    raw_open(&s->w, &r);
    assert_int_equal(mdb_del(r.txn, r.unnamed, &k, NULL), 0);
    raw_close(&r);
    expect_refused(s, "is damaged (pending balance");
    write_record(&s->w, "pending balance", record, len);

    raw_open(&s->w, &r); /* the balances of before would count */
    assert_int_equal(mdb_dbi_open(r.txn, "balance.pending", 0, &dbi), 0);
    assert_int_equal(mdb_drop(r.txn, dbi, 0), 0);
    raw_close(&r);
    expect_refused(s, "is damaged (pending balance");
    fixture_remove(s->w.folder);
    start_anew(&s->w);
    open_store(&s->w);
}

/* A record of an older batch, whole, where one of this should be. */
static void test_records_of_another_batch(void **state)
{
    struct scene *s = *state;
    uint8_t stored[200];
    char key[16];
    MDB_val k, v;
    struct slice value;
    struct raw r;
    unsigned i;
    MDB_dbi dbi;

    commit_some(s, KEYS);
    s->w.store.close(s->w.store.impl);
    i = KEYS / 2;
    raw_open(&s->w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, "balance.pending", 0, &dbi), 0);
    k = store_lmdb_val(key_of(i, key));
    assert_int_equal(mdb_get(r.txn, dbi, &k, &v), 0);
    memcpy(stored, v.mv_data, v.mv_size);
    v = (MDB_val){v.mv_size, stored};
    raw_close(&r);
    open_store(&s->w);
    commit_some(s, KEYS);
    s->w.store.close(s->w.store.impl);
    raw_open(&s->w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, "balance.pending", 0, &dbi), 0);
    assert_int_equal(mdb_put(r.txn, dbi, &k, &v, 0), 0);
    raw_close(&r);
    open_store(&s->w);
    assert_int_equal(
        s->w.store.get(s->w.store.impl, TABLE_BALANCE, key_of(i, key), &value, &s->w.fault), -1);
    assert_non_null(strstr(s->w.fault.text, "wrong checksum"));
    assert_int_equal(s->w.store.fold(s->w.store.impl, i - 10, &s->w.fault), 1);
    assert_int_equal(s->w.store.fold(s->w.store.impl, KEYS, &s->w.fault), -1);
    assert_non_null(strstr(s->w.fault.text, "is damaged"));
}

/* ---- pages that hide what they hold ---- */

enum { PAGE = 4096, IS_BRANCH = 1, IS_LEAF = 2, FLAGS_AT = 10, LOWER_AT = 12, POINTERS_AT = 16 };

static unsigned u16_at(const uint8_t *at)
{
    return at[0] | (unsigned)at[1] << 8;
}

static uint8_t *read_file(struct scene *s, size_t *bytes)
{
    FILE *f = fopen(s->w.path, "r");
    uint8_t *file;

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *bytes = (size_t)ftell(f);
    rewind(f);
    file = malloc(*bytes);
    assert_int_equal(fread(file, 1, *bytes, f), *bytes);
    fclose(f);
    return file;
}

static void write_file(struct scene *s, const uint8_t *file, size_t bytes)
{
    FILE *f = fopen(s->w.path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(file, 1, bytes, f), bytes);
    fclose(f);
}

/* The page of the pending tree's root, a branch. */
static uint8_t *root_of_pending(struct scene *s, uint8_t *file, size_t bytes)
{
    static const char name[] = "balance.pending";
    uint8_t db[48];
    uint64_t root;
    MDB_dbi dbi;
    struct raw r;
    MDB_cursor *c;
    MDB_val k = text_val(name), v;

    raw_open(&s->w, &r);
    assert_int_equal(mdb_dbi_open(r.txn, name, 0, &dbi), 0);
    assert_int_equal(mdb_cursor_open(r.txn, r.unnamed, &c), 0);
    assert_int_equal(mdb_cursor_get(c, &k, &v, MDB_SET_KEY), 0);
    assert_int_equal(v.mv_size, sizeof db); /* struct MDB_db: the root is its last field */
    memcpy(db, v.mv_data, sizeof db);
    mdb_cursor_close(c);
    mdb_txn_abort(r.txn);
    mdb_env_close(r.env);
    root = load_le64(db + 40);
    assert_true(root < bytes / PAGE);
    assert_true(file[root * PAGE + FLAGS_AT] & IS_BRANCH);
    return file + root * PAGE;
}

/* Everything is read: right, or refused. */
static void expect_no_old_one(struct scene *s)
{
    struct slice got;
    char key[16], value[64];
    unsigned i;

    open_store(&s->w);
    for (i = 0; i < KEYS; i++) {
        int rc = s->w.store.get(s->w.store.impl, TABLE_BALANCE, key_of(i, key), &got, &s->w.fault);

        if (rc != -1) {
            assert_int_equal(rc, 1);
            assert_true(slice_equal(got, value_of(i, s->model.last[i], value)));
        }
    }
    /* And what is folded of it is whole. */
    while (fold(s, PART) == 1) {
    }
    s->w.store.close(s->w.store.impl);
}

static void hide(struct scene *s, uint8_t *file, size_t bytes, uint8_t *at, unsigned bit)
{
    *at ^= (uint8_t)(1 << bit);
    write_file(s, file, bytes);
    expect_no_old_one(s);
    *at ^= (uint8_t)(1 << bit);
}

/* The neighbours of what is hidden are whole, and in order. */
static void test_hidden_records(void **state)
{
    struct scene *s = *state;
    uint8_t *file, *root, *leaf, *child;
    size_t bytes;
    unsigned bit;

    commit_some(s, KEYS);
    while (fold(s, KEYS) == 1) {
    }
    commit_some(s, KEYS);
    s->w.store.close(s->w.store.impl);
    file = read_file(s, &bytes);
    root = root_of_pending(s, file, bytes);
    for (bit = 1; bit < 8; bit++) { /* fewer children than it has */
        if ((u16_at(root + LOWER_AT) >> bit & 1) != 0 &&
            u16_at(root + LOWER_AT) - (1U << bit) > POINTERS_AT) {
            hide(s, file, bytes, root + LOWER_AT, bit);
        }
    }
    child = root + u16_at(root + POINTERS_AT + 2 * 3); /* the fourth's page number */
    for (bit = 0; bit < 5; bit++) {
        hide(s, file, bytes, child, bit);
    }
    leaf = file + (size_t)u16_at(child) * PAGE;
    assert_true(leaf[FLAGS_AT] & IS_LEAF);
    for (bit = 1; bit < 8; bit++) { /* fewer records */
        if ((u16_at(leaf + LOWER_AT) >> bit & 1) != 0 &&
            u16_at(leaf + LOWER_AT) - (1U << bit) > POINTERS_AT) {
            hide(s, file, bytes, leaf + LOWER_AT, bit);
        }
    }
    write_file(s, file, bytes);
    free(file);
    open_store(&s->w);
    expect_right(&s->w.store, &s->model);
}

/* A child of the root in place of another with as many records: the count is right, but what the
 * other had is not folded. */
static void test_fold_goes_astray(void **state)
{
    struct scene *s = *state;
    uint8_t *file, *root, *child, *next;
    size_t bytes;
    unsigned i;

    commit_some(s, KEYS);
    while (fold(s, KEYS) == 1) {
    }
    commit_some(s, KEYS);
    s->w.store.close(s->w.store.impl);
    file = read_file(s, &bytes);
    root = root_of_pending(s, file, bytes);
    for (i = 1;; i++) { /* two that follow each other and have as many records */
        assert_true(POINTERS_AT + 2 * (i + 1) < u16_at(root + LOWER_AT));
        child = root + u16_at(root + POINTERS_AT + 2 * i);
        next = root + u16_at(root + POINTERS_AT + 2 * (i + 1));
        if (u16_at(file + (size_t)u16_at(child) * PAGE + LOWER_AT) ==
            u16_at(file + (size_t)u16_at(next) * PAGE + LOWER_AT)) {
            break;
        }
    }
    memcpy(child, next, 2);
    write_file(s, file, bytes);
    free(file);
    open_store(&s->w);
    assert_int_equal(fold(s, KEYS), -1);
    assert_non_null(strstr(s->w.fault.text, "is damaged"));
}

/* A fold that ends too early must not take what is left for done. */
static void test_lost_records(void **state)
{
    struct scene *s = *state;
    struct store_lmdb *impl = s->w.store.impl;

    commit_some(s, SOME);
    assert_int_equal(fold(s, PART), 1);
    impl->fold.pending[store_lmdb_pending_of(TABLE_BALANCE)].done++;
    assert_int_equal(fold(s, KEYS), -1);
    assert_non_null(strstr(s->w.fault.text, "is damaged (pending balance"));
    expect_right(&s->w.store, &s->model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SCENE(test_damaged_batch),  SCENE(test_records_of_another_batch),
        SCENE(test_hidden_records), SCENE(test_fold_goes_astray),
        SCENE(test_lost_records),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
