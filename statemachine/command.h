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
    SECRET_HASH_BYTES = 32, /* BLAKE2b-256 of a bearer secret, of a session's token */
    SEALED_MAX = 128,       /* bytes of an hmac key's sealed secret */
    PASSWORD_HASH_MAX = 128,
    IP_ALLOW_MAX = 16,  /* entries of a principal's allow-list */
    CIDR_TEXT_MAX = 43, /* characters of one: "ffff:...:ffff/128" */
    ITEMS_MAX = 64,     /* items of an atomic command */
    LIMIT_CHANGES_MAX = 32,
    RATE_PER_S_MAX = 1000000,
    SESSION_TTL_S_MAX = 2592000, /* 30 days */
    HOLD_EXPIRES_S_MAX = 31536000,
    HOLD_EXPIRES_S_DEFAULT = 604800, /* 7 days */
    NOTE_MAX = 200,                  /* characters of an action's note */
    COMMAND_BYTES_MAX = 16384,       /* one encoded command */
};

/* True for 1 to 64 characters of `A-Z a-z 0-9 . _ : -`. */
bool id_valid(struct slice id);

/* Values are in the log: never renumber, only add. */
enum command_type {
    COMMAND_BET = 1,
    COMMAND_WIN = 2,
    COMMAND_ROLLBACK = 3,
    COMMAND_DEPOSIT = 4,
    COMMAND_ADJUST = 5, /* only as an item of COMMAND_ATOMIC, and as a record's type */
    COMMAND_WITHDRAW = 6,
    COMMAND_WITHDRAW_CONFIRM = 7,
    COMMAND_WITHDRAW_CANCEL = 8,
    COMMAND_ROUND_CLOSE = 9,
    COMMAND_ATOMIC = 10,
    COMMAND_CURRENCY_CREATE = 32,
    COMMAND_PRINCIPAL_CREATE = 33,
    COMMAND_KEY_CREATE = 34,
    COMMAND_PLAYER_CREATE = 35,
    COMMAND_PLAYER_UPDATE = 36,
    COMMAND_SESSION_OPEN = 37,
    COMMAND_SESSION_CLOSE = 38,
    COMMAND_SESSION_ROTATE = 39,
    COMMAND_SESSION_AUTHENTICATE = 40,
    COMMAND_PASSWORD_SET = 41,
    COMMAND_PRINCIPAL_UPDATE = 42,
    COMMAND_KEY_UPDATE = 43,
    COMMAND_ACTION = 44, /* changes nothing: leaves a record that this was asked for (action.h) */
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

enum key_kind { KEY_BEARER = 0, KEY_HMAC = 1 };

enum player_status { PLAYER_ACTIVE = 0, PLAYER_BLOCKED = 1, PLAYER_SELF_EXCLUDED = 2 };

/* What a win's rollback does when the player no longer has all of it: take what is there and post
 * the rest to house:shortfall, or be refused (insufficient_funds). */
enum shortfall { SHORTFALL_CLAMP = 0, SHORTFALL_REJECT = 1 };

/* Where a principal's ids are unique: with it, or with it for each player (some game platforms
 * number each player's transactions from one). Decided when the principal is created, for ever:
 * what an id stands for must not depend on when it is asked for. */
enum ids_scope { IDS_PER_PRINCIPAL = 0, IDS_PER_PLAYER = 1 };

/* Limits of a player are data: any kind in any period in any currency.
 *   deposit   applied deposits
 *   stake     applied bets; one that was rolled back in the same period does not count
 *   loss      applied bets less wins (rolled back ones of the same period do not count; a clamped
 *             rollback counts what it took); where wins are higher, what is used is zero: a bet is
 *             checked as used + amount against the limit
 * Everything counts from the beginning of the period, whenever the limit was set. Days, weeks (from
 * Monday) and months are UTC by the ledger's clock. A bet or deposit is refused (limit_reached)
 * when any limit would be exceeded. */
enum limit_kind { LIMIT_DEPOSIT = 0, LIMIT_STAKE = 1, LIMIT_LOSS = 2, LIMIT_KINDS = 3 };
enum limit_period { PERIOD_DAY = 0, PERIOD_WEEK = 1, PERIOD_MONTH = 2, LIMIT_PERIODS = 3 };

/* A first limit, or a lower one, is effective at once; a higher one, or none, is pending for
 * COOLING_OFF_MS. Asking for the pending value again does not begin anew; asking for the present
 * one again drops what is pending. */
struct limit_change {
    enum limit_kind kind;
    enum limit_period period;
    struct slice currency;
    bool none;             /* remove the limit; then no amount */
    struct decimal amount; /* zero is a limit too: nothing at all */
};
enum { COOLING_OFF_MS = 86400000 };

/* One step of an atomic command: bet, win, rollback or adjust, with what it needs of the fields of
 * the same name below. The rest (principal, player, currency, round, game, session) is the
 * command's. */
struct command_item {
    enum command_type type;
    enum win_kind win_kind;
    struct slice id;
    struct slice bet;
    struct slice original;
    struct decimal amount;
    bool negative; /* adjust: takes from the player, never below what is available */
};

/* Who acts, and from where, as the node says that took the call. It goes with what changes the
 * configuration, which leaves a record of that (action.h). All of it is there; the texts are ids.
 */
struct actor {
    struct slice principal, key;
    struct slice address; /* the client's */
    struct slice request; /* the call's id in the nodes' logs */
    enum role role;
    uint64_t node;
};

/* Which fields an update changes; the others stay as they are, and are zero or empty in it. */
enum update_field {
    SET_STATUS = 1 << 0,   /* player: status and until_ms */
    SET_REMINDER = 1 << 1, /* player: reminder_s */
    SET_DISABLED = 1 << 2, /* principal, as all below */
    SET_SHORTFALL = 1 << 3,
    SET_RATE = 1 << 4, /* rate_per_s */
    SET_IP_ALLOW = 1 << 5,
    SET_CURRENCIES = 1 << 6, /* none: all are allowed */
    SET_IDS_SCOPE = 1 << 7,  /* what it is already; another one is refused */
};

/* Slices borrow: from the request that was parsed, or from the bytes that were decoded. */
struct command {
    enum command_type type;
    uint64_t origin; /* random, one per client request; zero only in tests */

