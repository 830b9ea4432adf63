/* One file of a store, to read only: a backup, or the state of a node that does not run. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "statemachine/store_lmdb.h"

/* Binds the tables that the file has. */
static int find_tables(struct store_lmdb *s)
{
    int rc = 0;
    int t;

    for (t = 0; rc == 0 && t < TABLE_COUNT; t++) {
        rc = mdb_dbi_open(s->read, store_lmdb_names[t], 0, &s->dbis[t]);
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
    snprintf(s->file, sizeof s->file, "%s", path);
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
    store_lmdb_bind_reads(s, store);
    return 0;

fail_env:
    mdb_txn_abort(s->read); /* NULL is fine */
    mdb_env_close(s->env);
fail_free:
    store_lmdb_fault(s, "open", rc, fault);
    free(s);
    return -1;
}
