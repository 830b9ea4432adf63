/* Reads: each gets the earliest place in the ledger that fits what it shows and is not before what
 * was known when it was asked. Going by the ends of reads, the earliest place is also the best one
 * for all that come later: if it does not do, no choice would. */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "jepsen/check_private.h"

struct moment {
    int64_t time_ns;
    uint32_t call;
    bool end;
};

struct floor {
    uint64_t seq; /* the state shown must not be before this entry */
    uint32_t by;  /* the call that showed it */
};

/* A balance in an answer. */
struct shown {
    struct slice player, currency;
    struct ref balance;
};

struct reads {
    struct checking *k;
    struct floor now;     /* by what has ended so far */
    struct floor *floors; /* of each call, as it was when it was asked */
};

/* Begins before ends at the same time: then neither was before the other. */
static int compare_moments(const void *a, const void *b)
{
    const struct moment *x = a;
    const struct moment *y = b;

    if (x->time_ns != y->time_ns) {
        return x->time_ns < y->time_ns ? -1 : 1;
    }
    return (int)x->end - (int)y->end;
}

/* The last entry that may have been there at that time: all up to it had been asked for. */
static uint64_t ceiling_at(const struct checking *k, int64_t time_ns)
{
    uint64_t low = 0, high = k->l->n;

    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;

        if (k->asked_until[middle - 1] <= time_ns) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return low;
}

static struct floor raise(struct floor f, uint64_t seq, uint32_t by)
{
    return seq > f.seq ? (struct floor){seq, by} : f;
}

/* --- balances --------------------------------------------------------------------------------- */

