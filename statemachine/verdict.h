/* Verdicts: how the state machine answers a command. One named verdict for each refusal.
 *
 * Recorded verdicts take a seq and are given again to the same id for ever. The others change
 * nothing: the command named something that does not exist, or an id that is taken. Commands that
 * are not about money make no records; a session's opening, say, answers player_blocked without
 * one.
 *
 * Where several would fit, the first of this list is given:
 *   what was answered before under this id (or idempotency_conflict);
 *   unknown_currency, bad_amount, unknown_provider or unknown_gateway, unknown_player,
 *   unknown_session (bets only), unknown_round (round close only);
 *   rolled_back;
 *   currency_not_allowed (bets, adjustments, deposits, withdrawals: wins and rollbacks go on);
 *   currency_mismatch (of the player);
 *   player_blocked (bets: blocked or self-excluded), self_excluded (deposits);
 *   session_expired, round_closed (bets);
 *   limit_reached (bets, deposits; withdrawals: too many holds);
 *   balance_overflow; insufficient_funds. */
#ifndef FLORIN_VERDICT_H
#define FLORIN_VERDICT_H

#include <stdbool.h>

/* Values are in the log's outcomes and in ledger records: never renumber, only add. */
enum verdict {
    VERDICT_APPLIED = 0,
    VERDICT_TOMBSTONE = 1, /* a rollback of something unknown or refused: nothing moved */

    /* Recorded refusals. */
    VERDICT_INSUFFICIENT_FUNDS = 16,
    VERDICT_CURRENCY_MISMATCH = 17, /* the player does not hold it; or not the original's */
    VERDICT_PLAYER_MISMATCH = 18,   /* a rollback that names another player than its original */
    VERDICT_NOT_REVERSIBLE = 19,    /* the original is neither bet nor win */
    VERDICT_BALANCE_OVERFLOW = 20,  /* a balance would not fit an int64 */
    VERDICT_PLAYER_BLOCKED = 21,
    VERDICT_ROLLED_BACK = 22,          /* 409: a tombstone was here before */
    VERDICT_SESSION_EXPIRED = 23,      /* over, or closed */
    VERDICT_LIMIT_REACHED = 24,        /* a player's limit; or too many holds or limits */
    VERDICT_ROUND_CLOSED = 25,         /* 409 */
    VERDICT_CURRENCY_NOT_ALLOWED = 26, /* by the provider's or gateway's policy */
    VERDICT_SELF_EXCLUDED = 27,        /* a deposit */

    /* Not recorded: nothing happened. */
    VERDICT_IDEMPOTENCY_CONFLICT = 64,
    VERDICT_ALREADY_EXISTS = 65,
    VERDICT_BAD_AMOUNT = 66, /* more digits than the currency's scale; zero; too large */
    VERDICT_UNKNOWN_PLAYER = 67,
    VERDICT_UNKNOWN_CURRENCY = 68,
    VERDICT_UNKNOWN_PROVIDER = 69,
    VERDICT_UNKNOWN_GATEWAY = 70,
    VERDICT_UNKNOWN_TRANSACTION = 71,
    VERDICT_UNKNOWN_KEY = 72,
    VERDICT_UNKNOWN_SESSION = 73,
    VERDICT_UNKNOWN_ROUND = 74,
    VERDICT_HOLD_CLOSED = 75,      /* 409: the withdrawal was confirmed, cancelled or is over */
    VERDICT_FORBIDDEN_CHANGE = 76, /* 409: a self-exclusion can't be ended or shortened */
    VERDICT_IDS_SCOPE_FIXED = 77,  /* 409: it was decided when the principal was created */
};

bool verdict_is_success(enum verdict v);   /* applied or tombstone: HTTP 2xx */
bool verdict_is_recorded(enum verdict v);  /* takes a seq */
bool verdict_known(unsigned v);            /* a decoder's check */
int verdict_status(enum verdict v);        /* the contract's HTTP status: 200, 404, 409, 422 ... */
const char *verdict_code(enum verdict v);  /* "insufficient_funds"; also `outcome` in the ledger */
const char *verdict_title(enum verdict v); /* one plain sentence for a person */

/* Fields that may differ in an idempotency conflict, as bits. */
enum conflict_field {
    CONFLICT_TYPE = 1 << 0,
    CONFLICT_PLAYER = 1 << 1,
    CONFLICT_CURRENCY = 1 << 2,
    CONFLICT_AMOUNT = 1 << 3,
    CONFLICT_ROUND = 1 << 4,
    CONFLICT_GAME = 1 << 5,
    CONFLICT_SESSION = 1 << 6,
    CONFLICT_BET = 1 << 7,
    CONFLICT_ORIGINAL = 1 << 8,
    CONFLICT_GATEWAY = 1 << 9,
    CONFLICT_KIND = 1 << 10,
    CONFLICT_ITEMS = 1 << 11, /* an atomic command: some of its items are known, some not */
    CONFLICT_CLOSE_ROUND =
        1 << 12, /* ... all are, but its round is open: it was not to be closed */
    CONFLICT_EXPIRES_S = 1 << 13,
};
enum { CONFLICT_FIELDS = 14 };

/* The name of bit `1 << i` as the contract spells the field. */
const char *conflict_field_name(int i);

#endif
