#include "statemachine/layers.h"

#include <assert.h>
#include <stdlib.h>

void layers_open(struct layers *l, struct store store,
                 const uint8_t hash_key[CHANGES_HASH_KEY_BYTES], size_t filter_bytes)
{
    *l = (struct layers){.store = store};
    l->active = changes_new();
    l->other = changes_new();
    l->draft = changes_new();
    l->memos = calloc((size_t)2 * TABLE_COUNT, sizeof *l->memos);
    if (l->memos == NULL) {
        abort(); /* as everywhere: no state can be vouched for without memory */
    }
    seen_init(&l->seen, &store, filter_bytes);
    memcpy(l->hash_key, hash_key, CHANGES_HASH_KEY_BYTES);
}

void layers_close(struct layers *l)
{
    changes_free(l->active);
    changes_free(l->other);
    changes_free(l->draft);
    free(l->memos);
    seen_release(&l->seen);
}

void layers_key(const struct layers *l, enum store_table table, size_t len, struct layers_key *key)
{
    assert(len > 0 && len <= STORE_KEY_MAX && table != TABLE_LEDGER);
    key->hash = changes_hash(l->hash_key, table, (struct slice){key->text, len});
    key->active = NULL;
    key->table = (uint16_t)table;
    key->len = (uint16_t)len;
}

static struct slice text_of(const struct layers_key *key)
{
    return (struct slice){key->text, key->len};
}

/* Two for each table: a bet changes a player's balance and a provider's, whose keys begin with
 * another byte. */
static struct layers_memo *memo_of(const struct layers *l, enum store_table table, struct slice key)
{
    struct layers_memo *memo = &l->memos[2 * table + ((unsigned)key.base[0] & 1)];

    assert(key.len > 0 && key.len <= STORE_KEY_MAX);
    if (!slice_equal(text_of(&memo->key), key)) {
        memcpy(memo->key.text, key.base, key.len);
        layers_key(l, table, key.len, &memo->key);
        memo->known = false;
    }
    return memo;
}

/* What they know ends with the sets and the store's view that they know it of. */
static void forget_memos(struct layers *l)
{
    size_t i;

    for (i = 0; i < (size_t)2 * TABLE_COUNT; i++) {
        l->memos[i].key.len = 0;
    }
}

/* The ledger's records are found by their place. */
static int get_record(const struct layers *l, struct slice key, struct slice *value,
                      struct fault *fault)
{
    const struct change *c = l->drafting ? changes_get(l->draft, TABLE_LEDGER, key, 0) : NULL;

    if (c == NULL) {
        c = changes_get(l->active, TABLE_LEDGER, key, 0);
    }
    if (c == NULL) {
        c = changes_get(l->other, TABLE_LEDGER, key, 0);
    }
    if (c != NULL) {
        *value = change_value(c);
        return 1;
    }
    return l->store.get(l->store.impl, TABLE_LEDGER, key, value, fault);
}

/* The draft's entry, or the active set's. */
static const struct change *newest(const struct layers *l, struct layers_key *key)
{
    const struct change *c = NULL;

    if (l->drafting) {
        c = changes_get(l->draft, key->table, text_of(key), key->hash);
    }
    if (c == NULL && key->active == NULL) {
        key->active = changes_get(l->active, key->table, text_of(key), key->hash);
    }
    return c != NULL ? c : key->active;
}

int layers_get_at(const struct layers *l, struct layers_key *key, struct slice *value,
                  struct fault *fault)
{
    enum store_table table = (enum store_table)key->table;
    const struct change *c;

    if (seen_never(&l->seen, table, key->hash)) {
        return 0;
    }
    c = newest(l, key);
    if (c == NULL && !(table == TABLE_TRANSACTION && MUTANT(l, MUTANT_FORGET_FROZEN))) {
        c = changes_get(l->other, table, text_of(key), key->hash);
    }
    if (c != NULL) {
        *value = change_value(c);
        return 1;
    }
    return l->store.get(l->store.impl, table, text_of(key), value, fault);
}

