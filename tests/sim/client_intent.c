#include "tests/sim/client_private.h"

#include <stdio.h>
#include <stdlib.h>

static struct intent *intent_add(struct clients *c)
{
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
    i->n_items = 1;
    return i;
}

/* Rounds come and go with time. A bet's session is one of its player's. */
static void choose_play(struct world *w, struct intent *i)
{
    struct random *r = &w->random;
    uint64_t newest = w->clients->n_intents / 20;
    uint64_t back = random_below(r, 3);

    if (i->type == COMMAND_ROUND_CLOSE ||
        ((i->type == COMMAND_BET || i->type == COMMAND_WIN) && random_chance(r, 400))) {
        i->round = 1 + (uint32_t)((newest > back ? newest - back : 0) % (SIM_ROUNDS - 1));
    }
    if (i->type == COMMAND_BET && random_chance(r, 300) && sessions_choose(w, &i->session)) {
        i->has_session = true;
        i->player = w->clients->sessions[i->session].player;
    }
}

static void intent_new(struct world *w)
{
    struct clients *c = w->clients;
    struct random *r = &w->random;
    static const enum command_type types[] = {COMMAND_BET, COMMAND_BET,        COMMAND_WIN,
                                              COMMAND_BET, COMMAND_DEPOSIT,    COMMAND_ROLLBACK,
                                              COMMAND_BET, COMMAND_WITHDRAW,   COMMAND_WIN,
                                              COMMAND_BET, COMMAND_ROUND_CLOSE};
    struct intent *i = intent_add(c);

    i->type = types[random_below(r, 11)];
    i->player = (uint32_t)random_below(r, SIM_PLAYERS);
    i->amount_minor = i->type == COMMAND_ROUND_CLOSE ? 0 : (int64_t)random_between(r, 1, 5000);
    choose_play(w, i);
    /* Also ids that come later: their rollback leaves a tombstone. */
    i->original = random_below(r, c->n_intents + 3);
}

/* The items of one atomic command, for one player. */
static void group_new(struct world *w)
{
    struct clients *c = w->clients;
    struct random *r = &w->random;
    unsigned n = (unsigned)random_between(r, 2, GROUP_MAX);
    uint64_t first = c->n_intents;
    unsigned at;

    for (at = 0; at < n; at++) {
        struct intent *i = intent_add(c);
        i->type = random_chance(r, 600) ? COMMAND_BET : COMMAND_WIN;
        i->player = at == 0 ? (uint32_t)random_below(r, SIM_PLAYERS) : c->intents[first].player;
        i->amount_minor = (int64_t)random_between(r, 1, 5000);
        i->back = at;
        i->n_items = at == 0 ? n : 0;
    }
}

int clients_number(struct slice id, uint64_t *number)
{
    size_t i;

    if (id.len < 2 || id.len > 24 || id.base[0] != 't') {
        return -1;
    }
    *number = 0;
    for (i = 1; i < id.len && id.base[i] != ':'; i++) {
        if (id.base[i] < '0' || id.base[i] > '9') {
            return -1;
        }
        *number = *number * 10 + (uint64_t)(id.base[i] - '0');
    }
    return 0;
}

int clients_round(struct slice name)
{
    int number = 0;
    size_t i;

    if (name.len == 0) {
        return 0;
    }
    if (name.len < 6 || name.len > 8 || memcmp(name.base, "round", 5) != 0) {
        return -1;
    }
    for (i = 5; i < name.len; i++) {
        number = number * 10 + (name.base[i] - '0');
    }
    return number > 0 && number < SIM_ROUNDS ? number : -1;
}

