#include "jepsen/report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include "jepsen/edn.h"
#include "jepsen/report_private.h"

void html_put(struct bytes *out, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bytes_append(out, text, len < (int)sizeof text ? (size_t)len : sizeof text - 1);
}

void html_put_text(struct bytes *out, struct slice text)
{
    struct bytes plain;

    bytes_init(&plain);
    edn_unescape(text, &plain);
    for (size_t i = 0; i < plain.len; i++) {
        char c = (char)plain.base[i];

        if (c == '<') {
            html_put(out, "&lt;");
        } else if (c == '&') {
            html_put(out, "&amp;");
        } else if (c == '"') {
            html_put(out, "&quot;");
        } else {
            bytes_append(out, &c, 1);
        }
    }
    bytes_release(&plain);
}

/* 1 234 567 reads better than 1234567. */
static void put_count(struct bytes *out, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        html_put(out, "%s%c", i > 0 && (len - i) % 3 == 0 ? "&#8239;" : "", digits[i]);
    }
}

static void put_duration(struct bytes *out, int64_t ns)
{
    double ms = (double)ns / 1e6;

    if (ms < 10) {
        html_put(out, "%.2f ms", ms);
    } else if (ms < 1000) {
        html_put(out, "%.0f ms", ms);
    } else if (ms < 60000) {
        html_put(out, "%.2f s", ms / 1000);
    } else {
        html_put(out, "%d:%02d min", (int)(ms / 60000), (int)(ms / 1000) % 60);
    }
}

/* --- top -------------------------------------------------------------------------------------- */

/* What the run's first line says of it, with the words in front. */
static void put_setting(struct bytes *out, const struct edn *e, const char *key, const char *before)
{
    const struct edn_node *v = edn_get(e, edn_get(e, &e->nodes[0], "value"), key);

    if (v != NULL && (v->kind == EDN_STRING || v->kind == EDN_KEYWORD)) {
        html_put(out, "%s", before);
        html_put_text(out, v->text);
    } else if (v != NULL && v->kind == EDN_INTEGER) {
        html_put(out, "%s%" PRId64, before, v->integer);
    }
}

static void put_settings(const struct timeline *t, struct bytes *out)
{
    struct edn e;
    struct fault fault;

    html_put(out, "%d nodes", __builtin_popcountll(t->nodes));
    if (t->test != NULL && edn_parse(history_text(t->h, t->test->line), &e, &fault) == 0) {
        put_setting(out, &e, "clients", " &middot; clients ");
        put_setting(out, &e, "workload", " &middot; workload ");
        put_setting(out, &e, "nemesis", " &middot; nemesis ");
        put_setting(out, &e, "seed", " &middot; seed ");
        put_setting(out, &e, "began", " &middot; ");
    }
}

static void put_header(const struct timeline *t, const struct check *c, struct bytes *out)
{
    html_put(out, "<header><div class=\"verdict %s\">%s</div><div><h1>%s</h1><p>",
             c->n == 0 ? "passed" : "failed-run", c->n == 0 ? "PASSED" : "FAILED",
             c->n == 0 ? "Linearizable, and every answer is in the ledger"
                       : "The history does not fit the ledger");
    put_settings(t, out);
    html_put(out, "</p></div></header>\n");
}

static void put_figure_count(struct bytes *out, uint64_t n, const char *name)
{
    html_put(out, "<div><b>");
    put_count(out, n);
    html_put(out, "</b><span>%s</span></div>", name);
}

static void put_figure_time(struct bytes *out, int64_t ns, const char *name)
{
    html_put(out, "<div><b>");
    put_duration(out, ns);
    html_put(out, "</b><span>%s</span></div>", name);
}

static void put_figures(const struct stats *s, const struct check *c, struct bytes *out)
{
    html_put(out, "<section class=\"figures\">");
    put_figure_time(out, s->duration_ns, "of run");
    put_figure_count(out, c->h->n_calls, "calls");
    put_figure_count(out, s->total[END_OK], "acknowledged");
    put_figure_count(out, s->total[END_UNKNOWN], "outcome unknown");
    put_figure_count(out, s->total[END_FAIL], "certainly failed");
    put_figure_count(out, c->l->n, "ledger entries");
    put_figure_count(out, s->faults, "faults");
    put_figure_count(out, s->elections, "elections");
    put_figure_time(out, s->gap_ns, "longest without an acknowledgement");
    put_figure_time(out, s->p50_ns, "latency p50");
    put_figure_time(out, s->p99_ns, "latency p99");
    put_figure_time(out, s->max_ns, "slowest acknowledged");
    html_put(out, "</section>\n");
}

