#include "statemachine/changes.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "statemachine/huge.h"

enum {
    BLOCK_BYTES_FIRST = 1 << 16,
    BLOCK_BYTES_MOST = 8 << 20,
    SLOTS_FIRST = 1 << 12,
    SLOT_COST = 40, /* slots of a hashed entry, two at least, and its place in a list, in bytes */
    LIST_COST = 8,  /* ... and of one that needs no slot */
};

struct block {
    struct block *next;
    size_t size;
    uint8_t data[];
};

/* The hash beside the pointer: a probe that misses does not touch the entry's memory. */
struct slot {
    uint64_t hash;
    struct change *change; /* NULL: empty */
};

struct list {
    struct change **items;
    size_t n, room;
};

struct changes {
    struct slot *slots;
    size_t n_slots; /* a power of two, at most half of them used */
    size_t hashed;
    size_t count;
    size_t size;
    struct list lists[TABLE_COUNT];
    struct block *blocks; /* the first is being filled */
    struct block *spare;  /* kept by clear */
    size_t block_used;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "level=fatal msg=\"out of memory for the set of changes\"\n");
        abort();
    }
    return memory;
}

/* Touched at once: calloc's pages would first be mapped for the look-up that finds them empty, and
 * then again for the write. */
static struct slot *new_slots(size_t n)
{
    struct slot *slots = must(malloc(n * sizeof *slots));

    huge_advise(slots, n * sizeof *slots);
    memset(slots, 0, n * sizeof *slots);
    return slots;
}

struct changes *changes_new(void)
{
    struct changes *s = must(calloc(1, sizeof *s));

    s->n_slots = SLOTS_FIRST;
    s->slots = new_slots(s->n_slots);
    return s;
}

static void free_blocks(struct block *b)
{
    while (b != NULL) {
        struct block *next = b->next;

        free(b);
        b = next;
    }
}

void changes_free(struct changes *s)
{
    int t;

    if (s == NULL) {
        return;
    }
    for (t = 0; t < TABLE_COUNT; t++) {
        free(s->lists[t].items);
    }
    free_blocks(s->blocks);
    free_blocks(s->spare);
    free(s->slots);
    free(s);
}

void changes_clear(struct changes *s)
{
    int t;

    while (s->blocks != NULL) {
        struct block *b = s->blocks;

        s->blocks = b->next;
        b->next = s->spare;
        s->spare = b;
    }
    for (t = 0; t < TABLE_COUNT; t++) {
        s->lists[t].n = 0;
    }
    memset(s->slots, 0, s->n_slots * sizeof *s->slots);
    s->block_used = 0;
    s->hashed = 0;
    s->count = 0;
    s->size = 0;
}

/* A set that holds much gets large blocks, and few. */
static struct block *new_block(const struct changes *s, size_t len)
{
    size_t size = BLOCK_BYTES_FIRST;
    struct block *b;

    while (size < BLOCK_BYTES_MOST && size < s->size / 4) {
        size *= 2;
    }
    size = len > size ? len : size;
    b = must(malloc(sizeof *b + size));
    b->size = size;
    huge_advise(b, sizeof *b + size);
    return b;
}

static size_t round_up(size_t len)
{
    return (len + 7) & ~(size_t)7;
}

/* Memory for an entry or a value, aligned to 8; lives until clear. */
static void *take(struct changes *s, size_t len)
{
    struct block *b = s->blocks;
    uint8_t *at;

    len = round_up(len);
    if (b == NULL || b->size - s->block_used < len) {
        b = s->spare;
        if (b != NULL && b->size >= len) {
            s->spare = b->next;
        } else {
            b = new_block(s, len);
        }
        b->next = s->blocks;
        s->blocks = b;
        s->block_used = 0;
    }
    at = b->data + s->block_used;
    s->block_used += len;
    s->size += len;
    return at;
}

uint64_t changes_hash(const uint8_t hash_key[CHANGES_HASH_KEY_BYTES], enum store_table table,
                      struct slice key)
{
    uint64_t hash;

