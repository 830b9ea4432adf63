/* The state as typed things: currencies, principals, keys, players, balances, transactions, the
 * ledger and its head. Private to the state machine.
 *
 * How each is stored (integers little-endian, text = u8 length and bytes):
 *   currency     code                           u8 scale, u64 origin
 *   principal    name                           u8 role, u64 origin
 *   key          key id                         u8 role, u8 disabled, 32 bytes hash, u64 origin,
 *                                               text principal
 *   player       name                           u8 status, u64 created at ms, u64 origin,
 *                                               u64 last seq, u8 n and n texts: currencies allowed,
 *                                               u8 n and n texts: currencies held
 *   balance      u8 kind, text name, currency   i64 minor units
 *   transaction  text principal, id             u64 seq, u64 rolled by, u64 origin
 *   ledger       u64 big-endian seq             sealed record
 *   meta         "format" u32, "applied" u64, "chain" u64 seq and 32 bytes hash, "clock" u64,
 *                "directory" u64
 * A change of this needs a new STATE_FORMAT.
 *
 * Getters return 1 found, 0 not, -1 the replica is broken. What they give borrows until the next
 * put to the same table. All on the loop thread. */
#ifndef FLORIN_STATE_H
#define FLORIN_STATE_H

#include "statemachine/layers.h"
#include "statemachine/record.h"
#include "statemachine/query.h"

enum { STATE_FORMAT = 1 };

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
};

struct key {
    enum role role;
    bool disabled;
    uint64_t origin;
    const uint8_t *secret_hash;
    struct slice principal;
};

struct player {
    enum player_status status;
    uint64_t created_at_ms;
    uint64_t origin;
    uint64_t last_seq; /* head of the player's link through the ledger; 0: none yet */
    struct slice allowed[CURRENCIES_PER_PLAYER];
    struct slice held[BALANCES_MAX];
    uint8_t n_allowed; /* 0: any */
    uint8_t n_held;
};

struct transaction {
    uint64_t seq;       /* 0: nothing came under this id yet, only its rollback */
    uint64_t rolled_by; /* seq of the rollback that reversed or tombstoned it; 0: none */
    uint64_t origin;
};

struct state {
    struct layers layers;

    /* The newest record. */
    uint64_t seq;
    uint8_t hash[HASH_BYTES];

    uint64_t clock_ms;
    uint64_t directory; /* grows with each key and principal */

    struct currency *currencies; /* sorted by code */
    size_t n_currencies, room_currencies;

    struct bytes value;  /* of the put that is being made */
    struct bytes sealed; /* the record that is being made, or that was looked up */
};

/* Reads the meta table; writes nothing. Borrows the store. After -1, state_close is due too. */
int state_open(struct state *s, struct store store, const uint8_t hash_key[CHANGES_HASH_KEY_BYTES],
               uint64_t *applied_index, struct fault *fault);
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

int state_key(const struct state *s, struct slice name, struct key *k, struct fault *fault);
void state_put_key(struct state *s, struct slice name, const struct key *k);

int state_player(const struct state *s, struct slice name, struct player *p, struct fault *fault);
void state_put_player(struct state *s, struct slice name, const struct player *p);

bool player_may_hold(const struct player *p, struct slice currency); /* by its list */
bool player_holds(const struct player *p, struct slice currency);    /* it has a balance */

/* An account without an entry has zero: 0 and zero is a fine answer here too. */
int state_balance(const struct state *s, struct account a, struct slice currency, int64_t *minor,
                  struct fault *fault);
/* Keeps the currency's running sum. */
void state_put_balance(struct state *s, struct account a, struct currency *currency,
                       int64_t before_minor, int64_t after_minor);

int state_transaction(const struct state *s, struct slice principal, struct slice id,
                      struct transaction *t, struct fault *fault);
void state_put_transaction(struct state *s, struct slice principal, struct slice id,
                           const struct transaction *t);

int state_sealed(const struct state *s, uint64_t seq, struct slice *sealed, struct fault *fault);
/* The same, unsealed; a seq that is not there is -1: links never point to nothing. */
int state_record(const struct state *s, uint64_t seq, struct record *r, struct fault *fault);

/* Gives the record its seq, time and place in the chain, and puts it. The sealed bytes are then in
 * s->sealed. */
void state_append(struct state *s, struct record *r);

/* Keys and values as they are stored, for scans. -1 with the fault: damaged. */
int player_decode(struct slice value, struct player *p, struct fault *fault);
int balance_decode(struct slice key, struct slice value, struct account *a, struct slice *currency,
                   int64_t *minor, struct fault *fault);
int transaction_decode(struct slice key, struct slice value, struct slice *principal,
                       struct slice *id, struct transaction *t, struct fault *fault);

/* A balance's key. */
struct slice balance_key(struct account a, struct slice currency, char out[static STORE_KEY_MAX]);

#endif
