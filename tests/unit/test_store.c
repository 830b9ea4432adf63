#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "tests/unit/ledger_fixture.h"

struct world {
    char folder[256];
    struct store store;
    struct fault fault;
};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    fixture_folder(w->folder);
    *state = w;
    return store_lmdb_open(&w->store, w->folder, 4 << 20, &w->fault);
}

static int teardown(void **state)
{
    struct world *w = *state;

    w->store.close(w->store.impl);
    fixture_remove(w->folder);
    free(w);
    return 0;
}

static int commit(struct world *w, const struct store_write *writes, size_t n)
{
    return w->store.commit(w->store.impl, writes, n, &w->fault);
}

static int get(struct world *w, enum store_table table, const char *key, struct slice *value)
{
    return w->store.get(w->store.impl, table, slice_of(key), value, &w->fault);
}

static void renew(struct world *w)
{
    assert_int_equal(w->store.renew(w->store.impl, &w->fault), 0);
}

static void reopen(struct world *w)
{
    w->store.close(w->store.impl);
    assert_int_equal(store_lmdb_open(&w->store, w->folder, 4 << 20, &w->fault), 0);
}

static void test_commit_and_renew(void **state)
{
    struct world *w = *state;
    const struct store_write first[] = {
        {TABLE_META, slice_of("applied"), slice_of("1")},
        {TABLE_PLAYER, slice_of("alice"), slice_of("A")},
        {TABLE_PLAYER, slice_of("bob"), slice_of("")},
    };
    const struct store_write second[] = {{TABLE_PLAYER, slice_of("alice"), slice_of("AA")}};
    struct slice value;

    assert_int_equal(get(w, TABLE_PLAYER, "alice", &value), 0);
    assert_int_equal(commit(w, first, 3), 0);
    assert_int_equal(get(w, TABLE_PLAYER, "alice", &value), 0); /* not before renew */
    renew(w);
    assert_int_equal(get(w, TABLE_PLAYER, "alice", &value), 1);
    assert_true(slice_is(value, "A"));
    assert_int_equal(get(w, TABLE_PLAYER, "bob", &value), 1);
    assert_int_equal(value.len, 0);
    assert_int_equal(get(w, TABLE_KEY, "alice", &value), 0); /* tables are apart */

    assert_int_equal(commit(w, second, 1), 0);
    assert_int_equal(get(w, TABLE_PLAYER, "alice", &value), 1);
    assert_true(slice_is(value, "A"));
    renew(w);
    assert_int_equal(get(w, TABLE_PLAYER, "alice", &value), 1);
    assert_true(slice_is(value, "AA"));
    assert_int_equal(commit(w, NULL, 0), 0);

    reopen(w);
    assert_int_equal(get(w, TABLE_PLAYER, "alice", &value), 1);
    assert_true(slice_is(value, "AA"));
    assert_int_equal(get(w, TABLE_META, "applied", &value), 1);
}

static void seeks(struct world *w, const char *from, const char *expected)
{
    struct slice key, value;
    int rc = w->store.seek(w->store.impl, TABLE_PLAYER, slice_of(from), &key, &value, &w->fault);

    if (expected == NULL) {
        assert_int_equal(rc, 0);
        return;
    }
    assert_int_equal(rc, 1);
    assert_true(slice_is(key, expected));
    assert_true(slice_is(value, expected));
}

/* Who asks for a key that is not there learns nothing of the one beside it. */
static void test_not_there(void **state)
{
    struct world *w = *state;
    const struct store_write write = {TABLE_PASSWORD, slice_of("carol"), slice_of("hash of carol")};
    struct slice value = {NULL, 0};

    assert_int_equal(commit(w, &write, 1), 0);
    renew(w);
    assert_int_equal(get(w, TABLE_PASSWORD, "bank", &value), 0);
    assert_null(value.base);
    assert_int_equal(get(w, TABLE_PASSWORD, "dave", &value), 0);
    assert_null(value.base);
    assert_int_equal(get(w, TABLE_PASSWORD, "carol", &value), 1);
    assert_true(slice_is(value, "hash of carol"));
}

