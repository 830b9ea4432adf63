/* Tables whose writes wait for their place: those that bets and sessions change anywhere.
 *
 * Every bet changes a balance and a player, and those who play are spread over the whole table: a
 * commit of some ten thousand would change as many pages of each tree, and write them all at once,
 * while the log waits for the same disk. So a commit puts them, in the order of their keys, into a
 * small tree beside the table's own, on few pages; afterwards they are put into that in many small
 * commits (store_fold), with as much time in between as there is.
 *
 * Guarantees: of a key that is pending, what is pending counts; of all others, the table's own
 * tree. Folding never changes what that says: records are put into the tree first, and pending is
 * emptied with the last of them, in one commit. So what a fold has done need not be known after a
 * crash: it begins anew. What is pending is of one commit, the batch: the next one folds what it
 * finds.
 *
 * Beside the names of the tables, under "pending TABLE", stands
 *
 *   u64 the number of the batch, given once; it goes into the checksums of its records, as a run's
 *   u64 how many records it has; 0: nothing is pending
 *   u32 CRC32C over the name and all before
 *
 * A tree that has more or fewer is damaged: of one that was lost, the old records would count. For
 * the same reason each record says which of the batch it is: one that a damaged page hides is
 * missed, where the table's own tree could only say that there is none. */
#include "statemachine/store_lmdb.h"

#include <assert.h>

#include "statemachine/changes.h"
#include "statemachine/crc32c.h"

/* So few need no detour. */
enum { FEW_RECORDS = 256, BATCH_BYTES = 8 + 8 + 4 };

static const enum store_table tables[PENDING_TABLES] = {TABLE_PLAYER, TABLE_BALANCE, TABLE_SESSION,
                                                        TABLE_TOKEN};

struct name {
    char text[32];
    MDB_val key;
};

static void name_of(enum store_table table, struct name *name)
{
    int n = snprintf(name->text, sizeof name->text, "pending %s", store_lmdb_names[table]);

    name->key = (MDB_val){(size_t)n, name->text};
}

static uint32_t checksum(const struct name *name, const uint8_t *record)
{
    return crc32c(crc32c(0, name->key.mv_data, name->key.mv_size), record, BATCH_BYTES - 4);
}

static struct store_pending *pending_of(struct store_lmdb *s, enum store_table table)
{
    return &s->pending[store_lmdb_pending_of(table)];
}

static int lmdb_fault(const struct store_lmdb *s, enum store_table table, int rc,
                      struct fault *fault)
{
    return rc == 0 ? 0 : store_lmdb_fault(s, store_lmdb_names[table], rc, fault);
}

static int damage(const struct store_lmdb *s, enum store_table table, const char *how,
                  struct fault *fault)
{
    struct name name;

    name_of(table, &name);
    return store_lmdb_damage(s, name.text, how, fault);
}

int store_pending_open(struct store_lmdb *s, MDB_txn *txn, unsigned flags)
{
    int rc = 0, i;

    for (i = 0; i < PENDING_TABLES && rc == 0; i++) {
        char name[32];

        snprintf(name, sizeof name, "%s.pending", store_lmdb_names[tables[i]]);
        rc = mdb_dbi_open(txn, name, flags, &s->pending[i].tree.dbi);
    }
    return rc;
}

void store_pending_share(struct store_lmdb *view, const struct store_lmdb *s)
{
    int i;

    for (i = 0; i < PENDING_TABLES; i++) {
        view->pending[i].tree.dbi = s->pending[i].tree.dbi;
    }
}

void store_pending_release(struct store_lmdb *s)
{
    int i;

    for (i = 0; i < PENDING_TABLES; i++) {
        if (s->pending[i].tree.cursor != NULL) {
            mdb_cursor_close(s->pending[i].tree.cursor);
        }
    }
}

static int save_batch(struct store_lmdb *s, MDB_txn *txn, enum store_table table,
                      struct store_batch batch)
{
    uint8_t record[BATCH_BYTES];
    MDB_val v = {sizeof record, record};
    struct name name;

    name_of(table, &name);
    store_le64(record, batch.number);
    store_le64(record + 8, batch.records);
    store_le32(record + 16, checksum(&name, record));
    return mdb_put(txn, s->unnamed, &name.key, &v, 0);
}

int store_pending_begin(struct store_lmdb *s, MDB_txn *txn)
{
    int rc = 0, i;

    for (i = 0; i < PENDING_TABLES && rc == 0; i++) {
        rc = save_batch(s, txn, tables[i], (struct store_batch){0});
    }
    return rc;
}

static int load_batch(struct store_lmdb *s, MDB_txn *txn, enum store_table table,
                      struct store_batch *batch, struct fault *fault)
{
    const uint8_t *record;
    struct name name;
    MDB_stat stat;
    MDB_val v;
    int rc;

