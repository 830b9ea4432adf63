/* The three layers of the state: changes since the last checkpoint, the frozen changes that are
 * being written, and the store. A look-up goes through them in that order; a scan merges them.
 *
 * What was frozen and is written stays in its memory until that is needed for the next set: it says
 * what the store says too, only sooner, and who played lately mostly plays again.
 *
 * A draft is a fourth layer on top, for one command that is decided in several steps: what is put
 * goes there, and is then kept whole or dropped whole.
 *
 * Loop thread, but for layers_write and layers_fold. */
#ifndef FLORIN_LAYERS_H
#define FLORIN_LAYERS_H

#include "statemachine/changes.h"
#include "statemachine/mutant.h"
#include "statemachine/seen.h"

/* A key that is looked up and put, for a caller who does both: hashed once, found once. It holds
 * for one command: layers_freeze ends it. */
struct layers_key {
    uint64_t hash;
    struct change *active; /* its entry in the active set; NULL: not known, perhaps none */
    uint16_t table;
    uint16_t len; /* 0: nothing here */
    char text[STORE_KEY_MAX];
};

/* The last keys that were named, by table: some stand in every command, so that most look-ups and
 * puts by name need neither hash nor search. */
struct layers_memo {
    struct layers_key key;
    struct slice value; /* what was found below the active set, ... */
    bool known;         /* ... if anything was */
    uint64_t added;     /* how many keys the table's active part had then */
};

struct layers {
    struct store store;
    struct changes *active;
    struct changes *other; /* frozen, or written and kept until the next one freezes */
    bool frozen;
    struct changes *draft; /* above all, while drafting */
    bool drafting;
    struct layers_memo *memos;
    struct seen seen; /* what need not be looked for in any layer */
    uint8_t hash_key[CHANGES_HASH_KEY_BYTES];
#ifdef FLORIN_MUTANTS
    enum mutant mutant;
#endif
};

/* Borrows the store: whoever opened it closes it, after layers_close. filter_bytes: see seen.h. */
void layers_open(struct layers *l, struct store store,
                 const uint8_t hash_key[CHANGES_HASH_KEY_BYTES], size_t filter_bytes);
void layers_close(struct layers *l);

/* 1 found, 0 not, -1 the store failed. The value borrows until the next put of the same key or
 * layers_thaw. */
int layers_get(const struct layers *l, enum store_table table, struct slice key,
               struct slice *value, struct fault *fault);

/* Copies both. */
void layers_put(struct layers *l, enum store_table table, struct slice key, struct slice value);

/* The same with a key of one's own, of any table but the ledger. Its text is filled in before:
 * layers_key does the rest. */
void layers_key(const struct layers *l, enum store_table table, size_t len, struct layers_key *key);
int layers_get_at(const struct layers *l, struct layers_key *key, struct slice *value,
                  struct fault *fault);
void layers_put_at(struct layers *l, struct layers_key *key, struct slice value);

/* Says that this key will be asked for soon, so that several wait for memory at once; and some time
 * later, that the entry which it has led to will be. */
void layers_prefetch(const struct layers *l, const struct layers_key *key);
void layers_prefetch_entry(const struct layers *l, const struct layers_key *key);

/* At the start and once for each entry, up to `most` keys: see seen.h. */
int layers_read_on(struct layers *l, size_t most, struct fault *fault);

/* Begins a draft; one at a time, and nothing else may begin or end meanwhile. */
void layers_draft(struct layers *l);
/* Its puts become changes like any other. Values that were borrowed from it are gone. */
void layers_keep(struct layers *l);
/* ... or never happened. */
void layers_drop(struct layers *l);

/* Changes become the frozen ones, and a new set begins. Nothing may be frozen already. */
void layers_freeze(struct layers *l);

/* Commits the frozen set. Any one thread, while the loop goes on reading and putting. */
int layers_write(struct layers *l, struct fault *fault);

/* What that may leave to be done, as struct store's fold says. The same thread. */
int layers_fold(struct layers *l, size_t most, struct fault *fault);

/* The frozen set is in the store: see the store's new state. */
int layers_thaw(struct layers *l, struct fault *fault);

/* What changes hold that the store does not, in bytes: all, and those not frozen. */
size_t layers_size(const struct layers *l);
size_t layers_active_size(const struct layers *l);

/* One table in the order of its keys, whatever layer a key's newest value is in. Nothing may be put
 * and no checkpoint may end while a scan is open.
 *
 *   scan_open(&scan, l, TABLE_PLAYER);
 *   while ((rc = scan_next(&scan, &key, &value, fault)) == 1) ...
 *   scan_close(&scan); */
struct scan {
    const struct layers *layers;
    enum store_table table;
    struct change **lists[2]; /* sorted: active, frozen */
    size_t n[2];
    size_t at[2];
    bool in_store; /* the store may have more */
    struct slice store_key, store_value;
    uint8_t last[STORE_KEY_MAX + 1]; /* where the store is searched from */
    size_t last_len;
    struct slice prefix; /* borrowed; what does not begin with it ends the scan */
};

void scan_open(struct scan *scan, const struct layers *l, enum store_table table);
/* The first `most` keys (at least one) that begin with `prefix` and are greater than `after`
 * (empty: from the first). Takes memory for no more than those, and no sorting of the whole table.
 */
void scan_open_part(struct scan *scan, const struct layers *l, enum store_table table,
                    struct slice prefix, struct slice after, size_t most);
/* 1 and the next pair (borrowed), 0 at the end, -1 the store failed. */
int scan_next(struct scan *scan, struct slice *key, struct slice *value, struct fault *fault);
void scan_close(struct scan *scan);

#endif
