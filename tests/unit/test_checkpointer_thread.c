/* The checkpointer's thread on a store that leaves work to be folded: what is left of before is
 * folded first, all that a write left afterwards, and what fails is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <stdatomic.h>

#include "node/checkpointer.h"
#include "statemachine/machine_private.h"
#include "tests/unit/ledger_fixture.h"

enum { LEFT_BEFORE = 5, LEFT_AFTER = 20 };

/* Commits as LMDB does, and folds by counting. Set before the thread has it, read after. */
struct store_told {
    struct store real;
    int left;           /* parts to fold */
    int folds, commits; /* how many there were */
    int before, after;  /* what a fold answers, before and after the commit; 0: counts */
    int left_at_commit;
};

struct rig {
    struct fixture fixture;
    struct store_told told;
    struct checkpointer *checkpointer;
    atomic_int woken;
};

static int told_commit(void *impl, const struct store_write *writes, size_t n, struct fault *fault)
{
    struct store_told *t = impl;

    t->commits++;
    t->left_at_commit = t->left;
    t->left = LEFT_AFTER;
    return t->real.commit(t->real.impl, writes, n, fault);
}

static int told_fold(void *impl, size_t most, struct fault *fault)
{
    struct store_told *t = impl;
    int answer = t->commits == 0 ? t->before : t->after;

    if (most == 0) {
        abort(); /* not an assertion: this is another thread */
    }
    t->folds++;
    if (answer != 0) {
        fault_set(fault, "told so");
        return answer;
    }
    if (t->left == 0) {
        return 0;
    }
    t->left--;
    return 1;
}

static int told_renew(void *impl, struct fault *fault)
{
    struct store_told *t = impl;

    return t->real.renew(t->real.impl, fault);
}

static void on_wake(void *context)
{
    struct rig *r = context;

    atomic_fetch_add(&r->woken, 1);
}

static int setup(void **state)
{
    static const char *const names[] = {"alice"};
    struct rig *r = calloc(1, sizeof *r);
    struct store *store;

    fixture_open(&r->fixture, 1);
    fixture_world(&r->fixture, names, 1);
    store = &r->fixture.machine->state.layers.store;
    r->told = (struct store_told){.real = *store, .left = LEFT_BEFORE};
    *store = (struct store){
        .impl = &r->told, .commit = told_commit, .fold = told_fold, .renew = told_renew};
    r->checkpointer = checkpointer_new(1, on_wake, r);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;

    checkpointer_free(r->checkpointer);
    r->fixture.machine->state.layers.store = r->told.real;
    fixture_close(&r->fixture);
    free(r);
    return 0;
}

/* Starts it, or starts it again, and waits for its end. */
static int write_one(struct rig *r, struct fault *fault)
{
    uint64_t us;

    checkpointer_start(r->checkpointer, r->fixture.machine);
    assert_true(checkpointer_busy(r->checkpointer));
    checkpointer_wait(r->checkpointer);
    return checkpointer_finish(r->checkpointer, &us, fault);
}

static void end_one(struct rig *r)
{
    uint64_t index;
    struct fault fault;

    assert_int_equal(machine_checkpoint_end(r->fixture.machine, &index, &fault), 0);
    assert_int_equal(index, r->fixture.index);
}

static void test_all_is_folded(void **state)
{
    struct rig *r = *state;
    struct fault fault;

    assert_true(machine_checkpoint_begin(r->fixture.machine));
    assert_int_equal(write_one(r, &fault), 1);
    assert_int_equal(r->told.commits, 1);
    assert_int_equal(r->told.left_at_commit, 0);
    assert_int_equal(r->told.left, 0);
    assert_int_equal(r->told.folds, LEFT_BEFORE + 1 + LEFT_AFTER + 1);
    assert_int_equal(atomic_load(&r->woken), 1);
    end_one(r);
}

/* Without anybody who waits, and then with somebody: it ends both times. */
static void test_pauses_end(void **state)
{
    struct rig *r = *state;
    struct fault fault;
    uint64_t us;
    int i;

    for (i = 0; i < 2; i++) {
        int rv;

        machine_end_entry(r->fixture.machine, ++r->fixture.index, &fault);
        assert_true(machine_checkpoint_begin(r->fixture.machine));
        checkpointer_start(r->checkpointer, r->fixture.machine);
        if (i == 1) {
            checkpointer_hurry(r->checkpointer);
        }
        while ((rv = checkpointer_finish(r->checkpointer, &us, &fault)) == 0) {
            usleep(100);
        }
        assert_int_equal(rv, 1);
        assert_int_equal(r->told.left, 0);
        end_one(r);
    }
}

static void test_no_room_to_fold(void **state)
{
    struct rig *r = *state;
    struct fault fault;

    r->told.before = STORE_NO_ROOM;
    assert_true(machine_checkpoint_begin(r->fixture.machine));
    assert_int_equal(write_one(r, &fault), STORE_NO_ROOM);
    assert_string_equal(fault.text, "told so");
    assert_int_equal(r->told.commits, 0);
    assert_false(checkpointer_busy(r->checkpointer));

    r->told.before = 0; /* there is some; and then none for what the commit leaves: it is written */
    r->told.after = STORE_NO_ROOM;
    assert_int_equal(write_one(r, &fault), 1);
    assert_int_equal(r->told.commits, 1);
    assert_int_equal(r->told.left, LEFT_AFTER);
    end_one(r);
}

static void test_damage(void **state)
{
    struct rig *r = *state;
    struct fault fault;

    r->told.after = -1;
    assert_true(machine_checkpoint_begin(r->fixture.machine));
    assert_int_equal(write_one(r, &fault), -1);
    assert_string_equal(fault.text, "told so");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_all_is_folded, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pauses_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_room_to_fold, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
