/* The store: what a checkpoint writes and a look-up falls back to. Ordered tables of bytes.
 *
 * Contract: a commit is atomic and durable when it returns 0, and holds the applied index with the
 * data of that index: whatever is opened after a crash is one checkpoint, whole. Reads see the last
 * commit at the time of store_renew, not later. LMDB in production (store_lmdb.c); the simulator
 * brings one that loses power. */
#ifndef FLORIN_STORE_H
#define FLORIN_STORE_H

#include <stdint.h>

#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum {
    STORE_KEY_MAX = 480,
    STORE_NO_ROOM = -2, /* the disk, or the store's limit, is full; nothing is changed */
};

/* A table's number is its place on disk: never renumber, only add. */
enum store_table {
    TABLE_META = 0, /* "applied", "chain", "clock", "format", ... */
    TABLE_CURRENCY = 1,
    TABLE_PRINCIPAL = 2,
    TABLE_KEY = 3,
    TABLE_PLAYER = 4,
    TABLE_BALANCE = 5,     /* account and currency */
    TABLE_TRANSACTION = 6, /* (principal, perhaps player, id): the idempotency table */
    TABLE_LEDGER = 7,      /* seq, big-endian: sealed records */
    TABLE_SESSION = 8,     /* session id */
    TABLE_TOKEN = 9,       /* token hash: whose session it is, or was */
    TABLE_ROUND = 10,      /* provider, player, round */
    TABLE_HOLD = 11,       /* as of the withdrawal's transaction */
    TABLE_LIMIT = 12,      /* player: its limits; what is used of them is in its balances */
    TABLE_PASSWORD = 13,   /* player */
    TABLE_ACTION = 14,     /* number, big-endian: sealed actions */
    TABLE_ORIGIN = 15,     /* origin of a command, big-endian: the number of the action it was */
    TABLE_COUNT = 16,
};

struct store_write {
    enum store_table table;
    struct slice key;
    struct slice value; /* there are no deletes: the ledger forgets nothing */
};

struct store {
    void *impl;

    /* Loop thread. 1 found (value borrows until the next renew), 0 not found (and *value is
     * left alone), -1 fault. */
    int (*get)(void *impl, enum store_table table, struct slice key, struct slice *value,
               struct fault *fault);

    /* Loop thread. The first key >= `key` in the table: 1, 0 none, -1 fault. */
    int (*seek)(void *impl, enum store_table table, struct slice key, struct slice *found,
                struct slice *value, struct fault *fault);

    /* Checkpointer thread (one at a time). Writes are sorted by table, then key, ascending, keys
     * unique; the ledger's keys stand above all that it holds already. Durable on 0. On -1 nothing
     * is changed. STORE_NO_ROOM with the fault: nothing either, and it may be tried again. */
    int (*commit)(void *impl, const struct store_write *writes, size_t n, struct fault *fault);

    /* Checkpointer thread, after a commit, which may leave work that changes nothing that is read:
     * does a part of it, about `most` (> 0) pages, durable on return. 1: perhaps there is more, 0:
     * nothing was left, -1 and STORE_NO_ROOM as of commit. The next commit does what was not done.
     * NULL: never any. */
    int (*fold)(void *impl, size_t most, struct fault *fault);

    /* Any thread, also beside a commit: writes the last commit, whole, to `fd` in the form that
     * the store is opened from. May be NULL where nobody copies. */
    int (*copy)(void *impl, int fd, struct fault *fault);
    /* About how many bytes that is. Loop thread. */
    uint64_t (*bytes)(void *impl);

    /* Any thread, also beside a commit: a store of its own that shows the last commit as of now,
     * whatever is committed after it. Only get, seek, copy and close work; it belongs to one thread
     * and is closed before this one. While it is open nothing that it shows is given back to the
     * disk, so the file grows: not for long. May be NULL where nobody looks. */
    int (*view)(void *impl, struct store *view, struct fault *fault);

    /* Loop thread: see the newest commit from now on. */
    int (*renew)(void *impl, struct fault *fault);

    void (*close)(void *impl);
};

/* Opens or creates the LMDB environment in `folder` (exists). map_bytes bounds its size: a commit
 * that needs more is a fault that says so. One process opens a folder once at a time. */
int store_lmdb_open(struct store *store, const char *folder, size_t map_bytes, struct fault *fault);

/* Whom to tell when LMDB itself finds its pages damaged, on any thread; it must not return. Without
 * one LMDB aborts with a line of its own. */
void store_lmdb_on_damage(struct store *store,
                          void (*on_damage)(void *context, const struct fault *fault),
                          void *context);

/* Opens one file that `copy` has written, or the `data.mdb` of a folder that no process has open,
 * to read only: get, seek, copy and close work. Nothing is changed or left beside the file, and
 * what stands behind the state in it is not looked at. */
int store_lmdb_open_file(struct store *store, const char *path, struct fault *fault);

#endif