/* How many of the account's entries are at or before seq. */
static size_t entries_until(const struct ledger *l, const struct ledger_account *a, uint64_t seq)
{
    size_t low = 0, high = a->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (l->order[a->begin + middle] <= seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The balance behind the account's first n entries. */
static int64_t balance_behind(const struct ledger *l, const struct ledger_account *a, size_t n)
{
    return n == 0 ? 0 : l->balance_minor[l->order[a->begin + n - 1] - 1];
}

static bool parse_balance(const struct checking *k, const struct ledger_account *a, struct ref text,
                          int64_t *minor)
{
    struct decimal d;

    return decimal_parse(history_text(k->h, text), &d) == 0 &&
           decimal_to_minor(d, a == NULL ? SCALE_MAX : a->scale, minor) == 0;
}

static void tell_balance(struct reads *in, uint32_t call, const struct ledger_account *a,
                         int64_t minor, size_t from, struct shown shown)
{
    struct checking *k = in->k;
    const struct call *c = &k->h->calls[call];
    const struct floor *floor = &in->floors[call];
    struct slice text = history_text(k->h, shown.balance), player = shown.player;
    size_t n;

    for (n = from; n > 0; n--) {
        if (balance_behind(k->l, a, n - 1) == minor) {
            /* The entry behind what was shown, which had to be seen; told by itself if it was
             * known, else by what is behind it. */
            uint64_t missed = k->l->order[a->begin + n - 1];
            const struct entry_facts *f = &k->facts[missed - 1];
            bool known = f->known_ns < c->invoked_ns;

            anomaly_tell(k, ANOMALY_STALE_READ, known ? f->known_by : floor->by, call, missed,
                         known ? 0 : floor->seq,
                         "%.*s's balance was shown as %.*s, which was over with seq %" PRIu64
                         "; that was known before the read was asked",
                         (int)player.len, player.base, (int)text.len, text.base, missed);
            return;
        }
    }
    for (n = from + 1; n <= a->count; n++) {
        if (balance_behind(k->l, a, n) == minor) {
            uint64_t seq = k->l->order[a->begin + n - 1];

            anomaly_tell(k, ANOMALY_FUTURE_READ, call, k->facts[seq - 1].asked_by, seq, 0,
                         "%.*s's balance was shown as %.*s, which it became only with seq %" PRIu64
                         ": not all up to there had been asked for",
                         (int)player.len, player.base, (int)text.len, text.base, seq);
            return;
        }
    }
    anomaly_tell(k, ANOMALY_IMPOSSIBLE_READ, call, NOBODY, 0, 0,
                 "%.*s's balance was shown as %.*s, which it never was", (int)player.len,
                 player.base, (int)text.len, text.base);
}

/* The earliest place from `low` on where the player's balance is the one shown; `low` itself when
 * there is none, which is told. */
static uint64_t place_balance(struct reads *in, uint32_t call, struct shown shown, uint64_t low)
{
    struct checking *k = in->k;
    const struct call *c = &k->h->calls[call];
    const struct ledger_account *a = ledger_account(k->l, shown.player, shown.currency);
    uint64_t high = ceiling_at(k, c->ended_ns);
    int64_t minor = -1;
    bool parsed = parse_balance(k, a, shown.balance, &minor);

    if (!parsed || a == NULL) {
        struct slice text = history_text(k->h, shown.balance);

        if (!parsed || minor != 0) {
            anomaly_tell(k, ANOMALY_IMPOSSIBLE_READ, call, NOBODY, 0, 0,
                         "a balance of %.*s was shown, which it never was", (int)text.len,
                         text.base);
        }
        return low;
    }
    size_t from = entries_until(k->l, a, low);
    for (size_t n = from; n <= a->count; n++) {
        uint64_t seq = n == 0 ? 0 : k->l->order[a->begin + n - 1];

        if (seq > high && n != from) {
            break;
        }
        if (balance_behind(k->l, a, n) == minor) {
            return seq > low ? seq : low;
        }
    }
    tell_balance(in, call, a, minor, from, shown);
    return low;
}

/* --- other reads ------------------------------------------------------------------------------ */

static void tell_ahead(struct checking *k, uint32_t call, uint64_t seq)
{
    anomaly_tell(k, ANOMALY_FUTURE_READ, call, k->facts[seq - 1].asked_by, seq, 0,
                 "seq %" PRIu64 " was shown before all up to it had been asked for", seq);
}

/* Is this the entry that was asked for? */
static bool is_under(const struct checking *k, const struct call *c, const struct part *p,
                     const struct record *r)
{
    return slice_equal(r->principal, history_text(k->h, c->provider)) &&
           slice_equal(r->id, history_text(k->h, p->id));
}

/* What is shown of an entry is the ledger's. */
static bool shown_rightly(struct checking *k, uint32_t call, const struct part *p)
{
    char hex[2 * HASH_BYTES + 1], amount[AMOUNT_TEXT_MAX] = "", balance[AMOUNT_TEXT_MAX] = "";
    struct record r;
    const struct call *c = &k->h->calls[call];
    bool right = p->seq <= k->l->n;

    if (right) {
        ledger_record(k->l, p->seq, &r);
        sodium_bin2hex(hex, sizeof hex, r.hash, HASH_BYTES);
        money_format(r.amount_minor, r.scale, amount);
        money_format(r.balance_minor, r.scale, balance);
        right = (c->f != FN_TRANSACTION || is_under(k, c, p, &r)) &&
                (p->got_hash.len == 0 || slice_is(history_text(k->h, p->got_hash), hex)) &&
                (p->got_amount.len == 0 || slice_is(history_text(k->h, p->got_amount), amount)) &&
                (p->got_balance.len == 0 || slice_is(history_text(k->h, p->got_balance), balance));
    }
    if (!right) {
        anomaly_tell(k, ANOMALY_WRONG_ANSWER, call, NOBODY, p->seq, 0,
                     "seq %" PRIu64 " was shown otherwise than the ledger has it", p->seq);
    }
    return right;
}

static uint64_t place_transaction(struct reads *in, uint32_t call, uint64_t low, uint64_t high)
{
    struct checking *k = in->k;
    const struct call *c = &k->h->calls[call];
    const struct part *p = &k->h->parts[c->first_part];
    size_t slot = 0;

    if (p->answered) {
        if (!shown_rightly(k, call, p)) {
            return low;
        }
        if (p->seq > high) {
            tell_ahead(k, call, p->seq);
        }
        return p->seq > low ? p->seq : low;
    }
    uint64_t seq =
        ledger_find(k->l, history_text(k->h, c->provider), history_text(k->h, p->id), false, &slot);
    if (slice_is(history_text(k->h, p->got_outcome), "unknown_transaction") && seq != 0 &&
        seq <= low) {
        bool known = k->facts[seq - 1].known_ns < c->invoked_ns;

        anomaly_tell(k, ANOMALY_STALE_READ,
                     known ? k->facts[seq - 1].known_by : in->floors[call].by, call, seq,
                     known ? 0 : low, "seq %" PRIu64 " was known, and then not found", seq);
    }
    return low;
}

static uint64_t place_page(struct reads *in, uint32_t call, uint64_t low, uint64_t high)
{
    struct checking *k = in->k;
    const struct call *c = &k->h->calls[call];
    const struct part *p = &k->h->parts[c->first_part];
    uint64_t last = c->count > 0 ? p->seq : c->from > 0 ? c->from - 1 : 0;
    bool at_end = c->count < c->limit;

    if (c->count > 0 && !shown_rightly(k, call, p)) {
        return low;
    }
    if (c->count > c->limit ||
        (c->count > 0 && last + 1 != (c->from > 0 ? c->from : 1) + c->count)) {
        anomaly_tell(k, ANOMALY_IMPOSSIBLE_READ, call, NOBODY, last, 0,
                     "%" PRIu64 " entries from seq %" PRIu64
                     " on were shown to end with seq %" PRIu64,
                     c->count, c->from, last);
        return low;
    }
    if (c->count > 0 && last > high) {
        tell_ahead(k, call, last);
    }
    if (at_end && last < low) {
        anomaly_tell(k, ANOMALY_STALE_READ, in->floors[call].by, call, low, 0,
                     "the ledger was shown to end with seq %" PRIu64 ", and seq %" PRIu64
                     " was known",
                     last, low);
    }
    return c->count > 0 && last > low ? last : low;
}

/* --- in the order of time --------------------------------------------------------------------- */

static uint64_t place_read(struct reads *in, uint32_t call, uint64_t low)
{
    const struct history *h = in->k->h;
    const struct call *c = &h->calls[call];
    struct shown shown = {history_text(h, c->player), history_text(h, c->currency),
                          h->parts[c->first_part].got_balance};

    return place_balance(in, call, shown, low);
}

/* The balance that comes with a repeat. Whose it is may stand in the entry alone: the end of a
 * withdrawal names no player. */
static uint64_t place_repeat(struct reads *in, uint32_t call, const struct part *p, uint64_t low)
{
    struct record r;

    ledger_record(in->k->l, p->seq, &r);
    return place_balance(in, call, (struct shown){r.player, r.currency, p->got_balance_now}, low);
}

/* A stale read may show any state that was; nobody learns anything certain from it. */
static void end_stale(struct reads *in, uint32_t call)
{
    const struct call *c = &in->k->h->calls[call];
    const struct part *p = &in->k->h->parts[c->first_part];

    if (c->f == FN_BALANCE) {
        place_read(in, call, 0);
    } else if (p->seq != 0 && shown_rightly(in->k, call, p) &&
               p->seq > ceiling_at(in->k, c->ended_ns)) {
        tell_ahead(in->k, call, p->seq);
    }
}

static void end_money(struct reads *in, uint32_t call)
{
    const struct call *c = &in->k->h->calls[call];

    /* A refusal as a conflict has seen what it conflicts with. */
    in->now = raise(in->now, check_conflict_seq(in->k, c), call);
    for (uint32_t i = 0; i < c->n_parts; i++) {
        const struct part *p = &in->k->h->parts[c->first_part + i];
        uint64_t low = in->floors[call].seq;

        if (p->answered && p->seq <= in->k->l->n) {
            low = low > p->seq ? low : p->seq;
            if (p->replayed && p->got_balance_now.len > 0) {
                low = place_repeat(in, call, p, low);
            }
            in->now = raise(in->now, low, call);
        }
    }
}

static void end_read(struct reads *in, uint32_t call)
{
    struct checking *k = in->k;
    const struct call *c = &k->h->calls[call];
    uint64_t low = in->floors[call].seq, high = ceiling_at(k, c->ended_ns);

    if (c->stale) {
        end_stale(in, call);
        return;
    }
    switch (c->f) {
    case FN_BALANCE:
        low = place_read(in, call, low);
        break;
    case FN_TRANSACTION:
        low = place_transaction(in, call, low, high);
        break;
    case FN_LEDGER:
        low = place_page(in, call, low, high);
        break;
    default:
        break;
    }
    in->now = raise(in->now, low, call);
}

void check_reads(struct checking *k)
{
    struct reads in = {.k = k, .now = {0, NOBODY}};
    struct moment *moments = calloc(2 * k->h->n_calls + 1, sizeof *moments);
    size_t n = 0;

    in.floors = calloc(k->h->n_calls + 1, sizeof *in.floors);
    if (moments == NULL || in.floors == NULL) {
        fputs("out of memory while checking\n", stderr);
        abort();
    }
    for (uint32_t i = 0; i < k->h->n_calls; i++) {
        const struct call *c = &k->h->calls[i];

        if (c->end == END_OK || check_conflict_seq(k, c) != 0) {
            moments[n++] = (struct moment){c->invoked_ns, i, false};
            moments[n++] = (struct moment){c->ended_ns, i, true};
        }
    }
    qsort(moments, n, sizeof *moments, compare_moments);
    for (size_t i = 0; i < n; i++) {
        uint32_t call = moments[i].call;

        if (!moments[i].end) {
            in.floors[call] = in.now;
        } else if (fn_is_read(k->h->calls[call].f)) {
            end_read(&in, call);
        } else {
            end_money(&in, call);
        }
    }
    free(moments);
    free(in.floors);
}
