/* What the audit and the invariants find: tampering, forgery, marks that are missing. */
#include "tests/unit/machine_fixture.h"

/* Every way of tampering with one stored value is found by the audit. */
static void tampered(struct fixture *f, enum store_table table, struct slice key, size_t at,
                     const char *word)
{
    struct machine *m = f->machine;
    struct slice value;
    struct bytes original, changed;

    bytes_init(&original);
    bytes_init(&changed);
    assert_int_equal(layers_get(&m->state.layers, table, key, &value, &f->fault), 1);
    bytes_append(&original, value.base, value.len);
    bytes_append(&changed, value.base, value.len);
    changed.base[at] ^= 1;
    assert_int_equal(machine_audit(m, &f->fault), 0);
    layers_put(&m->state.layers, table, key,
               (struct slice){(const char *)changed.base, changed.len});
    assert_int_equal(machine_audit(m, &f->fault), -1);
    if (strstr(f->fault.text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", f->fault.text, word);
    }
    layers_put(&m->state.layers, table, key,
               (struct slice){(const char *)original.base, original.len});
    assert_int_equal(machine_audit(m, &f->fault), 0);
    bytes_release(&original);
    bytes_release(&changed);
}

static void test_audit_finds(void **state)
{
    struct fixture *f = *state;
    struct account alice = {ACCOUNT_PLAYER, slice_of("alice")};
    char buffer[STORE_KEY_MAX];
    const char third[8] = {0, 0, 0, 0, 0, 0, 0, 3};
    struct slice sealed;
    struct command c;

    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 10));
    c = money(COMMAND_ROLLBACK, "demo", "r1", "alice", "EUR", 0);
    c.original = slice_of("b1");
    apply(f, c);
    apply(f, money(COMMAND_WIN, "demo", "w1", "bob", "EUR", 10));
    assert_int_equal(state_sealed(&f->machine->state, 3, &sealed, &f->fault), 1);
    tampered(f, TABLE_LEDGER, (struct slice){third, 8}, 9, "chain");               /* its time */
    tampered(f, TABLE_LEDGER, (struct slice){third, 8}, sealed.len - 1, "chain");  /* its hash */
    tampered(f, TABLE_LEDGER, (struct slice){third, 8}, sealed.len - 33, "chain"); /* its prev */
    tampered(f, TABLE_LEDGER, (struct slice){third, 8}, 0, "read");                /* version */
    tampered(f, TABLE_BALANCE, balance_key(alice, slice_of("EUR"), buffer), 0, "adds up to");
    tampered(f, TABLE_PLAYER, slice_of("alice"), 17, "last record");
    tampered(f, TABLE_TRANSACTION, slice_of("\4demob1"), 0, "another id"); /* its seq */
    tampered(f, TABLE_TRANSACTION, slice_of("\4demob1"), 8, "reversed");   /* rolled by */
}

/* The tables beside the money, too. */
static void test_audit_finds_more(void **state)
{
    struct fixture *f = *state;
    struct account alice = {ACCOUNT_PLAYER, slice_of("alice")};
    uint8_t token[SECRET_HASH_BYTES] = {1};
    char buffer[STORE_KEY_MAX];
    struct slice value;
    struct command c;

    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 10));
    c = money(COMMAND_WITHDRAW, "bank", "x1", "alice", "EUR", 10);
    c.gateway = slice_of("bank");
    apply(f, c);
    c.id = slice_of("x2");
    apply(f, c);
    c = (struct command){.type = COMMAND_WITHDRAW_CONFIRM, .principal = slice_of("bank")};
    c.original = slice_of("x2");
    apply(f, c);
    apply(f, money(COMMAND_BET, "demo", "b2", "alice", "EUR", 10));
    c = create(COMMAND_SESSION_OPEN, "s1");
    c.player = slice_of("alice");
    c.principal = slice_of("demo");
    c.token_hash = token;
    c.ttl_s = 60;
    apply(f, c);
    tampered(f, TABLE_HOLD, slice_of("\4bankx1"), 24, "what it asked for"); /* its amount */
    tampered(f, TABLE_HOLD, slice_of("\4bankx1"), 23, "what it asked for"); /* its end */
    tampered(f, TABLE_HOLD, slice_of("\4bankx1"), 8, "what it asked for");  /* closed */
    tampered(f, TABLE_HOLD, slice_of("\4bankx2"), 46, "something else");    /* its gateway */
    tampered(f, TABLE_HOLD, slice_of("\4bankx2"), 8, "does not");           /* closed by another */
    tampered(f, TABLE_TRANSACTION, slice_of("\4bankx2/confirm"), 0, "another id");
    tampered(f, TABLE_TOKEN, (struct slice){(const char *)token, sizeof token}, 0, "its token");
    /* The purse: one hold, its amount. */
    assert_int_equal(layers_get(&f->machine->state.layers, TABLE_BALANCE,
                                balance_key(alice, slice_of("EUR"), buffer), &value, &f->fault),
                     1);
    tampered(f, TABLE_BALANCE, balance_key(alice, slice_of("EUR"), buffer), value.len - 16,
             "what it asked for");
}

