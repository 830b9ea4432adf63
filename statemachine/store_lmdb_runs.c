/* Reading a table that is kept in sorted runs.
 *
 * Ids are random: in one tree, every new one changes a page of its own, and a checkpoint would
 * write 4 KiB for each. So the table's part of each commit becomes a run, a tree that is written in
 * the order of its keys, page after page, and then only read. Of each key the youngest run that has
 * it counts. So that there are not too many to ask, runs are merged (store_lmdb_merge.c).
 *
 * LMDB can't make and remove databases while other threads read. So each table has a fixed number
 * of them, the slots, all made and opened with the store: a run takes one that is empty, and is
 * emptied when it is no longer needed, which is a change like any other: older snapshots still have
 * it. Which slots hold what says the manifest; a reader has that of its own snapshot.
 *
 * A walk (seek with growing keys) remembers where it is in each run, so that a step costs one step
 * in the run that was in front, and comparisons for the others. */
#include "statemachine/store_lmdb.h"

#include <assert.h>
#include <stdlib.h>

#include "statemachine/changes.h"

enum { STEP_TOO_SHORT = 2 };

static const enum store_table tables[RUN_TABLES] = {TABLE_TRANSACTION, TABLE_ROUND};

int store_runs_open(struct store_lmdb *s, MDB_txn *txn, unsigned slots, unsigned flags)
{
    unsigned i, slot;
    int rc = 0;

    for (i = 0; i < RUN_TABLES; i++) {
        struct store_runs *r = s->runs[i];

        r->gets[0].dbi = r->walks[0].dbi = s->trees[tables[i]].dbi;
        for (slot = 1; slot < slots && rc == 0; slot++) {
            char name[32];

            snprintf(name, sizeof name, "%s.%u", store_lmdb_names[tables[i]], slot);
            rc = mdb_dbi_open(txn, name, flags, &r->gets[slot].dbi);
            r->walks[slot].dbi = r->gets[slot].dbi;
        }
    }
    return rc;
}

void store_runs_init(struct store_lmdb *s)
{
    int i;

    s->run_least = RUN_LEAST_KEYS;
    for (i = 0; i < RUN_TABLES; i++) {
        s->runs[i] = calloc(1, sizeof *s->runs[i]);
        if (s->runs[i] == NULL) {
            abort();
        }
    }
}

static void close_cursors(struct store_tree *trees)
{
    int slot;

    for (slot = 0; slot < RUN_SLOTS; slot++) {
        if (trees[slot].cursor != NULL) {
            mdb_cursor_close(trees[slot].cursor);
        }
    }
}

void store_runs_release(struct store_lmdb *s)
{
    int i;

    for (i = 0; i < RUN_TABLES; i++) {
        close_cursors(s->runs[i]->gets);
        close_cursors(s->runs[i]->walks);
        free(s->runs[i]);
    }
}

void store_runs_share(struct store_lmdb *view, const struct store_lmdb *s)
{
    int i, slot;

    store_runs_init(view);
    view->unnamed = s->unnamed;
    view->run_least = s->run_least;
    for (i = 0; i < RUN_TABLES; i++) {
        for (slot = 0; slot < RUN_SLOTS; slot++) {
            view->runs[i]->gets[slot].dbi = s->runs[i]->gets[slot].dbi;
            view->runs[i]->walks[slot].dbi = s->runs[i]->gets[slot].dbi;
        }
    }
}

int store_runs_renew(struct store_lmdb *s, int format, struct fault *fault)
{
    unsigned i, slot, n;

    for (i = 0; i < RUN_TABLES; i++) {
        struct store_runs *r = s->runs[i];

        for (slot = 0; slot < RUN_SLOTS; slot++) {
            r->gets[slot].stale = r->walks[slot].stale = true;
            r->places[slot].is = PLACE_UNKNOWN;
        }
        r->manifest.n_runs = 0;
        if (s->absent[tables[i]]) {
            continue;
        }
        if (store_manifest_load(s, s->read, tables[i], format, &r->manifest, fault) != 0) {
            return -1;
        }
        for (n = 0; n < r->manifest.n_runs; n++) {
            const struct store_run *run = &r->manifest.runs[n];

            r->gets[run->slot].run = r->walks[run->slot].run = run->number;
        }
    }
    return 0;
}

