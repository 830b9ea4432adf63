#include "api/value.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    BLOCK_MIN = 2 * 1024, /* a bet's tree */
    BLOCK_MAX = 64 * 1024,
    PAIRS_MAX = 16, /* members of a map that are compared each with each */
};

struct value_block {
    struct value_block *next;
    size_t size;
    max_align_t data[];
};

void tree_init(struct tree *t)
{
    *t = (struct tree){.root = NULL};
}

void tree_release(struct tree *t)
{
    while (t->blocks != NULL) {
        struct value_block *next = t->blocks->next;

        free(t->blocks);
        t->blocks = next;
    }
    tree_init(t);
}

/* Like struct bytes: without memory there is no going on, and a body's size bounds what it asks. */
static void *take_memory(size_t size)
{
    void *memory = malloc(size);

    if (memory == NULL) {
        fprintf(stderr, "level=fatal msg=\"out of memory\" bytes=%zu\n", size);
        abort();
    }
    return memory;
}

static void add_block(struct tree *t, size_t least)
{
    size_t size = t->blocks == NULL ? BLOCK_MIN : t->blocks->size * 2;
    struct value_block *block;

    size = size < BLOCK_MAX ? size : BLOCK_MAX;
    size = size < least ? least : size;
    block = take_memory(sizeof *block + size);
    block->next = t->blocks;
    block->size = size;
    t->blocks = block;
    t->at = (uint8_t *)block->data;
    t->left = size;
}

static void *take(struct tree *t, size_t size)
{
    void *at;

    size = (size + _Alignof(struct value) - 1) / _Alignof(struct value) * _Alignof(struct value);
    if (t->left < size) {
        add_block(t, size);
    }
    at = t->at;
    t->at += size;
    t->left -= size;
    return at;
}

const struct value *value_get(const struct value *map, const char *key)
{
    struct slice wanted = slice_of(key);
    const struct value *v = value_is(map, VALUE_MAP) ? map->first : NULL;

    while (v != NULL && !slice_equal(v->key, wanted)) {
        v = v->next;
    }
    return v;
}

void builder_init(struct builder *b, struct tree *tree, struct slice body)
{
    /* Not all of it: nothing is read from a level before it is opened. */
    b->tree = tree;
    b->body = body;
    b->wrong = NULL;
    b->key = (struct slice){NULL, 0};
    b->depth = 0;
}

int builder_fail(struct builder *b, const char *wrong)
{
    if (b->wrong == NULL) {
        b->wrong = wrong;
    }
    return -1;
}

/* --- texts ------------------------------------------------------------------------------------ */

/* The length of the character at `at` by its first byte and the range of its second, as RFC 3629
 * has them: none longer than it must be, no surrogates, nothing above U+10FFFF. 0: it is none. */
