/* Actions: what a change of the configuration leaves in the ledger, byte by byte and step by step.
 */
#include "tests/unit/machine_fixture.h"

#include "tests/unit/command_fixture.h"

static const struct actor olga = {
    .principal = {"olga", 4},
    .key = {"k-olga", 6},
    .address = {"10.1.2.3", 8},
    .request = {"r-17", 4},
    .role = ROLE_OPERATOR,
    .node = 2,
};

static struct command by_olga(struct command c, uint64_t origin)
{
    c.by[0] = olga;
    c.n_by = 1;
    c.origin = origin;
    return c;
}

static struct command asked(const char *what, uint64_t origin)
{
    return by_olga((struct command){.type = COMMAND_ACTION, .id = slice_of(what)}, origin);
}

static struct action newest(struct fixture *f)
{
    struct state *s = &f->machine->state;
    struct action a;

    assert_true(s->actions.number > 0);
    assert_int_equal(state_action(s, s->actions.number, &a, &f->fault), 0);
    return a;
}

static void expect_detail(struct command c, const char *subject, const char *detail)
{
    struct bytes text;

    bytes_init(&text);
    action_describe(&c, &text);
    bytes_append_u8(&text, 0);
    assert_string_equal((const char *)text.base, detail);
    assert_true(slice_is(action_subject(&c), subject));
    bytes_release(&text);
}

