/* A store whose tables in runs have many small ones, and what should be in it. What commit k writes
 * follows from k, so that a process that finds a store knows what it must hold. */
#ifndef FLORIN_RUNS_FIXTURE_H
#define FLORIN_RUNS_FIXTURE_H

#include "statemachine/changes.h"
#include "statemachine/store_lmdb.h"
#include "tests/unit/ledger_fixture.h"

enum {
    RUNS_KEYS = 1500,
    RUNS_LEAST = 4,
    RUNS_MAP_BYTES = 64 << 20,
    RUNS_VALUE_MAX = 5000,
    RUNS_KEY_MAX = 20,
};

/* By table in runs and key: the commit that wrote it last; 0: none. */
struct runs_model {
    unsigned last[RUN_TABLES][RUNS_KEYS];
};

static const enum store_table runs_tables[RUN_TABLES] = {TABLE_TRANSACTION, TABLE_ROUND};

static inline uint64_t runs_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* In the order of the numbers; some are others' beginnings. */
static inline struct slice runs_key(unsigned number, char text[static RUNS_KEY_MAX])
{
    return (struct slice){text, (size_t)snprintf(text, RUNS_KEY_MAX, "%05u%.*s", number / 2,
                                                 (int)(number % 2 * (1 + number % 7)), "-------")};
}

/* Of any length, some on pages of their own. */
static inline struct slice runs_value(unsigned number, unsigned commit, char *text)
{
    size_t len = (number + commit) % 97 == 0 ? RUNS_VALUE_MAX - 1 : 20 + (number + commit) % 40;

    memset(text, 'v', len);
    text[snprintf(text, 20, "%u of %u", number, commit)] = ' ';
    return (struct slice){text, len};
}

/* How many keys commit k is to write: few, some, at times many. */
static inline unsigned runs_size(unsigned commit)
{
    return commit % 37 == 0 ? 300 : commit % 11 == 0 ? 1 : 3 + commit % 17;
}

static inline int runs_commit(struct store *store, unsigned commit, struct fault *fault)
{
    static char keys[RUN_TABLES * RUNS_KEYS][RUNS_KEY_MAX];
    static char values[RUN_TABLES * RUNS_KEYS][RUNS_VALUE_MAX];
    static struct store_write writes[RUN_TABLES * RUNS_KEYS + 1];
    char number[20];
    uint64_t random = commit;
    unsigned n = 0, t, i;

    snprintf(number, sizeof number, "%u", commit);
    writes[n++] = (struct store_write){TABLE_META, slice_of("applied"), slice_of(number)};
    for (t = 0; t < RUN_TABLES; t++) {
        for (i = 0; i < RUNS_KEYS; i++) {
            if (runs_random(&random) % RUNS_KEYS < runs_size(commit)) {
                writes[n].table = runs_tables[t];
                writes[n].key = runs_key(i, keys[n]);
                writes[n].value = runs_value(i, commit, values[n]);
                n++;
            }
        }
    }
    return store->commit(store->impl, writes, n, fault);
}

/* Folds what commits left, in parts of several sizes: all of it, a little, or nothing. 0, or -1. */
static inline int runs_fold(struct store *store, unsigned commit, struct fault *fault)
{
    unsigned parts = commit % 3 == 0 ? 0 : commit % 3 == 1 ? commit % 5 : UINT32_MAX;
    int rc = 1;

    while (rc == 1 && parts-- > 0) {
        rc = store->fold(store->impl, 1 + commit % 4, fault);
    }
    return rc == -1 ? -1 : 0; /* what finds no room waits for the next commit */
}

static inline void runs_model_commit(struct runs_model *m, unsigned commit)
{
    uint64_t random = commit;
    unsigned t, i;

    for (t = 0; t < RUN_TABLES; t++) {
        for (i = 0; i < RUNS_KEYS; i++) {
            if (runs_random(&random) % RUNS_KEYS < runs_size(commit)) {
                m->last[t][i] = commit;
            }
        }
    }
}

