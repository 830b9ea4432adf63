/* Who is asking: bearer keys, looked up in the ledger and kept in a small cache.
 *
 * Guarantees: a key works at every node as soon as its creation was answered; an unknown key and a
 * wrong secret look the same from outside; garbage costs a bounded number of linearizable reads.
 *
 * How: the cache holds keys of one version of the node's directory, and is dropped when the version
 * grows (gate_view.directory_version). On a miss the node's own state is asked; only if the key is
 * not there either, a linearizable read decides, and those are rationed: beyond the ration the
 * answer is 503 `overloaded`, not a 401 that might be wrong. */
#ifndef FLORIN_CREDENTIAL_H
#define FLORIN_CREDENTIAL_H

#include "api/problem.h"
#include "consensus/submit.h"

/* A linearizable read for an unknown key: this many at once, and this many a second. */
enum { UNKNOWN_KEYS_PER_SECOND = 200 };

struct principal {
    char name[ID_MAX + 1];
    enum role role;
};

struct credentials;

struct credentials *credentials_new(struct gate *gate); /* borrows the gate */
void credentials_free(struct credentials *c);

/* Checks `Bearer KEYID.SECRET` (the value of Authorization; NULL when there is none). 0 and *who,
 * or -1 and the problem: 401, or 503 when it can't be decided now. Worker threads; may wait up to
 * timeout_ms. */
int credentials_check(struct credentials *c, const char *authorization, unsigned timeout_ms,
                      struct principal *who, struct problem *problem);

/* What is kept of a secret: BLAKE2b-256 of its text. */
void credential_hash(struct slice secret, uint8_t hash[SECRET_HASH_BYTES]);

#endif
