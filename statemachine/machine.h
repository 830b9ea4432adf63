/* The wallet state machine: same entries, same state, same outcomes, byte for byte, everywhere.
 *
 * It knows no network, no clock and no random number. Time comes with each entry and never goes
 * back. Refusals are values; a return of -1 means that this replica is broken and must stop.
 *
 * State lives in three layers: the set of changes since the last checkpoint, the frozen set that
 * the checkpointer is writing, and the store. A look-up goes through them in that order.
 *
 * All functions belong to the loop thread, but machine_checkpoint_write and _fold, which the
 * checkpointer thread calls between begin and end, and those that say so. */
#ifndef FLORIN_MACHINE_H
#define FLORIN_MACHINE_H

#include "statemachine/mutant.h"
#include "statemachine/query.h"
#include "statemachine/store.h"

struct machine;

struct machine_options {
    size_t changes_bytes_soft; /* a checkpoint is wanted when the changes hold this much */
    size_t changes_bytes_hard; /* machine_ready says no from here on until one has ended; counts
                                  what is being written, too */
    size_t filter_bytes;       /* what the filter of known ids takes at first: a power of two, 0 is
                                  2 MiB. Each MiB knows some 650,000; when it is full, a larger one
                                  is made, for which all ids are read once more */

    /* Places changes in memory; it never shows in anything decided or written, and replicas need
     * not have the same. Random in production, so that clients can't choose names and ids that all
     * fall into one place; any constant in tests. */
    uint8_t hash_key[16];
#ifdef FLORIN_MUTANTS
    enum mutant mutant;
#endif
};

/* Takes the store over on success (closes it in machine_close); reads applied index, chain head
 * and clock from it. *machine is NULL on -1. */
int machine_open(struct machine **machine, struct store store,
                 const struct machine_options *options, struct fault *fault);
void machine_close(struct machine *m);

/* The last Raft index whose effect is in the state; entries up to it are skipped on replay. */
uint64_t machine_applied_index(const struct machine *m);

/* Says which command comes next after those that were expected so far; its bytes stay as they are
 * until it was applied or its entry ended. Changes nothing that is decided: it is read ahead, and
 * the memory that it will need is fetched. False: not now (enough are expected), or it can't be
 * read, as machine_apply will say. */
bool machine_expect(struct machine *m, const void *command, size_t len);

/* Applies one encoded command of the entry at `index` (the next after the applied one; several
 * commands share an index). time_ms is the entry's clock; the machine keeps its own from going
 * back. Appends one encoded outcome to `outcome` unless that is NULL. An index that is applied
 * already is skipped, without an outcome: only a replay meets one, and nobody waits there. */
int machine_apply(struct machine *m, uint64_t index, uint64_t time_ms, const void *command,
                  size_t len, struct bytes *outcome, struct fault *fault);

/* Every entry ends with this, one without commands (barrier, configuration) too. */
int machine_end_entry(struct machine *m, uint64_t index, struct fault *fault);

/* Appends one encoded answer. A malformed query is -1 with the fault: the caller's bytes came from
 * a peer, so it drops the link, it does not stop the node. Store failures abort through *broken. */
int machine_query(struct machine *m, const void *query, size_t len, struct bytes *answer,
                  bool *broken, struct fault *fault);

/* The chain head as (seq, hash) in MACHINE_CHECK_BYTES opaque bytes, for the log; and the other
 * side: -1 when this replica's own record at that seq has another hash. */
enum { MACHINE_CHECK_BYTES = 40 };
void machine_head(const struct machine *m, uint8_t check[MACHINE_CHECK_BYTES]);
int machine_check(struct machine *m, const uint8_t check[MACHINE_CHECK_BYTES], struct fault *fault);

uint64_t machine_sequence(const struct machine *m); /* last seq of the ledger */
uint64_t machine_clock_ms(const struct machine *m);

