/* Opening the LMDB store: nothing of it is believed before the file is as long as it says.
 *
 * LMDB maps its file; a page behind the file's end is SIGBUS. Its last page number tells how long
 * the file must be, but for pages that a commit took and gave back without ever writing them: these
 * may lie behind the end. So every commit fills the file up to its last page (store_lmdb_fit), and
 * a file that is short was cut off; or the process died between the two steps, and then the few
 * pages that are missing are all in the list of free ones. */
#include "statemachine/store_lmdb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FORMAT_BYTES = 2,     /* the format, the number of tables */
    UNWRITTEN_PAGES = 64, /* more than one commit takes and gives back */
};

static const char format_name[] = "florin"; /* in the unnamed table, beside the tables' names */

const char *const store_lmdb_names[TABLE_COUNT] = {
    "meta",    "currency", "principal", "key",  "player", "balance",  "transaction", "ledger",
    "session", "token",    "round",     "hold", "limit",  "password", "action",      "origin"};

/* How long the file is and should be, in pages. */
static int measure(struct store_lmdb *s, uint64_t *pages, uint64_t *expected, uint64_t *page_bytes)
{
    MDB_envinfo info;
    MDB_stat stat;
    struct stat st;
    mdb_filehandle_t fd;
    int rc;

    if ((rc = mdb_env_info(s->env, &info)) != 0 || (rc = mdb_env_stat(s->env, &stat)) != 0 ||
        (rc = mdb_env_get_fd(s->env, &fd)) != 0) {
        return rc;
    }
    if (fstat(fd, &st) != 0) {
        return errno;
    }
    *page_bytes = stat.ms_psize;
    *pages = (uint64_t)st.st_size / stat.ms_psize;
    *expected = (uint64_t)info.me_last_pgno + 1;
    return 0;
}

int store_lmdb_fit(struct store_lmdb *s, bool cut)
{
    uint64_t pages, expected, page_bytes;
    mdb_filehandle_t fd;
    int rc = measure(s, &pages, &expected, &page_bytes);

    if (rc != 0 || pages == expected || (pages > expected && !cut)) {
        return rc;
    }
    rc = mdb_env_get_fd(s->env, &fd);
    if (rc != 0) {
        return rc;
    }
    return ftruncate(fd, (off_t)(expected * page_bytes)) == 0 ? 0 : errno;
}

