/* Scripts by chance: mostly sensible lives of players, with everything that goes wrong between a
 * client and a ledger: the same request twice, from the same origin or another; an id used for
 * something else; a rollback before its bet; names that nobody knows; amounts that do not fit. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/model/generate.h"

#define MONTH_MS (uint64_t)(31 * 86400000ll)

const struct command *generator_earlier(struct generator *g, enum command_type type)
{
    int looks;

    for (looks = 0; looks < 16 && g->n_made > 0; looks++) {
        unsigned back = chance_below(&g->chance, looks < 12 ? 60 : (unsigned)g->n_made);
        const struct command *c;

        if (back >= g->n_made) {
            continue;
        }
        c = g->made[g->n_made - 1 - back];
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
    if (g->session_commands > 0 && generator_percent(g, 30)) {
        const struct command *open = generator_earlier(g, COMMAND_SESSION_OPEN);

        if (open != NULL && open->principal.len > 0) {
            c->session = generator_percent(g, 98) ? open->name : generator_session(g);
            c->player = generator_percent(g, 98) ? open->player : c->player;
            c->principal = generator_percent(g, 98) ? open->principal : c->principal;
        }
    }
    if (c->type == COMMAND_WIN && generator_percent(g, 20)) {
        c->bet = generator_id(g);
    }
    if (c->type == COMMAND_WIN && generator_percent(g, 20)) {
        c->win_kind = (enum win_kind)chance_below(&g->chance, 4);
    }
}

void generator_stake(struct generator *g, struct command *c)
{
    c->principal = generator_provider(g);
    c->id = generator_id(g);
    c->player = generator_player(g);
    c->currency = generator_currency(g);
    c->amount = generator_amount(g);
    some_details(g, c);
}

void generator_rollback(struct generator *g, struct command *c)
{
    const struct command *original =
        generator_earlier(g, generator_percent(g, 60) ? COMMAND_BET : COMMAND_WIN);

    generator_stake(g, c);
    c->amount = (struct decimal){0};
    c->round = c->game = c->session = c->bet = (struct slice){0};
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
    const struct {
        enum command_type type;
        unsigned weight;
        void (*make)(struct generator *g, struct command *c);
    } kinds[] = {
        {COMMAND_BET, 400, generator_stake},
        {COMMAND_WIN, g->wins, generator_stake},
        {COMMAND_ROLLBACK, 200, generator_rollback},
        {COMMAND_DEPOSIT, g->deposits, deposit},
        {COMMAND_ATOMIC, g->atomic, generator_atomic},
        {COMMAND_ROUND_CLOSE, g->round_closes, generator_round_close},
        {COMMAND_WITHDRAW, g->holds, generator_withdraw},
        {COMMAND_WITHDRAW_CONFIRM, g->hoards ? 20 : g->holds / 2, generator_end_hold},
        {COMMAND_WITHDRAW_CANCEL, g->hoards ? 20 : g->holds / 3, generator_end_hold},
        {COMMAND_SESSION_OPEN, g->session_commands, generator_session_open},
        {COMMAND_SESSION_CLOSE, g->session_commands / 4, generator_session_use},
        {COMMAND_SESSION_ROTATE, g->session_commands / 4, generator_session_use},
        {COMMAND_SESSION_AUTHENTICATE, g->session_commands / 2, generator_session_use},
        {COMMAND_PLAYER_UPDATE, g->updates, generator_player_update},
        {COMMAND_PRINCIPAL_UPDATE, g->updates / 4, generator_update},
        {COMMAND_KEY_UPDATE, g->updates / 8, generator_update},
        {COMMAND_PASSWORD_SET, g->updates / 8, generator_update},
        {COMMAND_CURRENCY_CREATE, 1, generator_create},
        {COMMAND_PRINCIPAL_CREATE, 1, generator_create},
        {COMMAND_KEY_CREATE, 2, generator_create},
        {COMMAND_PLAYER_CREATE, 1, generator_create},
        {COMMAND_ACTION, 1 + g->updates / 8, generator_action},
    };
    unsigned total = 0, at;
    size_t i;

    command_init(c);
    for (i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        total += kinds[i].weight;
    }
    at = chance_below(&g->chance, total);
    for (i = 0; at >= kinds[i].weight; i++) {
        at -= kinds[i].weight;
    }
    c->type = kinds[i].type;
    kinds[i].make(g, c);
    generator_actor(g, c);
    if (c->type <= COMMAND_ROLLBACK || c->type == COMMAND_ATOMIC) {
        c->dry_run = generator_percent(g, 2);
    }
}

/* An earlier command as it is sent once more. */
static const struct command *repeat(struct generator *g)
{
    unsigned recent = g->n_made < 200 ? (unsigned)g->n_made : 200;
    unsigned back =
        chance_below(&g->chance, generator_percent(g, 70) ? recent : (unsigned)g->n_made);
    const struct command *earlier = g->made[g->n_made - 1 - back];
    struct command c;

    if (generator_percent(g, 30)) { /* our own nodes send it again */
        return earlier;
    }
    if (earlier->type == COMMAND_ATOMIC && generator_percent(g, 20)) {
        command_of_item(earlier, chance_below(&g->chance, earlier->n_items), &c);
        if (c.type == COMMAND_ADJUST) { /* it can't stand alone */
            return earlier;
        }
    } else {
        command_init(&c);
        memcpy(&c, earlier,
               offsetof(struct command, items) + earlier->n_items * sizeof earlier->items[0]);
        memcpy(c.limits, earlier->limits, earlier->n_limits * sizeof earlier->limits[0]);
    }
    c.origin = ++g->origin;
    if (generator_percent(g, 30)) {
        generator_alter(g, &c);
    }
    if (c.type <= COMMAND_ROLLBACK || c.type == COMMAND_ATOMIC) {
        c.dry_run = generator_percent(g, 5);
    }
    return generator_keep(g, &c);
}

