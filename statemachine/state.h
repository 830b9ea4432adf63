/* The state as typed things: currencies, principals, keys, players, balances, transactions,
 * sessions, rounds, holds, the ledger and its head. Private to the state machine.
 *
 * How each is stored (integers little-endian, text = u8 length and bytes); what stands in brackets
 * is left out when it is all zero, and was not there in format 1 (in a key: where ids are unique
 * for the principal; not there before format 3):
 *   currency     code                           u8 scale, u64 origin
 *   principal    name                           u8 role, u64 origin [u8 disabled, policy as in
 *                                               query.h]
 *   key          key id                         u8 role, u8 disabled, 32 bytes hash, u64 origin,
 *                                               text principal [text sealed: an hmac key]
 *   player       name                           u8 status, u64 created at ms, u64 origin,
 *                                               u64 last seq, u8 n and n texts: currencies allowed,
 *                                               u8 n and n texts: currencies held [u64 until ms,
 *                                               u32 reminder s, u8 bits: 1 limits, 2 password]
 *   balance      u8 kind, text name, currency   i64 minor units [a player's: u32 day, i64 used by
 *                                               kind and period, u8 n, n active holds: u64 seq,
 *                                               i64 minor units, u64 expires at ms]
 *   transaction  text principal [u8 0, text
 *                player], id                    u64 seq, u64 rolled by, u64 origin
 *   ledger       u64 big-endian seq             sealed record
 *   session      id                             texts player, provider, game, u64 opened, expires,
 *                                               closed, authenticated at ms, u32 reminder s,
 *                                               u64 origin, 32 bytes token hash
 *   token        32 bytes token hash            session id; the session's own hash says whether it
 *                                               is still this one
 *   round        texts provider, player, round  u64 opened at, u64 closed at, u64 closed by seq,
 *                                               u32 bets, text currency
 *   hold         as of a transaction            u64 seq, u64 closed by seq, u64 expires at ms,
 *                                               i64 minor units, texts player, currency, gateway
 *   limit        player                         u8 n, n limits: u8 kind, u8 period, text currency,
 *                                               u8 bits (1 an amount, 2 pending, 4 pending is an
 *                                               amount), i64 amount, i64 pending, u64 effective at
 *   password     player                         hash
 *   action       u64 big-endian number          sealed action (action.h)
 *   origin       u64 big-endian origin          u64 number of the action that its command left
 *   meta         "format" u32, "applied" u64, "chain" u64 seq and 32 bytes hash, "clock" u64,
 *                "directory" u64, from format 4 on: "actions" u64 number and 32 bytes hash of the
 *                newest, u64 seq that it holds
 * A change of this needs a new STATE_FORMAT.
 *
 * A withdrawal's confirmation and cancelling stand among the transactions under the withdrawal's id
 * with "/confirm" or "/cancel" behind it, which no client's id can hold.
 *
 * What a money command changes it has read before, so those three (transaction, player, purse) can
 * be named by a key that is made once: *_key, then *_at. It holds for one command.
 *
 * Getters return 1 found, 0 not, -1 the replica is broken. What they give borrows until the next
 * put to the same table. All on the loop thread. */
#ifndef FLORIN_STATE_H
#define FLORIN_STATE_H

#include "statemachine/action.h"
#include "statemachine/layers.h"
#include "statemachine/mutant.h"
#include "statemachine/record.h"
#include "statemachine/query.h"

enum {
    /* What is written; older ones are read, too. Format 3: a program that knows only older ones
     * would look for a player's ids where no player's are. Format 4: there are actions, and the
     * ledger's records say so. */
    STATE_FORMAT = 4,
    STATE_FORMAT_OLDEST = 1,
    STATE_FORMAT_ACTIONS = 4, /* from which on there are actions */
    HOLDS_MAX = 64,           /* active at a time, for one player and currency */
    MS_PER_DAY = 86400000,
};

/* Sums over all accounts need more than 64 bits on their way: two providers may each hold nearly
 * INT64_MAX. */
typedef __int128 wide_sum;

