/* From a request's fields to a command of the ledger, and from the ledger's outcome to an answer.
 */
#ifndef FLORIN_COMMANDS_H
#define FLORIN_COMMANDS_H

#include "api/exchange.h"
#include "api/fields.h"

/* Reads a bet, win, rollback, deposit, withdrawal, the close of a round or an atomic transaction
 * for this principal. `in_batch`: a field `type` stands
 * beside the others (the caller has read it). The command borrows from the values and the
 * principal. 0, or -1 with the problem. Pure but for `origin`, which is the caller's. */
int commands_read_money(const struct value *object, enum command_type type, bool in_batch,
                        const struct principal *who, struct command *c, struct problem *problem);

/* Checks and appends one command's frame. 0, or -1 with the problem. */
int commands_append(const struct command *c, struct bytes *frames, struct problem *problem);

/* Has one command applied, with who asks for it where that is to be recorded: 0 with its outcome,
 * which borrows from *held (the caller releases it); -1 with the problem, also when the outcome is
 * a refusal. */
int commands_run(struct exchange *x, struct command *c, struct ticket **held,
                 struct outcome *outcome);

/* Writes the members of what an applied outcome of money answers: a transaction, or `transactions`.
 * 0, or -1 with the problem. */
int commands_render(struct writer *w, struct outcome *o, struct problem *problem);

#endif
