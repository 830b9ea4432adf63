/* Runs scenario tables: one command a line, and what it must answer.
 *
 *   runner FILE.txt ...
 *
 * Every line goes the whole way: encoded, decoded, applied. It goes through two machines at once,
 * one that keeps everything in memory and one that makes a checkpoint after every line, with
 * different hash keys: both must answer the same bytes. After every line the invariants are
 * checked; at the end the second machine is opened anew, both are audited from the ground up, and
 * their digests must be equal. The words of the tables are explained in README.md beside them. */
#include <ctype.h>
#include <stdarg.h>

#include "statemachine/machine_private.h"
#include "tests/scenarios/words.h"
#include "tests/unit/ledger_fixture.h"

struct run {
    struct fixture memory;     /* never makes a checkpoint */
    struct fixture checkpoint; /* makes one after every line */
    struct command last;       /* for `again`; borrows from last_words */
    struct words last_words;
    uint64_t origin;
    const char *file;
    int line;
    unsigned passed, failed;
};

static bool fail(struct run *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct run *r, const char *format, ...)
{
    va_list args;

    printf("%s:%d: ", r->file, r->line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return false;
}

/* ---- commands ---- */

static bool amount(struct run *r, const char *text, struct decimal *d)
{
    return decimal_parse(slice_of(text), d) == 0 || fail(r, "'%s' is not an amount", text);
}

/* Words that come in pairs behind a money command: round, game, session, bet, kind, via, by, of. */
static bool options(struct run *r, struct words *w, int at, struct command *c)
{
    for (; at < w->n_command; at += 2) {
        const char *name = w->word[at];
        struct slice value = slice_of(at + 1 < w->n_command ? w->word[at + 1] : NULL);
        struct slice *field = strcmp(name, "round") == 0     ? &c->round
                              : strcmp(name, "game") == 0    ? &c->game
                              : strcmp(name, "session") == 0 ? &c->session
                              : strcmp(name, "bet") == 0     ? &c->bet
                              : strcmp(name, "of") == 0      ? &c->original
                              : strcmp(name, "via") == 0     ? &c->gateway
                              : strcmp(name, "by") == 0      ? &c->principal
                                                             : NULL;

        if (value.len == 0) {
            return fail(r, "'%s' needs a word behind it", name);
        }
        if (strcmp(name, "kind") == 0) {
            if (win_kind_parse(value, &c->win_kind) != 0) {
                return fail(r, "'%s' is not a kind of win", value.base);
            }
        } else if (field == NULL) {
            return fail(r, "don't know the word '%s'", name);
        } else {
            *field = value;
        }
    }
    return true;
}

/* bet|win|rollback ID PROVIDER PLAYER CURRENCY [AMOUNT] ..., deposit ID PLAYER CURRENCY AMOUNT via
 * GATEWAY [by PRINCIPAL] */
static bool money_command(struct run *r, struct words *w, enum command_type type, struct command *c)
{
    int at = 1;
    int need = type == COMMAND_BET || type == COMMAND_WIN ? 6 : 5;

    if (w->n_command < need) {
        return fail(r, "'%s' needs %d words", w->word[0], need);
    }
    *c = (struct command){.type = type};
    c->id = slice_of(w->word[at++]);
    if (type != COMMAND_DEPOSIT) {
        c->principal = slice_of(w->word[at++]);
    }
    c->player = slice_of(w->word[at++]);
    c->currency = slice_of(w->word[at++]);
    if (type != COMMAND_ROLLBACK && !amount(r, w->word[at++], &c->amount)) {
        return false;
    }
    if (!options(r, w, at, c)) {
        return false;
    }
    if (type == COMMAND_DEPOSIT && c->principal.len == 0) {
        c->principal = c->gateway;
    }
    return true;
}

/* currency CODE SCALE, provider NAME, gateway NAME, key ID ROLE PRINCIPAL, player NAME [CODE ...]
 */
static bool create_command(struct run *r, struct words *w, enum command_type type,
                           struct command *c)
{
    static const uint8_t secret_hash[SECRET_HASH_BYTES] = {1, 2, 3};
    int i;

    if (w->n_command < 2) {
        return fail(r, "'%s' needs a name", w->word[0]);
    }
    *c = create(type, w->word[1]);
    if (type == COMMAND_CURRENCY_CREATE) {
        c->scale = (uint8_t)(w->n_command > 2 ? atoi(w->word[2]) : SCALE_DEFAULT);
    } else if (type == COMMAND_PRINCIPAL_CREATE) {
        return role_parse(slice_of(w->word[0]), &c->role) == 0;
    } else if (type == COMMAND_KEY_CREATE) {
        if (w->n_command < 4 || role_parse(slice_of(w->word[2]), &c->role) != 0) {
            return fail(r, "a key is: key ID ROLE PRINCIPAL");
        }
        c->principal = slice_of(w->word[3]);
        c->secret_hash = secret_hash;
    } else {
        for (i = 2; i < w->n_command && i - 2 < CURRENCIES_PER_PLAYER; i++) {
            c->currencies[c->n_currencies++] = slice_of(w->word[i]);
        }
    }
    return true;
}

static bool command_of(struct run *r, struct words *w, struct command *c, bool *known)
{
    static const struct {
        const char *word;
        enum command_type type;
    } verbs[] = {
        {"bet", COMMAND_BET},
        {"win", COMMAND_WIN},
        {"rollback", COMMAND_ROLLBACK},
        {"deposit", COMMAND_DEPOSIT},
        {"currency", COMMAND_CURRENCY_CREATE},
        {"provider", COMMAND_PRINCIPAL_CREATE},
        {"gateway", COMMAND_PRINCIPAL_CREATE},
        {"key", COMMAND_KEY_CREATE},
        {"player", COMMAND_PLAYER_CREATE},
    };
    size_t i;

    *known = true;
    for (i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(w->word[0], verbs[i].word) == 0) {
            c->type = verbs[i].type;
            return c->type < COMMAND_CURRENCY_CREATE ? money_command(r, w, verbs[i].type, c)
                                                     : create_command(r, w, verbs[i].type, c);
        }
    }
    *known = false;
    return true;
}