uint32_t clients_hold_s(uint64_t number)
{
    return 1 + (uint32_t)(number % 40);
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
    char id[24], player[16], original[24], round[16], session[24];

    snprintf(id, sizeof id, "t%llu", (unsigned long long)number);
    snprintf(player, sizeof player, "player%u", i->player);
    snprintf(original, sizeof original, "t%llu", (unsigned long long)i->original);
    command.principal = slice_of("games");
    command.id = slice_of(id);
    command.player = slice_of(player);
    command.currency = slice_of("EUR");
    if (i->type == COMMAND_ROLLBACK) {
        command.original = slice_of(original);
    } else if (i->type == COMMAND_ROUND_CLOSE) {
        command.currency = slice_of("");
    } else {
        command.amount = (struct decimal){i->amount_minor, 2};
    }
    if (i->round != 0) {
        snprintf(round, sizeof round, "round%u", i->round);
        command.round = slice_of(round);
    }
    if (i->has_session) {
        session_name(i->session, session);
        command.session = slice_of(session);
    }
    if (conflicting && i->type == COMMAND_ROLLBACK) {
        command.original = slice_of("another");
    } else if (conflicting && i->type == COMMAND_ROUND_CLOSE) {
        command.round = slice_of("another");
    } else if (conflicting) {
        command.amount.digits++;
    }
    if (i->type == COMMAND_DEPOSIT || i->type == COMMAND_WITHDRAW) {
        command.principal = slice_of("bank");
        command.gateway = slice_of("bank");
        command.expires_s = i->type == COMMAND_WITHDRAW ? clients_hold_s(number) : 0;
    }
    add_command(c, &command);
}

static void add_group(struct client *c, const struct clients *all, uint64_t first, uint64_t origin)
{
    struct command command = {.type = COMMAND_ATOMIC, .origin = origin};
    char ids[GROUP_MAX][24], player[16];
    unsigned at;

    snprintf(player, sizeof player, "player%u", all->intents[first].player);
    command.principal = slice_of("games");
    command.player = slice_of(player);
    command.currency = slice_of("EUR");
    command.n_items = (uint8_t)all->intents[first].n_items;
    for (at = 0; at < command.n_items; at++) {
        const struct intent *i = &all->intents[first + at];
        snprintf(ids[at], sizeof ids[at], "t%llu", (unsigned long long)(first + at));
        command.items[at] = (struct command_item){
            .type = i->type, .id = slice_of(ids[at]), .amount = {i->amount_minor, 2}};
    }
    add_command(c, &command);
}

static void add_end(struct client *c, const struct attempt *a, uint64_t origin)
{
    struct command command = {.type = a->end, .origin = origin};
    char original[24];

    snprintf(original, sizeof original, "t%llu", (unsigned long long)a->intent);
    command.principal = slice_of("bank");
    command.original = slice_of(original);
    add_command(c, &command);
}

/* Once more, more likely something recent; of an atomic command all of it. */
static uint64_t choose_again(struct world *w)
{
    struct clients *all = w->clients;
    uint64_t back = random_below(&w->random, random_chance(&w->random, 700) ? 20 : 2000);
    uint64_t number = back < all->n_intents ? all->n_intents - 1 - back : 0;

    return number - all->intents[number].back;
}

static void try_again(struct world *w, struct attempt *a)
{
    struct intent *i;
    unsigned at;

    a->intent = choose_again(w);
    i = &w->clients->intents[a->intent];
    if (i->type == COMMAND_WITHDRAW && random_chance(&w->random, 700)) {
        a->end =
            random_chance(&w->random, 500) ? COMMAND_WITHDRAW_CONFIRM : COMMAND_WITHDRAW_CANCEL;
        return;
    }
    for (at = 0; at < i->n_items; at++) {
        a->decided_earlier = a->decided_earlier || i[at].decided;
    }
    a->conflicting = i->n_items == 1 && i->decided && random_chance(&w->random, 200);
}

static void count_attempt(struct clients *all, const struct attempt *a, bool ended, bool counts)
{
    struct intent *i = &all->intents[a->intent];
    unsigned at;

    for (at = 0; !a->conflicting && a->end == 0 && at < i->n_items; at++) {
        i[at].open += ended ? -1U : 1;
        i[at].attempts += ended ? -(unsigned)counts : 1;
    }
}

static void add_session(struct world *w, struct client *c, struct attempt *a, uint64_t origin)
{
    struct command command = {.origin = origin};
    uint8_t token[SECRET_HASH_BYTES];
    char name[24], player[16];

    sessions_ask(w, a, &command, name, player, token);
    add_command(c, &command);
}

