/* What the ledger's tests share: a machine on LMDB in a temporary folder, commands in one line, and
 * the outcome of the last one. Included by tests only; all functions are static. */
#ifndef FLORIN_LEDGER_FIXTURE_H
#define FLORIN_LEDGER_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "statemachine/machine.h"

enum { FIXTURE_MAP_BYTES = 64 << 20 };

/* A folder under TMPDIR; ends the test program when there is none. */
static inline void fixture_folder(char folder[static 256])
{
    const char *base = getenv("TMPDIR");

    snprintf(folder, 256, "%s/florin-test-XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        exit(1);
    }
}

static inline void fixture_remove(const char *folder)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[600];
    size_t i;

    for (i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

struct fixture {
    char folder[256];
    struct machine *machine;
    uint8_t hash_byte; /* fills the machine's hash key */
    uint64_t index;    /* of the last entry */
    uint64_t time_ms;
    struct bytes command;
    struct bytes outcome_bytes;
    struct outcome outcome; /* of the last command; borrows from outcome_bytes */
    struct fault fault;
};

static inline int fixture_reopen(struct fixture *f)
{
    struct machine_options options = {.changes_bytes_soft = 8 << 20,
                                      .changes_bytes_hard = 16 << 20};
    struct store store;

    machine_close(f->machine);
    f->machine = NULL;
    memset(options.hash_key, f->hash_byte, sizeof options.hash_key);
    if (store_lmdb_open(&store, f->folder, FIXTURE_MAP_BYTES, &f->fault) != 0) {
        return -1;
    }
    if (machine_open(&f->machine, store, &options, &f->fault) != 0) {
        store.close(store.impl);
        return -1;
    }
    f->index = machine_applied_index(f->machine);
    return 0;
}

static inline void fixture_open(struct fixture *f, uint8_t hash_byte)
{
    memset(f, 0, sizeof *f);
    fixture_folder(f->folder);
    f->hash_byte = hash_byte;
    f->time_ms = 1000;
    bytes_init(&f->command);
    bytes_init(&f->outcome_bytes);
    if (fixture_reopen(f) != 0) {
        fprintf(stderr, "%s\n", f->fault.text);
        exit(1);
    }
}

static inline void fixture_close(struct fixture *f)
{
    machine_close(f->machine);
    fixture_remove(f->folder);
    bytes_release(&f->command);
    bytes_release(&f->outcome_bytes);
}

/* One entry with this one command. 0 and f->outcome, or -1: the machine says it is broken. */
static inline int fixture_apply(struct fixture *f, const struct command *c)
{
    uint64_t index = f->index + 1;

    bytes_clear(&f->command);
    bytes_clear(&f->outcome_bytes);
    command_encode(c, &f->command);
    if (machine_apply(f->machine, index, ++f->time_ms, f->command.base, f->command.len,
                      &f->outcome_bytes, &f->fault) != 0 ||
        machine_end_entry(f->machine, index, &f->fault) != 0) {
        return -1;
    }
    f->index = index;
    return outcome_decode(f->outcome_bytes.base, f->outcome_bytes.len, &f->outcome, &f->fault);
}

/* The whole of a checkpoint, here on one thread. */
static inline int fixture_checkpoint(struct fixture *f)
{
    uint64_t index;

    if (!machine_checkpoint_begin(f->machine)) {
        return 0;
    }
    if (machine_checkpoint_write(f->machine, &f->fault) != 0) {
        return -1;
    }
    return machine_checkpoint_end(f->machine, &index, &f->fault);
}

/* Decimals without a parser, so that the parser's own tests do not depend on themselves. */
static inline struct decimal whole(int64_t units)
{
    return (struct decimal){units, 0};
}

static inline struct command money(enum command_type type, const char *principal, const char *id,
                                   const char *player, const char *currency, int64_t units)
{
    struct command c = {.type = type};

    c.principal = slice_of(principal);
    c.id = slice_of(id);
    c.player = slice_of(player);
    c.currency = slice_of(currency);
    c.amount = whole(units);
    return c;
}

static inline struct command create(enum command_type type, const char *name)
{
    struct command c = {.type = type};

    if (type == COMMAND_PLAYER_CREATE) {
        c.player = slice_of(name);
    } else {
        c.name = slice_of(name);
    }
    return c;
}

/* EUR with scale 5, provider demo, gateway bank, and players with 100 EUR each. */
static inline int fixture_world(struct fixture *f, const char *const *players, size_t n)
{
    struct command c = create(COMMAND_CURRENCY_CREATE, "EUR");
    size_t i;
    char id[80];

    c.scale = 5;
    if (fixture_apply(f, &c) != 0) {
        return -1;
    }
    c = create(COMMAND_PRINCIPAL_CREATE, "demo");
    c.role = ROLE_PROVIDER;
    if (fixture_apply(f, &c) != 0) {
        return -1;
    }
    c = create(COMMAND_PRINCIPAL_CREATE, "bank");
    c.role = ROLE_GATEWAY;
    if (fixture_apply(f, &c) != 0) {
        return -1;
    }
    for (i = 0; i < n; i++) {
        c = create(COMMAND_PLAYER_CREATE, players[i]);
        if (fixture_apply(f, &c) != 0) {
            return -1;
        }
        snprintf(id, sizeof id, "d-%s", players[i]);
        c = money(COMMAND_DEPOSIT, "bank", id, players[i], "EUR", 100);
        c.gateway = slice_of("bank");
        if (fixture_apply(f, &c) != 0 || f->outcome.verdict != VERDICT_APPLIED) {
            return -1;
        }
    }
    return 0;
}

#endif
