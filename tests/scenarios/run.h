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
    uint8_t hashes[2][SECRET_HASH_BYTES]; /* of the command's token and its parent's */
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

/* The lines that are about more than one movement of money, each in its own words. */
typedef bool (*run_verb)(struct run *r, struct words *w, struct command *c);
bool run_withdraw(struct run *r, struct words *w, struct command *c);
bool run_withdraw_end(struct run *r, struct words *w, struct command *c);
bool run_round_close(struct run *r, struct words *w, struct command *c);
bool run_together(struct run *r, struct words *w, struct command *c);
bool run_session(struct run *r, struct words *w, struct command *c);
bool run_session_end(struct run *r, struct words *w, struct command *c);
bool run_rotate(struct run *r, struct words *w, struct command *c);
bool run_authenticate(struct run *r, struct words *w, struct command *c);
bool run_state(struct run *r, struct words *w, struct command *c);
bool run_remind(struct run *r, struct words *w, struct command *c);
bool run_limit(struct run *r, struct words *w, struct command *c);
bool run_password(struct run *r, struct words *w, struct command *c);
bool run_policy(struct run *r, struct words *w, struct command *c);
bool run_key_switch(struct run *r, struct words *w, struct command *c);
bool run_asks(struct run *r, struct words *w, struct command *c);
/* `as NAME` before a command: takes it off the words and gives the actor. False: there is none. */
bool run_as(struct words *w, struct actor *by);

/* Words that come in pairs from `at` on, up to the word `end` or the last. False when one is not
 * among those that a money command knows. */
bool run_options(struct run *r, struct words *w, int at, struct command *c);

/* expect.c: what stands behind the arrow. */
bool run_check_outcome(struct run *r, const struct words *w, const struct outcome *o);
bool run_same_amount(struct run *r, const char *what, const char *expected, int64_t minor,
                     uint8_t scale);

/* questions.c: `... = ...`, asked of one of the two machines; questions_data.c: those that are not
 * about money. */
bool run_ask(struct run *r, struct fixture *f, const struct query *q, struct bytes *out,
             struct answer *a);
bool run_ask_rounds(struct run *r, struct fixture *f, struct words *w);
bool run_ask_status(struct run *r, struct fixture *f, struct words *w);
bool run_ask_limit(struct run *r, struct fixture *f, struct words *w);
bool run_ask_password(struct run *r, struct fixture *f, struct words *w);
bool run_ask_principal(struct run *r, struct fixture *f, struct words *w);
bool run_ask_key(struct run *r, struct fixture *f, struct words *w);
bool run_ask_session(struct run *r, struct fixture *f, struct words *w);
bool run_ask_actions(struct run *r, struct fixture *f, struct words *w);
bool run_ask_action(struct run *r, struct fixture *f, struct words *w);
bool run_question(struct run *r, struct fixture *f, struct words *w);

#endif