/* A currency that was used since the start, kept by code so that every bet finds it at once. */
struct currency {
    char code[CURRENCY_CODE_MAX];
    uint8_t code_len;
    uint8_t scale;
    uint64_t origin;
    wide_sum sum; /* of all changes of all balances since the start: zero after every command */
};

struct principal {
    enum role role;
    uint64_t origin;
    bool disabled; /* for the api: commands that are in the log already are honoured */
    struct policy policy;
};

/* Whose ids: a principal's, or where those are unique per player, its ids for one player. */
struct id_space {
    struct slice principal;
    struct slice player; /* empty: for all of them */
};

struct key {
    enum role role;
    bool disabled;
    uint64_t origin;
    const uint8_t *secret_hash; /* a bearer key's; else zeros */
    struct slice principal;
    struct slice sealed; /* an hmac key's; else empty */
};

struct player {
    enum player_status status; /* as set; see player_status_at */
    uint64_t until_ms;
    uint64_t created_at_ms;
    uint64_t origin;
    uint64_t last_seq; /* head of the player's link through the ledger; 0: none yet */
    uint32_t reminder_s;
    bool has_limits; /* there is something in TABLE_LIMIT, so that most players need no look-up */
    bool has_password;
    struct slice allowed[CURRENCIES_PER_PLAYER];
    struct slice held[BALANCES_MAX];
    uint8_t n_allowed; /* 0: any */
    uint8_t n_held;
};

struct active_hold {
    uint64_t seq; /* of its withdrawal */
    int64_t amount_minor;
    uint64_t expires_at_ms;
};

/* What a player has in one currency. */
struct purse {
    int64_t balance_minor;
    uint32_t day;                             /* the UTC day that `used` was brought up to */
    int64_t used[LIMIT_KINDS][LIMIT_PERIODS]; /* a loss may be below zero: a profit */
    struct active_hold holds[HOLDS_MAX];
    uint8_t n_holds;
};

struct hold {
    uint64_t seq;       /* of its withdrawal */
    uint64_t closed_by; /* seq of what confirmed or cancelled it; 0: none */
    uint64_t expires_at_ms;
    int64_t amount_minor;
    struct slice player, currency, gateway;
};

struct session {
    struct session_info info;
    uint64_t origin;
    const uint8_t *token_hash;
};

struct round {
    struct slice currency; /* of what opened it */
    uint64_t opened_at_ms;
    uint64_t closed_at_ms;
    uint64_t closed_by; /* seq of what closed it; 0: it is open */
    uint32_t bets;      /* applied ones, less those rolled back */
};

/* A limit of a player, with what is pending. */
struct limit {
    enum limit_kind kind;
    enum limit_period period;
    struct slice currency;
    bool has_amount; /* none: only something pending keeps it here */
    int64_t amount_minor;
    bool pending;
    bool pending_amount; /* false: the limit goes */
    int64_t pending_minor;
    uint64_t effective_at_ms;
};

struct limits {
    struct limit of[LIMITS_PER_PLAYER];
    uint8_t n;
};

struct transaction {
    uint64_t seq;       /* 0: nothing came under this id yet, only its rollback */
    uint64_t rolled_by; /* seq of the rollback that reversed or tombstoned it; 0: none */
    uint64_t origin;
};

/* The newest action. */
struct action_head {
    uint64_t number; /* 0: there is none */
    uint8_t hash[HASH_BYTES];
    uint64_t seq; /* of the ledger's newest record at that time: the next one will name it */
};

/* The keys of what a money command names, as far as it names it; the others have no length. */
struct command_keys {
    struct layers_key transaction; /* its own id's place */
    struct layers_key player;
    struct layers_key purse;
    bool ids_per_player; /* the id's place is the player's own */
};

struct state {
    struct layers layers;

    /* The newest record. */
    uint64_t seq;
    uint8_t hash[HASH_BYTES];
    struct action_head actions;

    uint64_t clock_ms;
    uint64_t directory; /* grows with each key and principal */

    struct currency *currencies; /* sorted by code */
    size_t n_currencies, room_currencies;

    /* The command whose keys were made before it is decided, if any. They have looked nothing up
     * yet: what they lead to may change until then. */
    const struct command *expected;
    struct command_keys *expected_keys;

