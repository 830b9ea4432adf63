/* What happens to a store whose file was damaged while nobody looked: it may refuse, and it may end
 * the process, but it never gives a wrong answer. Each damaged file is read in a process of its
 * own, since LMDB ends in SIGBUS or SIGSEGV when its pages make no sense (node/crash.c says so). */
#define _GNU_SOURCE 1 /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "statemachine/store_lmdb.h"
#include "tests/unit/ledger_fixture.h"

/* Fifteen commits, as many runs, merged and being merged. */
enum { RECORDS = 3000, ROUNDS = 15, RUN_LEAST = RECORDS / 2 / ROUNDS, MERGE_ROUNDS = 5 };
enum { FLIPS = 150, MAP_BYTES = 64 << 20, PAGE = 4096, META_PAGES = 2 };
enum { ANSWERED = 0, REFUSED = 3, WRONG = 4 };

struct world {
    char folder[256];
    char path[300];
    size_t bytes;
    uint8_t *file; /* as it should be */
    struct fault fault;
};

/* Even numbers are there, odd ones are not. Values differ in length, and some need overflow pages.
 */
static void key_of(unsigned i, char key[32])
{
    snprintf(key, 32, "key-%08u", i * 2654435761U);
}

static size_t value_of_key(unsigned i, char value[9000])
{
    size_t len = i % 500 == 0 ? 8000 : 20 + i % 180;

    memset(value, 'a' + (int)(i % 26), len);
    snprintf(value, 20, "%u", i);
    return len;
}

static int compare_writes(const void *a, const void *b)
{
    const struct store_write *x = a, *y = b;

    return strcmp(x->key.base, y->key.base);
}

/* A part of the records, as many in each round. */
static int commit_round(struct store *store, unsigned round, struct fault *fault)
{
    static char keys[RUN_LEAST][32], values[RUN_LEAST][9000];
    static struct store_write writes[RUN_LEAST];
    unsigned i, n = 0;

    for (i = round * 2; i < RECORDS; i += 2 * ROUNDS) {
        key_of(i, keys[n]);
        writes[n].table = TABLE_TRANSACTION;
        writes[n].key = slice_of(keys[n]);
        writes[n].value = (struct slice){values[n], value_of_key(i, values[n])};
        n++;
    }
    qsort(writes, n, sizeof *writes, compare_writes);
    return store->commit(store->impl, writes, n, fault);
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const struct store_runs *runs;
    struct store store;
    struct stat st;
    unsigned round;
    FILE *f;

    fixture_folder(w->folder);
    snprintf(w->path, sizeof w->path, "%s/data.mdb", w->folder);
    assert_int_equal(store_lmdb_open(&store, w->folder, MAP_BYTES, &w->fault), 0);
    store_lmdb_set_run_least(&store, RUN_LEAST);
    for (round = 0; round < ROUNDS; round++) { /* so that there are old pages, too */
        assert_int_equal(commit_round(&store, round, &w->fault), 0);
    }
    assert_int_equal(store.renew(store.impl, &w->fault), 0);
    runs = ((struct store_lmdb *)store.impl)->runs[0];
    assert_true(runs->manifest.n_runs > 2 && runs->manifest.n_merges > 0);
    store.close(store.impl);
    assert_int_equal(stat(w->path, &st), 0);
    w->bytes = (size_t)st.st_size;
    w->file = malloc(w->bytes);
    f = fopen(w->path, "r");
    assert_int_equal(fread(w->file, 1, w->bytes, f), w->bytes);
    fclose(f);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    fixture_remove(w->folder);
    free(w->file);
    free(w);
    return 0;
}

