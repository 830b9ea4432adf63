/* The set of changes against a plain array, and the three layers against a set that has it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "statemachine/layers.h"
#include "tests/unit/ledger_fixture.h"

static const uint8_t hash_key[CHANGES_HASH_KEY_BYTES] = {1, 2, 3};

static void put(struct changes *s, enum store_table table, const char *key, const char *value)
{
    changes_put(s, table, slice_of(key), changes_hash(hash_key, table, slice_of(key)),
                slice_of(value));
}

static const struct change *get(const struct changes *s, enum store_table table, const char *key)
{
    return changes_get(s, table, slice_of(key), changes_hash(hash_key, table, slice_of(key)));
}

static void has(const struct changes *s, enum store_table table, const char *key, const char *value)
{
    const struct change *c = get(s, table, key);

    assert_non_null(c);
    assert_true(slice_is(change_value(c), value));
}

static void test_replace(void **state)
{
    struct changes *s = changes_new();
    size_t size;

    (void)state;
    assert_null(get(s, TABLE_PLAYER, "alice"));
    put(s, TABLE_PLAYER, "alice", "short");
    put(s, TABLE_KEY, "alice", "the key");
    has(s, TABLE_PLAYER, "alice", "short");
    has(s, TABLE_KEY, "alice", "the key");
    assert_int_equal(changes_count(s), 2);
    size = changes_size(s);
    put(s, TABLE_PLAYER, "alice", "8 bytes!"); /* still fits its room */
    assert_int_equal(changes_size(s), size);
    put(s, TABLE_PLAYER, "alice", "a value that is much longer than the first one");
    assert_true(changes_size(s) > size);
    has(s, TABLE_PLAYER, "alice", "a value that is much longer than the first one");
    put(s, TABLE_PLAYER, "alice", "");
    has(s, TABLE_PLAYER, "alice", "");
    assert_int_equal(changes_count(s), 2);
    changes_clear(s);
    assert_null(get(s, TABLE_PLAYER, "alice"));
    assert_int_equal(changes_count(s), 0);
    assert_int_equal(changes_size(s), 0);
    put(s, TABLE_PLAYER, "alice", "again");
    has(s, TABLE_PLAYER, "alice", "again");
    changes_free(s);
}

/* Equal hashes are rare, and must not matter. */
static void test_collisions(void **state)
{
    struct changes *s = changes_new();
    const struct change *c;

    (void)state;
    changes_put(s, TABLE_PLAYER, slice_of("a"), 77, slice_of("player a"));
    changes_put(s, TABLE_PLAYER, slice_of("b"), 77, slice_of("player b"));
    changes_put(s, TABLE_KEY, slice_of("a"), 77, slice_of("key a"));
    assert_int_equal(changes_count(s), 3);
    c = changes_get(s, TABLE_PLAYER, slice_of("a"), 77);
    assert_true(slice_is(change_value(c), "player a"));
    c = changes_get(s, TABLE_PLAYER, slice_of("b"), 77);
    assert_true(slice_is(change_value(c), "player b"));
    c = changes_get(s, TABLE_KEY, slice_of("a"), 77);
    assert_true(slice_is(change_value(c), "key a"));
    assert_null(changes_get(s, TABLE_KEY, slice_of("b"), 77));
    changes_free(s);
}

/* Keys that differ before, within and behind the bytes that the sort looks at first, and by their
 * length alone. */
static void test_order(void **state)
{
    static const struct slice keys[] = {
        {"p-\0", 3},          {"p-", 2},           {"p-12345678", 10},
        {"p-12345678b", 11},  {"p-12345678a", 11}, {"p-1234567", 9},
        {"p-1234567\0", 10},  {"p-\xff", 3},       {"p-\0\0", 4},
        {"p-12345678ab", 12},
    };
    struct changes *s = changes_new();
    struct store_write *sorted;
    size_t n, i;

    (void)state;
    for (i = 0; i < sizeof keys / sizeof *keys; i++) {
        changes_put(s, TABLE_PLAYER, keys[i], changes_hash(hash_key, TABLE_PLAYER, keys[i]),
                    keys[i]);
    }
    sorted = changes_sorted(s, &n);
    assert_int_equal(n, sizeof keys / sizeof *keys);
    for (i = 1; i < n; i++) {
        assert_true(key_compare(sorted[i - 1].key, sorted[i].key) < 0);
    }
    free(sorted);
    changes_free(s);
}

enum { MANY = 30000 };

static void test_many(void **state)
{
    struct changes *s = changes_new();
    struct store_write *sorted;
    char key[32], value[32];
    size_t n;
    int i, round;

    (void)state;
    for (round = 0; round < 2; round++) {
        for (i = 0; i < MANY; i++) {
            snprintf(key, sizeof key, "k%d", i * 7919 % MANY);
            put(s, i % 2 == 0 ? TABLE_PLAYER : TABLE_TRANSACTION, key, key);
        }
        for (i = 0; i < MANY; i += 3) {
            snprintf(key, sizeof key, "k%d", i * 7919 % MANY);
            snprintf(value, sizeof value, "new-%d", i);
            put(s, i % 2 == 0 ? TABLE_PLAYER : TABLE_TRANSACTION, key, value);
        }
        for (i = 0; i < MANY; i++) {
            snprintf(key, sizeof key, "k%d", i * 7919 % MANY);
            snprintf(value, sizeof value, "new-%d", i);
            has(s, i % 2 == 0 ? TABLE_PLAYER : TABLE_TRANSACTION, key, i % 3 == 0 ? value : key);
            assert_null(get(s, i % 2 == 1 ? TABLE_PLAYER : TABLE_TRANSACTION, key));
        }
        sorted = changes_sorted(s, &n);
        assert_int_equal(n, MANY);
        for (i = 1; i < MANY; i++) {
            assert_true(sorted[i - 1].table < sorted[i].table ||
                        (sorted[i - 1].table == sorted[i].table &&
                         key_compare(sorted[i - 1].key, sorted[i].key) < 0));
        }
        free(sorted);
        changes_clear(s);
    }
    changes_free(s);
}

