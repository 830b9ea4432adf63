/* The ledger's data in an answer, field by field as the contract spells it. Pure; any thread. */
#ifndef FLORIN_RENDER_H
#define FLORIN_RENDER_H

#include "api/writer.h"
#include "statemachine/outcome.h"
#include "statemachine/query.h"

enum { TIME_TEXT_MAX = 40, HEX_MAX = 2 * HASH_BYTES + 1 };

/* RFC 3339 in UTC with milliseconds; ends in NUL; returns the length. */
int render_time(uint64_t unix_ms, char text[static TIME_TEXT_MAX]);

void render_hex(const uint8_t *data, size_t len, char *text); /* 2 * len + 1 bytes, lower case */

/* All of these write members; the braces are the caller's. */

/* A transaction as POST answers it; `balance_now` is written when it is a replay. */
void render_transaction(struct writer *w, const struct record *r, bool replayed,
                        int64_t balance_now_minor);

/* A transaction as GET answers it: a refused one too, so with its outcome. */
void render_decided(struct writer *w, const struct record *r);

/* All that an auditor needs to rebuild the canonical bytes of statemachine/record.h. */
void render_entry(struct writer *w, const struct record *r);

void render_balance(struct writer *w, const struct balance *b);

#endif
