/* Balances that wait for their place in the store: whatever is folded and whenever the process
 * ends, what is read is the last commit; and damage to what waits is noticed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "statemachine/crc32c.h"
#include "tests/unit/runs_scene.h"

enum { KEYS = 3000, SOME = 1200, FEW = 20, PART = 100, KILLS = 15 };

/* By key: the commit that wrote it last; 0: none. */
struct balances {
    unsigned last[KEYS];
};

struct scene {
    struct world w;
    struct balances model;
    unsigned commits;
};

static int scene_setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    start_anew(&s->w);
    open_store(&s->w);
    *state = s;
    return 0;
}

static int scene_teardown(void **state)
{
    struct scene *s = *state;

    s->w.store.close(s->w.store.impl);
    fixture_remove(s->w.folder);
    free(s);
    return 0;
}

static struct slice key_of(unsigned i, char text[static 16])
{
    return (struct slice){text, (size_t)snprintf(text, 16, "p%05u", i)};
}

static struct slice value_of(unsigned i, unsigned commit, char text[static 64])
{
    return (struct slice){text, (size_t)snprintf(text, 64, "%u of %u, %*u", i, commit,
                                                 (int)(1 + (i + commit) % 30), 7)};
}

/* One commit of `n` balances, the last keys among them now and then. */
static void commit_some(struct scene *s, unsigned n)
{
    static char keys[KEYS][16], values[KEYS][64];
    static struct store_write writes[KEYS];
    unsigned commit = ++s->commits, i, taken = 0;

    for (i = 0; i < KEYS && taken < n; i++) {
        /* as many as are still needed, spread over what is left */
        if ((i * 2654435761U ^ commit * 40503U) % (KEYS - i) < n - taken) {
            writes[taken].table = TABLE_BALANCE;
            writes[taken].key = key_of(i, keys[taken]);
            writes[taken].value = value_of(i, commit, values[taken]);
            s->model.last[i] = commit;
            taken++;
        }
    }
    assert_int_equal(s->w.store.commit(s->w.store.impl, writes, taken, &s->w.fault), 0);
    assert_int_equal(s->w.store.renew(s->w.store.impl, &s->w.fault), 0);
}

static int fold(struct scene *s, size_t most)
{
    int rc = s->w.store.fold(s->w.store.impl, most, &s->w.fault);

    assert_int_equal(s->w.store.renew(s->w.store.impl, &s->w.fault), 0);
    return rc;
}

static void reopen(struct scene *s)
{
    s->w.store.close(s->w.store.impl);
    open_store(&s->w);
}

static uint64_t pending(const struct scene *s)
{
    const struct store_lmdb *impl = s->w.store.impl;

    return impl->pending[store_lmdb_pending_of(TABLE_BALANCE)].batch.records;
}

static void expect_right(struct store *store, const struct balances *model)
{
    char key[16], after[16], value[64];
    struct slice from = {"", 0}, found, got;
    struct fault fault;
    unsigned i;

    for (i = 0; i < KEYS; i++) {
        int there = model->last[i] != 0;

        assert_int_equal(store->get(store->impl, TABLE_BALANCE, key_of(i, key), &got, &fault),
                         there);
        assert_true(!there || slice_equal(got, value_of(i, model->last[i], value)));
        if (!there) {
            continue;
        }
        assert_int_equal(store->seek(store->impl, TABLE_BALANCE, from, &found, &got, &fault), 1);
        assert_true(slice_equal(found, key_of(i, key)));
        assert_true(slice_equal(got, value_of(i, model->last[i], value)));
        memcpy(after, key, found.len + 1);
        from = (struct slice){after, found.len + 1};
    }
    assert_int_equal(store->seek(store->impl, TABLE_BALANCE, from, &found, &got, &fault), 0);
}

static void test_each_part_changes_nothing(void **state)
{
    struct scene *s = *state;
    struct store view;
    unsigned parts = 0;
    int rc;

    commit_some(s, SOME);
    assert_int_equal(pending(s), SOME);
    expect_right(&s->w.store, &s->model);
    while ((rc = fold(s, PART)) == 1) {
        parts++;
        assert_int_equal(pending(s), parts < SOME / PART ? SOME : 0);
        expect_right(&s->w.store, &s->model);
    }
    assert_int_equal(rc, 0);
    assert_int_equal(parts, SOME / PART);
    expect_right(&s->w.store, &s->model);

    commit_some(s, SOME); /* over old ones, and between them */
    expect_right(&s->w.store, &s->model);
    assert_int_equal(fold(s, PART), 1);
    assert_int_equal(s->w.store.view(s->w.store.impl, &view, &s->w.fault), 0);
    assert_int_equal(fold(s, KEYS), 1);
    assert_int_equal(pending(s), 0);
    expect_right(&view, &s->model);
    view.close(view.impl);
    expect_right(&s->w.store, &s->model);
}

