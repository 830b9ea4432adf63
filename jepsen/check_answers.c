/* Every call against the ledger: content, answer, once and only once. Gathers on the way what the
 * calls say of each entry, for check_order.c and check_reads.c. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "jepsen/check_private.h"

/* A part with all that it takes to judge it. */
struct judged {
    struct checking *k;
    const struct call *call;
    const struct part *part;
    uint32_t call_index, part_index;
    struct slice provider, id;
    bool end; /* of a withdrawal */
};

static struct slice text_of(const struct judged *j, struct ref r)
{
    return history_text(j->k->h, r);
}

static bool same(const struct judged *j, struct ref asked, struct slice has)
{
    return slice_equal(text_of(j, asked), has);
}

static bool same_amount(const struct judged *j, const struct record *r)
{
    const struct part *p = j->part;
    struct decimal d;
    int64_t minor;

    if (p->type == COMMAND_ROLLBACK || p->type == COMMAND_ROUND_CLOSE ||
        (j->end && p->amount.len == 0)) {
        return true;
    }
    if (p->type == COMMAND_ADJUST && p->negative != (r->debit.kind == ACCOUNT_PLAYER)) {
        return false;
    }
    return decimal_parse(text_of(j, p->amount), &d) == 0 &&
           decimal_to_minor(d, r->scale, &minor) == 0 && minor == r->requested_minor;
}

static bool same_content(const struct judged *j, const struct record *r)
{
    const struct call *c = j->call;
    const struct part *p = j->part;

    if (p->type != r->type || !same_amount(j, r)) {
        return false;
    }
    if (j->end) {
        return true; /* found by the withdrawal's id: that is all it names */
    }
    return same(j, c->player, r->player) &&
           (p->type == COMMAND_ROUND_CLOSE || same(j, c->currency, r->currency)) &&
           same(j, c->round, r->round) && same(j, c->game, r->game) &&
           same(j, c->session, r->session) && same(j, c->gateway, r->gateway) &&
           same(j, p->bet, r->bet) && same(j, p->original, r->original) && p->kind == r->win_kind;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* An answer leaves out what it does not know: a refusal has no balance. */
static bool money_fits(const struct judged *j, struct ref got, int64_t minor, uint8_t scale)
{
    char text[AMOUNT_TEXT_MAX];

    money_format(minor, scale, text);
    return got.len == 0 || slice_is(text_of(j, got), text);
}

static const char *misfit(const struct judged *j, const struct record *r)
{
    const struct part *p = j->part;
    char hex[2 * HASH_BYTES + 1];
    struct slice outcome = text_of(j, p->got_outcome);

    sodium_bin2hex(hex, sizeof hex, r->hash, HASH_BYTES);
    if (p->seq != r->seq) {
        return "another seq";
    }
    if (outcome.len > 0 && !slice_is(outcome, verdict_code(r->verdict)) &&
        !(slice_is(outcome, "applied") && verdict_is_success(r->verdict))) {
        return "another outcome";
    }
    if (!money_fits(j, p->got_amount, r->amount_minor, r->scale)) {
        return "another amount";
    }
    if (!money_fits(j, p->got_balance, r->balance_minor, r->scale)) {
        return "another balance";
    }
    return p->got_hash.len != 0 && !same(j, p->got_hash, slice_of(hex)) ? "another hash" : NULL;
}

/* Both may leave something out; what both have must be the same. */
static bool answers_agree(const struct judged *j, const struct part *other)
{
    const struct part *p = j->part;
    const struct ref ours[] = {p->got_amount, p->got_balance, p->got_hash, p->got_outcome};
    const struct ref theirs[] = {other->got_amount, other->got_balance, other->got_hash,
                                 other->got_outcome};

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++) {
        if (ours[i].len != 0 && theirs[i].len != 0 &&
            !slice_equal(text_of(j, ours[i]), text_of(j, theirs[i]))) {
            return false;
        }
    }
    return p->seq == other->seq;
}

static void tell(const struct judged *j, enum anomaly_kind kind, uint32_t other, uint64_t seq,
                 const char *what)
{
    anomaly_tell(j->k, kind, j->call_index, other, seq, 0, "%s %.*s of %.*s %s",
                 fn_name(j->call->f), (int)j->id.len, j->id.base, (int)j->provider.len,
                 j->provider.base, what);
}

