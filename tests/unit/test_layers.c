/* Drafts, and scans of a part of a table, over all layers. */
#include "tests/unit/machine_fixture.h"

static struct slice key_of(unsigned n, char text[static 16])
{
    return (struct slice){text, (size_t)snprintf(text, 16, "%c%03u", n % 2 == 0 ? 'a' : 'b', n)};
}

static void put(struct layers *l, unsigned n, const char *value)
{
    char text[16];

    layers_put(l, TABLE_ROUND, key_of(n, text), slice_of(value));
}

static void holds(struct layers *l, unsigned n, const char *value)
{
    char text[16];
    struct slice found;
    struct fault fault;
    int rc = layers_get(l, TABLE_ROUND, key_of(n, text), &found, &fault);

    if (value == NULL) {
        assert_int_equal(rc, 0);
        return;
    }
    assert_int_equal(rc, 1);
    assert_true(slice_is(found, value));
}

static void test_draft(void **state)
{
    struct fixture *f = *state;
    struct layers *l = &f->machine->state.layers;
    size_t size;

    put(l, 1, "one");
    put(l, 2, "two");
    size = layers_size(l);
    layers_draft(l);
    put(l, 2, "another, and a longer one");
    put(l, 3, "three");
    holds(l, 1, "one");
    holds(l, 2, "another, and a longer one");
    holds(l, 3, "three");
    layers_drop(l);
    holds(l, 2, "two");
    holds(l, 3, NULL);
    assert_int_equal(layers_size(l), size);

    layers_draft(l);
    holds(l, 3, NULL); /* nothing is left of the last one */
    put(l, 2, "zwei");
    put(l, 3, "drei");
    put(l, 3, "trois");
    layers_keep(l);
    holds(l, 1, "one");
    holds(l, 2, "zwei");
    holds(l, 3, "trois");
}

/* What a memo remembers is of the set that was active then: a later put must not reach what is
 * being written. And what was written is found without the store, until something newer is there.
 */
static void test_generations(void **state)
{
    struct fixture *f = *state;
    struct layers *l = &f->machine->state.layers;
    struct slice value, key = slice_of("a002");
    struct store_write *writes;
    struct fault fault;
    uint64_t index;
    size_t n, i;
    bool met = false;

    put(l, 2, "old");
    holds(l, 2, "old");
    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1));
    assert_true(machine_checkpoint_begin(f->machine));
    put(l, 2, "new");
    writes = changes_sorted(l->other, &n);
    for (i = 0; i < n; i++) {
        if (writes[i].table == TABLE_ROUND && slice_equal(writes[i].key, key)) {
            met = true;
            assert_true(slice_is(writes[i].value, "old"));
        }
    }
    free(writes);
    assert_true(met);
    assert_int_equal(machine_checkpoint_write(f->machine, &fault), 0);
    assert_int_equal(machine_checkpoint_end(f->machine, &index, &fault), 0);
    holds(l, 2, "new");
    assert_int_equal(l->store.get(l->store.impl, TABLE_ROUND, key, &value, &fault), 1);
    assert_true(slice_is(value, "old"));
    apply(f, money(COMMAND_BET, "demo", "b2", "alice", "EUR", 1));
    assert_int_equal(fixture_checkpoint(f), 0);
    holds(l, 2, "new");
    assert_int_equal(l->store.get(l->store.impl, TABLE_ROUND, key, &value, &fault), 1);
    assert_true(slice_is(value, "new"));
}

/* A look-up by name remembers what it found below the active set. What a key of somebody's own puts
 * later is seen all the same, and so is what a checkpoint moves or replaces. */
