/* What an hmac key signs, and secrets that must be readable again.
 *
 * A signature covers the method, the path with its query, the time and the hash of the body as it
 * was sent. To check it a node needs the secret itself, so the ledger keeps it sealed (XSalsa20 and
 * Poly1305, libsodium's secretbox) with a key that lies in a file on each node and is never
 * replicated. Pure, but for signature_seal's random nonce; any thread. */
#ifndef FLORIN_SIGNATURE_H
#define FLORIN_SIGNATURE_H

#include "statemachine/command.h"

enum {
    SIGNATURE_BYTES = 32,
    SIGNATURE_SKEW_MS = 30000, /* a timestamp may be this far off, either way */
    BOX_KEY_BYTES = 32,        /* of the sealing key */
    BOX_OVERHEAD = 24 + 16,    /* nonce and authenticator before what is sealed */
    SIGNED_SECRET_MAX = SEALED_MAX - BOX_OVERHEAD,
};

/* As it was sent; `query` is what stood after the `?`, NULL when there was none. */
struct signed_request {
    const char *method;
    const char *path;
    const char *query;
    struct slice timestamp; /* the header's text, Unix ms */
    struct slice body;
};

/* HMAC-SHA256(secret, METHOD "\n" PATH_AND_QUERY "\n" UNIX_MS "\n" hex(SHA256(body))). */
void signature_compute(struct slice secret, const struct signed_request *r,
                       uint8_t signature[static SIGNATURE_BYTES]);

/* The time of a Florin-Timestamp: digits only. 0 or -1. */
int signature_time(struct slice text, uint64_t *unix_ms);

/* True when the two times are at most SIGNATURE_SKEW_MS apart. */
bool signature_is_fresh(uint64_t unix_ms, uint64_t now_ms);

/* 64 hex digits, either case. 0 or -1. */
int signature_parse(struct slice text, uint8_t signature[static SIGNATURE_BYTES]);

/* Seals at most SIGNED_SECRET_MAX bytes; returns the length, BOX_OVERHEAD more. */
size_t signature_seal(const uint8_t key[static BOX_KEY_BYTES], struct slice secret,
                      uint8_t sealed[static SEALED_MAX]);

/* The secret's length in `secret`, or -1 when it was not sealed with this key. */
int signature_unseal(const uint8_t key[static BOX_KEY_BYTES], struct slice sealed,
                     char secret[static SIGNED_SECRET_MAX]);

#endif
