/* A record with every field filled, for the tests of what carries records. */
#ifndef FLORIN_RECORD_FIXTURE_H
#define FLORIN_RECORD_FIXTURE_H

#include "statemachine/record.h"

static inline struct record full_record(void)
{
    struct record r = {
        .seq = 7,
        .at_ms = 1700000000123,
        .type = COMMAND_WIN,
        .verdict = VERDICT_APPLIED,
        .win_kind = WIN_PROMO,
        .scale = 5,
        .amount_minor = 30,
        .requested_minor = 50,
        .balance_minor = 1000,
        .previous = 3,
        .principal = slice_of("demo"),
        .id = slice_of("w1"),
        .player = slice_of("alice"),
        .currency = slice_of("EUR"),
        .round = slice_of("r"),
        .game = slice_of("g"),
        .session = slice_of("s"),
        .bet = slice_of("b1"),
        .original = slice_of("o1"),
        .gateway = slice_of("bank"),
        .debit = {ACCOUNT_PLAYER, slice_of("alice")},
        .credit = {ACCOUNT_PROVIDER, slice_of("demo")},
        .n_postings = 2,
    };

    r.postings[0] = (struct posting){r.debit, r.credit, 30, 0, -70};
    r.postings[1] =
        (struct posting){{ACCOUNT_HOUSE, slice_of("shortfall")}, r.credit, 20, -20, INT64_MIN};
    memset(r.prev_hash, 0x11, HASH_BYTES);
    memset(r.hash, 0x22, HASH_BYTES);
    return r;
}

#endif
