/* sim --seed N | --seeds A..B [--jobs N] [--mutant NAME] [--verbose] | --guards [--mutant NAME] |
 * --mutants [--seeds A..B] */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/sim/guards.h"
#include "tests/sim/sim_check.h"

enum { JOBS_MAX = 64, HANG_CPU_S = 120, LOOK_EVERY_MS = 50, TELL_EVERY_S = 10 };

struct arguments {
    uint64_t first, last;
    unsigned jobs;
    enum mutant mutant;
    bool range, guards, mutants, verbose;
};

/* What a child process tells; shared memory, so that it also speaks after a crash. */
struct tally {
    uint64_t seed; /* being run */
    uint64_t passed, failed, simulated_us, events, answers;
    uint64_t counts[SIM_COUNTS];
    uint64_t first_failed;
    char failure[256];
};

static const struct {
    const char *name;
    enum mutant mutant;
} mutant_names[] = {
    {"none", MUTANT_NONE},
    {"pre-vote-term", MUTANT_PRE_VOTE_TERM},
    {"commit-backwards", MUTANT_COMMIT_BACKWARDS},
    {"apply-by-commit", MUTANT_APPLY_BY_COMMIT},
    {"install-term", MUTANT_INSTALL_TERM},
    {"sender-member", MUTANT_SENDER_MEMBER},
    {"term-jump", MUTANT_TERM_JUMP},
    {"forget-vote", MUTANT_FORGET_VOTE},
    {"stale-persisted", MUTANT_STALE_PERSISTED},
    {"ack-before-commit", MUTANT_ACK_BEFORE_COMMIT},
    {"stale-read", MUTANT_STALE_READ},
    {"ack-before-sync", MUTANT_ACK_BEFORE_SYNC},
    {"change-in-batch", MUTANT_CHANGE_IN_BATCH},
    {"late-refusal", MUTANT_LATE_REFUSAL},
    {"install-older", MUTANT_INSTALL_OLDER},
    {"request-again", MUTANT_REQUEST_AGAIN},
    {"hurry-on", MUTANT_HURRY_ON},
    {"change-early", MUTANT_CHANGE_EARLY},
    {"change-unsettled", MUTANT_CHANGE_UNSETTLED},
    {"mute-standbys", MUTANT_MUTE_STANDBYS},
    {"sole-term", MUTANT_SOLE_TERM},
    {"first-again", MUTANT_FIRST_AGAIN},
    {"certain-answer", MUTANT_CERTAIN_ANSWER},
    {"clock-back", MUTANT_CLOCK_BACK},
    {"ignore-sync", MUTANT_IGNORE_SYNC},
    {"skip-dedupe", MUTANT_SKIP_DEDUPE},
    {"forget-frozen", MUTANT_FORGET_FROZEN},
    {"lose-tombstone", MUTANT_LOSE_TOMBSTONE},
    {"rollback-twice", MUTANT_ROLLBACK_TWICE},
    {"apply-twice", MUTANT_APPLY_TWICE},
    {"spend-held", MUTANT_SPEND_HELD},
    {"half-atomic", MUTANT_HALF_ATOMIC},
    {"request-anew", MUTANT_REQUEST_ANEW},
    {"lost-certain", MUTANT_LOST_CERTAIN},
    {"forward-leak", MUTANT_FORWARD_LEAK},
    {"unsaved-mark", MUTANT_UNSAVED_MARK},
    {"unsaved-clock", MUTANT_UNSAVED_CLOCK},
    {"open-round", MUTANT_OPEN_ROUND},
    {"old-session", MUTANT_OLD_SESSION},
    {"balance-before", MUTANT_BALANCE_BEFORE},
};
enum { MUTANTS = sizeof mutant_names / sizeof mutant_names[0] };

static double wall_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A seed that takes this long hangs. Time of the processor: machines may be busy. */
static void limit_time(void)
{
    struct itimerval limit = {.it_value = {HANG_CPU_S, 0}};

    setitimer(ITIMER_PROF, &limit, NULL);
}

