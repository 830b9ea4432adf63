/* strcasestr */
#define _GNU_SOURCE

#include "api/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "api/body.h"

void exchange_init(struct exchange *x, const struct api *api, struct bytes *out)
{
    *x = (struct exchange){.api = api,
                           .route = -1,
                           .timeout_ms = api->deadline_ms,
                           .status = 200,
                           .form = FORM_JSON,
                           .out = out};
    bytes_clear(out);
    writer_init(&x->w, out, x->form);
}

void exchange_release(struct exchange *x)
{
    json_decref(x->json);
    x->json = NULL;
}

void exchange_choose_form(struct exchange *x)
{
    const char *accept = x->headers.accept;

    if (accept != NULL && strcasestr(accept, "msgpack") != NULL) {
        x->form = FORM_MSGPACK;
    } else if (accept == NULL || strstr(accept, "*/*") != NULL) {
        if (body_form(x->headers.content_type, &x->form) != 0) {
            x->form = FORM_JSON;
        }
    }
    writer_init(&x->w, x->out, x->form);
}

void exchange_fail(struct exchange *x)
{
    bytes_clear(x->out);
    writer_init(&x->w, x->out, x->form);
    x->status = x->problem.status;
    x->content_type = x->form == FORM_JSON ? "application/problem+json" : NULL;
    writer_open_map(&x->w);
    problem_write(&x->problem, &x->w);
    writer_close_map(&x->w);
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 411:
        return "Length Required";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Answer";
    }
}

static void header(struct bytes *wire, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void header(struct bytes *wire, const char *format, ...)
{
    char text[256];
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bytes_append(wire, text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
    bytes_append(wire, "\r\n", 2);
}

static void render_date(struct bytes *wire)
{
    char text[64];
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    header(wire, "Date: %s", text);
}

void exchange_render(const struct exchange *x, bool head, bool keep_alive, struct bytes *wire)
{
    const char *type = x->content_type;
    bool is_problem = x->status >= 400;
    struct gate_view view;

    gate_view(x->api->gate, &view);
    if (type == NULL) {
        type = x->form == FORM_JSON ? "application/json" : "application/msgpack";
    }
    bytes_reserve(wire, x->out->len + 512);
    header(wire, "HTTP/1.1 %d %s", x->status, reason(x->status));
    render_date(wire);
    header(wire, "Content-Type: %s", type);
    header(wire, "Content-Length: %zu", x->out->len);
    header(wire, "Cache-Control: no-store");
    header(wire, "Connection: %s", keep_alive ? "keep-alive" : "close");
    header(wire, "Florin-Node: %llu", (unsigned long long)view.node_id);
    if (view.leader_id != 0) {
        header(wire, "Florin-Leader: %llu", (unsigned long long)view.leader_id);
    } else {
        header(wire, "Florin-Leader: none");
    }
    header(wire, "Florin-Applied: %llu", (unsigned long long)view.applied_seq);
    if (is_problem && x->problem.retry_after_s > 0) {
        header(wire, "Retry-After: %u", x->problem.retry_after_s);
    }
    if (x->status == 401) {
        header(wire, "WWW-Authenticate: Bearer");
    }
    if (x->allow != NULL) {
        header(wire, "Allow: %s", x->allow);
    }
    bytes_append(wire, "\r\n", 2);
    if (!head) {
        bytes_append(wire, x->out->base, x->out->len);
    }
}

/* Digits only, and it fits. */
static int parse_u64(struct slice text, uint64_t *out)
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

static int read_parameter(struct exchange *x, struct slice name, struct slice value,
                          enum ticket_kind *kind, const char *seq_name, uint64_t *seq,
                          uint32_t *limit)
{
    uint64_t number;

    if (slice_is(name, "consistency")) {
        if (slice_is(value, "stale")) {
            *kind = TICKET_STALE_QUERY;
        } else if (slice_is(value, "linearizable")) {
            *kind = TICKET_QUERY;
        } else {
            return problem_set(&x->problem, PROBLEM_MALFORMED,
                               "consistency: expected linearizable or stale");
        }
        return 0;
    }
    if (seq != NULL && slice_is(name, seq_name)) {
        if (parse_u64(value, seq) != 0) {
            return problem_set(&x->problem, PROBLEM_MALFORMED, "%s: expected a sequence number",
                               seq_name);
        }
        return 0;
    }
    if (limit != NULL && slice_is(name, "limit")) {
        if (parse_u64(value, &number) != 0 || number < 1 || number > QUERY_RECORDS_MAX) {
            return problem_set(&x->problem, PROBLEM_MALFORMED,
                               "limit: expected a number from 1 to %d", QUERY_RECORDS_MAX);
        }
        *limit = (uint32_t)number;
        return 0;
    }
    return problem_set(&x->problem, PROBLEM_UNKNOWN_FIELD, "unknown parameter: %.*s",
                       (int)(name.len < 64 ? name.len : 64), name.base);
}

int exchange_read_query(struct exchange *x, enum ticket_kind *kind, const char *seq_name,
                        uint64_t *seq, uint32_t *limit)
{
    const char *at = x->query;

    *kind = TICKET_QUERY;
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, "&");
        struct slice name = {at, strcspn(at, "=&")};
        struct slice value = {at + name.len, 0};

        if (name.len < len) {
            value = (struct slice){at + name.len + 1, len - name.len - 1};
        }
        if (read_parameter(x, name, value, kind, seq_name, seq, limit) != 0) {
            return -1;
        }
        at += len + (at[len] == '&');
    }
    return 0;
}
