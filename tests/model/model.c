#include "tests/model/model.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* The bytes that an object had before it was changed. */
struct undo {
    struct undo *next;
    void *object;
    size_t size;
    uint8_t old[];
};

void model_init(struct model *m)
{
    *m = (struct model){0};
    table_init(&m->currencies, sizeof(struct m_currency));
    table_init(&m->principals, sizeof(struct m_principal));
    table_init(&m->keys, sizeof(struct m_key));
    table_init(&m->players, sizeof(struct m_player));
    table_init(&m->accounts, sizeof(struct m_account));
    table_init(&m->transactions, sizeof(struct m_transaction));
    bytes_init(&m->scratch);
}

void model_release(struct model *m)
{
    table_release(&m->currencies);
    table_release(&m->principals);
    table_release(&m->keys);
    table_release(&m->players);
    table_release(&m->accounts);
    table_release(&m->transactions);
    bytes_release(&m->scratch);
    free(m->records);
}

void model_touch(struct model *m, void *object, size_t size)
{
    struct undo *u;

    if (!m->trying) {
        return;
    }
    u = malloc(sizeof *u + size);
    if (u == NULL) {
        fprintf(stderr, "model: out of memory\n");
        exit(1);
    }
    u->next = m->undo;
    u->object = object;
    u->size = size;
    memcpy(u->old, object, size);
    m->undo = u;
}

void model_try(struct model *m)
{
    m->trying = true;
    m->seq_before = m->seq;
}

static void drop_undo(struct model *m, bool write_back)
{
    while (m->undo != NULL) {
        struct undo *u = m->undo;

        if (write_back) {
            memcpy(u->object, u->old, u->size);
        }
        m->undo = u->next;
        free(u);
    }
    m->trying = false;
}

void model_keep(struct model *m)
{
    drop_undo(m, false);
}

void model_undo(struct model *m)
{
    drop_undo(m, true);
    m->seq = m->seq_before;
}

struct m_currency *model_currency(struct model *m, struct slice code)
{
    struct table_key key = table_key1(code);

    return table_at(&m->currencies, &key);
}

struct m_principal *model_principal(struct model *m, struct slice name)
{
    struct table_key key = table_key1(name);

    return table_at(&m->principals, &key);
}

struct m_player *model_player(struct model *m, struct slice name)
{
    struct table_key key = table_key1(name);

    return table_at(&m->players, &key);
}

struct m_account *model_account(struct model *m, struct account a, struct slice currency)
{
    char kind = (char)('0' + (int)a.kind);
    struct table_key key = table_key3((struct slice){&kind, 1}, a.name, currency);

    return table_at(&m->accounts, &key);
}

struct m_transaction *model_transaction(struct model *m, struct slice principal, struct slice id)
{
    struct table_key key = table_key2(principal, id);

    return table_at(&m->transactions, &key);
}

static void chain(struct model *m, struct record *r)
{
    crypto_generichash_state hash;

    if (r->seq > 1) {
        memcpy(r->prev_hash, m->records[r->seq - 2].hash, HASH_BYTES);
    }
    bytes_clear(&m->scratch);
    record_encode(r, &m->scratch);
    crypto_generichash_init(&hash, NULL, 0, HASH_BYTES);
    crypto_generichash_update(&hash, r->prev_hash, HASH_BYTES);
    crypto_generichash_update(&hash, m->scratch.base, m->scratch.len);
    crypto_generichash_final(&hash, r->hash, HASH_BYTES);
}

void model_append(struct model *m, struct record *r)
{
    struct m_player *player = model_player(m, r->player);

    if (m->seq == m->room) {
        m->room = m->room == 0 ? 1024 : 2 * m->room;
        m->records = realloc(m->records, m->room * sizeof *m->records);
        if (m->records == NULL) {
            fprintf(stderr, "model: out of memory\n");
            exit(1);
        }
    }
    r->seq = ++m->seq;
    r->at_ms = m->clock_ms;
    r->previous = player->last_seq;
    chain(m, r);
    model_touch(m, player, sizeof *player);
    player->last_seq = r->seq;
    m->records[r->seq - 1] = *r;
}

void model_apply(struct model *m, uint64_t time_ms, const struct command *c, struct outcome *o)
{
    if (time_ms > m->clock_ms) {
        m->clock_ms = time_ms;
    }
    *o = (struct outcome){.at_ms = m->clock_ms};
    switch (c->type) {
    case COMMAND_BET:
    case COMMAND_WIN:
    case COMMAND_ROLLBACK:
    case COMMAND_DEPOSIT:
        model_money(m, c, o);
        break;
    case COMMAND_CURRENCY_CREATE:
    case COMMAND_PRINCIPAL_CREATE:
    case COMMAND_KEY_CREATE:
    case COMMAND_PLAYER_CREATE:
        model_create(m, c, o);
        break;
    }
}
