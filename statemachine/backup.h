/* A backup: one file that holds a whole state, and can be checked whole.
 *
 * The state's own file comes first, as the store writes and opens it, and a seal of
 * BACKUP_SEAL_BYTES ends it: what it is, of which cluster, up to where, and a BLAKE2b-256 over
 * everything before. All that the seal says is only known when the last byte is written, so a
 * backup is made in one pass into a stream; one that was cut off has no seal; and a good one is
 * opened where it lies.
 *
 * Guarantee: a backup that backup_check took holds the bytes that were written, every one. Whether
 * they are a ledger in good order is machine_audit's to say. The digest is no signature: whoever
 * can change the file can make another seal.
 *
 * Format: docs/formats.md. No file-level state; a struct belongs to one thread at a time. */
#ifndef FLORIN_BACKUP_H
#define FLORIN_BACKUP_H

#include <sodium.h>

#include "statemachine/machine.h"

enum {
    BACKUP_SEAL_BYTES = 256,
    BACKUP_VERSION = 1,
    BACKUP_CLUSTER_MAX = 64,
};

struct backup_seal {
    char cluster_id[BACKUP_CLUSTER_MAX + 1]; /* where it was made */
    uint64_t node_id;                        /* ... and by whom */
    uint64_t state_bytes;                    /* stand before the seal */
    uint64_t applied_index;
    uint64_t seq; /* the ledger's last */
    uint64_t clock_ms;
    uint8_t chain[HASH_BYTES]; /* the last record's hash */
    uint8_t digest[HASH_BYTES];
};

/* What the machine is at; cluster, node, bytes and digest are left alone. */
void backup_seal_of(const struct machine *m, struct backup_seal *seal);

/* Making one: begin, add all bytes of the state in order, end. */
struct backup_digest {
    crypto_generichash_state hash;
    uint64_t bytes;
};
void backup_digest_begin(struct backup_digest *d);
void backup_digest_add(struct backup_digest *d, const void *data, size_t len);
/* Fills in state_bytes and digest and writes the seal. */
void backup_digest_end(struct backup_digest *d, struct backup_seal *seal,
                       uint8_t out[static BACKUP_SEAL_BYTES]);

/* Decodes a seal: 0, or -1 and the fault says what it is instead. Pure. */
int backup_seal_decode(const uint8_t in[static BACKUP_SEAL_BYTES], struct backup_seal *seal,
                       struct fault *fault);

/* Called now and then while a file is read; may be NULL. */
struct backup_watch {
    void (*progress)(void *context, uint64_t bytes, uint64_t all);
    void *context;
};

/* Reads the whole file: 0 and its seal, or -1 with the fault naming the file and what is wrong. */
int backup_check(const char *path, struct backup_seal *seal, const struct backup_watch *watch,
                 struct fault *fault);

/* Opens the state in a file that was checked, to be asked only; refuses when it is not what the
 * seal says. The file stays as it is. hash_key as in machine_options. */
int backup_open(const char *path, const struct backup_seal *seal, const uint8_t hash_key[16],
                struct machine **m, struct fault *fault);

/* Opens the state in any such file, also a node's data.mdb that no process has open. */
int backup_open_state(const char *path, const uint8_t hash_key[16], struct machine **m,
                      struct fault *fault);

#endif