static void put_counter_example(const struct check *c, struct bytes *out)
{
    const struct anomaly *a = check_smallest(c);
    struct bytes text;

    if (a == NULL) {
        return;
    }
    bytes_init(&text);
    check_explain(c, a, &text);
    html_put(out, "<section class=\"card counter\"><h2>The smallest counter-example</h2><pre>");
    /* Lines of the history are shown as they are written: their escapes stay. */
    for (size_t i = 0; i < text.len; i++) {
        char ch = (char)text.base[i];

        html_put(out, ch == '<' ? "&lt;" : ch == '&' ? "&amp;" : "%c", ch);
    }
    html_put(out, "</pre></section>\n");
    bytes_release(&text);
}

/* --- charts ----------------------------------------------------------------------------------- */

static void put_key(struct bytes *out, const char *color, const char *name)
{
    html_put(out, "<span class=\"key\"><i style=\"background:%s\"></i>%s</span>", color, name);
}

static void put_type_keys(const struct stats *s, struct bytes *out)
{
    for (unsigned f = 0; f < FN_COUNT; f++) {
        if (s->by_fn[f][END_OK] > 0) {
            html_put(out,
                     "<span class=\"key\"><svg width=\"11\" height=\"11\"><g class=\"type "
                     "l%u\"><rect width=\"11\" height=\"11\" rx=\"3\"/></g></svg> %s</span>",
                     f, fn_name((enum fn)f));
        }
    }
}

static void open_card(struct bytes *out, const char *name)
{
    html_put(out, "<section class=\"card\"><div class=\"head\"><h2>%s</h2>", name);
}

static void put_charts(const struct timeline *t, struct bytes *out)
{
    open_card(out, "Faults and leaders");
    html_put(out, "<span class=\"key\">circles: a new leader, with its node</span></div>");
    chart_faults(t, out);
    html_put(out, "</section>\n");

    open_card(out, "Latency");
    put_key(out, "var(--ok)", "acknowledged, p50");
    put_key(out, "var(--ink)", "p99");
    put_key(out, "var(--soft)", "max");
    put_key(out, "var(--failed)", "failed");
    put_key(out, "var(--unknown)", "unknown (when given up)");
    html_put(out, "<span class=\"key\">dashed: elections</span></div>");
    chart_latency(t, out);
    html_put(out, "</section>\n");

    open_card(out, "Throughput by outcome");
    put_key(out, "var(--ok)", "applied, read");
    put_key(out, "var(--refused)", "refused for a business reason");
    put_key(out, "var(--failed)", "failed");
    put_key(out, "var(--unknown)", "unknown");
    html_put(out, "</div>");
    chart_throughput(t, out);
    html_put(out, "</section>\n");

    open_card(out, "Acknowledged by type");
    put_type_keys(t->s, out);
    html_put(out, "</div>");
    chart_types(t, out);
    html_put(out, "</section>\n");

    open_card(out, "Money acknowledged by each node");
    html_put(out, "<span class=\"key\">paler: fewer; nothing: none</span></div>");
    chart_nodes(t, out);
    html_put(out, "</section>\n");
}

/* --- tables ----------------------------------------------------------------------------------- */

static void put_types(const struct stats *s, struct bytes *out)
{
    html_put(out, "<section class=\"card\"><h2>Calls by type</h2><table><tr><th>type</th>"
                  "<th>acknowledged</th><th>failed</th><th>unknown</th></tr>");
    for (unsigned f = 0; f < FN_COUNT; f++) {
        const uint64_t *by = s->by_fn[f];

        if (by[0] + by[1] + by[2] > 0) {
            html_put(out, "<tr><td>%s</td><td>", fn_name((enum fn)f));
            put_count(out, by[END_OK]);
            html_put(out, "</td><td>");
            put_count(out, by[END_FAIL]);
            html_put(out, "</td><td>");
            put_count(out, by[END_UNKNOWN]);
            html_put(out, "</td></tr>");
        }
    }
    html_put(out, "</table><p class=\"note\">");
    put_count(out, s->refused);
    html_put(out, " of the acknowledged ones were refused for a business reason, ");
    put_count(out, s->replayed);
    html_put(out, " were repeats.</p></section>\n");
}

static void put_checks(const struct check *c, struct bytes *out)
{
    html_put(out, "<section class=\"card\"><h2>What was checked</h2><table><tr><th>anomaly</th>"
                  "<th class=\"left\">is there</th><th>found</th></tr>");
    for (unsigned k = 0; k < ANOMALY_KINDS; k++) {
        html_put(out, "<tr%s><td>%s</td><td class=\"left\">%s</td><td>",
                 c->counts[k] > 0 ? " class=\"found\"" : "", anomaly_name((enum anomaly_kind)k),
                 anomaly_meaning((enum anomaly_kind)k));
        put_count(out, c->counts[k]);
        html_put(out, "</td></tr>");
    }
    html_put(out, "</table></section>\n");
}

