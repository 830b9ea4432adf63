#include "statemachine/layers.h"

#include <assert.h>
#include <stdlib.h>

void layers_open(struct layers *l, struct store store,
                 const uint8_t hash_key[CHANGES_HASH_KEY_BYTES])
{
    *l = (struct layers){.store = store};
    l->active = changes_new();
    l->other = changes_new();
    memcpy(l->hash_key, hash_key, CHANGES_HASH_KEY_BYTES);
}

void layers_close(struct layers *l)
{
    changes_free(l->active);
    changes_free(l->other);
}

static uint64_t hash_of(const struct layers *l, enum store_table table, struct slice key)
{
    return table == TABLE_LEDGER ? 0 : changes_hash(l->hash_key, table, key);
}

int layers_get(const struct layers *l, enum store_table table, struct slice key,
               struct slice *value, struct fault *fault)
{
    uint64_t hash = hash_of(l, table, key);
    const struct change *c = changes_get(l->active, table, key, hash);

    if (c == NULL && l->frozen) {
        c = changes_get(l->other, table, key, hash);
    }
    if (c != NULL) {
        *value = change_value(c);
        return 1;
    }
    return l->store.get(l->store.impl, table, key, value, fault);
}

void layers_put(struct layers *l, enum store_table table, struct slice key, struct slice value)
{
    assert(key.len > 0 && key.len <= STORE_KEY_MAX);
    changes_put(l->active, table, key, hash_of(l, table, key), value);
}

void layers_freeze(struct layers *l)
{
    struct changes *active = l->active;

    assert(!l->frozen && changes_count(l->other) == 0);
    l->active = l->other;
    l->other = active;
    l->frozen = true;
}

int layers_write(struct layers *l, struct fault *fault)
{
    size_t n;
    struct store_write *writes = changes_sorted(l->other, &n);
    int rc = l->store.commit(l->store.impl, writes, n, fault);

    free(writes);
    return rc;
}

int layers_thaw(struct layers *l, struct fault *fault)
{
    /* First the store, then the set: at no moment is a value in neither. */
    if (l->store.renew(l->store.impl, fault) != 0) {
        return -1;
    }
    l->frozen = false;
    changes_clear(l->other);
    return 0;
}

size_t layers_size(const struct layers *l)
{
    return changes_size(l->active) + changes_size(l->other);
}

size_t layers_active_size(const struct layers *l)
{
    return changes_size(l->active);
}

static int compare_changes(const void *a, const void *b)
{
    struct change *const *x = a, *const *y = b;

    return key_compare(change_key(*x), change_key(*y));
}

/* A sorted copy: the set's own list may be read by the checkpointer at this moment. */
static void sort_list(struct scan *scan, int i, const struct changes *set)
{
    struct change *const *list = changes_of(set, scan->table, &scan->n[i]);

    if (scan->n[i] == 0) {
        return;
    }
    scan->lists[i] = malloc(scan->n[i] * sizeof(struct change *));
    if (scan->lists[i] == NULL) {
        abort(); /* as everywhere: no state can be vouched for without memory */
    }
    memcpy(scan->lists[i], list, scan->n[i] * sizeof(struct change *));
    qsort(scan->lists[i], scan->n[i], sizeof(struct change *), compare_changes);
}

void scan_open(struct scan *scan, const struct layers *l, enum store_table table)
{
    *scan = (struct scan){.layers = l, .table = table, .in_store = true};
    sort_list(scan, 0, l->active);
    if (l->frozen) {
        sort_list(scan, 1, l->other);
    }
}

void scan_close(struct scan *scan)
{
    free(scan->lists[0]);
    free(scan->lists[1]);
}

/* Loads the store's next pair unless one waits already. */
static int fill_from_store(struct scan *scan, struct fault *fault)
{
    const struct store *store = &scan->layers->store;
    struct slice from = {(const char *)scan->last, scan->last_len};
    int rc;

    if (!scan->in_store || scan->store_key.len > 0) {
        return 0;
    }
    rc = store->seek(store->impl, scan->table, from, &scan->store_key, &scan->store_value, fault);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0) {
        scan->in_store = false;
        scan->store_key = (struct slice){NULL, 0};
        return 0;
    }
    /* The next search begins right behind this key: the key and one zero byte. */
    assert(scan->store_key.len <= STORE_KEY_MAX);
    memcpy(scan->last, scan->store_key.base, scan->store_key.len);
    scan->last[scan->store_key.len] = 0;
    scan->last_len = scan->store_key.len + 1;
    return 0;
}

int scan_next(struct scan *scan, struct slice *key, struct slice *value, struct fault *fault)
{
    bool found = false;
    int i;

    if (fill_from_store(scan, fault) != 0) {
        return -1;
    }
    /* From the oldest layer to the newest: with equal keys the newest one's value stays. */
    if (scan->store_key.len > 0) {
        *key = scan->store_key;
        *value = scan->store_value;
        found = true;
    }
    for (i = 1; i >= 0; i--) {
        const struct change *c;

        if (scan->at[i] == scan->n[i]) {
            continue;
        }
        c = scan->lists[i][scan->at[i]];
        if (!found || key_compare(change_key(c), *key) <= 0) {
            *key = change_key(c);
            *value = change_value(c);
            found = true;
        }
    }
    /* Step over this key wherever it stands. */
    if (found && scan->store_key.len > 0 && slice_equal(scan->store_key, *key)) {
        scan->store_key.len = 0;
    }
    for (i = 0; found && i < 2; i++) {
        if (scan->at[i] < scan->n[i] &&
            slice_equal(change_key(scan->lists[i][scan->at[i]]), *key)) {
            scan->at[i]++;
        }
    }
    return found ? 1 : 0;
}
