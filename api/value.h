/* What a request's body holds: an immutable tree of values, read from JSON or from MessagePack.
 *
 * Guarantees, whatever the bytes were: no list or map lies deeper than VALUE_DEPTH_MAX; no key
 * comes twice in a map; every text and key is UTF-8 without a zero byte; every integer is an int64.
 * No other number has a value here: it is known to be one, so that it can be refused as one.
 *
 * How: values lie one behind the other in a few blocks that are released together; the members of a
 * list or map are chained in their order. Texts point into the body that was read, which must live
 * as long as the tree, and only those that the body has in another form are copied. A value takes
 * 40 bytes, so a tree takes at most 20 times the bytes of its body in JSON, 40 in MessagePack.
 *
 * Plain data; a tree is used by one thread at a time. */
#ifndef FLORIN_VALUE_H
#define FLORIN_VALUE_H

#include "statemachine/bytes.h"

/* How deep lists and maps may nest: what is asked for has three levels. */
enum { VALUE_DEPTH_MAX = 8 };

enum value_kind {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INTEGER,
    VALUE_REAL, /* a number with a fraction or an exponent */
    VALUE_TEXT,
    VALUE_LIST,
    VALUE_MAP,
};

struct value {
    enum value_kind kind;
    uint32_t n; /* a text's bytes; a list's or map's members */
    union {
        bool boolean;
        int64_t integer;
        const char *text;
        const struct value *first; /* member, or NULL */
    };
    const struct value *next; /* member of the same list or map, or NULL */
    struct slice key;         /* of a map's member */
};

struct value_block;

struct tree {
    const struct value *root; /* NULL: there is none */
    struct value_block *blocks;
    uint8_t *at; /* in the newest block */
    size_t left;
};

void tree_init(struct tree *t);
void tree_release(struct tree *t); /* ... and it is as after tree_init */

static inline bool value_is(const struct value *v, enum value_kind kind)
{
    return v != NULL && v->kind == kind;
}

/* A text's bytes; base is NULL for everything else. */
static inline struct slice value_text(const struct value *v)
{
    return value_is(v, VALUE_TEXT) ? (struct slice){v->text, v->n} : (struct slice){NULL, 0};
}

/* The first member of a list or map; NULL when it has none, or for everything else. */
static inline const struct value *value_first(const struct value *v)
{
    return value_is(v, VALUE_LIST) || value_is(v, VALUE_MAP) ? v->first : NULL;
}

/* A map's member; NULL when there is none, or for everything else. */
const struct value *value_get(const struct value *map, const char *key);

/* Fills a tree as a reader meets the values, from the outermost one inwards. What a reader hands in
 * is checked here, for both forms: after the first thing that is not right `wrong` says what, and
 * nothing more happens. */
struct builder {
    struct tree *tree; /* borrowed; its root is set by the first value */
    struct slice body; /* borrowed; texts that lie in it are not copied */
    const char *wrong; /* static; NULL: nothing */
    struct slice key;  /* of the value that comes next */
    unsigned depth;
    struct {
        struct value *container;
        struct value *last; /* member so far, or NULL */
    } open[VALUE_DEPTH_MAX];
};

void builder_init(struct builder *b, struct tree *tree, struct slice body);

/* Each 0, or -1 and `wrong`. In a map a key goes before each value. */
int builder_fail(struct builder *b, const char *wrong); /* always -1 */
int builder_key(struct builder *b, struct slice key);
int builder_null(struct builder *b);
int builder_bool(struct builder *b, bool v);
int builder_integer(struct builder *b, int64_t v);
int builder_real(struct builder *b);
int builder_text(struct builder *b, struct slice text);
int builder_open(struct builder *b, enum value_kind kind);
int builder_close(struct builder *b);

#endif
