/* Who did what: calls that change the configuration or the cluster leave a record of themselves in
 * the ledger (statemachine/action.h). Commands of the ledger take it with them (commands_run). What
 * is no command is put there by audit_record before it is done: what can't be recorded is not done.
 *
 * Only what passed the checks of credentials and form leaves a record, so nobody without a key of
 * an operator or platform can make one. Calls that were refused before stand in the node's log. */
#ifndef FLORIN_AUDIT_H
#define FLORIN_AUDIT_H

#include "api/exchange.h"

/* Who asks, from where, by which node. Borrows from the exchange. */
struct actor audit_actor(const struct exchange *x);

/* Puts down that this call is asked for: `call` names it, `subject` (an id, or empty) is what it is
 * about, `note` (printable ASCII, at most NOTE_MAX, or empty) more of it. 0 once that is in the
 * ledger, or -1 and the problem. */
int audit_record(struct exchange *x, const char *call, struct slice subject, struct slice note);

#endif
