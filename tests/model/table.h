/* The model's only container: text key -> object, made of zeros when it is first asked for.
 *
 * An object that is all zeros means "there is none": so asking makes nothing that shows, and
 * undoing a change is writing the old bytes back. Objects stay where they are until the end. */
#ifndef FLORIN_MODEL_TABLE_H
#define FLORIN_MODEL_TABLE_H

#include "statemachine/bytes.h"

enum { TABLE_KEY_MAX = 320 };

/* Parts joined by NUL, which no name contains. */
struct table_key {
    char text[TABLE_KEY_MAX];
    size_t len;
};

struct table_entry {
    uint64_t hash;
    size_t key_len;
    void *object;
    char key[];
};

struct table {
    size_t object_bytes;
    struct table_entry **slots; /* open addressing */
    size_t n_slots;
    struct table_entry **list; /* in the order in which they were first asked for */
    size_t n;
};

void table_init(struct table *t, size_t object_bytes);
void table_release(struct table *t);

struct table_key table_key1(struct slice a);
struct table_key table_key2(struct slice a, struct slice b);
struct table_key table_key3(struct slice a, struct slice b, struct slice c);
struct table_key table_key4(struct slice a, struct slice b, struct slice c, struct slice d);

void *table_at(struct table *t, const struct table_key *key);

/* Part `i` of an entry's key. */
struct slice table_part(const struct table_entry *e, int i);

#endif
