#include "statemachine/seen.h"

#include <stdio.h>
#include <stdlib.h>

#include "statemachine/changes.h"
#include "statemachine/huge.h"

enum {
    WORDS_A_LINE = 8,
    KEYS_A_LINE = 40, /* 12.8 bits for each: about one of 200 unknown keys is looked up */
    BYTES_LEAST = 2 << 20,
    GROWTH = 4,              /* every step reads all keys again */
    LINES_MOST = 1 << 22,    /* 256 MiB: beyond, more unknown keys are looked up */
    STORE_BYTES_A_KEY = 256, /* at least, with record, balance and the trees' own needs */
};

static const enum store_table tables[] = {TABLE_TRANSACTION, TABLE_ROUND};
enum { TABLES = sizeof tables / sizeof *tables };

bool seen_has_filter(enum store_table table)
{
    return table == TABLE_TRANSACTION || table == TABLE_ROUND;
}

static void filter_make(struct seen_filter *f, size_t n_lines)
{
    f->words = calloc(n_lines, WORDS_A_LINE * sizeof *f->words);
    if (f->words == NULL) {
        fprintf(stderr, "level=fatal msg=\"out of memory for the filter of known ids\"\n");
        abort();
    }
    huge_advise(f->words, n_lines * WORDS_A_LINE * sizeof *f->words);
    f->n_lines = n_lines;
    f->keys = 0;
}

/* The low bits of a hash choose the line, 48 others the eight bits in it. */
static uint64_t *line_of(const struct seen_filter *f, uint64_t hash)
{
    return f->words + (hash & (f->n_lines - 1)) * WORDS_A_LINE;
}

/* The two bits of word 0 to 3; the words stand in the half of the line that one more bit says. */
static uint64_t bits_of(uint64_t mixed, unsigned word)
{
    return UINT64_C(1) << (mixed >> (12 * word) & 63) | UINT64_C(1)
                                                            << (mixed >> (12 * word + 6) & 63);
}

/* Spreads the hash again: its low bits have chosen the line. */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ hash >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return hash ^ hash >> 32;
}

static uint64_t *half_of(uint64_t *line, uint64_t mixed)
{
    return line + (mixed >> 48 & 1) * (WORDS_A_LINE / 2);
}

static void filter_add(struct seen_filter *f, uint64_t hash)
{
    uint64_t mixed = mix(hash);
    uint64_t *half = half_of(line_of(f, hash), mixed);
    uint64_t missing = 0;
    unsigned i;

    for (i = 0; i < WORDS_A_LINE / 2; i++) {
        missing |= bits_of(mixed, i) & ~half[i];
        half[i] |= bits_of(mixed, i);
    }
    f->keys += missing != 0;
}

static bool filter_has(const struct seen_filter *f, uint64_t hash)
{
    uint64_t mixed = mix(hash);
    const uint64_t *half = half_of(line_of(f, hash), mixed);
    uint64_t missing = 0;
    unsigned i;

    for (i = 0; i < WORDS_A_LINE / 2; i++) {
        missing |= bits_of(mixed, i) & ~half[i];
    }
    return missing == 0;
}

static void begin_next(struct seen *s, size_t n_lines)
{
    filter_make(&s->next, n_lines);
    s->table = 0;
    s->from_len = 0;
}

void seen_init(struct seen *s, const struct store *store, size_t bytes)
{
    uint64_t keys = store->bytes == NULL ? 0 : store->bytes(store->impl) / STORE_BYTES_A_KEY;
    size_t n_lines = (bytes == 0 ? BYTES_LEAST : bytes) / (WORDS_A_LINE * sizeof(uint64_t));

    while (n_lines < LINES_MOST && n_lines * KEYS_A_LINE < 2 * keys) {
        n_lines *= 2;
    }
    *s = (struct seen){.table = 0};
    begin_next(s, n_lines);
}

void seen_release(struct seen *s)
{
    free(s->whole.words);
    free(s->next.words);
}

void seen_add(struct seen *s, enum store_table table, uint64_t hash)
{
    if (!seen_has_filter(table)) {
        return;
    }
    if (s->next.words != NULL) {
        filter_add(&s->next, hash);
    }
    if (s->whole.words != NULL) {
        filter_add(&s->whole, hash);
    }
}

bool seen_never(const struct seen *s, enum store_table table, uint64_t hash)
{
    return s->whole.words != NULL && seen_has_filter(table) && !filter_has(&s->whole, hash);
}

void seen_prefetch(const struct seen *s, enum store_table table, uint64_t hash)
{
    if (s->whole.words != NULL && seen_has_filter(table)) {
        __builtin_prefetch(line_of(&s->whole, hash));
    }
}

static void finish_next(struct seen *s)
{
    free(s->whole.words);
    s->whole = s->next;
    s->next = (struct seen_filter){NULL, 0, 0};
}

bool seen_is_full(const struct seen *s)
{
    return s->next.words == NULL && s->whole.keys > s->whole.n_lines * KEYS_A_LINE &&
           s->whole.n_lines < LINES_MOST;
}

void seen_grow(struct seen *s)
{
    size_t n_lines = GROWTH * s->whole.n_lines;

    begin_next(s, n_lines < LINES_MOST ? n_lines : LINES_MOST);
}

bool seen_is_reading(const struct seen *s)
{
    return s->next.words != NULL;
}

int seen_read_on(struct seen *s, const struct store *store, const uint8_t *hash_key, size_t most,
                 struct fault *fault)
{
    struct slice key, value;
    size_t i;

    if (!seen_is_reading(s)) {
        return 0;
    }
    /* What is put behind this place meanwhile is added when it is put. */
    for (i = 0; i < most && s->table < TABLES; i++) {
        struct slice from = {(const char *)s->from, s->from_len};
        int rc = store->seek(store->impl, tables[s->table], from, &key, &value, fault);

        if (rc < 0) {
            return -1;
        }
        if (rc == 0) {
            s->table++;
            s->from_len = 0;
            continue;
        }
        filter_add(&s->next, changes_hash(hash_key, tables[s->table], key));
        memcpy(s->from, key.base, key.len);
        s->from[key.len] = 0; /* right behind it */
        s->from_len = key.len + 1;
    }
    if (s->table == TABLES) {
        finish_next(s);
    }
    return 0;
}
