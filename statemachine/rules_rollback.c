/* The rules of rollbacks.
 *
 * Guarantees: an original is reversed once, whatever id its rollback comes under; a rollback of
 * something that never moved leaves a tombstone, so that it can't move later; a win that is gone
 * already is made up by house:shortfall, so that the player stays at zero and the books balance.
 *
 * What is found under the original's id, in the order of the questions:
 *   the rollback itself, or neither bet nor win   not_reversible
 *   nothing                                       tombstone, and its place is marked
 *   a tombstone                                   tombstone, again
 *   another player's, or in another currency      player_mismatch, currency_mismatch: no mark
 *   a refusal                                     tombstone, and its place is marked
 *   reversed before                               applied, nothing moves
 *   a win, of which too little is available, by a
 *     provider whose policy is reject             insufficient_funds: no mark
 *   a bet or a win that moved                     reversed, and its place is marked
 *
 * What is held for a withdrawal is not there to be taken. Where ids are unique per player, another
 * player's transaction is nothing under that id: a rollback that names the wrong player leaves a
 * tombstone, at that player's. */
#include "statemachine/rules_money.h"

/* Moves the original's amount back. */
static int reverse(struct money *m, enum verdict *verdict, struct fault *fault)
{
    struct record *r = &m->record;
    struct account house = {ACCOUNT_HOUSE, slice_of("shortfall")};
    int64_t amount = r->requested_minor;
    int64_t there = purse_available(&m->purse);

    if (r->debit.kind == ACCOUNT_PLAYER && there < amount) {
        if (m->principal.policy.shortfall == SHORTFALL_REJECT) {
            *verdict = VERDICT_INSUFFICIENT_FUNDS;
            return 0;
        }
        amount = there;
    }
    if (money_plan(m, r->debit, r->credit, amount, verdict, fault) != 0 ||
        money_plan(m, house, r->credit, r->requested_minor - amount, verdict, fault) != 0) {
        return -1;
    }
    r->amount_minor = amount;
    m->marks_original = *verdict == VERDICT_APPLIED;
    return 0;
}

/* The original is there, as a record. */
static int of_record(struct money *m, const struct record *original, enum verdict *verdict,
                     struct fault *fault)
{
    struct record *r = &m->record;

    if (original->type != COMMAND_BET && original->type != COMMAND_WIN) {
        *verdict = VERDICT_NOT_REVERSIBLE;
        return 0;
    }
    if (original->type == COMMAND_WIN) {
        struct account provider = r->debit;

        r->debit = r->credit;
        r->credit = provider;
    }
    if (!slice_equal(original->player, r->player)) {
        *verdict = VERDICT_PLAYER_MISMATCH;
        return 0;
    }
    if (!slice_equal(original->currency, r->currency)) {
        *verdict = VERDICT_CURRENCY_MISMATCH;
        return 0;
    }
    r->requested_minor = original->amount_minor;
    if (original->verdict != VERDICT_APPLIED) {
        m->marks_original = m->original.rolled_by == 0;
        *verdict = VERDICT_TOMBSTONE;
        return 0;
    }
    if (m->original.rolled_by != 0 && !MUTANT(m->state, MUTANT_ROLLBACK_TWICE)) {
        return 0;
    }
    return reverse(m, verdict, fault);
}

int rules_rollback(struct money *m, enum verdict *verdict, struct fault *fault)
{
    const struct command *c = m->command;
    int rc;

    if (slice_equal(c->id, c->original)) {
        *verdict = VERDICT_NOT_REVERSIBLE;
        return 0;
    }
    rc = state_transaction(m->state, m->ids, c->original, &m->original, fault);
    if (rc < 0) {
        return -1;
    }
    if (rc == 0) {
        m->original = (struct transaction){0, 0, 0};
        m->marks_original = !MUTANT(m->state, MUTANT_LOSE_TOMBSTONE);
        *verdict = VERDICT_TOMBSTONE;
        return 0;
    }
    if (m->original.seq == 0) {
        *verdict = VERDICT_TOMBSTONE;
        return 0;
    }
    if (state_record(m->state, m->original.seq, &m->original_record, fault) != 0) {
        return -1;
    }
    return of_record(m, &m->original_record, verdict, fault);
}