    name_of(table, &name);
    rc = mdb_get(txn, s->unnamed, &name.key, &v);
    if (rc == MDB_NOTFOUND) {
        return damage(s, table, "the record is missing", fault);
    }
    if (rc != 0 || (rc = mdb_stat(txn, pending_of(s, table)->tree.dbi, &stat)) != 0) {
        return lmdb_fault(s, table, rc, fault);
    }
    record = v.mv_data;
    if (v.mv_size != BATCH_BYTES || load_le32(record + 16) != checksum(&name, record)) {
        return damage(s, table, "a wrong checksum", fault);
    }
    *batch = (struct store_batch){load_le64(record), load_le64(record + 8)};
    return batch->records == stat.ms_entries
               ? 0
               : damage(s, table, "more or fewer than there should be", fault);
}

/* ---- reading ---- */

int store_pending_renew(struct store_lmdb *s, int format, struct fault *fault)
{
    int i;

    for (i = 0; i < PENDING_TABLES; i++) {
        struct store_pending *p = &s->pending[i];

        p->batch = (struct store_batch){0};
        if (format >= FORMAT_WITH_FOLDS &&
            load_batch(s, s->read, tables[i], &p->batch, fault) != 0) {
            return -1;
        }
        p->tree.stale = true;
        p->tree.run = p->batch.number;
    }
    return 0;
}

/* The number of the record where a search left the cursor, which it has checked. */
static int nth_at_cursor(struct store_lmdb *s, enum store_table table, uint64_t *nth,
                         struct fault *fault)
{
    struct slice value;
    MDB_val k, v;
    int rc = mdb_cursor_get(pending_of(s, table)->tree.cursor, &k, &v, MDB_GET_CURRENT);

    if (rc != 0 || v.mv_size < STORE_CHECK_BYTES) {
        return damage(s, table, "a record is missing", fault);
    }
    value = (struct slice){v.mv_data, v.mv_size - STORE_CHECK_BYTES};
    return store_lmdb_take_nth(s, table, &value, nth, fault);
}

/* As store_tree_seek. Neighbours that are whole and in order prove nothing alone when a page hides
 * what is between them: of that, what is in the table's own tree would count. */
static int seek_pending(struct store_lmdb *s, enum store_table table, struct slice key,
                        struct slice *found, struct slice *value, struct fault *fault)
{
    struct store_pending *p = pending_of(s, table);
    int rc = store_tree_seek(s, table, &p->tree, key, found, value, fault);
    uint64_t nth = p->batch.records, before;

    if (rc < 0 || (rc == 1 && store_lmdb_take_nth(s, table, value, &nth, fault) != 0)) {
        return -1;
    }
    if (nth == 0 || (rc == 1 && slice_equal(*found, key))) {
        return rc;
    }
    if (key.len == 0) {
        return damage(s, table, "a record is missing", fault);
    }
    if (nth_at_cursor(s, table, &before, fault) != 0) {
        return -1;
    }
    return before + 1 == nth ? rc : damage(s, table, "a record is missing", fault);
}

int store_pending_get(struct store_lmdb *s, enum store_table table, struct slice key,
                      struct slice *value, struct fault *fault)
{
    struct slice found, pending;
    int rc = 0;

    if (pending_of(s, table)->batch.records > 0) {
        rc = seek_pending(s, table, key, &found, &pending, fault);
    }
    if (rc == 1 && slice_equal(found, key)) {
        *value = pending;
        return 1;
    }
    return rc < 0 ? rc : store_tree_get(s, table, &s->trees[table], key, value, fault);
}

int store_pending_seek(struct store_lmdb *s, enum store_table table, struct slice key,
                       struct slice *found, struct slice *value, struct fault *fault)
{
    struct store_pending *p = pending_of(s, table);
    struct slice own_key, own_value;
    int waits = 0, rc;

    if (p->batch.records > 0) {
        waits = seek_pending(s, table, key, found, value, fault);
    }
    if (waits < 0) {
        return waits;
    }
    rc = store_tree_seek(s, table, &s->trees[table], key, &own_key, &own_value, fault);
    if (rc == 1 && (waits == 0 || key_compare(own_key, *found) < 0)) {
        *found = own_key;
        *value = own_value;
    }
    return rc < 0 ? rc : rc == 1 || waits == 1;
}

/* ---- folding ---- */

struct fold {
    struct store_lmdb *s;
    enum store_table table;
    struct store_batch batch;
    MDB_cursor *from, *to;
    MDB_val key, stored; /* the next record */
    uint64_t done;       /* since the fold began, perhaps some commits ago */
    struct fault *fault;
};

static int fold_open(struct fold *f, MDB_txn *txn, struct store_progress *at)
{
    int rc = mdb_cursor_open(txn, pending_of(f->s, f->table)->tree.dbi, &f->from);

    if (rc == 0) {
        rc = mdb_cursor_open(txn, f->s->trees[f->table].dbi, &f->to);
    }
    if (rc != 0) {
        return rc;
    }
    f->done = at->done;
    f->key = (MDB_val){at->next_len, at->next};
    return mdb_cursor_get(f->from, &f->key, &f->stored, at->done == 0 ? MDB_FIRST : MDB_SET_KEY);
}

