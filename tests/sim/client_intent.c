#include "tests/sim/client_private.h"

#include <stdio.h>
#include <stdlib.h>

static struct intent *intent_new(struct world *w)
{
    struct clients *c = w->clients;
    struct random *r = &w->random;
    static const enum command_type types[] = {COMMAND_BET,     COMMAND_BET, COMMAND_WIN,
                                              COMMAND_DEPOSIT, COMMAND_BET, COMMAND_ROLLBACK};
    struct intent *i;

    if (c->n_intents == c->cap_intents) {
        c->cap_intents = c->cap_intents == 0 ? 1024 : c->cap_intents * 2;
        c->intents = realloc(c->intents, c->cap_intents * sizeof *c->intents);
        if (c->intents == NULL) {
            abort();
        }
    }
    i = &c->intents[c->n_intents++];
    memset(i, 0, sizeof *i);
    i->type = types[random_below(r, 6)];
    i->player = (uint32_t)random_below(r, SIM_PLAYERS);
    i->amount_minor = (int64_t)random_between(r, 1, 5000);
    /* Also ids that come later: their rollback leaves a tombstone. */
    i->original = random_below(r, c->n_intents + 3);
    return i;
}

int intent_of(struct slice id, uint64_t *intent)
{
    size_t i;

    if (id.len < 2 || id.len > 12 || id.base[0] != 't') {
        return -1;
    }
    *intent = 0;
    for (i = 1; i < id.len; i++) {
        if (id.base[i] < '0' || id.base[i] > '9') {
            return -1;
        }
        *intent = *intent * 10 + (uint64_t)(id.base[i] - '0');
    }
    return 0;
}

static void add_command(struct client *c, const struct command *command)
{
    struct bytes encoded;

    bytes_init(&encoded);
    command_encode(command, &encoded);
    frame_append(&c->ticket->in, encoded.base, encoded.len);
    c->ticket->n_commands++;
    bytes_release(&encoded);
}

static void add_intent(struct client *c, uint64_t number, const struct intent *i, uint64_t origin,
                       bool conflicting)
{
    struct command command = {.type = i->type, .origin = origin};
    char id[24], player[16], original[24];

    snprintf(id, sizeof id, "t%llu", (unsigned long long)number);
    snprintf(player, sizeof player, "player%u", i->player);
    snprintf(original, sizeof original, "t%llu", (unsigned long long)i->original);
    command.principal = slice_of("games");
    command.id = slice_of(id);
    command.player = slice_of(player);
    command.currency = slice_of("EUR");
    if (i->type == COMMAND_ROLLBACK) {
        command.original = slice_of(original);
    } else {
        command.amount = (struct decimal){i->amount_minor, 2};
    }
    if (conflicting && i->type == COMMAND_ROLLBACK) {
        command.round = slice_of("other");
        command.original = slice_of("another");
        command.round = slice_of("");
    } else if (conflicting) {
        command.amount.digits++;
    }
    if (i->type == COMMAND_DEPOSIT) {
        command.principal = slice_of("bank");
        command.gateway = slice_of("bank");
    }
    add_command(c, &command);
}

static void add_attempt(struct world *w, struct client *c, uint64_t origin)
{
    struct clients *all = w->clients;
    struct attempt *a = &c->attempts[c->n_attempts];
    struct intent *i;

    *a = (struct attempt){.intent = all->n_intents};
    if (all->n_intents > 0 && random_chance(&w->random, 250)) {
        /* Once more, more likely something recent. */
        uint64_t back = random_below(&w->random, random_chance(&w->random, 700) ? 20 : 2000);
        a->intent = back < all->n_intents ? all->n_intents - 1 - back : 0;
        i = &all->intents[a->intent];
        a->decided_earlier = i->decided;
        a->conflicting = i->decided && random_chance(&w->random, 200);
    } else {
        i = intent_new(w);
    }
    if (!a->conflicting) {
        i->attempts++;
        i->open++;
    }
    add_intent(c, a->intent, i, origin, a->conflicting);
    c->n_attempts++;
}

void intents_ask(struct world *w, struct client *c)
{
    uint64_t origin = random_next(&w->random) | 1;
    unsigned n =
        random_chance(&w->random, 800) ? 1 : (unsigned)random_between(&w->random, 2, BATCH_MAX);

    c->ticket = ticket_new(TICKET_COMMANDS);
    while (n-- > 0) {
        add_attempt(w, c, origin);
    }
}

void intents_setup(struct world *w, struct client *c)
{
    struct command command = {.origin = 1};
    char player[16];
    unsigned i;

    (void)w;
    c->ticket = ticket_new(TICKET_COMMANDS);
    c->setup = true;
    command.type = COMMAND_CURRENCY_CREATE;
    command.name = slice_of("EUR");
    command.scale = 2;
    add_command(c, &command);
    command = (struct command){.type = COMMAND_PRINCIPAL_CREATE, .origin = 1};
    command.name = slice_of("games");
    command.role = ROLE_PROVIDER;
    add_command(c, &command);
    command.name = slice_of("bank");
    command.role = ROLE_GATEWAY;
    add_command(c, &command);
    for (i = 0; i < SIM_PLAYERS; i++) {
        snprintf(player, sizeof player, "player%u", i);
        command = (struct command){.type = COMMAND_PLAYER_CREATE, .origin = 1};
        command.player = slice_of(player);
        add_command(c, &command);
    }
}

/* ---- answers ---- */

