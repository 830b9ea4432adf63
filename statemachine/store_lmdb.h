/* The inside of the LMDB store: store_lmdb.c (reads, commits), store_lmdb_record.c (what stands in
 * the file for one record, and its faults), store_lmdb_runs.c (reading tables in sorted runs),
 * store_lmdb_manifest.c (which runs a table has), store_lmdb_merge.c and store_lmdb_pour.c (writing
 * and merging them), store_lmdb_pending.c (writes that wait for their place), store_lmdb_open.c,
 * store_lmdb_copy.c and store_lmdb_file.c (one file, to read only). */
#ifndef FLORIN_STORE_LMDB_H
#define FLORIN_STORE_LMDB_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>

#include "statemachine/store.h"

enum {
    STORE_CHECK_BYTES = 4, /* behind each value */
    STORE_NTH_BYTES = 4,   /* before that, of a record that is pending: which of them it is */
    FILE_FORMAT = 3,       /* of the file as a whole: 1: values end with a checksum */
    FORMAT_WITH_RUNS = 2,  /* ... from here on some tables are in runs */
    FORMAT_WITH_FOLDS = 3, /* ... and a commit may leave work to be folded in after it */
};

/* One of LMDB's trees, as one reader sees it. */
struct store_tree {
    MDB_dbi dbi;
    MDB_cursor *cursor; /* made when first needed; bound to the reader's transaction */
    bool stale;         /* the cursor is from before the last renew */
    uint64_t run;       /* the number of the run in it; 0: none, or one of before there were runs */
};

/* Tables in runs (store_lmdb_runs.c). */
enum {
    RUN_TABLES = 2,  /* how many of the tables are */
    RUN_FANOUT = 4,  /* so many runs of one level become one of the next */
    RUN_LEVELS = 15, /* 0 to 14: beyond what any disk holds */
    RUN_SLOTS = 48,  /* databases of each such table: a run, or the output of a merge, in each.
                        Without a merge under way no level has RUN_FANOUT runs: 46 at most */
    RUN_LEAST_KEYS = 1024, /* a run with fewer keys is written anew with the next commit's */
    PENDING_TABLES = 4,    /* whose writes may wait (store_lmdb_pending.c) */
    STORE_DATABASES = TABLE_COUNT + RUN_TABLES * (RUN_SLOTS - 1) + PENDING_TABLES,
};

struct store_run {
    uint8_t slot;
    uint8_t level;
    bool merging;     /* an input of its level's merge */
    uint64_t number;  /* never used twice in a table; goes into the checksums of what it holds */
    uint64_t written; /* how many keys were written for it, or at least as many as it holds */
};

struct store_merge {
    uint8_t slot;  /* its output */
    uint8_t level; /* of its inputs, which are the runs of this level that are `merging` */
    uint64_t number;
    uint64_t taken; /* how many records of the inputs are in the output, or were superseded */
};

struct store_manifest {
    uint64_t next_number;
    uint64_t owed; /* for so many keys that were written, merges did not go on yet */
    unsigned n_runs, n_merges;
    struct store_run runs[RUN_SLOTS]; /* from the youngest to the oldest */
    struct store_merge merges[RUN_LEVELS];
};

/* Where a walk is in one run: the first key that is not lower than what was asked for. */
struct store_place {
    enum { PLACE_UNKNOWN, PLACE_AT, PLACE_END } is;
    struct slice key, value;
};

/* A table in runs, as one reader sees it. Look-ups and walks have cursors of their own, so that one
 * does not cost the other its place. */
struct store_runs {
    struct store_manifest manifest;
    struct store_tree gets[RUN_SLOTS], walks[RUN_SLOTS];
    struct store_place places[RUN_SLOTS]; /* of the walk, by the run's place in the manifest */
    uint8_t asked[STORE_KEY_MAX + 1];     /* what the places are the answer to */
    size_t asked_len;
};

/* Writes of one commit that wait for their place. */
struct store_batch {
    uint64_t number; /* given once */
    uint64_t records;
};

/* What is pending of a table, as one reader sees it. */
struct store_pending {
    struct store_tree tree;
    struct store_batch batch;
};

/* How far it is folded. */
struct store_progress {
    uint64_t done; /* records; 0: it is to begin */
    size_t next_len;
    uint8_t next[STORE_KEY_MAX];
};

/* How far each merge of a table is to go on for what is owed. */
struct store_plan {
    bool made;
    unsigned n;
    struct {
        uint64_t number; /* the merge's */
        uint64_t left;   /* records */
    } merges[RUN_LEVELS];
};

