/* Secrets that lie in files: the cluster's, and the first operator's credential.
 *
 * Both are refused when anybody but the owner may read or write the file: a secret that a neighbour
 * can read is none, and it is better told at start than after the theft. */
#ifndef FLORIN_SECRET_H
#define FLORIN_SECRET_H

#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum {
    CLUSTER_SECRET_BYTES = 32,
    SECRET_FILE_MAX = 4096,
    CREDENTIAL_SECRET_MIN = 16, /* characters; as the API has it */
    CREDENTIAL_SECRET_MAX = 128,
};

/* KEYID.SECRET, in its two parts. */
struct credential_text {
    char key[64 + 1]; /* an id without a point: the first point ends it */
    char secret[CREDENTIAL_SECRET_MAX + 1];
};

/* Reads the cluster secret: 64 hex digits (a line end may follow) are those 32 bytes; anything else
 * of at least 32 bytes is hashed (BLAKE2b-256) to 32. 0, or -1 with the fault. Any thread, after
 * sodium_init. The caller wipes `secret` when it is done with it. */
int config_read_secret_file(const char *path, uint8_t secret[static CLUSTER_SECRET_BYTES],
                            struct fault *fault);

/* Reads one line KEYID.SECRET. 0, or -1 with the fault. */
int config_read_credential_file(const char *path, struct credential_text *credential,
                                struct fault *fault);

/* Splits KEYID.SECRET; -1 when it is not of that form. Pure. */
int credential_parse(struct slice text, struct credential_text *credential);

#endif