static inline int runs_open(struct store *store, const char *folder, struct fault *fault)
{
    int rc = store_lmdb_open(store, folder, RUNS_MAP_BYTES, fault);

    if (rc == 0) {
        store_lmdb_set_run_least(store, RUNS_LEAST);
    }
    return rc;
}

/* The last commit that it holds. */
static inline unsigned runs_applied(struct store *store, struct fault *fault)
{
    struct slice value;
    int rc = store->get(store->impl, TABLE_META, slice_of("applied"), &value, fault);

    unsigned commit = 0;
    size_t i;

    for (i = 0; rc == 1 && i < value.len; i++) {
        commit = 10 * commit + (unsigned)(value.base[i] - '0');
    }
    return commit;
}

/* 1 as it should be, 0 not, -1 the store says that it is damaged. */
static inline int runs_right(struct store *store, const struct runs_model *m, unsigned t,
                             unsigned i, struct fault *fault)
{
    char key[RUNS_KEY_MAX], value[RUNS_VALUE_MAX];
    struct slice got;
    int rc = store->get(store->impl, runs_tables[t], runs_key(i, key), &got, fault);

    if (rc < 0 || rc != (m->last[t][i] != 0)) {
        return rc < 0 ? -1 : 0;
    }
    return rc == 0 || slice_equal(got, runs_value(i, m->last[t][i], value));
}

/* The first key from number `i` on that there is, by a search for what stands behind its `after`th
 * neighbour below. */
static inline int runs_seek_right(struct store *store, const struct runs_model *m, unsigned t,
                                  unsigned i, struct fault *fault)
{
    char key[RUNS_KEY_MAX], expected_key[RUNS_KEY_MAX], value[RUNS_VALUE_MAX];
    struct slice found, got;
    int rc = store->seek(store->impl, runs_tables[t], runs_key(i, key), &found, &got, fault);

    while (i < RUNS_KEYS && m->last[t][i] == 0) {
        i++;
    }
    if (rc < 0 || rc != (i < RUNS_KEYS)) {
        return rc < 0 ? -1 : 0;
    }
    return rc == 0 || (slice_equal(found, runs_key(i, expected_key)) &&
                       slice_equal(got, runs_value(i, m->last[t][i], value)));
}

/* All in a row, as scans go. */
static inline int runs_walk_right(struct store *store, const struct runs_model *m, unsigned t,
                                  struct fault *fault)
{
    char text[RUNS_KEY_MAX + 1], value[RUNS_VALUE_MAX], expected[RUNS_KEY_MAX];
    struct slice from = {"", 0}, key, got;
    unsigned i = 0;
    int rc;

    while ((rc = store->seek(store->impl, runs_tables[t], from, &key, &got, fault)) == 1) {
        while (i < RUNS_KEYS && m->last[t][i] == 0) {
            i++;
        }
        if (i == RUNS_KEYS || !slice_equal(key, runs_key(i, expected)) ||
            !slice_equal(got, runs_value(i, m->last[t][i], value))) {
            return 0;
        }
        memcpy(text, key.base, key.len);
        text[key.len] = 0;
        from = (struct slice){text, key.len + 1};
        i++;
    }
    while (rc == 0 && i < RUNS_KEYS && m->last[t][i] == 0) {
        i++;
    }
    return rc < 0 ? -1 : i == RUNS_KEYS;
}

/* Everything: each key, there or not, and all in a row. */
static inline int runs_all_right(struct store *store, const struct runs_model *m,
                                 struct fault *fault)
{
    unsigned t, i;
    int rc = 1;

    for (t = 0; t < RUN_TABLES && rc == 1; t++) {
        rc = runs_walk_right(store, m, t, fault);
        for (i = 0; i < RUNS_KEYS && rc == 1; i++) {
            rc = runs_right(store, m, t, i, fault);
        }
    }
    return rc;
}

static inline const struct store_manifest *runs_manifest(const struct store *store, unsigned t)
{
    const struct store_lmdb *s = store->impl;

    return &s->runs[t]->manifest;
}

#endif
