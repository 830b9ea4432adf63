/* Runs the naive model and the engine side by side on random commands.
 *
 *   model COMMANDS SEED [EPISODE]
 *
 * The commands come in episodes, each a world of its own with its own character, made from the seed
 * and the episode's number. After every command both outcomes must be the same in every field, and
 * the engine's invariants must hold; at the end of an episode the whole ledger, all balances,
 * histories and transactions are compared, the engine is audited from the ground up, restarted, and
 * compared once more. At the first difference of an episode its commands are shrunk to a few that
 * still show one, and these are said in the words of the scenario tables. */
#include <inttypes.h>

#include "tests/model/compare.h"

enum {
    EPISODE_MIN = 100, /* commands */
    EPISODE_MAX = 8000,
    ASK_EVERY = 50,         /* commands, then balances and limits are asked */
    SHRINK_RUNS_MAX = 3000, /* of one difference */
    DIFFERENCES_MAX = 5,    /* then enough is known */
};

enum { VERDICTS_END = 128 }; /* above all that there are */

/* How a run of a script ended. */
struct result {
    bool same;
    size_t passed;        /* commands answered alike */
    struct fault fault;   /* what went wrong, when it was no difference in an outcome */
    bool outcomes_differ; /* ... and when it was */
    uint64_t verdicts[VERDICTS_END];
};

static void say_difference(const struct script *s, size_t step, struct engine *e,
                           const struct m_outcome *expected)
{
    printf("  command ");
    say_command(stdout, s->steps[step].command);
    printf("    engine: ");
    say_outcomes(stdout, &e->f.outcome, NULL);
    printf("    model:  ");
    say_outcomes(stdout, &expected->outcome, expected->items);
}

/* Runs a script through both. With `say`, tells where they differ. */
static void run(const struct script *s, struct result *result, bool say)
{
    struct engine e;
    struct model m;
    struct m_outcome o;
    size_t i;

    *result = (struct result){.same = true};
    engine_open(&e, s);
    model_init(&m);
    for (i = 0; i < s->n && result->same; i++) {
        if (engine_step(&e) != 0) {
            result->same = false;
            break;
        }
        model_apply(&m, s->steps[i].time_ms, s->steps[i].command, &o);
        if (!outcomes_equal(&e.f.outcome, &o)) {
            result->same = false;
            result->outcomes_differ = true;
            if (say) {
                say_difference(s, i, &e, &o);
            }
            break;
        }
        result->passed++;
        result->verdicts[o.outcome.verdict]++;
        if (i % ASK_EVERY == 0 && !compare_players(&e, &m)) {
            result->same = false;
        }
    }
    result->same =
        result->same && compare_all(&e, &m) && engine_reopen(&e) == 0 && compare_all(&e, &m);
    result->fault = e.f.fault;
    if (say && !result->same && !result->outcomes_differ) {
        printf("  %s\n", e.f.fault.text);
    }
    engine_close(&e);
    model_release(&m);
}

/* Cuts the script down to steps that still show a difference: what came after the first one, then
 * halves, quarters ... of the rest. Texts stay with the original. */
static void shrink(struct script *s, size_t passed)
{
    struct script less = {.seed = s->seed};
    struct result result;
    size_t part, from, runs = 0;

    less.steps = calloc(s->n, sizeof *less.steps);
    if (less.steps == NULL) {
        return;
    }
    if (passed + 1 < s->n) {
        s->n = passed + 1;
    }
    for (part = s->n / 2; part > 0; part /= 2) {
        for (from = 0; from < s->n && runs < SHRINK_RUNS_MAX; runs++) {
            size_t left = s->n - from, cut = part < left ? part : left;

            memcpy(less.steps, s->steps, from * sizeof *s->steps);
            memcpy(less.steps + from, s->steps + from + cut, (left - cut) * sizeof *s->steps);
            less.n = s->n - cut;
            if (less.n > 0) {
                less.steps[less.n - 1].ends_entry = true;
                run(&less, &result, false);
            }
            if (less.n == 0 || result.same) {
                from += cut;
                continue;
            }
            memcpy(s->steps, less.steps, less.n * sizeof *s->steps);
            s->n = less.n;
        }
    }
    free(less.steps);
    for (from = 0; from < s->n; from++) { /* and without what happens between them */
        unsigned before = s->steps[from].before;

        s->steps[from].before = 0;
        run(s, &result, false);
        s->steps[from].before = result.same ? before : 0;
    }
}

static void say_script(const struct script *s)
{
    size_t i;

    for (i = 0; i < s->n; i++) {
        unsigned before = s->steps[i].before;

        printf("    %s%s%s%s", before & STEP_CHECKPOINT_BEGIN ? "(freeze) " : "",
               before & STEP_CHECKPOINT_WRITE ? "(write) " : "",
               before & STEP_CHECKPOINT_END ? "(thaw) " : "",
               before & STEP_REOPEN ? "(restart) " : "");
        say_command(stdout, s->steps[i].command);
    }
}

struct totals {
    uint64_t passed, failed;
    uint64_t verdicts[VERDICTS_END];
    unsigned episodes;
};

static void episode(uint64_t seed, unsigned number, size_t n, struct totals *t)
{
    struct chance chance = {seed * 1000003 + number};
    struct script s;
    struct result result;
    int v;

    script_generate(&s, chance_next(&chance), n);
    run(&s, &result, false);
    t->passed += result.passed;
    t->episodes++;
    for (v = 0; v < VERDICTS_END; v++) {
        t->verdicts[v] += result.verdicts[v];
    }
    if (!result.same) {
        t->failed++;
        printf("seed %" PRIu64
               ", episode %u, command %zu of %zu: the engine and the model differ\n",
               seed, number, result.passed + 1, n);
        run(&s, &result, true);
        shrink(&s, result.passed);
        printf("  the shortest that shows a difference (%zu commands):\n", s.n);
        say_script(&s);
        run(&s, &result, true);
    }
    script_release(&s);
}

/* A verdict that never came up is a rule that was not tested. */
static void say_verdicts(const struct totals *t)
{
    unsigned v;

    for (v = 0; v < VERDICTS_END; v++) {
        if (verdict_known(v)) {
            printf("%s%s %" PRIu64, v == 0 ? "model: " : ", ", verdict_code((enum verdict)v),
                   t->verdicts[v]);
        }
    }
    printf("\n");
}

static bool number_of(const char *text, uint64_t *number)
{
    char *end;

    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

int main(int argc, char **argv)
{
    uint64_t commands, seed, only = UINT64_MAX, done = 0;
    struct totals t = {0};
    unsigned number;

    if (argc < 3 || argc > 4 || !number_of(argv[1], &commands) || !number_of(argv[2], &seed) ||
        (argc == 4 && !number_of(argv[3], &only))) {
        fprintf(stderr, "usage: model COMMANDS SEED [EPISODE]\n");
        return 2;
    }
    for (number = 0; done < commands && t.failed < DIFFERENCES_MAX; number++) {
        struct chance chance = {seed ^ (uint64_t)number << 32};
        uint64_t n = EPISODE_MIN + chance_below(&chance, EPISODE_MAX - EPISODE_MIN);

        n = n < commands - done ? n : commands - done;
        done += n;
        if (only == UINT64_MAX || only == number) {
            episode(seed, number, (size_t)n, &t);
        }
    }
    say_verdicts(&t);
    printf("model: seed %" PRIu64 ", %u episodes: %" PRIu64 " passed, %" PRIu64 " failed\n", seed,
           t.episodes, t.passed, t.failed);
    return t.failed == 0 ? 0 : 1;
}
