/* Tables in sorted runs, against a model that remembers everything: whatever runs there are and
 * however far they are merged, a store shows what was committed. */
#define _GNU_SOURCE 1
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "tests/unit/runs_fixture.h"

enum { COMMITS = 420, LEVELS_AT_LEAST = 4, KILLS = 15, BESIDE = 150, VIEWS = 3 };

struct world {
    char folder[256];
    char path[300];
    struct store store;
    bool open;
    struct runs_model model;
    unsigned commits;
    uint64_t random;
    struct fault fault;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    fixture_folder(w->folder);
    snprintf(w->path, sizeof w->path, "%s/data.mdb", w->folder);
    w->random = 42;
    *state = w;
    w->open = true;
    return runs_open(&w->store, w->folder, &w->fault);
}

static void close_store(struct world *w)
{
    if (w->open) {
        w->store.close(w->store.impl);
    }
    w->open = false;
}

static void open_store(struct world *w)
{
    close_store(w);
    if (runs_open(&w->store, w->folder, &w->fault) != 0) {
        fail_msg("%s", w->fault.text);
    }
    w->open = true;
}

static int teardown(void **state)
{
    struct world *w = *state;

    close_store(w);
    fixture_remove(w->folder);
    free(w);
    return 0;
}

static unsigned below(struct world *w, unsigned end)
{
    return (unsigned)(runs_random(&w->random) % end);
}

static void commit_next(struct world *w)
{
    w->commits++;
    if (runs_commit(&w->store, w->commits, &w->fault) != 0) {
        fail_msg("commit %u: %s", w->commits, w->fault.text);
    }
    runs_model_commit(&w->model, w->commits);
    if (runs_fold(&w->store, w->commits, &w->fault) != 0) {
        fail_msg("after commit %u: %s", w->commits, w->fault.text);
    }
    assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
}

static void check(struct world *w, int right)
{
    if (right != 1) {
        fail_msg("after commit %u: %s", w->commits, right < 0 ? w->fault.text : "a wrong answer");
    }
}

static bool is_merging(const struct world *w)
{
    return runs_manifest(&w->store, 0)->n_merges > 0;
}

/* Merging keeps up: as many runs as store_lmdb_merge.c says, and no more. */
static unsigned check_runs(const struct world *w)
{
    unsigned t, i, highest = 0;

    for (t = 0; t < RUN_TABLES; t++) {
        const struct store_manifest *m = runs_manifest(&w->store, t);
        unsigned of_level[RUN_LEVELS] = {0};

        for (i = 0; i < m->n_runs; i++) {
            assert_true(++of_level[m->runs[i].level] < 2 * RUN_FANOUT + 2);
            /* Only the youngest may have fewer keys than its level says: it is written anew. */
            assert_true(i == 0 || m->runs[i].written >= RUNS_LEAST);
            assert_true(store_manifest_level(w->store.impl, m->runs[i].written) >=
                        m->runs[i].level);
            highest = m->runs[i].level > highest ? m->runs[i].level : highest;
        }
    }
    return highest;
}

static void look_around(struct world *w)
{
    unsigned i;

    for (i = 0; i < 30; i++) {
        unsigned t = below(w, RUN_TABLES), number = below(w, RUNS_KEYS);

        check(w, runs_right(&w->store, &w->model, t, number, &w->fault));
        number = below(w, RUNS_KEYS);
        check(w, runs_seek_right(&w->store, &w->model, t, number, &w->fault));
        if (i % 3 == 0 && number < RUNS_KEYS - 9) { /* a little on */
            check(w, runs_seek_right(&w->store, &w->model, t, number + below(w, 9), &w->fault));
        }
    }
}