int layers_get(const struct layers *l, enum store_table table, struct slice key,
               struct slice *value, struct fault *fault)
{
    struct layers_memo *memo;
    size_t added;
    int rc;

    if (table == TABLE_LEDGER) {
        return get_record(l, key, value, fault);
    }
    memo = memo_of(l, table, key);
    changes_of(l->active, table, &added);
    if (memo->known && memo->added == added && !l->drafting) {
        *value = memo->value;
        return 1;
    }
    rc = layers_get_at(l, &memo->key, value, fault);
    /* What is in the active set changes in its place; and a draft's is not for long. */
    memo->known = rc == 1 && memo->key.active == NULL && !l->drafting;
    if (memo->known) {
        memo->value = *value;
        memo->added = added;
    }
    return rc;
}

void layers_prefetch(const struct layers *l, const struct layers_key *key)
{
    seen_prefetch(&l->seen, (enum store_table)key->table, key->hash);
    changes_prefetch(l->active, key->hash);
    changes_prefetch(l->other, key->hash);
}

void layers_prefetch_entry(const struct layers *l, const struct layers_key *key)
{
    changes_prefetch_entry(l->active, key->hash);
    changes_prefetch_entry(l->other, key->hash);
}

void layers_put_at(struct layers *l, struct layers_key *key, struct slice value)
{
    enum store_table table = (enum store_table)key->table;

    if (key->active == NULL) {
        seen_add(&l->seen, table, key->hash);
    }
    if (l->drafting) {
        changes_put(l->draft, table, text_of(key), key->hash, value);
    } else if (key->active != NULL) {
        changes_replace(l->active, key->active, value);
    } else {
        key->active = changes_put(l->active, table, text_of(key), key->hash, value);
    }
}

void layers_put(struct layers *l, enum store_table table, struct slice key, struct slice value)
{
    if (table == TABLE_LEDGER) {
        changes_put(l->drafting ? l->draft : l->active, table, key, 0, value);
        return;
    }
    layers_put_at(l, &memo_of(l, table, key)->key, value);
}

static void add_seen(struct layers *l, const struct changes *set, enum store_table table)
{
    size_t n, i;
    struct change *const *list = changes_of(set, table, &n);

    for (i = 0; i < n; i++) {
        seen_add(&l->seen, table, changes_hash(l->hash_key, table, change_key(list[i])));
    }
}

int layers_read_on(struct layers *l, size_t most, struct fault *fault)
{
    enum store_table table;

    if (seen_is_full(&l->seen)) {
        seen_grow(&l->seen);
        for (table = 0; table < TABLE_COUNT; table++) {
            if (seen_has_filter(table)) {
                add_seen(l, l->active, table);
                add_seen(l, l->other, table);
            }
        }
    }
    return seen_read_on(&l->seen, &l->store, l->hash_key, most, fault);
}

void layers_draft(struct layers *l)
{
    assert(!l->drafting && changes_count(l->draft) == 0);
    l->drafting = true;
}

void layers_keep(struct layers *l)
{
    enum store_table t;
    size_t n, i;

    assert(l->drafting);
    l->drafting = false;
    for (t = 0; t < TABLE_COUNT; t++) {
        struct change *const *list = changes_of(l->draft, t, &n);

        for (i = 0; i < n; i++) {
            layers_put(l, t, change_key(list[i]), change_value(list[i]));
        }
    }
    changes_clear(l->draft);
}

void layers_drop(struct layers *l)
{
    assert(l->drafting);
    l->drafting = false;
    changes_clear(l->draft);
}

void layers_freeze(struct layers *l)
{
    struct changes *active = l->active;

    assert(!l->drafting && !l->frozen);
    changes_clear(l->other);
    l->active = l->other;
    l->other = active;
    l->frozen = true;
    forget_memos(l);
}

