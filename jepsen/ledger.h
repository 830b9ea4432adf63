/* The ledger that a run left behind, as its nodes gave it: files of one JSON entry a line.
 *
 * Records are kept as their sealed bytes (statemachine/record.h), found by seq, by (provider, id)
 * and by a player's account. What can be held against a ledger alone (the chain, the books, the
 * copies of the other nodes) is checked by ledger_verify and ledgers_differ. One thread. */
#ifndef FLORIN_JEPSEN_LEDGER_H
#define FLORIN_JEPSEN_LEDGER_H

#include "statemachine/record.h"

/* Of one player in one currency: where its records are in `order`. */
struct ledger_account {
    uint64_t first_seq;
    size_t begin, count;
    uint8_t scale;
};

struct ledger {
    uint64_t n;           /* records 1 .. n */
    struct bytes sealed;  /* all records */
    struct bytes offsets; /* size_t, of record seq at [seq - 1] */
    uint64_t *by_id;      /* open addressing: seq or zero */
    size_t by_id_mask;
    int64_t *balance_minor; /* of record seq's player right after, at [seq - 1] */
    uint32_t *account_of;   /* ... and which account that is */
    struct ledger_account *accounts;
    size_t n_accounts;
    uint32_t *by_account; /* open addressing: account + 1 or zero */
    size_t by_account_mask;
    uint64_t *order; /* seqs, account by account */
};

void ledger_init(struct ledger *l);
void ledger_release(struct ledger *l);

/* Fills a fresh ledger. 0, or -1 with the fault "line N: ..."; what came before that line is kept.
 * Seqs must be 1, 2, 3 ...; nothing else is judged here. */
int ledger_read(struct ledger *l, struct slice text, struct fault *fault);

/* The record's slices borrow from the ledger. 1 <= seq <= l->n. */
void ledger_record(const struct ledger *l, uint64_t seq, struct record *r);

/* All that has been decided under a name: call with *slot = 0, until it returns zero. An end of a
 * withdrawal is found by the withdrawal's id, with `end`. */
uint64_t ledger_find(const struct ledger *l, struct slice provider, struct slice id, bool end,
                     size_t *slot);

/* NULL when that player never had an entry in that currency. */
const struct ledger_account *ledger_account(const struct ledger *l, struct slice player,
                                            struct slice currency);

/* Chain and books, by cluster-config/ledger_verify.h; 0, or -1 with the fault. *chain tells whether
 * it is the chain that is broken. */
int ledger_check(const struct ledger *l, bool *chain, struct fault *fault);

/* Zero when both are the same bytes; else the first line that differs, from 1, and both lines. */
size_t ledgers_differ(struct slice a, struct slice b, struct slice *line_a, struct slice *line_b);

#endif
