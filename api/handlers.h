/* One function for each route, as struct route says. */
#ifndef FLORIN_HANDLERS_H
#define FLORIN_HANDLERS_H

#include "api/exchange.h"

/* money.c */
int handle_bet(struct exchange *x);
int handle_win(struct exchange *x);
int handle_rollback(struct exchange *x);
int handle_deposit(struct exchange *x);
int handle_atomic(struct exchange *x);
int handle_withdraw(struct exchange *x);
int handle_withdraw_confirm(struct exchange *x);
int handle_withdraw_cancel(struct exchange *x);
int handle_round_close(struct exchange *x);

/* batch.c */
int handle_batch(struct exchange *x);

/* reads.c */
int handle_transaction(struct exchange *x);
int handle_ledger(struct exchange *x);
int handle_balances(struct exchange *x);
int handle_history(struct exchange *x);
int handle_rounds(struct exchange *x);

/* reads.c, for other handlers that answer questions. Asks, and makes a problem of a verdict that
 * says that something does not exist: 0, or -1 and nothing is held. */
int reads_ask(struct exchange *x, enum ticket_kind kind, const struct query *q,
              struct ticket **held, struct answer *a);
/* The parameter `consistency`, and no other: 0, or -1 and the problem. */
int reads_consistency(struct exchange *x, enum ticket_kind *kind);

/* stream.c */
int handle_stream(struct exchange *x);

/* sessions.c */
int handle_session_open(struct exchange *x);
int handle_session_close(struct exchange *x);
int handle_session_rotate(struct exchange *x);
int handle_session(struct exchange *x);
int handle_authenticate(struct exchange *x);

/* players.c */
int handle_player(struct exchange *x);
int handle_player_update(struct exchange *x);
int handle_password_set(struct exchange *x);
int handle_login(struct exchange *x);

/* operators.c */
int handle_provider(struct exchange *x);
int handle_provider_update(struct exchange *x);
int handle_gateway(struct exchange *x);
int handle_gateway_update(struct exchange *x);
int handle_key_update(struct exchange *x);

/* create.c */
int handle_player_create(struct exchange *x);
int handle_currency_create(struct exchange *x);
int handle_provider_create(struct exchange *x);
int handle_gateway_create(struct exchange *x);
int handle_key_create(struct exchange *x);

/* members.c */
int handle_member_add(struct exchange *x);
int handle_member_promote(struct exchange *x);
int handle_member_demote(struct exchange *x);
int handle_member_remove(struct exchange *x);
int handle_transfer(struct exchange *x);

/* cluster.c */
int handle_cluster(struct exchange *x);
int handle_health(struct exchange *x);
int handle_ready(struct exchange *x);
int handle_metrics(struct exchange *x);

/* backup.c */
int handle_backup(struct exchange *x);
int handle_verify(struct exchange *x);

/* audit.c */
int handle_audit(struct exchange *x);

/* openapi.c */
int handle_openapi(struct exchange *x);

#endif
