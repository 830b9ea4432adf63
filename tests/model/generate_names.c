/* The names in a script. Players, providers and house accounts share some, which are not the same
 * for that. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/generate.h"

static const char *const players[] = {"alice", "demo", "carol", "bank", "erin", "shortfall"};
static const char *const providers[] = {"demo", "shortfall", "adjustment"};
static const char *const gateways[] = {"bank", "card"};
static const char *const currencies[] = {"EUR", "JPY", "BTC", "USD"};
static const uint8_t scales[] = {5, 0, 9, 2};

struct block {
    struct block *next;
    size_t used;
    char at[64 << 10];
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fprintf(stderr, "model: out of memory\n");
        exit(1);
    }
    return memory;
}

static void *take(struct generator *g, size_t size)
{
    struct block *block = g->script->memory;

    size = (size + 15) & ~(size_t)15;
    if (block == NULL || block->used + size > sizeof block->at) {
        block = must(malloc(sizeof *block));
        block->next = g->script->memory;
        block->used = 0;
        g->script->memory = block;
    }
    block->used += size;
    return block->at + block->used - size;
}

struct slice generator_text(struct generator *g, const char *format, ...)
{
    char *at = take(g, ID_MAX + 1);
    va_list args;
    int len;

    va_start(args, format);
    len = vsnprintf(at, ID_MAX + 1, format, args);
    va_end(args);
    return (struct slice){at, (size_t)len};
}

const struct command *generator_keep(struct generator *g, const struct command *c)
{
    size_t size = offsetof(struct command, items) + c->n_items * sizeof c->items[0];
    struct command *copy;

    size = c->n_limits > 0 ? sizeof *c : size;
    copy = take(g, size);
    memcpy(copy, c, size);
    return copy;
}

void script_release(struct script *s)
{
    while (s->memory != NULL) {
        struct block *next = s->memory->next;

        free(s->memory);
        s->memory = next;
    }
    free(s->steps);
    s->steps = NULL;
}

/* One of the first `n`, now and then one that is not there. */
static struct slice one_of(struct generator *g, const char *const *names, unsigned n,
                           const char *nobody)
{
    return slice_of(chance_in(&g->chance, 1, 200) ? nobody : names[chance_below(&g->chance, n)]);
}

struct slice generator_player(struct generator *g)
{
    return one_of(g, players, g->players, "nobody");
}

struct slice generator_provider(struct generator *g)
{
    return one_of(g, providers, g->providers, "bank");
}

struct slice generator_gateway(struct generator *g)
{
    return one_of(g, gateways, g->gateways, "demo");
}

struct slice generator_currency(struct generator *g)
{
    return one_of(g, currencies, g->currencies, "ZZZ");
}

struct slice generator_id(struct generator *g)
{
    unsigned number = chance_below(&g->chance, g->ids);

    /* Clients may use such names too; they are not a withdrawal's end. */
    return chance_in(&g->chance, 1, 300) ? generator_text(g, "t%u:confirm", number)
                                         : generator_text(g, "t%u", number);
}

struct slice generator_round(struct generator *g)
{
    return generator_text(g, "r%u", chance_below(&g->chance, g->rounds));
}

struct slice generator_game(struct generator *g)
{
    return slice_of(chance_in(&g->chance, 1, 2) ? "chess" : "slots");
}

struct slice generator_session(struct generator *g)
{
    return generator_text(g, "s%u", chance_below(&g->chance, g->sessions));
}

struct decimal generator_amount(struct generator *g)
{
    struct decimal d = {0};

    if (generator_percent(g, g->huge_percent)) {
        d.digits =
            INT64_MAX - (int64_t)(chance_next(&g->chance) >> 2 >> chance_below(&g->chance, 61));
        d.after_point = (uint8_t)chance_below(&g->chance, 3) * 2;
        return d;
    }
    if (generator_percent(g, 2)) {
        d.after_point = (uint8_t)chance_below(&g->chance, SCALE_MAX + 1);
        d.digits = (int64_t)chance_below(&g->chance, 3);
        return d;
    }
    d.digits = (int64_t)chance_below(&g->chance, 40);
    if (generator_percent(g, 8)) {
        d.digits *= 10;
        d.after_point = 1;
    }
    return d;
}

enum ids_scope generator_ids_scope(struct generator *g)
{
    return generator_percent(g, 35) ? IDS_PER_PLAYER : IDS_PER_PRINCIPAL;
}

