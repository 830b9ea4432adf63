/* The store on LMDB: one named database for each table.
 *
 * Guarantees: a commit is one LMDB transaction, synced before it returns (never NOSYNC, MAPASYNC or
 * WRITEMAP: a power cut may not cost the database). Reads go through one read transaction that
 * store_renew moves to the newest commit; so what they show never changes in between, and LMDB
 * keeps the pages they need while the checkpointer writes.
 *
 * Flags: MDB_NOTLS lets the loop thread hold its read transaction while another thread writes.
 * MDB_NORDAHEAD: most reads are for single random keys (is this id taken?), for which reading ahead
 * would only push useful pages out of memory once the store is larger than it. */
#include "statemachine/store.h"

#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct store_lmdb {
    MDB_env *env;
    MDB_dbi dbis[TABLE_COUNT];
    MDB_txn *read;
    MDB_cursor *cursors[TABLE_COUNT]; /* made when first needed; bound to `read` */
    bool stale[TABLE_COUNT];          /* the cursor is from before the last renew */
    bool absent[TABLE_COUNT];         /* a file of before this table was thought of */
    bool borrowed;                    /* a view: the environment is another's */
    size_t map_bytes;
    char folder[256]; /* for messages */
};

static const char *const table_names[TABLE_COUNT] = {
    "meta",   "currency", "principal", "key",   "player", "balance", "transaction",
    "ledger", "session",  "token",     "round", "hold",   "limit",   "password"};

static int bad(const struct store_lmdb *s, const char *what, int rc, struct fault *fault)
{
    if (rc == MDB_MAP_FULL) {
        return fault_set(fault,
                         "store %s: full: it reached its limit of %zu MiB; give it a larger limit "
                         "in the configuration (and room on the disk), then start again",
                         s->folder, s->map_bytes >> 20);
    }
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID) {
        return fault_set(
            fault,
            "store %s: %s: damaged (%s); rebuild this node from the others, or restore "
            "a backup",
            s->folder, what, mdb_strerror(rc));
    }
    if (rc == EIO || rc == ENOSPC) { /* LMDB says EIO for a write that was cut short, too */
        return fault_set(fault,
                         "store %s: %s: %s: the disk is full or failing: see to it, then start "
                         "this node again",
                         s->folder, what, mdb_strerror(rc));
    }
    return fault_set(fault, "store %s: %s: %s", s->folder, what, mdb_strerror(rc));
}

static MDB_val value_of(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.base};
}

static struct slice slice_from(MDB_val v)
{
    return (struct slice){v.mv_data, v.mv_size};
}

static int lmdb_get(void *impl, enum store_table table, struct slice key, struct slice *value,
                    struct fault *fault)
{
    struct store_lmdb *s = impl;
    MDB_val k = value_of(key), v;
    int rc = s->absent[table] ? MDB_NOTFOUND : mdb_get(s->read, s->dbis[table], &k, &v);

    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return bad(s, "read", rc, fault);
    }
    *value = slice_from(v);
    return 1;
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

static int lmdb_seek(void *impl, enum store_table table, struct slice key, struct slice *found,
                     struct slice *value, struct fault *fault)
{
    struct store_lmdb *s = impl;
    MDB_val k = value_of(key), v;
    int rc = s->absent[table] ? MDB_NOTFOUND : bind_cursor(s, table);

    if (rc == 0) {
        /* LMDB knows no empty key: the first of all is asked for by another name. */
        rc = mdb_cursor_get(s->cursors[table], &k, &v, key.len == 0 ? MDB_FIRST : MDB_SET_RANGE);
    }
    if (rc == MDB_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return bad(s, "seek", rc, fault);
    }
    *found = slice_from(k);
    *value = slice_from(v);
    return 1;
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
        MDB_val k = value_of(writes[*n].key), v = value_of(writes[*n].value);

        /* The ledger only grows at its end: appending fills its pages to the last byte, and LMDB
         * refuses a record that is not above all others. */
        rc = mdb_cursor_put(cursor, &k, &v, table == TABLE_LEDGER ? MDB_APPEND : 0);
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
        return bad(s, "begin a commit", rc, fault);
    }
    for (done = 0; done < n; done += of_table) {
        of_table = n - done;
        rc = put_table(s, txn, &writes[done], &of_table);
        if (rc != 0) {
            mdb_txn_abort(txn);
            return bad(s, table_names[writes[done].table], rc, fault);
        }
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : bad(s, "commit", rc, fault);
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
    return rc == 0 ? 0 : bad(s, "renew the read transaction", rc, fault);
}

