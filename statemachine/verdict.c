#include "statemachine/verdict.h"

#include <stddef.h>

struct verdict_entry {
    enum verdict verdict;
    int status;
    const char *code;
    const char *title;
};

static const struct verdict_entry verdicts[] = {
    {VERDICT_APPLIED, 200, "applied", "The transaction was applied."},
    {VERDICT_TOMBSTONE, 200, "tombstone",
     "There was nothing to roll back; the original is refused if it comes later."},
    {VERDICT_INSUFFICIENT_FUNDS, 422, "insufficient_funds",
     "The player's balance is lower than the amount."},
    {VERDICT_CURRENCY_MISMATCH, 422, "currency_mismatch",
     "The player does not hold this currency, or the original is in another one."},
    {VERDICT_PLAYER_MISMATCH, 422, "player_mismatch", "The original belongs to another player."},
    {VERDICT_NOT_REVERSIBLE, 422, "not_reversible",
     "Only a bet or a win can be rolled back; the original is neither."},
    {VERDICT_BALANCE_OVERFLOW, 422, "balance_overflow",
     "An account's balance would become too large to be kept."},
    {VERDICT_PLAYER_BLOCKED, 422, "player_blocked", "The player is blocked."},
    {VERDICT_ROLLED_BACK, 409, "rolled_back",
     "This id was rolled back before the transaction arrived."},
    {VERDICT_SESSION_EXPIRED, 422, "session_expired", "The session is over, or was closed."},
    {VERDICT_LIMIT_REACHED, 422, "limit_reached", "A limit of the player would be exceeded."},
    {VERDICT_ROUND_CLOSED, 409, "round_closed", "The round is closed: it takes no more bets."},
    {VERDICT_CURRENCY_NOT_ALLOWED, 422, "currency_not_allowed",
     "The provider or gateway may not use this currency."},
    {VERDICT_SELF_EXCLUDED, 422, "self_excluded", "The player is self-excluded."},
    {VERDICT_IDEMPOTENCY_CONFLICT, 409, "idempotency_conflict",
     "This id was used before for a transaction with other content."},
    {VERDICT_ALREADY_EXISTS, 409, "already_exists", "The name is taken."},
    {VERDICT_BAD_AMOUNT, 400, "bad_amount",
     "The amount is zero, too large, or has more digits after the point than its currency."},
    {VERDICT_UNKNOWN_PLAYER, 404, "unknown_player", "There is no such player."},
    {VERDICT_UNKNOWN_CURRENCY, 404, "unknown_currency", "There is no such currency."},
    {VERDICT_UNKNOWN_PROVIDER, 404, "unknown_provider", "There is no such provider."},
    {VERDICT_UNKNOWN_GATEWAY, 404, "unknown_gateway", "There is no such gateway."},
    {VERDICT_UNKNOWN_TRANSACTION, 404, "unknown_transaction", "There is no such transaction."},
    {VERDICT_UNKNOWN_KEY, 404, "unknown_key", "There is no such key."},
    {VERDICT_UNKNOWN_SESSION, 404, "unknown_session", "There is no such session."},
    {VERDICT_UNKNOWN_ROUND, 404, "unknown_round", "There is no such round."},
    {VERDICT_HOLD_CLOSED, 409, "hold_closed",
     "The withdrawal was confirmed or cancelled before, or is over."},
    {VERDICT_FORBIDDEN_CHANGE, 409, "self_excluded",
     "A self-exclusion can be neither ended nor shortened before its time."},
    {VERDICT_IDS_SCOPE_FIXED, 409, "ids_scope_fixed",
     "Where a provider's or gateway's ids are unique is decided when it is created, for ever."},
};

static const struct verdict_entry *find(unsigned v)
{
    size_t i;

    for (i = 0; i < sizeof verdicts / sizeof *verdicts; i++) {
        if ((unsigned)verdicts[i].verdict == v) {
            return &verdicts[i];
        }
    }
    return NULL;
}

bool verdict_is_success(enum verdict v)
{
    return v == VERDICT_APPLIED || v == VERDICT_TOMBSTONE;
}

bool verdict_is_recorded(enum verdict v)
{
    return v < VERDICT_IDEMPOTENCY_CONFLICT && verdict_known(v);
}

bool verdict_known(unsigned v)
{
    return find(v) != NULL;
}

int verdict_status(enum verdict v)
{
    const struct verdict_entry *e = find(v);

    return e == NULL ? 500 : e->status;
}

const char *verdict_code(enum verdict v)
{
    const struct verdict_entry *e = find(v);

    return e == NULL ? "unknown_verdict" : e->code;
}

const char *verdict_title(enum verdict v)
{
    const struct verdict_entry *e = find(v);

    return e == NULL ? "An answer that this version does not know." : e->title;
}

const char *conflict_field_name(int i)
{
    static const char *const names[CONFLICT_FIELDS] = {
        "type", "player",   "currency", "amount", "round", "game",        "session",
        "bet",  "original", "gateway",  "kind",   "items", "close_round", "expires_s"};

    return i < 0 || i >= CONFLICT_FIELDS ? "unknown" : names[i];
}