static void test_name_and_key(void **state)
{
    struct fixture *f = *state;
    struct layers *l = &f->machine->state.layers;
    struct layers_key key;
    struct slice value;
    struct fault fault;
    unsigned i;

    put(l, 2, "old");
    for (i = 0; i < 2; i++) { /* in the set that was written, then in the store */
        apply(f, money(COMMAND_BET, "demo", i == 0 ? "b1" : "b2", "alice", "EUR", 1));
        assert_int_equal(fixture_checkpoint(f), 0);
    }
    holds(l, 2, "old");
    holds(l, 2, "old");
    layers_draft(l);
    put(l, 2, "draft");
    holds(l, 2, "draft");
    layers_drop(l);
    holds(l, 2, "old");
    layers_key(l, TABLE_ROUND, key_of(2, key.text).len, &key);
    assert_int_equal(layers_get_at(l, &key, &value, &fault), 1);
    assert_true(slice_is(value, "old"));
    layers_put_at(l, &key, slice_of("new"));
    holds(l, 2, "new");
    put(l, 2, "newer, and longer than before");
    assert_int_equal(layers_get_at(l, &key, &value, &fault), 1);
    assert_true(slice_is(value, "newer, and longer than before"));
    apply(f, money(COMMAND_BET, "demo", "b3", "alice", "EUR", 1));
    assert_true(machine_checkpoint_begin(f->machine));
    holds(l, 2, "newer, and longer than before"); /* remembered of the frozen set */
    put(l, 2, "newest");
    assert_int_equal(machine_checkpoint_write(f->machine, &fault), 0);
    assert_int_equal(layers_thaw(l, &fault), 0);
    holds(l, 2, "newest");
}

/* What was found in the store is where the store's view of then has it: another one has it
 * elsewhere, and what was there may be overwritten. */
static void test_view_ends(void **state)
{
    struct fixture *f = *state;
    struct layers *l = &f->machine->state.layers;
    struct slice before, found, value, key = slice_of("a002");
    struct fault fault;
    unsigned i;

    put(l, 2, "old");
    for (i = 0; i < 2; i++) {
        apply(f, money(COMMAND_BET, "demo", i == 0 ? "b1" : "b2", "alice", "EUR", 1));
        assert_int_equal(fixture_checkpoint(f), 0);
    }
    put(l, 4, "its neighbour");
    apply(f, money(COMMAND_BET, "demo", "b3", "alice", "EUR", 1));
    assert_true(machine_checkpoint_begin(f->machine));
    assert_int_equal(layers_get(l, TABLE_ROUND, key, &before, &fault), 1);
    assert_int_equal(machine_checkpoint_write(f->machine, &fault), 0);
    assert_int_equal(layers_thaw(l, &fault), 0);
    assert_int_equal(layers_get(l, TABLE_ROUND, key, &found, &fault), 1);
    assert_int_equal(l->store.get(l->store.impl, TABLE_ROUND, key, &value, &fault), 1);
    assert_ptr_not_equal(value.base, before.base);
    assert_ptr_equal(found.base, value.base);
}

/* Walks a part and holds it against what it must be: every third of `step` from `first` on. */
static void walks(struct layers *l, const char *prefix, struct slice after, size_t most,
                  unsigned first, unsigned last)
{
    struct scan scan;
    struct slice key, value;
    struct fault fault;
    char text[16];
    unsigned n = first;
    size_t steps;

    scan_open_part(&scan, l, TABLE_ROUND, slice_of(prefix), after, most);
    for (steps = 0; steps < most && n <= last; steps++, n += 2) {
        assert_int_equal(scan_next(&scan, &key, &value, &fault), 1);
        if (!slice_equal(key, key_of(n, text))) {
            fail_msg("expected %s, got %.*s", text, (int)key.len, key.base);
        }
    }
    if (n > last && steps < most) {
        assert_int_equal(scan_next(&scan, &key, &value, &fault), 0);
    }
    scan_close(&scan);
}

