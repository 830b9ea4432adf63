/* One function for each route, as struct route says. */
#ifndef FLORIN_HANDLERS_H
#define FLORIN_HANDLERS_H

#include "api/exchange.h"

/* money.c */
int handle_bet(struct exchange *x);
int handle_win(struct exchange *x);
int handle_rollback(struct exchange *x);
int handle_deposit(struct exchange *x);

/* batch.c */
int handle_batch(struct exchange *x);

/* reads.c */
int handle_transaction(struct exchange *x);
int handle_ledger(struct exchange *x);
int handle_balances(struct exchange *x);
int handle_history(struct exchange *x);

/* create.c */
int handle_player_create(struct exchange *x);
int handle_currency_create(struct exchange *x);
int handle_provider_create(struct exchange *x);
int handle_gateway_create(struct exchange *x);
int handle_key_create(struct exchange *x);

/* cluster.c */
int handle_cluster(struct exchange *x);
int handle_transfer(struct exchange *x);
int handle_health(struct exchange *x);
int handle_ready(struct exchange *x);
int handle_metrics(struct exchange *x);

#endif
