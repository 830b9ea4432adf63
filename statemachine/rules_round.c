/* The rules of rounds: opened by the first applied bet or win that names them, closed on purpose.
 *
 * A round is keyed by provider, player and name, whatever the session or game. Closed, it takes no
 * more bets; wins and rollbacks come when they come. */
#include "statemachine/rules_money.h"

static int bet_rolled_back(struct money *m, struct fault *fault)
{
    const struct record *original = &m->original_record;
    struct round round;
    int rc;

    if (m->record.amount_minor == 0 || original->type != COMMAND_BET || original->round.len == 0) {
        return 0;
    }
    rc = state_round(m->state, original->principal, original->player, original->round, &round,
                     fault);
    /* Bets of before there were rounds have none. */
    if (rc == 1 && round.bets > 0) {
        round.bets--;
        state_put_round(m->state, original->principal, original->player, original->round, &round);
    }
    return rc < 0 ? -1 : 0;
}

int rules_round_booked(struct money *m, struct fault *fault)
{
    const struct record *r = &m->record;

    if (r->type == COMMAND_ROLLBACK) {
        return bet_rolled_back(m, fault);
    }
    if (r->round.len == 0 || (r->type != COMMAND_BET && r->type != COMMAND_WIN)) {
        return 0;
    }
    if (m->has_round && r->type == COMMAND_WIN) {
        return 0;
    }
    if (!m->has_round) {
        m->round = (struct round){.currency = r->currency, .opened_at_ms = m->state->clock_ms};
    }
    m->round.bets += r->type == COMMAND_BET ? 1 : 0;
    state_put_round(m->state, r->principal, r->player, r->round, &m->round);
    return 0;
}

int rules_round_end(struct state *s, const struct command *c, struct fault *fault)
{
    struct round round;
    int rc = state_round(s, c->principal, c->player, c->round, &round, fault);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0) { /* only rollbacks and adjustments named it: it opens and closes at once */
        round = (struct round){.currency = c->currency, .opened_at_ms = s->clock_ms};
    }
    if (round.closed_by == 0) {
        round.closed_by = s->seq;
        round.closed_at_ms = s->clock_ms;
        state_put_round(s, c->principal, c->player, c->round, &round);
    }
    return 0;
}

/* What it names; the round's currency is that of its record. */
static int named(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;
    int rc;

    if (m->principal.role != ROLE_PROVIDER) {
        *verdict = VERDICT_UNKNOWN_PROVIDER;
        return 0;
    }
    rc = state_player(m->state, c->player, &m->player, fault);
    if (rc < 1) {
        *verdict = VERDICT_UNKNOWN_PLAYER;
        return rc;
    }
    rc = state_round(m->state, c->principal, c->player, c->round, &m->round, fault);
    if (rc < 1) {
        *verdict = VERDICT_UNKNOWN_ROUND;
        return rc;
    }
    m->record.currency = m->round.currency;
    if (money_currency(m, m->round.currency, verdict, fault) != 0) {
        return -1;
    }
    return money_player(m, verdict, fault);
}

int rules_round_close(struct state *s, const struct command *c, struct decision *d,
                      struct fault *fault)
{
    enum verdict verdict = VERDICT_APPLIED;
    struct money m;
    int rc = money_begin_new(&m, s, c, named, d, fault);

    if (rc != 0) {
        return rc < 0 ? -1 : 0;
    }
    if (m.transaction.rolled_by != 0) {
        verdict = VERDICT_ROLLED_BACK;
    }
    if (money_book(&m, verdict, d, fault) != 0) {
        return -1;
    }
    return verdict == VERDICT_APPLIED ? rules_round_end(s, c, fault) : 0;
}
