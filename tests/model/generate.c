/* Scripts by chance: mostly sensible lives of players, with everything that goes wrong between a
 * client and a ledger: the same request twice, from the same origin or another; an id used for
 * something else; a rollback before its bet; names that nobody knows; amounts that do not fit. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/generate.h"

const struct command *generator_earlier(struct generator *g, enum command_type type)
{
    int looks;

    for (looks = 0; looks < 16 && g->n_made > 0; looks++) {
        unsigned back = chance_below(&g->chance, looks < 12 ? 60 : (unsigned)g->n_made);
        const struct command *c;

        if (back >= g->n_made) {
            continue;
        }
        c = &g->made[g->n_made - 1 - back];
        if (c->type == type) {
            return c;
        }
    }
    return NULL;
}

static void some_details(struct generator *g, struct command *c)
{
    if (generator_percent(g, 50)) {
        c->round = generator_round(g);
    }
    if (generator_percent(g, 20)) {
        c->game = generator_game(g);
    }
    if (c->type == COMMAND_WIN && generator_percent(g, 20)) {
        c->bet = generator_id(g);
    }
    if (c->type == COMMAND_WIN && generator_percent(g, 20)) {
        c->win_kind = (enum win_kind)chance_below(&g->chance, 4);
    }
}

static void bet_or_win(struct generator *g, struct command *c)
{
    c->principal = generator_provider(g);
    c->id = generator_id(g);
    c->player = generator_player(g);
    c->currency = generator_currency(g);
    c->amount = generator_amount(g);
    some_details(g, c);
}

static void rollback(struct generator *g, struct command *c)
{
    const struct command *original =
        generator_earlier(g, generator_percent(g, 60) ? COMMAND_BET : COMMAND_WIN);

    bet_or_win(g, c);
    c->amount = (struct decimal){0};
    c->round = c->game = (struct slice){0};
    c->original = generator_id(g);
    if (original != NULL && generator_percent(g, 80)) {
        c->principal = original->principal;
        c->original = original->id;
        c->player = generator_percent(g, 95) ? original->player : c->player;
        c->currency = generator_percent(g, 95) ? original->currency : c->currency;
    }
    if (generator_percent(g, 1)) {
        c->id = c->original;
    }
}

static void deposit(struct generator *g, struct command *c)
{
    c->gateway = generator_gateway(g);
    c->principal = generator_percent(g, 50) ? c->gateway : slice_of("shop");
    c->id = generator_id(g);
    c->player = generator_player(g);
    c->currency = generator_currency(g);
    c->amount = generator_amount(g);
    if (generator_percent(g, 2)) {
        c->principal = generator_provider(g);
    }
}

void generator_command(struct generator *g, struct command *c)
{
    static const struct {
        enum command_type type;
        unsigned weight;
        void (*make)(struct generator *g, struct command *c);
    } kinds[] = {
        {COMMAND_BET, 40, bet_or_win},
        {COMMAND_WIN, 25, bet_or_win},
        {COMMAND_ROLLBACK, 20, rollback},
        {COMMAND_DEPOSIT, 12, deposit},
    };
    unsigned total = 0, at;
    size_t i;

    *c = (struct command){0};
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        total += kinds[i].weight;
    }
    at = chance_below(&g->chance, total);
    for (i = 0; at >= kinds[i].weight; i++) {
        at -= kinds[i].weight;
    }
    c->type = kinds[i].type;
    kinds[i].make(g, c);
}

static void alter_once(struct generator *g, struct command *c)
{
    bool win = c->type == COMMAND_WIN, stake = win || c->type == COMMAND_BET;

    switch (chance_below(&g->chance, 9)) {
    case 0:
        c->player = generator_player(g);
        break;
    case 1:
        c->currency = generator_currency(g);
        break;
    case 2:
        if (c->type == COMMAND_ROLLBACK) {
            c->original = generator_id(g);
        } else {
            c->amount = generator_amount(g);
        }
        break;
    case 3:
        /* The same amount, written in another way. */
        if (c->type != COMMAND_ROLLBACK && c->amount.after_point < SCALE_MAX &&
            c->amount.digits < INT64_MAX / 10) {
            c->amount.digits *= 10;
            c->amount.after_point++;
        }
        break;
    case 4:
        c->round = stake ? generator_round(g) : c->round;
        break;
    case 5:
        c->game = stake ? generator_game(g) : c->game;
        break;
    case 6:
        if (win) {
            c->win_kind = (enum win_kind)chance_below(&g->chance, 4);
        } else if (c->type == COMMAND_DEPOSIT) {
            c->gateway = generator_gateway(g);
        }
        break;
    case 7:
        c->bet = win ? generator_id(g) : c->bet;
        break;
    default:
        if (stake) { /* a bet becomes a win; a win, a bet */
            c->type = win ? COMMAND_BET : COMMAND_WIN;
            c->bet = (struct slice){0};
            c->win_kind = WIN_PLAIN;
        }
    }
}