/* Without the reader's knowledge of what is pending. */
static uint64_t records_of(struct scene *s, const char *name)
{
    struct store_lmdb *impl = s->w.store.impl;
    MDB_stat stat;

    assert_int_equal(mdb_stat(impl->read,
                              strcmp(name, "balance") == 0
                                  ? impl->trees[TABLE_BALANCE].dbi
                                  : impl->pending[store_lmdb_pending_of(TABLE_BALANCE)].tree.dbi,
                              &stat),
                     0);
    return stat.ms_entries;
}

static void test_all_comes_to_its_place(void **state)
{
    struct scene *s = *state;

    commit_some(s, SOME);
    assert_int_equal(records_of(s, "balance"), 0);
    assert_int_equal(records_of(s, "pending"), SOME);
    assert_int_equal(fold(s, SOME / 2), 1);
    assert_int_equal(records_of(s, "balance"), SOME / 2);
    assert_int_equal(fold(s, SOME / 2), 1);
    assert_int_equal(fold(s, SOME / 2), 0);
    assert_int_equal(records_of(s, "balance"), SOME);
    assert_int_equal(records_of(s, "pending"), 0);
    commit_some(s, FEW); /* so few need not wait */
    assert_int_equal(pending(s), 0);
    expect_right(&s->w.store, &s->model);
}

/* A batch that was folded in part, or not at all, when the process ended. */
static void test_begins_anew(void **state)
{
    struct scene *s = *state;

    commit_some(s, SOME);
    assert_int_equal(fold(s, PART), 1);
    reopen(s);
    assert_int_equal(pending(s), SOME);
    expect_right(&s->w.store, &s->model);
    assert_int_equal(fold(s, PART), 1);
    expect_right(&s->w.store, &s->model);
    assert_int_equal(fold(s, SOME), 1);
    assert_int_equal(pending(s), 0);
    expect_right(&s->w.store, &s->model);
    commit_some(s, SOME);
    reopen(s);
    expect_right(&s->w.store, &s->model);
}

static void test_commit_folds_what_it_finds(void **state)
{
    static const unsigned sizes[] = {SOME, FEW, 0, KEYS};
    struct scene *s = *state;
    const struct store_write other = {TABLE_META, slice_of("applied"), slice_of("1")};
    size_t i;

    for (i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        commit_some(s, SOME);
        assert_int_equal(fold(s, PART), 1);
        if (sizes[i] > 0) {
            commit_some(s, sizes[i]);
        } else {
            assert_int_equal(s->w.store.commit(s->w.store.impl, &other, 1, &s->w.fault), 0);
            assert_int_equal(s->w.store.renew(s->w.store.impl, &s->w.fault), 0);
        }
        assert_int_equal(pending(s), sizes[i] < SOME ? 0 : sizes[i]);
        expect_right(&s->w.store, &s->model);
        while (fold(s, 7 * PART) == 1) {
            expect_right(&s->w.store, &s->model);
        }
        expect_right(&s->w.store, &s->model);
    }
}

static void test_copy_between_parts(void **state)
{
    struct scene *s = *state;
    struct store copy;
    char path[300];
    FILE *f;

    commit_some(s, SOME);
    assert_int_equal(fold(s, SOME), 1);
    commit_some(s, SOME);
    assert_int_equal(fold(s, PART), 1);
    snprintf(path, sizeof path, "%s/copy.mdb", s->w.folder);
    f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(s->w.store.copy(s->w.store.impl, fileno(f), &s->w.fault), 0);
    fclose(f);
    assert_int_equal(store_lmdb_open_file(&copy, path, &s->w.fault), 0);
    expect_right(&copy, &s->model);
    copy.close(copy.impl);
}

/* ---- the end of the process ---- */

/* What commit k writes follows from k. */
static int commit_number(struct store *store, unsigned commit, struct fault *fault)
{
    static char keys[KEYS][16], values[KEYS][64];
    static struct store_write writes[KEYS + 1];
    char number[20];
    unsigned n = 0, i;

    snprintf(number, sizeof number, "%u", commit);
    writes[n++] = (struct store_write){TABLE_META, slice_of("applied"), slice_of(number)};
    for (i = commit % 3; i < KEYS; i += 1 + commit % 7) {
        writes[n].table = TABLE_BALANCE;
        writes[n].key = key_of(i, keys[i]);
        writes[n].value = value_of(i, commit, values[i]);
        n++;
    }
    return store->commit(store->impl, writes, n, fault);
}