/* How far what a commit left is folded. */
struct store_fold {
    struct store_progress pending[PENDING_TABLES];
    struct store_plan plans[RUN_TABLES];
};

struct store_lmdb {
    MDB_env *env;
    struct store_tree trees[TABLE_COUNT]; /* of tables that are not in runs */
    struct store_runs *runs[RUN_TABLES];
    struct store_pending pending[PENDING_TABLES];
    struct store_fold fold; /* the checkpointer's */
    MDB_dbi unnamed;        /* the names of all, the format, the manifests */
    MDB_txn *read;
    size_t map_bytes;
    uint64_t run_least;       /* RUN_LEAST_KEYS */
    bool absent[TABLE_COUNT]; /* a file of before this table was thought of */
    bool borrowed;            /* a view: the environment is another's */
    char folder[256];         /* these two for messages */
    char file[272];
    void (*on_damage)(void *context, const struct fault *fault);
    void *context;
};

extern const char *const store_lmdb_names[TABLE_COUNT];

/* Which of the tables in runs it is; -1: none. Tables whose keys are mostly new and come in no
 * order are: in one tree nearly every key would cost a page of its own. */
static inline int store_lmdb_runs_of(enum store_table table)
{
    return table == TABLE_TRANSACTION ? 0 : table == TABLE_ROUND ? 1 : -1;
}

/* Which of the tables whose writes may wait it is; -1: none. */
static inline int store_lmdb_pending_of(enum store_table table)
{
    return table == TABLE_PLAYER    ? 0
           : table == TABLE_BALANCE ? 1
           : table == TABLE_SESSION ? 2
           : table == TABLE_TOKEN   ? 3
                                    : -1;
}

static inline MDB_val store_lmdb_val(struct slice s)
{
    return (MDB_val){s.len, (void *)(uintptr_t)s.base};
}

static inline struct slice store_lmdb_slice(MDB_val v)
{
    return (struct slice){v.mv_data, v.mv_size};
}

/* The fault for LMDB's error `rc`; -1, or STORE_NO_ROOM. */
int store_lmdb_fault(const struct store_lmdb *s, const char *what, int rc, struct fault *fault);
/* "FOLDER/data.mdb is damaged (WHAT: HOW): REMEDY"; -1. */
int store_lmdb_damage(const struct store_lmdb *s, const char *what, const char *how,
                      struct fault *fault);

/* The same for a table; HOW is what is wrong with it. */
int store_lmdb_damaged_table(const struct store_lmdb *s, enum store_table table, const char *how,
                             struct fault *fault);

/* Checks what stands in the file under this key, in this run (0: none), and gives the value without
 * its checksum. */
int store_lmdb_take(const struct store_lmdb *s, enum store_table table, uint64_t run, MDB_val key,
                    MDB_val stored, struct slice *value, struct fault *fault);
/* Puts one with its checksum. LMDB's error. */
int store_lmdb_put(MDB_cursor *cursor, enum store_table table, uint64_t run, struct slice key,
                   struct slice value, unsigned flags);

/* The same, for a tree whose records are counted, from 0: so that of two neighbours is known that
 * nothing was between them. */
int store_lmdb_put_nth(MDB_cursor *cursor, enum store_table table, uint64_t run, uint64_t nth,
                       struct slice key, struct slice value, unsigned flags);
/* Takes its number off such a value. */
int store_lmdb_take_nth(const struct store_lmdb *s, enum store_table table, struct slice *value,
                        uint64_t *nth, struct fault *fault);

/* A tree's cursor, ready for its reader. LMDB's error. */
int store_tree_bind(struct store_lmdb *s, struct store_tree *t);
/* As struct store's seek, in one tree. */
int store_tree_seek(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                    struct slice key, struct slice *found, struct slice *value,
                    struct fault *fault);
int store_tree_get(struct store_lmdb *s, enum store_table table, struct store_tree *t,
                   struct slice key, struct slice *value, struct fault *fault);

/* As struct store's, for a table in runs. */
int store_runs_get(struct store_lmdb *s, enum store_table table, struct slice key,
                   struct slice *value, struct fault *fault);
int store_runs_seek(struct store_lmdb *s, enum store_table table, struct slice key,
                    struct slice *found, struct slice *value, struct fault *fault);

/* Opens the databases of all tables in runs, the first of which is the table's own and open; with
 * MDB_CREATE the others are made. LMDB's error. */
