/* Records of several sorted sources, poured in order into one run: of each key the youngest
 * source's counts. For store_lmdb_merge.c, in a commit's transaction. */
#ifndef FLORIN_STORE_LMDB_POUR_H
#define FLORIN_STORE_LMDB_POUR_H

#include "statemachine/store_lmdb.h"

struct store_source {
    MDB_cursor *cursor; /* of a run; NULL: the commit's writes */
    uint64_t run;
    const struct store_write *writes;
    size_t n_writes;
    bool more; /* key and value are the next record */
    struct slice key, value;
};

struct store_pour {
    struct store_lmdb *s;
    MDB_txn *txn;
    enum store_table table;
    struct fault *fault;
    MDB_cursor *out;
    uint64_t run;
    unsigned n;
    struct store_source sources[RUN_SLOTS + 1]; /* from the youngest to the oldest */
    uint64_t taken;                             /* records of the sources that are done with */
};

/* All return 0, -1 or STORE_NO_ROOM; store_pour_close is needed in any case.
 *
 * Into the run of this number in this tree, behind what it has. */
int store_pour_open(struct store_pour *p, struct store_lmdb *s, MDB_txn *txn,
                    enum store_table table, MDB_dbi out, uint64_t run, struct fault *fault);
void store_pour_close(struct store_pour *p);

/* The next older source: a commit's writes, or a run. */
int store_pour_add_writes(struct store_pour *p, const struct store_write *writes, size_t n);
/* ... from its first key above `after`; empty: from its first. */
int store_pour_add_run(struct store_pour *p, MDB_dbi dbi, uint64_t run, struct slice after);

/* The last key that was poured before this was opened (borrowed; empty: none). */
int store_pour_last(struct store_pour *p, struct slice *last);

/* Pours until `most` records of the sources are taken, or a few more; or all. 1: there are more. */
int store_pour(struct store_pour *p, uint64_t most);

#endif
