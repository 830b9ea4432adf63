/* The charts, as SVG. All share the time axis and have the faults' bands behind them; the page's
 * script draws one cross-hair through all. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "jepsen/report_private.h"

enum { PLOT = CHART_WIDTH - CHART_LEFT - CHART_RIGHT, ROW = 22, POINTS_MAX = 6000 };

static double x_of(const struct timeline *t, int64_t ns)
{
    return CHART_LEFT + (double)ns / (double)t->length_ns * PLOT;
}

static double slice_x(const struct timeline *t, size_t slice)
{
    int64_t at = (int64_t)slice * t->slice_ns;

    return x_of(t, at < t->length_ns ? at : t->length_ns);
}

/* --- frame ------------------------------------------------------------------------------------ */

static void put_time(struct bytes *out, double x, int y, int64_t ns)
{
    int64_t s = ns / 1000000000;

    html_put(out, "<text class=\"tick\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">", x, y);
    if (s >= 60) {
        html_put(out, "%" PRId64 ":%02" PRId64 "</text>", s / 60, s % 60);
    } else {
        html_put(out, "%" PRId64 " s</text>", s);
    }
}

static void put_time_axis(const struct timeline *t, struct bytes *out, int top, int bottom)
{
    static const int steps[] = {1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600};
    int64_t seconds = t->length_ns / 1000000000;
    size_t i = 0;

    while (i + 1 < sizeof steps / sizeof steps[0] && seconds / steps[i] > 12) {
        i++;
    }
    for (int64_t s = 0; s <= seconds; s += steps[i]) {
        double x = x_of(t, s * 1000000000);

        html_put(out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>", x, top, bottom);
        put_time(out, x, bottom + 16, s * 1000000000);
    }
}

static void put_bands(const struct timeline *t, struct bytes *out, int top, int bottom)
{
    for (size_t i = 0; i < t->n_faults; i++) {
        const struct fault_time *f = &t->faults[i];
        double x = x_of(t, f->begin_ns), width = x_of(t, f->end_ns) - x;

        html_put(out, "<rect class=\"band k%u\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>",
                 f->kind, x, top, width < 1 ? 1 : width, bottom - top);
    }
}

static void put_elections(const struct timeline *t, struct bytes *out, int top, int bottom)
{
    for (size_t i = 0; i < t->h->n_events; i++) {
        const struct event *ev = &t->h->events[i];

        if (slice_is(history_text(t->h, ev->f), "leader")) {
            html_put(out,
                     "<path class=\"election\" d=\"M%.1f %dV%d\"><title>term %" PRIu64
                     ": node %u leads</title></path>",
                     x_of(t, ev->time_ns), top, bottom, ev->term, ev->node);
        }
    }
}

static void open_chart(const struct timeline *t, struct bytes *out, int height, const char *name)
{
    html_put(out,
             "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\" "
             "data-bottom=\"%d\">",
             CHART_WIDTH, height, name, height - 22);
    put_bands(t, out, 0, height - 22);
    put_time_axis(t, out, 0, height - 22);
}

static void close_chart(const struct timeline *t, struct bytes *out, int height)
{
    put_elections(t, out, 0, height - 22);
    html_put(out, "<path class=\"cross\" d=\"\"/></svg>\n");
}

/* --- faults and elections --------------------------------------------------------------------- */

static void put_row_name(struct bytes *out, int row, struct slice name)
{
    html_put(out, "<text class=\"row\" x=\"%d\" y=\"%d\" text-anchor=\"end\">", CHART_LEFT - 8,
             row * ROW + 15);
    html_put_text(out, name);
    html_put(out, "</text>");
}

static void put_fault(const struct timeline *t, struct bytes *out, const struct fault_time *f)
{
    double x = x_of(t, f->begin_ns), width = x_of(t, f->end_ns) - x;

    html_put(out,
             "<rect class=\"bar k%u\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
             "rx=\"3\"><title>",
             f->kind, x, (int)f->kind * ROW + 4, width < 4 ? 4 : width, ROW - 8);
    html_put_text(out, history_text(t->h, f->event->f));
    html_put(out, " ");
    html_put_text(out, history_text(t->h, f->event->what));
    html_put(out, "</title></rect>");
}

static void put_leader(const struct timeline *t, struct bytes *out, size_t i, int row)
{
    const struct event *ev = &t->h->events[i];

    html_put(out,
             "<circle class=\"leader n%u\" cx=\"%.1f\" cy=\"%d\" r=\"7\"><title>term %" PRIu64
             ": node %u leads</title></circle><text class=\"leadernode\" x=\"%.1f\" y=\"%d\" "
             "text-anchor=\"middle\">%u</text>",
             ev->node % 8, x_of(t, ev->time_ns), row * ROW + 11, ev->term, ev->node,
             x_of(t, ev->time_ns), row * ROW + 15, ev->node);
}

void chart_faults(const struct timeline *t, struct bytes *out)
{
    int height = ((int)t->n_kinds + 1) * ROW + 4 + 22;

    html_put(out,
             "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"faults\" "
             "data-bottom=\"%d\">",
             CHART_WIDTH, height, height - 22);
    put_time_axis(t, out, 0, height - 22);
    for (unsigned k = 0; k < t->n_kinds; k++) {
        put_row_name(out, (int)k, t->kinds[k]);
    }
    for (size_t i = 0; i < t->n_faults; i++) {
        put_fault(t, out, &t->faults[i]);
    }
    put_row_name(out, (int)t->n_kinds, slice_of("leader"));
    for (size_t i = 0; i < t->h->n_events; i++) {
        struct slice f = history_text(t->h, t->h->events[i].f);

        if (slice_is(f, "leader")) {
            put_leader(t, out, i, (int)t->n_kinds);
        } else if (slice_is(f, "healed")) {
            html_put(out,
                     "<path class=\"healed\" d=\"M%.1f 0V%d\"><title>all faults are over"
                     "</title></path>",
                     x_of(t, t->h->events[i].time_ns), height - 22);
        }
    }
    html_put(out, "<path class=\"cross\" d=\"\"/></svg>\n");
}

/* --- latency ---------------------------------------------------------------------------------- */

struct log_axis {
    double low, high; /* decades of nanoseconds */
    int top, bottom;
};

static double log_y(const struct log_axis *a, int64_t ns)
{
    double at = log10(ns > 0 ? (double)ns : 1);

    at = at < a->low ? a->low : at > a->high ? a->high : at;
    return a->bottom - (at - a->low) / (a->high - a->low) * (a->bottom - a->top);
}

static void put_log_axis(struct bytes *out, const struct log_axis *a)
{
    static const char *const labels[] = {"1 ns",   "10 ns", "100 ns", "1 µs",   "10 µs",
                                         "0.1 ms", "1 ms",  "10 ms",  "100 ms", "1 s",
                                         "10 s",   "100 s", "1000 s"};

    for (int d = (int)a->low; d <= (int)a->high && d < 13; d++) {
        double y = a->bottom - (d - a->low) / (a->high - a->low) * (a->bottom - a->top);

        html_put(out,
                 "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\" "
                 "text-anchor=\"end\">%s</text>",
                 CHART_LEFT, y, CHART_WIDTH - CHART_RIGHT, CHART_LEFT - 8, y < 12 ? 12 : y + 4,
                 labels[d]);
    }
}

/* A cloud of at most POINTS_MAX of the calls that ended so: one path of dots. */
static void put_cloud(const struct timeline *t, struct bytes *out, const struct log_axis *a,
                      enum ending end)
{
    static const char *const classes[] = {"unknown", "ok", "failed"};
    uint64_t every = t->s->total[end] / POINTS_MAX + 1;
    uint64_t n = 0;

    html_put(out, "<path class=\"dots %s\" d=\"", classes[end]);
    for (size_t i = 0; i < t->h->n_calls; i++) {
        const struct call *c = &t->h->calls[i];

        if (c->end == end && c->ended_ns != INT64_MAX && n++ % every == 0) {
            html_put(out, "M%.1f %.1fh0", x_of(t, c->ended_ns),
                     log_y(a, c->ended_ns - c->invoked_ns));
        }
    }
    html_put(out, "\"/>");
}

static int64_t percentile(const struct slice_of_time *s, int which)
{
    return which == 0 ? s->p50_ns : which == 1 ? s->p99_ns : s->max_ns;
}

static void put_percentile(const struct timeline *t, struct bytes *out, const struct log_axis *a,
                           int which)
{
    static const char *const classes[] = {"p50", "p99", "max"};
    bool drawing = false;

    html_put(out, "<path class=\"line %s\" d=\"", classes[which]);
    for (size_t i = 0; i < t->n_slices; i++) {
        int64_t ns = percentile(&t->slices[i], which);

        if (ns == 0) { /* nothing was acknowledged: a hole, not a zero */
            drawing = false;
            continue;
        }
        html_put(out, "%c%.1f %.1f", drawing ? 'L' : 'M', (slice_x(t, i) + slice_x(t, i + 1)) / 2,
                 log_y(a, ns));
        drawing = true;
    }
    html_put(out, "\"/>");
}

static struct log_axis latency_axis(const struct timeline *t, int top, int bottom)
{
    int64_t low = INT64_MAX, high = 1;

    for (size_t i = 0; i < t->h->n_calls; i++) {
        const struct call *c = &t->h->calls[i];

        if (c->ended_ns != INT64_MAX) {
            int64_t ns = c->ended_ns - c->invoked_ns;

            low = ns < low ? ns : low;
            high = ns > high ? ns : high;
        }
    }
    low = low < 1000 || low == INT64_MAX ? 1000 : low;
    high = high < 10 * low ? 10 * low : high;
    return (struct log_axis){floor(log10((double)low)), ceil(log10((double)high)), top, bottom};
}

void chart_latency(const struct timeline *t, struct bytes *out)
{
    enum { HEIGHT = 340 };
    struct log_axis a = latency_axis(t, 6, HEIGHT - 22);

    open_chart(t, out, HEIGHT, "latency");
    put_log_axis(out, &a);
    put_cloud(t, out, &a, END_OK);
    put_cloud(t, out, &a, END_FAIL);
    put_cloud(t, out, &a, END_UNKNOWN);
    for (int which = 2; which >= 0; which--) {
        put_percentile(t, out, &a, which);
    }
    close_chart(t, out, HEIGHT);
}

/* --- throughput ------------------------------------------------------------------------------- */

enum { STACK_HEIGHT = 240 };

/* What of a slice stands in the stack's layer. */
typedef uint32_t (*layer_of)(const struct slice_of_time *s, unsigned layer);

static uint32_t outcome_layer(const struct slice_of_time *s, unsigned layer)
{
    const uint32_t counts[] = {s->ok, s->refused, s->failed, s->unknown};

    return counts[layer];
}

static uint32_t type_layer(const struct slice_of_time *s, unsigned layer)
{
    return s->by_fn[layer];
}

/* A round number of calls a second, at or above. */
static double round_up(double v)
{
    double step = pow(10, floor(log10(v > 1 ? v : 1)));

    for (int i = 1; i <= 10; i++) {
        if (i * step >= v && i != 3 && i != 6 && i != 7 && i != 9) {
            return i * step;
        }
    }
    return 10 * step;
}

static double stack_top(const struct timeline *t, layer_of of, unsigned layers)
{
    double seconds = (double)t->slice_ns / 1e9;
    double top = 1;

    for (size_t i = 0; i < t->n_slices; i++) {
        double sum = 0;

        for (unsigned l = 0; l < layers; l++) {
            sum += of(&t->slices[i], l);
        }
        top = sum / seconds > top ? sum / seconds : top;
    }
    return round_up(top);
}

/* One layer on top of those below it, in steps: a slice's count is one number, not a slope. */
static void put_layer(const struct timeline *t, struct bytes *out, layer_of of, unsigned layer,
                      double per_pixel)
{
    int bottom = STACK_HEIGHT - 22;
    bool any = false;

    for (size_t i = 0; i < t->n_slices; i++) {
        uint32_t below = 0, own = of(&t->slices[i], layer);
        double x = slice_x(t, i);

        for (unsigned l = 0; l < layer; l++) {
            below += of(&t->slices[i], l);
        }
        if (own > 0) {
            html_put(out, "%sM%.1f %.1fh%.1fv%.1fh%.1fz", any ? "" : "<path d=\"", x,
                     bottom - (below + own) / per_pixel, slice_x(t, i + 1) - x + 0.2,
                     own / per_pixel, -(slice_x(t, i + 1) - x + 0.2));
            any = true;
        }
    }
    html_put(out, "%s", any ? "\"/>" : "");
}

static void put_stack(const struct timeline *t, struct bytes *out, layer_of of, unsigned layers,
                      const char *class)
{
    double top = stack_top(t, of, layers);
    double seconds = (double)t->slice_ns / 1e9;
    int bottom = STACK_HEIGHT - 22;

    for (int i = 0; i <= 4; i++) {
        double y = bottom - (bottom - 8) * i / 4.0;

        html_put(out,
                 "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text class=\"tick\" x=\"%d\" y=\"%.1f\" "
                 "text-anchor=\"end\">%g/s</text>",
                 CHART_LEFT, y, CHART_WIDTH - CHART_RIGHT, CHART_LEFT - 8, y + 4, top * i / 4);
    }
    for (unsigned l = 0; l < layers; l++) {
        html_put(out, "<g class=\"%s l%u\">", class, l);
        put_layer(t, out, of, l, top * seconds / (bottom - 8));
        html_put(out, "</g>");
    }
}

void chart_throughput(const struct timeline *t, struct bytes *out)
{
    open_chart(t, out, STACK_HEIGHT, "throughput by outcome");
    put_stack(t, out, outcome_layer, 4, "outcome");
    close_chart(t, out, STACK_HEIGHT);
}

void chart_types(const struct timeline *t, struct bytes *out)
{
    open_chart(t, out, STACK_HEIGHT, "throughput by type");
    put_stack(t, out, type_layer, FN_COUNT, "type");
    close_chart(t, out, STACK_HEIGHT);
}

/* --- nodes ------------------------------------------------------------------------------------ */

static void put_node(const struct timeline *t, struct bytes *out, unsigned node, int row)
{
    uint32_t most = 1;

    for (size_t i = 0; i < t->n_slices; i++) {
        most = t->slices[i].by_node[node] > most ? t->slices[i].by_node[node] : most;
    }
    for (size_t i = 0; i < t->n_slices; i++) {
        uint32_t n = t->slices[i].by_node[node];
        double x = slice_x(t, i);

        if (n > 0) {
            html_put(out,
                     "<rect class=\"cell\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" "
                     "opacity=\"%.2f\"/>",
                     x, row * ROW + 3, slice_x(t, i + 1) - x + 0.2, ROW - 6, 0.2 + 0.8 * n / most);
        }
    }
}

void chart_nodes(const struct timeline *t, struct bytes *out)
{
    int height = __builtin_popcountll(t->nodes) * ROW + 22;
    int row = 0;

    open_chart(t, out, height, "acknowledged money by node");
    for (unsigned node = 0; node < NODES_MAX; node++) {
        char name[16];

        if (t->nodes >> node & 1) {
            snprintf(name, sizeof name, "node %u", node);
            put_row_name(out, row, slice_of(name));
            put_node(t, out, node, row++);
        }
    }
    close_chart(t, out, height);
}
