/* Passwords of players: argon2id by libsodium, computed here in a worker and never in the state
 * machine, which only keeps the result.
 *
 * Each computation takes 64 MiB and some 100 ms of a processor on purpose; so only a few run at
 * once, and the others wait their turn. Any thread. */
#ifndef FLORIN_PASSWORDS_H
#define FLORIN_PASSWORDS_H

#include "statemachine/command.h"

enum {
    PASSWORD_MIN = 8, /* bytes of UTF-8 */
    PASSWORD_MAX = 128,
    PASSWORD_TEXT_MAX = PASSWORD_HASH_MAX, /* a hash with its NUL */
};

struct passwords;

struct passwords *passwords_new(void);
void passwords_free(struct passwords *p);

/* Fills `hash` (text, NUL-terminated). 0, or -1 when no turn came within timeout_ms. */
int passwords_hash(struct passwords *p, struct slice password, unsigned timeout_ms,
                   char hash[static PASSWORD_TEXT_MAX]);

/* 1 when the password is right, 0 when it is not, -1 when no turn came within timeout_ms. An empty
 * `hash` is that of nobody: it takes the same time, and is never right. */
int passwords_verify(struct passwords *p, struct slice password, struct slice hash,
                     unsigned timeout_ms);

#endif
