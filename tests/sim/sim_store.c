/* How: each table is a sorted array of pointers to values that never change; arrays and values are
 * shared and counted, so that a reader's view and a copy cost nothing but a count. A commit merges
 * its sorted writes into new arrays. */
#include "tests/sim/sim_store.h"

#include <stdlib.h>

struct item {
    unsigned references;
    size_t key_len;
    size_t value_len;
    char bytes[]; /* key, then value */
};

struct table {
    unsigned references;
    size_t n;
    struct item *items[];
};

struct sim_store {
    bool full;
    struct table *committed[TABLE_COUNT]; /* NULL: empty */
    struct table *view[TABLE_COUNT];
};

static void *must(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

static struct item *item_new(struct slice key, struct slice value)
{
    struct item *item = must(malloc(sizeof *item + key.len + value.len));

    item->references = 1;
    item->key_len = key.len;
    item->value_len = value.len;
    memcpy(item->bytes, key.base, key.len);
    if (value.len > 0) {
        memcpy(item->bytes + key.len, value.base, value.len);
    }
    return item;
}

static struct item *item_keep(struct item *item)
{
    item->references++;
    return item;
}

static struct table *table_keep(struct table *t)
{
    if (t != NULL) {
        t->references++;
    }
    return t;
}

static void table_release(struct table *t)
{
    size_t i;

    if (t == NULL || --t->references > 0) {
        return;
    }
    for (i = 0; i < t->n; i++) {
        if (--t->items[i]->references == 0) {
            free(t->items[i]);
        }
    }
    free(t);
}

static void tables_share(struct table **to, struct table *const *from)
{
    int i;

    for (i = 0; i < TABLE_COUNT; i++) {
        struct table *t = table_keep(from[i]);
        table_release(to[i]);
        to[i] = t;
    }
}

static void tables_release(struct table **tables)
{
    int i;

    for (i = 0; i < TABLE_COUNT; i++) {
        table_release(tables[i]);
        tables[i] = NULL;
    }
}

static int compare(const struct item *item, struct slice key)
{
    size_t n = item->key_len < key.len ? item->key_len : key.len;
    int order = n == 0 ? 0 : memcmp(item->bytes, key.base, n);

    if (order != 0) {
        return order;
    }
    return item->key_len < key.len ? -1 : item->key_len > key.len;
}

/* The place of the first key that is not below `key`. */
static size_t table_place(const struct table *t, struct slice key)
{
    size_t low = 0;
    size_t high = t == NULL ? 0 : t->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(t->items[middle], key) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* `writes` are of this table, sorted. */
static struct table *table_merge(const struct table *old, const struct store_write *writes,
                                 size_t n)
{
    size_t n_old = old == NULL ? 0 : old->n;
    struct table *t = must(malloc(sizeof *t + (n_old + n) * sizeof t->items[0]));
    size_t at = 0;
    size_t i;

    t->references = 1;
    t->n = 0;
    for (i = 0; i < n; i++) {
        while (at < n_old && compare(old->items[at], writes[i].key) < 0) {
            t->items[t->n++] = item_keep(old->items[at++]);
        }
        if (at < n_old && compare(old->items[at], writes[i].key) == 0) {
            at++;
        }
        t->items[t->n++] = item_new(writes[i].key, writes[i].value);
    }
    while (at < n_old) {
        t->items[t->n++] = item_keep(old->items[at++]);
    }
    return t;
}

static int store_commit(void *impl, const struct store_write *writes, size_t n, struct fault *fault)
{
    struct sim_store *s = impl;
    size_t from = 0;

    if (s->full) {
        (void)fault_set(fault, "the store's disk is full");
        return STORE_NO_ROOM;
    }
    while (from < n) {
        enum store_table table = writes[from].table;
        size_t to = from;
        struct table *merged;
        while (to < n && writes[to].table == table) {
            to++;
        }
        merged = table_merge(s->committed[table], writes + from, to - from);
        table_release(s->committed[table]);
        s->committed[table] = merged;
        from = to;
    }
    return 0;
}

static struct slice item_value(const struct item *item)
{
    return (struct slice){item->bytes + item->key_len, item->value_len};
}

static int store_get(void *impl, enum store_table table, struct slice key, struct slice *value,
                     struct fault *fault)
{
    const struct table *t = ((struct sim_store *)impl)->view[table];
    size_t place = table_place(t, key);

    (void)fault;
    if (t == NULL || place == t->n || compare(t->items[place], key) != 0) {
        return 0;
    }
    *value = item_value(t->items[place]);
    return 1;
}

static int store_seek(void *impl, enum store_table table, struct slice key, struct slice *found,
                      struct slice *value, struct fault *fault)
{
    const struct table *t = ((struct sim_store *)impl)->view[table];
    size_t place = table_place(t, key);

    (void)fault;
    if (t == NULL || place == t->n) {
        return 0;
    }
    *found = (struct slice){t->items[place]->bytes, t->items[place]->key_len};
    *value = item_value(t->items[place]);
    return 1;
}

static int store_renew(void *impl, struct fault *fault)
{
    struct sim_store *s = impl;

    (void)fault;
    tables_share(s->view, s->committed);
    return 0;
}

static void store_close(void *impl)
{
    struct sim_store *s = impl;

    tables_release(s->view);
}

struct sim_store *sim_store_new(void)
{
    return must(calloc(1, sizeof(struct sim_store)));
}

void sim_store_free(struct sim_store *s)
{
    if (s != NULL) {
        tables_release(s->view);
        tables_release(s->committed);
        free(s);
    }
}

void sim_store_set_full(struct sim_store *s, bool full)
{
    s->full = full;
}

struct sim_store *sim_store_copy(const struct sim_store *s)
{
    struct sim_store *copy = sim_store_new();

    tables_share(copy->committed, s->committed);
    return copy;
}

void sim_store_open(struct sim_store *s, struct store *store)
{
    tables_share(s->view, s->committed);
    *store = (struct store){
        .impl = s,
        .get = store_get,
        .seek = store_seek,
        .commit = store_commit,
        .renew = store_renew,
        .close = store_close,
    };
}