/* ---- what was answered ---- */

static bool same_amount(struct run *r, const char *what, const char *expected, int64_t minor,
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
    if (!amount(r, expected + (negative ? 1 : 0), &d)) {
        return false;
    }
    if (decimal_to_minor(d, scale, &wanted) != 0) {
        return fail(r, "'%s' does not fit the currency", expected);
    }
    if ((negative ? -wanted : wanted) == minor) {
        return true;
    }
    return fail(r, "expected %s %s, got %s", what, expected, text);
}

static bool same_account(struct run *r, const char *what, const char *expected, struct account a)
{
    char text[ACCOUNT_TEXT_MAX];

    account_format(a, text);
    return strcmp(text, expected) == 0 || fail(r, "expected %s %s, got %s", what, expected, text);
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
           fail(r, "expected a conflict in %s, got %s", expected, text);
}

/* One expectation of two words about the record. */
static bool check_record(struct run *r, const struct outcome *o, const char *what,
                         const char *expected)
{
    const struct record *record = &o->record;

    if (!o->has_record) {
        return fail(r, "expected %s %s, but nothing was recorded", what, expected);
    }
    if (strcmp(what, "amount") == 0) {
        return same_amount(r, what, expected, record->amount_minor, record->scale);
    }
    if (strcmp(what, "requested") == 0) {
        return same_amount(r, what, expected, record->requested_minor, record->scale);
    }
    if (strcmp(what, "balance") == 0) {
        return same_amount(r, what, expected, record->balance_minor, record->scale);
    }
    if (strcmp(what, "now") == 0) {
        return same_amount(r, what, expected, o->balance_now_minor, record->scale);
    }
    if (strcmp(what, "from") == 0) {
        return same_account(r, what, expected, record->debit);
    }
    if (strcmp(what, "to") == 0) {
        return same_account(r, what, expected, record->credit);
    }
    if (strcmp(what, "seq") == 0) {
        return strtoull(expected, NULL, 10) == record->seq ||
               fail(r, "expected seq %s, got %llu", expected, (unsigned long long)record->seq);
    }
    if (strcmp(what, "postings") == 0) {
        return atoi(expected) == record->n_postings ||
               fail(r, "expected %s postings, got %u", expected, record->n_postings);
    }
    return fail(r, "don't know the expectation '%s'", what);
}

static bool check_outcome(struct run *r, const struct words *w, const struct outcome *o)
{
    const char *verdict = w->n_expect > 0 ? w->expect[0] : "applied";
    bool replayed = false;
    int i;

    if (strcmp(verdict, verdict_code(o->verdict)) != 0) {
        return fail(r, "expected %s, got %s", verdict, verdict_code(o->verdict));
    }
    for (i = 1; i < w->n_expect; i++) {
        const char *what = w->expect[i];
        bool ok;

        if (strcmp(what, "replayed") == 0) {
            replayed = true;
            continue;
        }
        if (++i == w->n_expect) {
            return fail(r, "'%s' needs a word behind it", what);
        }
        ok = strcmp(what, "in") == 0 ? same_conflicts(r, w->expect[i], o->conflicts)
                                     : check_record(r, o, what, w->expect[i]);
        if (!ok) {
            return false;
        }
    }
    return replayed == o->replayed ||
           fail(r, o->replayed ? "it was replayed" : "expected it to be replayed");
}

