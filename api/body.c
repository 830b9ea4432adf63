/* Bodies, and JSON by yajl, whose events fill the tree.
 *
 * yajl is more lenient than JSON is. What it would let through is refused around it: vertical tabs
 * and form feeds as white space; escaped halves of a surrogate pair, which it turns into question
 * marks or joins with whatever follows; an unfinished text behind the end. (It takes UTF-8 longer
 * than it must be, too: value.c looks at every text.) Numbers come as text, so that no amount is
 * ever a double. */
#include "api/body.h"

#include <strings.h>
#include <yajl/yajl_parse.h>

/* True when the header's value is this type, alone or with parameters after it. */
static bool is_type(const char *value, const char *type)
{
    size_t len = strlen(type);

    return strncasecmp(value, type, len) == 0 && strchr(" \t;", value[len]) != NULL;
}

int body_form(const char *content_type, enum form *form)
{
    if (content_type == NULL || is_type(content_type, "application/json")) {
        *form = FORM_JSON;
        return 0;
    }
    if (is_type(content_type, "application/msgpack") ||
        is_type(content_type, "application/x-msgpack")) {
        *form = FORM_MSGPACK;
        return 0;
    }
    return -1;
}

/* --- yajl's events: each 1, or 0 to end the reading ------------------------------------------- */

struct reader {
    struct builder builder;
    yajl_handle yajl;
    size_t end; /* behind the outermost list or map; 0 before */
};

static int on_null(void *context)
{
    struct reader *r = context;

    return builder_null(&r->builder) == 0;
}

static int on_bool(void *context, int v)
{
    struct reader *r = context;

    return builder_bool(&r->builder, v != 0) == 0;
}

static bool is_integer(const char *text, size_t len)
{
    size_t i;

    for (i = text[0] == '-' ? 1 : 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') { /* a point, or an exponent */
            return false;
        }
    }
    return true;
}

static int on_number(void *context, const char *text, size_t len)
{
    struct reader *r = context;
    int64_t sign = text[0] == '-' ? -1 : 1;
    int64_t v = 0;
    size_t i;

    if (!is_integer(text, len)) {
        return builder_real(&r->builder) == 0;
    }
    for (i = sign < 0 ? 1 : 0; i < len; i++) {
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, sign * (text[i] - '0'), &v)) {
            return builder_fail(&r->builder, "a number is too large") == 0;
        }
    }
    return builder_integer(&r->builder, v) == 0;
}

static int on_text(void *context, const unsigned char *text, size_t len)
{
    struct reader *r = context;

    return builder_text(&r->builder, (struct slice){(const char *)text, len}) == 0;
}

static int on_key(void *context, const unsigned char *key, size_t len)
{
    struct reader *r = context;

    return builder_key(&r->builder, (struct slice){(const char *)key, len}) == 0;
}

static int on_map(void *context)
{
    struct reader *r = context;

    return builder_open(&r->builder, VALUE_MAP) == 0;
}

static int on_list(void *context)
{
    struct reader *r = context;

    return builder_open(&r->builder, VALUE_LIST) == 0;
}

static int on_end(void *context)
{
    struct reader *r = context;

    if (builder_close(&r->builder) != 0) {
        return 0;
    }
    if (r->builder.depth == 0) {
        r->end = yajl_get_bytes_consumed(r->yajl);
    }
    return 1;
}

static const yajl_callbacks events = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_text,
    .yajl_start_map = on_map,
    .yajl_map_key = on_key,
    .yajl_end_map = on_end,
    .yajl_start_array = on_list,
    .yajl_end_array = on_end,
};

/* --- JSON ------------------------------------------------------------------------------------- */

/* The number of four hexadecimal digits; -1 when they are none, or too few. */
static int hex4(const char *at, const char *end)
{
    int v = 0;
    int i;

    if (end - at < 4) {
        return -1;
    }
    for (i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0) {
            return -1;
        }
        v = v << 4 | digit;
    }
    return v;
}

/* Where an escaped half of a surrogate pair stands without the other; NULL: nowhere. Outside of
 * texts there are no backslashes that yajl would take. */