int store_runs_open(struct store_lmdb *s, MDB_txn *txn, unsigned slots, unsigned flags);
/* Makes room for them / gives it back with all cursors. */
void store_runs_init(struct store_lmdb *s);
void store_runs_release(struct store_lmdb *s);
/* A view's: the same databases. */
void store_runs_share(struct store_lmdb *view, const struct store_lmdb *s);
/* The runs of the reader's transaction, which is new. `format` as in store_manifest_load. */
int store_runs_renew(struct store_lmdb *s, int format, struct fault *fault);

/* What the reader's transaction, which is new, has beside plain trees: runs and pending records. */
int store_lmdb_look(struct store_lmdb *s, int format, struct fault *fault);

/* The file's format; and how many tables it has, in *tables. 0: the file is empty. -1: it has none,
 * or one that this program does not know. */
int store_lmdb_format(struct store_lmdb *s, MDB_txn *txn, int *tables, struct fault *fault);

/* The runs of a table as of `txn`. A file of format 1 has no manifest, and one run in slot 0. */
int store_manifest_load(struct store_lmdb *s, MDB_txn *txn, enum store_table table, int format,
                        struct store_manifest *m, struct fault *fault);
/* LMDB's error. */
int store_manifest_save(struct store_lmdb *s, MDB_txn *txn, enum store_table table,
                        const struct store_manifest *m);
/* The level of a run for which so many keys were written. */
unsigned store_manifest_level(const struct store_lmdb *s, uint64_t written);

/* The table's part of a commit: `n` writes, at least one, all of this table. 0, -1, or
 * STORE_NO_ROOM; then the transaction is to be aborted. */
int store_merge_commit(struct store_lmdb *s, MDB_txn *txn, const struct store_write *writes,
                       size_t n, struct fault *fault);

/* Tables whose writes wait (store_lmdb_pending.c). Opens the databases; with MDB_CREATE they are
 * made, and store_pending_begin is needed, which says that nothing is pending. LMDB's error. */
int store_pending_open(struct store_lmdb *s, MDB_txn *txn, unsigned flags);
int store_pending_begin(struct store_lmdb *s, MDB_txn *txn);
void store_pending_release(struct store_lmdb *s);
/* A view's: the same databases. */
void store_pending_share(struct store_lmdb *view, const struct store_lmdb *s);
/* What is pending in the reader's transaction, which is new. */
int store_pending_renew(struct store_lmdb *s, int format, struct fault *fault);
/* As struct store's, for such a table. */
int store_pending_get(struct store_lmdb *s, enum store_table table, struct slice key,
                      struct slice *value, struct fault *fault);
int store_pending_seek(struct store_lmdb *s, enum store_table table, struct slice key,
                       struct slice *found, struct slice *value, struct fault *fault);
/* Whether so many writes of this table are to wait. */
bool store_pending_takes(enum store_table table, size_t n);
/* The table's part of a commit, when nothing is pending any more: 0, -1, or STORE_NO_ROOM. */
int store_pending_put(struct store_lmdb *s, MDB_txn *txn, const struct store_write *writes,
                      size_t n, struct fault *fault);
/* Goes on from *at with at most so many records, and has it say where that ends: 1, 0 when
 * nothing was pending, -1, or STORE_NO_ROOM. */
int store_pending_fold(struct store_lmdb *s, MDB_txn *txn, uint64_t most, struct store_fold *at,
                       struct fault *fault);

/* Goes on with what a table owes, in the same way. */
int store_merge_fold(struct store_lmdb *s, MDB_txn *txn, enum store_table table, uint64_t most,
                     struct store_plan *plan, struct fault *fault);

/* Of an open store, before its first commit: how many keys a run has at least, so that a small
 * ledger has as many levels as a large one. */
void store_lmdb_set_run_least(struct store *store, uint64_t keys);

/* Makes the file as long as its last commit says if it is shorter, and with `cut` if it is longer,
 * too (never while anybody commits). 0, or LMDB's or the system's error. */
int store_lmdb_fit(struct store_lmdb *s, bool cut);

/* As struct store says; blocks until all is written, and is for a thread that may. */
int store_lmdb_copy(void *impl, int fd, struct fault *fault);

/* The functions of the store; or only those that read. */
void store_lmdb_bind_reads(struct store_lmdb *s, struct store *store);
void store_lmdb_bind(struct store_lmdb *s, struct store *store);

#endif