int store_runs_get(struct store_lmdb *s, enum store_table table, struct slice key,
                   struct slice *value, struct fault *fault)
{
    struct store_runs *r = s->runs[store_lmdb_runs_of(table)];
    unsigned i;
    int rc = 0;

    for (i = 0; i < r->manifest.n_runs && rc == 0; i++) {
        rc = store_tree_get(s, table, &r->gets[r->manifest.runs[i].slot], key, value, fault);
    }
    return rc;
}

/* The walk's step in one run, which stands at a key below `key`: mostly the next one is it, and
 * then it and the one before are whole and on their sides of `key`. 1, 0 there is none, -1, or
 * STEP_TOO_SHORT: a search will say, unless the step went back: then a search could miss the key
 * that was passed over. */
static int step(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                struct store_place *place, struct slice key, struct fault *fault)
{
    struct slice last = place->key;
    MDB_val k, v;
    int rc = mdb_cursor_get(t->cursor, &k, &v, MDB_NEXT);

    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return store_lmdb_fault(s, "search", rc, fault);
    }
    if (store_lmdb_take(s, table, t->run, k, v, &place->value, fault) != 0) {
        return -1;
    }
    place->key = store_lmdb_slice(k);
    if (key_compare(place->key, last) <= 0) {
        return store_lmdb_damaged_table(s, table, "its keys are not in order", fault);
    }
    return key_compare(place->key, key) >= 0 ? 1 : STEP_TOO_SHORT;
}

/* A search leaves the tree's cursor before what it found, where it saw that all is right. */
static int search(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                  struct store_place *place, struct slice key, struct fault *fault)
{
    int rc = store_tree_seek(s, table, t, key, &place->key, &place->value, fault);
    MDB_val k, v;

    if (rc != 1 || slice_equal(place->key, key)) {
        return rc;
    }
    k = store_lmdb_val(place->key);
    rc = mdb_cursor_get(t->cursor, &k, &v, MDB_SET);
    if (rc == MDB_NOTFOUND) {
        return store_lmdb_damaged_table(s, table, "its keys are not in order", fault);
    }
    return rc == 0 ? 1 : store_lmdb_fault(s, "search", rc, fault);
}

/* Has the place in one run answer for `key`. */
static int move(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                struct store_place *place, struct slice key, struct fault *fault)
{
    int rc = place->is == PLACE_AT ? step(s, table, t, place, key, fault) : STEP_TOO_SHORT;

    if (rc == STEP_TOO_SHORT) {
        rc = search(s, table, t, place, key, fault);
    }
    place->is = rc < 0 ? PLACE_UNKNOWN : rc == 1 ? PLACE_AT : PLACE_END;
    return rc < 0 ? -1 : 0;
}

int store_runs_seek(struct store_lmdb *s, enum store_table table, struct slice key,
                    struct slice *found, struct slice *value, struct fault *fault)
{
    struct store_runs *r = s->runs[store_lmdb_runs_of(table)];
    bool back = key_compare(key, (struct slice){(const char *)r->asked, r->asked_len}) < 0;
    const struct store_place *first = NULL;
    unsigned i;

    assert(key.len <= sizeof r->asked);
    /* A place that was right for a lower key is so for this one up to what stands there. */
    for (i = 0; back && i < r->manifest.n_runs; i++) {
        r->places[i].is = PLACE_UNKNOWN;
    }
    memmove(r->asked, key.len == 0 ? "" : key.base, key.len);
    r->asked_len = key.len;
    for (i = 0; i < r->manifest.n_runs; i++) {
        struct store_place *place = &r->places[i];

        if ((place->is == PLACE_UNKNOWN ||
             (place->is == PLACE_AT && key_compare(place->key, key) < 0)) &&
            move(s, table, &r->walks[r->manifest.runs[i].slot], place, key, fault) != 0) {
            return -1;
        }
        if (place->is == PLACE_AT && (first == NULL || key_compare(place->key, first->key) < 0)) {
            first = place;
        }
    }
    if (first == NULL) {
        return 0;
    }
    *found = first->key;
    *value = first->value;
    return 1;
}
