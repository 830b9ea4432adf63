/* The two small files beside the segments: `identity` (whose log this is) and `snapshot` (what the
 * log may have lost at its front, and where it begins after an installed snapshot).
 *
 * Guarantee: each is replaced whole or not at all, and is durable when the call returns 0.
 * How: written under a temporary name, synced, renamed, the folder synced. A checksum over all of
 * it, a kind and a version stand in front. Writer's thread. */
#ifndef FLORIN_MANIFEST_H
#define FLORIN_MANIFEST_H

#include <stdbool.h>

#include "consensus/log.h"

enum {
    MANIFEST_BYTES_MAX = 1 << 20, /* configuration and the state machine's part together */
};

struct manifest {
    struct log_snapshot snapshot;
    uint64_t first_segment; /* segments below don't count any more */
    /* The log reached this far, synced, when the manifest was written: less is damage. */
    uint64_t proof_segment;
    uint32_t proof_end;
};

void manifest_init(struct manifest *m);
void manifest_release(struct manifest *m);

int manifest_write(struct disk *disk, const struct manifest *m, struct fault *fault);
/* Into an initialized *m; *found is false when there is none. */
int manifest_read(struct disk *disk, struct manifest *m, bool *found, struct fault *fault);

int identity_write(struct disk *disk, const struct log_identity *identity, struct fault *fault);
int identity_read(struct disk *disk, struct log_identity *identity, bool *found,
                  struct fault *fault);

/* Copies everything; `to` is initialized. */
void log_snapshot_copy(struct log_snapshot *to, const struct log_snapshot *from);
void log_snapshot_release(struct log_snapshot *s);

/* The temporary names that a crash may leave; NULL ends the list. */
extern const char *const manifest_leftovers[];

#endif