static void test_random(void **state)
{
    struct world *w = *state;
    unsigned highest = 0, reopened_merging = 0;

    while (w->commits < COMMITS) {
        unsigned highest_now;

        commit_next(w);
        look_around(w);
        highest_now = check_runs(w);
        highest = highest_now > highest ? highest_now : highest;
        if (w->commits % 40 == 0) {
            check(w, runs_all_right(&w->store, &w->model, &w->fault));
        }
        if (below(w, 25) == 0) {
            reopened_merging += is_merging(w);
            open_store(w);
            check(w, runs_walk_right(&w->store, &w->model, 0, &w->fault));
        }
    }
    check(w, runs_all_right(&w->store, &w->model, &w->fault));
    assert_true(highest >= LEVELS_AT_LEAST);
    assert_true(reopened_merging > 3);
}

struct view {
    struct store store;
    struct runs_model model;
    bool open;
};

/* What a view shows stays, however its runs are merged and removed meanwhile. */
static void test_views(void **state)
{
    struct world *w = *state;
    struct view *views = calloc(VIEWS, sizeof *views);
    unsigned i, opened_merging = 0;

    while (w->commits < COMMITS / 2) {
        struct view *v = &views[below(w, VIEWS)];

        commit_next(w);
        if (below(w, 6) != 0) {
            continue;
        }
        if (v->open) {
            check(w, runs_all_right(&v->store, &v->model, &w->fault));
            v->store.close(v->store.impl);
        }
        opened_merging += is_merging(w);
        v->model = w->model;
        assert_int_equal(w->store.view(w->store.impl, &v->store, &w->fault), 0);
        v->open = true;
    }
    for (i = 0; i < VIEWS; i++) {
        if (views[i].open) {
            check(w, runs_all_right(&views[i].store, &views[i].model, &w->fault));
            views[i].store.close(views[i].store.impl);
        }
    }
    free(views);
    assert_true(opened_merging > 3);
}

/* How many records of a merge's inputs are still to be taken: each key was written once. */
static uint64_t left(const struct store_manifest *m, const struct store_merge *g)
{
    uint64_t n = 0;
    unsigned i;

    for (i = 0; i < m->n_runs; i++) {
        n += m->runs[i].merging && m->runs[i].level == g->level ? m->runs[i].written : 0;
    }
    return n - g->taken;
}

static uint64_t left_of(const struct store_manifest *m, uint64_t number)
{
    unsigned i;

    for (i = 0; i < m->n_merges; i++) {
        if (m->merges[i].number == number) {
            return left(m, &m->merges[i]);
        }
    }
    return 0; /* done */
}

static void put_fresh(struct world *w, unsigned n)
{
    static struct store_write writes[1 << 10];
    static char keys[1 << 10][RUNS_KEY_MAX];
    uint64_t base = (uint64_t)++w->commits * UINT64_C(0x9e3779b97f4a7c15);
    unsigned i;

    for (i = 0; i < n; i++) {
        snprintf(keys[i], RUNS_KEY_MAX, "%04u%012llx", i % 10000,
                 (unsigned long long)((base * (i + 1)) >> 16));
        writes[i] = (struct store_write){TABLE_TRANSACTION, slice_of(keys[i]), slice_of("value")};
    }
    if (w->store.commit(w->store.impl, writes, n, &w->fault) != 0) {
        fail_msg("%s", w->fault.text);
    }
    assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
}

static void fold_all(struct world *w)
{
    int rc;

    do {
        rc = w->store.fold(w->store.impl, 8, &w->fault);
    } while (rc == 1);
    assert_int_equal(rc, 0);
    assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
}

static void commit_fresh(struct world *w, unsigned n)
{
    put_fresh(w, n);
    fold_all(w);
}

/* How many records the merges of before took since. */
static uint64_t taken_since(const struct store_manifest *before, const struct store_manifest *now)
{
    uint64_t taken = 0;
    unsigned i;

    for (i = 0; i < before->n_merges; i++) {
        const struct store_merge *g = &before->merges[i];

        taken += left(before, g) - left_of(now, g->number);
    }
    return taken;
}

/* Pages are filled to the last byte: more than a hundred of commit_fresh's records on each. */
static void check_pages(struct world *w)
{
    struct store_lmdb *s = w->store.impl;
    const struct store_manifest *m = runs_manifest(&w->store, 0);
    unsigned i;

    for (i = 0; i < m->n_runs; i++) {
        MDB_stat stat;

        assert_int_equal(mdb_stat(s->read, s->runs[0]->gets[m->runs[i].slot].dbi, &stat), 0);
        assert_true(stat.ms_leaf_pages <= 1 + stat.ms_entries / 100);
    }
}

