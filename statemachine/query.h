/* Questions that change nothing, and their answers, as data and as bytes between nodes. */
#ifndef FLORIN_QUERY_H
#define FLORIN_QUERY_H

#include "statemachine/action.h"
#include "statemachine/outcome.h"

enum {
    QUERY_RECORDS_MAX = 1000, /* records in one answer */
    BALANCES_MAX = 64,        /* currencies in one answer, and that one player may hold */
    ROUNDS_PAGE_MAX = 1000,   /* rounds in one answer */
    LIMITS_PER_PLAYER = 64,
    ACTIONS_BYTES_MAX = 1 << 20, /* a page of actions ends with the one that passes this */
};

enum query_type {
    QUERY_TRANSACTION = 1, /* principal, id, and player or none: the record decided under them.
                              Where ids are unique per player there is none without the player; else
                              a player that is named must be the record's */
    QUERY_BALANCES = 2,    /* player */
    QUERY_HISTORY = 3,     /* player, seq (before; 0: from the newest), limit: newest first */
    QUERY_LEDGER = 4,      /* seq (from), limit: ascending */
    QUERY_KEY = 5,         /* name: the key, its principal and that one's policy */
    QUERY_HEAD = 6,        /* last seq and its hash */
    QUERY_ROUNDS = 7,      /* principal, player or all, limit; after (name = player, id = round), or
                              from the first: open rounds, in the table's own order */
    QUERY_SESSION = 8,     /* name: the session */
    QUERY_PLAYER = 9,      /* player: status and limits */
    QUERY_PRINCIPAL = 10,  /* name: role, disabled, policy */
    QUERY_PASSWORD = 11,   /* player: the password's hash; unknown_player when there is none */
    QUERY_ACTIONS = 12,    /* seq (the first one's number), limit: ascending */
    QUERY_ACTIONS_BEFORE = 13, /* seq (before; 0: from the newest), limit: newest first */
};

struct query {
    enum query_type type;
    struct slice principal, id, player, name;
    uint64_t seq;
    uint32_t
        limit; /* 1 to QUERY_RECORDS_MAX; only for _HISTORY, _LEDGER, _ROUNDS and _ACTIONS... */
};

struct balance {
    struct slice currency;
    uint8_t scale;
    int64_t balance_minor;
    int64_t available_minor; /* balance less what is reserved */
};

struct policy {
    enum shortfall shortfall;
    enum ids_scope ids_scope;
    uint32_t rate_per_s; /* 0: no limit */
    struct slice currencies[CURRENCIES_PER_PLAYER];
    uint8_t n_currencies; /* 0: all */
    struct slice ip_allow[IP_ALLOW_MAX];
    uint8_t n_ip_allow; /* 0: from anywhere */
};

struct round_info {
    struct slice player;
    struct slice round;
    struct slice currency; /* of the bet or win that opened it */
    uint64_t opened_at_ms;
    uint32_t bets; /* applied ones, less those rolled back */
};

/* A limit as it is now, and what will become of it. */
struct limit_info {
    enum limit_kind kind;
    enum limit_period period;
    struct slice currency;
    uint8_t scale;
    int64_t amount_minor;
    int64_t used_minor; /* in the present period; never below zero */
    bool pending;       /* a loosening waits */
    bool pending_none;  /* ... the limit goes */
    int64_t pending_minor;
    uint64_t effective_at_ms;
};

/* `verdict` is VERDICT_APPLIED, or the VERDICT_UNKNOWN_... that says what does not exist.
 * Which members are filled depends on the query; slices borrow from the decoded bytes. */
struct answer {
    enum verdict verdict;

    struct balance balances[BALANCES_MAX]; /* QUERY_BALANCES */
    uint32_t n_balances;

    struct cursor sealed; /* QUERY_TRANSACTION, _HISTORY, _LEDGER: walk with answer_next_record;
                             _ACTIONS and _ACTIONS_BEFORE: with answer_next_action */
    uint32_t n_records;
    /* _HISTORY, _ACTIONS_BEFORE: `before` of the next page; _LEDGER, _ACTIONS: its `from`; 0: no
     * more. A page may be empty and
     * still have a next one: a history that begins at a seq that is not the player's own is looked
     * for in bounded steps. */
    uint64_t next;

    struct slice principal; /* QUERY_KEY; also a tombstone's rollback id in QUERY_TRANSACTION */
    enum role role;
    uint8_t secret_hash[SECRET_HASH_BYTES];
    bool disabled; /* the key */
    enum key_kind key_kind;
    struct slice key_sealed; /* an hmac key's secret, sealed */
    bool principal_disabled; /* QUERY_KEY, _PRINCIPAL (with role), as the policy */
    struct policy policy;

    uint64_t seq; /* QUERY_HEAD */
    uint8_t hash[HASH_BYTES];

    /* QUERY_ROUNDS: walk with answer_next_round. Page on with these two; empty: no more. A page may
     * be empty and still have a next one: closed rounds are passed in bounded steps. */
    struct cursor rounds;
    uint32_t n_rounds;
    struct slice next_player, next_round;

    struct session_info session; /* QUERY_SESSION */

    /* QUERY_PLAYER; status as it is at this moment: one that is over is active. */
    enum player_status status;
    uint64_t until_ms;
    uint64_t created_at_ms;
    uint32_t reminder_s;
    bool has_password;
    struct limit_info limits[LIMITS_PER_PLAYER];
    uint32_t n_limits;

    struct slice password_hash; /* QUERY_PASSWORD */
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
 *   QUERY_ACTIONS, ..._BEFORE  the same, with sealed actions for records
 *   QUERY_KEY                  u8 length, principal, u8 role, u8 disabled, 32 bytes of hash, u8
 *                              kind, u8 length, sealed, u8 principal disabled, policy
 *   QUERY_HEAD                 u64 seq, 32 bytes of hash
 *   QUERY_ROUNDS               next player, next round (texts), u32 count, each: player, round,
 *                              currency (texts), u64 opened at, u32 bets
 *   QUERY_SESSION              as in an outcome
 *   QUERY_PLAYER               u8 status, u64 until, u64 created at, u32 reminder, u8 has password,
 *                              u8 count, each limit: u8 kind, u8 period, text currency, u8 scale,
 *                              i64 amount, i64 used, u8 pending (1, 2: none), i64 pending amount,
 *                              u64 effective at
 *   QUERY_PRINCIPAL            u8 role, u8 disabled, policy
 *   QUERY_PASSWORD             u8 length, hash
 * where a policy is u8 bits (1: shortfall is reject, 2: ids are unique per player), u32 rate, u8
 * count and texts: currencies, the same: ip_allow;
 * where records are u32 count, and for each u32 length, sealed record; integers little-endian.
 * With a verdict other than applied, members that do not apply are zero or empty.
 * For encoding, a->sealed holds the records as they are to stand there, without the count. */
void answer_encode(const struct answer *a, enum query_type type, struct bytes *out);
int answer_decode(const void *data, size_t len, struct answer *a, struct fault *fault);

/* The next round of an answer: 1 with *r filled (borrowing), 0 at the end, -1 when malformed. */
int answer_next_round(struct answer *a, struct round_info *r, struct fault *fault);

/* The next record of an answer: 1 with *r filled (borrowing), 0 at the end, -1 when malformed. */
int answer_next_record(struct answer *a, struct record *r, struct fault *fault);
int answer_next_action(struct answer *a, struct action *action, struct fault *fault);

#endif