static void add_attempt(struct world *w, struct client *c, uint64_t origin)
{
    struct clients *all = w->clients;
    struct attempt *a = &c->attempts[c->n_attempts++];

    if (random_chance(&w->random, 60)) {
        add_session(w, c, a, origin);
        return;
    }

    *a = (struct attempt){.intent = all->n_intents};
    if (all->n_intents > 0 && random_chance(&w->random, 250)) {
        try_again(w, a);
        w->counts[a->conflicting ? COUNT_CONFLICT : COUNT_REPEAT] += a->end == 0;
    } else if (random_chance(&w->random, 100)) {
        group_new(w);
    } else {
        intent_new(w);
    }
    count_attempt(all, a, false, true);
    if (a->end != 0) {
        add_end(c, a, origin);
    } else if (all->intents[a->intent].n_items > 1) {
        add_group(c, all, a->intent, origin);
    } else {
        add_intent(c, a->intent, &all->intents[a->intent], origin, a->conflicting);
    }
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

/* An operator's: each leaves an action, once, however often a set-up is tried; what they come to is
 * held against each other at the end, with all of the state. */
static void add_operation(struct client *c, struct command *command, uint64_t origin)
{
    command->origin = origin;
    command->n_by = 1;
    command->by[0] = (struct actor){
        .principal = slice_of("operator"),
        .key = slice_of("key"),
        .address = slice_of("10.0.0.1"),
        .request = slice_of("setup"),
        .role = ROLE_OPERATOR,
        .node = 1,
    };
    add_command(c, command);
}

void intents_setup(struct world *w, struct client *c)
{
    struct command command = {.type = COMMAND_CURRENCY_CREATE};
    char player[16];
    unsigned i;

    (void)w;
    c->ticket = ticket_new(TICKET_COMMANDS);
    c->setup = true;
    command.name = slice_of("EUR");
    command.scale = 2;
    add_operation(c, &command, 1);
    command = (struct command){.type = COMMAND_PRINCIPAL_CREATE};
    command.name = slice_of("games");
    command.role = ROLE_PROVIDER;
    add_operation(c, &command, 2);
    command.name = slice_of("bank");
    command.role = ROLE_GATEWAY;
    add_operation(c, &command, 3);
    for (i = 0; i < SIM_PLAYERS; i++) {
        snprintf(player, sizeof player, "player%u", i);
        command = (struct command){.type = COMMAND_PLAYER_CREATE};
        command.player = slice_of(player);
        add_operation(c, &command, 4 + i);
    }
    command = (struct command){.type = COMMAND_ACTION, .id = slice_of("backup")};
    add_operation(c, &command, 4 + i);
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

/* The record of one intent, with its outcome. */
static void take_record(struct world *w, struct client *c, const struct attempt *a, uint64_t number,
                        const struct outcome *o)
{
    struct intent *i = &w->clients->intents[number];
    uint64_t found, as_of;
    uint64_t low = c->acknowledged;

    if (!o->has_record && o->verdict == VERDICT_UNKNOWN_ROUND && i->type == COMMAND_ROUND_CLOSE &&
        !ledger_has_round(w->check->rules, i->player, i->round, c->acknowledged)) {
        return; /* nothing is decided */
    }
    if (!o->has_record || clients_number(o->record.id, &found) != 0 || found != number) {
        world_fail(w, "t%llu is answered %s with the record of %.*s", (unsigned long long)number,
                   verdict_code(o->verdict), o->has_record ? (int)o->record.id.len : 4,
                   o->has_record ? o->record.id.base : "none");
        return;
    }
    if (o->replayed ? i->attempts == 1 : a->decided_earlier) {
        world_fail(w, "t%llu is answered as %s", (unsigned long long)number,
                   o->replayed ? "replayed, and was never tried before"
                               : "new, and was answered before");
    }
    /* What a repeat shows is not older than what it repeats. */
    low = o->record.seq > low && o->record.seq <= w->check->n_ledger ? o->record.seq : low;
    if (o->verdict != o->record.verdict || !check_balance(w->check, i->player, o->balance_now_minor,
                                                          low, w->check->n_ledger, &as_of)) {
        world_fail(w, "t%llu is answered with a verdict or balance that it never had",
                   (unsigned long long)number);
    }
    remember(w, i, o, number);
    w->hash = mix(w->hash, mix(number, i->seq));
}

/* Of a withdrawal's end: its record is made once, and the other end never. */
static void take_end(struct world *w, const struct attempt *a, const struct outcome *o)
{
    const struct intent *i = &w->clients->intents[a->intent];

    if (o->has_record
            ? i->ended_seq != o->record.seq || o->record.type != a->end
            : o->verdict != VERDICT_HOLD_CLOSED && o->verdict != VERDICT_UNKNOWN_TRANSACTION) {
        world_fail(w, "the end of withdrawal t%llu is answered %s", (unsigned long long)a->intent,
                   verdict_code(o->verdict));
    } else if (o->has_record && o->record.seq > w->check->acknowledged) {
        w->check->acknowledged = o->record.seq;
    }
}

/* All items, or the record of the one that was refused. */
static void take_group(struct world *w, struct client *c, const struct attempt *a,
                       struct outcome *o)
{
    const struct intent *first = &w->clients->intents[a->intent];
    struct outcome item;
    struct fault fault;
    unsigned at = 0;

    if (o->has_item) {
        take_record(w, c, a, a->intent + o->item, o);
        return;
    }
    while (outcome_next(o, &item, &fault) == 1 && at < first->n_items) {
        take_record(w, c, a, a->intent + at++, &item);
    }
    if (at != first->n_items) {
        world_fail(w, "the atomic command of t%llu is answered %s with %u items",
                   (unsigned long long)a->intent, verdict_code(o->verdict), at);
    }
}

static void take_outcome(struct world *w, struct client *c, const struct attempt *a,
                         struct outcome *o)
{
    if (a->end == COMMAND_SESSION_OPEN || a->end == COMMAND_SESSION_CLOSE) {
        session_answered(w, a, o);
        return;
    }
    if (a->end != 0) {
        take_end(w, a, o);
        return;
    }
    if (a->conflicting) {
        if (o->verdict != VERDICT_IDEMPOTENCY_CONFLICT) {
            world_fail(w, "t%llu with another content is answered %s",
                       (unsigned long long)a->intent, verdict_code(o->verdict));
        }
        return;
    }
    count_attempt(w->clients, a, true, false);
    if (w->clients->intents[a->intent].n_items > 1) {
        take_group(w, c, a, o);
    } else {
        take_record(w, c, a, a->intent, o);
    }
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
    unsigned n, at;

    for (n = 0; n < c->n_attempts; n++) {
        const struct attempt *a = &c->attempts[n];
        const struct intent *i = &w->clients->intents[a->intent];
        count_attempt(w->clients, a, true, certain);
        for (at = 0; certain && a->end == 0 && at < i->n_items; at++) {
            must_be_absent(w, a->intent + at);
        }
    }
}

/* ---- the ledger's side ---- */

void clients_recorded(struct world *w, const struct record *r)
{
    struct clients *c = w->clients;
    uint64_t number;
    struct intent *i;

    if (clients_number(r->id, &number) != 0 || number >= c->n_intents) {
        world_fail(w, "record %llu has an id that nobody gave", (unsigned long long)r->seq);
        return;
    }
    i = &c->intents[number];
    if (r->type == COMMAND_WITHDRAW_CONFIRM || r->type == COMMAND_WITHDRAW_CANCEL) {
        if (i->ended_seq != 0) {
            world_fail(w, "withdrawal t%llu ends twice", (unsigned long long)number);
        }
        i->ended_seq = r->seq;
        return;
    }
    if (i->recorded_seq != 0) {
        world_fail(w, "t%llu is in the ledger twice: %llu and %llu", (unsigned long long)number,
                   (unsigned long long)i->recorded_seq, (unsigned long long)r->seq);
    }
    i->recorded_seq = r->seq;
    must_be_absent(w, number);
    if (r->type != i->type || (uint32_t)check_player(r->player) != i->player ||
        clients_round(r->round) != (int)i->round || (r->session.len > 0) != i->has_session ||
        (i->type != COMMAND_ROLLBACK && r->requested_minor != i->amount_minor)) {
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