static void model_number(struct balances *model, unsigned commit)
{
    unsigned i;

    for (i = commit % 3; i < KEYS; i += 1 + commit % 7) {
        model->last[i] = commit;
    }
}

static void run_until_killed(const char *folder)
{
    struct store store;
    struct fault fault;
    unsigned commit, parts;

    if (runs_open(&store, folder, &fault) != 0) {
        _exit(1);
    }
    for (commit = runs_applied(&store, &fault) + 1;; commit++) {
        if (commit_number(&store, commit, &fault) != 0) {
            _exit(2);
        }
        for (parts = commit % 4 * 10; parts > 0; parts--) { /* not always all */
            if (store.fold(store.impl, PART, &fault) < 0) {
                _exit(3);
            }
        }
        if (store.renew(store.impl, &fault) != 0) {
            _exit(4);
        }
    }
}

/* kill -9 at any moment: what is found is one commit, whole. */
static void test_killed(void **state)
{
    struct scene *s = *state;
    unsigned i, found_pending = 0;

    for (i = 0; i < KILLS; i++) {
        unsigned applied;
        int status;
        pid_t pid;

        s->w.store.close(s->w.store.impl);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            run_until_killed(s->w.folder);
        }
        usleep(20000 + i * 7919 % 40000);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        open_store(&s->w);
        applied = runs_applied(&s->w.store, &s->w.fault);
        while (s->commits < applied) {
            model_number(&s->model, ++s->commits);
        }
        expect_right(&s->w.store, &s->model);
        found_pending += pending(s) > 0;
    }
    assert_true(s->commits > KILLS && found_pending > 0);
}

/* ---- damage ---- */

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

/* ---- formats ---- */

/* As it was before: without the last number. */
static void write_old_list(struct raw *r, const char *name)
{
    uint8_t list[LIST_MAX];
    size_t len = raw_get(r, name, list, sizeof list) - 8;

    store_le32(list + len - 4, crc32c(crc32c(0, name, strlen(name)), list, len - 4));
    raw_put(r, name, list, len);
}

static void test_format_2(void **state)
{
    static const uint8_t before[] = {2, TABLE_COUNT};
    MDB_val k = text_val("pending balance");
    struct scene *s = *state;
    struct store file;
    MDB_dbi dbi;
    struct raw r;

    commit_some(s, SOME);
    assert_int_equal(fold(s, SOME), 1);
    s->w.commits = 0;
    commit_on(&s->w, COMMITS);
    while (fold(s, SOME) == 1) {
    }
    s->w.store.close(s->w.store.impl);
    raw_open(&s->w, &r);
    raw_put(&r, "florin", before, sizeof before);
    write_old_list(&r, "runs of transaction");
    write_old_list(&r, "runs of round");
    assert_int_equal(mdb_del(r.txn, r.unnamed, &k, NULL), 0);
    assert_int_equal(mdb_dbi_open(r.txn, "balance.pending", 0, &dbi), 0);
    assert_int_equal(mdb_drop(r.txn, dbi, 1), 0);
    raw_close(&r);
    assert_int_equal(store_lmdb_open_file(&file, s->w.path, &s->w.fault), 0);
    expect_right(&file, &s->model);
    assert_int_equal(runs_all_right(&file, &s->w.model, &s->w.fault), 1);
    file.close(file.impl);
    open_store(&s->w);
    expect_right(&s->w.store, &s->model);
    assert_int_equal(runs_all_right(&s->w.store, &s->w.model, &s->w.fault), 1);
    commit_some(s, SOME);
    assert_int_equal(pending(s), SOME);
    commit_on(&s->w, 2 * COMMITS);
    reopen(s);
    expect_right(&s->w.store, &s->model);
    assert_int_equal(runs_all_right(&s->w.store, &s->w.model, &s->w.fault), 1);
}

int main(void)
{
#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)
    const struct CMUnitTest tests[] = {
        SCENE(test_each_part_changes_nothing),
        SCENE(test_all_comes_to_its_place),
        SCENE(test_begins_anew),
        SCENE(test_commit_folds_what_it_finds),
        SCENE(test_copy_between_parts),
        SCENE(test_killed),
        SCENE(test_damaged_batch),
        SCENE(test_records_of_another_batch),
        SCENE(test_lost_records),
        SCENE(test_format_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
