/* Tokens of sessions: 32 random bytes, of which the ledger keeps only a hash. Any thread. */
#ifndef FLORIN_TOKENS_H
#define FLORIN_TOKENS_H

#include "statemachine/command.h"

enum { TOKEN_RANDOM_BYTES = 32, SESSION_RANDOM_BYTES = 12 };

struct token {
    char session[2 * SESSION_RANDOM_BYTES + 1]; /* an id for the session itself; no secret */
    char text[48];                              /* URL-safe base64, for the client */
    uint8_t hash[SECRET_HASH_BYTES];            /* for the ledger */
};

void token_make(struct token *t);

/* BLAKE2b-256 of a token's text. */
void token_hash(struct slice text, uint8_t hash[SECRET_HASH_BYTES]);

#endif
