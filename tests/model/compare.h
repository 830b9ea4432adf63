/* Holding answers against each other, and saying them in words. */
#ifndef FLORIN_MODEL_COMPARE_H
#define FLORIN_MODEL_COMPARE_H

#include <stdio.h>

#include "tests/model/engine.h"
#include "tests/model/model.h"

/* The engine's outcome, decoded, and the model's. */
bool outcomes_equal(const struct outcome *engine, const struct m_outcome *model);
bool outcome_equal(const struct outcome *a, const struct outcome *b); /* but for items */
bool records_equal(const struct record *a, const struct record *b);

/* A command as a line of a scenario table; an outcome as one line with all its fields. */
void say_command(FILE *out, const struct command *c);
void say_outcome(FILE *out, const struct outcome *o);
/* The same with its items, which are given, or walked when NULL. */
void say_outcomes(FILE *out, const struct outcome *o, const struct outcome *items);

/* What is cheap enough to ask now and then: balances, players, their limits. Like compare_all. */
bool compare_players(struct engine *e, struct model *m);

/* At the end of an episode: the whole ledger, every transaction, balance and history asked of the
 * engine and compared with the model; the engine's own audit. True, or false and e->f.fault. */
bool compare_all(struct engine *e, struct model *m);

/* compare_names.c: principals, keys, passwords, sessions, open rounds. */
bool compare_names(struct engine *e, struct model *m);

#endif
