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

enum { TABLES = 14 };

struct sized {
    struct table *table;
    size_t bytes;
};

static void tables_of(struct model *m, struct sized tables[static TABLES])
{
    const struct sized all[TABLES] = {
        {&m->currencies, sizeof(struct m_currency)},
        {&m->principals, sizeof(struct m_principal)},
        {&m->keys, sizeof(struct m_key)},
        {&m->players, sizeof(struct m_player)},
        {&m->accounts, sizeof(struct m_account)},
        {&m->transactions, sizeof(struct m_transaction)},
        {&m->rounds, sizeof(struct m_round)},
        {&m->holds, sizeof(struct m_hold)},
        {&m->ends, sizeof(struct m_end)},
        {&m->sessions, sizeof(struct m_session)},
        {&m->tokens, sizeof(struct m_token)},
        {&m->limits, sizeof(struct m_limit)},
        {&m->calls, sizeof(struct m_call)},
        {&m->origins, sizeof(struct m_origin)},
    };

    memcpy(tables, all, sizeof all);
}

void model_init(struct model *m)
{
    struct sized tables[TABLES];
    int i;

    *m = (struct model){0};
    tables_of(m, tables);
    for (i = 0; i < TABLES; i++) {
        table_init(tables[i].table, tables[i].bytes);
    }
    bytes_init(&m->scratch);
}

void model_release(struct model *m)
{
    struct sized tables[TABLES];
    uint64_t at;
    int i;

    tables_of(m, tables);
    for (i = 0; i < TABLES; i++) {
        table_release(tables[i].table);
    }
    for (at = 0; at < m->n_actions; at++) {
        free((char *)m->actions[at].detail.base);
    }
    bytes_release(&m->scratch);
    free(m->records);
    free(m->actions);
}

void model_touch(struct model *m, void *object, size_t size)
{
    struct undo *u;

    if (m->tries == 0) {
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

struct m_mark model_try(struct model *m)
{
    m->tries++;
    return (struct m_mark){m->undo, m->seq};
}

static void drop_undo(struct model *m, const struct undo *until, bool write_back)
{
    while (m->undo != until) {
        struct undo *u = m->undo;

        if (write_back) {
            memcpy(u->object, u->old, u->size);
        }
        m->undo = u->next;
        free(u);
    }
}

void model_keep(struct model *m)
{
    if (--m->tries == 0) { /* else an outer try may still undo it */
        drop_undo(m, NULL, false);
    }
}

void model_undo(struct model *m, struct m_mark mark)
{
    m->tries--;
    drop_undo(m, mark.undo, true);
    m->seq = mark.seq;
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

struct slice model_ids_of(struct model *m, struct slice principal, struct slice player)
{
    return model_principal(m, principal)->policy.ids_scope == IDS_PER_PLAYER ? player
                                                                             : slice_of("");
}

struct m_transaction *model_transaction(struct model *m, struct slice principal,
                                        struct slice player, struct slice id)
{
    struct table_key key = table_key3(principal, model_ids_of(m, principal, player), id);

    return table_at(&m->transactions, &key);
}

struct m_round *model_round(struct model *m, struct slice principal, struct slice player,
                            struct slice round)
{
    struct table_key key = table_key3(principal, player, round);

    return table_at(&m->rounds, &key);
}

struct m_hold *model_hold(struct model *m, struct slice principal, struct slice player,
                          struct slice id)
{
    struct table_key key = table_key3(principal, model_ids_of(m, principal, player), id);

    return table_at(&m->holds, &key);
}

struct m_session *model_session(struct model *m, struct slice id)
{
    struct table_key key = table_key1(id);

    return table_at(&m->sessions, &key);
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
    if (m->n_actions > 0 && m->actions[m->n_actions - 1].seq == m->seq) {
        r->action = m->n_actions;
        memcpy(r->action_hash, m->actions[m->n_actions - 1].hash, HASH_BYTES);
    }
    r->seq = ++m->seq;
    r->at_ms = m->clock_ms;
    r->previous = player->last_seq;
    chain(m, r);
    model_touch(m, player, sizeof *player);
    player->last_seq = r->seq;
    m->records[r->seq - 1] = *r;
}

/* Decides, says what would be, and takes it all back. */
static void apply_dry(struct model *m, const struct command *c, struct m_outcome *o)
{
    struct m_mark mark = model_try(m);
    unsigned i;

    if (c->type == COMMAND_ATOMIC) {
        model_atomic(m, c, o);
    } else {
        model_money(m, c, &o->outcome);
    }
    model_undo(m, mark);
    for (i = 0; i <= o->outcome.n_items; i++) {
        struct outcome *one = i == 0 ? &o->outcome : &o->items[i - 1];

        if (one->has_record && one->record.seq > m->seq) { /* not made before */
            one->dry_run = true;
            one->record.seq = one->record.previous = one->record.action = 0;
            memset(one->record.prev_hash, 0, HASH_BYTES);
            memset(one->record.hash, 0, HASH_BYTES);
        }
    }
    o->outcome.dry_run = true;
}

static void decide(struct model *m, const struct command *c, struct m_outcome *out)
{
    struct outcome *o = &out->outcome;

    switch (c->type) {
    case COMMAND_BET:
    case COMMAND_WIN:
    case COMMAND_ROLLBACK:
    case COMMAND_DEPOSIT:
    case COMMAND_ADJUST:
    case COMMAND_WITHDRAW:
    case COMMAND_ROUND_CLOSE:
        model_money(m, c, o);
        break;
    case COMMAND_ATOMIC:
        model_atomic(m, c, out);
        break;
    case COMMAND_WITHDRAW_CONFIRM:
    case COMMAND_WITHDRAW_CANCEL:
        model_end_hold(m, c, o);
        break;
    case COMMAND_CURRENCY_CREATE:
    case COMMAND_PRINCIPAL_CREATE:
    case COMMAND_KEY_CREATE:
    case COMMAND_PLAYER_CREATE:
        model_create(m, c, o);
        break;
    case COMMAND_PLAYER_UPDATE:
        model_player_update(m, c, o);
        break;
    case COMMAND_PASSWORD_SET:
    case COMMAND_PRINCIPAL_UPDATE:
    case COMMAND_KEY_UPDATE:
        model_update(m, c, o);
        break;
    case COMMAND_SESSION_OPEN:
    case COMMAND_SESSION_CLOSE:
    case COMMAND_SESSION_ROTATE:
    case COMMAND_SESSION_AUTHENTICATE:
        model_sessions(m, c, o);
        break;
    case COMMAND_ACTION: /* it is written down, and that is all */
        break;
    }
}

void model_apply(struct model *m, uint64_t time_ms, const struct command *c, struct m_outcome *out)
{
    struct outcome *o = &out->outcome;

    if (time_ms > m->clock_ms) {
        m->clock_ms = time_ms;
    }
    *o = (struct outcome){.at_ms = m->clock_ms};
    if (c->dry_run) {
        apply_dry(m, c, out);
        return;
    }
    if (c->n_by > 0 && model_acted_before(m, c, o)) {
        return;
    }
    decide(m, c, out);
    if (c->n_by > 0) {
        model_write_action(m, c, o);
    }
}
