/* One table while it runs, and what the parts of the runner offer each other. */
#ifndef FLORIN_SCENARIO_RUN_H
#define FLORIN_SCENARIO_RUN_H

#include "tests/scenarios/words.h"
#include "tests/unit/ledger_fixture.h"

struct run {
    struct fixture memory;     /* never makes a checkpoint */
    struct fixture checkpoint; /* makes one after every line */
    struct command last;       /* for `again`; borrows from last_words */
    struct words last_words;
    uint64_t origin;
    const char *file;
    int line;
    unsigned passed, failed;
};

/* Says what is wrong with this line; returns false. */
bool run_fail(const struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* commands.c: the line's command; *known is false when its first word is none. */
bool run_command_of(struct run *r, struct words *w, struct command *c, bool *known);
bool run_amount(struct run *r, const char *text, struct decimal *d);

/* expect.c: what stands behind the arrow. */
bool run_check_outcome(struct run *r, const struct words *w, const struct outcome *o);
bool run_same_amount(struct run *r, const char *what, const char *expected, int64_t minor,
                     uint8_t scale);

/* questions.c: `... = ...`, asked of one of the two machines. */
bool run_question(struct run *r, struct fixture *f, struct words *w);

#endif
