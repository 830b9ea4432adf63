#include "tests/sim/sim_ledger.h"

#include <stdlib.h>

#include "tests/sim/sim_check.h"
#include "tests/sim/sim_client.h"

/* What became of one id. Providers' ids and the bank's are two spaces: a rollback finds no deposit.
 */
struct decided {
    bool there;
    bool rolled; /* reversed, or a tombstone that came before it */
    enum command_type type;
    enum verdict verdict;
    uint32_t player;
    int64_t amount_minor;
};

struct hold {
    uint64_t number; /* its withdrawal's */
    int64_t amount_minor;
    uint64_t expires_at_ms;
};

struct round {
    uint64_t opened_seq; /* by the first bet or win that was applied; 0: not yet */
    bool closed;
};

struct ledger {
    struct round rounds[SIM_PLAYERS][SIM_ROUNDS];
    int64_t players_minor[SIM_PLAYERS];
    int64_t games_minor, bank_minor, shortfall_minor;
    struct hold holds[SIM_PLAYERS][64];
    size_t n_holds[SIM_PLAYERS];
    struct decided *ids;
    uint64_t cap_ids;
    uint64_t at_ms;
    uint8_t hash[HASH_BYTES];
};

/* What a record should say. */
struct expected {
    enum verdict verdict;
    int64_t to_player_minor; /* moves to the player; negative: from it */
    int64_t shortfall_minor; /* of the provider's, paid by the house */
};

struct ledger *ledger_new(void)
{
    struct ledger *l = calloc(1, sizeof *l);

    if (l == NULL) {
        abort();
    }
    return l;
}

void ledger_free(struct ledger *l)
{
    free(l->ids);
    free(l);
}

static struct decided *decided_of(struct ledger *l, uint64_t number)
{
    uint64_t wanted = l->cap_ids == 0 ? 256 : l->cap_ids;

    while (wanted <= number) {
        wanted *= 2;
    }
    if (wanted != l->cap_ids) {
        l->ids = realloc(l->ids, wanted * sizeof *l->ids);
        if (l->ids == NULL) {
            abort();
        }
        memset(l->ids + l->cap_ids, 0, (wanted - l->cap_ids) * sizeof *l->ids);
        l->cap_ids = wanted;
    }
    return &l->ids[number];
}

static bool of_bank(enum command_type type)
{
    return type == COMMAND_DEPOSIT || type == COMMAND_WITHDRAW;
}

/* ---- holds ---- */

static void settle(struct ledger *l, uint32_t player)
{
    size_t i, n = 0;

    for (i = 0; i < l->n_holds[player]; i++) {
        if (l->holds[player][i].expires_at_ms > l->at_ms) {
            l->holds[player][n++] = l->holds[player][i];
        }
    }
    l->n_holds[player] = n;
}

static int64_t available(const struct ledger *l, uint32_t player)
{
    int64_t minor = l->players_minor[player];
    size_t i;

    for (i = 0; i < l->n_holds[player]; i++) {
        minor -= l->holds[player][i].amount_minor;
    }
    return minor;
}

static struct hold *hold_of(struct ledger *l, uint32_t player, uint64_t number)
{
    size_t i;

    for (i = 0; i < l->n_holds[player]; i++) {
        if (l->holds[player][i].number == number) {
            return &l->holds[player][i];
        }
    }
    return NULL;
}

static void hold_drop(struct ledger *l, uint32_t player, struct hold *hold)
{
    *hold = l->holds[player][--l->n_holds[player]];
}

/* ---- what should be ---- */

static void expect_rollback(struct ledger *l, uint32_t player, uint64_t own, uint64_t original,
                            struct expected *e)
{
    struct decided *o = decided_of(l, original);
    int64_t there = available(l, player);

    if (own == original || (o->there && !of_bank(o->type) &&
                            (o->type == COMMAND_ROLLBACK || o->type == COMMAND_ROUND_CLOSE))) {
        e->verdict = VERDICT_NOT_REVERSIBLE;
    } else if (!o->there || of_bank(o->type)) {
        e->verdict = VERDICT_TOMBSTONE;
        o->rolled = o->rolled || !of_bank(o->type);
    } else if (o->player != player) {
        e->verdict = VERDICT_PLAYER_MISMATCH;
    } else if (o->verdict != VERDICT_APPLIED) {
        e->verdict = VERDICT_TOMBSTONE;
    } else if (!o->rolled) {
        o->rolled = true;
        e->to_player_minor = o->type == COMMAND_BET ? o->amount_minor : -o->amount_minor;
        if (o->type == COMMAND_WIN && there < o->amount_minor) {
            e->to_player_minor = -there;
            e->shortfall_minor = o->amount_minor - there;
        }
    }
}

