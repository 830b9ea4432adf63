#include "tests/bench/plot.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

enum { WIDTH = 640, HEIGHT = 400, LEFT = 70, RIGHT = 620, TOP = 50, BOTTOM = 350 };

struct scale {
    double rate_most;
    double ms_least, ms_most; /* logarithmic, powers of ten */
};

static bool is_point(json_t *result)
{
    return json_integer_value(json_object_get(result, "batch")) == 0 &&
           json_real_value(json_object_get(result, "offered_per_s")) == 0 &&
           json_is_true(json_object_get(result, "bets"));
}

static double rate_of(json_t *result)
{
    return json_real_value(json_object_get(result, "per_second"));
}

static double ms_of(json_t *result, const char *percentile)
{
    return (double)json_integer_value(json_object_get(result, percentile)) / 1000;
}

static double x_of(const struct scale *s, double rate)
{
    return LEFT + (RIGHT - LEFT) * rate / s->rate_most;
}

static double y_of(const struct scale *s, double ms)
{
    return BOTTOM - (BOTTOM - TOP) * log10(ms / s->ms_least) / log10(s->ms_most / s->ms_least);
}

static struct scale scale_for(json_t *results)
{
    struct scale s = {.rate_most = 1000, .ms_least = 0.1, .ms_most = 1};
    json_t *result;
    size_t i;

    json_array_foreach(results, i, result)
    {
        if (!is_point(result)) {
            continue;
        }
        while (rate_of(result) > s.rate_most) {
            s.rate_most += s.rate_most < 10000 ? 1000 : 5000;
        }
        while (ms_of(result, "p999_us") > s.ms_most) {
            s.ms_most *= 10;
        }
    }
    return s;
}

static void draw_axes(FILE *f, const struct scale *s)
{
    double ms;
    int i;

    fprintf(f, "<rect width='%d' height='%d' fill='white'/>\n", WIDTH, HEIGHT);
    fprintf(f, "<text x='%d' y='22' font-size='15'>Single bets over HTTP at three nodes</text>\n",
            LEFT);
    for (ms = s->ms_least; ms <= s->ms_most * 1.01; ms *= 10) {
        fprintf(f,
                "<line x1='%d' x2='%d' y1='%.1f' y2='%.1f' stroke='#ddd'/>"
                "<text x='%d' y='%.1f' text-anchor='end'>%g ms</text>\n",
                LEFT, RIGHT, y_of(s, ms), y_of(s, ms), LEFT - 6, y_of(s, ms) + 4, ms);
    }
    for (i = 0; i <= 4; i++) {
        double rate = s->rate_most * i / 4;

        fprintf(f, "<text x='%.1f' y='%d' text-anchor='middle'>%.0f/s</text>\n", x_of(s, rate),
                BOTTOM + 18, rate);
    }
}

static void draw_line(FILE *f, const struct scale *s, json_t *results, const char *percentile,
                      const char *name, const char *colour, int place)
{
    json_t *result;
    size_t i;

    fprintf(f, "<polyline fill='none' stroke='%s' stroke-width='2' points='", colour);
    json_array_foreach(results, i, result)
    {
        if (is_point(result)) {
            fprintf(f, "%.1f,%.1f ", x_of(s, rate_of(result)), y_of(s, ms_of(result, percentile)));
        }
    }
    fprintf(f, "'/>\n<text x='%d' y='42' fill='%s'>%s</text>\n", LEFT + place * 80, colour, name);
}

int plot_write(json_t *results, const char *path)
{
    struct scale s = scale_for(results);
    FILE *f = fopen(path, "w");
    json_t *result;
    size_t i;

    if (f == NULL) {
        return -1;
    }
    fprintf(f,
            "<svg xmlns='http://www.w3.org/2000/svg' width='%d' height='%d' "
            "font-family='sans-serif' font-size='12'>\n",
            WIDTH, HEIGHT);
    draw_axes(f, &s);
    draw_line(f, &s, results, "p50_us", "p50", "#1b6", 0);
    draw_line(f, &s, results, "p99_us", "p99", "#16b", 1);
    draw_line(f, &s, results, "p999_us", "p99.9", "#b31", 2);
    json_array_foreach(results, i, result)
    {
        if (is_point(result)) {
            fprintf(f, "<text x='%.1f' y='%.1f' fill='#555'>%lld</text>\n",
                    x_of(&s, rate_of(result)) + 4, y_of(&s, ms_of(result, "p50_us")) + 14,
                    (long long)json_integer_value(json_object_get(result, "connections")));
        }
    }
    fprintf(f,
            "<text x='%d' y='%d' text-anchor='end' fill='#555'>the numbers are connections"
            "</text>\n</svg>\n",
            RIGHT, HEIGHT - 12);
    return fclose(f) == 0 ? 0 : -1;
}
