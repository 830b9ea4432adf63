#include "consensus/log_index.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_index_init(struct log_index *x)
{
    *x = (struct log_index){NULL, 0, 0};
}

static void runs_drop(struct log_index *x, size_t at)
{
    free(x->runs[at].marks);
    memmove(&x->runs[at], &x->runs[at + 1], (x->n - at - 1) * sizeof x->runs[0]);
    x->n--;
}

void log_index_release(struct log_index *x)
{
    while (x->n > 0) {
        runs_drop(x, x->n - 1);
    }
    free(x->runs);
    log_index_init(x);
}

/* Doubles an array when it is full; without memory the process ends, as in bytes_reserve. */
static void *grown(void *base, size_t n, size_t *cap, size_t item)
{
    if (n < *cap) {
        return base;
    }
    *cap = *cap == 0 ? 8 : *cap * 2;
    base = reallocarray(base, *cap, item);
    if (base == NULL) {
        fprintf(stderr, "level=fatal msg=\"out of memory\" items=%zu\n", *cap);
        abort();
    }
    return base;
}

static void run_mark(struct log_run *run, uint64_t index, uint32_t offset)
{
    run->marks = grown(run->marks, run->n_marks, &run->cap, sizeof run->marks[0]);
    run->marks[run->n_marks++] = (struct log_mark){index, offset};
}

static void index_cut(struct log_index *x, uint64_t index)
{
    while (x->n > 0 && x->runs[x->n - 1].first >= index) {
        runs_drop(x, x->n - 1);
    }
    if (x->n > 0 && x->runs[x->n - 1].last >= index) {
        x->runs[x->n - 1].last = index - 1; /* the marks behind it are never asked for again */
    }
}

void log_index_append(struct log_index *x, uint64_t index, struct log_segment *segment,
                      uint32_t offset)
{
    struct log_run *run = x->n == 0 ? NULL : &x->runs[x->n - 1];

    if (run != NULL && index <= run->last) {
        index_cut(x, index);
        run = NULL; /* what comes now does not stand right behind what stays */
    }
    assert(x->n == 0 || index == x->runs[x->n - 1].last + 1);
    if (run == NULL || run->segment != segment) {
        x->runs = grown(x->runs, x->n, &x->cap, sizeof x->runs[0]);
        run = &x->runs[x->n++];
        *run = (struct log_run){.first = index, .segment = segment};
        run_mark(run, index, offset);
    } else if (offset - run->marks[run->n_marks - 1].offset >= LOG_MARK_BYTES) {
        run_mark(run, index, offset);
    }
    run->last = index;
}

void log_index_forget(struct log_index *x, const struct log_segment *segment)
{
    size_t i = x->n;

    while (i-- > 0) {
        if (x->runs[i].segment == segment) {
            runs_drop(x, i);
        }
    }
}

uint64_t log_index_last_in(const struct log_index *x, const struct log_segment *segment)
{
    size_t i = x->n;

    while (i-- > 0) {
        if (x->runs[i].segment == segment) {
            return x->runs[i].last;
        }
    }
    return 0;
}

bool log_index_find(const struct log_index *x, uint64_t index, struct log_segment **segment,
                    struct log_mark *mark)
{
    size_t low = 0, high = x->n;
    const struct log_run *run;

    while (low < high) { /* the first run that ends at or after index */
        size_t middle = low + (high - low) / 2;
        if (x->runs[middle].last < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == x->n || x->runs[low].first > index) {
        return false;
    }
    run = &x->runs[low];
    low = 0;
    high = run->n_marks;
    while (high - low > 1) { /* the last mark at or before index */
        size_t middle = low + (high - low) / 2;
        if (run->marks[middle].index <= index) {
            low = middle;
        } else {
            high = middle;
        }
    }
    *segment = run->segment;
    *mark = run->marks[low];
    return true;
}