static void expect_withdraw(struct ledger *l, uint32_t player, uint64_t number,
                            const struct record *r, struct expected *e)
{
    size_t n = l->n_holds[player];

    if (n == sizeof l->holds[player] / sizeof l->holds[player][0]) {
        e->verdict = VERDICT_LIMIT_REACHED;
    } else if (available(l, player) < r->requested_minor) {
        e->verdict = VERDICT_INSUFFICIENT_FUNDS;
    } else {
        l->holds[player][l->n_holds[player]++] = (struct hold){
            number, r->requested_minor, l->at_ms + UINT64_C(1000) * clients_hold_s(number)};
    }
}

/* A record of an end that finds no hold should not be: e->verdict says so, since an end that is
 * refused leaves no record. */
static void expect_end(struct ledger *l, uint32_t player, uint64_t number, const struct record *r,
                       struct expected *e)
{
    struct hold *hold = hold_of(l, player, number);

    if (hold == NULL) {
        e->verdict = VERDICT_HOLD_CLOSED;
        return;
    }
    if (r->type == COMMAND_WITHDRAW_CONFIRM) {
        e->to_player_minor = -hold->amount_minor;
    }
    hold_drop(l, player, hold);
}

/* A bet of a closed round or of a session that is over is refused, in this order. */
static enum verdict expect_play(const struct world *w, const struct ledger *l, uint32_t player,
                                const struct record *r)
{
    int round = clients_round(r->round);

    if (r->type == COMMAND_BET && r->session.len > 0 &&
        clients_session_over(w, r->session, r->at_ms)) {
        return VERDICT_SESSION_EXPIRED;
    }
    if (r->type == COMMAND_BET && round > 0 && l->rounds[player][round].closed) {
        return VERDICT_ROUND_CLOSED;
    }
    return VERDICT_APPLIED;
}

static void note_round(struct ledger *l, uint32_t player, const struct record *r)
{
    int number = clients_round(r->round);
    struct round *round = number > 0 ? &l->rounds[player][number] : NULL;

    if (round == NULL || r->verdict != VERDICT_APPLIED) {
        return;
    }
    if (r->type == COMMAND_ROUND_CLOSE) {
        round->closed = true;
    } else if (round->opened_seq == 0) {
        round->opened_seq = r->seq;
    }
}

bool ledger_has_round(const struct ledger *l, uint32_t player, uint32_t round, uint64_t seq)
{
    const struct round *found = &l->rounds[player][round];

    return found->opened_seq != 0 && found->opened_seq <= seq;
}

static struct expected expect(const struct world *w, struct ledger *l, uint32_t player,
                              uint64_t number, uint64_t original, const struct record *r)
{
    struct expected e = {.verdict = VERDICT_APPLIED};
    bool rolled = decided_of(l, number)->rolled && !of_bank(r->type);

    switch (r->type) {
    case COMMAND_WITHDRAW:
        expect_withdraw(l, player, number, r, &e);
        break;
    case COMMAND_WITHDRAW_CONFIRM:
    case COMMAND_WITHDRAW_CANCEL:
        expect_end(l, player, original, r, &e);
        break;
    case COMMAND_DEPOSIT:
        e.to_player_minor = r->requested_minor;
        break;
    default:
        if (rolled) {
            e.verdict = VERDICT_ROLLED_BACK;
        } else if (r->type == COMMAND_ROLLBACK) {
            expect_rollback(l, player, number, original, &e);
        } else if ((e.verdict = expect_play(w, l, player, r)) != VERDICT_APPLIED ||
                   r->type == COMMAND_ROUND_CLOSE) {
            break;
        } else if (r->type == COMMAND_WIN) {
            e.to_player_minor = r->requested_minor;
        } else if (available(l, player) < r->requested_minor) {
            e.verdict = VERDICT_INSUFFICIENT_FUNDS;
        } else {
            e.to_player_minor = -r->requested_minor;
        }
    }
    return e;
}