static void walks_all(struct layers *l)
{
    char text[16];
    struct slice none = slice_of(NULL);

    walks(l, "a", none, 1000, 0, 298);
    walks(l, "b", none, 1000, 1, 299);
    walks(l, "a", none, 1, 0, 298);
    walks(l, "b", none, 7, 1, 299);
    walks(l, "a", key_of(100, text), 20, 102, 298);
    walks(l, "b", key_of(297, text), 20, 299, 299);
    walks(l, "b", key_of(299, text), 20, 301, 299);
    walks(l, "c", none, 20, 1, 0);
    walks(l, "", none, 20, 0, 298);
}

/* Keys come in an order of their own, and are spread over the store, the frozen and the active
 * changes; some stand in two of them. */
static void test_parts(void **state)
{
    struct fixture *f = *state;
    struct layers *l = &f->machine->state.layers;
    struct slice key, value;
    struct scan scan;
    struct fault fault;
    uint64_t index;
    unsigned i;

    for (i = 0; i < 100; i++) {
        put(l, (i * 37 % 100) * 3, "stored");
    }
    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1));
    assert_int_equal(fixture_checkpoint(f), 0);
    for (i = 0; i < 100; i++) {
        put(l, (i * 41 % 100) * 3 + 1, "frozen");
    }
    put(l, 150, "frozen");
    apply(f, money(COMMAND_BET, "demo", "b2", "alice", "EUR", 1));
    assert_true(machine_checkpoint_begin(f->machine));
    for (i = 0; i < 100; i++) {
        put(l, (i * 43 % 100) * 3 + 2, "active");
    }
    put(l, 0, "active");
    put(l, 150, "active");
    walks_all(l);
    scan_open_part(&scan, l, TABLE_ROUND, slice_of("a0"), slice_of(NULL), 1);
    assert_int_equal(scan_next(&scan, &key, &value, &fault), 1);
    assert_true(slice_is(value, "active")); /* the newest value of it */
    scan_close(&scan);
    assert_int_equal(machine_checkpoint_write(f->machine, &fault), 0);
    assert_int_equal(machine_checkpoint_end(f->machine, &index, &fault), 0);
    walks_all(l);
}

enum { ORDERED = 6, ORDERS = 720 };

/* Puts the numbers of a permutation under a prefix of its own; they stand in no order then. */
static void put_order(struct layers *l, unsigned order, char prefix[static 8])
{
    unsigned left[ORDERED] = {0, 1, 2, 3, 4, 5};
    unsigned n, rest = order;
    char text[16];

    snprintf(prefix, 8, "p%03u.", order);
    for (n = ORDERED; n > 0; n--) {
        unsigned pick = rest % n;

        rest /= n;
        snprintf(text, sizeof text, "%s%u", prefix, left[pick]);
        layers_put(l, TABLE_ROUND, slice_of(text), slice_of("x"));
        left[pick] = left[n - 1];
    }
}

/* A page is the lowest keys of its part, in their order, whatever order they were put in. */
static void test_lowest(void **state)
{
    struct fixture *f = *state;
    struct layers *l = &f->machine->state.layers;
    struct slice key, value;
    struct scan scan;
    unsigned order, most, n, after;
    char prefix[8], text[16];

    for (order = 0; order < ORDERS; order++) {
        put_order(l, order, prefix);
        after = order % ORDERED; /* the first that is wanted; the one before it is passed */
        snprintf(text, sizeof text, "%s%u", prefix, after - 1);
        for (most = 1; most <= ORDERED; most++) {
            scan_open_part(&scan, l, TABLE_ROUND, slice_of(prefix),
                           slice_of(after == 0 ? NULL : text), most);
            for (n = after; n < ORDERED && n < after + most; n++) {
                assert_int_equal(scan_next(&scan, &key, &value, &f->fault), 1);
                assert_int_equal(key.base[key.len - 1], '0' + n);
            }
            assert_int_equal(scan_next(&scan, &key, &value, &f->fault), 0);
            scan_close(&scan);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_draft, setup, teardown),
        cmocka_unit_test_setup_teardown(test_generations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_name_and_key, setup, teardown),
        cmocka_unit_test_setup_teardown(test_view_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lowest, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