/* ---- questions ---- */

static bool ask(struct run *r, struct fixture *f, const struct query *q, struct bytes *out,
                struct answer *a)
{
    struct bytes in;
    bool broken, ok;

    bytes_init(&in);
    query_encode(q, &in);
    ok = machine_query(f->machine, in.base, in.len, out, &broken, &f->fault) == 0 &&
         answer_decode(out->base, out->len, a, &f->fault) == 0;
    bytes_release(&in);
    return ok || fail(r, "%s", f->fault.text);
}

/* balance PLAYER CURRENCY = AMOUNT|none|unknown_player */
static bool check_balance(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {.type = QUERY_BALANCES, .player = slice_of(w->word[1])};
    struct answer a;
    struct bytes out;
    const char *got = "none";
    bool ok;
    uint32_t i;

    bytes_init(&out);
    ok = ask(r, f, &q, &out, &a);
    if (ok && a.verdict != VERDICT_APPLIED) {
        got = verdict_code(a.verdict);
    }
    for (i = 0; ok && i < a.n_balances; i++) {
        if (slice_is(a.balances[i].currency, w->word[2])) {
            ok = same_amount(r, "balance", w->word[4], a.balances[i].balance_minor,
                             a.balances[i].scale);
            got = NULL;
        }
    }
    if (ok && got != NULL && strcmp(got, w->word[4]) != 0) {
        ok = fail(r, "expected balance %s, got %s", w->word[4], got);
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
        return fail(r, "no such account or currency");
    }
    return same_amount(r, w->word[1], w->word[4], minor, currency->scale);
}