static void known(struct checking *k, uint64_t seq, uint32_t call)
{
    struct entry_facts *f = &k->facts[seq - 1];

    if (k->h->calls[call].ended_ns < f->known_ns) {
        f->known_ns = k->h->calls[call].ended_ns;
        f->known_by = call;
    }
}

/* The answer to something that the ledger has at `seq`. */
static void judge_answer(const struct judged *j, uint64_t seq, bool content)
{
    const struct part *p = j->part, *parts = j->k->h->parts;
    struct entry_facts *f = &j->k->facts[seq - 1];
    struct record r;
    const char *wrong;
    char text[96];

    ledger_record(j->k->l, seq, &r);
    wrong = misfit(j, &r);
    if (f->answered != NOBODY && !answers_agree(j, &parts[f->answered])) {
        tell(j, ANOMALY_CONFLICTING, parts[f->answered].call, seq, "was answered in two ways");
    } else if (wrong != NULL) {
        snprintf(text, sizeof text, "was answered %s than the ledger has", wrong);
        tell(j, ANOMALY_WRONG_ANSWER, NOBODY, seq, text);
    } else if (!content) {
        tell(j, ANOMALY_WRONG_CONTENT, f->asked_by, seq,
             "was acknowledged, but the ledger has something else under that id");
    } else if (p->replay_told && !p->replayed && f->claimed != NOBODY) {
        tell(j, ANOMALY_CONFLICTING, parts[f->claimed].call, seq,
             "was answered twice as if it were the first time");
    } else if (p->replay_told && !p->replayed && f->known_ns < j->call->invoked_ns) {
        tell(j, ANOMALY_CONFLICTING, f->known_by, seq,
             "was answered as if it were the first time, and was known before");
    } else if (p->replayed && f->asked_again_ns > j->call->ended_ns) {
        tell(j, ANOMALY_WRONG_ANSWER, NOBODY, seq,
             "was answered as a repeat, and nobody else had asked for it");
    }
    if (f->answered == NOBODY) {
        f->answered = j->part_index;
    }
    if (p->replay_told && !p->replayed) {
        f->claimed = j->part_index;
    }
    if (p->seq == seq) {
        known(j->k, seq, j->call_index);
    }
}

uint64_t check_conflict_seq(const struct checking *k, const struct call *c)
{
    size_t slot = 0;

    if (c->end != END_FAIL || c->f == FN_ATOMIC || c->f == FN_CONFIRM || c->f == FN_CANCEL ||
        fn_is_read(c->f) || !slice_is(history_text(k->h, c->error), "idempotency_conflict")) {
        return 0;
    }
    return ledger_find(k->l, history_text(k->h, c->provider),
                       history_text(k->h, k->h->parts[c->first_part].id), false, &slot);
}

/* The end of a withdrawal that was refused: was there nothing to end? */
static void judge_refused_end(const struct judged *j)
{
    const struct checking *k = j->k;
    struct slice error = text_of(j, j->call->error);
    size_t slot = 0;
    uint64_t seq = ledger_find(k->l, j->provider, j->id, false, &slot);
    const struct entry_facts *f = seq == 0 ? NULL : &k->facts[seq - 1];
    struct record w, last;

    if (f == NULL || f->known_ns >= j->call->invoked_ns) {
        return;
    }
    ledger_record(k->l, seq, &w);
    ledger_record(k->l, k->l->n, &last);
    slot = 0;
    if (w.type != COMMAND_WITHDRAW || w.verdict != VERDICT_APPLIED) {
        return;
    }
    if (slice_is(error, "unknown_transaction")) {
        tell(j, ANOMALY_WRONG_REFUSAL, f->known_by, seq,
             "was refused, for nobody had withdrawn it; that was known before");
    } else if (slice_is(error, "hold_closed") &&
               ledger_find(k->l, j->provider, j->id, true, &slot) == 0 &&
               last.at_ms < w.at_ms + UINT64_C(1000) * HOLD_EXPIRES_S_DEFAULT) {
        tell(j, ANOMALY_WRONG_REFUSAL, f->known_by, seq,
             "was refused as ended, and nothing had ended it");
    }
}