    /* Money. Empty slices are absent. */
    struct slice principal; /* whose key it came under; it and perhaps the player scope `id` */
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

    bool negative;      /* only in what command_of_item makes */
    bool dry_run;       /* bet, win, rollback, atomic: says what would be, changes nothing */
    uint32_t expires_s; /* withdraw: how long it is held; 0: HOLD_EXPIRES_S_DEFAULT */

    /* Withdraw: principal, id, player, currency, amount, gateway, expires_s: holds the amount.
     * Confirm: principal, original (the withdraw's id), amount or none for all of it: moves it to
     * the gateway, the rest is free again. Cancel: principal, original. Both may name the player,
     * whose withdrawal it then must be, and must when ids are unique per player. Both have no id of
     * their own: each happens once for a withdrawal. {0, 0} is no amount, so all of it: whoever was
     * sent a zero refuses it before.
     *
     * Round close: principal, id, player, round. A round is opened by the first applied bet or win
     * that names it; a bet that is refused opens none.
     *
     * Atomic: principal, player, currency, items, and as needed round, game, session, close_round
     * (with round), dry_run, and id: the call's own name. Items have ids of their own, all
     * different. All of it or none, decided in order, each seeing what those before it did.
     * An item that is refused refuses the whole: the outcome says which (item) and why; if its
     * verdict is a recorded one, a record of that one item's refusal is all that remains. Again:
     *   1. in the order of the items, the first known id decides that has other content
     *      (idempotency_conflict with what differs) or was refused (that refusal again);
     *   2. all known: the first answers again, but with close_round while the round is open:
     *      idempotency_conflict in `close_round`, for that is not what was decided;
     *   3. some known: idempotency_conflict in `items`, at the first known one. The same when the
     *      call's id is known from another call that was applied. */
    bool close_round;

