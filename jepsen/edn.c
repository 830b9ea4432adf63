#include "jepsen/edn.h"

struct reading {
    const char *at, *end;
    struct edn *e;
    struct fault *fault;
};

static int wrong(const struct reading *in, const char *what)
{
    return fault_set(in->fault, "not EDN as histories have it: %s at \"%.*s\"", what,
                     (int)(in->end - in->at < 20 ? in->end - in->at : 20), in->at);
}

static void skip_space(struct reading *in)
{
    while (in->at < in->end && (*in->at == ' ' || *in->at == ',' || *in->at == '\t' ||
                                *in->at == '\n' || *in->at == '\r')) {
        in->at++;
    }
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.?!*+/:", c) != NULL);
}

static struct slice take_word(struct reading *in)
{
    const char *begin = in->at;

    while (in->at < in->end && is_word(*in->at)) {
        in->at++;
    }
    return (struct slice){begin, (size_t)(in->at - begin)};
}

static int read_string(struct reading *in, struct edn_node *n)
{
    const char *begin = ++in->at;

    for (; in->at < in->end && *in->at != '"'; in->at++) {
        if (*in->at == '\\') {
            in->at++;
            if (in->at == in->end || strchr("\\\"ntr", *in->at) == NULL || *in->at == '\0') {
                return wrong(in, "an escape that is unknown");
            }
        }
    }
    if (in->at == in->end) {
        return wrong(in, "a string without its end");
    }
    n->kind = EDN_STRING;
    n->text = (struct slice){begin, (size_t)(in->at - begin)};
    in->at++;
    return 0;
}

static int read_integer(struct reading *in, struct edn_node *n)
{
    struct slice word = take_word(in);
    bool negative = word.base[0] == '-';
    size_t i = negative ? 1 : 0;

    n->kind = EDN_INTEGER;
    if (i == word.len) {
        return wrong(in, "a sign without digits");
    }
    for (; i < word.len; i++) {
        int digit = word.base[i] - '0';

        if (digit < 0 || digit > 9 || __builtin_mul_overflow(n->integer, 10, &n->integer) ||
            __builtin_sub_overflow(n->integer, digit, &n->integer)) {
            return wrong(in, "a number that is no 64-bit integer");
        }
    }
    /* Gathered below zero, where one more fits. */
    if (!negative && __builtin_sub_overflow(0, n->integer, &n->integer)) {
        return wrong(in, "a number that is no 64-bit integer");
    }
    return 0;
}

static int read_word(struct reading *in, struct edn_node *n)
{
    struct slice word = take_word(in);

    if (slice_is(word, "true") || slice_is(word, "false")) {
        n->kind = EDN_BOOL;
        n->integer = word.len == 4;
        return 0;
    }
    n->kind = EDN_NIL;
    return slice_is(word, "nil") ? 0 : wrong(in, "a word that is unknown");
}

static int read_value(struct reading *in, unsigned depth);

static int read_collection(struct reading *in, uint32_t self, unsigned depth)
{
    char end = *in->at == '{' ? '}' : *in->at == '[' ? ']' : ')';
    unsigned held = 0;

    in->e->nodes[self].kind = end == '}' ? EDN_MAP : EDN_VECTOR;
    in->at++;
    for (skip_space(in); in->at < in->end && *in->at != end; skip_space(in), held++) {
        if (end == '}' && held % 2 == 0 && *in->at != ':') {
            return wrong(in, "a map's key that is no keyword");
        }
        if (read_value(in, depth + 1) != 0) {
            return -1;
        }
    }
    if (in->at == in->end || (end == '}' && held % 2 != 0)) {
        return wrong(in, "a collection without its end");
    }
    in->at++;
    return 0;
}

static int read_value(struct reading *in, unsigned depth)
{
    uint32_t self = in->e->n;
    struct edn_node *n = &in->e->nodes[self];
    int rc;

    if (self == EDN_NODES || depth > EDN_DEPTH) {
        return wrong(in, "too many values");
    }
    skip_space(in);
    if (in->at == in->end) {
        return wrong(in, "nothing where a value was expected");
    }
    in->e->n++;
    memset(n, 0, sizeof *n);
    char c = *in->at;
    if (c == '{' || c == '[' || c == '(') {
        rc = read_collection(in, self, depth);
    } else if (c == '"') {
        rc = read_string(in, n);
    } else if (c == ':') {
        in->at++;
        n->kind = EDN_KEYWORD;
        n->text = take_word(in);
        rc = n->text.len == 0 ? wrong(in, "a keyword without a name") : 0;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        rc = read_integer(in, n);
    } else {
        rc = read_word(in, n);
    }
    n->next = in->e->n;
    return rc;
}

int edn_parse(struct slice text, struct edn *e, struct fault *fault)
{
    struct reading in = {text.base, text.base + text.len, e, fault};

    e->n = 0;
    if (read_value(&in, 0) != 0) {
        return -1;
    }
    skip_space(&in);
    return in.at == in.end ? 0 : wrong(&in, "something behind the value");
}

const struct edn_node *edn_get(const struct edn *e, const struct edn_node *map, const char *key)
{
    if (map == NULL || map->kind != EDN_MAP) {
        return NULL;
    }
    for (const struct edn_node *k = map + 1; k < e->nodes + map->next;) {
        const struct edn_node *value = e->nodes + k->next;

        if (k->kind == EDN_KEYWORD && slice_is(k->text, key)) {
            return value->kind == EDN_NIL ? NULL : value;
        }
        k = e->nodes + value->next;
    }
    return NULL;
}

const struct edn_node *edn_first(const struct edn *e, const struct edn_node *vector)
{
    if (vector == NULL || vector->kind != EDN_VECTOR || vector + 1 >= e->nodes + vector->next) {
        return NULL;
    }
    return vector + 1;
}

const struct edn_node *edn_next(const struct edn *e, const struct edn_node *vector,
                                const struct edn_node *item)
{
    return item->next < vector->next ? e->nodes + item->next : NULL;
}

void edn_unescape(struct slice raw, struct bytes *out)
{
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.base[i];

        if (c == '\\' && i + 1 < raw.len) {
            c = raw.base[++i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c == 'r' ? '\r' : c;
        }
        bytes_append_u8(out, (uint8_t)c);
    }
}
