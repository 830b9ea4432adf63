/* Outcomes: what applying one command answered, as data and as bytes between nodes. */
#ifndef FLORIN_OUTCOME_H
#define FLORIN_OUTCOME_H

#include "statemachine/record.h"

/* A session as it is after a command. Times in Unix ms, 0: not yet. */
struct session_info {
    struct slice id;
    struct slice player;
    struct slice provider; /* empty: a player's session, from a login */
    struct slice game;
    uint64_t opened_at_ms;
    uint64_t expires_at_ms;
    uint64_t closed_at_ms;
    uint64_t authenticated_at_ms; /* the first time */
    uint32_t reminder_s;          /* 0: none */
};

struct outcome {
    enum verdict verdict;
    bool replayed;   /* a client's repeat of an id that was decided before */
    bool has_record; /* money that was decided; the record borrows its slices */
    bool dry_run;    /* nothing was changed; a record that would be new has seq 0 and no hash */
    struct record record;
    int64_t balance_now_minor; /* with a record: the player's balance at this moment */
    unsigned conflicts;        /* VERDICT_IDEMPOTENCY_CONFLICT: bits of enum conflict_field */
    uint64_t at_ms;            /* the ledger's clock at this answer; a replay's first time is the
                                  record's at_ms */

    bool has_session; /* commands about sessions, when applied */
    struct session_info session;

    /* An atomic command. Applied: the items' outcomes, in order: walk with outcome_next. Refused:
     * which item it was (from 0), and whose record this is if has_record. */
    uint16_t n_items;
    struct cursor items;
    bool has_item;
    uint8_t item;
};

/* Appends: u16 verdict, u8 flags (1: replayed, 2: with a record, 4: dry run, 8: with a session,
 * 16: with items, 32: with the item that was refused), u16 conflicts, u64 at_ms, then
 * with a record: i64 balance_now, u32 length, sealed record;
 * with a session: texts (u8 length, bytes) id, player, provider, game, u64 opened, expires, closed,
 * authenticated at, u32 reminder_s;
 * with items: u16 count, and for each u32 length, outcome (without items);
 * with the item: u8. For encoding, o->items holds the items as they are to stand there, without the
 * count. */
void outcome_encode(const struct outcome *o, struct bytes *out);

/* The same with the record's sealed bytes at hand (o->record is not read): the state machine
 * encodes a record once, to hash, store and answer it. */
void outcome_encode_sealed(const struct outcome *o, struct slice sealed, struct bytes *out);

/* Decodes exactly len bytes; slices borrow. Pure; any thread. */
int outcome_decode(const void *data, size_t len, struct outcome *o, struct fault *fault);

/* The next of o's items: 1 with *item filled (borrowing), 0 at the end, -1 when malformed. */
int outcome_next(struct outcome *o, struct outcome *item, struct fault *fault);

#endif
