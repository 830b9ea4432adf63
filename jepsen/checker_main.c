/* checker [--report FOLDER] HISTORY LEDGER...
 *
 * Judges a run from what it left behind. Exit code 0: it fits; 1: it does not, and the smallest
 * counter-example is printed; 2: the files can't be judged. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "jepsen/report.h"

static int map_file(const char *path, struct slice *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    void *base = MAP_FAILED;

    if (fd < 0 || fstat(fd, &st) != 0) {
        fprintf(stderr, "checker: %s: %s\n", path, strerror(errno));
        return -1;
    }
    *text = (struct slice){"", 0};
    if (st.st_size > 0) {
        base = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        *text = (struct slice){base, (size_t)st.st_size};
    }
    close(fd);
    if (st.st_size > 0 && base == MAP_FAILED) {
        fprintf(stderr, "checker: %s: %s\n", path, strerror(errno));
        return -1;
    }
    return 0;
}

static double seconds_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_figures(const struct stats *s, const struct history *h, const struct ledger *l)
{
    printf("%zu calls in %.0f s: %" PRIu64 " ok (%" PRIu64 " refusals, %" PRIu64
           " repeats), %" PRIu64 " failed, %" PRIu64 " unknown; %" PRIu64 " ledger entries\n",
           h->n_calls, (double)s->duration_ns / 1e9, s->total[END_OK], s->refused, s->replayed,
           s->total[END_FAIL], s->total[END_UNKNOWN], l->n);
    for (unsigned f = 0; f < FN_COUNT; f++) {
        const uint64_t *by = s->by_fn[f];

        if (by[0] + by[1] + by[2] > 0) {
            printf("  %-12s %9" PRIu64 " ok %9" PRIu64 " failed %9" PRIu64 " unknown\n",
                   fn_name((enum fn)f), by[END_OK], by[END_FAIL], by[END_UNKNOWN]);
        }
    }
    printf("%u faults, %u elections; longest time without an acknowledgement %.3f s (from %.1f s); "
           "latency p50 %.2f ms, p99 %.2f ms, max %.2f ms\n",
           s->faults, s->elections, (double)s->gap_ns / 1e9, (double)s->gap_begin_ns / 1e9,
           (double)s->p50_ns / 1e6, (double)s->p99_ns / 1e6, (double)s->max_ns / 1e6);
}

static void print_verdict(const struct check *c)
{
    const struct anomaly *worst = check_smallest(c);
    struct bytes text;

    if (worst == NULL) {
        printf("verdict: PASSED: the history is linearizable and fits the ledger\n");
        return;
    }
    printf("verdict: FAILED:");
    for (unsigned k = 0; k < ANOMALY_KINDS; k++) {
        if (c->counts[k] > 0) {
            printf(" %zu %s", c->counts[k], anomaly_name((enum anomaly_kind)k));
        }
    }
    bytes_init(&text);
    check_explain(c, worst, &text);
    printf("\n\nThe smallest counter-example:\n%.*s", (int)text.len, (const char *)text.base);
    bytes_release(&text);
}

static int judge(const char *folder, struct slice history, const struct slice *ledgers,
                 const char *const *names, size_t n)
{
    struct history h;
    struct ledger l;
    struct check c;
    struct stats s;
    struct fault fault;
    double begin = seconds_now(), parsed, checked;
    int rc = 2;

    history_init(&h);
    ledger_init(&l);
    check_init(&c);
    if (history_parse(&h, history, &fault) != 0) {
        fprintf(stderr, "checker: history: %s\n", fault.text);
        goto done;
    }
    parsed = seconds_now();
    check_run(&c, &h, &l, ledgers, names, n);
    checked = seconds_now();
    stats_count(&s, &h);
    print_figures(&s, &h, &l);
    printf("read in %.2f s, checked in %.2f s: %.0f calls a second\n", parsed - begin,
           checked - parsed, (double)h.n_calls / (checked - begin));
    print_verdict(&c);
    rc = c.n == 0 ? 0 : 1;
    if (folder != NULL && report_write(&c, &s, folder, &fault) != 0) {
        fprintf(stderr, "checker: %s\n", fault.text);
        rc = 2;
    }
done:
    check_release(&c);
    ledger_release(&l);
    history_release(&h);
    return rc;
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    struct slice texts[NODES_MAX + 1];
    int first = 1;

    if (argc > 2 && strcmp(argv[1], "--report") == 0) {
        folder = argv[2];
        first = 3;
    }
    if (argc - first < 2 || argc - first > NODES_MAX + 1 || argv[first][0] == '-') {
        fputs("usage: checker [--report FOLDER] HISTORY LEDGER...\n", stderr);
        return 2;
    }
    if (sodium_init() < 0) {
        return 2;
    }
    for (int i = first; i < argc; i++) {
        if (map_file(argv[i], &texts[i - first]) != 0) {
            return 2;
        }
    }
    return judge(folder, texts[0], texts + 1, (const char *const *)argv + first + 1,
                 (size_t)(argc - first - 1));
}
