/* A store as programs wrote it before there were runs (format 1): a tree for each table, and
 * nothing but its name and the table's in the checksums. For tests that open one. */
#ifndef FLORIN_OLD_STORE_H
#define FLORIN_OLD_STORE_H

#include "statemachine/crc32c.h"
#include "statemachine/store_lmdb.h"
#include "tests/unit/ledger_fixture.h"

static inline void old_store_must(int rc, const char *what)
{
    if (rc != 0) {
        fprintf(stderr, "%s: %s\n", what, mdb_strerror(rc));
        exit(1);
    }
}

static inline void old_store_put(MDB_txn *txn, MDB_dbi dbi, enum store_table table,
                                 struct slice key, struct slice value)
{
    uint8_t head = (uint8_t)table;
    uint32_t crc = crc32c(crc32c(crc32c(0, &head, 1), key.base, key.len), value.base, value.len);
    MDB_val k = store_lmdb_val(key), v = {value.len + STORE_CHECK_BYTES, NULL};

    old_store_must(mdb_put(txn, dbi, &k, &v, MDB_RESERVE), "put");
    memcpy(v.mv_data, value.base, value.len);
    store_le32((uint8_t *)v.mv_data + value.len, crc);
}

static inline void old_store_copy_table(struct store *from, MDB_txn *txn, enum store_table table)
{
    char text[STORE_KEY_MAX + 1];
    struct slice after = {"", 0}, key, value;
    struct fault fault;
    MDB_dbi dbi;

    old_store_must(mdb_dbi_open(txn, store_lmdb_names[table], MDB_CREATE, &dbi), "a table");
    while (from->seek(from->impl, table, after, &key, &value, &fault) == 1) {
        old_store_put(txn, dbi, table, key, value);
        memcpy(text, key.base, key.len);
        text[key.len] = 0;
        after = (struct slice){text, key.len + 1};
    }
}

/* The store in `folder`, which nobody has open, becomes an old one with the first `tables` tables.
 */
static inline void old_store_make(const char *folder, unsigned tables)
{
    uint8_t format[] = {1, (uint8_t)tables};
    MDB_val k = {6, "florin"}, v = {sizeof format, format};
    char path[300], old[300];
    struct store from;
    struct fault fault;
    unsigned t;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi unnamed;

    snprintf(path, sizeof path, "%s/data.mdb", folder);
    snprintf(old, sizeof old, "%s/old.mdb", folder);
    if (store_lmdb_open_file(&from, path, &fault) != 0) {
        fprintf(stderr, "%s\n", fault.text);
        exit(1);
    }
    old_store_must(mdb_env_create(&env), "old store");
    old_store_must(mdb_env_set_maxdbs(env, TABLE_COUNT), "old store");
    old_store_must(mdb_env_set_mapsize(env, FIXTURE_MAP_BYTES), "old store");
    old_store_must(mdb_env_open(env, old, MDB_NOSUBDIR | MDB_NOLOCK, 0600), "old store");
    old_store_must(mdb_txn_begin(env, NULL, 0, &txn), "old store");
    old_store_must(mdb_dbi_open(txn, NULL, 0, &unnamed), "old store");
    old_store_must(mdb_put(txn, unnamed, &k, &v, 0), "its format");
    for (t = 0; t < tables; t++) {
        old_store_copy_table(&from, txn, t);
    }
    old_store_must(mdb_txn_commit(txn), "old store");
    mdb_env_close(env);
    from.close(from.impl);
    if (rename(old, path) != 0) {
        perror(path);
        exit(1);
    }
}

#endif
