#include "api/parameters.h"

enum { PARAMETERS_MAX = 8, QUOTE_MAX = 64 };

int parameters_number(struct slice text, uint64_t *out)
{
    uint64_t v = 0;
    size_t i;

    if (text.len == 0) {
        return -1;
    }
    for (i = 0; i < text.len; i++) {
        if (text.base[i] < '0' || text.base[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, (uint64_t)(text.base[i] - '0'), &v)) {
            return -1;
        }
    }
    *out = v;
    return 0;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* At most `most` characters and a NUL; the length, or -1. */
static int decode(struct slice s, char *out, size_t most)
{
    size_t n = 0;
    size_t i;

    for (i = 0; i < s.len; i++) {
        char c = s.base[i];

        if (c == '%') {
            int high = i + 1 < s.len ? hex_digit(s.base[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_digit(s.base[i + 2]) : -1;

            if (high < 0 || low < 0) {
                return -1;
            }
            c = (char)(high * 16 + low);
            i += 2;
        }
        if (n == most) {
            return -1;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return (int)n;
}

int parameters_decode_id(struct slice text, char id[static ID_MAX + 1])
{
    int n = decode(text, id, ID_MAX);

    return n >= 0 && id_valid((struct slice){id, (size_t)n}) ? 0 : -1;
}

static int read_pair(struct slice value, struct parameter_pair *pair)
{
    char text[2 * ID_MAX + 2];
    int n = decode(value, text, sizeof text - 1);
    const char *slash = n < 0 ? NULL : memchr(text, '/', (size_t)n);
    struct slice first, second;

    if (slash == NULL) {
        return -1;
    }
    first = (struct slice){text, (size_t)(slash - text)};
    second = (struct slice){slash + 1, (size_t)n - first.len - 1};
    if (!id_valid(first) || !id_valid(second)) {
        return -1;
    }
    memcpy(pair->first, first.base, first.len);
    pair->first[first.len] = '\0';
    memcpy(pair->second, second.base, second.len);
    pair->second[second.len] = '\0';
    return 0;
}

static int read_limit(struct slice value, uint32_t *limit)
{
    uint64_t number;

    if (parameters_number(value, &number) != 0 || number < 1 || number > QUERY_RECORDS_MAX) {
        return -1;
    }
    *limit = (uint32_t)number;
    return 0;
}

static int read_consistency(struct slice value, enum ticket_kind *kind)
{
    if (slice_is(value, "stale")) {
        *kind = TICKET_STALE_QUERY;
        return 0;
    }
    *kind = TICKET_QUERY;
    return slice_is(value, "linearizable") ? 0 : -1;
}

static int read_value(struct exchange *x, const struct parameter *p, struct slice value)
{
    switch (p->kind) {
    case PARAMETER_CONSISTENCY:
        return read_consistency(value, p->out) == 0
                   ? 0
                   : problem_set(&x->problem, PROBLEM_MALFORMED,
                                 "%s: expected linearizable or stale", p->name);
    case PARAMETER_NUMBER:
        return parameters_number(value, p->out) == 0
                   ? 0
                   : problem_set(&x->problem, PROBLEM_MALFORMED, "%s: expected a sequence number",
                                 p->name);
    case PARAMETER_LIMIT:
        return read_limit(value, p->out) == 0
                   ? 0
                   : problem_set(&x->problem, PROBLEM_MALFORMED,
                                 "%s: expected a number from 1 to %d", p->name, QUERY_RECORDS_MAX);
    case PARAMETER_ID:
        return parameters_decode_id(value, p->out) == 0
                   ? 0
                   : problem_set(&x->problem, PROBLEM_BAD_ID, "%s is not a valid id", p->name);
    case PARAMETER_PAIR:
        return read_pair(value, p->out) == 0
                   ? 0
                   : problem_set(&x->problem, PROBLEM_MALFORMED, "%s: expected what `next` said",
                                 p->name);
    }
    return -1;
}

int parameters_read(struct exchange *x, const struct parameter *parameters, size_t n)
{
    bool seen[PARAMETERS_MAX] = {false};
    const char *at = x->query;

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, "&");
        struct slice name = {at, strcspn(at, "=&")};
        struct slice value = {at + name.len, 0};
        size_t i;

        if (name.len < len) {
            value = (struct slice){at + name.len + 1, len - name.len - 1};
        }
        for (i = 0; i < n && !slice_is(name, parameters[i].name); i++) {
        }
        if (i == n) {
            return problem_set(&x->problem, PROBLEM_UNKNOWN_FIELD, "unknown parameter: %.*s",
                               (int)(name.len < QUOTE_MAX ? name.len : QUOTE_MAX), name.base);
        }
        if (seen[i]) {
            return problem_set(&x->problem, PROBLEM_MALFORMED, "%s: comes twice",
                               parameters[i].name);
        }
        seen[i] = true;
        if (read_value(x, &parameters[i], value) != 0) {
            return -1;
        }
        at += len + (at[len] == '&');
    }
    return 0;
}
