/* A script: the commands of one episode in order, made by chance from a seed, with what happens to
 * the engine between them. Plain data, so that it can be run again, whole or in part. */
#ifndef FLORIN_MODEL_SCRIPT_H
#define FLORIN_MODEL_SCRIPT_H

#include "statemachine/command.h"
#include "tests/model/random.h"

/* What the engine does before a command. Each is left out where it makes no sense: there is nothing
 * to write, say. */
enum {
    STEP_CHECKPOINT_BEGIN = 1,
    STEP_CHECKPOINT_WRITE = 2,
    STEP_CHECKPOINT_END = 4,
    STEP_REOPEN = 8, /* the process dies: what no checkpoint holds is applied again from the log */
};

struct step {
    const struct command *command; /* its long lists may be cut off behind what they hold */
    uint64_t time_ms;
    unsigned before;
    bool ends_entry;
};

struct block;

struct script {
    uint64_t seed;
    struct step *steps;
    size_t n;
    struct block *memory; /* the commands and their texts */
};

/* Makes a script of `n` commands. */
void script_generate(struct script *s, uint64_t seed, size_t n);
void script_release(struct script *s);

#endif
