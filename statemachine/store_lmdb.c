/* The store on LMDB: reading and committing. Opening is in store_lmdb_open.c.
 *
 * Guarantees: a commit is one LMDB transaction, synced before it returns (never NOSYNC, MAPASYNC or
 * WRITEMAP: a power cut may not cost the database). Reads go through one read transaction that
 * store_renew moves to the newest commit; so what they show never changes in between, and LMDB
 * keeps the pages they need while the checkpointer writes.
 *
 * LMDB has no checksums: a flipped bit would be served as if it were true, or send a look-up past
 * the key that it searches. So each value ends with a CRC32C over its table, its key and itself,
 * and "there is none" is only believed when both neighbours of the place are whole and stand on
 * their sides of it: a damaged key, or a branch that leads astray, is a fault and no answer.
 *
 * Flags: MDB_NOTLS lets the loop thread hold its read transaction while another thread writes.
 * MDB_NORDAHEAD: most reads are for single random keys (is this id taken?), for which reading ahead
 * would only push useful pages out of memory once the store is larger than it. */
#include "statemachine/store_lmdb.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "statemachine/changes.h"
#include "statemachine/crc32c.h"
#include "statemachine/failpoint.h"

enum {
    FULL_BYTES = 16 << 20, /* less than this left: a write that was cut short met a full disk */
    WRITES_AHEAD = 8,      /* puts that memory takes to come */
};

/* LMDB says ENOSPC for a write that the disk refused whole, and EIO for one that it cut short. */
static bool is_full(const struct store_lmdb *s, int rc)
{
    struct statvfs fs;
    mdb_filehandle_t fd;

    return rc == ENOSPC || rc == EDQUOT ||
           (rc == EIO && mdb_env_get_fd(s->env, &fd) == 0 && fstatvfs(fd, &fs) == 0 &&
            (uint64_t)fs.f_bfree * fs.f_frsize < FULL_BYTES);
}

int store_lmdb_fault(const struct store_lmdb *s, const char *what, int rc, struct fault *fault)
{
    if (rc == MDB_MAP_FULL) {
        fault_set(fault,
                  "store %s: full: it reached its limit of %zu MiB; give it a larger limit "
                  "(store_map_bytes) in the configuration, and room on the disk, then start again",
                  s->folder, s->map_bytes >> 20);
        return STORE_NO_ROOM;
    }
    if (is_full(s, rc)) {
        fault_set(fault, "store %s: %s: the disk is full: free some space", s->folder, what);
        return STORE_NO_ROOM;
    }
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID ||
        rc == MDB_CURSOR_FULL || rc == MDB_BAD_VALSIZE) {
        return store_lmdb_damage(s, what, mdb_strerror(rc), fault);
    }
    if (rc == EIO) {
        return fault_set(fault,
                         "store %s: %s: %s: the disk or its file system is failing: check it "
                         "before this node starts again",
                         s->folder, what, mdb_strerror(rc));
    }
    if (rc == EACCES || rc == EROFS || rc == EPERM) {
        return fault_set(fault, "store %s: %s: %s: check the owner and the mode of the folder",
                         s->folder, what, mdb_strerror(rc));
    }
    return fault_set(fault, "store %s: %s: %s", s->folder, what, mdb_strerror(rc));
}

int store_lmdb_damage(const struct store_lmdb *s, const char *what, const char *how,
                      struct fault *fault)
{
    return fault_set(fault,
                     "%s is damaged (%s: %s): rebuild this node from the others: remove "
                     "it, add a new node id, see docs/operations.md; or restore a backup",
                     s->file, what, how);
}

static MDB_val value_of(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.base};
}

static int damage(const struct store_lmdb *s, enum store_table table, const char *how,
                  struct fault *fault)
{
    char what[64];

    snprintf(what, sizeof what, "table %s", store_lmdb_names[table]);
    return store_lmdb_damage(s, what, how, fault);
}