    struct bytes value;  /* of the put that is being made */
    struct bytes sealed; /* the record that is being made, or that was looked up */
    struct bytes items;  /* the outcomes of an atomic command's items, as they are made */
    struct bytes spare;  /* a record that outlives its draft */
#ifdef FLORIN_MUTANTS
    enum mutant mutant;
#endif
};

/* Reads the meta table; writes nothing. Borrows the store. After -1, state_close is due too. */
int state_open(struct state *s, struct store store, const uint8_t hash_key[CHANGES_HASH_KEY_BYTES],
               size_t filter_bytes, uint64_t *applied_index, struct fault *fault);
void state_close(struct state *s);

/* Puts the meta table for a checkpoint. */
void state_put_meta(struct state *s, uint64_t applied_index);

/* The pointer holds until another currency is looked up. */
int state_currency(struct state *s, struct slice code, struct currency **currency,
                   struct fault *fault);
void state_put_currency(struct state *s, struct slice code, uint8_t scale, uint64_t origin);

int state_principal(const struct state *s, struct slice name, struct principal *p,
                    struct fault *fault);
void state_put_principal(struct state *s, struct slice name, const struct principal *p);

/* Borrows both names. A principal that does not exist has its ids for all players. */
int state_id_space(const struct state *s, struct slice principal, struct slice player,
                   struct id_space *ids, struct fault *fault);

int state_key(const struct state *s, struct slice name, struct key *k, struct fault *fault);
void state_put_key(struct state *s, struct slice name, const struct key *k);

void player_key(const struct state *s, struct slice name, struct layers_key *key);
int state_player_at(const struct state *s, struct layers_key *key, struct player *p,
                    struct fault *fault);
int state_player(const struct state *s, struct slice name, struct player *p, struct fault *fault);
void state_put_player_at(struct state *s, struct layers_key *key, const struct player *p);
void state_put_player(struct state *s, struct slice name, const struct player *p);

/* A status that is over is active. */
enum player_status player_status_at(const struct player *p, uint64_t clock_ms);

bool player_may_hold(const struct player *p, struct slice currency); /* by its list */
bool player_holds(const struct player *p, struct slice currency);    /* it has a balance */

/* An account without an entry has zero: 0 and zero is a fine answer here too. */
int state_balance(const struct state *s, struct account a, struct slice currency, int64_t *minor,
                  struct fault *fault);
/* Keeps the currency's running sum. Not for players: see state_put_purse_at. */
void state_put_balance(struct state *s, struct account a, struct currency *currency,
                       int64_t before_minor, int64_t after_minor);

/* A player's balance with all that belongs to it, brought up to the clock: what was used in periods
 * that are over is forgotten, and so are holds that are over. */
void purse_key(const struct state *s, struct slice player, struct slice currency,
               struct layers_key *key);
int state_purse_at(const struct state *s, struct layers_key *key, struct purse *p,
                   struct fault *fault);
int state_purse(const struct state *s, struct slice player, struct slice currency, struct purse *p,
                struct fault *fault);
void state_put_purse_at(struct state *s, struct layers_key *key, struct currency *currency,
                        int64_t before_minor, const struct purse *p);

int64_t purse_held(const struct purse *p);      /* by holds */
int64_t purse_available(const struct purse *p); /* the rest of the balance */
/* Adds to what is used of one kind, in all periods that hold `at_ms`, too; change may be negative.
 * Sums stay at the ends of int64. */
void purse_use(struct purse *p, enum limit_kind kind, uint64_t at_ms, int64_t change_minor);

/* The number of the day's period; days count from 1970-01-01. */
uint32_t period_of_day(enum limit_period period, uint32_t day);

/* Whether the filter of seen ids lets this key's look-up through, as it must for what is there. */
bool state_transaction_seen(const struct state *s, struct slice key);

void transaction_key(const struct state *s, struct id_space ids, struct slice id,
                     struct layers_key *key);
int state_transaction_at(const struct state *s, struct layers_key *key, struct transaction *t,
                         struct fault *fault);
