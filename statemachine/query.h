/* Questions that change nothing, and their answers, as data and as bytes between nodes. */
#ifndef FLORIN_QUERY_H
#define FLORIN_QUERY_H

#include "statemachine/outcome.h"

enum {
    QUERY_RECORDS_MAX = 1000, /* records in one answer */
    BALANCES_MAX = 64,        /* currencies in one answer, and that one player may hold */
};

enum query_type {
    QUERY_TRANSACTION = 1, /* principal, id: the record decided under them */
    QUERY_BALANCES = 2,    /* player */
    QUERY_HISTORY = 3,     /* player, seq (before; 0: from the newest), limit: newest first */
    QUERY_LEDGER = 4,      /* seq (from), limit: ascending */
    QUERY_KEY = 5,         /* name: the key's principal, role and hash */
    QUERY_HEAD = 6,        /* last seq and its hash */
};

struct query {
    enum query_type type;
    struct slice principal, id, player, name;
    uint64_t seq;
    uint32_t limit; /* 1 to QUERY_RECORDS_MAX; only for _HISTORY and _LEDGER */
};

struct balance {
    struct slice currency;
    uint8_t scale;
    int64_t balance_minor;
    int64_t available_minor; /* balance less what is reserved */
};

/* `verdict` is VERDICT_APPLIED, or the VERDICT_UNKNOWN_... that says what does not exist.
 * Which members are filled depends on the query; slices borrow from the decoded bytes. */
struct answer {
    enum verdict verdict;

    struct balance balances[BALANCES_MAX]; /* QUERY_BALANCES */
    uint32_t n_balances;

    struct cursor sealed; /* QUERY_TRANSACTION, _HISTORY, _LEDGER: walk with answer_next_record */
    uint32_t n_records;
    /* _HISTORY: `before` of the next page; _LEDGER: its `from`; 0: no more. A page may be empty and
     * still have a next one: a history that begins at a seq that is not the player's own is looked
     * for in bounded steps. */
    uint64_t next;

    struct slice principal; /* QUERY_KEY; also a tombstone's rollback id in QUERY_TRANSACTION */
    enum role role;
    uint8_t secret_hash[SECRET_HASH_BYTES];
    bool disabled;

    uint64_t seq; /* QUERY_HEAD */
    uint8_t hash[HASH_BYTES];
};

/* A query: u8 type, u64 seq, u32 limit, then principal, id, player, name, each u8 length and bytes.
 * The decoder borrows, and refuses a missing or invalid name and a limit out of bounds. */
void query_encode(const struct query *q, struct bytes *out);
int query_decode(const void *data, size_t len, struct query *q, struct fault *fault);

/* An answer: u8 type of its query, u16 verdict, then by type
 *   QUERY_TRANSACTION          u8 length, tombstone's rollback id (or empty), records
 *   QUERY_BALANCES             u8 count, each: u8 length, currency, u8 scale, i64 balance,
 *                              i64 available
 *   QUERY_HISTORY, _LEDGER     u64 next, records
 *   QUERY_KEY                  u8 length, principal, u8 role, u8 disabled, 32 bytes of hash
 *   QUERY_HEAD                 u64 seq, 32 bytes of hash
 * where records are u32 count, and for each u32 length, sealed record; integers little-endian.
 * With a verdict other than applied, members that do not apply are zero or empty.
 * For encoding, a->sealed holds the records as they are to stand there, without the count. */
void answer_encode(const struct answer *a, enum query_type type, struct bytes *out);
int answer_decode(const void *data, size_t len, struct answer *a, struct fault *fault);

/* The next record of an answer: 1 with *r filled (borrowing), 0 at the end, -1 when malformed. */
int answer_next_record(struct answer *a, struct record *r, struct fault *fault);

#endif