static void put_file(struct world *w, size_t bytes)
{
    FILE *f = fopen(w->path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(w->file, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

/* Asks for everything: what is there, what is not, and all in a row. */
static int read_all(struct store *store, struct fault *fault)
{
    char key[40], value[9000];
    struct slice found, got, from = {"", 0};
    unsigned i, n = 0;
    int rc;

    for (i = 0; i < RECORDS; i++) {
        key_of(i, key);
        rc = store->get(store->impl, TABLE_TRANSACTION, slice_of(key), &got, fault);
        if (rc < 0) {
            return REFUSED;
        }
        if (rc != (i % 2 == 0) ||
            (rc == 1 && (got.len != value_of_key(i, value) || memcmp(got.base, value, got.len)))) {
            return WRONG;
        }
    }
    while ((rc = store->seek(store->impl, TABLE_TRANSACTION, from, &found, &got, fault)) == 1) {
        memcpy(key, found.base, found.len);
        key[found.len] = 0;
        from = (struct slice){key, found.len + 1};
        n++;
    }
    return rc < 0 ? REFUSED : n == RECORDS / 2 ? ANSWERED : WRONG;
}

/* Writes some records again, as they were, and so merges others. */
static int merge_on(struct store *store, struct fault *fault)
{
    unsigned round;
    int rc = 0;

    store_lmdb_set_run_least(store, RUN_LEAST);
    for (round = 0; round < MERGE_ROUNDS && rc == 0; round++) {
        rc = commit_round(store, round, fault);
    }
    return rc == 0 ? store->renew(store->impl, fault) : rc;
}

/* With `merge`, what is damaged meets a merge before a look-up. */
static int look(struct world *w, bool merge)
{
    struct store store;
    struct fault fault;

    if (store_lmdb_open(&store, w->folder, MAP_BYTES, &fault) != 0 ||
        (merge && merge_on(&store, &fault) != 0)) {
        return strstr(fault.text, w->folder) != NULL ? REFUSED : WRONG;
    }
    return read_all(&store, &fault);
}

/* What a process of its own makes of the file; one that a signal ended has refused. */
static int look_apart(struct world *w, bool merge)
{
    const struct rlimit no_core = {0, 0};
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        signal(SIGABRT, SIG_DFL);
        if (freopen("/dev/null", "w", stderr) == NULL) {
            _exit(WRONG);
        }
        _exit(look(w, merge));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : REFUSED;
}

/* Pages 0 and 1 are left out: a bit there may bring back the commit before, which is whole, and
 * whose index the log then continues or refuses. */
static void test_flipped_bits(void **state)
{
    struct world *w = *state;
    unsigned seed = 7, refused = 0, i;

    put_file(w, w->bytes);
    assert_int_equal(look_apart(w, false), ANSWERED);
    for (i = 0; i < FLIPS; i++) {
        size_t at = META_PAGES * PAGE + ((size_t)rand_r(&seed) << 8 ^ (size_t)rand_r(&seed)) %
                                            (w->bytes - META_PAGES * PAGE);
        uint8_t bit = (uint8_t)(1 << (rand_r(&seed) % 8));
        int result;

        w->file[at] ^= bit;
        put_file(w, w->bytes);
        result = look_apart(w, i % 4 == 0);
        if (result == WRONG) {
            fail_msg("a flipped bit at %zu (mask %u) gave a wrong answer", at, bit);
        }
        refused += result == REFUSED;
        w->file[at] ^= bit;
    }
    assert_true(refused > FLIPS / 10); /* the others hit pages that are free, or unused bytes */
    print_message("%u of %d flipped bits were noticed, none was served\n", refused, FLIPS);
}

/* Every bit of one page that holds records: keys, values, lengths, the page's own header. */
static void test_each_byte_of_a_page(void **state)
{
    struct world *w = *state;
    const char *record = memmem(w->file + w->bytes / 2, w->bytes / 2, "key-", 4);
    size_t page, i;

    assert_non_null(record);
    page = (size_t)((const uint8_t *)record - w->file) / PAGE * PAGE;
    for (i = page; i < page + PAGE; i += 17) {
        w->file[i] ^= (uint8_t)(1 << (i % 8));
        put_file(w, w->bytes);
        if (look_apart(w, i % 5 == 0) == WRONG) {
            fail_msg("a flipped bit at %zu gave a wrong answer", i);
        }
        w->file[i] ^= (uint8_t)(1 << (i % 8));
    }
}

static void test_cut_off(void **state)
{
    struct world *w = *state;
    struct store store;
    size_t bytes;

    for (bytes = w->bytes / 2; bytes > 3 * PAGE; bytes /= 2) {
        put_file(w, bytes);
        assert_int_equal(store_lmdb_open(&store, w->folder, MAP_BYTES, &w->fault), -1);
        assert_non_null(strstr(w->fault.text, "was cut off"));
        assert_non_null(strstr(w->fault.text, w->path));
        assert_non_null(strstr(w->fault.text, "rebuild this node"));
    }
    for (bytes = w->bytes - 1; bytes > w->bytes - 40 * PAGE; bytes -= PAGE) {
        put_file(w, bytes);
        assert_int_not_equal(look_apart(w, false), WRONG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flipped_bits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_each_byte_of_a_page, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cut_off, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
