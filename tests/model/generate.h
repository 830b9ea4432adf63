/* What the parts of the generator share. */
#ifndef FLORIN_MODEL_GENERATE_H
#define FLORIN_MODEL_GENERATE_H

#include "tests/model/script.h"

enum { LATE_MAX = 16, INSTANTS = 8 };

struct generator {
    struct script *script;
    struct chance chance;

    /* This episode's character. */
    unsigned players, providers, gateways, currencies; /* how many of the names there are */
    unsigned ids;            /* how many ids there are: few make conflicts */
    unsigned repeat_percent; /* an earlier command again, the same or altered */
    unsigned late_percent;   /* held back for a while */
    unsigned huge_percent;   /* amounts near what an int64 holds */
    unsigned commands_per_entry;
    unsigned checkpoint_every, reopen_every;
    bool hoards;               /* withdrawals that stay: until a player has too many */
    unsigned rounds, sessions; /* how many names of them */
    unsigned wins, deposits, atomic, round_closes, holds, session_commands, updates; /* weights */

    /* All that were made so far, those held back too. */
    const struct command **made;
    size_t n_made;
    const struct command *late[LATE_MAX];
    unsigned n_late;
    uint64_t origin;
    uint64_t time_ms;
    uint64_t instants[INSTANTS]; /* when something ends: a good time to look */
    unsigned n_instants;
    unsigned tokens; /* made so far */
};

static inline bool generator_percent(struct generator *g, unsigned percent)
{
    return chance_in(&g->chance, percent, 100);
}

/* Copies that live as long as the script. */
const struct command *generator_keep(struct generator *g, const struct command *c);
struct slice generator_text(struct generator *g, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

struct slice generator_player(struct generator *g);
struct slice generator_provider(struct generator *g);
struct slice generator_gateway(struct generator *g);
struct slice generator_currency(struct generator *g);
struct slice generator_id(struct generator *g);
struct slice generator_round(struct generator *g);
struct slice generator_game(struct generator *g);
struct slice generator_session(struct generator *g);
struct decimal generator_amount(struct generator *g);
enum ids_scope generator_ids_scope(struct generator *g);
const uint8_t *generator_token(struct generator *g); /* a new one, sometimes an earlier one */

/* Something will happen then: the clock will stop there, perhaps. */
void generator_instant(struct generator *g, uint64_t after_ms);

/* An earlier command of this type, or NULL when a few looks found none. */
const struct command *generator_earlier(struct generator *g, enum command_type type);

/* The currencies, principals and players that an episode begins with, the `i`th; false behind the
 * last one. */
bool generator_world(struct generator *g, unsigned i, struct command *c);

/* A command by chance: type, names, all. */
void generator_command(struct generator *g, struct command *c);

/* The parts of it. */
void generator_stake(struct generator *g, struct command *c); /* bet or win */
void generator_rollback(struct generator *g, struct command *c);
void generator_atomic(struct generator *g, struct command *c);
void generator_withdraw(struct generator *g, struct command *c);
void generator_end_hold(struct generator *g, struct command *c); /* confirm or cancel */
void generator_round_close(struct generator *g, struct command *c);
void generator_session_open(struct generator *g, struct command *c);
void generator_session_use(struct generator *g, struct command *c); /* the other three */
void generator_player_update(struct generator *g, struct command *c);
void generator_update(struct generator *g, struct command *c); /* principal, key, password */
void generator_create(struct generator *g, struct command *c);
void generator_action(struct generator *g, struct command *c);

/* Most changes of the configuration say by whom they came. */
void generator_actor(struct generator *g, struct command *c);

/* Changes one thing or two of an earlier command: an id that is used for something else. */
void generator_alter(struct generator *g, struct command *c);

#endif
