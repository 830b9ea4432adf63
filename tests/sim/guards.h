/* Directed scripts: the exact situations that a guard is there for, played on bare drivers. */
#ifndef FLORIN_GUARDS_H
#define FLORIN_GUARDS_H

#include <stddef.h>

#include "statemachine/mutant.h"

/* A script gives NULL, or what went wrong. */
typedef const char *guard_script(enum mutant mutant);

struct guard {
    const char *name;
    guard_script *play;
};

/* Those of changes of members (guards_member.c). */
extern const struct guard guards_member[];
extern const size_t n_guards_member;

/* Plays all scripts and prints a line for each. Returns how many failed. */
int guards_run(enum mutant mutant);

#endif
