/* Verifies a ledger from its records alone, one after the other, from the first.
 *
 * Guarantees, when no call has failed: the sequence has no gap; every record's hash is the hash of
 * its canonical bytes chained to the record before it; the clock never goes back, nor do the
 * actions that records hold; each record links to the same player's record before it; no
 * (principal, id) was decided twice, or no (principal, player, id) where ids are unique per player;
 * a refusal moved nothing; every balance that a record states is the replay's; no player was ever
 * below zero; and per currency all balances add up to zero.
 *
 * What is kept: a balance for each account and currency, and 24 bytes for each record. */
#ifndef FLORIN_LEDGER_VERIFY_H
#define FLORIN_LEDGER_VERIFY_H

#include "statemachine/record.h"

struct ledger_verifier;

/* What a currency's accounts hold together; house is all that is neither of the others. */
struct ledger_total {
    char currency[ID_MAX + 1];
    uint8_t scale;
    int64_t players_minor, providers_minor, gateways_minor, house_minor;
};

/* Ends the process when memory is out, as all of this does: an audit half done is no audit. */
struct ledger_verifier *ledger_verifier_new(void);
void ledger_verifier_free(struct ledger_verifier *v);

/* Has this principal's scope of ids been said? The ledger does not hold it: whoever feeds records
 * asks for it, and says it before the principal's first record. Unsaid: unique for the principal.
 */
bool ledger_verifier_knows(const struct ledger_verifier *v, struct slice principal);
void ledger_verifier_ids(struct ledger_verifier *v, struct slice principal, enum ids_scope scope);

/* The next record. 0, or -1 with the fault "seq N (id ...): what breaks"; after that the verifier
 * must not be fed again. Keeps nothing of *r. */
int ledger_verifier_add(struct ledger_verifier *v, const struct record *r, struct fault *fault);

/* The checks over the whole; to be called once, after the last record. */
int ledger_verifier_finish(struct ledger_verifier *v, struct fault *fault);

uint64_t ledger_verifier_head(const struct ledger_verifier *v, uint8_t hash[HASH_BYTES]);
/* The newest action that the ledger holds: its number (0: none) and hash. */
uint64_t ledger_verifier_actions(const struct ledger_verifier *v, uint8_t hash[HASH_BYTES]);
size_t ledger_verifier_accounts(const struct ledger_verifier *v);
size_t ledger_verifier_totals(const struct ledger_verifier *v, const struct ledger_total **totals);

#endif