    /* SipHash with a key of this process: names and ids are chosen by clients, who must not be able
     * to choose ones that all fall into one place. */
    crypto_shorthash((unsigned char *)&hash, (const unsigned char *)key.base, key.len, hash_key);
    return hash ^ ((uint64_t)table + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static struct slot *find(const struct changes *s, enum store_table table, struct slice key,
                         uint64_t hash)
{
    size_t mask = s->n_slots - 1;
    size_t i = hash & mask;

    for (;; i = (i + 1) & mask) {
        struct slot *slot = &s->slots[i];
        const struct change *c = slot->change;

        if (c == NULL ||
            (slot->hash == hash && c->table == (uint8_t)table && slice_equal(change_key(c), key))) {
            return slot;
        }
    }
}

static uint64_t ledger_seq(struct slice key)
{
    uint64_t seq;

    assert(key.len == sizeof seq);
    memcpy(&seq, key.base, sizeof seq);
    return be64toh(seq);
}

static struct change *ledger_find(const struct changes *s, struct slice key)
{
    const struct list *l = &s->lists[TABLE_LEDGER];
    uint64_t seq = ledger_seq(key), first;

    if (l->n == 0) {
        return NULL;
    }
    first = ledger_seq(change_key(l->items[0]));
    return seq >= first && seq - first < l->n ? l->items[seq - first] : NULL;
}

struct change *changes_get(const struct changes *s, enum store_table table, struct slice key,
                           uint64_t hash)
{
    if (table == TABLE_LEDGER) {
        return ledger_find(s, key);
    }
    return find(s, table, key, hash)->change;
}

void changes_prefetch(const struct changes *s, uint64_t hash)
{
    __builtin_prefetch(&s->slots[hash & (s->n_slots - 1)]);
}

void changes_prefetch_entry(const struct changes *s, uint64_t hash)
{
    const struct slot *slot = &s->slots[hash & (s->n_slots - 1)];

    /* Most keys are in their first place. An entry is two lines or three. */
    if (slot->hash == hash && slot->change != NULL) {
        __builtin_prefetch(slot->change);
        __builtin_prefetch((const char *)slot->change + 64);
    }
}

static void grow(struct changes *s)
{
    struct slot *old = s->slots;
    size_t n_old = s->n_slots;
    size_t mask = 2 * n_old - 1;
    size_t i;

    s->n_slots = 2 * n_old;
    s->slots = new_slots(s->n_slots);
    for (i = 0; i < n_old; i++) {
        if (old[i].change != NULL) {
            size_t at = old[i].hash & mask;

            while (s->slots[at].change != NULL) {
                at = (at + 1) & mask;
            }
            s->slots[at] = old[i];
        }
    }
    free(old);
}

static void list_add(struct list *l, struct change *c)
{
    if (l->n == l->room) {
        l->room = l->room == 0 ? 1024 : 2 * l->room;
        l->items = must(realloc(l->items, l->room * sizeof(struct change *)));
    }
    l->items[l->n++] = c;
}

void changes_replace(struct changes *s, struct change *c, struct slice value)
{
    if (value.len > c->value_room) {
        c->value_room = (uint32_t)round_up(value.len);
        c->value = take(s, c->value_room);
    }
    if (value.len > 0) {
        memmove(c->value, value.base, value.len);
    }
    c->value_len = (uint32_t)value.len;
}

/* An entry with its first value, side by side. */
static struct change *add(struct changes *s, enum store_table table, struct slice key,
                          struct slice value)
{
    size_t value_at = round_up(sizeof(struct change) + key.len);
    size_t room = round_up(value.len);
    struct change *c = take(s, value_at + room);

    c->value = (uint8_t *)c + value_at;
    c->value_len = (uint32_t)value.len;
    c->value_room = (uint32_t)room;
    c->key_len = (uint16_t)key.len;
    c->table = (uint8_t)table;
    memcpy(c->key, key.base, key.len);
    if (value.len > 0) {
        memcpy(c->value, value.base, value.len);
    }
    list_add(&s->lists[table], c);
    s->count++;
    return c;
}

static struct change *put_record(struct changes *s, struct slice key, struct slice value)
{
    const struct list *l = &s->lists[TABLE_LEDGER];
    struct change *c = ledger_find(s, key);

    if (c != NULL) {
        changes_replace(s, c, value);
        return c;
    }
    assert(l->n == 0 || ledger_seq(key) == ledger_seq(change_key(l->items[l->n - 1])) + 1);
    (void)l;
    s->size += LIST_COST;
    return add(s, TABLE_LEDGER, key, value);
}

struct change *changes_put(struct changes *s, enum store_table table, struct slice key,
                           uint64_t hash, struct slice value)
{
    struct slot *slot;

    if (table == TABLE_LEDGER) {
        return put_record(s, key, value);
    }
    slot = find(s, table, key, hash);
    if (slot->change != NULL) {
        changes_replace(s, slot->change, value);
        return slot->change;
    }
    if (2 * (s->hashed + 1) > s->n_slots) {
        grow(s);
        slot = find(s, table, key, hash);
    }
    *slot = (struct slot){hash, add(s, table, key, value)};
    s->hashed++;
    s->size += SLOT_COST;
    return slot->change;
}

struct change *const *changes_of(const struct changes *s, enum store_table table, size_t *n)
{
    *n = s->lists[table].n;
    return s->lists[table].items;
}

size_t changes_count(const struct changes *s)
{
    return s->count;
}

size_t changes_size(const struct changes *s)
{
    return s->size;
}

int key_compare(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.base, b.base, len);

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* ---- in the order of their keys ---- */

/* Most keys of a table begin alike (a provider's name, "player-"), so the eight bytes after what
 * all have in common tell nearly any two apart, without a look at the keys, which lie anywhere. */
struct sortable {
    uint64_t lead; /* big-endian: the order of numbers is the order of bytes */
    const struct change *change;
};

static int compare_sortables(const void *a, const void *b)
{
    const struct sortable *x = a, *y = b;

    if (x->lead != y->lead) {
        return x->lead < y->lead ? -1 : 1;
    }
    return key_compare(change_key(x->change), change_key(y->change));
}

static size_t common_prefix(const struct list *l)
{
    struct slice first = change_key(l->items[0]);
    size_t common = first.len;
    size_t i;

    for (i = 1; i < l->n && common > 0; i++) {
        struct slice key = change_key(l->items[i]);

        common = key.len < common ? key.len : common;
        while (common > 0 && memcmp(key.base, first.base, common) != 0) {
            common--;
        }
    }
    return common;
}

static uint64_t lead_of(struct slice key, size_t from)
{
    uint8_t bytes[8] = {0};
    uint64_t lead;
    size_t len = key.len - from < sizeof bytes ? key.len - from : sizeof bytes;

    memcpy(bytes, key.base + from, len);
    memcpy(&lead, bytes, sizeof lead);
    return be64toh(lead);
}

/* The ledger comes in order, the others don't. */
static void sort_table(const struct list *l, enum store_table table, struct store_write *to)
{
    struct sortable *all = must(malloc(l->n * sizeof *all));
    size_t common = common_prefix(l);
    bool sorted = true;
    size_t i;

    for (i = 0; i < l->n; i++) {
        all[i] = (struct sortable){lead_of(change_key(l->items[i]), common), l->items[i]};
        sorted = sorted && (i == 0 || compare_sortables(&all[i - 1], &all[i]) < 0);
    }
    if (!sorted) {
        qsort(all, l->n, sizeof *all, compare_sortables);
    }
    for (i = 0; i < l->n; i++) {
        to[i] = (struct store_write){table, change_key(all[i].change), change_value(all[i].change)};
    }
    free(all);
}

struct store_write *changes_sorted(const struct changes *s, size_t *n)
{
    struct store_write *all, *at;
    int t;

    *n = s->count;
    if (s->count == 0) {
        return NULL;
    }
    at = all = must(malloc(s->count * sizeof *all));
    for (t = 0; t < TABLE_COUNT; t++) {
        const struct list *l = &s->lists[t];

        if (l->n > 0) {
            sort_table(l, (enum store_table)t, at);
            at += l->n;
        }
    }
    return all;
}
