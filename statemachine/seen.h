/* Which keys were never put: a Bloom filter over the tables in which nearly every look-up is for a
 * key that is not there (is this id new? is this round?).
 *
 * Guarantee: seen_never says true only for a key that is in no layer and not in the store. It may
 * say false for such a key, too; then the layers are asked, as without it.
 *
 * How: two bits of each key in each of four words of one cache line, so that an answer costs one
 * access to memory, where LMDB takes twenty on its way down a tree. The filter holds what was put
 * since it was begun, and what the store held then; that is read a little with each entry, and when
 * there is time, so that a start does not wait for it, and until it is whole nothing is known. When
 * a filter is full, one of four times the size is made the same way while the old one goes on. Loop
 * thread. */
#ifndef FLORIN_SEEN_H
#define FLORIN_SEEN_H

#include "statemachine/store.h"

struct seen_filter {
    uint64_t *words; /* lines of eight; NULL: none */
    size_t n_lines;  /* a power of two */
    uint64_t keys;   /* in it, about */
};

struct seen {
    struct seen_filter whole; /* answers */
    struct seen_filter next;  /* is being filled */
    int table;                /* what is read of the store: which of the tables, ... */
    uint8_t from[STORE_KEY_MAX + 1];
    size_t from_len; /* ... from which key on */
};

/* Sized for what the store holds, and of `bytes` (a power of two; 0: 2 MiB) at least. */
void seen_init(struct seen *s, const struct store *store, size_t bytes);
void seen_release(struct seen *s);

bool seen_has_filter(enum store_table table);

/* The hash is changes_hash's. For tables that have no filter, add does nothing and never says no.
 */
void seen_add(struct seen *s, enum store_table table, uint64_t hash);
bool seen_never(const struct seen *s, enum store_table table, uint64_t hash);
void seen_prefetch(const struct seen *s, enum store_table table, uint64_t hash);

/* The filter is full and no larger one is being made. Then seen_grow begins one, and the caller
 * adds what was put and is not in the store yet: all else is read from there. */
bool seen_is_full(const struct seen *s);
void seen_grow(struct seen *s);

/* There is something to read in the store: the filter, or a larger one, is not whole. */
bool seen_is_reading(const struct seen *s);
/* Reads on in the store: about `most` keys. Once for each entry. 0, or -1: the store failed. */
int seen_read_on(struct seen *s, const struct store *store, const uint8_t *hash_key, size_t most,
                 struct fault *fault);

#endif
