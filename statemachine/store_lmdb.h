/* The inside of the LMDB store, shared by store_lmdb.c (reads, commits),
 * store_lmdb_open.c, store_lmdb_copy.c and store_lmdb_file.c (one file, to read only). */
#ifndef FLORIN_STORE_LMDB_H
#define FLORIN_STORE_LMDB_H

#include <lmdb.h>
#include <stdbool.h>
#include <stdio.h>

#include "statemachine/store.h"

enum { STORE_CHECK_BYTES = 4 }; /* behind each value */

struct store_lmdb {
    MDB_env *env;
    MDB_dbi dbis[TABLE_COUNT];
    MDB_txn *read;
    MDB_cursor *cursors[TABLE_COUNT]; /* made when first needed; bound to `read` */
    bool stale[TABLE_COUNT];          /* the cursor is from before the last renew */
    size_t map_bytes;
    bool absent[TABLE_COUNT]; /* a file of before this table was thought of */
    bool borrowed;            /* a view: the environment is another's */
    char folder[256];         /* these two for messages */
    char file[272];
    void (*on_damage)(void *context, const struct fault *fault);
    void *context;
};

extern const char *const store_lmdb_names[TABLE_COUNT];

/* The fault for LMDB's error `rc`; -1, or STORE_NO_ROOM. */
int store_lmdb_fault(const struct store_lmdb *s, const char *what, int rc, struct fault *fault);
/* "FOLDER/data.mdb is damaged (WHAT: HOW): REMEDY"; -1. */
int store_lmdb_damage(const struct store_lmdb *s, const char *what, const char *how,
                      struct fault *fault);

/* Makes the file as long as its last commit says if it is shorter, and with `cut` if it is longer,
 * too (never while anybody commits). 0, or LMDB's or the system's error. */
int store_lmdb_fit(struct store_lmdb *s, bool cut);

/* As struct store says; blocks until all is written, and is for a thread that may. */
int store_lmdb_copy(void *impl, int fd, struct fault *fault);

/* The functions of the store; or only those that read. */
void store_lmdb_bind_reads(struct store_lmdb *s, struct store *store);
void store_lmdb_bind(struct store_lmdb *s, struct store *store);

#endif