    /* Creation of a currency (name = code, scale), a principal (name, role, ids_scope), a key (name
     * = key id, principal, role, and secret_hash or sealed by key_kind) or a player (player,
     * currencies). A key for a platform, operator or auditor creates its principal when there is
     * none.
     *
     * Player update: player, sets, status, until_ms, reminder_s, limits; some of it.
     * Principal update: name, role (provider or gateway, must be its role), sets and its fields.
     * Key update: name, disabled.
     * Password: player, password_hash.
     *
     * All of these, when they come from a client: by. Action: by, id = what is asked for, and as
     * needed name = what it is about, note = more about it, to be read by people. */
    struct slice name;
    uint8_t scale;
    enum role role;
    const uint8_t *secret_hash; /* SECRET_HASH_BYTES, or NULL */
    uint8_t n_currencies;       /* of `currencies` below; zero: any currency */
    enum key_kind key_kind;
    struct slice sealed;        /* hmac key: opaque, at most SEALED_MAX bytes */
    struct slice password_hash; /* opaque, at most PASSWORD_HASH_MAX bytes */
    uint32_t sets;              /* bits of enum update_field */
    enum player_status status;
    uint64_t until_ms;   /* blocked, self_excluded: until then; 0: without end */
    uint32_t reminder_s; /* remind the player of the time this often; 0: never (player update), or
                            as the player's own setting says (session open) */
    bool disabled;
    enum shortfall shortfall;
    enum ids_scope ids_scope;
    uint32_t rate_per_s; /* 0: no limit; for the api to enforce, as ip_allow */
    uint8_t n_ip_allow;  /* of `ip_allow` below */

    /* Sessions. Open: name = session id, player, token_hash, ttl_s, and game, principal = provider
     * (without one it is a player's session, from a login), parent_hash = token of a player's
     * session that launches this one, reminder_s. Close: name. Rotate: name, token_hash (new),
     * ttl_s or 0 to keep the end as it is. Authenticate: principal, token_hash. */
    const uint8_t *token_hash;  /* SECRET_HASH_BYTES, or NULL */
    const uint8_t *parent_hash; /* SECRET_HASH_BYTES, or NULL */
    uint32_t ttl_s;             /* 1 to SESSION_TTL_S_MAX */

    /* Lists at the end, so that what has none need not clear them: see command_init. */
    uint8_t n_items;
    uint8_t n_limits;
    uint8_t n_by;      /* of `by` below: none or one */
    struct slice note; /* printable ASCII */
    struct slice currencies[CURRENCIES_PER_PLAYER];
    struct slice ip_allow[IP_ALLOW_MAX]; /* each 1 to CIDR_TEXT_MAX of `0-9 a-f A-F . : /` */
    struct actor by[1];
    struct command_item items[ITEMS_MAX];
    struct limit_change limits[LIMIT_CHANGES_MAX];
};

/* Clears all but the lists, whose counts become zero: a bet has none of them. */
static inline void command_init(struct command *c)
{
    memset(c, 0, offsetof(struct command, currencies));
}

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

/* Item i of an atomic command as a command of its own, for which command_check holds too. Borrows
 * what c borrows. */
void command_of_item(const struct command *c, unsigned i, struct command *item);

/* True for up to NOTE_MAX printable characters of ASCII. */
bool note_valid(struct slice text);

/* A change of the configuration, which leaves a record of who made it when it says that; or a
 * COMMAND_ACTION. */
bool command_is_recorded_action(enum command_type type);

/* A name of an address range: the characters only; its meaning is the api's. */
bool cidr_valid(struct slice text);

const char *command_type_name(enum command_type type); /* "bet", "player_create" */
const char *win_kind_name(enum win_kind kind);         /* "win", "jackpot", "promo", "freespin" */
const char *role_name(enum role role);                 /* "provider" ... */
/* 0 and the value, or -1 and nothing. */
int role_parse(struct slice text, enum role *role);
int win_kind_parse(struct slice text, enum win_kind *kind);
const char *key_kind_name(enum key_kind kind);             /* "bearer", "hmac" */
const char *player_status_name(enum player_status status); /* "active" ... */
const char *shortfall_name(enum shortfall shortfall);      /* "clamp", "reject" */
const char *ids_scope_name(enum ids_scope scope);          /* "provider", "player" */
const char *limit_kind_name(enum limit_kind kind);         /* "deposit", "stake", "loss" */
const char *limit_period_name(enum limit_period period);   /* "day", "week", "month" */
int key_kind_parse(struct slice text, enum key_kind *kind);
int player_status_parse(struct slice text, enum player_status *status);
int shortfall_parse(struct slice text, enum shortfall *shortfall);
int ids_scope_parse(struct slice text, enum ids_scope *scope);
int limit_kind_parse(struct slice text, enum limit_kind *kind);
int limit_period_parse(struct slice text, enum limit_period *period);

#endif
