#include "consensus/cache.h"

#include <stdlib.h>

struct cache {
    struct cache_entry *ring; /* capacity is a power of two */
    size_t capacity;
    uint64_t first; /* index of the oldest entry; == next when empty */
    uint64_t next;
    size_t bytes;
    size_t bytes_max;
};

struct blob *blob_new(const void *data, size_t len)
{
    struct blob *b = malloc(sizeof *b + len);

    if (b == NULL) {
        abort();
    }
    b->references = 1;
    b->len = len;
    memcpy(b->data, data, len);
    return b;
}

struct blob *blob_keep(struct blob *b)
{
    b->references++;
    return b;
}

void blob_release(struct blob *b)
{
    if (--b->references == 0) {
        free(b);
    }
}

static struct cache_entry *slot(const struct cache *c, uint64_t index)
{
    return &c->ring[index & (c->capacity - 1)];
}

struct cache *cache_new(uint64_t next, size_t bytes_max)
{
    struct cache *c = calloc(1, sizeof *c);

    if (c == NULL) {
        abort();
    }
    c->capacity = 256;
    c->ring = calloc(c->capacity, sizeof *c->ring);
    if (c->ring == NULL) {
        abort();
    }
    c->first = c->next = next;
    c->bytes_max = bytes_max;
    return c;
}

static void drop(struct cache *c, uint64_t index)
{
    struct cache_entry *e = slot(c, index);

    c->bytes -= e->blob->len;
    blob_release(e->blob);
    e->blob = NULL;
}

void cache_free(struct cache *c)
{
    cache_cut(c, c->first);
    free(c->ring);
    free(c);
}

static void grow(struct cache *c)
{
    size_t capacity = c->capacity * 2;
    struct cache_entry *ring = calloc(capacity, sizeof *ring);
    uint64_t i;

    if (ring == NULL) {
        abort();
    }
    for (i = c->first; i < c->next; i++) {
        ring[i & (capacity - 1)] = *slot(c, i);
    }
    free(c->ring);
    c->ring = ring;
    c->capacity = capacity;
}

void cache_append(struct cache *c, const struct cache_entry *e)
{
    if (c->next - c->first == c->capacity) {
        grow(c);
    }
    *slot(c, c->next) = *e;
    c->bytes += e->blob->len;
    c->next++;
}

void cache_cut(struct cache *c, uint64_t index)
{
    uint64_t from = index < c->first || index > c->next ? c->first : index;
    uint64_t i;

    for (i = from; i < c->next; i++) {
        drop(c, i);
    }
    c->next = index;
    if (from == c->first) {
        c->first = index;
    }
}

const struct cache_entry *cache_get(const struct cache *c, uint64_t index)
{
    return index >= c->first && index < c->next ? slot(c, index) : NULL;
}

uint64_t cache_last(const struct cache *c)
{
    return c->next - 1;
}

void cache_shrink(struct cache *c, uint64_t unpinned)
{
    while (c->bytes > c->bytes_max && c->first < c->next && c->first <= unpinned) {
        drop(c, c->first);
        c->first++;
    }
}
