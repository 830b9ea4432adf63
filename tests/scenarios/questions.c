/* Questions about the state: balances, accounts, transactions, histories. */
#include "statemachine/machine_private.h"
#include "tests/scenarios/run.h"

bool run_ask(struct run *r, struct fixture *f, const struct query *q, struct bytes *out,
             struct answer *a)
{
    struct bytes in;
    bool broken, ok;

    bytes_init(&in);
    query_encode(q, &in);
    ok = machine_query(f->machine, in.base, in.len, out, &broken, &f->fault) == 0 &&
         answer_decode(out->base, out->len, a, &f->fault) == 0;
    bytes_release(&in);
    return ok || run_fail(r, "%s", f->fault.text);
}

/* balance PLAYER CURRENCY = AMOUNT|none|unknown_player, available PLAYER CURRENCY = AMOUNT */
static bool check_balance(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_BALANCES, .player = slice_of(w->word[1])};
    struct answer a;
    struct bytes out;
    const char *got = "none";
    bool ok;
    uint32_t i;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    if (ok && a.verdict != VERDICT_APPLIED) {
        got = verdict_code(a.verdict);
    }
    for (i = 0; ok && i < a.n_balances; i++) {
        if (slice_is(a.balances[i].currency, w->word[2])) {
            ok = run_same_amount(r, w->word[0], w->word[4],
                                 w->word[0][0] == 'b' ? a.balances[i].balance_minor
                                                      : a.balances[i].available_minor,
                                 a.balances[i].scale);
            got = NULL;
        }
    }
    if (ok && got != NULL && strcmp(got, w->word[4]) != 0) {
        ok = run_fail(r, "expected balance %s, got %s", w->word[4], got);
    }
    bytes_release(&out);
    return ok;
}

/* account KIND:NAME CURRENCY = AMOUNT */
static bool check_account(struct run *r, struct fixture *f, struct words *w)
{
    struct account a;
    struct currency *currency;
    int64_t minor;

    if (account_parse(slice_of(w->word[1]), &a) != 0 ||
        state_currency(&f->machine->state, slice_of(w->word[2]), &currency, &f->fault) != 1 ||
        state_balance(&f->machine->state, a, slice_of(w->word[2]), &minor, &f->fault) < 0) {
        return run_fail(r, "no such account or currency");
    }
    return run_same_amount(r, w->word[1], w->word[4], minor, currency->scale);
}

/* transaction PRINCIPAL ID [player PLAYER] = VERDICT|unknown_transaction [of ROLLBACK-ID] */
static bool check_transaction(struct run *r, struct fixture *f, struct words *w)
{
    bool of_player = strcmp(w->word[3], "player") == 0;
    int at = of_player ? 6 : 4;
    struct query q = {.type = QUERY_TRANSACTION,
                      .principal = slice_of(w->word[1]),
                      .id = slice_of(w->word[2]),
                      .player = slice_of(of_player ? w->word[4] : NULL)};
    struct answer a;
    struct record record;
    struct bytes out;
    const char *got;
    bool ok;

    bytes_init(&out);
    ok = run_ask(r, f, &q, &out, &a);
    if (ok) {
        got = verdict_code(a.verdict);
        if (a.verdict == VERDICT_APPLIED) {
            ok = answer_next_record(&a, &record, &f->fault) == 1 || run_fail(r, "no record");
            got = ok ? verdict_code(record.verdict) : "";
        }
        if (ok && strcmp(got, w->word[at]) != 0) {
            ok = run_fail(r, "expected %s, got %s", w->word[at], got);
        }
        if (ok &&
            !slice_equal(a.principal, slice_of(w->n_command > at + 2 ? w->word[at + 2] : NULL))) {
            ok = run_fail(r, "the tombstone is of '%.*s'", (int)a.principal.len, a.principal.base);
        }
    }
    bytes_release(&out);
    return ok;
}

/* history PLAYER = ID ...: newest first, fetched in pages of two */
static bool check_history(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_HISTORY, .player = slice_of(w->word[1]), .limit = 2};
    struct answer a;
    struct record record;
    struct bytes out;
    int at = 3;
    bool ok;

    bytes_init(&out);
    do {
        bytes_clear(&out);
        ok = run_ask(r, f, &q, &out, &a);
        while (ok && answer_next_record(&a, &record, &f->fault) == 1) {
            if (at == w->n_command || !slice_is(record.id, w->word[at])) {
                ok = run_fail(r, "expected %s, got %.*s",
                              at == w->n_command ? "the end" : w->word[at], (int)record.id.len,
                              record.id.base);
            }
            at++;
        }
        q.seq = a.next;
    } while (ok && a.next != 0);
    bytes_release(&out);
    return ok && (at == w->n_command || run_fail(r, "expected %s, got the end", w->word[at]));
}

/* records = N */
static bool check_records(struct run *r, struct fixture *f, struct words *w)
{
    uint64_t seq = machine_sequence(f->machine);

    return strtoull(w->word[2], NULL, 10) == seq ||
           run_fail(r, "expected %s records, got %llu", w->word[2], (unsigned long long)seq);
}

bool run_question(struct run *r, struct fixture *f, struct words *w)
{
    static const struct {
        const char *word;
        int equals; /* where the equals sign stands */
        bool (*check)(struct run *r, struct fixture *f, struct words *w);
    } questions[] = {
        {"balance", 3, check_balance},         {"account", 3, check_account},
        {"transaction", 3, check_transaction}, {"history", 2, check_history},
        {"records", 1, check_records},         {"available", 3, check_balance},
        {"rounds", 3, run_ask_rounds},         {"status", 2, run_ask_status},
        {"limit-of", 5, run_ask_limit},        {"password-of", 2, run_ask_password},
        {"principal", 2, run_ask_principal},   {"key-of", 2, run_ask_key},
        {"session-of", 2, run_ask_session},    {"actions", 1, run_ask_actions},
        {"action", 2, run_ask_action},
    };
    size_t i;

    for (i = 0; i < sizeof questions / sizeof *questions; i++) {
        int equals = questions[i].equals;

        if (strcmp(w->word[0], questions[i].word) != 0) {
            continue;
        }
        if (questions[i].check == check_transaction && w->n_command > 3 &&
            strcmp(w->word[3], "player") == 0) {
            equals += 2;
        }
        if (w->n_command < equals + 2 || strcmp(w->word[equals], "=") != 0) {
            return run_fail(r, "expected '%s ... = ...'", w->word[0]);
        }
        return questions[i].check(r, f, w);
    }
    return run_fail(r, "don't know the word '%s'", w->word[0]);
}
