/* Commands: everything that changes the ledger, as plain data and as bytes in the Raft log.
 *
 * A command carries its idempotency key: (principal, id) for money, the created thing's name for
 * the rest. So any node may send any command again; `origin` tells such a repeat by our own nodes
 * (same origin, the client asked once) from a client's repeat (another origin, `replayed: true`).
 *
 * Encoding, version 1: a msgpack map {small integer key: value}, absent fields left out, keys
 * ascending (the keys: enum field_key in command.c). A decoder refuses unknown keys, wrong kinds,
 * lengths over the limits below and bytes left over: a node that meets a newer format must stop
 * rather than guess. */
#ifndef FLORIN_COMMAND_H
#define FLORIN_COMMAND_H

#include "statemachine/bytes.h"
#include "statemachine/money.h"
#include "statemachine/report.h"

enum {
    ID_MAX = 64,            /* characters of an id, and of every name below */
    CURRENCY_CODE_MAX = 12, /* characters of a currency's code when it is created */
    CURRENCIES_PER_PLAYER = 16,
    SECRET_HASH_BYTES = 32,   /* BLAKE2b-256 of a bearer secret */
    COMMAND_BYTES_MAX = 2048, /* one encoded command */
};

/* True for 1 to 64 characters of `A-Z a-z 0-9 . _ : -`. */
bool id_valid(struct slice id);

/* Values are in the log: never renumber, only add. */
enum command_type {
    COMMAND_BET = 1,
    COMMAND_WIN = 2,
    COMMAND_ROLLBACK = 3,
    COMMAND_DEPOSIT = 4,
    COMMAND_CURRENCY_CREATE = 32,
    COMMAND_PRINCIPAL_CREATE = 33,
    COMMAND_KEY_CREATE = 34,
    COMMAND_PLAYER_CREATE = 35,
};

enum win_kind { WIN_PLAIN = 0, WIN_JACKPOT = 1, WIN_PROMO = 2, WIN_FREESPIN = 3 };

enum role {
    ROLE_NONE = 0,
    ROLE_PROVIDER = 1,
    ROLE_GATEWAY = 2,
    ROLE_PLATFORM = 3,
    ROLE_OPERATOR = 4,
    ROLE_AUDITOR = 5,
};

/* Slices borrow: from the request that was parsed, or from the bytes that were decoded. */
struct command {
    enum command_type type;
    uint64_t origin; /* random, one per client request; zero only in tests */

    /* Money. Empty slices are absent. */
    struct slice principal; /* whose key it came under: the scope of `id` */
    struct slice id;
    struct slice player;
    struct slice currency;
    struct decimal amount; /* absent (zero) in a rollback: the amount is the ledger's */
    struct slice round;
    struct slice game;
    struct slice session;
    struct slice bet;      /* win: the bet it answers, for the record only */
    struct slice original; /* rollback */
    struct slice gateway;  /* deposit */
    enum win_kind win_kind;

    /* Creation of a currency (name = code, scale), a principal (name, role), a key (name = key id,
     * principal, role, secret_hash) or a player (player, currencies). A key for a platform,
     * operator or auditor creates its principal when there is none. */
    struct slice name;
    uint8_t scale;
    enum role role;
    const uint8_t *secret_hash; /* SECRET_HASH_BYTES, or NULL */
    struct slice currencies[CURRENCIES_PER_PLAYER];
    uint8_t n_currencies; /* zero: the player may hold any currency */
};

/* Well formed: every field that the type needs is there and valid, and none that it does not know.
 * 0, or -1 with the fault naming the field. What this refuses, command_decode refuses too, and a
 * replica that meets it in the log stops: whoever builds a command asks this before it encodes.
 * Pure; any thread. */
int command_check(const struct command *c, struct fault *fault);

/* Appends the encoding. The command must be well formed (command_check). */
void command_encode(const struct command *c, struct bytes *out);

/* Decodes exactly `len` bytes; the slices of *c borrow from `data`. 0, or -1 with the fault saying
 * which field is wrong. Also refuses what command_check refuses. Pure; any thread. */
int command_decode(const void *data, size_t len, struct command *c, struct fault *fault);

const char *command_type_name(enum command_type type); /* "bet", "player_create" */
const char *win_kind_name(enum win_kind kind);         /* "win", "jackpot", "promo", "freespin" */
const char *role_name(enum role role);                 /* "provider" ... */
/* 0 and the value, or -1 and nothing. */
int role_parse(struct slice text, enum role *role);
int win_kind_parse(struct slice text, enum win_kind *kind);

#endif