static const char *find_half(struct slice body)
{
    const char *end = body.base + body.len;
    const char *at = body.base;

    while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL && end - at >= 2) {
        int code = at[1] == 'u' ? hex4(at + 2, end) : -1;

        if (code >= 0xd800 && code <= 0xdfff) {
            int second = end - at >= 8 && at[6] == '\\' && at[7] == 'u' ? hex4(at + 8, end) : -1;

            if (code > 0xdbff || second < 0xdc00 || second > 0xdfff) {
                return at;
            }
            at += 6;
        }
        at += 2;
    }
    return NULL;
}

static int refuse(struct slice body, size_t offset, const char *wrong, struct problem *problem)
{
    size_t line = 1;
    size_t column = 1;
    size_t i;

    for (i = 0; i < offset && i < body.len; i++) {
        column = body.base[i] == '\n' ? 1 : column + 1;
        line += body.base[i] == '\n';
    }
    return problem_set(problem, PROBLEM_MALFORMED,
                       "The body is not JSON as we read it: line %zu, column %zu: %s", line, column,
                       wrong);
}

/* What yajl would let through, before it reads. */
static int check_ahead(struct slice body, struct problem *problem)
{
    static const char no_space[] = {'\v', '\f'};
    const char *at = NULL;
    size_t i;

    for (i = 0; i < sizeof no_space && at == NULL; i++) {
        at = memchr(body.base, no_space[i], body.len);
    }
    if (at != NULL) {
        return refuse(body, (size_t)(at - body.base), "this character may not be here", problem);
    }
    at = find_half(body);
    return at == NULL ? 0
                      : refuse(body, (size_t)(at - body.base), "half of a surrogate pair", problem);
}

/* ... and behind what it has read. */
static int check_behind(struct slice body, size_t end, struct problem *problem)
{
    for (; end < body.len; end++) {
        if (strchr(" \t\r\n", body.base[end]) == NULL || body.base[end] == '\0') {
            return refuse(body, end, "something is left over", problem);
        }
    }
    return 0;
}

static int refuse_by_yajl(struct reader *r, struct slice body, struct problem *problem)
{
    size_t offset = yajl_get_bytes_consumed(r->yajl);
    unsigned char *text = yajl_get_error(r->yajl, 0, NULL, 0);

    if (text != NULL) {
        text[strcspn((char *)text, "\n")] = '\0';
    }
    refuse(body, offset, text == NULL ? "it can't be read" : (char *)text, problem);
    yajl_free_error(r->yajl, text);
    return -1;
}

static int parse_json(struct slice body, struct tree *tree, struct problem *problem)
{
    struct reader r = {.end = 0};
    int result;

    if (check_ahead(body, problem) != 0) {
        return -1;
    }
    builder_init(&r.builder, tree, body);
    r.yajl = yajl_alloc(&events, NULL, &r);
    if (r.yajl == NULL) {
        return problem_set(problem, PROBLEM_OVERLOADED, "%s", "");
    }
    if (yajl_parse(r.yajl, (const unsigned char *)body.base, body.len) != yajl_status_ok) {
        result = r.builder.wrong != NULL
                     ? refuse(body, yajl_get_bytes_consumed(r.yajl), r.builder.wrong, problem)
                     : refuse_by_yajl(&r, body, problem);
    } else if (r.end != 0) {
        result = check_behind(body, r.end, problem);
    } else { /* no list and no map: a number's end is known only when no more comes */
        result = yajl_complete_parse(r.yajl) == yajl_status_ok
                     ? 0
                     : refuse(body, body.len, "it ends too early", problem);
    }
    yajl_free(r.yajl);
    return result;
}

/* --- both forms ------------------------------------------------------------------------------- */

static int parse_msgpack(struct slice body, struct tree *tree, struct problem *problem)
{
    struct builder b;

    builder_init(&b, tree, body);
    return body_unpack(&b) == 0
               ? 0
               : problem_set(problem, PROBLEM_MALFORMED,
                             "The body is not MessagePack as we read it: %s.", b.wrong);
}

int body_parse(struct slice body, enum form form, struct tree *tree, struct problem *problem)
{
    int result;

    if (body.len == 0) {
        return problem_set(problem, PROBLEM_MALFORMED, "The body is empty.");
    }
    result =
        form == FORM_MSGPACK ? parse_msgpack(body, tree, problem) : parse_json(body, tree, problem);
    if (result == 0 && !value_is(tree->root, VALUE_MAP)) {
        result = problem_set(problem, PROBLEM_MALFORMED, "The body is not an object.");
    }
    if (result != 0) {
        tree_release(tree);
    }
    return result;
}