static struct slice seq_key(uint64_t seq, char out[8])
{
    int i;

    for (i = 0; i < 8; i++) {
        out[i] = (char)(seq >> (56 - 8 * i));
    }
    return (struct slice){out, 8};
}

/* The ledger's records have their places by seq, from wherever this set begins. */
static void test_ledger(void **state)
{
    struct changes *s = changes_new();
    char key[8];
    uint64_t seq;

    (void)state;
    assert_null(changes_get(s, TABLE_LEDGER, seq_key(1, key), 0));
    for (seq = 250; seq < 600; seq++) {
        changes_put(s, TABLE_LEDGER, seq_key(seq, key), 0, (struct slice){key, 8});
    }
    assert_null(changes_get(s, TABLE_LEDGER, seq_key(249, key), 0));
    assert_null(changes_get(s, TABLE_LEDGER, seq_key(600, key), 0));
    assert_null(changes_get(s, TABLE_LEDGER, seq_key(0, key), 0));
    for (seq = 250; seq < 600; seq++) {
        const struct change *c = changes_get(s, TABLE_LEDGER, seq_key(seq, key), 0);

        assert_non_null(c);
        assert_memory_equal(c->value, key, 8);
    }
    changes_free(s);
}

static void layers_has(struct layers *l, const char *key, const char *value)
{
    struct slice got;
    struct fault fault;

    assert_int_equal(layers_get(l, TABLE_PLAYER, slice_of(key), &got, &fault), 1);
    assert_true(slice_is(got, value));
}

static void scans(struct layers *l, const char *const *pairs, size_t n)
{
    struct scan scan;
    struct slice key, value;
    struct fault fault;
    size_t i;

    scan_open(&scan, l, TABLE_PLAYER);
    for (i = 0; i < n; i++) {
        assert_int_equal(scan_next(&scan, &key, &value, &fault), 1);
        assert_true(slice_is(key, pairs[2 * i]));
        assert_true(slice_is(value, pairs[2 * i + 1]));
    }
    assert_int_equal(scan_next(&scan, &key, &value, &fault), 0);
    assert_int_equal(scan_next(&scan, &key, &value, &fault), 0);
    scan_close(&scan);
}

static void lput(struct layers *l, const char *key, const char *value)
{
    layers_put(l, TABLE_PLAYER, slice_of(key), slice_of(value));
}

/* One key in every combination of layers: the newest value is seen, once. */
static void test_layers(void **state)
{
    static const char *const before[] = {"a", "store",  "b", "frozen", "c", "frozen", "d", "active",
                                         "e", "active", "f", "active", "g", "active"};
    static const char *const after[] = {"a", "store",  "b", "frozen", "c", "frozen", "d", "active",
                                        "e", "active", "f", "active", "g", "active", "h", "new"};
    char folder[256];
    struct store store;
    struct layers l;
    struct fault fault;
    struct slice value;

    (void)state;
    fixture_folder(folder);
    assert_int_equal(store_lmdb_open(&store, folder, FIXTURE_MAP_BYTES, &fault), 0);
    layers_open(&l, store, hash_key, 0);
    scans(&l, NULL, 0);
    lput(&l, "g", "store");
    lput(&l, "e", "store");
    lput(&l, "b", "store");
    lput(&l, "a", "store");
    layers_freeze(&l);
    layers_has(&l, "a", "store");
    assert_int_equal(layers_write(&l, &fault), 0);
    assert_int_equal(layers_thaw(&l, &fault), 0);
    assert_int_equal(layers_size(&l), 0);
    lput(&l, "c", "frozen");
    lput(&l, "b", "frozen");
    lput(&l, "g", "frozen");
    lput(&l, "f", "frozen");
    layers_freeze(&l);
    lput(&l, "g", "active");
    lput(&l, "f", "active");
    lput(&l, "e", "active");
    lput(&l, "d", "active");
    layers_has(&l, "a", "store");
    layers_has(&l, "b", "frozen");
    layers_has(&l, "f", "active");
    layers_has(&l, "g", "active");
    scans(&l, before, 7);
    assert_int_equal(layers_write(&l, &fault), 0);
    scans(&l, before, 7);
    assert_int_equal(layers_thaw(&l, &fault), 0);
    scans(&l, before, 7);
    lput(&l, "h", "new");
    scans(&l, after, 8);
    assert_int_equal(layers_get(&l, TABLE_PLAYER, slice_of("i"), &value, &fault), 0);
    layers_close(&l);
    store.close(store.impl);
    fixture_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replace), cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_order),   cmocka_unit_test(test_many),
        cmocka_unit_test(test_ledger),  cmocka_unit_test(test_layers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