static uint32_t checksum(enum store_table table, const void *key, size_t key_len, const void *value,
                         size_t len)
{
    uint8_t head[1 + STORE_KEY_MAX];

    /* Table and key at once: beginning costs more than some bytes. */
    head[0] = (uint8_t)table;
    memcpy(head + 1, key, key_len);
    return crc32c(crc32c(0, head, 1 + key_len), value, len);
}

static struct slice slice_from(MDB_val v)
{
    return (struct slice){v.mv_data, v.mv_size};
}

/* Checks what stands in the file under this key, and gives the value without its checksum. */
static int take(const struct store_lmdb *s, enum store_table table, MDB_val key, MDB_val stored,
                struct slice *value, struct fault *fault)
{
    struct cursor in;
    size_t len;

    if (stored.mv_size < STORE_CHECK_BYTES || key.mv_size > STORE_KEY_MAX) {
        return damage(s, table, "a record of a wrong size", fault);
    }
    len = stored.mv_size - STORE_CHECK_BYTES;
    in = cursor_of((const char *)stored.mv_data + len, STORE_CHECK_BYTES);
    if (cursor_u32(&in) != checksum(table, key.mv_data, key.mv_size, stored.mv_data, len)) {
        return damage(s, table, "a record has a wrong checksum", fault);
    }
    *value = (struct slice){stored.mv_data, len};
    return 0;
}

static int bind_cursor(struct store_lmdb *s, enum store_table table)
{
    int rc = 0;

    if (s->cursors[table] == NULL) {
        rc = mdb_cursor_open(s->read, s->dbis[table], &s->cursors[table]);
    } else if (s->stale[table]) {
        rc = mdb_cursor_renew(s->read, s->cursors[table]);
    }
    s->stale[table] = false;
    return rc;
}

/* What stands before the place where `key` belongs must be whole and lower. */
static int check_before(struct store_lmdb *s, enum store_table table, struct slice key,
                        MDB_cursor_op op, struct fault *fault)
{
    struct slice value;
    MDB_val k, v;
    int rc = mdb_cursor_get(s->cursors[table], &k, &v, op);

    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return store_lmdb_fault(s, "search", rc, fault);
    }
    if (take(s, table, k, v, &value, fault) != 0) {
        return -1;
    }
    return key_compare(slice_from(k), key) < 0
               ? 0
               : damage(s, table, "its keys are not in order", fault);
}

static int lmdb_seek(void *impl, enum store_table table, struct slice key, struct slice *found,
                     struct slice *value, struct fault *fault)
{
    struct store_lmdb *s = impl;
    MDB_val k = value_of(key), v;
    int rc;

    if (s->absent[table]) {
        return 0;
    }
    rc = bind_cursor(s, table);
    if (rc == 0) {
        /* LMDB knows no empty key: the first of all is asked for by another name. */
        rc = mdb_cursor_get(s->cursors[table], &k, &v, key.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    }
    if (rc == MDB_NOTFOUND) {
        return check_before(s, table, key, MDB_LAST, fault);
    }
    if (rc != 0) {
        return store_lmdb_fault(s, "search", rc, fault);
    }
    if (take(s, table, k, v, value, fault) != 0) {
        return -1;
    }
    *found = slice_from(k);
    rc = key.len == 0 ? 1 : key_compare(*found, key);
    if (rc < 0) {
        return damage(s, table, "its keys are not in order", fault);
    }
    return rc == 0 || check_before(s, table, key, MDB_PREV, fault) == 0 ? 1 : -1;
}

/* As a search for the first key from this one on: a key that is not there is proven so in the same
 * descent. */
static int lmdb_get(void *impl, enum store_table table, struct slice key, struct slice *value,
                    struct fault *fault)
{
    struct slice found, next;
    int rc = lmdb_seek(impl, table, key, &found, &next, fault);

