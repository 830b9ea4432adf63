/* Each entry against the rules, decided a second time by a small and naive copy of them: the books
 * of a ledger may balance, and every answer fit it, while a bet that was given back still counts.
 *
 * Judged is what the workloads do: funds and holds, rollbacks and tombstones, rounds. Refusals for
 * other reasons are not. Ids are unique per principal here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "jepsen/check_private.h"

/* What is said of an entry of the ledger, from the entries before the present one. */
struct told {
    bool reversed; /* given back */
    bool ended;    /* a withdrawal: confirmed or cancelled */
};

struct rules {
    struct checking *k;
    struct told *told;        /* of seq, at [seq - 1] */
    uint64_t *rollbacks;      /* open addressing, by original: seq or zero */
    uint64_t *closings;       /* open addressing, by player and round: seq or zero */
    size_t mask;              /* of both */
    uint64_t *newest_hold;    /* of each account: seq of its newest withdrawal, or zero */
    uint64_t *hold_before;    /* of withdrawal seq, at [seq - 1]: the account's one before it */
    const struct record *now; /* the present one */
};

static void *must(void *memory)
{
    if (memory == NULL) {
        fputs("out of memory while checking\n", stderr);
        abort();
    }
    return memory;
}

/* FNV-1a. */
static size_t hash_of(const struct slice *texts, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (size_t t = 0; t < n; t++) {
        for (size_t i = 0; i < texts[t].len; i++) {
            h = (h ^ (unsigned char)texts[t].base[i]) * UINT64_C(0x100000001b3);
        }
        h = (h ^ ' ') * UINT64_C(0x100000001b3);
    }
    return (size_t)(h ^ h >> 29);
}

/* The place of the first entry with the same names, or the free one where it belongs. */
static uint64_t *rollback_of(struct rules *in, struct slice principal, struct slice original)
{
    const struct slice names[] = {principal, original};
    size_t at = hash_of(names, 2) & in->mask;
    struct record r;

    for (; in->rollbacks[at] != 0; at = (at + 1) & in->mask) {
        ledger_record(in->k->l, in->rollbacks[at], &r);
        if (slice_equal(r.principal, principal) && slice_equal(r.original, original)) {
            break;
        }
    }
    return &in->rollbacks[at];
}

static uint64_t *closing_of(struct rules *in, const struct record *of)
{
    const struct slice names[] = {of->principal, of->player, of->round};
    size_t at = hash_of(names, 3) & in->mask;
    struct record r;

    for (; in->closings[at] != 0; at = (at + 1) & in->mask) {
        ledger_record(in->k->l, in->closings[at], &r);
        if (slice_equal(r.principal, of->principal) && slice_equal(r.player, of->player) &&
            slice_equal(r.round, of->round)) {
            break;
        }
    }
    return &in->closings[at];
}

static void tell(struct rules *in, uint64_t other, const char *what)
{
    const struct record *r = in->now;

    anomaly_tell(in->k, ANOMALY_BROKEN_RULE, NOBODY, NOBODY, other, r->seq,
                 "%s %.*s of %.*s is %s: %s", command_type_name(r->type), (int)r->id.len,
                 r->id.base, (int)r->principal.len, r->principal.base, verdict_code(r->verdict),
                 what);
}

/* The entry before this one that was decided under a name, or zero. */
static uint64_t earlier(struct rules *in, struct slice principal, struct slice id,
                        struct record *found)
{
    size_t slot = 0;
    uint64_t seq;

    while ((seq = ledger_find(in->k->l, principal, id, false, &slot)) != 0) {
        if (seq < in->now->seq) {
            ledger_record(in->k->l, seq, found);
            return seq;
        }
    }
    return 0;
}

/* ---- funds ---- */

static int64_t balance_before(const struct rules *in)
{
    return in->now->previous == 0 ? 0 : in->k->l->balance_minor[in->now->previous - 1];
}

/* No workload says how long a withdrawal is held. */
static bool expired(const struct record *withdrawal, const struct record *now)
{
    return withdrawal->at_ms + UINT64_C(1000) * HOLD_EXPIRES_S_DEFAULT <= now->at_ms;
}

/* What the player could spend right before this entry. A player has one currency here, so that the
 * entry before it of the same player tells the balance. */
static int64_t available(const struct rules *in)
{
    int64_t minor = balance_before(in);
    uint64_t *link = &in->newest_hold[in->k->l->account_of[in->now->seq - 1]];
    struct record r;

    while (*link != 0) {
        ledger_record(in->k->l, *link, &r);
        if (in->told[*link - 1].ended || expired(&r, in->now)) {
            *link = in->hold_before[*link - 1]; /* out of the row for good */
            continue;
        }
        minor -= r.requested_minor;
        link = &in->hold_before[*link - 1];
    }
    return minor;
}

static void judge_spending(struct rules *in)
{
    const struct record *r = in->now;
    bool alone = in->k->facts[r->seq - 1].single;

    if (r->verdict == VERDICT_APPLIED && available(in) < r->requested_minor) {
        tell(in, r->previous, "less than that was available");
    } else if (r->verdict == VERDICT_INSUFFICIENT_FUNDS && alone &&
               available(in) >= r->requested_minor) {
        tell(in, r->previous, "that much was available");
    }
}

/* ---- rollbacks ---- */