static void remember(struct world *w, struct intent *i, const struct outcome *o, uint64_t number)
{
    const struct record *r = &o->record;
    const struct check *check = w->check;

    if (r->seq == 0 || r->seq > check->n_ledger ||
        memcmp(r->hash, check->ledger[r->seq - 1].hash, HASH_BYTES) != 0) {
        world_fail(w, "t%llu is answered with record %llu, which is not in the ledger",
                   (unsigned long long)number, (unsigned long long)r->seq);
        return;
    }
    if (i->decided && (i->seq != r->seq || memcmp(i->hash, r->hash, HASH_BYTES) != 0)) {
        world_fail(w, "t%llu was decided at %llu, now at %llu", (unsigned long long)number,
                   (unsigned long long)i->seq, (unsigned long long)r->seq);
    }
    i->decided = true;
    i->seq = r->seq;
    memcpy(i->hash, r->hash, HASH_BYTES);
    if (r->seq > w->check->acknowledged) {
        w->check->acknowledged = r->seq;
    }
}

static void take_outcome(struct world *w, struct client *c, const struct attempt *a,
                         const struct outcome *o)
{
    struct intent *i = &w->clients->intents[a->intent];
    uint64_t found;

    if (a->conflicting) {
        if (o->verdict != VERDICT_IDEMPOTENCY_CONFLICT) {
            world_fail(w, "t%llu with another content is answered %s",
                       (unsigned long long)a->intent, verdict_code(o->verdict));
        }
        return;
    }
    i->open--;
    if (!o->has_record || intent_of(o->record.id, &found) != 0 || found != a->intent) {
        world_fail(w, "t%llu is answered %s with the record of %.*s", (unsigned long long)a->intent,
                   verdict_code(o->verdict), o->has_record ? (int)o->record.id.len : 4,
                   o->has_record ? o->record.id.base : "none");
        return;
    }
    if (o->replayed ? i->attempts == 1 : a->decided_earlier) {
        world_fail(w, "t%llu is answered as %s", (unsigned long long)a->intent,
                   o->replayed ? "replayed, and was never tried before"
                               : "new, and was answered before");
    }
    if (!check_balance(w->check, i->player, o->balance_now_minor, c->acknowledged,
                       w->check->n_ledger)) {
        world_fail(w, "t%llu is answered with a balance that nobody had",
                   (unsigned long long)a->intent);
    }
    remember(w, i, o, a->intent);
    w->hash = mix(w->hash, mix(a->intent, i->seq));
}

void intents_answered(struct world *w, struct client *c)
{
    struct cursor frames = cursor_of(c->ticket->out.base, c->ticket->out.len);
    struct slice frame;
    struct outcome o;
    struct fault fault;
    unsigned n = 0;

    while (frame_next(&frames, &frame)) {
        if (outcome_decode(frame.base, frame.len, &o, &fault) != 0) {
            world_fail(w, "an outcome can't be read: %s", fault.text);
            return;
        }
        if (c->setup && !verdict_is_success(o.verdict)) {
            world_fail(w, "set-up: %s", verdict_code(o.verdict));
        } else if (!c->setup && n < c->n_attempts) {
            take_outcome(w, c, &c->attempts[n], &o);
        }
        n++;
    }
    if (frames.failed || n != c->ticket->n_commands) {
        world_fail(w, "%u commands were answered with %u outcomes", c->ticket->n_commands, n);
    }
    w->clients->ready = w->clients->ready || c->setup;
}

/* It was promised that it will never be applied. */
static void must_be_absent(struct world *w, uint64_t number)
{
    struct intent *i = &w->clients->intents[number];

    if (i->recorded_seq != 0 && i->attempts == 0) {
        world_fail(w, "t%llu was answered as certainly not applied, and is record %llu",
                   (unsigned long long)number, (unsigned long long)i->recorded_seq);
    }
}

void intents_unanswered(struct world *w, struct client *c, enum ticket_result result)
{
    bool certain = result != RESULT_UNKNOWN;
    unsigned n;

    for (n = 0; n < c->n_attempts; n++) {
        const struct attempt *a = &c->attempts[n];
        struct intent *i = &w->clients->intents[a->intent];
        if (a->conflicting) {
            continue;
        }
        i->open--;
        if (certain) {
            i->attempts--;
            must_be_absent(w, a->intent);
        }
    }
}

/* ---- the ledger's side ---- */

void clients_recorded(struct world *w, const struct record *r)
{
    struct clients *c = w->clients;
    uint64_t number;
    struct intent *i;

    if (intent_of(r->id, &number) != 0 || number >= c->n_intents) {
        world_fail(w, "record %llu has an id that nobody gave", (unsigned long long)r->seq);
        return;
    }
    i = &c->intents[number];
    if (i->recorded_seq != 0) {
        world_fail(w, "t%llu is in the ledger twice: %llu and %llu", (unsigned long long)number,
                   (unsigned long long)i->recorded_seq, (unsigned long long)r->seq);
    }
    i->recorded_seq = r->seq;
    must_be_absent(w, number);
    if (r->type != i->type || (uint32_t)check_player(r->player) != i->player) {
        world_fail(w, "t%llu is in the ledger with another content", (unsigned long long)number);
    }
}

void clients_end(struct world *w)
{
    struct clients *c = w->clients;
    uint64_t number;

    for (number = 0; number < c->n_intents; number++) {
        const struct intent *i = &c->intents[number];
        if (i->decided && i->recorded_seq != i->seq) {
            world_fail(w, "t%llu was acknowledged as record %llu, and is %llu",
                       (unsigned long long)number, (unsigned long long)i->seq,
                       (unsigned long long)i->recorded_seq);
        }
    }
}
