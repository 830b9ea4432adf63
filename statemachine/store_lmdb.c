/* The store on LMDB: reading and committing. Opening is in store_lmdb_open.c.
 *
 * Guarantees: a commit is one LMDB transaction, synced before it returns (never NOSYNC, MAPASYNC or
 * WRITEMAP: a power cut may not cost the database). Reads go through one read transaction that
 * store_renew moves to the newest commit; so what they show never changes in between, and LMDB
 * keeps the pages they need while the checkpointer writes.
 *
 * LMDB has no checksums, so each record has one of ours (store_lmdb_record.c), and "there is none"
 * is only believed when both neighbours of the place are whole and stand on their sides of it: a
 * damaged key, or a branch that leads far astray, is a fault and no answer. Not noticed is a page
 * whose own header hides records between two that it still shows.
 *
 * Tables whose keys come in no order are kept in sorted runs (store_lmdb_runs.c), all others in one
 * tree; those that bets change have a second one, for what a commit leaves to be put into the first
 * by and by (store_lmdb_pending.c).
 *
 * Flags: MDB_NOTLS lets the loop thread hold its read transaction while another thread writes.
 * MDB_NORDAHEAD: most reads are for single random keys (is this id taken?), for which reading ahead
 * would only push useful pages out of memory once the store is larger than it. */
#include "statemachine/store_lmdb.h"

#include <stdlib.h>

#include "statemachine/changes.h"
#include "statemachine/failpoint.h"

enum {
    WRITES_AHEAD = 8,   /* puts that memory takes to come */
    MERGED_AS_ONE = 16, /* records of a merge, which fill pages, for one that changes a page */
};

int store_tree_bind(struct store_lmdb *s, struct store_tree *t)
{
    int rc = 0;

    if (t->cursor == NULL) {
        rc = mdb_cursor_open(s->read, t->dbi, &t->cursor);
    } else if (t->stale) {
        rc = mdb_cursor_renew(s->read, t->cursor);
    }
    t->stale = false;
    return rc;
}

/* What stands before the place where `key` belongs must be whole and lower. */
static int check_before(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                        struct slice key, MDB_cursor_op op, struct fault *fault)
{
    struct slice value;
    MDB_val k, v;
    int rc = mdb_cursor_get(t->cursor, &k, &v, op);

    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return store_lmdb_fault(s, "search", rc, fault);
    }
    if (store_lmdb_take(s, table, t->run, k, v, &value, fault) != 0) {
        return -1;
    }
    return key_compare(store_lmdb_slice(k), key) < 0
               ? 0
               : store_lmdb_damaged_table(s, table, "its keys are not in order", fault);
}

