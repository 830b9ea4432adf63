/* Recent entries in memory: what is not durable yet, not applied yet, or wanted by followers.
 *
 * Holds one unbroken run of indexes. Entries above the durable index are pinned (the log can't give
 * them back yet); older ones go, oldest first, when the bytes are over the bound. Loop thread. */
#ifndef FLORIN_CACHE_H
#define FLORIN_CACHE_H

#include "consensus/log.h"

/* A payload shared by the cache and by writes under way. */
struct blob {
    unsigned references;
    size_t len;
    uint8_t data[];
};

struct blob *blob_new(const void *data, size_t len);
struct blob *blob_keep(struct blob *b);
void blob_release(struct blob *b);

struct cache;

struct cache_entry {
    uint64_t term;
    enum log_entry_type type;
    uint64_t write; /* number of the storage write that holds it */
    struct blob *blob;
};

/* Empty; the next index to append is `next`. */
struct cache *cache_new(uint64_t next, size_t bytes_max);
void cache_free(struct cache *c);

/* Appends at the next index; takes over the reference of e->blob. */
void cache_append(struct cache *c, const struct cache_entry *e);

/* Drops `index` and everything after it; the next append is at `index`. An index outside the run
 * empties the cache. */
void cache_cut(struct cache *c, uint64_t index);

/* NULL when it is not here. Borrowed until the next change. */
const struct cache_entry *cache_get(const struct cache *c, uint64_t index);

uint64_t cache_last(const struct cache *c); /* next - 1 */

/* Drops the oldest entries while over the bound, none above `unpinned`. */
void cache_shrink(struct cache *c, uint64_t unpinned);

#endif