/* Now and then a large commit among small ones: its run takes the level of small ones that are
 * being merged, and what becomes of it is soon as large as its size says, not merged again and
 * again at once. */
static void test_bursts(void **state)
{
    enum { SMALL = 5, LARGE = 900, EVERY = 5, BURSTS = 60 };
    struct world *w = *state;
    const struct store_manifest *m = runs_manifest(&w->store, 0);

    while (w->commits < BURSTS * EVERY) {
        struct store_manifest before = *m;

        commit_fresh(w, w->commits % EVERY == 0 ? LARGE : SMALL);
        check_runs(w);
        assert_true(taken_since(&before, m) <= RUN_FANOUT * RUN_FANOUT * LARGE);
    }
    check_pages(w);
}

/* With commits of one size, none does more than its share of each merge. */
static void test_bounded(void **state)
{
    struct world *w = *state;
    const struct store_manifest *m = runs_manifest(&w->store, 0);
    const unsigned n = 13; /* level 0 is from 4 to 15 keys */

    while (w->commits < 420) {
        struct store_manifest before = *m;
        unsigned i;

        commit_fresh(w, n);
        check_runs(w);
        for (i = 0; i < before.n_merges; i++) {
            const struct store_merge *g = &before.merges[i];

            assert_true(left(&before, g) - left_of(m, g->number) <= RUN_FANOUT * n);
        }
    }
    assert_true(m->runs[m->n_runs - 1].level >= LEVELS_AT_LEAST);
}

/* Commits of very uneven sizes: never too many runs, and nothing is lost. */
static void test_uneven(void **state)
{
    struct world *w = *state;
    uint64_t written = 0, found = 0;
    struct slice key, value, from = {"", 0};
    char text[RUNS_KEY_MAX + 1];

    while (w->commits < 250) {
        unsigned shift = below(w, 11);
        unsigned n = 1 + below(w, 1u << shift);

        put_fresh(w, n);
        written += n;
        /* What it writes anew is no more than what it writes. */
        assert_true(runs_manifest(&w->store, 0)->runs[0].written <=
                    n + (n > RUNS_LEAST ? n : RUNS_LEAST));
        if (below(w, 2) == 0) { /* else the next commit does it */
            fold_all(w);
        }
        check_runs(w);
    }
    while (w->store.seek(w->store.impl, TABLE_TRANSACTION, from, &key, &value, &w->fault) == 1) {
        memcpy(text, key.base, key.len);
        text[key.len] = 0;
        from = (struct slice){text, key.len + 1};
        found++;
    }
    assert_int_equal(found, written);
}

static void *commit_beside(void *argument)
{
    struct world *w = argument;
    struct fault fault;
    unsigned commit;

    for (commit = 1; commit <= BESIDE; commit++) {
        if (runs_commit(&w->store, commit, &fault) != 0 ||
            runs_fold(&w->store, commit, &fault) != 0) {
            fprintf(stderr, "%s\n", fault.text);
            abort();
        }
    }
    return NULL;
}

/* One thread commits and merges, as the checkpointer does; another reads, as the loop does. */
static void test_beside(void **state)
{
    struct world *w = *state;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, commit_beside, w), 0);
    while (w->commits < BESIDE) {
        unsigned applied;

        assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
        applied = runs_applied(&w->store, &w->fault);
        while (w->commits < applied) {
            runs_model_commit(&w->model, ++w->commits);
        }
        check(w, runs_walk_right(&w->store, &w->model, w->commits % RUN_TABLES, &w->fault));
        look_around(w);
    }
    pthread_join(thread, NULL);
    check(w, runs_all_right(&w->store, &w->model, &w->fault));
}

