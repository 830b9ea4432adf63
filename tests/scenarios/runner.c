/* Runs scenario tables: one command a line, and what it must answer.
 *
 *   runner FILE.txt ...
 *
 * Every line goes the whole way: encoded, decoded, applied. It goes through two machines at once,
 * one that keeps everything in memory and one that makes a checkpoint after every line, with
 * different hash keys: both must answer the same bytes. After every line the invariants are
 * checked; at the end the second machine is opened anew, both are audited from the ground up, and
 * their digests must be equal. The words of the tables are explained in README.md beside them. */
#define _GNU_SOURCE /* strptime, timegm */
#include <stdarg.h>
#include <time.h>

#include "tests/scenarios/run.h"

bool run_fail(const struct run *r, const char *format, ...)
{
    va_list args;

    printf("%s:%d: ", r->file, r->line);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("\n");
    return false;
}

static bool apply(struct run *r, const struct command *c, const struct words *w)
{
    struct fixture *a = &r->memory, *b = &r->checkpoint;

    if (command_check(c, &a->fault) != 0) {
        return run_fail(r, "%s", a->fault.text);
    }
    if (fixture_apply(a, c) != 0) {
        return run_fail(r, "%s", a->fault.text);
    }
    if (fixture_apply(b, c) != 0 || fixture_checkpoint(b) != 0) {
        return run_fail(r, "%s", b->fault.text);
    }
    if (a->outcome_bytes.len != b->outcome_bytes.len ||
        memcmp(a->outcome_bytes.base, b->outcome_bytes.base, a->outcome_bytes.len) != 0) {
        return run_fail(r, "with checkpoints the answer is another one");
    }
    return run_check_outcome(r, w, &a->outcome);
}

/* wait N second|minute|hour|day, date YYYY-MM-DD: for the commands that follow */
static bool run_clock(struct run *r, const struct words *w)
{
    static const struct {
        const char *name;
        uint64_t ms;
    } units[] = {{"second", 1000}, {"minute", 60000}, {"hour", 3600000}, {"day", 86400000}};
    struct tm day = {0};
    size_t i;

    if (w->n_command == 2 && strptime(w->word[1], "%Y-%m-%d", &day) != NULL) {
        r->memory.time_ms = r->checkpoint.time_ms = (uint64_t)timegm(&day) * 1000;
        return true;
    }
    for (i = 0; i < sizeof units / sizeof *units; i++) {
        if (w->n_command == 3 && strncmp(w->word[2], units[i].name, strlen(units[i].name)) == 0) {
            r->memory.time_ms += strtoull(w->word[1], NULL, 10) * units[i].ms;
            r->checkpoint.time_ms = r->memory.time_ms;
            return true;
        }
    }
    return run_fail(r, "it is: wait N second|minute|hour|day, or: date YYYY-MM-DD");
}

static bool run_line(struct run *r, struct words *w)
{
    struct words before = *w;
    struct command c;
    bool known, ok;

    words_move(&before, w);
    if (strcmp(w->word[0], "wait") == 0 || strcmp(w->word[0], "date") == 0) {
        return run_clock(r, w);
    }

    if (strcmp(w->word[0], "again") == 0) {
        /* The same request once more from one of our own nodes: same origin, not a replay. */
        return r->last.type != 0 ? apply(r, &r->last, w) : run_fail(r, "nothing came before");
    }
    if (!run_command_of(r, w, &c, &known)) {
        return false;
    }
    if (!known) {
        return run_question(r, &r->memory, w) && run_question(r, &r->checkpoint, w);
    }
    c.origin = ++r->origin;
    ok = apply(r, &c, w);
    /* The words are kept in place for `again`: parse them once more where they stay. (Reading a
     * command may cut words at commas, so it is their first state that is kept.) */
    r->last_words = before;
    words_move(&r->last_words, &before);
    if (!run_command_of(r, &r->last_words, &r->last, &known)) {
        return false;
    }
    r->last.origin = r->origin;
    return ok;
}

static bool invariants(struct run *r)
{
    return (machine_invariants(r->memory.machine, &r->memory.fault) == 0 ||
            run_fail(r, "%s", r->memory.fault.text)) &&
           (machine_invariants(r->checkpoint.machine, &r->checkpoint.fault) == 0 ||
            run_fail(r, "%s", r->checkpoint.fault.text));
}

static bool end_of_file(struct run *r)
{
    struct fixture *a = &r->memory, *b = &r->checkpoint;
    uint8_t digest_a[HASH_BYTES], digest_b[HASH_BYTES];

    if (fixture_reopen(b) != 0 || machine_audit(b->machine, &b->fault) != 0 ||
        machine_digest(b->machine, digest_b, &b->fault) != 0) {
        return run_fail(r, "reopened: %s", b->fault.text);
    }
    if (machine_audit(a->machine, &a->fault) != 0 ||
        machine_digest(a->machine, digest_a, &a->fault) != 0) {
        return run_fail(r, "%s", a->fault.text);
    }
    return memcmp(digest_a, digest_b, HASH_BYTES) == 0 ||
           run_fail(r, "reopened, the state is another one");
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
            run_fail(&r, "the line is too long");
            r.failed++;
            continue;
        }
        if (w.n_command == 0 && w.n_expect == 0) {
            continue;
        }
        ok = w.n_command == 0 ? run_fail(&r, "expected a command before the arrow")
                              : run_line(&r, &w) && invariants(&r);
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
