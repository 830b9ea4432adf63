/* What the store's table of ids costs as it grows: commits of new random ids, as checkpoints make
 * them, and then look-ups and a walk. Time that a commit waits for the disk says more of the disk;
 * its processor time and the bytes that it writes say what it does.
 *
 *   bench_store [ids] [ids a commit]      (default 3000000 150000) */
#include <sys/stat.h>
#include <time.h>

#include "statemachine/changes.h"
#include "tests/unit/ledger_fixture.h"

enum { KEY = 31, VALUE = 24, LINES = 10, LOOK_UPS = 100000, SCATTER = 7919 };

struct bench {
    char folder[256];
    struct store store;
    struct fault fault;
    struct store_write *writes;
    char (*keys)[KEY + 1];
    unsigned ids, of_commit;
};

/* What the commits between two lines of the report took. */
struct took {
    double wall_s, cpu_s, longest_s;
    uint64_t bytes, most_bytes;
    unsigned commits;
};

static double clock_s(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What this process has had written to its files so far. */
static uint64_t written_bytes(void)
{
    unsigned long long bytes = 0;
    FILE *f = fopen("/proc/self/io", "r");
    char line[100];

    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        sscanf(line, "wchar: %llu", &bytes);
    }
    if (f != NULL) {
        fclose(f);
    }
    return bytes;
}

static void must(const struct bench *b, int rc)
{
    if (rc < 0) {
        fprintf(stderr, "bench_store: %s\n", b->fault.text);
        exit(1);
    }
}

static void make_key(unsigned number, char key[static KEY + 1])
{
    snprintf(key, KEY + 1, "demo/%016llx-%09u",
             (unsigned long long)(number * UINT64_C(0x9e3779b97f4a7c15)), number % 1000000000);
}

static int compare_writes(const void *a, const void *b)
{
    const struct store_write *x = a, *y = b;

    return key_compare(x->key, y->key);
}

static void commit(struct bench *b, unsigned first, struct took *t)
{
    static const char value[VALUE];
    uint64_t bytes;
    double wall, cpu;
    unsigned i;

    for (i = 0; i < b->of_commit; i++) {
        make_key(first + i, b->keys[i]);
        b->writes[i] =
            (struct store_write){TABLE_TRANSACTION, {b->keys[i], KEY}, {value, sizeof value}};
    }
    qsort(b->writes, b->of_commit, sizeof *b->writes, compare_writes);
    bytes = written_bytes();
    wall = clock_s(CLOCK_MONOTONIC);
    cpu = clock_s(CLOCK_THREAD_CPUTIME_ID);
    must(b, b->store.commit(b->store.impl, b->writes, b->of_commit, &b->fault));
    wall = clock_s(CLOCK_MONOTONIC) - wall;
    bytes = written_bytes() - bytes;
    t->cpu_s += clock_s(CLOCK_THREAD_CPUTIME_ID) - cpu;
    t->wall_s += wall;
    t->longest_s = wall > t->longest_s ? wall : t->longest_s;
    t->bytes += bytes;
    t->most_bytes = bytes > t->most_bytes ? bytes : t->most_bytes;
    t->commits++;
    must(b, b->store.renew(b->store.impl, &b->fault));
}

static void look_up(struct bench *b, bool there)
{
    double began = clock_s(CLOCK_THREAD_CPUTIME_ID);
    unsigned i;

    for (i = 0; i < LOOK_UPS; i++) {
        struct slice value;
        char key[KEY + 1];

        make_key((there ? 0 : b->ids) + i * SCATTER % b->ids, key);
        if (b->store.get(b->store.impl, TABLE_TRANSACTION, (struct slice){key, KEY}, &value,
                         &b->fault) != there) {
            fprintf(stderr, "bench_store: a wrong answer for %s\n", key);
            exit(1);
        }
    }
    printf("%-28s %8.2f us cpu\n", there ? "get of an old id" : "get of an id that is not there",
           (clock_s(CLOCK_THREAD_CPUTIME_ID) - began) * 1e6 / LOOK_UPS);
}

static void walk(struct bench *b)
{
    double began = clock_s(CLOCK_THREAD_CPUTIME_ID);
    char key[KEY + 1];
    struct slice from = {"", 0}, found, value;
    unsigned n = 0;
    int rc;

    while ((rc = b->store.seek(b->store.impl, TABLE_TRANSACTION, from, &found, &value,
                               &b->fault)) == 1) {
        memcpy(key, found.base, KEY);
        key[KEY] = 0;
        from = (struct slice){key, KEY + 1};
        n++;
    }
    must(b, rc);
    printf("%-28s %8.2f us cpu for each of %u ids\n", "walk",
           (clock_s(CLOCK_THREAD_CPUTIME_ID) - began) * 1e6 / n, n);
}

static void print_took(const struct bench *b, unsigned ids, const struct took *t)
{
    char path[300];
    struct stat st = {0};

    snprintf(path, sizeof path, "%s/data.mdb", b->folder);
    stat(path, &st);
    printf("%10u ids: a commit %6.0f ms (longest %6.0f), %6.0f ms cpu, %5.0f MiB written (most "
           "%5.0f), %5.0f bytes an id; file %5lld MiB\n",
           ids, t->wall_s * 1e3 / t->commits, t->longest_s * 1e3, t->cpu_s * 1e3 / t->commits,
           (double)t->bytes / t->commits / (1 << 20), (double)t->most_bytes / (1 << 20),
           (double)t->bytes / t->commits / b->of_commit, (long long)st.st_size >> 20);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    struct bench b = {.ids = argc > 1 ? (unsigned)atoi(argv[1]) : 3000000,
                      .of_commit = argc > 2 ? (unsigned)atoi(argv[2]) : 150000};
    struct took took = {0};
    unsigned done, line = 1;

    if (b.of_commit == 0 || b.ids < b.of_commit) {
        fprintf(stderr, "usage: bench_store [ids] [ids a commit]\n");
        return 2;
    }
    b.writes = calloc(b.of_commit, sizeof *b.writes);
    b.keys = calloc(b.of_commit, sizeof *b.keys);
    fixture_folder(b.folder);
    must(&b, store_lmdb_open(&b.store, b.folder, (size_t)64 << 30, &b.fault));
    for (done = b.of_commit; done <= b.ids; done += b.of_commit) {
        commit(&b, done - b.of_commit, &took);
        if (done >= (uint64_t)b.ids * line / LINES) {
            print_took(&b, done, &took);
            took = (struct took){0};
            line++;
        }
    }
    b.ids = done - b.of_commit;
    look_up(&b, true);
    look_up(&b, false);
    walk(&b);
    b.store.close(b.store.impl);
    fixture_remove(b.folder);
    free(b.writes);
    free(b.keys);
    return 0;
}