/* How many pages from `first` on are in the list of free ones. Each stands there once. */
static int count_free(struct store_lmdb *s, uint64_t first, uint64_t *count)
{
    enum { FREE_TABLE = 0 };
    MDB_cursor *cursor;
    MDB_txn *txn;
    MDB_val k, v;
    int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

    *count = 0;
    if (rc != 0) {
        return rc;
    }
    rc = mdb_cursor_open(txn, FREE_TABLE, &cursor);
    while (rc == 0 && (rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
        const size_t *list = v.mv_data; /* a count, then so many page numbers */
        size_t i;

        if (v.mv_size < sizeof *list || list[0] > v.mv_size / sizeof *list - 1) {
            rc = MDB_CORRUPTED;
        }
        for (i = 1; rc == 0 && i <= list[0]; i++) {
            *count += list[i] >= first;
        }
    }
    mdb_txn_abort(txn); /* and the cursor with it */
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int check_length(struct store_lmdb *s, struct fault *fault)
{
    uint64_t pages, expected, page_bytes, unwritten;
    char how[128];
    int rc = measure(s, &pages, &expected, &page_bytes);

    if (rc != 0) {
        return store_lmdb_fault(s, "open", rc, fault);
    }
    if (pages >= expected) {
        return 0;
    }
    snprintf(how, sizeof how, "%llu bytes, and it was %llu",
             (unsigned long long)(pages * page_bytes), (unsigned long long)(expected * page_bytes));
    if (expected - pages > UNWRITTEN_PAGES) {
        return store_lmdb_damage(s, "the file was cut off", how, fault);
    }
    rc = count_free(s, pages, &unwritten);
    if (rc != 0) {
        return store_lmdb_fault(s, "the list of free pages", rc, fault);
    }
    if (unwritten < expected - pages) {
        return store_lmdb_damage(s, "the file was cut off", how, fault);
    }
    rc = store_lmdb_fit(s, false);
    return rc == 0 ? 0 : store_lmdb_fault(s, "open", rc, fault);
}

static MDB_val format_key(void)
{
    return (MDB_val){sizeof format_name - 1, (void *)(uintptr_t)format_name};
}

int store_lmdb_format(struct store_lmdb *s, MDB_txn *txn, int *tables, struct fault *fault)
{
    MDB_val k = format_key(), v;
    const uint8_t *format;
    MDB_stat stat;
    int rc;

    if ((rc = mdb_dbi_open(txn, NULL, 0, &s->unnamed)) != 0 ||
        (rc = mdb_stat(txn, s->unnamed, &stat)) != 0) {
        return store_lmdb_fault(s, "open", rc, fault);
    }
    *tables = 0;
    if (stat.ms_entries == 0) {
        return 0;
    }
    rc = mdb_get(txn, s->unnamed, &k, &v);
    if (rc == MDB_NOTFOUND) {
        return fault_set(fault,
                         "store %s: it was written before values had checksums: rebuild this "
                         "node from the others",
                         s->folder);
    }
    format = v.mv_data;
    if (rc != 0 || v.mv_size != FORMAT_BYTES || format[0] == 0) {
        return store_lmdb_fault(s, "its format", rc == 0 ? MDB_CORRUPTED : rc, fault);
    }
    if (format[0] > FILE_FORMAT || format[1] > TABLE_COUNT) {
        return fault_set(fault,
                         "store %s: it has a newer format than this program knows: use the "
                         "newer one",
                         s->folder);
    }
    *tables = format[1];
    return format[0];
}

/* Tables that the file should have and has not are damaged names; the others are made. */
static int open_tables(struct store_lmdb *s, MDB_txn *txn, int format, int tables,
                       struct fault *fault)
{
    const char *what = NULL;
    int rc = 0;
    int t;

    for (t = 0; t < TABLE_COUNT && rc == 0; t++) {
        what = store_lmdb_names[t];
        rc = mdb_dbi_open(txn, what, t < tables ? 0 : MDB_CREATE, &s->trees[t].dbi);
    }
    if (rc == 0) {
        what = "runs";
        rc = store_runs_open(s, txn, RUN_SLOTS, format < FORMAT_WITH_RUNS ? MDB_CREATE : 0);
    }
    if (rc == 0) {
        what = "pending";
        rc = store_pending_open(s, txn, format < FORMAT_WITH_FOLDS ? MDB_CREATE : 0);
    }
    rc = rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE ? MDB_CORRUPTED : rc;
    return rc == 0 ? 0 : store_lmdb_fault(s, what, rc, fault);
}

/* A new file, or one of an older format or with fewer tables, becomes one of ours. Its tables are
 * left as they are. */
static int write_format(struct store_lmdb *s, MDB_txn *txn, int format, struct fault *fault)
{
    const uint8_t now[FORMAT_BYTES] = {FILE_FORMAT, TABLE_COUNT};
    MDB_val k = format_key(), v = {sizeof now, (void *)(uintptr_t)now};
    int rc = mdb_put(txn, s->unnamed, &k, &v, 0);
    int t;

    for (t = 0; t < TABLE_COUNT && rc == 0 && format < FORMAT_WITH_FOLDS; t++) {
        struct store_manifest m;

        if (store_lmdb_runs_of(t) < 0) {
            continue;
        }
        if (store_manifest_load(s, txn, t, format, &m, fault) != 0) {
            return -1;
        }
        rc = store_manifest_save(s, txn, t, &m);
    }
    if (rc == 0 && format < FORMAT_WITH_FOLDS) {
        rc = store_pending_begin(s, txn);
    }
    return rc == 0 ? 0 : store_lmdb_fault(s, "open", rc, fault);
}

static int open_content(struct store_lmdb *s, struct fault *fault)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(s->env, NULL, 0, &txn);
    int format, tables;

    if (rc != 0) {
        return store_lmdb_fault(s, "open", rc, fault);
    }
    format = store_lmdb_format(s, txn, &tables, fault);
    if (format < 0 || open_tables(s, txn, format, tables, fault) != 0 ||
        ((format < FILE_FORMAT || tables < TABLE_COUNT) &&
         write_format(s, txn, format, fault) != 0)) {
        mdb_txn_abort(txn);
        return -1;
    }
    rc = mdb_txn_commit(txn);
    return rc == 0 ? 0 : store_lmdb_fault(s, "open", rc, fault);
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

/* LMDB found its own pages to make no sense. It ends the process if this returns. */
static void on_assert(MDB_env *env, const char *message)
{
    struct store_lmdb *s = mdb_env_get_userctx(env);
    struct fault fault;

    store_lmdb_damage(s, "LMDB", message, &fault);
    if (s->on_damage != NULL) {
        s->on_damage(s->context, &fault);
    }
}

void store_lmdb_on_damage(struct store *store,
                          void (*on_damage)(void *context, const struct fault *fault),
                          void *context)
{
    struct store_lmdb *s = store->impl;

    s->on_damage = on_damage;
    s->context = context;
}

void store_lmdb_set_run_least(struct store *store, uint64_t keys)
{
    struct store_lmdb *s = store->impl;

    s->run_least = keys;
}

static int open_env(struct store_lmdb *s)
{
    int rc, dead;

    if ((rc = mdb_env_set_userctx(s->env, s)) != 0 ||
        (rc = mdb_env_set_assert(s->env, on_assert)) != 0 ||
        (rc = mdb_env_set_mapsize(s->env, s->map_bytes)) != 0 ||
        (rc = mdb_env_set_maxdbs(s->env, STORE_DATABASES)) != 0 ||
        (rc = mdb_env_open(s->env, s->folder, MDB_NOTLS | MDB_NORDAHEAD, 0600)) != 0) {
        return rc;
    }
    /* A reader that was killed would keep its old pages from being used again for ever. */
    return mdb_reader_check(s->env, &dead);
}

int store_lmdb_open(struct store *store, const char *folder, size_t map_bytes, struct fault *fault)
{
    struct store_lmdb *s = calloc(1, sizeof *s);
    int rc;

    if (s == NULL) {
        return fault_set(fault, "store %s: out of memory", folder);
    }
    snprintf(s->folder, sizeof s->folder, "%s", folder);
    snprintf(s->file, sizeof s->file, "%s/data.mdb", s->folder);
    s->map_bytes = map_bytes;
    store_runs_init(s);
    rc = mdb_env_create(&s->env);
    if (rc != 0) {
        store_lmdb_fault(s, "open", rc, fault);
        goto fail_free;
    }
    rc = open_env(s);
    if (rc != 0) {
        store_lmdb_fault(s, "open", rc, fault);
        goto fail_env;
    }
    if (check_length(s, fault) != 0 || open_content(s, fault) != 0) {
        goto fail_env;
    }
    if ((rc = store_lmdb_fit(s, false)) != 0 || (rc = sync_folder(folder)) != 0 ||
        (rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &s->read)) != 0) {
        store_lmdb_fault(s, "open", rc, fault);
        goto fail_env;
    }
    if (store_lmdb_look(s, FILE_FORMAT, fault) != 0) {
        goto fail_env;
    }
    store_lmdb_bind(s, store);
    return 0;

fail_env:
    mdb_txn_abort(s->read); /* NULL is fine */
    mdb_env_close(s->env);
fail_free:
    store_runs_release(s);
    free(s);
    return -1;
}