/* ---- one seed ---- */

static bool run_seed(const struct arguments *a, uint64_t seed, struct tally *t)
{
    struct world_options options = {seed, a->mutant, a->verbose};
    struct world w;
    unsigned i;
    bool ok;

    world_run(&w, &options);
    ok = !w.failed;
    if (ok) {
        printf("seed %llu ok hash %016llx sim_s %.1f events %llu\n", (unsigned long long)seed,
               (unsigned long long)w.hash, (double)w.now_us / 1e6,
               (unsigned long long)w.events_run);
    } else if (!a->mutants) {
        printf("seed %llu FAILED at %.6f s: %s\n", (unsigned long long)seed, (double)w.now_us / 1e6,
               w.failure);
    }
    fflush(stdout);
    t->simulated_us += w.now_us;
    t->events += w.events_run;
    t->answers += w.check->answers;
    for (i = 0; i < SIM_COUNTS; i++) {
        t->counts[i] += w.counts[i];
    }
    if (!ok && t->first_failed == 0) {
        t->first_failed = seed;
        snprintf(t->failure, sizeof t->failure, "%.250s", w.failure);
    }
    world_release(&w);
    return ok;
}

/* ---- many seeds ---- */

/* Runs t->seed, and every jobs-th after it. */
static void child(const struct arguments *a, struct tally *t)
{
    for (; t->seed <= a->last; t->seed += a->jobs) {
        limit_time();
        if (run_seed(a, t->seed, t)) {
            t->passed++;
        } else {
            t->failed++;
            if (a->mutants) {
                break;
            }
        }
    }
    _exit(0);
}

static pid_t spawn(const struct arguments *a, struct tally *t)
{
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        child(a, t);
    }
    return pid;
}

/* A child that died took one seed with it: it failed; the rest goes on. */
static void note_death(const struct arguments *a, struct tally *t, int status)
{
    const char *how = WTERMSIG(status) == SIGPROF ? "hangs" : strsignal(WTERMSIG(status));

    if (!a->mutants) {
        printf("seed %llu FAILED: %s\n", (unsigned long long)t->seed, how);
    }
    t->failed++;
    if (t->first_failed == 0) {
        t->first_failed = t->seed;
        snprintf(t->failure, sizeof t->failure, "%s", how);
    }
    t->seed += a->jobs;
}

static void add_up(const struct arguments *a, const struct tally *tallies, struct tally *sum)
{
    unsigned i, c;

    memset(sum, 0, sizeof *sum);
    for (i = 0; i < a->jobs; i++) {
        const struct tally *t = &tallies[i];
        sum->passed += t->passed;
        sum->failed += t->failed;
        sum->simulated_us += t->simulated_us;
        sum->events += t->events;
        sum->answers += t->answers;
        for (c = 0; c < SIM_COUNTS; c++) {
            sum->counts[c] += t->counts[c];
        }
        if (t->first_failed != 0 &&
            (sum->first_failed == 0 || t->first_failed < sum->first_failed)) {
            sum->first_failed = t->first_failed;
            memcpy(sum->failure, t->failure, sizeof sum->failure);
        }
    }
}

/* Waits for a child, telling now and then how far they all are. */
static pid_t wait_telling(const struct arguments *a, const struct tally *tallies, double began_s,
                          double *tell_at_s, int *status)
{
    struct timespec pause = {0, LOOK_EVERY_MS * 1000000L};
    struct tally sum;
    pid_t pid;

    while ((pid = waitpid(-1, status, WNOHANG)) == 0) {
        nanosleep(&pause, NULL);
        if (!a->mutants && wall_s() >= *tell_at_s) {
            *tell_at_s += TELL_EVERY_S;
            add_up(a, tallies, &sum);
            fprintf(stderr,
                    "sim: %llu of %llu seeds, %llu failed, %.1f simulated hours in %.0f s\n",
                    (unsigned long long)(sum.passed + sum.failed),
                    (unsigned long long)(a->last - a->first + 1), (unsigned long long)sum.failed,
                    (double)sum.simulated_us / 3.6e9, wall_s() - began_s);
        }
    }
    return pid;
}

