/* What a command must answer. */
#include "tests/scenarios/run.h"

bool run_same_amount(struct run *r, const char *what, const char *expected, int64_t minor,
                     uint8_t scale)
{
    char text[AMOUNT_TEXT_MAX];
    struct decimal d;
    int64_t wanted;
    bool negative = expected[0] == '-';

    money_format(minor, scale, text);
    if (strcmp(text, expected) == 0) {
        return true; /* also the lowest number of all, which has no positive counterpart */
    }
    if (!run_amount(r, expected + (negative ? 1 : 0), &d)) {
        return false;
    }
    if (decimal_to_minor(d, scale, &wanted) != 0) {
        return run_fail(r, "'%s' does not fit the currency", expected);
    }
    if ((negative ? -wanted : wanted) == minor) {
        return true;
    }
    return run_fail(r, "expected %s %s, got %s", what, expected, text);
}

static bool same_account(struct run *r, const char *what, const char *expected, struct account a)
{
    char text[ACCOUNT_TEXT_MAX];

    account_format(a, text);
    return strcmp(text, expected) == 0 ||
           run_fail(r, "expected %s %s, got %s", what, expected, text);
}

static bool same_conflicts(struct run *r, const char *expected, unsigned bits)
{
    char text[256] = "";
    int i;

    for (i = 0; i < CONFLICT_FIELDS; i++) {
        if (bits & (1u << i)) {
            strcat(text, text[0] == '\0' ? "" : ",");
            strcat(text, conflict_field_name(i));
        }
    }
    return strcmp(text, expected) == 0 ||
           run_fail(r, "expected a conflict in %s, got %s", expected, text);
}

/* One expectation of two words about the record. */
static bool check_record(struct run *r, const struct outcome *o, const char *what,
                         const char *expected)
{
    const struct record *record = &o->record;

    if (!o->has_record) {
        return run_fail(r, "expected %s %s, but nothing was recorded", what, expected);
    }
    if (strcmp(what, "amount") == 0) {
        return run_same_amount(r, what, expected, record->amount_minor, record->scale);
    }
    if (strcmp(what, "requested") == 0) {
        return run_same_amount(r, what, expected, record->requested_minor, record->scale);
    }
    if (strcmp(what, "balance") == 0) {
        return run_same_amount(r, what, expected, record->balance_minor, record->scale);
    }
    if (strcmp(what, "now") == 0) {
        return run_same_amount(r, what, expected, o->balance_now_minor, record->scale);
    }
    if (strcmp(what, "from") == 0) {
        return same_account(r, what, expected, record->debit);
    }
    if (strcmp(what, "to") == 0) {
        return same_account(r, what, expected, record->credit);
    }
    if (strcmp(what, "seq") == 0) {
        return strtoull(expected, NULL, 10) == record->seq ||
               run_fail(r, "expected seq %s, got %llu", expected, (unsigned long long)record->seq);
    }
    if (strcmp(what, "postings") == 0) {
        return atoi(expected) == record->n_postings ||
               run_fail(r, "expected %s postings, got %u", expected, record->n_postings);
    }
    return run_fail(r, "don't know the expectation '%s'", what);
}

/* ... about the session. Times are said in seconds from when it was opened. */
static bool check_session(struct run *r, const struct outcome *o, const char *what,
                          const char *expected)
{
    const struct session_info *s = &o->session;
    struct slice got = slice_of("");
    char text[32];

    if (strcmp(what, "player") == 0) {
        got = s->player;
    } else if (strcmp(what, "provider") == 0) {
        got = s->provider.len > 0 ? s->provider : slice_of("none");
    } else if (strcmp(what, "game") == 0) {
        got = s->game;
    } else if (strcmp(what, "session") == 0) {
        got = s->id;
    } else if (strcmp(what, "closed") == 0) {
        got = slice_of(s->closed_at_ms != 0 ? "yes" : "no");
    } else if (strcmp(what, "authenticated") == 0) {
        got = slice_of(s->authenticated_at_ms != 0 ? "yes" : "no");
    } else {
        snprintf(text, sizeof text, "%llu",
                 strcmp(what, "remind") == 0
                     ? (unsigned long long)s->reminder_s
                     : (unsigned long long)(s->expires_at_ms - s->opened_at_ms) / 1000);
        got = slice_of(text);
    }
    return slice_is(got, expected) ||
           run_fail(r, "expected %s %s, got %.*s", what, expected, (int)got.len, got.base);
}

/* ... about an atomic command: how many were applied, which was refused, the balances in between.
 */
static bool check_items(struct run *r, struct outcome o, const char *what, const char *expected)
{
    struct outcome item;
    char text[WORDS_TEXT_MAX];
    char *save = NULL, *at;

    if (strcmp(what, "item") == 0) {
        return (o.has_item && atoi(expected) == o.item + 1) ||
               run_fail(r, "expected item %s, got %d", expected, o.has_item ? o.item + 1 : 0);
    }
    if (strcmp(what, "items") == 0) {
        return atoi(expected) == o.n_items ||
               run_fail(r, "expected %s items, got %u", expected, o.n_items);
    }
    snprintf(text, sizeof text, "%s", expected);
    for (at = strtok_r(text, ",", &save); at != NULL; at = strtok_r(NULL, ",", &save)) {
        if (outcome_next(&o, &item, &r->memory.fault) != 1) {
            return run_fail(r, "expected balance %s, but no more items", at);
        }
        if (!check_record(r, &item, strcmp(what, "balances") == 0 ? "balance" : "amount", at)) {
            return false;
        }
    }
    return o.n_items == 0 || run_fail(r, "there are more items than that");
}

static bool check_one(struct run *r, const struct outcome *o, const char *what,
                      const char *expected)
{
    if (strcmp(what, "in") == 0) {
        return same_conflicts(r, expected, o->conflicts);
    }
    if (strcmp(what, "item") == 0 || strcmp(what, "items") == 0 || strcmp(what, "balances") == 0 ||
        strcmp(what, "amounts") == 0) {
        return check_items(r, *o, what, expected);
    }
    return o->has_session ? check_session(r, o, what, expected)
                          : check_record(r, o, what, expected);
}

/* An atomic command is replayed when its items are. */
static bool is_replayed(const struct run *r, struct outcome o)
{
    struct outcome item;
    struct fault fault;

    (void)r;
    if (o.n_items > 0 && outcome_next(&o, &item, &fault) == 1) {
        return item.replayed;
    }
    return o.replayed;
}

bool run_check_outcome(struct run *r, const struct words *w, const struct outcome *o)
{
    const char *verdict = w->n_expect > 0 ? w->expect[0] : "applied";
    bool replayed = false, dry = false;
    int i;

    if (strcmp(verdict, verdict_code(o->verdict)) != 0) {
        return run_fail(r, "expected %s, got %s", verdict, verdict_code(o->verdict));
    }
    for (i = 1; i < w->n_expect; i++) {
        const char *what = w->expect[i];

        if (strcmp(what, "replayed") == 0 || strcmp(what, "dry") == 0) {
            *(what[0] == 'd' ? &dry : &replayed) = true;
            continue;
        }
        if (++i == w->n_expect) {
            return run_fail(r, "'%s' needs a word behind it", what);
        }
        if (!check_one(r, o, what, w->expect[i])) {
            return false;
        }
    }
    if (dry != o->dry_run) {
        return run_fail(r, dry ? "expected a dry run" : "it was a dry run");
    }
    return replayed == is_replayed(r, *o) ||
           run_fail(r, replayed ? "expected it to be replayed" : "it was replayed");
}
