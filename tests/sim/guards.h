/* Directed scripts: the exact situations that a guard is there for, played on bare drivers. */
#ifndef FLORIN_GUARDS_H
#define FLORIN_GUARDS_H

#include "consensus/mutant.h"

/* Plays all scripts and prints a line for each. Returns how many failed. */
int guards_run(enum mutant mutant);

#endif