static void fold_close(struct fold *f)
{
    if (f->from != NULL) {
        mdb_cursor_close(f->from);
    }
    if (f->to != NULL) {
        mdb_cursor_close(f->to);
    }
}

/* 0, MDB_NOTFOUND behind the last record, another error of LMDB's, or -1. */
static int fold_one(struct fold *f)
{
    struct slice value;
    uint64_t nth;
    int rc;

    if (store_lmdb_take(f->s, f->table, f->batch.number, f->key, f->stored, &value, f->fault) !=
            0 ||
        store_lmdb_take_nth(f->s, f->table, &value, &nth, f->fault) != 0) {
        return -1;
    }
    if (nth != f->done) {
        return damage(f->s, f->table, "a record is missing", f->fault);
    }
    rc = store_lmdb_put(f->to, f->table, 0, store_lmdb_slice(f->key), value, 0);
    if (rc != 0) {
        return rc;
    }
    f->done++;
    return mdb_cursor_get(f->from, &f->key, &f->stored, MDB_NEXT);
}

/* All records are in the tree. */
static int fold_end(struct fold *f, MDB_txn *txn, struct store_progress *at)
{
    int rc;

    if (f->done != f->batch.records) {
        return damage(f->s, f->table, "more or fewer than there should be", f->fault);
    }
    rc = mdb_drop(txn, pending_of(f->s, f->table)->tree.dbi, 0);
    f->batch.records = 0;
    rc = rc == 0 ? save_batch(f->s, txn, f->table, f->batch) : rc;
    at->done = at->next_len = 0;
    return rc == 0 ? 1 : lmdb_fault(f->s, f->table, rc, f->fault);
}

/* Where it goes on, once this is committed. */
static int keep_place(const struct fold *f, struct store_progress *at)
{
    if (f->key.mv_size > sizeof at->next) {
        return store_lmdb_damaged_table(f->s, f->table, "a record of a wrong size", f->fault);
    }
    at->done = f->done;
    at->next_len = f->key.mv_size;
    memcpy(at->next, f->key.mv_data, f->key.mv_size);
    return 1;
}

static int fold_table(struct store_lmdb *s, MDB_txn *txn, enum store_table table, uint64_t most,
                      struct store_progress *at, struct fault *fault)
{
    struct fold f = {.s = s, .table = table, .fault = fault};
    uint64_t n;
    int rc = load_batch(s, txn, table, &f.batch, fault);

    assert(most > 0);
    if (rc != 0 || f.batch.records == 0) {
        return rc;
    }
    rc = fold_open(&f, txn, at);
    for (n = 0; n < most && rc == 0; n++) {
        rc = fold_one(&f);
    }
    if (rc == 0) {
        rc = keep_place(&f, at);
    } else if (rc == MDB_NOTFOUND) {
        rc = fold_end(&f, txn, at);
    } else if (rc != -1) {
        rc = lmdb_fault(s, table, rc, fault);
    }
    fold_close(&f);
    return rc;
}

int store_pending_fold(struct store_lmdb *s, MDB_txn *txn, uint64_t most, struct store_fold *at,
                       struct fault *fault)
{
    int rc = 0, i;

    for (i = 0; i < PENDING_TABLES && rc == 0; i++) {
        rc = fold_table(s, txn, tables[i], most, &at->pending[i], fault);
    }
    return rc;
}

/* ---- the commit's part ---- */

bool store_pending_takes(enum store_table table, size_t n)
{
    return store_lmdb_pending_of(table) >= 0 && n > FEW_RECORDS;
}

int store_pending_put(struct store_lmdb *s, MDB_txn *txn, const struct store_write *writes,
                      size_t n, struct fault *fault)
{
    enum store_table table = writes[0].table;
    struct store_batch batch;
    MDB_cursor *cursor;
    size_t i;
    int rc = load_batch(s, txn, table, &batch, fault);

    if (rc != 0) {
        return rc;
    }
    assert(batch.records == 0);
    batch = (struct store_batch){batch.number + 1, n};
    rc = mdb_cursor_open(txn, pending_of(s, table)->tree.dbi, &cursor);
    if (rc != 0) {
        return lmdb_fault(s, table, rc, fault);
    }
    for (i = 0; i < n && rc == 0; i++) {
        rc = store_lmdb_put_nth(cursor, table, batch.number, i, writes[i].key, writes[i].value,
                                MDB_APPEND);
    }
    mdb_cursor_close(cursor);
    return lmdb_fault(s, table, rc == 0 ? save_batch(s, txn, table, batch) : rc, fault);
}
