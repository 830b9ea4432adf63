/* The run in slices of time, and the stays of its faults. */
#include <stdio.h>
#include <stdlib.h>

#include "jepsen/report_private.h"

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory while reporting\n", stderr);
        abort();
    }
    return memory;
}

/* Slices of a length that a person counts in. */
static int64_t slice_length(int64_t length_ns)
{
    static const int64_t lengths_ms[] = {50,    100,   200,   500,    1000,   2000,  5000,
                                         10000, 20000, 60000, 120000, 300000, 600000};
    size_t n = sizeof lengths_ms / sizeof lengths_ms[0];

    for (size_t i = 0; i < n; i++) {
        if (length_ns / (lengths_ms[i] * 1000000) < SLICES_MAX) {
            return lengths_ms[i] * 1000000;
        }
    }
    return length_ns / (SLICES_MAX - 1) + 1;
}

/* --- calls ------------------------------------------------------------------------------------ */

struct latency {
    uint32_t slice;
    int64_t ns;
};

static int compare_latencies(const void *a, const void *b)
{
    const struct latency *x = a;
    const struct latency *y = b;

    if (x->slice != y->slice) {
        return x->slice < y->slice ? -1 : 1;
    }
    return (x->ns > y->ns) - (x->ns < y->ns);
}

static void count_call(struct timeline *t, const struct call *c, size_t slice)
{
    struct slice_of_time *s = &t->slices[slice];
    struct slice outcome = history_text(t->h, t->h->parts[c->first_part].got_outcome);
    bool refused = !fn_is_read(c->f) && outcome.len > 0 && !slice_is(outcome, "applied");

    s->failed += c->end == END_FAIL;
    s->unknown += c->end == END_UNKNOWN;
    t->nodes |= UINT64_C(1) << c->node;
    if (c->end == END_OK) {
        s->ok += !refused;
        s->refused += refused;
        s->by_fn[c->f]++;
        s->by_node[c->node] += !fn_is_read(c->f);
    }
}

static void measure(struct timeline *t, struct latency *all, size_t n)
{
    qsort(all, n, sizeof *all, compare_latencies);
    for (size_t begin = 0, end; begin < n; begin = end) {
        struct slice_of_time *s = &t->slices[all[begin].slice];

        for (end = begin; end < n && all[end].slice == all[begin].slice; end++) {
        }
        s->p50_ns = all[begin + (end - begin) / 2].ns;
        s->p99_ns = all[end - 1 - (end - begin) / 100].ns;
        s->max_ns = all[end - 1].ns;
    }
}

static void cut_calls(struct timeline *t)
{
    struct latency *all = must(calloc(t->h->n_calls + 1, sizeof *all));
    size_t n = 0;

    for (size_t i = 0; i < t->h->n_calls; i++) {
        const struct call *c = &t->h->calls[i];
        int64_t at = c->ended_ns == INT64_MAX ? c->invoked_ns : c->ended_ns;
        size_t slice = (size_t)(at / t->slice_ns);

        slice = slice < t->n_slices ? slice : t->n_slices - 1;
        count_call(t, c, slice);
        if (c->end == END_OK) {
            all[n++] = (struct latency){(uint32_t)slice, c->ended_ns - c->invoked_ns};
        }
    }
    measure(t, all, n);
    free(all);
}

/* --- faults ----------------------------------------------------------------------------------- */

static bool begins(struct slice text, const char *with, struct slice *rest)
{
    size_t len = strlen(with);

    if (text.len <= len || memcmp(text.base, with, len) != 0) {
        return false;
    }
    *rest = (struct slice){text.base + len, text.len - len};
    return true;
}

static unsigned kind_of(struct timeline *t, struct slice name)
{
    unsigned i = 0;

    while (i < t->n_kinds && !slice_equal(t->kinds[i], name)) {
        i++;
    }
    if (i == FAULT_KINDS_MAX) {
        return FAULT_KINDS_MAX - 1;
    }
    if (i == t->n_kinds) {
        t->kinds[t->n_kinds++] = name;
    }
    return i;
}

static void end_fault(struct timeline *t, struct slice name, int64_t time_ns)
{
    for (size_t i = t->n_faults; i > 0; i--) {
        struct fault_time *f = &t->faults[i - 1];

        if (f->end_ns == INT64_MAX && slice_equal(t->kinds[f->kind], name)) {
            f->end_ns = time_ns;
        }
    }
}

static void gather_faults(struct timeline *t)
{
    const struct history *h = t->h;

    t->faults = must(calloc(h->n_events + 1, sizeof *t->faults));
    for (size_t i = 0; i < h->n_events; i++) {
        const struct event *ev = &h->events[i];
        struct slice f = history_text(h, ev->f), name = f;

        if (slice_is(f, "test")) {
            t->test = ev;
            t->nodes |= ev->nodes;
        } else if (begins(f, "stop-", &name)) {
            end_fault(t, name, ev->time_ns);
        } else if (!slice_is(f, "leader") && !slice_is(f, "healed")) {
            bool stays = begins(f, "start-", &name);

            t->faults[t->n_faults++] = (struct fault_time){
                ev->time_ns, stays ? INT64_MAX : ev->time_ns, kind_of(t, name), ev};
        }
    }
    for (size_t i = 0; i < t->n_faults; i++) {
        if (t->faults[i].end_ns == INT64_MAX) {
            t->faults[i].end_ns = t->length_ns; /* never ended */
        }
    }
}

struct timeline *timeline_new(const struct history *h, const struct stats *s)
{
    struct timeline *t = must(calloc(1, sizeof *t));

    t->h = h;
    t->s = s;
    t->length_ns = s->duration_ns > 0 ? s->duration_ns : 1;
    for (size_t i = 0; i < h->n_events; i++) {
        if (h->events[i].time_ns > t->length_ns) {
            t->length_ns = h->events[i].time_ns;
        }
    }
    t->slice_ns = slice_length(t->length_ns);
    t->n_slices = (size_t)(t->length_ns / t->slice_ns) + 1;
    cut_calls(t);
    gather_faults(t);
    return t;
}

void timeline_free(struct timeline *t)
{
    if (t != NULL) {
        free(t->faults);
        free(t);
    }
}
