/* The layers against a table that remembers everything: random look-ups and puts, by name and by
 * key, in drafts and without, while checkpoints come and go at any moment between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "statemachine/layers.h"
#include "tests/unit/ledger_fixture.h"

enum { RUNS = 6, STEPS = 10000, KEYS = 40, TABLES = 4, VALUE_MAX = 64, KEY_TEXT = 16 };

/* With a filter of seen keys, and without. */
static const enum store_table tables[TABLES] = {TABLE_PLAYER, TABLE_BALANCE, TABLE_TRANSACTION,
                                                TABLE_ROUND};

struct expected {
    bool there;
    size_t len;
    char value[VALUE_MAX];
};

struct all {
    struct expected of[TABLES][KEYS];
};

struct run {
    char folder[256];
    struct store store;
    struct layers layers;
    uint64_t random;
    struct all kept, drafted;
    struct layers_key keys[TABLES][KEYS];
    bool has_key[TABLES][KEYS];
    bool written; /* what is frozen */
    struct fault fault;
};

static unsigned below(struct run *r, unsigned end)
{
    r->random ^= r->random << 13;
    r->random ^= r->random >> 7;
    r->random ^= r->random << 17;
    return (unsigned)((r->random >> 11) % end);
}

static void open_layers(struct run *r)
{
    const uint8_t hash_key[CHANGES_HASH_KEY_BYTES] = {(uint8_t)r->random};

    assert_int_equal(store_lmdb_open(&r->store, r->folder, FIXTURE_MAP_BYTES, &r->fault), 0);
    layers_open(&r->layers, r->store, hash_key, 0);
    memset(r->has_key, 0, sizeof r->has_key);
}

static void close_layers(struct run *r)
{
    layers_close(&r->layers);
    r->store.close(r->store.impl);
}

static struct expected *expected(struct run *r, unsigned table, unsigned k)
{
    return r->layers.drafting ? &r->drafted.of[table][k] : &r->kept.of[table][k];
}

static struct slice name_of(unsigned table, unsigned k, char text[static KEY_TEXT])
{
    return (struct slice){
        text, (size_t)snprintf(text, KEY_TEXT, "%c%u-%u", 'a' + (char)(k % 3), table, k)};
}

/* The one that was made before, as long as there is one. */
static struct layers_key *key_of(struct run *r, unsigned table, unsigned k, struct slice name)
{
    struct layers_key *key = &r->keys[table][k];

    if (!r->has_key[table][k]) {
        memcpy(key->text, name.base, name.len);
        layers_key(&r->layers, tables[table], name.len, key);
        r->has_key[table][k] = true;
    }
    return key;
}

static void look_up(struct run *r, unsigned table, unsigned k, bool by_name)
{
    const struct expected *e = expected(r, table, k);
    char text[KEY_TEXT];
    struct slice value, name = name_of(table, k, text);
    int rc = by_name ? layers_get(&r->layers, tables[table], name, &value, &r->fault)
                     : layers_get_at(&r->layers, key_of(r, table, k, name), &value, &r->fault);

    assert_int_equal(rc, e->there);
    assert_true(rc == 0 || slice_equal(value, (struct slice){e->value, e->len}));
}

static void put(struct run *r, unsigned table, unsigned k, bool by_name)
{
    struct expected *e = expected(r, table, k);
    char text[KEY_TEXT];
    struct slice value, name = name_of(table, k, text);

    *e = (struct expected){.there = true, .len = below(r, VALUE_MAX)};
    memset(e->value, (int)below(r, 256), e->len);
    value = (struct slice){e->value, e->len};
    if (by_name) {
        layers_put(&r->layers, tables[table], name, value);
    } else {
        layers_put_at(&r->layers, key_of(r, table, k, name), value);
    }
}

static void begin_or_end_draft(struct run *r)
{
    if (!r->layers.drafting) {
        layers_draft(&r->layers);
        r->drafted = r->kept;
    } else if (below(r, 2) == 0) {
        layers_keep(&r->layers);
        r->kept = r->drafted;
    } else {
        layers_drop(&r->layers);
    }
}

/* The next step of a checkpoint; keys hold until a set or the store's view is another one. */
static void checkpoint(struct run *r)
{
    if (r->layers.frozen && !r->written) {
        assert_int_equal(layers_write(&r->layers, &r->fault), 0);
        r->written = true;
    } else if (r->layers.frozen && !r->layers.drafting) {
        assert_int_equal(layers_thaw(&r->layers, &r->fault), 0);
        memset(r->has_key, 0, sizeof r->has_key);
    } else if (!r->layers.drafting && layers_active_size(&r->layers) > 0) {
        layers_freeze(&r->layers);
        memset(r->has_key, 0, sizeof r->has_key);
        r->written = false;
    }
}

static void restart(struct run *r)
{
    do {
        checkpoint(r);
    } while (r->layers.frozen);
    close_layers(r);
    open_layers(r);
}

static void step(struct run *r)
{
    /* Mostly few keys: what was named last is remembered, but two for each table. */
    unsigned table = below(r, TABLES), k = below(r, below(r, 4) > 0 ? 2 : KEYS);
    unsigned what = below(r, 1000);

    if (what < 450) {
        look_up(r, table, k, what % 2 == 0);
    } else if (what < 750) {
        put(r, table, k, what % 2 == 0);
    } else if (what < 850) {
        begin_or_end_draft(r);
    } else if (what < 950) {
        checkpoint(r);
    } else if (!r->layers.drafting && what < 998) {
        assert_int_equal(layers_read_on(&r->layers, below(r, 30), &r->fault), 0);
    } else if (!r->layers.drafting && !r->layers.frozen) {
        restart(r);
    }
}

static void test_random(void **state)
{
    struct run *r = calloc(1, sizeof *r);
    unsigned run, i;

    (void)state;
    assert_non_null(r);
    for (run = 1; run <= RUNS; run++) {
        *r = (struct run){.random = UINT64_C(0x9e3779b97f4a7c15) * run};
        fixture_folder(r->folder);
        open_layers(r);
        for (i = 0; i < STEPS; i++) {
            step(r);
        }
        if (r->layers.drafting) {
            layers_drop(&r->layers);
        }
        close_layers(r);
        fixture_remove(r->folder);
    }
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