static int lmdb_copy(void *impl, int fd, struct fault *fault)
{
    struct store_lmdb *s = impl;
    int rc = mdb_env_copyfd2(s->env, fd, 0);

    return rc == 0 ? 0 : bad(s, "copy", rc, fault);
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

static void reads_only(struct store *store, struct store_lmdb *s)
{
    *store = (struct store){
        .impl = s,
        .get = lmdb_get,
        .seek = lmdb_seek,
        .copy = lmdb_copy,
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
    v->borrowed = true;
    rc = mdb_txn_begin(v->env, NULL, MDB_RDONLY, &v->read);
    if (rc != 0) {
        bad(v, "begin a view", rc, fault);
        free(v);
        return -1;
    }
    reads_only(view, v);
    return 0;
}

static int open_tables(struct store_lmdb *s)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
    int t;

    for (t = 0; rc == 0 && t < TABLE_COUNT; t++) {
        rc = mdb_dbi_open(txn, table_names[t], MDB_CREATE, &s->dbis[t]);
        if (rc != 0) {
            mdb_txn_abort(txn);
            return rc;
        }
    }
    return rc == 0 ? mdb_txn_commit(txn) : rc;
}

/* LMDB syncs its file, not the folder that names it: without this a new store could be gone after a
 * power cut although its first commit was durable. */
static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = 0;

    if (fd < 0) {
        return errno;
    }
    if (fsync(fd) != 0) {
        rc = errno;
    }
    close(fd);
    return rc;
}

int store_lmdb_open(struct store *store, const char *folder, size_t map_bytes, struct fault *fault)
{
    struct store_lmdb *s = calloc(1, sizeof *s);
    int rc, dead;

    if (s == NULL) {
        return fault_set(fault, "store %s: out of memory", folder);
    }
    snprintf(s->folder, sizeof s->folder, "%s", folder);
    s->map_bytes = map_bytes;
    rc = mdb_env_create(&s->env);
    if (rc != 0) {
        goto fail_free;
    }
    rc = mdb_env_set_mapsize(s->env, map_bytes);
    if (rc == 0) {
        rc = mdb_env_set_maxdbs(s->env, TABLE_COUNT);
    }
    if (rc == 0) {
        rc = mdb_env_open(s->env, folder, MDB_NOTLS | MDB_NORDAHEAD, 0600);
    }
    if (rc == 0) {
        /* A reader that was killed would keep its old pages from being used again for ever. */
        rc = mdb_reader_check(s->env, &dead);
    }
    if (rc == 0) {
        rc = open_tables(s);
    }
    if (rc == 0) {
        rc = sync_folder(folder);
    }
    if (rc == 0) {
        rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->read);
    }
    if (rc != 0) {
        goto fail_env;
    }
    *store = (struct store){
        .impl = s,
        .get = lmdb_get,
        .seek = lmdb_seek,
        .commit = lmdb_commit,
        .copy = lmdb_copy,
        .bytes = lmdb_bytes,
        .view = lmdb_view,
        .renew = lmdb_renew,
        .close = lmdb_close,
    };
    return 0;

fail_env:
    mdb_env_close(s->env);
fail_free:
    bad(s, "open", rc, fault);
    free(s);
    return -1;
}

/* Binds the tables that the file has. */
static int find_tables(struct store_lmdb *s)
{
    int rc = 0;
    int t;

    for (t = 0; rc == 0 && t < TABLE_COUNT; t++) {
        rc = mdb_dbi_open(s->read, table_names[t], 0, &s->dbis[t]);
        if (rc == MDB_NOTFOUND) {
            s->absent[t] = true;
            rc = 0;
        }
    }
    return rc;
}

/* Reading beyond the end of a file that is mapped ends the process. */
static int check_whole(const struct store_lmdb *s, const char *path)
{
    MDB_envinfo info;
    struct stat at;
    MDB_stat stats;
    int rc = mdb_env_info(s->env, &info);

    if (rc == 0) {
        rc = mdb_env_stat(s->env, &stats);
    }
    if (rc == 0 && stat(path, &at) != 0) {
        rc = errno;
    }
    if (rc == 0 && (uint64_t)at.st_size / stats.ms_psize < (uint64_t)info.me_last_pgno + 1) {
        rc = MDB_CORRUPTED;
    }
    return rc;
}

int store_lmdb_open_file(struct store *store, const char *path, struct fault *fault)
{
    struct store_lmdb *s = calloc(1, sizeof *s);
    int rc;

    if (s == NULL) {
        return fault_set(fault, "store %s: out of memory", path);
    }
    snprintf(s->folder, sizeof s->folder, "%s", path);
    rc = mdb_env_create(&s->env);
    if (rc != 0) {
        goto fail_free;
    }
    rc = mdb_env_set_maxdbs(s->env, TABLE_COUNT);
    if (rc == 0) { /* LMDB takes a file's own size when that is more than the map's */
        rc = mdb_env_open(s->env, path,
                          MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOTLS | MDB_NORDAHEAD, 0);
    }
    if (rc == 0) {
        rc = check_whole(s, path);
    }
    if (rc == 0) {
        rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->read);
    }
    if (rc == 0) {
        rc = find_tables(s);
    }
    if (rc != 0) {
        goto fail_env;
    }
    reads_only(store, s);
    return 0;

fail_env:
    mdb_txn_abort(s->read); /* NULL is fine */
    mdb_env_close(s->env);
fail_free:
    bad(s, "open", rc, fault);
    free(s);
    return -1;
}
