/* The requests of a load: bets of random players under fresh ids, alone or in batches, or reads. */
#ifndef FLORIN_BENCH_LOAD_BODY_H
#define FLORIN_BENCH_LOAD_BODY_H

#include "statemachine/bytes.h"
#include "tests/bench/load.h"

struct load_body {
    const struct load *load;
    uint64_t run;    /* makes this load's ids differ from all others' */
    uint64_t made;   /* ids so far */
    uint64_t random; /* state of a generator that is no secret */
    struct bytes body;
    uint64_t *revisions; /* etcd: of each player's key, when it was last written */
};

void load_body_init(struct load_body *b, const struct load *load);
void load_body_release(struct load_body *b);

/* Replaces `out` by the next request; *player is whose it is, for the answer. */
void load_body_request(struct load_body *b, struct bytes *out, unsigned *player);

/* How much of it an answer (ends in NUL behind `len`) says is done: of a batch, the items that were
 * applied. */
uint64_t load_body_done(struct load_body *b, unsigned player, const char *answer, size_t len);

#endif
