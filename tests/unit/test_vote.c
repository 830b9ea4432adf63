/* The vote file: two copies, one of which may be torn or damaged at any time. */
#include "tests/unit/log_fixture.h"

#include <errno.h>

#include "consensus/vote.h"

struct vote_fixture {
    struct sim_disk *sim;
    struct disk disk;
    struct vote_file v;
};

static struct vote_fixture vote_fixture_new(void)
{
    struct vote_fixture f = {.sim = sim_disk_new()};
    struct fault fault;

    sim_disk_interface(f.sim, &f.disk);
    must(vote_file_format(&f.disk, 0, &fault));
    assert_int_equal(f.disk.sync_folder(f.disk.impl), 0);
    return f;
}

static void expect_vote(struct vote_fixture *f, uint64_t term, uint64_t vote)
{
    struct fault fault;

    must(vote_file_open(&f->v, &f->disk, NULL, &fault));
    assert_int_equal(f->v.term, term);
    assert_int_equal(f->v.vote, vote);
    vote_file_close(&f->v);
}

static void store(struct vote_fixture *f, uint64_t term, uint64_t vote)
{
    struct fault fault;

    must(vote_file_open(&f->v, &f->disk, NULL, &fault));
    must(vote_file_store(&f->v, term, vote, &fault));
    vote_file_close(&f->v);
}

static void test_one_copy_bad(void **state)
{
    struct vote_fixture f = vote_fixture_new();

    (void)state;
    store(&f, 4, 1);
    store(&f, 5, 3);
    sim_disk_flip(f.sim, "vote", 20, 1);
    expect_vote(&f, 5, 3); /* and it is whole again: */
    sim_disk_flip(f.sim, "vote", 4096 + 20, 1);
    expect_vote(&f, 5, 3);
    sim_disk_free(f.sim);
}

static void test_both_bad(void **state)
{
    struct vote_fixture f = vote_fixture_new();
    struct fault fault;

    (void)state;
    sim_disk_flip(f.sim, "vote", 20, 1);
    sim_disk_flip(f.sim, "vote", 4096 + 511, 1);
    must_fail(vote_file_open(&f.v, &f.disk, NULL, &fault), "both copies");
    assert_non_null(strstr(fault.text, "restore this node from the others"));
    sim_disk_erase(f.sim, "vote");
    must_fail(vote_file_open(&f.v, &f.disk, NULL, &fault), "missing");
    sim_disk_free(f.sim);
}

static void test_never_back(void **state)
{
    struct vote_fixture f = vote_fixture_new();
    struct fault fault;

    (void)state;
    must(vote_file_open(&f.v, &f.disk, NULL, &fault));
    must(vote_file_store(&f.v, 7, 0, &fault));
    must(vote_file_store(&f.v, 7, 2, &fault));
    must_fail(vote_file_store(&f.v, 6, 0, &fault), "refused to go back");
    must_fail(vote_file_store(&f.v, 7, 3, &fault), "refused to go back");
    must_fail(vote_file_store(&f.v, 7, 0, &fault), "refused to go back");
    must(vote_file_store(&f.v, 8, 0, &fault));
    vote_file_close(&f.v);
    expect_vote(&f, 8, 0);
    sim_disk_free(f.sim);
}

/* Power goes at each step of a store: the old vote or the new one, and when it returned, the new.
 */
static void test_interrupted(void **state)
{
    bool done = false;
    uint64_t step, seed;
    struct fault fault;

    (void)state;
    for (step = 1; !done; step++) {
        for (seed = 0; seed < 50; seed++) {
            struct vote_fixture f = vote_fixture_new();
            uint64_t term;
            store(&f, 4, 1);
            must(vote_file_open(&f.v, &f.disk, NULL, &fault));
            sim_disk_cut_power_after(f.sim, step);
            done = vote_file_store(&f.v, 5, 2, &fault) == 0;
            vote_file_close(&f.v);
            sim_disk_crash(f.sim, seed);
            must(vote_file_open(&f.v, &f.disk, NULL, &fault));
            term = f.v.term;
            vote_file_close(&f.v);
            assert_true(term == 5 || (term == 4 && !done));
            sim_disk_crash(f.sim, seed + 1); /* what was once seen stays */
            expect_vote(&f, term, term == 5 ? 2 : 1);
            sim_disk_free(f.sim);
        }
    }
    assert_int_equal(step, 6); /* two writes and two syncs, then none is left */
}

/* A sync failed, the process ended and started again: what it then reads must be on the disk, in
 * both copies. */
static void test_failed_sync(void **state)
{
    struct vote_fixture f = vote_fixture_new();
    struct fault fault;

    (void)state;
    must(vote_file_open(&f.v, &f.disk, NULL, &fault));
    sim_disk_fail(f.sim, SIM_DISK_SYNC, 1, EIO);
    must_fail(vote_file_store(&f.v, 5, 3, &fault), "Input/output error");
    vote_file_close(&f.v);
    expect_vote(&f, 5, 3);
    sim_disk_crash(f.sim, 1);
    sim_disk_flip(f.sim, "vote", 4096 + 20, 1);
    expect_vote(&f, 5, 3);
    sim_disk_free(f.sim);
}

static void test_errors(void **state)
{
    struct vote_fixture f = vote_fixture_new();
    struct fault fault;

    (void)state;
    must(vote_file_open(&f.v, &f.disk, NULL, &fault));
    sim_disk_fail(f.sim, SIM_DISK_SYNC, 2, EIO);
    must_fail(vote_file_store(&f.v, 1, 1, &fault), "syncing (memory)/vote failed: Input/output");
    assert_int_equal(f.v.term, 0);
    sim_disk_fail(f.sim, SIM_DISK_WRITE, 1, ENOSPC);
    must_fail(vote_file_store(&f.v, 1, 1, &fault), "the disk is full");
    vote_file_close(&f.v);
    sim_disk_free(f.sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_copy_bad), cmocka_unit_test(test_both_bad),
        cmocka_unit_test(test_never_back),   cmocka_unit_test(test_interrupted),
        cmocka_unit_test(test_failed_sync),  cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