static void test_seek(void **state)
{
    struct world *w = *state;
    const struct store_write writes[] = {
        {TABLE_PLAYER, slice_of("b"), slice_of("b")},
        {TABLE_PLAYER, slice_of("ba"), slice_of("ba")},
        {TABLE_PLAYER, slice_of("d"), slice_of("d")},
    };
    const struct store_write later[] = {{TABLE_PLAYER, slice_of("c"), slice_of("c")}};

    seeks(w, "", NULL);
    seeks(w, "a", NULL);
    assert_int_equal(commit(w, writes, 3), 0);
    seeks(w, "a", NULL);
    renew(w);
    seeks(w, "", "b");
    seeks(w, "a", "b");
    seeks(w, "b", "b");
    seeks(w, "b0", "ba");
    seeks(w, "bb", "d");
    seeks(w, "d", "d");
    seeks(w, "da", NULL);
    assert_int_equal(commit(w, later, 1), 0);
    seeks(w, "bb", "d");
    renew(w);
    seeks(w, "bb", "c"); /* the cursor was renewed, too */
}

/* A commit that does not fit changes nothing, says what to do, and leaves the store usable. */
static void test_full(void **state)
{
    struct world *w = *state;
    size_t n = 20000, i;
    struct store_write *writes = calloc(n, sizeof *writes);
    char(*keys)[9] = calloc(n, sizeof *keys);
    char big[1000];
    struct slice value;

    memset(big, 'x', sizeof big);
    for (i = 0; i < n; i++) {
        snprintf(keys[i], sizeof keys[i], "%08zu", i % 100000000);
        writes[i] = (struct store_write){TABLE_BALANCE, {keys[i], 8}, {big, sizeof big}};
    }
    assert_int_equal(commit(w, writes, 10), 0);
    assert_int_equal(commit(w, writes, n), STORE_NO_ROOM);
    assert_non_null(strstr(w->fault.text, w->folder));
    assert_non_null(strstr(w->fault.text, "4 MiB"));
    assert_non_null(strstr(w->fault.text, "larger limit"));
    renew(w);
    assert_int_equal(get(w, TABLE_BALANCE, keys[9], &value), 1);
    assert_int_equal(get(w, TABLE_BALANCE, keys[10], &value), 0);
    assert_int_equal(commit(w, writes + 10, 10), 0);
    renew(w);
    assert_int_equal(get(w, TABLE_BALANCE, keys[10], &value), 1);
    free(writes);
    free(keys);
}

/* The ledger only grows: a record under or at the last one is refused, and all with it. */
static void test_ledger_grows(void **state)
{
    struct world *w = *state;
    const struct store_write first[] = {
        {TABLE_LEDGER, slice_of("00000001"), slice_of("one")},
        {TABLE_LEDGER, slice_of("00000002"), slice_of("two")},
    };
    const struct store_write again[] = {
        {TABLE_PLAYER, slice_of("eve"), slice_of("E")},
        {TABLE_LEDGER, slice_of("00000002"), slice_of("changed")},
    };
    struct slice value;

    assert_int_equal(commit(w, first, 2), 0);
    assert_int_equal(commit(w, again, 2), -1);
    renew(w);
    assert_int_equal(get(w, TABLE_LEDGER, "00000002", &value), 1);
    assert_true(slice_is(value, "two"));
    assert_int_equal(get(w, TABLE_PLAYER, "eve", &value), 0);
}

static void test_cannot_open(void **state)
{
    struct world *w = *state;
    struct store other;
    char path[300];
    FILE *f;

    assert_int_equal(store_lmdb_open(&other, "/nonexistent/folder", 1 << 20, &w->fault), -1);
    assert_non_null(strstr(w->fault.text, "/nonexistent/folder"));

    snprintf(path, sizeof path, "%s/other", w->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/data.mdb");
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("this is no database, and it is long enough to be read as one header page of LMDB; it "
          "must be refused with a sentence that names the folder",
          f);
    fclose(f);
    *strrchr(path, '/') = '\0';
    assert_int_equal(store_lmdb_open(&other, path, 1 << 20, &w->fault), -1);
    assert_non_null(strstr(w->fault.text, path));
    fixture_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_commit_and_renew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_seek, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ledger_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cannot_open, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
