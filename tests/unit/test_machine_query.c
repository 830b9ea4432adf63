/* What the machine answers to questions. */
#include "tests/unit/machine_fixture.h"

static void test_queries(void **state)
{
    struct fixture *f = *state;
    static const uint8_t junk[] = {1, 2, 3};
    struct command key = create(COMMAND_KEY_CREATE, "k1");
    uint8_t secret_hash[SECRET_HASH_BYTES] = {4, 5, 6}, head[MACHINE_CHECK_BYTES];
    struct answer a;
    struct record r;
    struct bytes out;
    bool broken;
    uint64_t seq, version = machine_directory_version(f->machine);

    assert_int_equal(version, 2); /* a provider and a gateway */
    bytes_init(&out);
    assert_int_equal(machine_query(f->machine, junk, 3, &out, &broken, &f->fault), -1);
    assert_false(broken);

    key.principal = slice_of("demo");
    key.role = ROLE_PROVIDER;
    key.secret_hash = secret_hash;
    apply(f, key);
    assert_true(machine_directory_version(f->machine) > version);
    a = ask(f, (struct query){.type = QUERY_KEY, .name = slice_of("k1")}, &out);
    assert_int_equal(a.verdict, VERDICT_APPLIED);
    assert_true(slice_is(a.principal, "demo"));
    assert_int_equal(a.role, ROLE_PROVIDER);
    assert_false(a.disabled);
    assert_memory_equal(a.secret_hash, secret_hash, sizeof secret_hash);
    a = ask(f, (struct query){.type = QUERY_KEY, .name = slice_of("k2")}, &out);
    assert_int_equal(a.verdict, VERDICT_UNKNOWN_KEY);

    a = ask(f, (struct query){.type = QUERY_HEAD}, &out);
    machine_head(f->machine, head);
    assert_int_equal(a.seq, PLAYERS);
    assert_memory_equal(a.hash, head + 8, HASH_BYTES);

    a = ask(f, (struct query){.type = QUERY_LEDGER, .limit = 3}, &out);
    assert_int_equal(a.n_records, 3);
    assert_int_equal(a.next, 4);
    for (seq = 1; seq <= 3; seq++) {
        assert_int_equal(answer_next_record(&a, &r, &f->fault), 1);
        assert_int_equal(r.seq, seq);
    }
    a = ask(f, (struct query){.type = QUERY_LEDGER, .seq = 4, .limit = 1}, &out);
    assert_int_equal(a.n_records, 1);
    assert_int_equal(a.next, 0);
    a = ask(f, (struct query){.type = QUERY_LEDGER, .seq = 5, .limit = 1}, &out);
    assert_int_equal(a.n_records, 0);
    assert_int_equal(a.next, 0);
    a = ask(f, (struct query){.type = QUERY_LEDGER, .seq = UINT64_MAX, .limit = 1}, &out);
    assert_int_equal(a.n_records, 0);
    a = ask(f, (struct query){.type = QUERY_HISTORY, .player = slice_of("nobody"), .limit = 1},
            &out);
    assert_int_equal(a.verdict, VERDICT_UNKNOWN_PLAYER);
    bytes_release(&out);
}

/* A history from anywhere: from one's own seq, from another's, from beyond; with a long stretch of
 * others' records in between, which takes several bounded steps. */
