/* Who is asking, and may they come in now: keys, looked up in the ledger and kept in a small cache.
 *
 * Guarantees: a key works at every node as soon as its creation was answered, and a change of a key
 * or of its principal's policy counts at a node as soon as that node has applied it; an unknown key
 * and a wrong secret look the same from outside; garbage costs a bounded number of linearizable
 * reads, and nothing of anybody's rate;
 * a key's secret can't be guessed at faster than WRONG_SECRETS says, as far as one address goes.
 *
 * How: the cache holds keys of one version of the node's directory, and is dropped when the version
 * grows (gate_view.directory_version). On a miss the node's own state is asked; only if the key is
 * not there either, a linearizable read decides, and those are rationed: beyond the ration the
 * answer is 503 `overloaded`, not a 401 that might be wrong. What a principal's policy says (the
 * client's address, the rate) is checked after the secret, so only the key's holder uses it up. */
#ifndef FLORIN_CREDENTIAL_H
#define FLORIN_CREDENTIAL_H

#include "api/limiter.h"
#include "api/problem.h"
#include "api/signature.h"
#include "consensus/submit.h"

enum {
    /* A linearizable read for an unknown key: this many at once, and this many a second. */
    UNKNOWN_KEYS_PER_SECOND = 200,
    /* Wrong secrets of one key from one address: this many at once, and then one in this time. */
    WRONG_SECRETS = 50,
    WRONG_SECRET_EVERY_S = 2,
};

struct principal {
    char name[ID_MAX + 1];
    char key[ID_MAX + 1]; /* the one that it came with */
    enum role role;
    enum ids_scope ids_scope;
};

/* What a request brings along to be let in; headers that were not sent are NULL. */
struct claim {
    const char *authorization;     /* Bearer KEYID.SECRET */
    const char *key;               /* Florin-Key, and with it */
    const char *timestamp;         /* Florin-Timestamp */
    const char *signature;         /* Florin-Signature */
    const char *address;           /* the peer's, as text */
    struct signed_request request; /* its timestamp is filled in by credentials_check */
};

struct credentials;

/* Borrows the gate and the limiter. box_key opens the secrets of hmac keys and is copied; NULL:
 * this node can't check signatures, and says so (503). */
struct credentials *credentials_new(struct gate *gate, struct limiter *limiter,
                                    const uint8_t *box_key);
void credentials_free(struct credentials *c);

/* 0 and *who, or -1 and the problem: 401 when the claim is not good, 403 when the principal is
 * disabled or may not come from this address, 429 when it comes too often or was guessed at, 503
 * when that can't be decided now. Worker threads; may wait up to timeout_ms. */
int credentials_check(struct credentials *c, struct claim *claim, unsigned timeout_ms,
                      struct principal *who, struct problem *problem);

/* What is kept of a bearer secret: BLAKE2b-256 of its text. */
void credential_hash(struct slice secret, uint8_t hash[SECRET_HASH_BYTES]);

#endif
