/* A store in runs with merges under way, and its file from outside: what is wrong is put there with
 * LMDB itself. */
#ifndef FLORIN_RUNS_SCENE_H
#define FLORIN_RUNS_SCENE_H

#include "tests/unit/runs_fixture.h"

enum { COMMITS = 100, LIST_MAX = 2000 };

struct world {
    char folder[256];
    char path[300];
    struct store store;
    struct runs_model model;
    unsigned commits;
    struct fault fault;
};

static inline void start_anew(struct world *w)
{
    memset(w, 0, sizeof *w);
    fixture_folder(w->folder);
    snprintf(w->path, sizeof w->path, "%s/data.mdb", w->folder);
}

static inline int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    start_anew(w);
    *state = w;
    return 0;
}

static inline int teardown(void **state)
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

static inline void raw_open(struct world *w, struct raw *r)
{
    assert_int_equal(mdb_env_create(&r->env), 0);
    assert_int_equal(mdb_env_set_maxdbs(r->env, STORE_DATABASES), 0);
    assert_int_equal(mdb_env_set_mapsize(r->env, RUNS_MAP_BYTES), 0);
    assert_int_equal(mdb_env_open(r->env, w->folder, MDB_NOSYNC, 0600), 0);
    assert_int_equal(mdb_txn_begin(r->env, NULL, 0, &r->txn), 0);
    assert_int_equal(mdb_dbi_open(r->txn, NULL, 0, &r->unnamed), 0);
}

static inline void raw_close(struct raw *r)
{
    assert_int_equal(mdb_txn_commit(r->txn), 0);
    mdb_env_close(r->env);
}

static inline MDB_val text_val(const char *text)
{
    return (MDB_val){strlen(text), (void *)(uintptr_t)text};
}

static inline size_t raw_get(struct raw *r, const char *name, uint8_t *out, size_t most)
{
    MDB_val k = text_val(name), v;

    assert_int_equal(mdb_get(r->txn, r->unnamed, &k, &v), 0);
    assert_true(v.mv_size <= most);
    memcpy(out, v.mv_data, v.mv_size);
    return v.mv_size;
}

static inline void raw_put(struct raw *r, const char *name, const void *record, size_t len)
{
    MDB_val k = text_val(name), v = {len, (void *)(uintptr_t)record};

    assert_int_equal(mdb_put(r->txn, r->unnamed, &k, &v, 0), 0);
}

static inline void write_record(struct world *w, const char *name, const void *record, size_t len)
{
    struct raw r;

    raw_open(w, &r);
    raw_put(&r, name, record, len);
    raw_close(&r);
}

/* ---- */

static inline void open_store(struct world *w)
{
    if (runs_open(&w->store, w->folder, &w->fault) != 0) {
        fail_msg("%s", w->fault.text);
    }
}

static inline void commit_on(struct world *w, unsigned until)
{
    while (w->commits < until) {
        assert_int_equal(runs_commit(&w->store, ++w->commits, &w->fault), 0);
        runs_model_commit(&w->model, w->commits);
    }
    assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
}

/* A store with several runs and a merge under way; and its list of runs. */
static inline size_t prepare(struct world *w, const char *name, uint8_t list[static LIST_MAX])
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

static inline uint8_t unused_slot(const struct store_manifest *m)
{
    bool used[RUN_SLOTS] = {false};
    unsigned i;

    for (i = 0; i < m->n_runs; i++) {
        used[m->runs[i].slot] = true;
    }
    for (i = 0; i < m->n_merges; i++) {
        used[m->merges[i].slot] = true;
    }
    for (i = 0; used[i]; i++) {
    }
    return (uint8_t)i;
}

#endif