    if (rc == 1 && !slice_equal(found, key)) {
        return 0; /* and *value stays as it was: the neighbour's is nobody's to see */
    }
    if (rc == 1) {
        *value = next;
    }
    return rc;
}

static int put(MDB_cursor *cursor, const struct store_write *w)
{
    MDB_val k = value_of(w->key);
    MDB_val v = {w->value.len + STORE_CHECK_BYTES, NULL};
    /* The ledger only grows at its end: appending fills its pages to the last byte, and LMDB
     * refuses a record that is not above all others. */
    unsigned append = w->table == TABLE_LEDGER ? MDB_APPEND : 0;
    uint32_t crc = checksum(w->table, w->key.base, w->key.len, w->value.base, w->value.len);
    int rc = mdb_cursor_put(cursor, &k, &v, MDB_RESERVE | append);
    uint8_t *at = v.mv_data;
    size_t i;

    if (rc == 0) {
        memcpy(at, w->value.base, w->value.len);
        for (i = 0; i < STORE_CHECK_BYTES; i++) {
            at[w->value.len + i] = (uint8_t)(crc >> (8 * i));
        }
    }
    return rc;
}

/* Without room, what the commit took of the disk's last is given back. */
static int commit_failed(struct store_lmdb *s, const char *what, int rc, struct fault *fault)
{
    rc = store_lmdb_fault(s, what, rc, fault);
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

/* All writes of the first one's table; how many, in *n. With one cursor, which looks for the next
 * key on the page where it is before it goes down the tree again: the keys are in order. */
static int put_table(struct store_lmdb *s, MDB_txn *txn, const struct store_write *writes,
                     size_t *n)
{
    enum store_table table = writes[0].table;
    MDB_cursor *cursor;
    size_t most = *n;
    int rc = mdb_cursor_open(txn, s->dbis[table], &cursor);

    if (rc != 0) {
        return rc;
    }
    for (*n = 0; rc == 0 && *n < most && writes[*n].table == table; (*n)++) {
        if (*n + WRITES_AHEAD < most) {
            prefetch_write(&writes[*n + WRITES_AHEAD]);
        }
        rc = put(cursor, &writes[*n]);
    }
    mdb_cursor_close(cursor);
    return rc;
}

static int lmdb_commit(void *impl, const struct store_write *writes, size_t n, struct fault *fault)
{
    struct store_lmdb *s = impl;
    MDB_txn *txn;
    size_t done, of_table;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

    if (rc != 0) {
        return commit_failed(s, "begin a commit", rc, fault);
    }
    for (done = 0; done < n; done += of_table) {
        of_table = n - done;
        rc = put_table(s, txn, &writes[done], &of_table);
        if (rc != 0) {
            mdb_txn_abort(txn);
            return commit_failed(s, store_lmdb_names[writes[done].table], rc, fault);
        }
    }
    FAILPOINT("store: changes put");
    rc = mdb_txn_commit(txn);
    FAILPOINT("store: committed");
    rc = rc == 0 ? store_lmdb_fit(s, false) : rc;
    return rc == 0 ? 0 : commit_failed(s, "commit", rc, fault);
}

static int lmdb_renew(void *impl, struct fault *fault)
{
    struct store_lmdb *s = impl;
    int t, rc;

    mdb_txn_reset(s->read);
    for (t = 0; t < TABLE_COUNT; t++) {
        s->stale[t] = true;
    }
    rc = mdb_txn_renew(s->read);
    return rc == 0 ? 0 : store_lmdb_fault(s, "renew the read transaction", rc, fault);
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
        if (s->cursors[t] != NULL) {
            mdb_cursor_close(s->cursors[t]);
        }
    }
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
    int rc;

    if (v == NULL) {
        return fault_set(fault, "store %s: out of memory", s->folder);
    }
    v->env = s->env;
    memcpy(v->dbis, s->dbis, sizeof v->dbis);
    v->map_bytes = s->map_bytes;
    memcpy(v->folder, s->folder, sizeof v->folder);
    memcpy(v->file, s->file, sizeof v->file);
    v->borrowed = true;
    rc = mdb_txn_begin(v->env, NULL, MDB_RDONLY, &v->read);
    if (rc != 0) {
        store_lmdb_fault(v, "begin a view", rc, fault);
        free(v);
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
        .copy = store_lmdb_copy,
        .bytes = lmdb_bytes,
        .view = lmdb_view,
        .renew = lmdb_renew,
        .close = lmdb_close,
    };
}
