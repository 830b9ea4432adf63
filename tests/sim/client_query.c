#include "tests/sim/client_private.h"

#include <stdio.h>

enum { PAGE = 5 };

void queries_ask(struct world *w, struct client *c)
{
    struct random *r = &w->random;
    bool stale = random_chance(r, 150);
    struct query *q = &c->query;

    c->ticket = ticket_new(stale ? TICKET_STALE_QUERY : TICKET_QUERY);
    *q = (struct query){.type = QUERY_HEAD};
    switch (random_below(r, 6)) {
    case 0:
        q->type = QUERY_BALANCES;
        snprintf(c->player, sizeof c->player, "player%u", (unsigned)random_below(r, SIM_PLAYERS));
        q->player = slice_of(c->player);
        break;
    case 1:
        if (w->clients->n_intents > 0) {
            q->type = QUERY_TRANSACTION;
            c->about = random_below(r, w->clients->n_intents);
            c->about_decided = w->clients->intents[c->about].decided;
            snprintf(c->id, sizeof c->id, "t%llu", (unsigned long long)c->about);
            q->id = slice_of(c->id);
            q->principal = w->clients->intents[c->about].type == COMMAND_DEPOSIT ||
                                   w->clients->intents[c->about].type == COMMAND_WITHDRAW
                               ? slice_of("bank")
                               : slice_of("games");
        }
        break;
    case 2:
        q->type = QUERY_LEDGER;
        q->seq = 1 + random_below(r, w->check->n_ledger + 1);
        q->limit = PAGE;
        break;
    case 3:
        q->type = QUERY_HISTORY;
        snprintf(c->player, sizeof c->player, "player%u", (unsigned)random_below(r, SIM_PLAYERS));
        q->player = slice_of(c->player);
        q->limit = PAGE;
        break;
    case 4:
        if (sessions_choose(w, &c->about)) {
            q->type = QUERY_SESSION;
            c->about_decided = w->clients->sessions[c->about].closed;
            session_name(c->about, c->id);
            q->name = slice_of(c->id);
        }
        break;
    default:
        break;
    }
    query_encode(q, &c->ticket->in);
}

/* Whoever reads later must see as much. */
static void seen(struct check *check, uint64_t seq)
{
    check->acknowledged = seq > check->acknowledged ? seq : check->acknowledged;
}

static void head_answered(struct world *w, const struct answer *a, bool linearizable, uint64_t low)
{
    struct check *check = w->check;

    if (a->seq < low || a->seq > check->n_ledger) {
        world_fail(w, "a read shows the ledger as of %llu; it was asked after %llu",
                   (unsigned long long)a->seq, (unsigned long long)low);
        return;
    }
    if (a->seq > 0 && memcmp(a->hash, check->ledger[a->seq - 1].hash, HASH_BYTES) != 0) {
        world_fail(w, "a read shows another head at %llu", (unsigned long long)a->seq);
    }
    if (linearizable) {
        seen(check, a->seq);
    }
}

static void balances_answered(struct world *w, struct client *c, const struct answer *a,
                              bool linearizable, uint64_t low)
{
    int player = check_player(c->query.player);
    uint64_t as_of;
    int64_t balance = a->n_balances == 0 ? 0 : a->balances[0].balance_minor;

    if (!linearizable && a->verdict == VERDICT_UNKNOWN_PLAYER) {
        return; /* not here yet */
    }
    if (a->verdict != VERDICT_APPLIED) {
        world_fail(w, "%s has disappeared: %s", c->player, verdict_code(a->verdict));
        return;
    }
    if (a->n_balances > 1 ||
        !check_balance(w->check, (uint32_t)player, balance, low, w->check->n_ledger, &as_of)) {
        world_fail(w, "%s is read with %lld, which it never had since record %llu", c->player,
                   (long long)balance, (unsigned long long)low);
    } else if (linearizable) {
        seen(w->check, as_of);
    }
}

/* The player's newest record up to there; 0: none. */
static uint64_t newest_of(const struct check *check, int player, uint64_t seq)
{
    while (seq > 0 && check->ledger[seq - 1].player != (uint32_t)player) {
        seq--;
    }
    return seq;
}

/* How the record fits what was asked for, and the one shown before it (0: the first). */
static bool belongs(const struct world *w, const struct client *c, const struct record *r,
                    uint64_t before, uint64_t low)
{
    switch (c->query.type) {
    case QUERY_TRANSACTION:
        return before == 0 && slice_equal(r->id, c->query.id) &&
               slice_equal(r->principal, c->query.principal);
    case QUERY_LEDGER:
        return r->seq == (before == 0 ? c->query.seq : before + 1);
    default: /* a player's, newest first, none left out */
        return slice_equal(r->player, c->query.player) &&
               (before == 0 ? r->seq >= newest_of(w->check, check_player(r->player), low)
                            : r->seq == newest_of(w->check, check_player(r->player), before - 1));
    }
}

/* Everything up to `low` was known when it was asked. */
static bool too_few(const struct world *w, const struct client *c, unsigned n, uint64_t low)
{
    switch (c->query.type) {
    case QUERY_TRANSACTION:
        return c->about_decided && n == 0;
    case QUERY_LEDGER:
        return n < PAGE && c->query.seq + n <= low;
    default:
        return n == 0 && newest_of(w->check, check_player(c->query.player), low) != 0;
    }
}

static void records_answered(struct world *w, struct client *c, struct answer *a, bool linearizable,
                             uint64_t low)
{
    struct record record;
    struct fault fault;
    unsigned n = 0;
    uint64_t before = 0;
    int rv;

    while ((rv = answer_next_record(a, &record, &fault)) == 1) {
        n++;
        if (record.seq > w->check->n_ledger ||
            memcmp(record.hash, w->check->ledger[record.seq - 1].hash, HASH_BYTES) != 0 ||
            !belongs(w, c, &record, before, low)) {
            world_fail(w, "record %llu is read as something else", (unsigned long long)record.seq);
            return;
        }
        before = record.seq;
        if (linearizable) {
            seen(w->check, record.seq);
        }
    }
    if (rv < 0) {
        world_fail(w, "an answer can't be read: %s", fault.text);
    }
    if (linearizable && too_few(w, c, n, low)) {
        world_fail(w, "a read of kind %u shows %u records; %llu was known", (unsigned)c->query.type,
                   n, (unsigned long long)low);
    }
}

void queries_answered(struct world *w, struct client *c)
{
    bool linearizable = c->ticket->kind == TICKET_QUERY;
    uint64_t low = linearizable ? c->acknowledged : 0;
    struct answer a;
    struct fault fault;

    if (answer_decode(c->ticket->out.base, c->ticket->out.len, &a, &fault) != 0) {
        world_fail(w, "an answer can't be read: %s", fault.text);
        return;
    }
    w->check->reads++;
    w->hash = mix_bytes(w->hash, c->ticket->out.base, c->ticket->out.len);
    switch (c->query.type) {
    case QUERY_HEAD:
        head_answered(w, &a, linearizable, low);
        break;
    case QUERY_BALANCES:
        balances_answered(w, c, &a, linearizable, low);
        break;
    case QUERY_SESSION:
        session_read(w, c, &a, linearizable);
        break;
    default:
        records_answered(w, c, &a, linearizable, low);
        break;
    }
}
