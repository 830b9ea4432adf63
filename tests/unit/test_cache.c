/* The cache of recent entries: against a plain model, and its pins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "consensus/cache.h"

static void append(struct cache *c, uint64_t term, size_t len)
{
    static const uint8_t zeros[4096];
    struct cache_entry e = {.term = term, .type = LOG_COMMAND, .write = term * 10};

    e.blob = blob_new(zeros, len);
    cache_append(c, &e);
}

static void test_appends_and_finds(void **state)
{
    struct cache *c = cache_new(5, 1 << 20);
    uint64_t i;

    (void)state;
    assert_int_equal(cache_last(c), 4);
    assert_null(cache_get(c, 4));
    for (i = 5; i < 1500; i++) { /* several times its first capacity */
        append(c, i, 8);
    }
    assert_int_equal(cache_last(c), 1499);
    assert_null(cache_get(c, 4));
    assert_null(cache_get(c, 1500));
    for (i = 5; i < 1500; i++) {
        assert_int_equal(cache_get(c, i)->term, i);
    }
    cache_free(c);
}

static void test_cut_drops_the_tail(void **state)
{
    struct cache *c = cache_new(1, 1 << 20);

    (void)state;
    append(c, 1, 8);
    append(c, 1, 8);
    append(c, 1, 8);
    cache_cut(c, 2);
    assert_int_equal(cache_last(c), 1);
    assert_non_null(cache_get(c, 1));
    assert_null(cache_get(c, 2));
    append(c, 2, 8);
    assert_int_equal(cache_get(c, 2)->term, 2);
    cache_free(c);
}

static void test_cut_outside_the_run_empties(void **state)
{
    struct cache *c = cache_new(10, 1 << 20);

    (void)state;
    append(c, 1, 8);
    append(c, 1, 8);
    cache_cut(c, 4); /* before the run */
    assert_int_equal(cache_last(c), 3);
    assert_null(cache_get(c, 10));
    append(c, 2, 8);
    assert_int_equal(cache_get(c, 4)->term, 2);
    cache_cut(c, 101); /* after it: an installed state */
    assert_int_equal(cache_last(c), 100);
    assert_null(cache_get(c, 4));
    append(c, 3, 8);
    assert_int_equal(cache_get(c, 101)->term, 3);
    cache_free(c);
}

static void test_shrink_keeps_what_is_pinned(void **state)
{
    struct cache *c = cache_new(1, 1000);
    int i;

    (void)state;
    for (i = 0; i < 10; i++) {
        append(c, 1, 400);
    }
    cache_shrink(c, 0); /* nothing is durable */
    assert_non_null(cache_get(c, 1));
    cache_shrink(c, 3);
    assert_null(cache_get(c, 3));
    assert_non_null(cache_get(c, 4));
    cache_shrink(c, 10); /* down to the bound, and no further */
    assert_null(cache_get(c, 8));
    assert_non_null(cache_get(c, 9));
    assert_non_null(cache_get(c, 10));
    cache_free(c);
}

static void test_a_blob_outlives_the_cache(void **state)
{
    struct cache *c = cache_new(1, 1000);
    struct blob *kept;

    (void)state;
    append(c, 1, 16);
    kept = blob_keep(cache_get(c, 1)->blob);
    cache_free(c);
    assert_int_equal(kept->len, 16);
    assert_int_equal(kept->references, 1);
    blob_release(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_and_finds),
        cmocka_unit_test(test_cut_drops_the_tail),
        cmocka_unit_test(test_cut_outside_the_run_empties),
        cmocka_unit_test(test_shrink_keeps_what_is_pinned),
        cmocka_unit_test(test_a_blob_outlives_the_cache),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
