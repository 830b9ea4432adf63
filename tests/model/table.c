#include "tests/model/table.h"

#include <stdio.h>
#include <stdlib.h>

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "model: out of memory\n");
        exit(1);
    }
    return memory;
}

void table_init(struct table *t, size_t object_bytes)
{
    *t = (struct table){.object_bytes = object_bytes};
}

void table_release(struct table *t)
{
    size_t i;

    for (i = 0; i < t->n; i++) {
        free(t->list[i]->object);
        free(t->list[i]);
    }
    free(t->list);
    free(t->slots);
    table_init(t, t->object_bytes);
}

static void add_part(struct table_key *key, struct slice part)
{
    if (key->len + part.len + 1 > TABLE_KEY_MAX) {
        fprintf(stderr, "model: a key is too long\n");
        exit(1);
    }
    if (part.len > 0) {
        memcpy(key->text + key->len, part.base, part.len);
    }
    key->len += part.len;
    key->text[key->len++] = '\0';
}

struct table_key table_key1(struct slice a)
{
    struct table_key key;

    key.len = 0;
    add_part(&key, a);
    return key;
}

struct table_key table_key2(struct slice a, struct slice b)
{
    struct table_key key = table_key1(a);

    add_part(&key, b);
    return key;
}

struct table_key table_key3(struct slice a, struct slice b, struct slice c)
{
    struct table_key key = table_key2(a, b);

    add_part(&key, c);
    return key;
}

struct table_key table_key4(struct slice a, struct slice b, struct slice c, struct slice d)
{
    struct table_key key = table_key3(a, b, c);

    add_part(&key, d);
    return key;
}

static uint64_t hash_of(const struct table_key *key)
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    size_t i;

    for (i = 0; i < key->len; i++) {
        h = (h ^ (uint8_t)key->text[i]) * 1099511628211u;
    }
    return h ^ h >> 32;
}

static struct table_entry **slot_of(const struct table *t, const struct table_key *key, uint64_t h)
{
    size_t at = (size_t)h & (t->n_slots - 1);
    struct table_entry *e;

    for (;; at = (at + 1) & (t->n_slots - 1)) {
        e = t->slots[at];
        if (e == NULL ||
            (e->hash == h && e->key_len == key->len && memcmp(e->key, key->text, key->len) == 0)) {
            return &t->slots[at];
        }
    }
}

static void grow(struct table *t)
{
    size_t i, n_slots = t->n_slots == 0 ? 64 : 2 * t->n_slots;

    free(t->slots);
    t->slots = must(calloc(n_slots, sizeof(struct table_entry *)));
    t->n_slots = n_slots;
    t->list = must(realloc(t->list, n_slots / 2 * sizeof(struct table_entry *)));
    for (i = 0; i < t->n; i++) {
        size_t at = (size_t)t->list[i]->hash & (n_slots - 1);

        while (t->slots[at] != NULL) {
            at = (at + 1) & (n_slots - 1);
        }
        t->slots[at] = t->list[i];
    }
}

void *table_at(struct table *t, const struct table_key *key)
{
    uint64_t h = hash_of(key);
    struct table_entry **slot, *e;

    if (t->n_slots > 0) {
        slot = slot_of(t, key, h);
        if (*slot != NULL) {
            return (*slot)->object;
        }
    }
    if (2 * (t->n + 1) > t->n_slots) {
        grow(t);
    }
    slot = slot_of(t, key, h);
    e = must(malloc(sizeof *e + key->len));
    e->hash = h;
    e->key_len = key->len;
    memcpy(e->key, key->text, key->len);
    e->object = must(calloc(1, t->object_bytes));
    *slot = t->list[t->n++] = e;
    return e->object;
}

struct slice table_part(const struct table_entry *e, int i)
{
    const char *at = e->key;

    while (i-- > 0) {
        at += strlen(at) + 1;
    }
    return slice_of(at);
}