static size_t character(const unsigned char *at, size_t left)
{
    unsigned char c = at[0];
    unsigned char least = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char most = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
    size_t i;

    if (len == 0 || len > left || (len > 1 && (at[1] < least || at[1] > most))) {
        return 0;
    }
    for (i = 2; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

/* True when none of the eight bytes is zero or above 0x7f: such a one has its highest bit set, or
 * gets it by the subtraction. */
static bool eight_are_plain(const unsigned char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t eight;

    memcpy(&eight, at, sizeof eight);
    return ((eight | (eight - ones)) & ones << 7) == 0;
}

static int check_text(struct builder *b, struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.base;
    size_t i = 0;

    if (text.len > UINT32_MAX) {
        return builder_fail(b, "a text is too long");
    }
    while (text.len - i >= 8 && eight_are_plain(at + i)) {
        i += 8;
    }
    while (i < text.len) {
        size_t len = at[i] < 0x80 ? 1 : character(at + i, text.len - i);

        if (len == 0) {
            return builder_fail(b, "a text is not UTF-8");
        }
        if (at[i] == 0) {
            return builder_fail(b, "a text holds a zero byte");
        }
        i += len;
    }
    return 0;
}

/* The text itself when it lies in the body, else a copy of it. */
static const char *keep(struct builder *b, struct slice text)
{
    uintptr_t at = (uintptr_t)text.base;
    uintptr_t body = (uintptr_t)b->body.base;
    char *copy;

    if (text.len == 0) {
        return "";
    }
    if (at >= body && at - body < b->body.len) {
        return text.base;
    }
    copy = take(b->tree, text.len);
    memcpy(copy, text.base, text.len);
    return copy;
}

/* --- values ----------------------------------------------------------------------------------- */

/* A value at the end of the list or map that is open; NULL once something was wrong. */
static struct value *add(struct builder *b, enum value_kind kind)
{
    struct value *v;

    if (b->wrong != NULL) {
        return NULL;
    }
    v = take(b->tree, sizeof *v);
    *v = (struct value){.kind = kind, .key = b->key};
    b->key = (struct slice){NULL, 0};
    if (b->depth == 0) {
        assert(b->tree->root == NULL);
        b->tree->root = v;
    } else {
        struct value *container = b->open[b->depth - 1].container;
        struct value *last = b->open[b->depth - 1].last;

        *(last == NULL ? &container->first : &last->next) = v;
        b->open[b->depth - 1].last = v;
        container->n++;
    }
    return v;
}

int builder_key(struct builder *b, struct slice key)
{
    if (b->wrong != NULL || check_text(b, key) != 0) {
        return -1;
    }
    b->key = (struct slice){keep(b, key), key.len};
    return 0;
}

int builder_null(struct builder *b)
{
    return add(b, VALUE_NULL) == NULL ? -1 : 0;
}

int builder_bool(struct builder *b, bool boolean)
{
    struct value *v = add(b, VALUE_BOOL);

    if (v == NULL) {
        return -1;
    }
    v->boolean = boolean;
    return 0;
}

int builder_integer(struct builder *b, int64_t integer)
{
    struct value *v = add(b, VALUE_INTEGER);

    if (v == NULL) {
        return -1;
    }
    v->integer = integer;
    return 0;
}

int builder_real(struct builder *b)
{
    return add(b, VALUE_REAL) == NULL ? -1 : 0;
}

int builder_text(struct builder *b, struct slice text)
{
    struct value *v;

    if (check_text(b, text) != 0 || (v = add(b, VALUE_TEXT)) == NULL) {
        return -1;
    }
    v->text = keep(b, text);
    v->n = (uint32_t)text.len;
    return 0;
}

int builder_open(struct builder *b, enum value_kind kind)
{
    struct value *v;

    assert(kind == VALUE_LIST || kind == VALUE_MAP);
    if (b->depth == VALUE_DEPTH_MAX) {
        return builder_fail(b, "it is nested too deeply");
    }
    v = add(b, kind);
    if (v == NULL) {
        return -1;
    }
    b->open[b->depth].container = v;
    b->open[b->depth].last = NULL;
    b->depth++;
    return 0;
}

static int compare_keys(const void *a, const void *b)
{
    struct slice left = (*(const struct value *const *)a)->key;
    struct slice right = (*(const struct value *const *)b)->key;
    int order;

    if (left.len != right.len) {
        return left.len < right.len ? -1 : 1;
    }
    order = memcmp(left.base, right.base, left.len);
    return order;
}

/* Maps as large as this are none that we know: in order, so that they cost no more than they must.
 */
static bool large_has_twice(const struct value *map)
{
    const struct value **members = take_memory(map->n * sizeof *members);
    const struct value *v;
    bool twice = false;
    size_t i = 0;

    for (v = map->first; v != NULL; v = v->next) {
        members[i++] = v;
    }
    qsort(members, map->n, sizeof *members, compare_keys);
    for (i = 1; i < map->n && !twice; i++) {
        twice = slice_equal(members[i - 1]->key, members[i]->key);
    }
    free(members);
    return twice;
}

static bool has_twice(const struct value *map)
{
    const struct value *v, *other;

    if (map->n > PAIRS_MAX) {
        return large_has_twice(map);
    }
    for (v = map->first; v != NULL; v = v->next) {
        for (other = v->next; other != NULL; other = other->next) {
            if (slice_equal(v->key, other->key)) {
                return true;
            }
        }
    }
    return false;
}

int builder_close(struct builder *b)
{
    const struct value *closed;

    if (b->wrong != NULL) {
        return -1;
    }
    assert(b->depth > 0);
    closed = b->open[--b->depth].container;
    if (closed->kind == VALUE_MAP && has_twice(closed)) {
        return builder_fail(b, "duplicate key: one comes twice in the same object");
    }
    return 0;
}