/* The next command as it is sent: a new one, or an earlier one again. */
static const struct command *next_command(struct generator *g)
{
    struct command c;
    const struct command *made;

    if (g->n_late > 0 && generator_percent(g, 5)) {
        unsigned i = chance_below(&g->chance, g->n_late);

        made = g->late[i];
        g->late[i] = g->late[--g->n_late];
        return made;
    }
    if (g->n_made > 0 && generator_percent(g, g->repeat_percent)) {
        return repeat(g);
    }
    generator_command(g, &c);
    c.origin = ++g->origin;
    made = g->made[g->n_made++] = generator_keep(g, &c);
    if (g->n_late < LATE_MAX && generator_percent(g, g->late_percent)) {
        g->late[g->n_late++] = made;
        return next_command(g);
    }
    return made;
}

static uint64_t next_time(struct generator *g)
{
    static const unsigned steps_ms[] = {1, 3, 20, 20, 100, 1000};

    if (generator_percent(g, 3) && g->time_ms > 5000) { /* a new leader's clock may be behind */
        return g->time_ms - chance_below(&g->chance, 5000);
    }
    if (generator_percent(g, 2) && g->n_instants > 0) { /* when something ends, or just before */
        uint64_t then = g->instants[chance_below(&g->chance, INSTANTS)];

        if (then > g->time_ms && then < g->time_ms + MONTH_MS) {
            return g->time_ms = then - chance_below(&g->chance, 2);
        }
    }
    g->time_ms += chance_below(&g->chance, steps_ms[chance_below(&g->chance, 6)] + 1);
    if (chance_in(&g->chance, 1, 100)) {
        g->time_ms += chance_below(&g->chance, 12 * 3600 * 1000u);
    }
    if (chance_in(&g->chance, 1, 500)) {
        g->time_ms += chance_below(&g->chance, 10 * 86400 * 1000u);
    }
    if (chance_in(&g->chance, 1, 100)) { /* the day's last or first moment */
        g->time_ms += 86400000u - g->time_ms % 86400000u - chance_below(&g->chance, 2);
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
    g->wins = 50 + chance_below(&g->chance, 250);
    g->deposits = 10 + chance_below(&g->chance, 110);
    g->rounds = 2 + chance_below(&g->chance, 1 + g->ids / 10);
    g->sessions = 20 + chance_below(&g->chance, 1 + g->ids / 10);
    g->atomic = chance_below(&g->chance, 2) * chance_below(&g->chance, 300);
    g->round_closes = chance_below(&g->chance, 2) * chance_below(&g->chance, 60);
    g->holds = chance_below(&g->chance, 2) * chance_below(&g->chance, 150);
    g->session_commands = chance_below(&g->chance, 2) * chance_below(&g->chance, 100);
    g->updates = chance_below(&g->chance, 2) * chance_below(&g->chance, 40);
    g->hoards = generator_percent(g, 6);
    if (g->hoards) {
        g->holds = 1000;
        g->players = 1 + chance_below(&g->chance, 2);
        g->currencies = 1 + chance_below(&g->chance, 2);
    }
    g->time_ms = 1700000000000u + (chance_next(&g->chance) >> 28);
}

/* What the ledger must never be given stops here: it is the generator that is wrong. */
static void must_be_well_formed(const struct script *s, const struct command *c)
{
    struct fault fault;

    if (command_check(c, &fault) != 0) {
        fprintf(stderr, "model: seed %llu made a bad %s: %s\n", (unsigned long long)s->seed,
                command_type_name(c->type), fault.text);
        exit(1);
    }
}

void script_generate(struct script *s, uint64_t seed, size_t n)
{
    struct generator g = {.script = s, .chance = {seed}};
    struct command c;
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

        step->time_ms = i > 0 && !step[-1].ends_entry ? step[-1].time_ms : next_time(&g);
        /* Some of the world comes late: its players are unknown until then. */
        if ((i < 5 || generator_percent(&g, 60)) && generator_world(&g, (unsigned)world, &c)) {
            generator_actor(&g, &c);
            c.origin = ++g.origin;
            step->command = g.made[g.n_made++] = generator_keep(&g, &c);
            world++;
        } else {
            step->command = next_command(&g);
        }
        must_be_well_formed(s, step->command);
        step->before = before_step(&g);
        step->ends_entry = i + 1 == n || chance_in(&g.chance, 1, g.commands_per_entry);
    }
    free(g.made);
}
