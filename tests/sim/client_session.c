/* Sessions: opened, closed, named by bets. They leave no record in the ledger, so what became of
 * one is remembered from its answers, and from what the first node that applied it said of it. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/client_private.h"

static struct session_intent *session_add(struct clients *c)
{
    if (c->n_sessions == c->cap_sessions) {
        c->cap_sessions = c->cap_sessions == 0 ? 64 : c->cap_sessions * 2;
        c->sessions = realloc(c->sessions, c->cap_sessions * sizeof *c->sessions);
        if (c->sessions == NULL) {
            abort();
        }
    }
    memset(&c->sessions[c->n_sessions], 0, sizeof c->sessions[0]);
    return &c->sessions[c->n_sessions++];
}

bool sessions_choose(struct world *w, uint64_t *number)
{
    struct clients *c = w->clients;
    uint64_t back = random_below(&w->random, 12);

    if (back >= c->n_sessions || !c->sessions[c->n_sessions - 1 - back].opened) {
        return false;
    }
    *number = c->n_sessions - 1 - back;
    return true;
}

void session_name(uint64_t number, char name[static 24])
{
    snprintf(name, 24, "s%llu", (unsigned long long)number);
}

/* One more session, or the end of one that is known to be open. */
void sessions_ask(struct world *w, struct attempt *a, struct command *command, char name[static 24],
                  char player[static 16], uint8_t token[static SECRET_HASH_BYTES])
{
    struct clients *c = w->clients;

    *a = (struct attempt){.end = COMMAND_SESSION_CLOSE};
    if (!random_chance(&w->random, 400) || !sessions_choose(w, &a->session)) {
        struct session_intent *s = session_add(c);
        s->player = (uint32_t)random_below(&w->random, SIM_PLAYERS);
        a->session = c->n_sessions - 1;
        a->end = COMMAND_SESSION_OPEN;
        command->principal = slice_of("games");
        snprintf(player, 16, "player%u", s->player);
        command->player = slice_of(player);
        memset(token, 0, SECRET_HASH_BYTES);
        memcpy(token, &a->session, sizeof a->session);
        command->token_hash = token;
        command->ttl_s = (uint32_t)random_between(&w->random, 1, 60);
    }
    command->type = a->end;
    session_name(a->session, name);
    command->name = slice_of(name);
}

static int number_of(const struct clients *c, const struct session_info *s, uint64_t *number)
{
    char name[24];

    for (*number = c->n_sessions; *number > 0; (*number)--) {
        session_name(*number - 1, name);
        if (slice_equal(s->id, slice_of(name))) {
            --*number;
            return 0;
        }
    }
    return -1;
}

/* What an answer says fits what was said before. */
static void take(struct world *w, uint64_t number, const struct session_info *s, bool must_be_over)
{
    const struct session_intent *known = &w->clients->sessions[number];

    if ((uint32_t)check_player(s->player) != known->player || !known->applied ||
        s->expires_at_ms != known->expires_at_ms || (must_be_over && s->closed_at_ms == 0)) {
        world_fail(w, "session s%llu is answered as %s of %.*s", (unsigned long long)number,
                   s->closed_at_ms == 0 ? "open" : "closed", (int)s->player.len, s->player.base);
    }
}

void session_answered(struct world *w, const struct attempt *a, const struct outcome *o)
{
    struct session_intent *known = &w->clients->sessions[a->session];
    uint64_t number;

    if (!verdict_is_success(o->verdict) || !o->has_session ||
        number_of(w->clients, &o->session, &number) != 0 || number != a->session) {
        world_fail(w, "the %s of session s%llu is answered %s", command_type_name(a->end),
                   (unsigned long long)a->session, verdict_code(o->verdict));
        return;
    }
    take(w, number, &o->session, a->end == COMMAND_SESSION_CLOSE);
    known->opened = true;
    known->closed = known->closed || a->end == COMMAND_SESSION_CLOSE;
    w->hash = mix(w->hash, mix(number, o->session.expires_at_ms));
}

void session_read(struct world *w, const struct client *c, const struct answer *a,
                  bool linearizable)
{
    if (!linearizable && a->verdict == VERDICT_UNKNOWN_SESSION) {
        return; /* not here yet */
    }
    if (a->verdict != VERDICT_APPLIED) {
        world_fail(w, "session s%llu has disappeared: %s", (unsigned long long)c->about,
                   verdict_code(a->verdict));
        return;
    }
    take(w, c->about, &a->session, linearizable && c->about_decided);
}

/* ---- the ledger's side ---- */

void clients_session(struct world *w, const struct session_info *s)
{
    struct session_intent *known;
    uint64_t number;

    if (number_of(w->clients, s, &number) != 0) {
        world_fail(w, "session %.*s was opened by nobody", (int)s->id.len, s->id.base);
        return;
    }
    known = &w->clients->sessions[number];
    if (!known->applied) {
        known->applied = true;
        known->expires_at_ms = s->expires_at_ms;
    }
    if (known->over && s->closed_at_ms == 0) {
        world_fail(w, "session s%llu is open again", (unsigned long long)number);
    }
    known->over = s->closed_at_ms != 0;
}

bool clients_session_over(const struct world *w, struct slice name, uint64_t at_ms)
{
    const struct clients *c = w->clients;
    uint64_t number;

    return number_of(c, &(struct session_info){.id = name}, &number) != 0 ||
           !c->sessions[number].applied || c->sessions[number].over ||
           c->sessions[number].expires_at_ms <= at_ms;
}
