/* Figures out of /metrics: what florinctl top shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "cluster-config/prom.h"

#define TEXT                                                                                       \
    "# HELP requests_total Requests.\n"                                                            \
    "# TYPE requests_total counter\n"                                                              \
    "requests_total{route=\"/v1/bets\",status=\"200\"} 40\n"                                       \
    "requests_total{route=\"/v1/bets\",status=\"503\"} 2\n"                                        \
    "requests_total{route=\"/v1/wins\",status=\"504\"} 3\n"                                        \
    "requests_total_more 1000\n"                                                                   \
    "seconds_total 12.750000\n"                                                                    \
    "took_seconds_bucket{le=\"0.001000\"} 10\n"                                                    \
    "took_seconds_bucket{le=\"0.002\"} 10\n"                                                       \
    "took_seconds_bucket{le=\"1.000000\"} 20\n"                                                    \
    "took_seconds_bucket{le=\"+Inf\"} 21\n"                                                        \
    "took_seconds_sum 3\n"                                                                         \
    "last 7"

static void sums(void **state)
{
    uint64_t v;

    (void)state;
    assert_true(prom_sum(slice_of(TEXT), "requests_total", "", &v));
    assert_int_equal(v, 45);
    assert_true(prom_sum(slice_of(TEXT), "requests_total", "status=\"5", &v));
    assert_int_equal(v, 5);
    assert_true(prom_sum(slice_of(TEXT), "seconds_total", "", &v));
    assert_int_equal(v, 12);
    assert_true(prom_sum(slice_of(TEXT), "last", "", &v)); /* without a line's end */
    assert_int_equal(v, 7);
    assert_false(prom_sum(slice_of(TEXT), "requests", "", &v));
    assert_false(prom_sum(slice_of(TEXT), "requests_total", "status=\"404\"", &v));
    assert_false(prom_sum(slice_of(""), "last", "", &v));
}

static void what_is_not_understood_is_passed_over(void **state)
{
    static const char *const bad[] = {"a",        "a ",   "a x",   "a -1",  "a{",
                                      "a{x 1",    "a{x}", "a{x}1", "a 1.x", "a 1e5",
                                      "a 1 1700", " a 1", "#a 1",  "a NaN", "{} 1"};
    uint64_t v;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (prom_sum(slice_of(bad[i]), "a", "", &v)) {
            fail_msg("taken: \"%s\"", bad[i]);
        }
    }
    assert_true(prom_sum(slice_of("a{\na 3\n\n}\n"), "a", "", &v));
    assert_int_equal(v, 3);
}

static void histograms_are_whole_or_none(void **state)
{
    static const char *const bad[] = {
        "h_bucket{le=\"0.1\"} 1\n",                                  /* no +Inf */
        "h_bucket{le=\"+Inf\"} 1\nh_bucket{le=\"0.1\"} 1\n",         /* not in order */
        "h_bucket{le=\"0.1\"} 2\nh_bucket{le=\"+Inf\"} 1\n",         /* counts that fall */
        "h_bucket{x=\"y\",le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 1\n", /* more labels */
        "h_bucket{le=\"99999999999999999999\"} 1\nh_bucket{le=\"+Inf\"} 1\n",
        "h_bucket{le=\"} 1\nh_bucket{le=\"+Inf\"} 1\n",
    };
    struct prom_histogram h;
    char many[4000] = "";

    (void)state;
    assert_true(prom_histogram(slice_of(TEXT), "took_seconds", &h));
    assert_int_equal(h.n, 4);
    assert_int_equal(h.bound_us[1], 2000);
    assert_int_equal(h.bound_us[2], 1000000);
    assert_int_equal(h.count[3], 21);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (prom_histogram(slice_of(bad[i]), "h", &h)) {
            fail_msg("taken: %s", bad[i]);
        }
    }
    for (int i = 1; i <= PROM_BUCKETS_MAX + 1; i++) {
        size_t len = strlen(many);
        snprintf(many + len, sizeof many - len, "h_bucket{le=\"%d\"} 1\n", i);
    }
    assert_false(prom_histogram(slice_of(many), "h", &h));
}

static void quantiles_are_of_what_came_between(void **state)
{
    const struct prom_histogram before = {
        .bound_us = {1000, 2000, 1000000, UINT64_MAX}, .count = {100, 100, 100, 100}, .n = 4};
    struct prom_histogram after = before;
    uint64_t us;

    (void)state;
    assert_false(prom_quantile(&before, &after, 99, &us)); /* nothing came */
    after = (struct prom_histogram){
        .bound_us = {1000, 2000, 1000000, UINT64_MAX}, .count = {190, 200, 200, 200}, .n = 4};
    assert_true(prom_quantile(&before, &after, 50, &us));
    assert_int_equal(us, 555); /* 50 of the 90 below a millisecond */
    assert_true(prom_quantile(&before, &after, 99, &us));
    assert_int_equal(us, 1900);
    after.count[3] = 300; /* beyond the last bound: that is all that is known */
    assert_true(prom_quantile(&before, &after, 99, &us));
    assert_int_equal(us, 1000000);
    assert_false(prom_quantile(&after, &before, 99, &us)); /* the process began anew */
    after.n = 3;
    assert_false(prom_quantile(&before, &after, 99, &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums),
        cmocka_unit_test(what_is_not_understood_is_passed_over),
        cmocka_unit_test(histograms_are_whole_or_none),
        cmocka_unit_test(quantiles_are_of_what_came_between),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
