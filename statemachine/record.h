/* Ledger records: what happened, one for each decided money command, in the order of seq.
 *
 * A record's canonical bytes are defined here once: they are hashed into the chain, stored in LMDB,
 * sent between nodes and recomputed by auditors. hash = BLAKE2b-256(previous record's hash ||
 * canonical bytes); before the first record the previous hash is 32 zero bytes.
 *
 * Canonical bytes, version 1, integers little-endian:
 *   u8 version (1), u64 seq, u64 at_ms, u8 type, u16 verdict, u8 win kind, u8 scale,
 *   i64 amount, i64 requested, i64 balance, u64 previous,
 *   then strings, each u8 length and bytes: principal, id, player, currency, round, game, session,
 *   bet, original, gateway,
 *   then the debit and the credit account, each u8 kind, u8 length, name,
 *   then u8 count of postings, and for each: debit account, credit account (u8 kind, u8 length,
 *   name), i64 amount, i64 debit balance, i64 credit balance.
 * Version 2 is the first record after an action (action.h), and has behind that: u64 the newest
 * action's number, 32 bytes its hash. */
#ifndef FLORIN_RECORD_H
#define FLORIN_RECORD_H

#include "statemachine/bytes.h"
#include "statemachine/command.h"
#include "statemachine/report.h"
#include "statemachine/verdict.h"

enum {
    HASH_BYTES = 32,
    POSTINGS_MAX = 2,           /* a clamped rollback: what was there, and the shortfall */
    RECORD_ID_MAX = ID_MAX + 8, /* "<id>:confirm", "<id>:cancel": a withdrawal's end */
    RECORD_BYTES_MAX = 2048,
};

enum account_kind {
    ACCOUNT_PLAYER = 1,   /* player:NAME */
    ACCOUNT_PROVIDER = 2, /* provider:NAME */
    ACCOUNT_GATEWAY = 3,  /* gateway:NAME */
    ACCOUNT_HOUSE = 4,    /* house:shortfall, house:promo, house:adjustment */
};

struct account {
    enum account_kind kind;
    struct slice name;
};

enum { ACCOUNT_TEXT_MAX = 16 + ID_MAX };
/* "player:alice"; ends in NUL; returns the length. */
int account_format(struct account a, char text[static ACCOUNT_TEXT_MAX]);
/* Borrows from text; 0 or -1. */
int account_parse(struct slice text, struct account *a);

/* One movement: the debited account goes down by amount, the credited one goes up. */
struct posting {
    struct account debit;
    struct account credit;
    int64_t amount_minor; /* greater than zero */
    int64_t debit_balance_minor;
    int64_t credit_balance_minor;
};

struct record {
    uint64_t seq;   /* from 1, without gaps; 0 in the outcome of a dry run */
    uint64_t at_ms; /* the ledger's clock, Unix ms */
    enum command_type type;
    enum verdict verdict; /* always a recorded one */
    enum win_kind win_kind;
    uint8_t scale;
    int64_t amount_minor;    /* what moved from or to the player; zero when nothing did */
    int64_t requested_minor; /* what was asked for; a rollback asks for its original's amount */
    int64_t balance_minor;   /* the player's, right after */
    uint64_t previous;       /* the same player's record before this one, or zero */
    struct slice principal, id, player, currency, round, game, session, bet, original, gateway;
    /* By type: an adjustment's sign shows in debit and credit. A withdrawal moves nothing (amount
     * zero, requested what is held); its confirmation moves, its cancelling moves nothing; both
     * name it as their original. A round's closing has the currency of what opened the round. */
    struct account debit, credit; /* named even when nothing moved */
    struct posting postings[POSTINGS_MAX];
    uint8_t n_postings;
    uint64_t action;                 /* the newest one's number, when that is newer than the record
                                        before this one; else 0 */
    uint8_t action_hash[HASH_BYTES]; /* ... and its hash */
    uint8_t prev_hash[HASH_BYTES];   /* not in the canonical bytes: what they are chained to */
    uint8_t hash[HASH_BYTES];
};

/* Appends the canonical bytes (not the hashes). */
void record_encode(const struct record *r, struct bytes *out);

/* Decodes exactly `len` canonical bytes; slices borrow; hashes are left zero. */
int record_decode(const void *data, size_t len, struct record *r, struct fault *fault);

/* Pure; any thread. */
void record_hash(const uint8_t prev_hash[HASH_BYTES], const void *canonical, size_t len,
                 uint8_t hash[HASH_BYTES]);

/* A record with its two hashes as they travel and rest: canonical bytes, prev_hash, hash. */
void record_seal(const struct record *r, struct bytes *out);
int record_unseal(const void *data, size_t len, struct record *r, struct fault *fault);

#endif