int store_tree_seek(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                    struct slice key, struct slice *found, struct slice *value, struct fault *fault)
{
    MDB_val k = store_lmdb_val(key), v;
    int rc = store_tree_bind(s, t);

    if (rc == 0) {
        /* LMDB knows no empty key: the first of all is asked for by another name. */
        rc = mdb_cursor_get(t->cursor, &k, &v, key.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    }
    if (rc == MDB_NOTFOUND) {
        return check_before(s, table, t, key, MDB_LAST, fault);
    }
    if (rc != 0) {
        return store_lmdb_fault(s, "search", rc, fault);
    }
    if (store_lmdb_take(s, table, t->run, k, v, value, fault) != 0) {
        return -1;
    }
    *found = store_lmdb_slice(k);
    rc = key.len == 0 ? 1 : key_compare(*found, key);
    if (rc < 0) {
        return store_lmdb_damaged_table(s, table, "its keys are not in order", fault);
    }
    return rc == 0 || check_before(s, table, t, key, MDB_PREV, fault) == 0 ? 1 : -1;
}

/* As a search for the first key from this one on: a key that is not there is proven so in the same
 * descent. */
int store_tree_get(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                   struct slice key, struct slice *value, struct fault *fault)
{
    struct slice found, next;
    int rc = store_tree_seek(s, table, t, key, &found, &next, fault);

    if (rc == 1 && !slice_equal(found, key)) {
        return 0; /* and *value stays as it was: the neighbour's is nobody's to see */
    }
    if (rc == 1) {
        *value = next;
    }
    return rc;
}

static int lmdb_get(void *impl, enum store_table table, struct slice key, struct slice *value,
                    struct fault *fault)
{
    struct store_lmdb *s = impl;

    if (s->absent[table]) {
        return 0;
    }
    if (store_lmdb_pending_of(table) >= 0) {
        return store_pending_get(s, table, key, value, fault);
    }
    return store_lmdb_runs_of(table) < 0
               ? store_tree_get(s, table, &s->trees[table], key, value, fault)
               : store_runs_get(s, table, key, value, fault);
}

static int lmdb_seek(void *impl, enum store_table table, struct slice key, struct slice *found,
                     struct slice *value, struct fault *fault)
{
    struct store_lmdb *s = impl;

    if (s->absent[table]) {
        return 0;
    }
    if (store_lmdb_pending_of(table) >= 0) {
        return store_pending_seek(s, table, key, found, value, fault);
    }
    return store_lmdb_runs_of(table) < 0
               ? store_tree_seek(s, table, &s->trees[table], key, found, value, fault)
               : store_runs_seek(s, table, key, found, value, fault);
}

/* Without room, what the commit took of the disk's last is given back. */
static int commit_failed(struct store_lmdb *s, int rc)
{
    if (rc == STORE_NO_ROOM) {
        store_lmdb_fit(s, true);
    }
    return rc;
}

/* What is written in the order of keys lies anywhere in memory. */
static void prefetch_write(const struct store_write *w)
{
    __builtin_prefetch(w->key.base);
    __builtin_prefetch(w->value.base);
}

/* How many writes there are of the first one's table. */
static size_t count_table(const struct store_write *writes, size_t n)
{
    size_t i = 1;

    while (i < n && writes[i].table == writes[0].table) {
        i++;
    }
    return i;
}

/* `n` writes of one table. With one cursor, which looks for the next key on the page where it is
 * before it goes down the tree again: the keys are in order. */
static int put_table(struct store_lmdb *s, MDB_txn *txn, const struct store_write *writes, size_t n,
                     struct fault *fault)
{
    enum store_table table = writes[0].table;
    /* The ledger only grows at its end: appending fills its pages to the last byte, and LMDB
     * refuses a record that is not above all others. */
    unsigned append = table == TABLE_LEDGER ? MDB_APPEND : 0;
    MDB_cursor *cursor;
    size_t i;
    int rc = mdb_cursor_open(txn, s->trees[table].dbi, &cursor);

    if (rc != 0) {
        return store_lmdb_fault(s, store_lmdb_names[table], rc, fault);
    }
    for (i = 0; rc == 0 && i < n; i++) {
        if (i + WRITES_AHEAD < n) {
            prefetch_write(&writes[i + WRITES_AHEAD]);
        }
        rc = store_lmdb_put(cursor, table, 0, writes[i].key, writes[i].value, append);
    }
    mdb_cursor_close(cursor);
    return rc == 0 ? 0 : store_lmdb_fault(s, store_lmdb_names[table], rc, fault);
}

static int put_all(struct store_lmdb *s, MDB_txn *txn, const struct store_write *writes, size_t n,
                   struct fault *fault)
{
    size_t done, of_table;
    int rc = 0;

    for (done = 0; done < n && rc == 0; done += of_table) {
        const struct store_write *first = &writes[done];

        of_table = count_table(first, n - done);
        if (store_lmdb_runs_of(first->table) >= 0) {
            rc = store_merge_commit(s, txn, first, of_table, fault);
        } else if (store_pending_takes(first->table, of_table)) {
            rc = store_pending_put(s, txn, first, of_table, fault);
        } else {
            rc = put_table(s, txn, first, of_table, fault);
        }
    }
    return rc;
}

/* A part of what commits left to be done: 1, 0 when nothing is left, -1, or STORE_NO_ROOM. */
static int fold_part(struct store_lmdb *s, MDB_txn *txn, uint64_t most, struct store_fold *at,
                     struct fault *fault)
{
    uint64_t most_merged = most > UINT64_MAX / MERGED_AS_ONE ? UINT64_MAX : most * MERGED_AS_ONE;
    int rc = store_pending_fold(s, txn, most, at, fault), t;

    for (t = 0; t < TABLE_COUNT && rc == 0; t++) {
        if (store_lmdb_runs_of(t) >= 0) {
            rc = store_merge_fold(s, txn, t, most_merged, &at->plans[store_lmdb_runs_of(t)], fault);
        }
    }
    return rc;
}

static int fold_all(struct store_lmdb *s, MDB_txn *txn, struct store_fold *at, struct fault *fault)
{
    int rc;

    do {
        rc = fold_part(s, txn, UINT64_MAX, at, fault);
    } while (rc == 1);
    return rc;
}

/* Ends a commit, of which `rc` says whether all was put; `fold` is how far that comes. */
static int end_commit(struct store_lmdb *s, MDB_txn *txn, int rc, const struct store_fold *fold,
                      struct fault *fault)
{
    if (rc < 0) {
        mdb_txn_abort(txn);
        return commit_failed(s, rc);
    }
    FAILPOINT("store: changes put");
    rc = mdb_txn_commit(txn);
    FAILPOINT("store: committed");
    if (rc == 0) {
        s->fold = *fold;
        rc = store_lmdb_fit(s, false);
    }
    return rc == 0 ? 0 : commit_failed(s, store_lmdb_fault(s, "commit", rc, fault));
}

static int lmdb_commit(void *impl, const struct store_write *writes, size_t n, struct fault *fault)
{
    struct store_lmdb *s = impl;
    struct store_fold at = s->fold;
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

    if (rc != 0) {
        return commit_failed(s, store_lmdb_fault(s, "begin a commit", rc, fault));
    }
    rc = fold_all(s, txn, &at, fault);
    if (rc == 0) {
        rc = put_all(s, txn, writes, n, fault);
    }
    return end_commit(s, txn, rc, &(struct store_fold){0}, fault);
}

static int lmdb_fold(void *impl, size_t most, struct fault *fault)
{
    struct store_lmdb *s = impl;
    struct store_fold at = s->fold;
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn), more;

    if (rc != 0) {
        return commit_failed(s, store_lmdb_fault(s, "begin a commit", rc, fault));
    }
    more = fold_part(s, txn, most, &at, fault);
    rc = end_commit(s, txn, more, &at, fault);
    if (more == 1) {
        FAILPOINT("store: a part folded");
    }
    return rc == 0 ? more : rc;
}