static void judge_conflict(const struct judged *j, uint64_t seq, bool content)
{
    if (seq == 0 || content) {
        tell(j, ANOMALY_WRONG_CONFLICT, NOBODY, seq,
             seq == 0 ? "was refused as a conflict with what is not in the ledger"
                      : "was refused as a conflict with the same content");
    } else if (j->k->facts[seq - 1].asked_ns > j->call->ended_ns) {
        tell(j, ANOMALY_WRONG_CONFLICT, j->k->facts[seq - 1].asked_by, seq,
             "was refused as a conflict with what nobody had asked for yet");
    } else {
        known(j->k, seq, j->call_index);
    }
}

static struct judged judged_of(struct checking *k, uint32_t call, uint32_t part)
{
    const struct call *c = &k->h->calls[call];
    const struct part *p = &k->h->parts[part];
    bool end = c->f == FN_CONFIRM || c->f == FN_CANCEL;

    return (struct judged){.k = k,
                           .call = c,
                           .part = p,
                           .call_index = call,
                           .part_index = part,
                           .provider = history_text(k->h, c->provider),
                           .id = history_text(k->h, end ? p->original : p->id),
                           .end = end};
}

/* Which entry the part is about: the one with its seq if it was answered, else the first. */
static uint64_t entry_of(const struct judged *j, bool *content)
{
    uint64_t seq, found = 0;
    size_t slot = 0;
    struct record r;

    *content = false;
    while ((seq = ledger_find(j->k->l, j->provider, j->id, j->end, &slot)) != 0) {
        bool fits;

        ledger_record(j->k->l, seq, &r);
        fits = same_content(j, &r);
        if (found == 0 || seq == j->part->seq || (fits && !*content && found != j->part->seq)) {
            found = seq;
            *content = fits;
        }
    }
    return found;
}

/* First round: when was each entry asked for, and by whom? */
static void gather(const struct judged *j)
{
    const struct call *c = j->call;
    uint64_t seq;
    size_t slot = 0;
    struct record r;

    while ((seq = ledger_find(j->k->l, j->provider, j->id, j->end, &slot)) != 0) {
        struct entry_facts *f = &j->k->facts[seq - 1];

        ledger_record(j->k->l, seq, &r);
        if (!same_content(j, &r)) {
            continue;
        }
        if (c->end == END_FAIL) {
            f->failed_by = j->call_index;
            continue;
        }
        f->single = f->single || c->f != FN_ATOMIC;
        if (c->invoked_ns < f->asked_ns) {
            f->asked_again_ns = f->asked_ns;
            f->asked_ns = c->invoked_ns;
            f->asked_by = j->call_index;
        } else if (c->invoked_ns < f->asked_again_ns) {
            f->asked_again_ns = c->invoked_ns;
        }
    }
}

static void judge(const struct judged *j)
{
    bool content;
    bool conflict = j->call->end == END_FAIL && j->call->f != FN_ATOMIC && !j->end &&
                    slice_is(text_of(j, j->call->error), "idempotency_conflict");
    uint64_t seq;

    if (j->end && j->call->end == END_FAIL) {
        judge_refused_end(j);
    }
    if (!conflict && !(j->call->end == END_OK && j->part->answered)) {
        return;
    }
    seq = entry_of(j, &content);
    if (conflict) {
        judge_conflict(j, seq, content);
    } else if (seq == 0) {
        tell(j, ANOMALY_LOST, NOBODY, 0, "was acknowledged, and is not in the ledger");
    } else {
        judge_answer(j, seq, content);
    }
}

/* --- atomic calls ----------------------------------------------------------------------------- */

/* The applied entries of an atomic call, by item (0: none). Returns how many. */
static unsigned applied_items(struct checking *k, uint32_t call, uint64_t *seqs)
{
    const struct call *c = &k->h->calls[call];
    unsigned n = 0;
    struct record r;

    for (uint32_t i = 0; i < c->n_parts && i < ITEMS_MAX; i++) {
        struct judged j = judged_of(k, call, c->first_part + i);
        bool content;
        uint64_t seq = entry_of(&j, &content);

        seqs[i] = 0;
        if (seq != 0 && content) {
            ledger_record(k->l, seq, &r);
            if (verdict_is_success(r.verdict)) {
                seqs[i] = seq;
                n++;
            }
        }
    }
    return n;
}