/* transaction PRINCIPAL ID = VERDICT|unknown_transaction [of ROLLBACK-ID] */
static bool check_transaction(struct run *r, struct fixture *f, struct words *w)
{
    struct query q = {
        .type = QUERY_TRANSACTION, .principal = slice_of(w->word[1]), .id = slice_of(w->word[2])};
    struct answer a;
    struct record record;
    struct bytes out;
    const char *got;
    bool ok;

    bytes_init(&out);
    ok = ask(r, f, &q, &out, &a);
    if (ok) {
        got = verdict_code(a.verdict);
        if (a.verdict == VERDICT_APPLIED) {
            ok = answer_next_record(&a, &record, &f->fault) == 1 || fail(r, "no record");
            got = ok ? verdict_code(record.verdict) : "";
        }
        if (ok && strcmp(got, w->word[4]) != 0) {
            ok = fail(r, "expected %s, got %s", w->word[4], got);
        }
        if (ok && !slice_equal(a.principal, slice_of(w->n_command > 6 ? w->word[6] : NULL))) {
            ok = fail(r, "the tombstone is of '%.*s'", (int)a.principal.len, a.principal.base);
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
        ok = ask(r, f, &q, &out, &a);
        while (ok && answer_next_record(&a, &record, &f->fault) == 1) {
            if (at == w->n_command || !slice_is(record.id, w->word[at])) {
                ok = fail(r, "expected %s, got %.*s", at == w->n_command ? "the end" : w->word[at],
                          (int)record.id.len, record.id.base);
            }
            at++;
        }
        q.seq = a.next;
    } while (ok && a.next != 0);
    bytes_release(&out);
    return ok && (at == w->n_command || fail(r, "expected %s, got the end", w->word[at]));
}

/* records = N */
static bool check_records(struct run *r, struct fixture *f, struct words *w)
{
    uint64_t seq = machine_sequence(f->machine);

    return strtoull(w->word[2], NULL, 10) == seq ||
           fail(r, "expected %s records, got %llu", w->word[2], (unsigned long long)seq);
}

static bool question(struct run *r, struct fixture *f, struct words *w)
{
    static const struct {
        const char *word;
        int equals; /* where the equals sign stands */
        bool (*check)(struct run *r, struct fixture *f, struct words *w);
    } questions[] = {
        {"balance", 3, check_balance},         {"account", 3, check_account},
        {"transaction", 3, check_transaction}, {"history", 2, check_history},
        {"records", 1, check_records},
    };
    size_t i;

    for (i = 0; i < sizeof questions / sizeof *questions; i++) {
        int equals = questions[i].equals;

        if (strcmp(w->word[0], questions[i].word) != 0) {
            continue;
        }
        if (w->n_command < equals + 2 || strcmp(w->word[equals], "=") != 0) {
            return fail(r, "expected '%s ... = ...'", w->word[0]);
        }
        return questions[i].check(r, f, w);
    }
    return fail(r, "don't know the word '%s'", w->word[0]);
}

/* ---- running ---- */

static bool apply(struct run *r, const struct command *c, const struct words *w)
{
    struct fixture *a = &r->memory, *b = &r->checkpoint;

    if (command_check(c, &a->fault) != 0) {
        return fail(r, "%s", a->fault.text);
    }
    if (fixture_apply(a, c) != 0) {
        return fail(r, "%s", a->fault.text);
    }
    if (fixture_apply(b, c) != 0 || fixture_checkpoint(b) != 0) {
        return fail(r, "%s", b->fault.text);
    }
    if (a->outcome_bytes.len != b->outcome_bytes.len ||
        memcmp(a->outcome_bytes.base, b->outcome_bytes.base, a->outcome_bytes.len) != 0) {
        return fail(r, "with checkpoints the answer is another one");
    }
    return check_outcome(r, w, &a->outcome);
}

static bool run_line(struct run *r, struct words *w)
{
    struct command c;
    bool known, ok;

    if (strcmp(w->word[0], "again") == 0) {
        /* The same request once more from one of our own nodes: same origin, not a replay. */
        return r->last.type != 0 ? apply(r, &r->last, w) : fail(r, "nothing came before");
    }
    if (!command_of(r, w, &c, &known)) {
        return false;
    }
    if (!known) {
        return question(r, &r->memory, w) && question(r, &r->checkpoint, w);
    }
    c.origin = ++r->origin;
    ok = apply(r, &c, w);
    /* The words are kept in place for `again`: parse them once more where they stay. */
    r->last_words = *w;
    words_move(&r->last_words, w);
    if (!command_of(r, &r->last_words, &r->last, &known)) {
        return false;
    }
    r->last.origin = r->origin;
    return ok;
}

static bool invariants(struct run *r)
{
    return (machine_invariants(r->memory.machine, &r->memory.fault) == 0 ||
            fail(r, "%s", r->memory.fault.text)) &&
           (machine_invariants(r->checkpoint.machine, &r->checkpoint.fault) == 0 ||
            fail(r, "%s", r->checkpoint.fault.text));
}

static bool end_of_file(struct run *r)
{
    struct fixture *a = &r->memory, *b = &r->checkpoint;
    uint8_t digest_a[HASH_BYTES], digest_b[HASH_BYTES];

    if (fixture_reopen(b) != 0 || machine_audit(b->machine, &b->fault) != 0 ||
        machine_digest(b->machine, digest_b, &b->fault) != 0) {
        return fail(r, "reopened: %s", b->fault.text);
    }
    if (machine_audit(a->machine, &a->fault) != 0 ||
        machine_digest(a->machine, digest_a, &a->fault) != 0) {
        return fail(r, "%s", a->fault.text);
    }
    return memcmp(digest_a, digest_b, HASH_BYTES) == 0 ||
           fail(r, "reopened, the state is another one");
}

static void run_file(const char *file, unsigned *passed, unsigned *failed)
{
    struct run r = {.file = file};
    struct words w;
    char text[WORDS_TEXT_MAX];
    FILE *in = fopen(file, "r");

    if (in == NULL) {
        perror(file);
        (*failed)++;
        return;
    }
    fixture_open(&r.memory, 3);
    fixture_open(&r.checkpoint, 9);
    while (fgets(text, sizeof text, in) != NULL) {
        bool ok;

        r.line++;
        if (words_split(&w, text) != 0) {
            fail(&r, "the line is too long");
            r.failed++;
            continue;
        }
        if (w.n_command == 0) {
            continue;
        }
        ok = run_line(&r, &w) && invariants(&r);
        *(ok ? &r.passed : &r.failed) += 1;
    }
    *(end_of_file(&r) ? &r.passed : &r.failed) += 1;
    fclose(in);
    fixture_close(&r.memory);
    fixture_close(&r.checkpoint);
    *passed += r.passed;
    *failed += r.failed;
}

int main(int argc, char **argv)
{
    unsigned passed = 0, failed = 0;
    int i;

    if (argc < 2) {
        fprintf(stderr, "usage: runner FILE.txt ...\n");
        return 2;
    }
    for (i = 1; i < argc; i++) {
        run_file(argv[i], &passed, &failed);
    }
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