/* Grows whenever a key or principal changes: caches of credentials compare it. */
uint64_t machine_directory_version(const struct machine *m);

/* Checkpoints. wanted: enough has gathered. begin freezes the set and returns false when there is
 * nothing to write, one is running, or an entry is half applied; write commits the frozen set to
 * the store (checkpointer thread; -1 is fatal; STORE_NO_ROOM: the set stays frozen, write again
 * when there is room); fold does what that left to be done, about `most` pages at a time (1:
 * perhaps there is more, 0: nothing was left, or as write; it may also be called before write, or
 * never: then the next write does it); end drops the set and returns the durable applied index.
 * possible: begin would begin one. An entry that changes nothing (a barrier) makes it so, too: the
 * log can only be cut behind what a checkpoint holds. */
bool machine_ready(const struct machine *m);
bool machine_checkpoint_wanted(const struct machine *m);
bool machine_checkpoint_possible(const struct machine *m);
bool machine_checkpoint_begin(struct machine *m);
int machine_checkpoint_write(struct machine *m, struct fault *fault);
int machine_checkpoint_fold(struct machine *m, size_t most, struct fault *fault);
int machine_checkpoint_end(struct machine *m, uint64_t *applied_index, struct fault *fault);
size_t machine_changes_bytes(const struct machine *m);     /* all of them, frozen ones too */
size_t machine_new_changes_bytes(const struct machine *m); /* not frozen */

/* The filter that tells new ids without a look into the store (seen.h) is made from all that is in
 * there, a little with each entry; and sooner if whoever has time reads on, about `most` keys at
 * once. 0, or -1: the store failed. */
bool machine_is_reading(const struct machine *m);
int machine_read_on(struct machine *m, size_t most, struct fault *fault);

/* Writes the durable state (the last checkpoint, whole) to `fd` in the form that the store is
 * opened from. Any thread, while the machine stays open. And about how many bytes that is: loop
 * thread. */
int machine_copy(const struct machine *m, int fd, struct fault *fault);
uint64_t machine_copy_bytes(const struct machine *m);

/* The durable state (the last checkpoint, whole) as a machine of its own that is only asked: it
 * goes on showing that state beside later checkpoints. Any thread may make one, and it then belongs
 * to that thread; machine_close ends it, before `m` is closed. While it is open the store can't use
 * its old pages again: not for long. */
int machine_view(const struct machine *m, struct machine **view, struct fault *fault);

/* Invariants that must hold after every entry: for each currency the sum over all accounts is zero
 * (kept as a running sum), no player below zero, seq and chain agree with the last record. Cheap.
 */
int machine_invariants(const struct machine *m, struct fault *fault);

/* The same from the ground up, over all accounts and the whole ledger: recomputes the chain, every
 * balance and every sum. For tests and verification; its time grows with the state. */
int machine_audit(struct machine *m, struct fault *fault);

/* What an audit found; and how it is watched. Zero it before, release it after. */
struct audit_total {
    char currency[ID_MAX + 1];
    uint8_t scale;
    bool fits; /* each of the sums fits 64 bits; else they are not told */
    int64_t players_minor, providers_minor, gateways_minor, house_minor;
};

struct audit_report {
    /* Asked now and then, with how far it is through the ledger; false stops it (-1). Or NULL. */
    bool (*go_on)(void *context, uint64_t seq, uint64_t last_seq);
    void *context;

    uint64_t records, actions, players, balances;
    struct audit_total *totals; /* by currency; filled on 0 */
    size_t n_totals;
};

/* machine_audit with the figures. A view's own thread may do it. */
int machine_audit_report(struct machine *m, struct audit_report *report, struct fault *fault);
void audit_report_release(struct audit_report *report);

/* A digest of the whole state (all tables, in key order): equal on replicas at the same index. */
int machine_digest(struct machine *m, uint8_t digest[HASH_BYTES], struct fault *fault);

#endif