/* A record that fits the chain but not the books: forged by somebody who recomputes hashes. */
static void forged(void (*change)(struct record *r), const char *word)
{
    void *state;
    struct fixture *f;
    struct state *s;
    struct id_space ids = {.principal = slice_of("demo")};
    struct transaction t = {0, 0, 0};
    struct slice sealed;
    struct bytes copy;
    struct record r;
    struct player p;

    assert_int_equal(setup(&state), 0);
    f = state;
    s = &f->machine->state;
    apply(f, money(COMMAND_WIN, "demo", "w1", "alice", "EUR", 10));
    assert_int_equal(state_sealed(s, s->seq, &sealed, &f->fault), 1);
    bytes_init(&copy);
    bytes_append(&copy, sealed.base, sealed.len);
    assert_int_equal(record_unseal(copy.base, copy.len, &r, &f->fault), 0);

    /* The same win again under another id, with right balances; then one thing is changed. */
    assert_int_equal(state_player(s, r.player, &p, &f->fault), 1);
    r.id = slice_of("w2");
    r.previous = p.last_seq;
    r.balance_minor += r.amount_minor;
    r.postings[0].credit_balance_minor += r.amount_minor;
    r.postings[0].debit_balance_minor -= r.amount_minor;
    if (change != NULL) {
        change(&r);
    }
    state_append(s, &r);
    p.last_seq = t.seq = s->seq;
    state_put_player(s, slice_of("alice"), &p);
    state_put_transaction(s, ids, r.id, &t);
    for (int i = 0; i < r.n_postings; i++) {
        struct currency *eur;

        assert_int_equal(state_currency(s, slice_of("EUR"), &eur, &f->fault), 1);
        state_put_balance(s, r.postings[i].debit, eur, 0, r.postings[i].debit_balance_minor);
        state_put_balance(s, r.postings[i].credit, eur, 0, r.postings[i].credit_balance_minor);
        eur->sum = 0;
    }
    assert_int_equal(machine_audit(f->machine, &f->fault), change == NULL ? 0 : -1);
    if (change != NULL && strstr(f->fault.text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", f->fault.text, word);
    }
    bytes_release(&copy);
    teardown(&state);
}

/* An id that stands where a look-up would not find it, or where another's would. */
static void misplaced(const char *provider, const char *player, const char *word)
{
    void *state;
    struct fixture *f;
    struct id_space ids = {slice_of(provider), slice_of(player)};
    struct transaction t = {0, 0, 0};
    struct command c;

    assert_int_equal(setup(&state), 0);
    f = state;
    c = create(COMMAND_PRINCIPAL_CREATE, "slots");
    c.role = ROLE_PROVIDER;
    c.ids_scope = IDS_PER_PLAYER;
    apply(f, c);
    apply(f, money(COMMAND_WIN, provider, "w1", "alice", "EUR", 10));
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
    t.seq = f->machine->state.seq;
    state_put_transaction(&f->machine->state, ids, slice_of("w1"), &t);
    assert_int_equal(machine_audit(f->machine, &f->fault), -1);
    if (strstr(f->fault.text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", f->fault.text, word);
    }
    teardown(&state);
}

static void test_misplaced(void **state)
{
    (void)state;
    misplaced("demo", "alice", "not where the ids of demo are unique");
    misplaced("slots", NULL, "not where the ids of slots are unique");
    misplaced("slots", "bob", "another id");
}

static void forge_link(struct record *r)
{
    r->previous--;
}

static void forge_balance(struct record *r)
{
    r->balance_minor++;
}

static void forge_amount(struct record *r)
{
    r->amount_minor++;
}

static void forge_posting(struct record *r)
{
    r->postings[0].debit_balance_minor++;
}

static void forge_debt(struct record *r)
{
    struct account player = r->postings[0].credit;

    r->postings[0].credit = r->postings[0].debit;
    r->postings[0].debit = player;
    r->amount_minor = r->postings[0].amount_minor = 200 * 100000;
    r->balance_minor = r->postings[0].debit_balance_minor = (110 - 200) * 100000;
    r->postings[0].credit_balance_minor = (200 - 10) * 100000;
}

static void forge_rollback(struct record *r)
{
    r->type = COMMAND_ROLLBACK;
    r->original = slice_of("w1");
}

static void test_forged(void **state)
{
    (void)state;
    forged(NULL, "");
    forged(forge_link, "link");
    forged(forge_balance, "not the player's");
    forged(forge_amount, "not what its postings moved");
    forged(forge_posting, "adds up to");
    forged(forge_debt, "below zero");
    forged(forge_rollback, "not marked as reversed");
}

/* A balance that changes without its counterpart breaks the machine at once. */
static void test_sum(void **state)
{
    struct fixture *f = *state;
    struct state *s = &f->machine->state;
    struct account alice = {ACCOUNT_PLAYER, slice_of("alice")};
    struct command c = money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1);
    struct currency *eur;

    assert_int_equal(state_currency(s, slice_of("EUR"), &eur, &f->fault), 1);
    state_put_balance(s, alice, eur, 10000000, 10000001);
    assert_int_equal(machine_invariants(f->machine, &f->fault), -1);
    assert_non_null(strstr(f->fault.text, "sum to zero"));
    assert_int_equal(fixture_apply(f, &c), -1);
    assert_non_null(strstr(f->fault.text, "sum to zero"));
    assert_int_equal(machine_audit(f->machine, &f->fault), -1);
}

static uint64_t rolled_by(struct fixture *f, const char *id)
{
    struct id_space ids = {.principal = slice_of("demo")};
    struct transaction t;

    assert_int_equal(state_transaction(&f->machine->state, ids, slice_of(id), &t, &f->fault), 1);
    return t.rolled_by;
}

static uint64_t roll_back(struct fixture *f, const char *id, const char *original,
                          const char *player)
{
    struct command c = money(COMMAND_ROLLBACK, "demo", id, player, "EUR", 0);

    c.original = slice_of(original);
    apply(f, c);
    return f->outcome.record.seq;
}

/* The first rollback that counts leaves its mark at the original, later ones do not change it. */
static void test_marks(void **state)
{
    struct fixture *f = *state;
    uint64_t seq;

    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1));
    roll_back(f, "r0", "b1", "bob");
    assert_int_equal(rolled_by(f, "b1"), 0);
    seq = roll_back(f, "r1", "b1", "alice");
    assert_int_equal(rolled_by(f, "b1"), seq);
    roll_back(f, "r2", "b1", "alice");
    assert_int_equal(rolled_by(f, "b1"), seq);

    apply(f, money(COMMAND_BET, "demo", "b2", "alice", "EUR", 1000));
    assert_int_equal(f->outcome.verdict, VERDICT_INSUFFICIENT_FUNDS);
    seq = roll_back(f, "r3", "b2", "alice");
    assert_int_equal(rolled_by(f, "b2"), seq);
    roll_back(f, "r4", "b2", "alice");
    assert_int_equal(rolled_by(f, "b2"), seq);

    seq = roll_back(f, "r5", "b3", "alice");
    assert_int_equal(rolled_by(f, "b3"), seq);
    roll_back(f, "r6", "b3", "alice");
    assert_int_equal(rolled_by(f, "b3"), seq);
    apply(f, money(COMMAND_BET, "demo", "b3", "alice", "EUR", 1));
    assert_int_equal(f->outcome.verdict, VERDICT_ROLLED_BACK);
    assert_int_equal(rolled_by(f, "b3"), seq);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_audit_finds), TEST(test_audit_finds_more), TEST(test_forged),    TEST(test_sum),
        TEST(test_audit_finds), TEST(test_audit_finds_more), TEST(test_misplaced), TEST(test_sum),
        TEST(test_marks),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