int state_transaction(const struct state *s, struct id_space ids, struct slice id,
                      struct transaction *t, struct fault *fault);
void state_put_transaction_at(struct state *s, struct layers_key *key, const struct transaction *t);
void state_put_transaction(struct state *s, struct id_space ids, struct slice id,
                           const struct transaction *t);

/* The keys of what c names. */
void command_keys_make(const struct state *s, struct id_space ids, const struct command *c,
                       struct command_keys *keys);

/* Makes the keys of a command that will be decided soon, and says that they will be asked for; and
 * some time later, that the entries which they have led to will be. */
void state_expect(const struct state *s, const struct command *c, struct command_keys *keys);
void state_expect_entries(const struct state *s, const struct command_keys *keys);

/* Where a record stands among the transactions: its id, or for a withdrawal's end the name above.
 */
struct slice transaction_place(const struct record *r, char out[static RECORD_ID_MAX]);

int state_session(const struct state *s, struct slice id, struct session *session,
                  struct fault *fault);
void state_put_session(struct state *s, const struct session *session);
/* Whose token it is or was. */
int state_token(const struct state *s, const uint8_t hash[SECRET_HASH_BYTES], struct slice *id,
                struct fault *fault);
void state_put_token(struct state *s, const uint8_t hash[SECRET_HASH_BYTES], struct slice id);

struct slice round_key(struct slice provider, struct slice player, struct slice name,
                       char out[static STORE_KEY_MAX]);
int state_round(const struct state *s, struct slice provider, struct slice player,
                struct slice name, struct round *r, struct fault *fault);
void state_put_round(struct state *s, struct slice provider, struct slice player, struct slice name,
                     const struct round *r);
int round_decode(struct slice value, struct round *r, struct fault *fault);

int state_hold(const struct state *s, struct id_space ids, struct slice id, struct hold *h,
               struct fault *fault);
void state_put_hold(struct state *s, struct id_space ids, struct slice id, const struct hold *h);
int hold_decode(struct slice value, struct hold *h, struct fault *fault);

/* What is pending and due has become what holds. */
int state_limits(const struct state *s, struct slice player, struct limits *l, struct fault *fault);
void state_put_limits(struct state *s, struct slice player, const struct limits *l);

int state_password(const struct state *s, struct slice player, struct slice *hash,
                   struct fault *fault);
void state_put_password(struct state *s, struct slice player, struct slice hash);

int state_sealed(const struct state *s, uint64_t seq, struct slice *sealed, struct fault *fault);
/* The same, unsealed; a seq that is not there is -1: links never point to nothing. */
int state_record(const struct state *s, uint64_t seq, struct record *r, struct fault *fault);

/* Gives the record its seq, time and place in the chain, and puts it. The sealed bytes are then in
 * s->sealed. */
void state_append(struct state *s, struct record *r);

/* Gives the action its number, time, and place among the others and in the ledger, and puts it;
 * `origin` is its command's, and will find it. */
void state_append_action(struct state *s, struct action *a, uint64_t origin);
/* The sealed bytes, or the action that they are; one that is not there is -1: numbers have no gap.
 */
int state_sealed_action(const struct state *s, uint64_t number, struct slice *sealed,
                        struct fault *fault);
int state_action(const struct state *s, uint64_t number, struct action *a, struct fault *fault);
/* The number of the action that a command of this origin has left. */
int state_origin(const struct state *s, uint64_t origin, uint64_t *number, struct fault *fault);

/* Keys and values as they are stored, for scans. -1 with the fault: damaged. */
int player_decode(struct slice value, struct player *p, struct fault *fault);
int balance_decode(struct slice key, struct slice value, struct account *a, struct slice *currency,
                   int64_t *minor, struct fault *fault);
int transaction_decode(struct slice key, struct slice value, struct id_space *ids, struct slice *id,
                       struct transaction *t, struct fault *fault);

int purse_decode(struct slice value, struct purse *p, struct fault *fault);
int session_decode(struct slice id, struct slice value, struct session *s, struct fault *fault);

/* A balance's key. */
struct slice balance_key(struct account a, struct slice currency, char out[static STORE_KEY_MAX]);

#endif