static void test_history(void **state)
{
    struct fixture *f = *state;
    struct query q = {.type = QUERY_HISTORY, .player = slice_of("alice"), .limit = 2};
    struct answer a;
    struct record r;
    struct bytes out;
    int i, pages;

    bytes_init(&out);
    apply(f, money(COMMAND_WIN, "demo", "a1", "alice", "EUR", 1)); /* seq 5 */
    for (i = 0; i < 5000; i++) {
        char id[16];

        snprintf(id, sizeof id, "b%d", i);
        apply(f, money(COMMAND_WIN, "demo", id, "bob", "EUR", 1));
    }
    apply(f, money(COMMAND_WIN, "demo", "a2", "alice", "EUR", 1));
    a = ask(f, q, &out);
    assert_int_equal(a.n_records, 2);
    assert_int_equal(a.next, 5);
    assert_int_equal(answer_next_record(&a, &r, &f->fault), 1);
    assert_true(slice_is(r.id, "a2"));
    assert_int_equal(answer_next_record(&a, &r, &f->fault), 1);
    assert_true(slice_is(r.id, "a1"));
    q.seq = a.next;
    a = ask(f, q, &out);
    assert_int_equal(a.n_records, 1);
    assert_int_equal(a.next, 0);
    assert_int_equal(answer_next_record(&a, &r, &f->fault), 1);
    assert_true(slice_is(r.id, "d-alice"));

    /* As many as asked for, and none is left: there is no next page. */
    q.seq = 0;
    q.limit = 3;
    a = ask(f, q, &out);
    assert_int_equal(a.n_records, 3);
    assert_int_equal(a.next, 0);
    q.limit = 2;

    q.seq = 1; /* before the first one of all, which is alice's own deposit */
    a = ask(f, q, &out);
    assert_int_equal(a.n_records, 0);
    assert_int_equal(a.next, 0);

    q.seq = 5 + 2000; /* a1 is just where the first search stops */
    while ((a = ask(f, q, &out)).n_records == 0) {
        q.seq = a.next;
    }
    assert_int_equal(answer_next_record(&a, &r, &f->fault), 1);
    assert_true(slice_is(r.id, "a1"));

    q.seq = 5000; /* one of bob's: searched backwards, a page at a time */
    for (pages = 0; (a = ask(f, q, &out)).n_records == 0; pages++) {
        assert_true(pages < 5);
        assert_true(a.next != 0 && a.next < q.seq);
        q.seq = a.next;
    }
    assert_true(pages >= 1);
    assert_int_equal(answer_next_record(&a, &r, &f->fault), 1);
    assert_true(slice_is(r.id, "a1"));
    q.seq = UINT64_MAX;
    a = ask(f, q, &out);
    assert_int_equal(a.n_records, 2);
    bytes_release(&out);
}

/* A player may hold 64 currencies; the next one is refused, the others go on. */
static void test_many_currencies(void **state)
{
    struct fixture *f = *state;
    struct answer a;
    struct bytes out;
    int i;

    bytes_init(&out);
    for (i = 0; i <= BALANCES_MAX; i++) {
        char code[16], id[16];
        struct command c;

        snprintf(code, sizeof code, "C%d", i);
        snprintf(id, sizeof id, "w%d", i);
        c = create(COMMAND_CURRENCY_CREATE, code);
        apply(f, c);
        apply(f, money(COMMAND_WIN, "demo", id, "bob", code, 1));
        /* bob holds EUR already */
        assert_int_equal(f->outcome.verdict,
                         i < BALANCES_MAX - 1 ? VERDICT_APPLIED : VERDICT_CURRENCY_MISMATCH);
    }
    apply(f, money(COMMAND_WIN, "demo", "more", "bob", "C0", 1));
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
    a = ask(f, (struct query){.type = QUERY_BALANCES, .player = slice_of("bob")}, &out);
    assert_int_equal(a.n_balances, BALANCES_MAX);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
    bytes_release(&out);
}

/* A currency that a player's list names twice is there once. */
static void test_currency_twice(void **state)
{
    struct fixture *f = *state;
    struct command c = create(COMMAND_PLAYER_CREATE, "erin");
    struct answer a;
    struct bytes out;

    bytes_init(&out);
    c.currencies[0] = c.currencies[1] = slice_of("EUR");
    c.n_currencies = 2;
    apply(f, c);
    a = ask(f, (struct query){.type = QUERY_BALANCES, .player = slice_of("erin")}, &out);
    assert_int_equal(a.n_balances, 1);
    bytes_release(&out);
}

static void test_half_a_link(void **state)
{
    struct fixture *f = *state;

    /* A player without the record that it points to: the replica is broken, not wrong. */
    struct player p;
    struct query q = {.type = QUERY_HISTORY, .player = slice_of("alice"), .limit = 10};
    struct bytes in, out;
    bool broken;

    assert_int_equal(state_player(&f->machine->state, slice_of("alice"), &p, &f->fault), 1);
    p.last_seq = 1000;
    state_put_player(&f->machine->state, slice_of("alice"), &p);
    bytes_init(&in);
    bytes_init(&out);
    query_encode(&q, &in);
    assert_int_equal(machine_query(f->machine, in.base, in.len, &out, &broken, &f->fault), -1);
    assert_true(broken);
    bytes_release(&in);
    bytes_release(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_queries),        TEST(test_history),     TEST(test_many_currencies),
        TEST(test_currency_twice), TEST(test_half_a_link),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
