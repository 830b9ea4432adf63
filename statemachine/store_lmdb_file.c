/* One file of a store, to read only: a backup, or the state of a node that does not run. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "statemachine/store_lmdb.h"

/* Binds the tables that the file has. */
static int find_tables(struct store_lmdb *s, struct fault *fault)
{
    int tables;
    int format = store_lmdb_format(s, s->read, &tables, fault);
    int rc = 0;
    int t;

    if (format < 0) {
        return -1;
    }
    for (t = 0; rc == 0 && t < TABLE_COUNT; t++) {
        rc = mdb_dbi_open(s->read, store_lmdb_names[t], 0, &s->trees[t].dbi);
        if (rc == MDB_NOTFOUND && t >= tables) {
            s->absent[t] = true;
            rc = 0;
        }
    }
    if (rc == 0) {
        rc = store_runs_open(s, s->read, format < FORMAT_WITH_RUNS ? 1 : RUN_SLOTS, 0);
    }
    if (rc == 0 && format >= FORMAT_WITH_FOLDS) {
        rc = store_pending_open(s, s->read, 0);
    }
    if (rc != 0) {
        rc = rc == MDB_NOTFOUND || rc == MDB_INCOMPATIBLE ? MDB_CORRUPTED : rc;
        return store_lmdb_fault(s, "open", rc, fault);
    }
    return store_lmdb_look(s, format, fault);
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
    snprintf(s->file, sizeof s->file, "%s", path);
    rc = mdb_env_create(&s->env);
    if (rc != 0) {
        store_lmdb_fault(s, "open", rc, fault);
        free(s);
        return -1;
    }
    store_runs_init(s);
    rc = mdb_env_set_maxdbs(s->env, STORE_DATABASES);
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
    if (rc != 0) {
        store_lmdb_fault(s, "open", rc, fault);
        goto fail_env;
    }
    if (find_tables(s, fault) != 0) {
        goto fail_env;
    }
    store_lmdb_bind_reads(s, store);
    return 0;

fail_env:
    store_runs_release(s);
    mdb_txn_abort(s->read); /* NULL is fine */
    mdb_env_close(s->env);
    free(s);
    return -1;
}
