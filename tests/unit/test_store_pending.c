/* Balances that wait for their place in the store: whatever is folded and whenever the process
 * ends, what is read is the last commit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>

#include "statemachine/crc32c.h"
#include "tests/unit/pending_scene.h"

enum { KILLS = 15 };

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

/* One key, asked for again and again: the reader's cursor stands where it was. */
static void test_same_key_again(void **state)
{
    struct scene *s = *state;
    char key[16], value[64];
    struct slice got;
    unsigned i, c;

    for (c = 0; c < 4; c++) {
        commit_some(s, KEYS);
        for (i = KEYS / 2; i < KEYS / 2 + 3; i++) {
            assert_int_equal(
                s->w.store.get(s->w.store.impl, TABLE_BALANCE, key_of(i, key), &got, &s->w.fault),
                1);
            assert_true(slice_equal(got, value_of(i, s->model.last[i], value)));
        }
    }
}

/* Each of the tables comes to its place, and the next commit can put what it has. */
static void test_each_table(void **state)
{
    static const enum store_table tables[PENDING_TABLES] = {TABLE_PLAYER, TABLE_BALANCE,
                                                            TABLE_SESSION, TABLE_TOKEN};
    static char keys[PENDING_TABLES][SOME][16], values[PENDING_TABLES][SOME][64];
    static struct store_write writes[PENDING_TABLES * SOME];
    struct scene *s = *state;
    const struct store_lmdb *impl = s->w.store.impl;
    unsigned c, t, i, n;
    struct slice got;

    for (c = 1; c < 4; c++) {
        for (n = 0, t = 0; t < PENDING_TABLES; t++) {
            for (i = 0; i < SOME; i++, n++) {
                writes[n].table = tables[t];
                writes[n].key = key_of(i, keys[t][i]);
                writes[n].value = value_of(i, c + t, values[t][i]);
            }
        }
        assert_int_equal(s->w.store.commit(s->w.store.impl, writes, n, &s->w.fault), 0);
        while (c < 3 && fold(s, 7 * PART) == 1) {
        }
        assert_int_equal(s->w.store.renew(s->w.store.impl, &s->w.fault), 0);
        for (t = 0; t < PENDING_TABLES; t++) {
            assert_int_equal(impl->pending[t].batch.records, c < 3 ? 0 : SOME);
            for (i = 0; i < SOME; i++) {
                assert_int_equal(s->w.store.get(s->w.store.impl, tables[t],
                                                (struct slice){keys[t][i], strlen(keys[t][i])},
                                                &got, &s->w.fault),
                                 1);
                assert_true(slice_equal(got, (struct slice){values[t][i], strlen(values[t][i])}));
            }
        }
    }
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
    const struct CMUnitTest tests[] = {
        SCENE(test_each_part_changes_nothing),
        SCENE(test_all_comes_to_its_place),
        SCENE(test_begins_anew),
        SCENE(test_commit_folds_what_it_finds),
        SCENE(test_copy_between_parts),
        SCENE(test_killed),
        SCENE(test_same_key_again),
        SCENE(test_each_table),
        SCENE(test_format_2),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