int store_lmdb_look(struct store_lmdb *s, int format, struct fault *fault)
{
    return store_runs_renew(s, format, fault) == 0 ? store_pending_renew(s, format, fault) : -1;
}

static int lmdb_renew(void *impl, struct fault *fault)
{
    struct store_lmdb *s = impl;
    int t, rc;

    mdb_txn_reset(s->read);
    for (t = 0; t < TABLE_COUNT; t++) {
        s->trees[t].stale = true;
    }
    rc = mdb_txn_renew(s->read);
    return rc == 0 ? store_lmdb_look(s, FILE_FORMAT, fault)
                   : store_lmdb_fault(s, "renew the read transaction", rc, fault);
}

static uint64_t lmdb_bytes(void *impl)
{
    struct store_lmdb *s = impl;
    MDB_envinfo info;
    MDB_stat stat;

    if (mdb_env_info(s->env, &info) != 0 || mdb_env_stat(s->env, &stat) != 0) {
        return 0;
    }
    return (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize;
}

static void lmdb_close(void *impl)
{
    struct store_lmdb *s = impl;
    int t;

    for (t = 0; t < TABLE_COUNT; t++) {
        if (s->trees[t].cursor != NULL) {
            mdb_cursor_close(s->trees[t].cursor);
        }
    }
    store_pending_release(s);
    store_runs_release(s);
    mdb_txn_abort(s->read);
    if (!s->borrowed) {
        mdb_env_close(s->env);
    }
    free(s);
}

void store_lmdb_bind_reads(struct store_lmdb *s, struct store *store)
{
    *store = (struct store){
        .impl = s,
        .get = lmdb_get,
        .seek = lmdb_seek,
        .copy = store_lmdb_copy,
        .bytes = lmdb_bytes,
        .close = lmdb_close,
    };
}

static int lmdb_view(void *impl, struct store *view, struct fault *fault)
{
    const struct store_lmdb *s = impl;
    struct store_lmdb *v = calloc(1, sizeof *v);
    int rc, t;

    if (v == NULL) {
        return fault_set(fault, "store %s: out of memory", s->folder);
    }
    v->env = s->env;
    for (t = 0; t < TABLE_COUNT; t++) {
        v->trees[t].dbi = s->trees[t].dbi;
    }
    store_pending_share(v, s);
    store_runs_share(v, s);
    v->map_bytes = s->map_bytes;
    memcpy(v->folder, s->folder, sizeof v->folder);
    memcpy(v->file, s->file, sizeof v->file);
    v->borrowed = true;
    rc = mdb_txn_begin(v->env, NULL, MDB_RDONLY, &v->read);
    if (rc != 0) {
        store_lmdb_fault(v, "begin a view", rc, fault);
    }
    if (rc != 0 || store_lmdb_look(v, FILE_FORMAT, fault) != 0) {
        lmdb_close(v);
        return -1;
    }
    store_lmdb_bind_reads(v, view);
    return 0;
}

void store_lmdb_bind(struct store_lmdb *s, struct store *store)
{
    *store = (struct store){
        .impl = s,
        .get = lmdb_get,
        .seek = lmdb_seek,
        .commit = lmdb_commit,
        .fold = lmdb_fold,
        .copy = store_lmdb_copy,
        .bytes = lmdb_bytes,
        .view = lmdb_view,
        .renew = lmdb_renew,
        .close = lmdb_close,
    };
}