const uint8_t *generator_token(struct generator *g)
{
    unsigned number =
        chance_in(&g->chance, 9, 10) ? ++g->tokens : chance_below(&g->chance, g->tokens + 1);
    char *hash = take(g, SECRET_HASH_BYTES + 1);

    snprintf(hash, SECRET_HASH_BYTES + 1, "%032u", number);
    return (const uint8_t *)hash;
}

void generator_instant(struct generator *g, uint64_t after_ms)
{
    g->instants[g->n_instants++ % INSTANTS] = g->time_ms + after_ms;
}

bool generator_world(struct generator *g, unsigned i, struct command *c)
{
    unsigned n;

    command_init(c);
    if (i < g->currencies) {
        c->type = COMMAND_CURRENCY_CREATE;
        c->name = slice_of(currencies[i]);
        c->scale = scales[i];
        return true;
    }
    i -= g->currencies;
    if (i < g->providers + g->gateways) {
        c->type = COMMAND_PRINCIPAL_CREATE;
        c->role = i < g->providers ? ROLE_PROVIDER : ROLE_GATEWAY;
        c->name = slice_of(i < g->providers ? providers[i] : gateways[i - g->providers]);
        c->ids_scope = generator_ids_scope(g);
        return true;
    }
    i -= g->providers + g->gateways;
    if (i == 0) {
        c->type = COMMAND_KEY_CREATE;
        c->name = slice_of("key");
        c->principal = slice_of("shop");
        c->role = ROLE_PLATFORM;
        c->secret_hash = generator_token(g);
        return true;
    }
    if (--i >= g->players) {
        return false;
    }
    c->type = COMMAND_PLAYER_CREATE;
    c->player = slice_of(players[i]);
    for (n = 0; n < g->currencies && generator_percent(g, 60); n++) {
        c->currencies[c->n_currencies++] = slice_of(currencies[n]);
    }
    return true;
}

/* Something made while the others play: mostly a name that is taken. */
void generator_create(struct generator *g, struct command *c)
{
    switch (c->type) {
    case COMMAND_CURRENCY_CREATE:
        c->name = generator_currency(g);
        c->scale = (uint8_t)chance_below(&g->chance, SCALE_MAX + 1);
        break;
    case COMMAND_PRINCIPAL_CREATE:
        c->name = generator_percent(g, 50) ? generator_provider(g) : generator_gateway(g);
        c->role = generator_percent(g, 50) ? ROLE_PROVIDER : ROLE_GATEWAY;
        c->ids_scope = generator_ids_scope(g);
        break;
    case COMMAND_PLAYER_CREATE:
        c->player = generator_player(g);
        if (generator_percent(g, 50)) {
            c->currencies[c->n_currencies++] = generator_currency(g);
        }
        break;
    default:
        c->name = generator_text(g, "key%u", chance_below(&g->chance, 10));
        c->role = (enum role)(1 + chance_below(&g->chance, 5));
        c->principal = generator_percent(g, 50) ? generator_provider(g) : generator_gateway(g);
        if (generator_percent(g, 20) || c->role > ROLE_GATEWAY) {
            c->principal = slice_of(generator_percent(g, 70) ? "shop" : "audit");
        }
        if (generator_percent(g, 50)) {
            c->secret_hash = generator_token(g);
        } else {
            c->key_kind = KEY_HMAC;
            c->sealed = generator_text(g, "sealed%u", chance_below(&g->chance, 1000));
        }
    }
}

void generator_action(struct generator *g, struct command *c)
{
    static const char *const calls[] = {"member_add", "backup", "transfer"};

    c->id = slice_of(calls[chance_below(&g->chance, 3)]);
    if (generator_percent(g, 50)) {
        c->name = generator_text(g, "%u", chance_below(&g->chance, 9));
    }
    if (generator_percent(g, 50)) {
        c->note = slice_of("address=[::1]:7001 \"?\"");
    }
}

void generator_actor(struct generator *g, struct command *c)
{
    if (!command_is_recorded_action(c->type) ||
        (c->type != COMMAND_ACTION && generator_percent(g, 20))) {
        return;
    }
    c->n_by = 1;
    c->by[0] = (struct actor){
        .principal = slice_of(generator_percent(g, 50) ? "shop" : "operator"),
        .key = generator_text(g, "key%u", chance_below(&g->chance, 10)),
        .address = slice_of(generator_percent(g, 50) ? "::1" : "10.0.0.1"),
        .request = generator_text(g, "%u", chance_below(&g->chance, 1000)),
        .role = generator_percent(g, 50) ? ROLE_PLATFORM : ROLE_OPERATOR,
        .node = 1 + chance_below(&g->chance, 3),
    };
}