#ifdef FLORIN_MUTANTS
static size_t without_marks(struct store_write *writes, size_t n)
{
    static const char no_seq[8];
    size_t i, kept = 0;

    for (i = 0; i < n; i++) {
        if (writes[i].table != TABLE_TRANSACTION ||
            memcmp(writes[i].value.base, no_seq, sizeof no_seq) != 0) {
            writes[kept++] = writes[i];
        }
    }
    return kept;
}
#endif

int layers_write(struct layers *l, struct fault *fault)
{
    size_t n;
    struct store_write *writes = changes_sorted(l->other, &n);
    int rc;

#ifdef FLORIN_MUTANTS
    n = l->mutant == MUTANT_UNSAVED_MARK ? without_marks(writes, n) : n;
#endif
    rc = l->store.commit(l->store.impl, writes, n, fault);

    free(writes);
    return rc;
}

int layers_fold(struct layers *l, size_t most, struct fault *fault)
{
    return l->store.fold != NULL ? l->store.fold(l->store.impl, most, fault) : 0;
}

int layers_thaw(struct layers *l, struct fault *fault)
{
    forget_memos(l);
    if (l->store.renew(l->store.impl, fault) != 0) {
        return -1;
    }
    l->frozen = false;
    return 0;
}

size_t layers_size(const struct layers *l)
{
    return changes_size(l->active) + (l->frozen ? changes_size(l->other) : 0);
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
        abort();
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

static bool begins_with(struct slice key, struct slice prefix)
{
    return key.len >= prefix.len &&
           (prefix.len == 0 || memcmp(key.base, prefix.base, prefix.len) == 0);
}

/* Puts the last of a heap, whose root has the greatest key, in its place. */
static void heap_up(struct change **heap, size_t n)
{
    size_t at = n - 1;

    while (at > 0 && compare_changes(&heap[at], &heap[(at - 1) / 2]) > 0) {
        struct change *up = heap[at];

        heap[at] = heap[(at - 1) / 2];
        heap[(at - 1) / 2] = up;
        at = (at - 1) / 2;
    }
}

/* ... and the root. */
static void heap_down(struct change **heap, size_t n)
{
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;
        struct change *down = heap[at];

        if (child < n - 1 && compare_changes(&heap[child + 1], &heap[child]) > 0) {
            child++;
        }
        if (child >= n || compare_changes(&heap[child], &heap[at]) <= 0) {
            return;
        }
        heap[at] = heap[child];
        heap[child] = down;
        at = child;
    }
}

/* The `most` lowest of a set's keys in the part: a heap of them, whose root is the first to go. */
static void part_list(struct scan *scan, int i, const struct changes *set, struct slice after,
                      size_t most)
{
    size_t total, at, n = 0;
    struct change *const *list = changes_of(set, scan->table, &total);
    struct change **heap = malloc(most * sizeof *heap);

    if (heap == NULL) {
        abort();
    }
    for (at = 0; at < total; at++) {
        if (!begins_with(change_key(list[at]), scan->prefix) ||
            key_compare(change_key(list[at]), after) <= 0) {
            continue;
        }
        if (n < most) {
            heap[n++] = list[at];
            heap_up(heap, n);
        } else if (compare_changes(&list[at], &heap[0]) < 0) {
            heap[0] = list[at];
            heap_down(heap, n);
        }
    }
    qsort(heap, n, sizeof *heap, compare_changes);
    scan->lists[i] = heap;
    scan->n[i] = n;
}

void scan_open_part(struct scan *scan, const struct layers *l, enum store_table table,
                    struct slice prefix, struct slice after, size_t most)
{
    struct slice from = after.len > 0 ? after : prefix;

    assert(most > 0 && from.len <= STORE_KEY_MAX);
    *scan = (struct scan){.layers = l, .table = table, .in_store = true, .prefix = prefix};
    memcpy(scan->last, from.base, from.len);
    scan->last_len = from.len;
    if (after.len > 0) {
        scan->last[scan->last_len++] = 0; /* right behind it */
    }
    part_list(scan, 0, l->active, after, most);
    if (l->frozen) {
        part_list(scan, 1, l->other, after, most);
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
    if (rc == 0 || !begins_with(scan->store_key, scan->prefix)) {
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