static void put_faults(const struct timeline *t, struct bytes *out)
{
    html_put(out, "<details class=\"card\"><summary>All faults</summary><table><tr><th>from</th>"
                  "<th>for</th><th class=\"left\">fault</th><th class=\"left\">what</th></tr>");
    for (size_t i = 0; i < t->n_faults; i++) {
        const struct fault_time *f = &t->faults[i];

        html_put(out, "<tr><td>%.1f s</td><td>", (double)f->begin_ns / 1e9);
        put_duration(out, f->end_ns - f->begin_ns);
        html_put(out, "</td><td class=\"left\">");
        html_put_text(out, t->kinds[f->kind]);
        html_put(out, "</td><td class=\"left\">");
        html_put_text(out, history_text(t->h, f->event->what));
        for (unsigned node = 0; node < NODES_MAX; node++) {
            if (f->event->nodes >> node & 1) {
                html_put(out, " %u", node);
            }
        }
        html_put(out, "</td></tr>");
    }
    html_put(out, "</table></details>\n");
}

/* --- the script's data ------------------------------------------------------------------------ */

static void put_data(const struct timeline *t, struct bytes *out)
{
    html_put(out,
             "<script type=\"application/json\" id=\"run\">{\"width\":%d,\"left\":%d,\"plot\":%d,"
             "\"length\":%.3f,\"slice\":%.3f,\"slices\":[",
             CHART_WIDTH, CHART_LEFT, CHART_WIDTH - CHART_LEFT - CHART_RIGHT,
             (double)t->length_ns / 1e9, (double)t->slice_ns / 1e9);
    for (size_t i = 0; i < t->n_slices; i++) {
        const struct slice_of_time *s = &t->slices[i];

        html_put(out, "%s[%u,%u,%u,%u,%.3f,%.3f,%.3f]", i > 0 ? "," : "", s->ok, s->refused,
                 s->failed, s->unknown, (double)s->p50_ns / 1e6, (double)s->p99_ns / 1e6,
                 (double)s->max_ns / 1e6);
    }
    html_put(out, "],\"faults\":[");
    for (size_t i = 0; i < t->n_faults; i++) {
        const struct fault_time *f = &t->faults[i];
        struct slice kind = t->kinds[f->kind]; /* a keyword: nothing to escape */

        html_put(out, "%s[%.3f,%.3f,\"%.*s\"]", i > 0 ? "," : "", (double)f->begin_ns / 1e9,
                 (double)f->end_ns / 1e9, (int)kind.len, kind.base);
    }
    html_put(out, "]}</script>\n");
}

static void put_asset(struct bytes *out, const char *tag, struct slice text)
{
    html_put(out, "<%s>\n", tag);
    bytes_append(out, text.base, text.len);
    html_put(out, "</%s>\n", tag);
}

void report_render(const struct check *c, const struct stats *s, struct bytes *html)
{
    struct timeline *t = timeline_new(c->h, s);

    html_put(html,
             "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta "
             "name=\"viewport\" content=\"width=device-width\"><title>Florin under attack: "
             "%s</title>\n",
             c->n == 0 ? "passed" : "FAILED");
    put_asset(html, "style", report_style());
    html_put(html, "</head><body><main>\n");
    put_header(t, c, html);
    put_figures(s, c, html);
    put_counter_example(c, html);
    put_charts(t, html);
    html_put(html, "<div class=\"two\">");
    put_types(s, html);
    put_checks(c, html);
    html_put(html, "</div>\n");
    put_faults(t, html);
    html_put(html, "</main><div id=\"tip\"></div>\n");
    put_data(t, html);
    put_asset(html, "script", report_script());
    html_put(html, "</body></html>\n");
    timeline_free(t);
}

int report_write(const struct check *c, const struct stats *s, const char *folder,
                 struct fault *fault)
{
    char path[4096];
    struct bytes html;
    FILE *f;
    bool ok;

    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        return fault_set(fault, "%.300s: %s", folder, strerror(errno));
    }
    snprintf(path, sizeof path, "%s/index.html", folder);
    f = fopen(path, "w");
    if (f == NULL) {
        return fault_set(fault, "%.300s: %s", path, strerror(errno));
    }
    bytes_init(&html);
    report_render(c, s, &html);
    ok = fwrite(html.base, 1, html.len, f) == html.len;
    ok = fclose(f) == 0 && ok;
    bytes_release(&html);
    return ok ? 0 : fault_set(fault, "%.300s: %s", path, strerror(errno));
}
