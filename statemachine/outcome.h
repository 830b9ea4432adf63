/* Outcomes: what applying one command answered, as data and as bytes between nodes. */
#ifndef FLORIN_OUTCOME_H
#define FLORIN_OUTCOME_H

#include "statemachine/record.h"

struct outcome {
    enum verdict verdict;
    bool replayed;   /* a client's repeat of an id that was decided before */
    bool has_record; /* money that was decided; the record borrows its slices */
    struct record record;
    int64_t balance_now_minor; /* with a record: the player's balance at this moment */
    unsigned conflicts;        /* VERDICT_IDEMPOTENCY_CONFLICT: bits of enum conflict_field */
    uint64_t at_ms;            /* the ledger's clock at this answer; a replay's first time is the
                                  record's at_ms */
};

/* Appends: u16 verdict, u8 flags (1: replayed, 2: with a record), u16 conflicts, u64 at_ms, then
 * with a record: i64 balance_now, u32 length, sealed record. */
void outcome_encode(const struct outcome *o, struct bytes *out);

/* The same with the record's sealed bytes at hand (o->record is not read): the state machine
 * encodes a record once, to hash, store and answer it. */
void outcome_encode_sealed(const struct outcome *o, struct slice sealed, struct bytes *out);

/* Decodes exactly len bytes; slices borrow. Pure; any thread. */
int outcome_decode(const void *data, size_t len, struct outcome *o, struct fault *fault);

#endif
