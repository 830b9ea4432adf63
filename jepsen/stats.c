#include "jepsen/stats.h"

#include <stdio.h>
#include <stdlib.h>

static int compare_times(const void *a, const void *b)
{
    const int64_t *x = a;
    const int64_t *y = b;

    return (*x > *y) - (*x < *y);
}

static int64_t *must(int64_t *memory)
{
    if (memory == NULL) {
        fputs("out of memory while counting\n", stderr);
        abort();
    }
    return memory;
}

static void count_calls(struct stats *s, const struct history *h)
{
    for (size_t i = 0; i < h->n_calls; i++) {
        const struct call *c = &h->calls[i];
        const struct part *p = &h->parts[c->first_part];
        struct slice outcome = history_text(h, p->got_outcome);
        int64_t last = c->ended_ns == INT64_MAX ? c->invoked_ns : c->ended_ns;

        s->by_fn[c->f][c->end]++;
        s->total[c->end]++;
        s->replayed += p->replayed;
        s->refused += !fn_is_read(c->f) && outcome.len > 0 && !slice_is(outcome, "applied");
        s->duration_ns = last > s->duration_ns ? last : s->duration_ns;
    }
}

static void count_events(struct stats *s, const struct history *h)
{
    uint64_t term = 0;
    bool seen = false;

    for (size_t i = 0; i < h->n_events; i++) {
        const struct event *ev = &h->events[i];
        struct slice f = history_text(h, ev->f);

        if (slice_is(f, "leader")) {
            s->elections += seen && ev->term != term;
            term = ev->term;
            seen = true;
        } else if (!slice_is(f, "test") && !slice_is(f, "healed")) {
            s->faults += f.len < 5 || memcmp(f.base, "stop-", 5) != 0;
        }
    }
}

/* From one acknowledgement of money to the next. The pause before the first and behind the last
 * one is the run's, not the cluster's. */
static void measure_gap(struct stats *s, int64_t *times, size_t n)
{
    qsort(times, n, sizeof *times, compare_times);
    for (size_t i = 1; i < n; i++) {
        if (times[i] - times[i - 1] > s->gap_ns) {
            s->gap_ns = times[i] - times[i - 1];
            s->gap_begin_ns = times[i - 1];
        }
    }
}

void stats_count(struct stats *s, const struct history *h)
{
    int64_t *times = must(calloc(h->n_calls + 1, sizeof *times));
    size_t n = 0;

    memset(s, 0, sizeof *s);
    count_calls(s, h);
    count_events(s, h);
    for (size_t i = 0; i < h->n_calls; i++) {
        const struct call *c = &h->calls[i];

        if (c->end == END_OK) {
            times[n++] = c->ended_ns - c->invoked_ns;
        }
    }
    if (n > 0) {
        qsort(times, n, sizeof *times, compare_times);
        s->p50_ns = times[n / 2];
        s->p99_ns = times[n - 1 - n / 100];
        s->max_ns = times[n - 1];
    }
    n = 0;
    for (size_t i = 0; i < h->n_calls; i++) {
        const struct call *c = &h->calls[i];

        if (c->end == END_OK && !fn_is_read(c->f)) {
            times[n++] = c->ended_ns;
        }
    }
    measure_gap(s, times, n);
    free(times);
}