/* All items, in a row: marks them; or some, which no other call explains: torn. */
static void judge_atomic(struct checking *k, uint32_t call, bool mark)
{
    const struct call *c = &k->h->calls[call];
    uint64_t seqs[ITEMS_MAX];
    unsigned n = applied_items(k, call, seqs);
    bool row = n == c->n_parts;

    for (uint32_t i = 1; i < c->n_parts && row; i++) {
        row = seqs[i] == seqs[i - 1] + 1;
    }
    for (uint32_t i = 0; i < c->n_parts && n > 0; i++) {
        struct entry_facts *f = seqs[i] == 0 ? NULL : &k->facts[seqs[i] - 1];

        if (f != NULL && mark) {
            f->whole = f->whole || row;
        } else if (f != NULL && !f->whole && !f->single) {
            anomaly_tell(k, ANOMALY_TORN, call, NOBODY, seqs[i], 0,
                         "of the %u items of an atomic call %u are in the ledger%s", c->n_parts, n,
                         n == c->n_parts ? ", but not in a row" : "");
            return;
        }
    }
}

/* --- all -------------------------------------------------------------------------------------- */

static void find_twice(struct checking *k)
{
    uint64_t *given_back = calloc(k->l->n + 1, sizeof *given_back);
    struct record r;

    for (uint64_t seq = 1; seq <= k->l->n && given_back != NULL; seq++) {
        size_t slot = 0;
        uint64_t first;

        ledger_record(k->l, seq, &r);
        if (r.type == COMMAND_WITHDRAW_CONFIRM || r.type == COMMAND_WITHDRAW_CANCEL) {
            continue; /* ledger_verify knows when those are ended twice */
        }
        first = ledger_find(k->l, r.principal, r.id, false, &slot);
        if (first != seq) {
            anomaly_tell(k, ANOMALY_DECIDED_TWICE, k->facts[seq - 1].known_by,
                         k->facts[first - 1].known_by, first, seq,
                         "%.*s of %.*s is in the ledger twice", (int)r.id.len, r.id.base,
                         (int)r.principal.len, r.principal.base);
        }
        slot = 0;
        if (r.type == COMMAND_ROLLBACK && r.n_postings > 0 &&
            (first = ledger_find(k->l, r.principal, r.original, false, &slot)) != 0) {
            if (given_back[first] != 0) {
                anomaly_tell(k, ANOMALY_DECIDED_TWICE, NOBODY, NOBODY, given_back[first], seq,
                             "%.*s of %.*s was given back twice", (int)r.original.len,
                             r.original.base, (int)r.principal.len, r.principal.base);
            }
            given_back[first] = seq;
        }
    }
    free(given_back);
}

/* A read that shows an entry, stale or not, proves that it is there. */
static void gather_shown(struct checking *k, uint32_t call)
{
    const struct call *c = &k->h->calls[call];
    const struct part *p = &k->h->parts[c->first_part];
    bool shows = c->f == FN_TRANSACTION || (c->f == FN_LEDGER && c->count > 0);

    if (shows && c->end == END_OK && p->seq != 0 && p->seq <= k->l->n) {
        known(k, p->seq, call);
    }
}

static void each_part(struct checking *k, void (*what)(const struct judged *j))
{
    for (uint32_t i = 0; i < k->h->n_calls; i++) {
        const struct call *c = &k->h->calls[i];

        for (uint32_t p = 0; p < c->n_parts && !fn_is_read(c->f); p++) {
            struct judged j = judged_of(k, i, c->first_part + p);

            what(&j);
        }
    }
}

void check_answers(struct checking *k)
{
    each_part(k, gather);
    each_part(k, judge);
    for (uint32_t i = 0; i < k->h->n_calls; i++) {
        gather_shown(k, i);
    }
    for (int mark = 1; mark >= 0; mark--) {
        for (uint32_t i = 0; i < k->h->n_calls; i++) {
            if (k->h->calls[i].f == FN_ATOMIC && k->h->calls[i].end != END_FAIL) {
                judge_atomic(k, i, mark == 1);
            }
        }
    }
    find_twice(k);
}
