/* The current term and the vote in it, durable before anything that follows from them is sent.
 *
 * Guarantees: what vote_file_store returned 0 for is what vote_file_open reads, also after one of
 * the two copies was torn or damaged; a term never goes back and a vote is never changed within its
 * term (a second vote in one term could elect two leaders).
 *
 * How: two copies in sectors of their own, each with a sequence number and a checksum, written and
 * synced one after the other. A crash leaves at least one whole; when both are whole the higher
 * sequence number counts. With two slots written in turn, as is common, damage to the newer one
 * would bring the older vote back unnoticed; elections are rare enough for the second sync. */
#ifndef FLORIN_VOTE_H
#define FLORIN_VOTE_H

#include <stdbool.h>

#include "consensus/disk.h"
#include "statemachine/report.h"

struct vote_file {
    struct disk *disk;
    int handle;
    uint64_t sequence; /* grows with every store; 1 after vote_file_format */
    uint64_t term;
    uint64_t vote; /* 0: none */
};

/* Makes the file, durable but for its name (the caller syncs the folder). */
int vote_file_format(struct disk *disk, uint64_t term, struct fault *fault);

/* Opens it and makes both copies whole and equal again. -1 when there is none, or none is whole. */
int vote_file_open(struct vote_file *v, struct disk *disk, struct reporter *reporter,
                   struct fault *fault);
void vote_file_close(struct vote_file *v);

/* Durable on 0. -1 also when it would go back (nothing is written then). */
int vote_file_store(struct vote_file *v, uint64_t term, uint64_t vote, struct fault *fault);

/* True when there is no vote file, or one that nothing was stored in since it was made, or one
 * whose making was cut short: what log_format may remove. */
bool vote_file_unused(struct disk *disk);

#endif