static void run_until_killed(const char *folder)
{
    struct store store;
    struct fault fault;
    unsigned commit;

    if (runs_open(&store, folder, &fault) != 0) {
        fprintf(stderr, "%s\n", fault.text);
        _exit(1);
    }
    for (commit = runs_applied(&store, &fault) + 1;; commit++) {
        /* A reader that stays where it is would keep all pages from being used again. */
        if (runs_commit(&store, commit, &fault) != 0 || runs_fold(&store, commit, &fault) != 0 ||
            store.renew(store.impl, &fault) != 0) {
            fprintf(stderr, "commit %u: %s\n", commit, fault.text);
            _exit(2);
        }
    }
}

/* kill -9 at any moment: what is found is one commit, whole. */
static void test_killed(void **state)
{
    struct world *w = *state;
    unsigned i, merging = 0;

    for (i = 0; i < KILLS; i++) {
        unsigned applied;
        int status;
        pid_t pid;

        close_store(w);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            run_until_killed(w->folder);
        }
        usleep(20000 + below(w, 60000));
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        open_store(w);
        applied = runs_applied(&w->store, &w->fault);
        assert_true(applied >= w->commits);
        while (w->commits < applied) {
            runs_model_commit(&w->model, ++w->commits);
        }
        check(w, runs_all_right(&w->store, &w->model, &w->fault));
        merging += is_merging(w);
    }
    assert_true(w->commits > KILLS && merging > 0);
}

static void commit_until_merging(struct world *w, unsigned at_least)
{
    while (w->commits < at_least || !is_merging(w)) {
        commit_next(w);
    }
}

/* A copy of a store with a merge under way is a store with a merge under way. */
static void test_copy(void **state)
{
    struct world *w = *state;
    char copy[320];
    struct store file;
    struct fault fault;
    int fd;

    commit_until_merging(w, 100);
    snprintf(copy, sizeof copy, "%s.copy", w->path);
    fd = open(copy, O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(w->store.copy(w->store.impl, fd, &fault), 0);
    close(fd);
    assert_int_equal(store_lmdb_open_file(&file, copy, &fault), 0);
    check(w, runs_all_right(&file, &w->model, &fault));
    file.close(file.impl);

    close_store(w);
    assert_int_equal(rename(copy, w->path), 0);
    open_store(w);
    assert_true(is_merging(w));
    check(w, runs_all_right(&w->store, &w->model, &w->fault));
    while (w->commits < 200) {
        commit_next(w);
    }
    check(w, runs_all_right(&w->store, &w->model, &w->fault));
}

/* Whatever step of merging finds no room: nothing is changed, and it goes on when there is some. */
static void test_no_room(void **state)
{
    struct world *w = *state;
    struct store small;
    unsigned refused = 0, merging = 0;
    size_t room;

    commit_until_merging(w, 60);
    close_store(w);
    for (room = 1 << 20; w->commits < 250; room += 64 << 10) {
        bool was_merging;
        int rc;

        assert_int_equal(store_lmdb_open(&small, w->folder, room, &w->fault), 0);
        store_lmdb_set_run_least(&small, RUNS_LEAST);
        while ((rc = runs_commit(&small, w->commits + 1, &w->fault)) == 0) {
            runs_model_commit(&w->model, ++w->commits);
            assert_int_equal(runs_fold(&small, w->commits, &w->fault), 0);
        }
        assert_int_equal(rc, STORE_NO_ROOM);
        assert_int_equal(runs_commit(&small, w->commits + 1, &w->fault), STORE_NO_ROOM);
        assert_int_equal(small.renew(small.impl, &w->fault), 0);
        was_merging = runs_manifest(&small, 0)->n_merges > 0;
        check(w, runs_all_right(&small, &w->model, &w->fault));
        small.close(small.impl);
        refused++;
        merging += was_merging;
    }
    open_store(w);
    commit_next(w);
    check(w, runs_all_right(&w->store, &w->model, &w->fault));
    assert_true(refused > 3 && merging > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_views, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bursts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uneven, setup, teardown),
        cmocka_unit_test_setup_teardown(test_beside, setup, teardown),
        cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_copy, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