static void run_range(const struct arguments *a, struct tally *sum)
{
    struct tally *tallies = mmap(NULL, JOBS_MAX * sizeof *tallies, PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double began_s = wall_s();
    double tell_at_s = began_s + TELL_EVERY_S;
    pid_t pids[JOBS_MAX];
    unsigned i, running = 0;

    for (i = 0; i < a->jobs; i++) {
        tallies[i].seed = a->first + i;
        pids[i] = spawn(a, &tallies[i]);
        running++;
    }
    while (running > 0) {
        int status;
        pid_t pid = wait_telling(a, tallies, began_s, &tell_at_s, &status);
        for (i = 0; i < a->jobs && pids[i] != pid; i++) {
        }
        if (i == a->jobs) {
            continue;
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            if (WIFEXITED(status)) {
                status = SIGABRT; /* a sanitizer spoke */
            }
            note_death(a, &tallies[i], status);
            if (!a->mutants && tallies[i].seed <= a->last) {
                pids[i] = spawn(a, &tallies[i]);
                continue;
            }
        }
        running--;
    }
    add_up(a, tallies, sum);
    munmap(tallies, JOBS_MAX * sizeof *tallies);
}

/* What this process and its children have had of processors. */
static double cpu_s(void)
{
    struct rusage own, children;

    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    return (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec + children.ru_utime.tv_sec +
                    children.ru_stime.tv_sec) +
           (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec + children.ru_utime.tv_usec +
                    children.ru_stime.tv_usec) /
               1e6;
}

static void say_counts(const struct tally *sum)
{
    unsigned c;

    for (c = 0; c < SIM_COUNTS; c++) {
        printf("%s%s %llu",
               c == 0       ? ""
               : c % 8 == 0 ? "\n"
                            : ", ",
               count_name((enum sim_count)c), (unsigned long long)sum->counts[c]);
    }
    printf("\n");
}

static int run_all(const struct arguments *a)
{
    struct tally sum;
    double begin = wall_s();
    double took_s, simulated_s;

    run_range(a, &sum);
    took_s = wall_s() - begin;
    simulated_s = (double)sum.simulated_us / 1e6;
    printf("%llu seeds, %.2f simulated hours in %.4f wall hours (%.0f x) and %.4f processor hours "
           "(%.0f x), %llu events, %llu answers\n",
           (unsigned long long)(sum.passed + sum.failed), simulated_s / 3600, took_s / 3600,
           simulated_s / took_s, cpu_s() / 3600, simulated_s / cpu_s(),
           (unsigned long long)sum.events, (unsigned long long)sum.answers);
    say_counts(&sum);
    printf("%llu passed, %llu failed\n", (unsigned long long)sum.passed,
           (unsigned long long)sum.failed);
    return sum.failed == 0 ? 0 : 1;
}

/* ---- mutants ---- */

#ifdef FLORIN_MUTANTS

/* The scripts run in a child: a mutant may crash. */
static bool guards_catch(enum mutant mutant)
{
    pid_t pid;
    int status;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        limit_time();
        _exit(guards_run(mutant) == 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* Exit codes of the child that tries one. */
enum { BY_SEED = 0, NOT_FOUND = 1, BY_SCRIPT = 3, OUTCOMES = 4 };

static int catch_one(struct arguments a, unsigned i)
{
    struct tally sum;
    bool scripted;

    a.mutants = true;
    a.mutant = mutant_names[i].mutant;
    scripted = guards_catch(a.mutant);
    if (freopen("/dev/null", "w", stdout) == NULL) {
        _exit(2);
    }
    run_range(&a, &sum);
    fprintf(stderr, "mutant %-18s script: %-6s seed: ", mutant_names[i].name,
            scripted ? "caught" : "-");
    if (sum.failed > 0) {
        fprintf(stderr, "%llu (%s)\n", (unsigned long long)sum.first_failed, sum.failure);
    } else {
        fprintf(stderr, "none of %llu\n", (unsigned long long)sum.passed);
    }
    return sum.failed > 0 ? BY_SEED : scripted ? BY_SCRIPT : NOT_FOUND;
}

static int run_mutants(const struct arguments *a)
{
    unsigned found[OUTCOMES] = {0};
    unsigned i;

    for (i = 1; i < MUTANTS; i++) {
        int status = 0;
        pid_t pid;
        if (a->mutant != MUTANT_NONE && a->mutant != mutant_names[i].mutant) {
            continue;
        }
        pid = fork();
        if (pid == 0) {
            _exit(catch_one(*a, i));
        }
        waitpid(pid, &status, 0);
        status = WIFEXITED(status) ? WEXITSTATUS(status) : NOT_FOUND;
        found[status == BY_SEED || status == BY_SCRIPT ? status : NOT_FOUND]++;
    }
    printf("%u found by a seed, %u only by their script\n", found[BY_SEED], found[BY_SCRIPT]);
    printf("%u passed, %u failed\n", found[BY_SEED] + found[BY_SCRIPT], found[NOT_FOUND]);
    return found[NOT_FOUND] == 0 ? 0 : 1;
}

#else

static int run_mutants(const struct arguments *a)
{
    (void)a;
    fprintf(stderr, "this build has no mutants: use `make sim-mutants`\n");
    return 2;
}

#endif

/* ---- arguments ---- */

static int usage(void)
{
    fprintf(stderr, "usage: sim --seed N | --seeds A..B [--jobs N] [--mutant NAME] [--verbose]\n"
                    "       sim --guards [--mutant NAME]\n"
                    "       sim --mutants [--mutant NAME] [--seeds A..B]\n");
    return 2;
}

static bool parse_mutant(const char *name, enum mutant *mutant)
{
    unsigned i;

    for (i = 0; i < MUTANTS; i++) {
        if (strcmp(name, mutant_names[i].name) == 0) {
            *mutant = mutant_names[i].mutant;
            return true;
        }
    }
    return false;
}

static bool parse_seeds(const char *text, struct arguments *a)
{
    unsigned long long first, last;
    char end;

    if (sscanf(text, "%llu..%llu%c", &first, &last, &end) != 2 || first > last) {
        return false;
    }
    a->first = first;
    a->last = last;
    a->range = true;
    return true;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"seed", required_argument, NULL, 's'}, {"seeds", required_argument, NULL, 'r'},
        {"jobs", required_argument, NULL, 'j'}, {"mutant", required_argument, NULL, 'm'},
        {"verbose", no_argument, NULL, 'v'},    {"guards", no_argument, NULL, 'g'},
        {"mutants", no_argument, NULL, 'M'},    {NULL, 0, NULL, 0},
    };
    bool ok = true;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 's':
            a->first = a->last = strtoull(optarg, NULL, 10);
            break;
        case 'r':
            ok = ok && parse_seeds(optarg, a);
            break;
        case 'j':
            a->jobs = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            ok = ok && parse_mutant(optarg, &a->mutant);
            break;
        case 'v':
            a->verbose = true;
            break;
        case 'g':
            a->guards = true;
            break;
        case 'M':
            a->mutants = true;
            break;
        default:
            ok = false;
        }
    }
    return ok && optind == argc && a->jobs >= 1 && a->jobs <= JOBS_MAX;
}

int main(int argc, char **argv)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct arguments a = {.first = 1, .last = 1};
    struct tally tally = {0};

    a.jobs = cores < 1 ? 1 : cores > JOBS_MAX ? JOBS_MAX : (unsigned)cores;
    if (!parse(argc, argv, &a)) {
        return usage();
    }
    if (a.guards) {
        return guards_run(a.mutant) == 0 ? 0 : 1;
    }
    if (a.mutants) {
        if (!a.range) {
            a.last = 1000;
        }
        return run_mutants(&a);
    }
    if (a.range) {
        return run_all(&a);
    }
    return run_seed(&a, a.first, &tally) ? 0 : 1;
}
