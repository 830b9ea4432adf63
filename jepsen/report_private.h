/* What the parts of the report share: the run cut into slices of time, its faults, and the place of
 * things on the page. */
#ifndef FLORIN_REPORT_PRIVATE_H
#define FLORIN_REPORT_PRIVATE_H

#include "jepsen/report.h"

enum {
    CHART_WIDTH = 1120,
    CHART_LEFT = 72, /* room for the names of rows and steps */
    CHART_RIGHT = 12,
    SLICES_MAX = 240,
    FAULT_KINDS_MAX = 24,
};

struct slice_of_time {
    uint32_t ok, refused, failed, unknown;
    int64_t p50_ns, p99_ns, max_ns; /* of what was acknowledged in it; zero: nothing was */
    uint32_t by_fn[FN_COUNT];       /* acknowledged */
    uint32_t by_node[NODES_MAX];    /* acknowledged money */
};

/* One stay of a fault, or a moment (end == begin). */
struct fault_time {
    int64_t begin_ns, end_ns;
    unsigned kind;
    const struct event *event;
};

struct timeline {
    const struct history *h;
    const struct stats *s;
    const struct event *test; /* the first line, or NULL */
    int64_t length_ns, slice_ns;
    size_t n_slices, n_faults;
    unsigned n_kinds;
    uint64_t nodes;                      /* that were ever asked */
    struct slice kinds[FAULT_KINDS_MAX]; /* "kill", "partition" ... */
    struct slice_of_time slices[SLICES_MAX];
    struct fault_time *faults;
};

struct timeline *timeline_new(const struct history *h, const struct stats *s);
void timeline_free(struct timeline *t);

void html_put(struct bytes *out, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Text from the history or the ledger: its meaning, made harmless. */
void html_put_text(struct bytes *out, struct slice text);

/* report.css and report.js. */
struct slice report_style(void);
struct slice report_script(void);

/* The charts, all on the same time axis. */
void chart_faults(const struct timeline *t, struct bytes *out);
void chart_latency(const struct timeline *t, struct bytes *out);
void chart_throughput(const struct timeline *t, struct bytes *out);
void chart_types(const struct timeline *t, struct bytes *out);
void chart_nodes(const struct timeline *t, struct bytes *out);

#endif
