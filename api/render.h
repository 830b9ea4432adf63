/* The ledger's data in an answer, field by field as the contract spells it. Pure; any thread. */
#ifndef FLORIN_RENDER_H
#define FLORIN_RENDER_H

#include "api/time.h"
#include "api/writer.h"
#include "statemachine/outcome.h"
#include "statemachine/query.h"

enum { HEX_MAX = 2 * HASH_BYTES + 1 };

void render_hex(const uint8_t *data, size_t len, char *text); /* 2 * len + 1 bytes, lower case */

/* All of these write members; the braces are the caller's. */

/* A transaction as POST answers it, from an outcome that has a record; `balance_now` is written
 * when it is a replay, `dry_run` when it was one. */
void render_transaction(struct writer *w, const struct outcome *o);

/* A transaction as GET answers it: a refused one too, so with its outcome. */
void render_decided(struct writer *w, const struct record *r);

/* All that an auditor needs to rebuild the canonical bytes of statemachine/record.h. */
void render_entry(struct writer *w, const struct record *r);

/* The same of statemachine/action.h. */
void render_action(struct writer *w, const struct action *a);

void render_put_hash(struct writer *w, const char *key, const uint8_t hash[HASH_BYTES]);

void render_put_time(struct writer *w, const char *key, uint64_t unix_ms);

void render_session(struct writer *w, const struct session_info *s);

/* A player's status and limits, of a QUERY_PLAYER. */
void render_player(struct writer *w, struct slice player, const struct answer *a);

/* What a principal may, of a QUERY_PRINCIPAL. */
void render_principal(struct writer *w, struct slice name, const struct answer *a);

void render_round(struct writer *w, const struct round_info *r);

void render_balance(struct writer *w, const struct balance *b);

/* A node's id, or null for none (0). */
void render_node(struct writer *w, const char *key, uint64_t id);

#endif