static void test_what_is_told(void **state)
{
    struct command c = asked("member_add", 1);

    (void)state;
    expect_detail(currency(), "EUR", "scale=0");
    expect_detail(principal(), "demo", "role=provider ids_scope=provider");
    expect_detail(key(), "k1", "role=provider principal=demo kind=bearer");
    expect_detail(hmac_key(), "k1", "role=provider principal=demo kind=hmac");
    expect_detail(key_update(), "k1", "disabled=false");
    expect_detail(password(), "alice", ""); /* neither it nor its hash */
    expect_detail(player_update(), "alice",
                  "status=self_excluded until_ms=1700000000000 reminder_s=60 "
                  "limit=deposit/day/EUR:0 limit=loss/month/EUR:9223372036.854775807 "
                  "limit=stake/week/EUR:none");
    c.name = slice_of("7");
    c.note = slice_of("address=h:1");
    expect_detail(c, "7", "address=h:1");
    c = principal_update();
    c.n_ip_allow = 2;
    expect_detail(c, "demo",
                  "role=provider disabled=true shortfall=reject rate_per_s=1000000 "
                  "ip_allow=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128,"
                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128 currencies=any ids_scope=player");
}

/* The longest that fields may be: a detail has room for it. */
static void test_the_longest_detail(void **state)
{
    static const char name[] = "0123456789012345678901234567890123456789012345678901234567890123";
    struct command c = player_update();
    struct bytes text;
    int i;

    (void)state;
    c.n_limits = LIMIT_CHANGES_MAX;
    for (i = 0; i < LIMIT_CHANGES_MAX; i++) {
        c.limits[i] = (struct limit_change){
            LIMIT_DEPOSIT, PERIOD_MONTH, slice_of(name), false, {INT64_MAX, SCALE_MAX}};
    }
    bytes_init(&text);
    action_describe(&c, &text);
    assert_true(text.len <= ACTION_DETAIL_MAX);
    bytes_clear(&text);
    c = principal_update();
    c.n_currencies = CURRENCIES_PER_PLAYER;
    for (i = 0; i < CURRENCIES_PER_PLAYER; i++) {
        c.currencies[i] = slice_of(name);
    }
    action_describe(&c, &text);
    assert_true(text.len <= ACTION_DETAIL_MAX);
    bytes_release(&text);
}

static void test_bytes(void **state)
{
    struct action a = {.number = 3,
                       .at_ms = 5,
                       .seq = 9,
                       .by = olga,
                       .call = slice_of("key_create"),
                       .subject = slice_of("k1"),
                       .detail = slice_of("role=provider"),
                       .verdict = VERDICT_ALREADY_EXISTS,
                       .head = {7},
                       .prev_hash = {8},
                       .hash = {9}};
    struct action again;
    struct fault fault;
    struct bytes b, c;
    size_t len, i;

    (void)state;
    bytes_init(&b);
    bytes_init(&c);
    action_seal(&a, &b);
    assert_int_equal(action_unseal(b.base, b.len, &again, &fault), 0);
    action_seal(&again, &c);
    assert_int_equal(c.len, b.len);
    assert_memory_equal(c.base, b.base, b.len);
    assert_string_equal(action_outcome(&again), "already_exists");
    for (len = 0; len < b.len; len++) {
        assert_int_equal(action_unseal(b.base, len, &again, &fault), -1);
    }
    for (i = 0; i < b.len; i++) { /* any byte may be anything; what is taken is whole */
        b.base[i] ^= 0x80;
        if (action_unseal(b.base, b.len, &again, &fault) == 0) {
            bytes_clear(&c);
            action_seal(&again, &c);
            assert_memory_equal(c.base, b.base, b.len);
        }
        b.base[i] ^= 0x80;
    }
    bytes_clear(&b);
    a.detail = slice_of("a line\nand another"); /* it is printed */
    action_seal(&a, &b);
    assert_int_equal(action_unseal(b.base, b.len, &again, &fault), -1);
    bytes_release(&b);
    bytes_release(&c);
}

static void test_what_a_command_may_say(void **state)
{
    struct command c = by_olga(currency(), 1);
    struct fault fault;

    (void)state;
    assert_int_equal(command_check(&c, &fault), 0);
    c.by[0].address = slice_of("");
    assert_int_equal(command_check(&c, &fault), -1);
    c.by[0] = olga;
    c.by[0].request = slice_of("two words");
    assert_int_equal(command_check(&c, &fault), -1);
    c.by[0] = olga;
    c.by[0].role = ROLE_NONE;
    assert_int_equal(command_check(&c, &fault), -1);
    c = by_olga(bet(), 1); /* money's records are the ledger's own */
    assert_int_equal(command_check(&c, &fault), -1);
    c = asked("backup", 1);
    assert_int_equal(command_check(&c, &fault), 0);
    c.note = slice_of("line\nbreak");
    assert_int_equal(command_check(&c, &fault), -1);
    c.note = slice_of("");
    c.n_by = 0; /* nobody's action is none */
    assert_int_equal(command_check(&c, &fault), -1);
    assert_false(command_is_recorded_action(COMMAND_SESSION_OPEN));
    assert_true(command_is_recorded_action(COMMAND_KEY_UPDATE));
}

static void test_one_step(void **state)
{
    struct fixture *f = *state;
    struct command c = by_olga(currency(), 91);
    struct action a;
    uint64_t before = machine_sequence(f->machine);

    c.name = slice_of("USD");
    apply(f, c);
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
    assert_int_equal(machine_sequence(f->machine), before); /* no place in the ledger's sequence */
    a = newest(f);
    assert_int_equal(a.number, 1);
    assert_true(slice_is(a.call, "currency_create") && slice_is(a.subject, "USD"));
    assert_true(slice_is(a.by.principal, "olga") && slice_is(a.by.address, "10.1.2.3"));
    assert_int_equal(a.by.node, 2);
    assert_int_equal(a.at_ms, f->time_ms);
    assert_int_equal(a.seq, before);
    apply(f, c); /* our own nodes again: one request, one action */
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
    assert_int_equal(newest(f).number, 1);
    c.origin = 92;
    apply(f, c);
    assert_int_equal(f->outcome.verdict, VERDICT_ALREADY_EXISTS);
    a = newest(f);
    assert_int_equal(a.number, 2);
    assert_string_equal(action_outcome(&a), "already_exists");
    apply(f, c); /* ... and the refusal again is the refusal */
    assert_int_equal(f->outcome.verdict, VERDICT_ALREADY_EXISTS);
    apply(f, asked("backup", 93));
    a = newest(f);
    assert_int_equal(a.number, 3);
    assert_true(slice_is(a.call, "backup"));
    assert_string_equal(action_outcome(&a), "asked");
}

/* A repeat that comes late must not undo what somebody else did meanwhile. */
static void test_a_late_repeat(void **state)
{
    struct fixture *f = *state;
    struct command off = by_olga(key_update(), 1), on = by_olga(key_update(), 2);
    struct key k;

    apply(f, by_olga(key(), 3));
    off.disabled = true;
    apply(f, off);
    apply(f, on);
    apply(f, off);
    assert_int_equal(f->outcome.verdict, VERDICT_APPLIED);
    assert_int_equal(state_key(&f->machine->state, slice_of("k1"), &k, &f->fault), 1);
    assert_false(k.disabled);
    assert_int_equal(newest(f).number, 3);
}

static struct record newest_record(struct fixture *f)
{
    struct record r;

    assert_int_equal(state_record(&f->machine->state, machine_sequence(f->machine), &r, &f->fault),
                     0);
    return r;
}

static void test_weave(void **state)
{
    struct fixture *f = *state;
    struct command dry = money(COMMAND_BET, "demo", "b0", "alice", "EUR", 1);

    apply(f, asked("one", 1));
    apply(f, asked("two", 2));
    dry.dry_run = true;
    apply(f, dry); /* leaves nothing, and holds nothing */
    assert_int_equal(f->outcome.record.action, 0);
    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1));
    assert_int_equal(newest_record(f).action, 2);
    assert_memory_equal(newest_record(f).action_hash, newest(f).hash, HASH_BYTES);
    apply(f, money(COMMAND_BET, "demo", "b2", "alice", "EUR", 1));
    assert_int_equal(newest_record(f).action, 0);
    /* The place is known after a restart, too. */
    apply(f, asked("three", 3));
    assert_int_equal(fixture_checkpoint(f), 0);
    assert_int_equal(fixture_reopen(f), 0);
    apply(f, money(COMMAND_BET, "demo", "b3", "alice", "EUR", 1));
    assert_int_equal(newest_record(f).action, 3);
    apply(f, asked("three", 3)); /* and so is what was done before */
    assert_int_equal(newest(f).number, 3);
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
}

