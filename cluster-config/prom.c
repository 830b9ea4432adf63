#include "cluster-config/prom.h"

#include "cluster-config/value.h"

#include <stdio.h>

struct sample {
    struct slice name, labels, value; /* labels without the braces */
};

static bool next_line(struct slice *text, struct slice *line)
{
    const char *end;

    if (text->len == 0) {
        return false;
    }
    end = memchr(text->base, '\n', text->len);
    *line = (struct slice){text->base, end == NULL ? text->len : (size_t)(end - text->base)};
    text->base += line->len + (end != NULL);
    text->len -= line->len + (end != NULL);
    return true;
}

/* `name value` or `name{labels} value`. A label's value with a brace in it is none of ours. */
static bool parse_sample(struct slice line, struct sample *s)
{
    const char *brace = line.len == 0 ? NULL : memchr(line.base, '{', line.len);
    const char *space;
    size_t rest = 0;

    s->labels = (struct slice){"", 0};
    if (brace != NULL) {
        const char *close = memchr(brace, '}', (size_t)(line.base + line.len - brace));

        if (close == NULL) {
            return false;
        }
        s->name = (struct slice){line.base, (size_t)(brace - line.base)};
        s->labels = (struct slice){brace + 1, (size_t)(close - brace - 1)};
        rest = (size_t)(close - line.base) + 1;
        if (rest == line.len || line.base[rest] != ' ') {
            return false;
        }
    } else {
        space = line.len == 0 ? NULL : memchr(line.base, ' ', line.len);
        if (space == NULL) {
            return false;
        }
        rest = (size_t)(space - line.base);
        s->name = (struct slice){line.base, rest};
    }
    s->value = (struct slice){line.base + rest + 1, line.len - rest - 1};
    return s->name.len > 0 && s->name.base[0] != '#';
}

static bool next_sample(struct slice *text, const char *name, struct sample *s)
{
    struct slice line;

    while (next_line(text, &line)) {
        if (parse_sample(line, s) && slice_is(s->name, name)) {
            return true;
        }
    }
    return false;
}

static bool holds(struct slice text, const char *needle)
{
    size_t len = strlen(needle);

    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.base + i, needle, len) == 0) {
            return true;
        }
    }
    return false;
}

/* "12", "12.5": the digits before the point, and six behind it as millionths. */
static bool parse_number(struct slice text, uint64_t *whole, uint64_t *millionths)
{
    const char *point = text.len == 0 ? NULL : memchr(text.base, '.', text.len);
    struct slice left = text;
    uint64_t scale = 100000;

    *millionths = 0;
    if (point != NULL) {
        left.len = (size_t)(point - text.base);
        for (const char *c = point + 1; c < text.base + text.len; c++) {
            if (*c < '0' || *c > '9') {
                return false;
            }
            *millionths += scale * (uint64_t)(*c - '0');
            scale /= 10;
        }
    }
    return value_number(left, whole) == 0;
}

bool prom_sum(struct slice text, const char *name, const char *needle, uint64_t *sum)
{
    struct sample s;
    bool found = false;
    uint64_t whole, millionths;

    *sum = 0;
    while (next_sample(&text, name, &s)) {
        if (holds(s.labels, needle) && parse_number(s.value, &whole, &millionths)) {
            *sum += whole; /* wraps at worst: figures for a screen */
            found = true;
        }
    }
    return found;
}

/* The bound in `le="..."`, which is all the labels that are there. */
static bool parse_bound(struct slice labels, uint64_t *us)
{
    uint64_t whole, millionths;

    if (labels.len < 5 || memcmp(labels.base, "le=\"", 4) != 0 ||
        labels.base[labels.len - 1] != '"') {
        return false;
    }
    labels = (struct slice){labels.base + 4, labels.len - 5};
    if (slice_is(labels, "+Inf")) {
        *us = UINT64_MAX;
        return true;
    }
    if (!parse_number(labels, &whole, &millionths) || whole > UINT64_MAX / 2000000) {
        return false;
    }
    *us = whole * 1000000 + millionths;
    return true;
}

bool prom_histogram(struct slice text, const char *name, struct prom_histogram *h)
{
    char bucket[128];
    struct sample s;
    uint64_t millionths;

    h->n = 0;
    snprintf(bucket, sizeof bucket, "%s_bucket", name);
    while (next_sample(&text, bucket, &s)) {
        if (h->n == PROM_BUCKETS_MAX || !parse_bound(s.labels, &h->bound_us[h->n]) ||
            !parse_number(s.value, &h->count[h->n], &millionths) ||
            (h->n > 0 &&
             (h->bound_us[h->n] <= h->bound_us[h->n - 1] || h->count[h->n] < h->count[h->n - 1]))) {
            return false;
        }
        h->n++;
    }
    return h->n > 0 && h->bound_us[h->n - 1] == UINT64_MAX;
}

bool prom_quantile(const struct prom_histogram *before, const struct prom_histogram *after,
                   unsigned percent, uint64_t *us)
{
    uint64_t below = 0, low_us = 0;
    uint64_t all, wanted;

    if (before->n != after->n || after->n == 0) {
        return false;
    }
    for (unsigned i = 0; i < after->n; i++) {
        if (after->bound_us[i] != before->bound_us[i] || after->count[i] < before->count[i]) {
            return false;
        }
    }
    all = after->count[after->n - 1] - before->count[after->n - 1];
    if (all == 0 || all > UINT64_MAX / 100) {
        return false;
    }
    wanted = (all * percent + 99) / 100;
    for (unsigned i = 0; i < after->n; i++) {
        uint64_t upto = after->count[i] - before->count[i];

        /* A difference of two cumulated counts need not grow, if one of the two was made up. */
        if (upto >= wanted && upto > below) {
            uint64_t width = after->bound_us[i] == UINT64_MAX ? 0 : after->bound_us[i] - low_us;
            uint64_t in = upto - below, take = wanted - below;

            *us = low_us + (width / in) * take + (width % in) * take / in;
            return true;
        }
        below = upto > below ? upto : below;
        low_us = after->bound_us[i];
    }
    return false;
}
