/* A store with balances, of which some wait for their place, and what should be in it. */
#ifndef FLORIN_PENDING_SCENE_H
#define FLORIN_PENDING_SCENE_H

#include "tests/unit/runs_scene.h"

enum { KEYS = 3000, SOME = 1200, FEW = 20, PART = 100 };

/* By key: the commit that wrote it last; 0: none. */
struct balances {
    unsigned last[KEYS];
};

struct scene {
    struct world w;
    struct balances model;
    unsigned commits;
};

static inline int scene_setup(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    start_anew(&s->w);
    open_store(&s->w);
    *state = s;
    return 0;
}

static inline int scene_teardown(void **state)
{
    struct scene *s = *state;

    s->w.store.close(s->w.store.impl);
    fixture_remove(s->w.folder);
    free(s);
    return 0;
}

static inline struct slice key_of(unsigned i, char text[static 16])
{
    return (struct slice){text, (size_t)snprintf(text, 16, "p%05u", i)};
}

static inline struct slice value_of(unsigned i, unsigned commit, char text[static 64])
{
    return (struct slice){text, (size_t)snprintf(text, 64, "%u of %u, %*u", i, commit,
                                                 (int)(1 + (i + commit) % 30), 7)};
}

/* One commit of `n` balances, the last keys among them now and then. */
static inline void commit_some(struct scene *s, unsigned n)
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

static inline int fold(struct scene *s, size_t most)
{
    int rc = s->w.store.fold(s->w.store.impl, most, &s->w.fault);

    assert_int_equal(s->w.store.renew(s->w.store.impl, &s->w.fault), 0);
    return rc;
}

static inline void reopen(struct scene *s)
{
    s->w.store.close(s->w.store.impl);
    open_store(&s->w);
}

static inline uint64_t pending(const struct scene *s)
{
    const struct store_lmdb *impl = s->w.store.impl;

    return impl->pending[store_lmdb_pending_of(TABLE_BALANCE)].batch.records;
}

static inline void expect_right(struct store *store, const struct balances *model)
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

#define SCENE(test) cmocka_unit_test_setup_teardown(test, scene_setup, scene_teardown)

#endif