void generator_alter(struct generator *g, struct command *c)
{
    if (c->type > COMMAND_DEPOSIT) {
        return;
    }
    alter_once(g, c);
    if (generator_percent(g, 30)) {
        alter_once(g, c);
    }
}

/* The next command as it is sent: a new one, or an earlier one again. */
static void next_command(struct generator *g, struct command *c)
{
    if (g->n_late > 0 && generator_percent(g, 5)) {
        unsigned i = chance_below(&g->chance, g->n_late);

        *c = g->late[i];
        g->late[i] = g->late[--g->n_late];
        return;
    }
    if (g->n_made > 0 && generator_percent(g, g->repeat_percent)) {
        unsigned recent = g->n_made < 200 ? (unsigned)g->n_made : 200;
        unsigned back =
            chance_below(&g->chance, generator_percent(g, 70) ? recent : (unsigned)g->n_made);

        *c = g->made[g->n_made - 1 - back];
        if (generator_percent(g, 70)) { /* else: our own nodes send it again */
            c->origin = ++g->origin;
            if (generator_percent(g, 30)) {
                generator_alter(g, c);
            }
        }
        return;
    }
    generator_command(g, c);
    c->origin = ++g->origin;
    g->made[g->n_made++] = *c;
    if (g->n_late < LATE_MAX && generator_percent(g, g->late_percent)) {
        g->late[g->n_late++] = *c;
        next_command(g, c);
    }
}

static uint64_t next_time(struct generator *g)
{
    static const unsigned steps_ms[] = {1, 3, 20, 20, 100, 1000};

    if (generator_percent(g, 3) && g->time_ms > 5000) { /* a new leader's clock may be behind */
        return g->time_ms - chance_below(&g->chance, 5000);
    }
    g->time_ms += chance_below(&g->chance, steps_ms[chance_below(&g->chance, 6)] + 1);
    if (chance_in(&g->chance, 1, 100)) {
        g->time_ms += chance_below(&g->chance, 12 * 3600 * 1000u);
    }
    return g->time_ms;
}

static unsigned before_step(struct generator *g)
{
    unsigned before = 0;

    if (chance_in(&g->chance, 1, g->checkpoint_every)) {
        before |= STEP_CHECKPOINT_BEGIN;
    }
    if (chance_in(&g->chance, 4, g->checkpoint_every)) {
        before |= STEP_CHECKPOINT_WRITE;
    }
    if (chance_in(&g->chance, 4, g->checkpoint_every)) {
        before |= STEP_CHECKPOINT_END;
    }
    if (chance_in(&g->chance, 1, g->reopen_every)) {
        before |= STEP_REOPEN;
    }
    return before;
}

static void character(struct generator *g, size_t n)
{
    g->players = 1 + chance_below(&g->chance, 6);
    g->providers = 1 + chance_below(&g->chance, 3);
    g->gateways = 1 + chance_below(&g->chance, 2);
    g->currencies = 1 + chance_below(&g->chance, 4);
    g->ids = (unsigned)n / 10 * (1 + chance_below(&g->chance, 80)) + 10;
    g->repeat_percent = chance_below(&g->chance, 30);
    g->late_percent = chance_below(&g->chance, 10);
    g->huge_percent = generator_percent(g, 25) ? 1 + chance_below(&g->chance, 40) : 0;
    g->commands_per_entry = 1 + chance_below(&g->chance, 8);
    g->checkpoint_every = 20u << chance_below(&g->chance, 8);
    g->reopen_every = 500u << chance_below(&g->chance, 4);
    g->time_ms = 1700000000000u + (chance_next(&g->chance) >> 28);
}

void script_generate(struct script *s, uint64_t seed, size_t n)
{
    struct generator g = {.script = s, .chance = {seed}};
    struct fault fault;
    size_t i, world = 0;

    *s = (struct script){.seed = seed, .n = n};
    s->steps = calloc(n, sizeof *s->steps);
    g.made = calloc(n + LATE_MAX, sizeof *g.made);
    if (s->steps == NULL || g.made == NULL) {
        fprintf(stderr, "model: out of memory\n");
        exit(1);
    }
    character(&g, n);
    for (i = 0; i < n; i++) {
        struct step *step = &s->steps[i];

        /* Some of the world comes late: its players are unknown until then. */
        if ((i < 5 || generator_percent(&g, 60)) &&
            generator_world(&g, (unsigned)world, &step->command)) {
            step->command.origin = ++g.origin;
            g.made[g.n_made++] = step->command;
            world++;
        } else {
            next_command(&g, &step->command);
        }
        if (command_check(&step->command, &fault) != 0) {
            fprintf(stderr, "model: seed %llu made a bad command: %s\n", (unsigned long long)seed,
                    fault.text);
            exit(1);
        }
        step->time_ms = i > 0 && !step[-1].ends_entry ? step[-1].time_ms : next_time(&g);
        step->before = before_step(&g);
        step->ends_entry = i + 1 == n || chance_in(&g.chance, 1, g.commands_per_entry);
    }
    free(g.made);
}
