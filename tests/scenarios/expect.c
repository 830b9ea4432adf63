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

bool run_check_outcome(struct run *r, const struct words *w, const struct outcome *o)
{
    const char *verdict = w->n_expect > 0 ? w->expect[0] : "applied";
    bool replayed = false;
    int i;

    if (strcmp(verdict, verdict_code(o->verdict)) != 0) {
        return run_fail(r, "expected %s, got %s", verdict, verdict_code(o->verdict));
    }
    for (i = 1; i < w->n_expect; i++) {
        const char *what = w->expect[i];
        bool ok;

        if (strcmp(what, "replayed") == 0) {
            replayed = true;
            continue;
        }
        if (++i == w->n_expect) {
            return run_fail(r, "'%s' needs a word behind it", what);
        }
        ok = strcmp(what, "in") == 0 ? same_conflicts(r, w->expect[i], o->conflicts)
                                     : check_record(r, o, what, w->expect[i]);
        if (!ok) {
            return false;
        }
    }
    return replayed == o->replayed ||
           run_fail(r, o->replayed ? "it was replayed" : "expected it to be replayed");
}
