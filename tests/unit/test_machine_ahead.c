/* Commands that are told before they are applied are decided as if they were not; and keys that
 * were made before, and what was remembered of them, never show anything old. */
#include "tests/unit/machine_fixture.h"

/* The commands of one entry, encoded one behind the other, and where each one's outcome ends. */
struct entry {
    struct bytes bytes;
    size_t ends[32], outcome_ends[32];
    unsigned n;
};

static void add(struct entry *e, struct command c)
{
    command_encode(&c, &e->bytes);
    e->ends[e->n++] = e->bytes.len;
}

static struct slice command_at(const struct entry *e, unsigned i)
{
    size_t at = i == 0 ? 0 : e->ends[i - 1];

    return (struct slice){(const char *)e->bytes.base + at, e->ends[i] - at};
}

/* Applies the entry, telling as much of it ahead as the machine takes; its outcomes in a row. */
static void apply_entry(struct fixture *f, struct entry *e, bool ahead, struct bytes *out)
{
    unsigned i, told = 0;

    bytes_clear(out);
    f->index++;
    for (i = 0; i < e->n; i++) {
        struct slice c = command_at(e, i);

        while (ahead && told < e->n &&
               machine_expect(f->machine, command_at(e, told).base, command_at(e, told).len)) {
            told++;
        }
        assert_true(!ahead || told > i);
        assert_int_equal(
            machine_apply(f->machine, f->index, f->time_ms, c.base, c.len, out, &f->fault), 0);
        e->outcome_ends[i] = out->len;
    }
    assert_int_equal(machine_end_entry(f->machine, f->index, &f->fault), 0);
}

static struct outcome outcome_of(const struct entry *e, const struct bytes *out, unsigned i)
{
    size_t at = i == 0 ? 0 : e->outcome_ends[i - 1];
    struct outcome o;
    struct fault fault;

    assert_int_equal(outcome_decode(out->base + at, e->outcome_ends[i] - at, &o, &fault), 0);
    return o;
}

/* Each of these finds something else than when it was told: what came between has changed it. */
static void fill(struct entry *e)
{
    struct command c = create(COMMAND_PRINCIPAL_CREATE, "nova");

    c.role = ROLE_PROVIDER;
    c.ids_scope = IDS_PER_PLAYER;
    add(e, c);
    add(e, create(COMMAND_PLAYER_CREATE, "erin"));
    c = money(COMMAND_DEPOSIT, "bank", "d1", "erin", "EUR", 10);
    c.gateway = slice_of("bank");
    add(e, c);
    add(e, money(COMMAND_BET, "nova", "1", "erin", "EUR", 2));
    add(e, money(COMMAND_BET, "nova", "1", "alice", "EUR", 2)); /* another id: it is alice's */
    add(e, money(COMMAND_BET, "nova", "1", "erin", "EUR", 2));  /* a repeat */
    add(e, money(COMMAND_BET, "demo", "2", "erin", "EUR", 8));
    add(e, money(COMMAND_BET, "demo", "3", "erin", "EUR", 1)); /* nothing is left */
    c = money(COMMAND_ROLLBACK, "demo", "4", "erin", "EUR", 0);
    c.original = slice_of("2");
    add(e, c);
    add(e, money(COMMAND_BET, "demo", "5", "erin", "EUR", 8));
    c = (struct command){.type = COMMAND_ACTION, .id = slice_of("verify"), .origin = 9, .n_by = 1};
    c.by[0] = (struct actor){slice_of("olga"), slice_of("k1"), slice_of("::1"),
                             slice_of("r-1"),  ROLE_OPERATOR,  2};
    add(e, c);
    add(e, c); /* a repeat */
}

static void test_told_or_not(void **state)
{
    static const enum verdict verdicts[] = {
        VERDICT_APPLIED, VERDICT_APPLIED, VERDICT_APPLIED, VERDICT_APPLIED,
        VERDICT_APPLIED, VERDICT_APPLIED, VERDICT_APPLIED, VERDICT_INSUFFICIENT_FUNDS,
        VERDICT_APPLIED, VERDICT_APPLIED, VERDICT_APPLIED, VERDICT_APPLIED,
    };
    struct fixture *f = *state, other;
    struct entry e = {.n = 0};
    struct bytes told, untold;
    uint8_t a[HASH_BYTES], b[HASH_BYTES];
    unsigned i;

    bytes_init(&told);
    bytes_init(&untold);
    fixture_open(&other, 200);
    assert_int_equal(fixture_world(&other, players, PLAYERS), 0);
    fill(&e);
    apply_entry(f, &e, true, &told);
    apply_entry(&other, &e, false, &untold);
    assert_int_equal(told.len, untold.len);
    assert_memory_equal(told.base, untold.base, told.len);
    assert_int_equal(e.n, sizeof verdicts / sizeof *verdicts);
    for (i = 0; i < e.n; i++) {
        assert_int_equal(outcome_of(&e, &told, i).verdict, verdicts[i]);
    }
    assert_int_equal(machine_digest(f->machine, a, &f->fault), 0);
    assert_int_equal(machine_digest(other.machine, b, &other.fault), 0);
    assert_memory_equal(a, b, HASH_BYTES);
    bytes_release(&e.bytes);
    bytes_release(&told);
    bytes_release(&untold);
    fixture_close(&other);
}

/* What was told and did not come is forgotten with its entry: the next one's bytes may stand in the
 * same memory. */
static void test_entry_ends(void **state)
{
    struct fixture *f = *state;
    struct entry e = {.n = 0};
    struct bytes out;

    bytes_init(&out);
    add(&e, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1));
    assert_true(machine_expect(f->machine, e.bytes.base, e.bytes.len));
    assert_int_equal(machine_end_entry(f->machine, ++f->index, &f->fault), 0);
    e.n = 0;
    bytes_clear(&e.bytes);
    add(&e, money(COMMAND_WIN, "demo", "w1", "alice", "EUR", 1));
    apply_entry(f, &e, false, &out);
    assert_int_equal(outcome_of(&e, &out, 0).record.type, COMMAND_WIN);
    bytes_release(&e.bytes);
    bytes_release(&out);
}

/* It takes no more than it has room for, nothing that it can't read, and stops at neither. */
static void test_refusals(void **state)
{
    struct fixture *f = *state;
    struct entry e = {.n = 0};
    unsigned i;

    assert_false(machine_expect(f->machine, "\xc1", 1));
    for (i = 0; i < 20; i++) {
        char id[16];

        snprintf(id, sizeof id, "b%u", i);
        add(&e, money(COMMAND_BET, "demo", id, "alice", "EUR", 1));
    }
    for (i = 0;
         i < e.n && machine_expect(f->machine, command_at(&e, i).base, command_at(&e, i).len);
         i++) {
    }
    assert_in_range(i, 1, e.n - 1);
    apply(f, money(COMMAND_BET, "demo", "other", "alice", "EUR", 1)); /* which nobody told */
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
    bytes_release(&e.bytes);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_told_or_not),
        TEST(test_entry_ends),
        TEST(test_refusals),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
