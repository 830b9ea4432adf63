/* strcasestr */
#define _GNU_SOURCE

#include "api/exchange.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

#include "api/body.h"
#include "api/time.h"

enum { LARGE_BODY = 32 * 1024, NS_PER_MS = 1000000 };

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
    exchange_drop_body(x);
}

/* What is waited here is no longer left for the ledger: the client waits for the whole call. */
static int take_turn(struct exchange *x)
{
    int64_t began_ns = limiter_now_ns();
    unsigned waited_ms;

    if (turns_take(x->api->bodies, x->timeout_ms) != 0) {
        return problem_set(&x->problem, PROBLEM_OVERLOADED, "Too many large bodies are waiting.");
    }
    x->has_turn = true;
    waited_ms = (unsigned)((limiter_now_ns() - began_ns) / NS_PER_MS);
    x->timeout_ms = waited_ms < x->timeout_ms ? x->timeout_ms - waited_ms : 1;
    return 0;
}

int exchange_parse(struct exchange *x, enum form form)
{
    if (x->body.len > LARGE_BODY && take_turn(x) != 0) {
        return -1;
    }
    return body_parse(x->body, form, &x->tree, &x->problem);
}

void exchange_drop_body(struct exchange *x)
{
    tree_release(&x->tree);
    if (x->has_turn) {
        turns_end(x->api->bodies);
        x->has_turn = false;
    }
}

void exchange_name(struct exchange *x)
{
    const char *id = x->headers.request_id;
    uint64_t random;

    if (id != NULL && id_valid(slice_of(id))) {
        snprintf(x->request_id, sizeof x->request_id, "%s", id);
        return;
    }
    random = ask_origin(x->api->origins); /* costs no system call */
    sodium_bin2hex(x->request_id, sizeof x->request_id, (const unsigned char *)&random,
                   sizeof random);
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

bool exchange_has_credentials(const struct exchange *x)
{
    const struct request_headers *h = &x->headers;

    return h->authorization != NULL || h->key != NULL || h->timestamp != NULL ||
           h->signature != NULL;
}

int exchange_authenticate(struct exchange *x)
{
    struct gate_view view;
    struct claim claim = {
        .authorization = x->headers.authorization,
        .key = x->headers.key,
        .timestamp = x->headers.timestamp,
        .signature = x->headers.signature,
        .address = x->remote,
        .request =
            {
                .method = x->head ? "HEAD" : x->method,
                .path = x->path,
                .query = x->query,
                .body = x->body,
            },
    };

    gate_view(x->api->gate, &view);
    x->directory_version = view.directory_version;
    return credentials_check(x->api->credentials, &claim, x->timeout_ms, &x->who, &x->problem);
}

int exchange_require_role(struct exchange *x, enum role role)
{
    if (exchange_authenticate(x) != 0) {
        return -1;
    }
    return x->who.role == role ? 0
                               : problem_set(&x->problem, PROBLEM_FORBIDDEN,
                                             "This key's role is %s.", role_name(x->who.role));
}

int exchange_check_player(struct exchange *x, struct slice player)
{
    if (player.len > 0 || x->who.ids_scope == IDS_PER_PRINCIPAL) {
        return 0;
    }
    return problem_set(&x->problem, PROBLEM_MALFORMED,
                       "missing: player. The ids of %s are unique for each player only.",
                       x->who.name);
}

int exchange_take(struct exchange *x, const char *what, struct slice name, struct limiter_rule rule)
{
    struct bytes key;
    unsigned retry_after_s;
    bool let;

    /* The buckets of keys are called as the keys are, without a slash: none is mistaken for one. */
    bytes_init(&key);
    bytes_append(&key, what, strlen(what));
    bytes_append(&key, name.base, name.len);
    let = limiter_take(x->api->limiter, (struct slice){(const char *)key.base, key.len}, rule,
                       limiter_now_ns(), &retry_after_s);
    bytes_release(&key);
    if (let) {
        return 0;
    }
    problem_set(&x->problem, PROBLEM_RATE_LIMITED, "Wait %u s.", retry_after_s);
    x->problem.retry_after_s = retry_after_s;
    return -1;
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

static void put(struct bytes *wire, const char *text)
{
    bytes_append(wire, text, strlen(text));
}

static void header(struct bytes *wire, const char *name, const char *value)
{
    put(wire, name);
    put(wire, value);
    put(wire, "\r\n");
}

static void header_number(struct bytes *wire, const char *name, uint64_t value)
{
    put(wire, name);
    bytes_append_decimal(wire, value);
    put(wire, "\r\n");
}

static void render_first_line(struct bytes *wire, int status)
{
    put(wire, "HTTP/1.1 ");
    bytes_append_decimal(wire, (uint64_t)status);
    header(wire, " ", reason(status));
}

void exchange_render(const struct exchange *x, bool keep_alive, struct bytes *wire)
{
    const char *type = x->content_type;
    bool is_problem = x->status >= 400;
    struct gate_view view;
    char date[TIME_TEXT_MAX];

    gate_view(x->api->gate, &view);
    if (type == NULL) {
        type = x->form == FORM_JSON ? "application/json" : "application/msgpack";
    }
    bytes_reserve(wire, x->out->len + 512);
    render_first_line(wire, x->status);
    time_render_http((uint64_t)time(NULL), date);
    header(wire, "Date: ", date);
    header(wire, "Content-Type: ", type);
    if (x->stream == NULL) {
        header_number(wire, "Content-Length: ", x->out->len);
    }
    header(wire, "Cache-Control: no-store\r\nConnection: ", keep_alive ? "keep-alive" : "close");
    header_number(wire, "Florin-Node: ", view.node_id);
    if (view.leader_id != 0) {
        header_number(wire, "Florin-Leader: ", view.leader_id);
    } else {
        header(wire, "Florin-Leader: ", "none");
    }
    header_number(wire, "Florin-Applied: ", view.applied_seq);
    header(wire, "Florin-Request-Id: ", x->request_id);
    if (is_problem && x->problem.retry_after_s > 0) {
        header_number(wire, "Retry-After: ", x->problem.retry_after_s);
    }
    if (x->status == 401) {
        header(wire, "WWW-Authenticate: ", "Bearer");
    }
    if (x->status == 405 && x->allow[0] != '\0') {
        header(wire, "Allow: ", x->allow);
    }
    put(wire, "\r\n");
    if (!x->head) {
        bytes_append(wire, x->out->base, x->out->len);
    }
}