static int64_t moved(const struct record *r)
{
    int64_t minor = 0;

    for (unsigned i = 0; i < r->n_postings; i++) {
        minor += r->postings[i].amount_minor; /* the verifier has summed them with care */
    }
    return minor;
}

static void judge_rollback(struct rules *in)
{
    const struct record *r = in->now;
    uint64_t *slot = rollback_of(in, r->principal, r->original);
    struct record o;
    uint64_t seq = earlier(in, r->principal, r->original, &o);

    if (*slot == 0) {
        *slot = r->seq;
    }
    if (seq == 0) {
        if (r->verdict == VERDICT_APPLIED) {
            tell(in, 0, "there was nothing to give back");
        }
        return;
    }
    if ((o.type != COMMAND_BET && o.type != COMMAND_WIN) || !slice_equal(o.player, r->player)) {
        return;
    }
    if (o.verdict != VERDICT_APPLIED) {
        if (r->verdict == VERDICT_APPLIED) {
            tell(in, seq, "its original moved nothing");
        }
    } else if (r->verdict == VERDICT_TOMBSTONE) {
        tell(in, seq, "its original was there");
    } else if (r->verdict == VERDICT_APPLIED && !in->told[seq - 1].reversed) {
        if (moved(r) != o.amount_minor) {
            tell(in, seq, "its original still counts");
        }
        in->told[seq - 1].reversed = true;
    }
}

/* A bet or a win whose rollback came first never moves. */
static bool judge_tombstone(struct rules *in)
{
    const struct record *r = in->now;
    uint64_t rolled = *rollback_of(in, r->principal, r->id);

    if (rolled == 0 && r->verdict == VERDICT_ROLLED_BACK && in->k->facts[r->seq - 1].single) {
        tell(in, 0, "nobody had rolled it back");
    } else if (rolled != 0 && r->verdict == VERDICT_APPLIED) {
        tell(in, rolled, "its rollback had come before");
    }
    return rolled != 0;
}

/* ---- rounds and withdrawals ---- */

/* No workload closes a round by an atomic call, which leaves no entry of it. */
static void judge_round(struct rules *in)
{
    const struct record *r = in->now;
    uint64_t closed = r->round.len == 0 ? 0 : *closing_of(in, r);

    if (closed == 0 && r->verdict == VERDICT_ROUND_CLOSED) {
        tell(in, 0, "its round was open");
    } else if (closed != 0 && r->verdict == VERDICT_APPLIED) {
        tell(in, closed, "its round was closed");
    }
}

static void judge_end(struct rules *in)
{
    const struct record *r = in->now;
    struct record w;
    uint64_t seq = earlier(in, r->principal, r->original, &w);

    if (seq == 0 || w.type != COMMAND_WITHDRAW || w.verdict != VERDICT_APPLIED) {
        tell(in, seq, "nothing was held");
        return;
    }
    if (in->told[seq - 1].ended) {
        tell(in, seq, "the withdrawal was ended before");
    } else if (moved(r) != (r->type == COMMAND_WITHDRAW_CONFIRM ? r->requested_minor : 0)) {
        tell(in, seq, "another amount moved");
    }
    in->told[seq - 1].ended = true;
}

static void hold(struct rules *in)
{
    uint64_t *newest = &in->newest_hold[in->k->l->account_of[in->now->seq - 1]];

    if (in->now->verdict == VERDICT_APPLIED) {
        in->hold_before[in->now->seq - 1] = *newest;
        *newest = in->now->seq;
    }
}

static void judge(struct rules *in)
{
    const struct record *r = in->now;

    switch (r->type) {
    case COMMAND_BET:
        if (!judge_tombstone(in)) {
            judge_round(in);
            judge_spending(in);
        }
        break;
    case COMMAND_WIN:
        judge_tombstone(in);
        break;
    case COMMAND_ROLLBACK:
        judge_rollback(in);
        break;
    case COMMAND_WITHDRAW:
        judge_spending(in);
        hold(in);
        break;
    case COMMAND_WITHDRAW_CONFIRM:
    case COMMAND_WITHDRAW_CANCEL:
        judge_end(in);
        break;
    case COMMAND_ROUND_CLOSE:
        if (r->verdict == VERDICT_APPLIED && *closing_of(in, r) == 0) {
            *closing_of(in, r) = r->seq;
        }
        break;
    default:
        break;
    }
}

void check_rules(struct checking *k)
{
    struct rules in = {.k = k, .mask = 15};
    struct record r;

    while (in.mask < 2 * k->l->n) {
        in.mask = 2 * in.mask + 1;
    }
    in.told = must(calloc(k->l->n + 1, sizeof *in.told));
    in.rollbacks = must(calloc(in.mask + 1, sizeof *in.rollbacks));
    in.closings = must(calloc(in.mask + 1, sizeof *in.closings));
    in.newest_hold = must(calloc(k->l->n_accounts + 1, sizeof *in.newest_hold));
    in.hold_before = must(calloc(k->l->n + 1, sizeof *in.hold_before));
    for (uint64_t seq = 1; seq <= k->l->n; seq++) {
        ledger_record(k->l, seq, &r);
        in.now = &r;
        if (r.previous < r.seq) { /* else the chain is broken, which is told elsewhere */
            judge(&in);
        }
    }
    free(in.told);
    free(in.rollbacks);
    free(in.closings);
    free(in.newest_hold);
    free(in.hold_before);
}
