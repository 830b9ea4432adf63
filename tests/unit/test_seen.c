/* The filter of keys that were never put: it may forget nothing, and must be good for something. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statemachine/layers.h"
#include "tests/unit/ledger_fixture.h"

enum { STORED = 5000, PUT = 100003 /* a prime */, UNKNOWN = 20000 };

static const uint8_t hash_key[CHANGES_HASH_KEY_BYTES] = {4, 5, 6};

/* A store that has k000000 to k(n-1) in its table of transactions, and fails when told to. */
struct fake {
    unsigned n;
    bool fails;
    char key[16];
};

static struct slice key_of(unsigned n, char key[static 16])
{
    return (struct slice){key, (size_t)snprintf(key, 16, "k%06u", n)};
}

static uint64_t hash_of(enum store_table table, unsigned n)
{
    char key[16];

    return changes_hash(hash_key, table, key_of(n, key));
}

static int fake_seek(void *impl, enum store_table table, struct slice key, struct slice *found,
                     struct slice *value, struct fault *fault)
{
    struct fake *f = impl;
    unsigned n = 0;

    if (f->fails) {
        return fault_set(fault, "it fails");
    }
    if (key.len > 0) { /* a key and one zero byte: what stands right behind it */
        n = (unsigned)atoi(key.base + 1) + 1;
    }
    if (table != TABLE_TRANSACTION || n >= f->n) {
        return 0;
    }
    *found = key_of(n, f->key);
    *value = slice_of("v");
    return 1;
}

static struct store store_of(struct fake *f)
{
    return (struct store){.impl = f, .seek = fake_seek};
}

/* Reads on until the filter answers; while it does not, it may say no of nothing. */
static void read_whole(struct seen *s, const struct store *store, size_t step)
{
    struct fault fault;
    int steps = 0;

    while (s->next.words != NULL) {
        assert_false(seen_never(s, TABLE_TRANSACTION, hash_of(TABLE_TRANSACTION, 777777)));
        assert_int_equal(seen_read_on(s, store, hash_key, step, &fault), 0);
        assert_true(++steps < 100000);
    }
}

static void knows(const struct seen *s, enum store_table table, unsigned from, unsigned to)
{
    for (; from < to; from++) {
        assert_false(seen_never(s, table, hash_of(table, from)));
    }
}

/* How many of keys that were never put are not known to be so. */
static unsigned mistaken(const struct seen *s, enum store_table table)
{
    unsigned i, n = 0;

    for (i = 0; i < UNKNOWN; i++) {
        n += !seen_never(s, table, hash_of(table, 700000 + i));
    }
    return n;
}

static void test_store_is_read(void **state)
{
    struct fake fake = {.n = STORED};
    struct store store = store_of(&fake);
    struct seen s;
    struct fault fault;
    unsigned i;

    (void)state;
    seen_init(&s, &store, 0);
    for (i = 0; i < 10; i++) {
        assert_int_equal(seen_read_on(&s, &store, hash_key, 100, &fault), 0);
        seen_add(&s, TABLE_TRANSACTION, hash_of(TABLE_TRANSACTION, STORED + i)); /* meanwhile */
    }
    read_whole(&s, &store, 100);
    knows(&s, TABLE_TRANSACTION, 0, STORED + 10);
    assert_true(mistaken(&s, TABLE_TRANSACTION) < UNKNOWN / 100);
    assert_true(seen_never(&s, TABLE_ROUND, hash_of(TABLE_ROUND, 1)));
    assert_false(seen_never(&s, TABLE_PLAYER, hash_of(TABLE_PLAYER, 1))); /* has no filter */
    seen_release(&s);
}

/* A full filter is followed by a larger one, which holds what the store has, what is not there yet,
 * and what is put while it is made: whatever the order of keys, and wherever a checkpoint stands.
 */
static void test_growth(void **state)
{
    struct store store;
    struct layers l;
    struct slice value;
    struct fault fault;
    char folder[256];
    size_t first_lines;
    unsigned i;

    (void)state;
    fixture_folder(folder);
    assert_int_equal(store_lmdb_open(&store, folder, FIXTURE_MAP_BYTES, &fault), 0);
    layers_open(&l, store, hash_key, 0);
    assert_int_equal(layers_read_on(&l, 100, &fault), 0);
    first_lines = l.seen.whole.n_lines;
    for (i = 0; i < PUT; i++) {
        char key[16];

        layers_put(&l, TABLE_TRANSACTION, key_of(i * 7919 % PUT, key), slice_of("v"));
        assert_int_equal(layers_read_on(&l, 20, &fault), 0);
        if (i == PUT / 3 || i == PUT / 2) { /* millions more would take long */
            l.seen.whole.keys = 1000 * l.seen.whole.n_lines;
        }
        if (i % 7000 == 6000) {
            layers_freeze(&l);
        } else if (i % 7000 == 6500) {
            assert_int_equal(layers_write(&l, &fault), 0);
        } else if (i % 7000 == 6900) {
            assert_int_equal(layers_thaw(&l, &fault), 0);
        }
    }
    assert_int_equal(l.seen.whole.n_lines, 16 * first_lines);
    for (i = 0; i < PUT; i++) {
        char key[16];

        assert_int_equal(layers_get(&l, TABLE_TRANSACTION, key_of(i, key), &value, &fault), 1);
    }
    assert_true(mistaken(&l.seen, TABLE_TRANSACTION) < UNKNOWN / 50);
    layers_close(&l);
    store.close(store.impl);
    fixture_remove(folder);
}

static void test_first_size(void **state)
{
    struct fake small = {.n = 0};
    struct store store = store_of(&small);
    struct seen s;

    (void)state;
    seen_init(&s, &store, 0);
    assert_int_equal(s.next.n_lines * 64, 2 << 20);
    seen_release(&s);
    seen_init(&s, &store, 8 << 20);
    assert_int_equal(s.next.n_lines * 64, 8 << 20);
    seen_release(&s);
}

static void test_failure(void **state)
{
    struct fake fake = {.n = 10, .fails = true};
    struct store store = store_of(&fake);
    struct seen s;
    struct fault fault;

    (void)state;
    seen_init(&s, &store, 0);
    assert_int_equal(seen_read_on(&s, &store, hash_key, 100, &fault), -1);
    seen_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_is_read),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_first_size),
        cmocka_unit_test(test_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
