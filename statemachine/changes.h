/* The set of changed values since a checkpoint: (table, key) -> value, in memory.
 *
 * Guarantees: what was put last is what is found; listing is complete; entries stay where they are
 * until changes_clear, so a frozen set can be read by two threads at once. There are no deletes.
 *
 * How: a hash table of open addressing over entries in large blocks of memory, and for each table a
 * list of its entries in the order in which they came. The order of the hash table itself is never
 * shown: the hash key may differ between nodes. The ledger's records need no hashing: they come one
 * after the other, so that a record's place in its list follows from its seq. One writer at a time;
 * any number of readers of a set that nobody writes. */
#ifndef FLORIN_CHANGES_H
#define FLORIN_CHANGES_H

#include "statemachine/store.h"

enum { CHANGES_HASH_KEY_BYTES = 16 };

struct changes;

/* One changed value. */
struct change {
    uint8_t *value;
    uint32_t value_len;
    uint32_t value_room;
    uint16_t key_len;
    uint8_t table;
    char key[];
};

static inline struct slice change_key(const struct change *c)
{
    return (struct slice){c->key, c->key_len};
}

static inline struct slice change_value(const struct change *c)
{
    return (struct slice){(const char *)c->value, c->value_len};
}

/* Never NULL: out of memory ends the process, as in bytes.h. */
struct changes *changes_new(void);
void changes_free(struct changes *s); /* NULL is fine */

/* Forgets everything and keeps the memory for the next use. */
void changes_clear(struct changes *s);

/* The hash that get and put want, so that looking through several sets computes it once. */
uint64_t changes_hash(const uint8_t hash_key[CHANGES_HASH_KEY_BYTES], enum store_table table,
                      struct slice key);

/* NULL when there is none. */
struct change *changes_get(const struct changes *s, enum store_table table, struct slice key,
                           uint64_t hash);

/* Says that this hash will be asked for soon. */
void changes_prefetch(const struct changes *s, uint64_t hash);
/* ... and some time later: that the entry which stands there will be. */
void changes_prefetch_entry(const struct changes *s, uint64_t hash);

/* Copies both. A value that is there is replaced; slices of it then show the new content, or stay
 * as they were if the new one is longer than its room. `value` must not borrow from this entry. A
 * key of TABLE_LEDGER is eight bytes, big-endian, and one more than the last. Returns the entry. */
struct change *changes_put(struct changes *s, enum store_table table, struct slice key,
                           uint64_t hash, struct slice value);
/* The same for an entry of this set that was found before. */
void changes_replace(struct changes *s, struct change *c, struct slice value);

/* The entries of one table in the order in which they came. Valid until the next put. */
struct change *const *changes_of(const struct changes *s, enum store_table table, size_t *n);

size_t changes_count(const struct changes *s);

/* What the set holds: keys, values and what it takes to find them. */
size_t changes_size(const struct changes *s);

/* Byte order, a prefix first: the order of keys everywhere. */
int key_compare(struct slice a, struct slice b);

/* All entries as a commit wants them: by table, then key. malloc'ed, the caller frees; the slices
 * borrow. NULL only when there are none. */
struct store_write *changes_sorted(const struct changes *s, size_t *n);

#endif
