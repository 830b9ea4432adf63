#include "api/signature.h"

#include <assert.h>
#include <sodium.h>

_Static_assert(BOX_KEY_BYTES == crypto_secretbox_KEYBYTES, "the sealing key");
_Static_assert(BOX_OVERHEAD == crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES, "sealed");
_Static_assert(SIGNATURE_BYTES == crypto_auth_hmacsha256_BYTES, "the signature");

static void add(crypto_auth_hmacsha256_state *state, const char *text)
{
    crypto_auth_hmacsha256_update(state, (const uint8_t *)text, strlen(text));
}

void signature_compute(struct slice secret, const struct signed_request *r,
                       uint8_t signature[static SIGNATURE_BYTES])
{
    crypto_auth_hmacsha256_state state;
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof hash + 1];

    crypto_hash_sha256(hash, (const uint8_t *)r->body.base, r->body.len);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);

    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret.base, secret.len);
    add(&state, r->method);
    add(&state, "\n");
    add(&state, r->path);
    if (r->query != NULL) {
        add(&state, "?");
        add(&state, r->query);
    }
    add(&state, "\n");
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)r->timestamp.base, r->timestamp.len);
    add(&state, "\n");
    add(&state, hex);
    crypto_auth_hmacsha256_final(&state, signature);
    sodium_memzero(&state, sizeof state);
}

int signature_time(struct slice text, uint64_t *unix_ms)
{
    uint64_t v = 0;
    size_t i;

    /* 15 digits fit with room to spare, and last for 29,000 years. */
    if (text.len == 0 || text.len > 15) {
        return -1;
    }
    for (i = 0; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9') {
            return -1;
        }
        v = v * 10 + (uint64_t)(text.base[i] - '0');
    }
    *unix_ms = v;
    return 0;
}

bool signature_is_fresh(uint64_t unix_ms, uint64_t now_ms)
{
    uint64_t apart = unix_ms > now_ms ? unix_ms - now_ms : now_ms - unix_ms;

    return apart <= SIGNATURE_SKEW_MS;
}

int signature_parse(struct slice text, uint8_t signature[static SIGNATURE_BYTES])
{
    size_t n = 0;

    if (text.len != 2 * SIGNATURE_BYTES ||
        sodium_hex2bin(signature, SIGNATURE_BYTES, text.base, text.len, NULL, &n, NULL) != 0) {
        return -1;
    }
    return n == SIGNATURE_BYTES ? 0 : -1;
}

size_t signature_seal(const uint8_t key[static BOX_KEY_BYTES], struct slice secret,
                      uint8_t sealed[static SEALED_MAX])
{
    assert(secret.len <= SIGNED_SECRET_MAX);
    randombytes_buf(sealed, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(sealed + crypto_secretbox_NONCEBYTES, (const uint8_t *)secret.base,
                          secret.len, sealed, key);
    return secret.len + BOX_OVERHEAD;
}

int signature_unseal(const uint8_t key[static BOX_KEY_BYTES], struct slice sealed,
                     char secret[static SIGNED_SECRET_MAX])
{
    const uint8_t *base = (const uint8_t *)sealed.base;

    if (sealed.len < BOX_OVERHEAD || sealed.len > SEALED_MAX ||
        crypto_secretbox_open_easy((uint8_t *)secret, base + crypto_secretbox_NONCEBYTES,
                                   sealed.len - crypto_secretbox_NONCEBYTES, base, key) != 0) {
        return -1;
    }
    return (int)(sealed.len - BOX_OVERHEAD);
}