static void tampered(struct fixture *f, enum store_table table, const char *key, size_t at,
                     const char *word)
{
    struct state *s = &f->machine->state;
    struct slice value, name = {key, 8};
    struct bytes good, bad;

    assert_int_equal(layers_get(&s->layers, table, name, &value, &f->fault), 1);
    bytes_init(&good);
    bytes_init(&bad);
    bytes_append(&good, value.base, value.len);
    bytes_append(&bad, value.base, value.len);
    bad.base[at] ^= 1;
    layers_put(&s->layers, table, name, (struct slice){(const char *)bad.base, bad.len});
    assert_int_equal(machine_audit(f->machine, &f->fault), -1);
    if (strstr(f->fault.text, word) == NULL) {
        fail_msg("'%s' does not say '%s'", f->fault.text, word);
    }
    layers_put(&s->layers, table, name, (struct slice){(const char *)good.base, good.len});
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
    bytes_release(&good);
    bytes_release(&bad);
}

/* Puts the action in place of the one with its number, rightly chained. */
static void forge(struct fixture *f, struct action *a)
{
    struct state *s = &f->machine->state;
    uint64_t newest_number = s->actions.number;
    struct action before = {.number = 0};

    if (a->number > 1) {
        assert_int_equal(state_action(s, a->number - 1, &before, &f->fault), 0);
    }
    s->actions.number = a->number - 1;
    memcpy(s->actions.hash, before.hash, HASH_BYTES);
    s->seq = a->seq;
    memcpy(s->hash, a->head, HASH_BYTES);
    state_append_action(s, a, a->number);
    s->actions.number = newest_number;
}

static void test_what_was_changed_is_found(void **state)
{
    static const char first[8] = {0, 0, 0, 0, 0, 0, 0, 1};
    static const char second[8] = {0, 0, 0, 0, 0, 0, 0, 2};
    struct fixture *f = *state;
    struct state *s = &f->machine->state;
    struct action a;
    uint64_t seq;
    uint8_t hash[HASH_BYTES];

    apply(f, asked("one", 1));
    apply(f, money(COMMAND_BET, "demo", "b1", "alice", "EUR", 1));
    apply(f, asked("two", 2));
    apply(f, money(COMMAND_BET, "demo", "b2", "alice", "EUR", 1));
    assert_int_equal(machine_audit(f->machine, &f->fault), 0);
    tampered(f, TABLE_ACTION, first, 9, "chain is broken"); /* when */
    tampered(f, TABLE_ACTION, second, 17, "the last one");  /* where in the ledger */
    tampered(f, TABLE_ORIGIN, second, 3, "origin");

    /* Somebody who makes all hashes of the actions anew, but can't change the ledger's records. */
    seq = machine_sequence(f->machine);
    memcpy(hash, s->hash, HASH_BYTES);
    for (uint64_t number = 1; number <= 2; number++) {
        assert_int_equal(state_action(s, number, &a, &f->fault), 0);
        a.by.principal = slice_of("somebody");
        forge(f, &a);
    }
    s->seq = seq;
    memcpy(s->hash, hash, HASH_BYTES);
    assert_int_equal(machine_audit(f->machine, &f->fault), -1);
    if (strstr(f->fault.text, "does not hold it") == NULL) {
        fail_msg("%s", f->fault.text);
    }
}

static void test_pages(void **state)
{
    struct fixture *f = *state;
    struct query q = {.type = QUERY_ACTIONS, .seq = 2, .limit = 2};
    struct bytes out;
    struct answer a;
    struct action action;

    bytes_init(&out);
    a = ask(f, q, &out);
    assert_int_equal(a.n_records, 0); /* there are none */
    assert_int_equal(a.next, 0);
    q.type = QUERY_ACTIONS_BEFORE;
    q.seq = 0;
    assert_int_equal(ask(f, q, &out).n_records, 0);
    for (uint64_t i = 1; i <= 4; i++) {
        apply(f, asked("again", i));
    }
    a = ask(f, q, &out);
    assert_int_equal(answer_next_action(&a, &action, &f->fault), 1);
    assert_int_equal(action.number, 4);
    assert_int_equal(a.next, 3);
    q.seq = 3;
    a = ask(f, q, &out);
    assert_int_equal(answer_next_action(&a, &action, &f->fault), 1);
    assert_int_equal(action.number, 2);
    assert_int_equal(answer_next_action(&a, &action, &f->fault), 1);
    assert_int_equal(answer_next_action(&a, &action, &f->fault), 0);
    assert_int_equal(a.next, 0);
    q = (struct query){.type = QUERY_ACTIONS, .seq = 2, .limit = 2};
    a = ask(f, q, &out);
    assert_int_equal(a.n_records, 2);
    assert_int_equal(a.next, 4);
    bytes_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_told),
        cmocka_unit_test(test_the_longest_detail),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_what_a_command_may_say),
        cmocka_unit_test_setup_teardown(test_one_step, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_late_repeat, setup, teardown),
        cmocka_unit_test_setup_teardown(test_weave, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_was_changed_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