/* ---- what is ---- */

static int64_t *account_of(struct ledger *l, uint32_t player, const struct account *a)
{
    switch (a->kind) {
    case ACCOUNT_PLAYER:
        return (uint32_t)check_player(a->name) == player ? &l->players_minor[player] : NULL;
    case ACCOUNT_PROVIDER:
        return slice_equal(a->name, slice_of("games")) ? &l->games_minor : NULL;
    case ACCOUNT_GATEWAY:
        return slice_equal(a->name, slice_of("bank")) ? &l->bank_minor : NULL;
    case ACCOUNT_HOUSE:
        return slice_equal(a->name, slice_of("shortfall")) ? &l->shortfall_minor : NULL;
    }
    return NULL;
}

static const char *post(struct ledger *l, uint32_t player, const struct record *r)
{
    unsigned i;

    for (i = 0; i < r->n_postings; i++) {
        const struct posting *p = &r->postings[i];
        int64_t *from = account_of(l, player, &p->debit);
        int64_t *to = account_of(l, player, &p->credit);
        if (from == NULL || to == NULL || from == to || p->amount_minor <= 0) {
            return "a posting that nobody asked for";
        }
        *from -= p->amount_minor;
        *to += p->amount_minor;
        if (*from != p->debit_balance_minor || *to != p->credit_balance_minor) {
            return "a posting with a wrong balance";
        }
    }
    return NULL;
}

static const char *compare(struct ledger *l, uint32_t player, const struct record *r,
                           const struct expected *e)
{
    int64_t before = l->players_minor[player];
    int64_t shortfall = l->shortfall_minor;
    int64_t moved = e->to_player_minor < 0 ? -e->to_player_minor : e->to_player_minor;
    const char *wrong;

    if (r->verdict != e->verdict) {
        return verdict_code(r->verdict);
    }
    wrong = post(l, player, r);
    if (wrong != NULL) {
        return wrong;
    }
    if (l->players_minor[player] - before != e->to_player_minor ||
        shortfall - l->shortfall_minor != e->shortfall_minor ||
        (e->verdict == VERDICT_APPLIED && r->amount_minor != moved && moved != 0)) {
        return "another movement";
    }
    return l->players_minor[player] < 0                   ? "a balance below zero"
           : r->balance_minor != l->players_minor[player] ? "another balance"
                                                          : NULL;
}

void ledger_record(struct world *w, const struct record *r, bool of_refused)
{
    struct ledger *l = w->check->rules;
    uint32_t player = (uint32_t)check_player(r->player);
    uint64_t number = 0;
    uint64_t original = 0;
    struct expected e;
    const char *wrong;

    if (memcmp(r->prev_hash, l->hash, HASH_BYTES) != 0 || r->at_ms < l->at_ms) {
        world_fail(w, "record %llu does not continue the one before it: %s",
                   (unsigned long long)r->seq, r->at_ms < l->at_ms ? "time" : "hash");
        return;
    }
    memcpy(l->hash, r->hash, HASH_BYTES);
    l->at_ms = r->at_ms;
    (void)clients_number(r->id, &number);
    (void)clients_number(r->original, &original);
    settle(l, player);
    e = expect(w, l, player, number, original, r);
    if (of_refused && r->verdict == VERDICT_INSUFFICIENT_FUNDS) {
        e = (struct expected){.verdict = r->verdict};
    }
    if (r->type != COMMAND_WITHDRAW_CONFIRM && r->type != COMMAND_WITHDRAW_CANCEL) {
        struct decided *d = decided_of(l, number);
        *d = (struct decided){true, d->rolled, r->type, r->verdict, player, r->requested_minor};
    }
    note_round(l, player, r);
    wrong = compare(l, player, r, &e);
    if (wrong != NULL) {
        world_fail(w, "record %llu (%s of %.*s) should be %s, %lld to the player, and is: %s",
                   (unsigned long long)r->seq, command_type_name(r->type), (int)r->id.len,
                   r->id.base, verdict_code(e.verdict), (long long)e.to_player_minor, wrong);
    }
}
