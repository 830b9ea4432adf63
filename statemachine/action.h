/* Actions: what was done to the configuration and the cluster, by whom, when and from where. The
 * audit trail that operators and auditors read.
 *
 * Guarantees: a change of the configuration that a client asked for leaves its action in the same
 * step, done or refused; once there it is there for ever; a request leaves one action, however
 * often our own nodes repeat its command. What is no command of the ledger (members, backups) is
 * put there by a COMMAND_ACTION, before it is done.
 *
 * Actions are numbered by themselves, from 1 without gaps, and form a hash chain of their own that
 * is woven into the ledger's: each action holds the ledger's head of its time, and the first ledger
 * record after it holds the newest action's number and hash (record.h). Whoever knows a later head
 * of the ledger can tell whether an action before it was changed, left out or put in.
 *
 * Canonical bytes, version 1, integers little-endian:
 *   u8 version (1), u64 number, u64 at_ms, u64 seq of the newest ledger record, 32 bytes its hash,
 *   u16 verdict, u8 bits (1: only asked for), u8 role, u64 node,
 *   then texts, each u8 length and bytes: principal, key, address, request, call, subject,
 *   then u16 length and bytes: detail.
 * hash = BLAKE2b-256(previous action's hash || canonical bytes), as for ledger records. */
#ifndef FLORIN_ACTION_H
#define FLORIN_ACTION_H

#include "statemachine/record.h"

/* Longer than what the limits of a command's fields allow: a detail is never cut. */
enum { ACTION_DETAIL_MAX = 6144, ACTION_BYTES_MAX = 8192 };

struct action {
    uint64_t number;
    uint64_t at_ms;           /* the ledger's clock, Unix ms */
    uint64_t seq;             /* of the newest ledger record at that time; 0: none yet */
    uint8_t head[HASH_BYTES]; /* ... and its hash */
    struct actor by;
    struct slice call;    /* "key_create", "member_add": what was asked for */
    struct slice subject; /* the key, principal, player, member: what it was about, or empty */
    struct slice detail;  /* "role=provider principal=demo": printable ASCII, no secret, or empty */
    bool asked;           /* what came of it is not the ledger's to know */
    enum verdict verdict; /* else: done, or why not */
    uint8_t prev_hash[HASH_BYTES];
    uint8_t hash[HASH_BYTES];
};

/* Writes what the command asks for into an empty buffer, but for its subject: values that are no
 * secret and no secret's hash. */
void action_describe(const struct command *c, struct bytes *out);

/* What the command is about: the subject above. Borrows from it. */
struct slice action_subject(const struct command *c);

/* "applied", "asked", or the refusal's code. */
const char *action_outcome(const struct action *a);

/* Appends the canonical bytes, without the hashes; and with them, as actions travel and rest. */
void action_encode(const struct action *a, struct bytes *out);
void action_seal(const struct action *a, struct bytes *out);

/* Decodes exactly `len` bytes; slices borrow. 0, or -1 with the fault. Pure; any thread. */
int action_unseal(const void *data, size_t len, struct action *a, struct fault *fault);

#endif
