/* How fast the checker of the fault-injection suite judges: a generated history of N calls (default
 * a million) by 32 clients, two ledgers. usage: bench_checker [CALLS] [FOLDER]: with a folder, the
 * history and the ledger are left there, for `checker`. */
#include <time.h>

#include "tests/unit/jepsen_fixture.h"

/* Of the processor: the machine may have other things to do. */
static double seconds_used(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void leave(const char *folder, const char *name, const struct bytes *text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "w");
    if (f == NULL || fwrite(text->base, 1, text->len, f) != text->len || fclose(f) != 0) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    uint64_t calls = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
    static const char *const names[] = {"node 1", "node 2"};
    struct rig g;
    struct history h;
    struct ledger l;
    struct check c;
    struct fault fault;

    if (sodium_init() < 0) {
        return 1;
    }
    rig_open(&g);
    rig_generate(&g, calls, 32, 1);
    if (argc > 2) {
        leave(argv[2], "history.edn", &g.history);
        leave(argv[2], "ledger-1.jsonl", &g.ledger);
    }
    const struct slice ledgers[] = {rig_text(&g.ledger), rig_text(&g.ledger)};
    double begin = seconds_used();
    history_init(&h);
    ledger_init(&l);
    check_init(&c);
    if (history_parse(&h, rig_text(&g.history), &fault) != 0) {
        fprintf(stderr, "%s\n", fault.text);
        return 1;
    }
    double parsed = seconds_used();
    check_run(&c, &h, &l, ledgers, names, 2);
    double done = seconds_used();
    printf("checker: %zu calls, %" PRIu64
           " entries: read in %.2f s, checked in %.2f s of processor time: %.0f calls "
           "a second; %zu anomalies\n",
           h.n_calls, l.n, parsed - begin, done - parsed, (double)h.n_calls / (done - begin), c.n);
    int rc = c.n == 0 ? 0 : 1;
    check_release(&c);
    ledger_release(&l);
    history_release(&h);
    rig_close(&g);
    return rc;
}
