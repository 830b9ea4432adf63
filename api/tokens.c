#include "api/tokens.h"

#include <sodium.h>

_Static_assert(sodium_base64_ENCODED_LEN(TOKEN_RANDOM_BYTES,
                                         sodium_base64_VARIANT_URLSAFE_NO_PADDING) <= 48,
               "a token fits its text");

void token_make(struct token *t)
{
    uint8_t random[TOKEN_RANDOM_BYTES];
    uint8_t session[SESSION_RANDOM_BYTES];

    randombytes_buf(session, sizeof session);
    sodium_bin2hex(t->session, sizeof t->session, session, sizeof session);
    randombytes_buf(random, sizeof random);
    sodium_bin2base64(t->text, sizeof t->text, random, sizeof random,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    sodium_memzero(random, sizeof random);
    token_hash(slice_of(t->text), t->hash);
}

void token_hash(struct slice text, uint8_t hash[SECRET_HASH_BYTES])
{
    crypto_generichash(hash, SECRET_HASH_BYTES, (const uint8_t *)text.base, text.len, NULL, 0);
}
