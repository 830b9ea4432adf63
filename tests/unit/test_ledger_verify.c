/* The auditor: real records of a real machine, as the API renders them, turned back and verified;
 * then every kind of damage, each of which must be found where it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

#include "api/render.h"
#include "cluster-config/ledger_json.h"
#include "cluster-config/ledger_verify.h"
#include "tests/unit/ledger_fixture.h"

enum { RECORDS_MAX = 32 };

struct ledger {
    struct fixture machine;
    json_t *entries; /* as GET /v1/ledger shows them */
    struct record records[RECORDS_MAX];
    size_t n;
};

static void apply(struct ledger *l, struct command c, enum verdict expected)
{
    assert_int_equal(fixture_apply(&l->machine, &c), 0);
    assert_int_equal(l->machine.outcome.verdict, expected);
}

/* A withdrawal confirmed in part, one cancelled, a round closed, an adjustment down; and a bet that
 * is called as a withdrawal's end is. */
static void play_more(struct ledger *l)
{
    struct command c = money(COMMAND_WITHDRAW, "bank", "wd1", "alice", "EUR", 8);

    c.gateway = slice_of("bank");
    apply(l, c, VERDICT_APPLIED);
    c.id = slice_of("wd2");
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_WITHDRAW_CONFIRM, "bank", NULL, NULL, NULL, 5);
    c.original = slice_of("wd1");
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_WITHDRAW_CANCEL, "bank", NULL, NULL, NULL, 0);
    c.original = slice_of("wd2");
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_DEPOSIT, "bank", "wd1:confirm", "alice", "EUR", 1);
    c.gateway = slice_of("bank");
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_ROUND_CLOSE, "demo", "rc1", "alice", NULL, 0);
    c.round = slice_of("r1");
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_ATOMIC, "demo", "at1", "alice", "EUR", 0);
    c.n_items = 1;
    c.items[0] = (struct command_item){
        .type = COMMAND_ADJUST, .id = slice_of("ad1"), .amount = whole(2), .negative = true};
    apply(l, c, VERDICT_APPLIED);
}

/* One record of every sort: bets, wins of two kinds, refusals, rollbacks whole, clamped, empty. */
static void play(struct ledger *l)
{
    static const char *const players[] = {"alice", "bob"};
    struct command c;

    static const uint8_t token_hash[SECRET_HASH_BYTES] = {1};

    assert_int_equal(fixture_world(&l->machine, players, 2), 0);
    /* Who did it is recorded, so the next record holds it. */
    c = (struct command){.type = COMMAND_ACTION, .id = slice_of("backup"), .origin = 1, .n_by = 1};
    c.by[0] = (struct actor){slice_of("olga"), slice_of("k1"), slice_of("::1"),
                             slice_of("r1"),   ROLE_OPERATOR,  2};
    apply(l, c, VERDICT_APPLIED);
    c = create(COMMAND_SESSION_OPEN, "s1");
    c.player = slice_of("alice");
    c.principal = slice_of("demo");
    c.game = slice_of("g1");
    c.token_hash = token_hash;
    c.ttl_s = 3600;
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_BET, "demo", "b1", "alice", "EUR", 10);
    c.round = slice_of("r1");
    c.game = slice_of("g1");
    c.session = slice_of("s1");
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_WIN, "demo", "w1", "alice", "EUR", 25);
    c.bet = slice_of("b1");
    c.win_kind = WIN_JACKPOT;
    apply(l, c, VERDICT_APPLIED);
    apply(l, money(COMMAND_BET, "demo", "b2", "bob", "EUR", 1000), VERDICT_INSUFFICIENT_FUNDS);
    apply(l, money(COMMAND_WIN, "demo", "w2", "bob", "EUR", 50), VERDICT_APPLIED);
    apply(l, money(COMMAND_BET, "demo", "b3", "bob", "EUR", 130), VERDICT_APPLIED);
    c = money(COMMAND_ROLLBACK, "demo", "rb1", "bob", "EUR", 0);
    c.original = slice_of("w2");
    apply(l, c, VERDICT_APPLIED); /* clamped: 20 of 50 */
    c = money(COMMAND_ROLLBACK, "demo", "rb2", "alice", "EUR", 0);
    c.original = slice_of("late");
    apply(l, c, VERDICT_TOMBSTONE);
    apply(l, money(COMMAND_BET, "demo", "late", "alice", "EUR", 1), VERDICT_ROLLED_BACK);
    apply(l, money(COMMAND_WIN, "demo", "w0", "alice", "EUR", 0), VERDICT_APPLIED);
    play_more(l);
}

/* What the API answers for the whole ledger. */
static json_t *render(struct ledger *l)
{
    struct query q = {.type = QUERY_LEDGER, .seq = 1, .limit = RECORDS_MAX};
    struct bytes query, answer, text;
    struct answer a;
    struct record r;
    struct writer w;
    struct fault fault;
    bool broken = false;

    bytes_init(&query);
    bytes_init(&answer);
    bytes_init(&text);
    query_encode(&q, &query);
    assert_int_equal(
        machine_query(l->machine.machine, query.base, query.len, &answer, &broken, &fault), 0);
    assert_int_equal(answer_decode(answer.base, answer.len, &a, &fault), 0);
    writer_init(&w, &text, FORM_JSON);
    writer_open_list(&w);
    while (answer_next_record(&a, &r, &fault) == 1) {
        writer_open_map(&w);
        render_entry(&w, &r);
        writer_close_map(&w);
    }
    writer_close_list(&w);
    json_t *entries = json_loadb((const char *)text.base, text.len, JSON_REJECT_DUPLICATES, NULL);
    bytes_release(&query);
    bytes_release(&answer);
    bytes_release(&text);
    return entries;
}

static int set_up(void **state)
{
    struct ledger *l = calloc(1, sizeof *l);
    struct fault fault;

    if (l == NULL) {
        return -1;
    }
    fixture_open(&l->machine, 1);
    play(l);
    l->entries = render(l);
    l->n = json_array_size(l->entries);
    for (size_t i = 0; i < l->n; i++) {
        if (ledger_record_from_json(json_array_get(l->entries, i), &l->records[i], &fault) != 0) {
            print_error("%s\n", fault.text);
            return -1;
        }
    }
    *state = l;
    return 0;
}

static int tear_down(void **state)
{
    struct ledger *l = *state;

    json_decref(l->entries);
    fixture_close(&l->machine);
    free(l);
    return 0;
}

/* Verifies what stands in l->records; 0, or -1 with the fault. */
static int verify(struct ledger *l, struct fault *fault)
{
    struct ledger_verifier *v = ledger_verifier_new();
    int rc = 0;

    fault->text[0] = '\0';
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        rc = ledger_verifier_add(v, &l->records[i], fault);
    }
    if (rc == 0) {
        rc = ledger_verifier_finish(v, fault);
    }
    ledger_verifier_free(v);
    return rc;
}

/* A forger who can compute hashes: from record `i` on the chain is made to fit again. */
static void reseal(struct ledger *l, size_t i)
{
    struct bytes canonical;

    bytes_init(&canonical);
    for (; i < l->n; i++) {
        struct record *r = &l->records[i];

        if (i > 0) {
            memcpy(r->prev_hash, l->records[i - 1].hash, HASH_BYTES);
        }
        bytes_clear(&canonical);
        record_encode(r, &canonical);
        record_hash(r->prev_hash, canonical.base, canonical.len, r->hash);
    }
    bytes_release(&canonical);
}

static struct record *find(struct ledger *l, const char *id)
{
    for (size_t i = 0; i < l->n; i++) {
        if (slice_is(l->records[i].id, id)) {
            return &l->records[i];
        }
    }
    fail_msg("no record %s", id);
    return NULL;
}

/* After the forger's change of `id`, this is found, at that record. */
static void found(struct ledger *l, const char *id, const char *words)
{
    struct fault fault;
    char place[64];

    reseal(l, (size_t)(find(l, id) - l->records));
    snprintf(place, sizeof place, "(id %s)", id);
    assert_int_equal(verify(l, &fault), -1);
    if (strstr(fault.text, words) == NULL || strstr(fault.text, place) == NULL) {
        fail_msg("\"%s\" has no \"%s\" at %s", fault.text, words, place);
    }
}

static void a_real_ledger_verifies(void **state)
{
    struct ledger *l = *state;
    struct ledger_verifier *v = ledger_verifier_new();
    const struct ledger_total *t;
    uint8_t hash[HASH_BYTES], check[MACHINE_CHECK_BYTES];
    struct fault fault;

    assert_int_equal(l->n, 18);
    for (size_t i = 0; i < l->n; i++) {
        if (ledger_verifier_add(v, &l->records[i], &fault) != 0) {
            fail_msg("%s", fault.text);
        }
    }
    assert_int_equal(ledger_verifier_finish(v, &fault), 0);
    assert_int_equal(ledger_verifier_head(v, hash), 18);
    machine_head(l->machine.machine, check);
    assert_memory_equal(hash, check + MACHINE_CHECK_BYTES - HASH_BYTES, HASH_BYTES);
    assert_int_equal(ledger_verifier_actions(v, hash), 1);
    assert_memory_equal(hash, find(l, "b1")->action_hash, HASH_BYTES);
    assert_int_equal(ledger_verifier_totals(v, &t), 1);
    assert_string_equal(t->currency, "EUR");
    assert_int_equal(t->players_minor, 109 * 100000); /* alice 100-10+25-5+1-2, bob 0 */
    assert_int_equal(t->gateways_minor, -196 * 100000);
    assert_int_equal(t->house_minor, -28 * 100000);
    assert_int_equal(ledger_verifier_accounts(v), 6);
    ledger_verifier_free(v);
}

/* A gateway that can't hold any more refuses the confirmation; the withdrawal is then cancelled. */
static void a_refused_confirmation_ends_nothing(void **state)
{
    struct ledger *l = *state;
    struct fault fault;
    struct command c;
    int i;

    c = create(COMMAND_PRINCIPAL_CREATE, "other");
    c.role = ROLE_PROVIDER;
    apply(l, c, VERDICT_APPLIED);
    for (i = 0; i < 2; i++) {
        const char *provider = i == 0 ? "demo" : "other";

        apply(l, money(COMMAND_WIN, provider, "huge", "bob", "EUR", 92233720360000),
              VERDICT_APPLIED);
        c = money(COMMAND_WITHDRAW, "bank", i == 0 ? "wd3" : "wd4", "bob", "EUR", 92233720360000);
        c.gateway = slice_of("bank");
        apply(l, c, VERDICT_APPLIED);
        c = money(COMMAND_WITHDRAW_CONFIRM, "bank", NULL, NULL, NULL, 0);
        c.amount = (struct decimal){0, 0};
        c.original = slice_of(i == 0 ? "wd3" : "wd4");
        apply(l, c, i == 0 ? VERDICT_APPLIED : VERDICT_BALANCE_OVERFLOW);
    }
    c = money(COMMAND_WITHDRAW_CANCEL, "bank", NULL, NULL, NULL, 0);
    c.original = slice_of("wd4");
    apply(l, c, VERDICT_APPLIED);
    c = money(COMMAND_ROLLBACK, "other", "back", "bob", "EUR", 0); /* so that the sums fit again */
    c.original = slice_of("huge");
    apply(l, c, VERDICT_APPLIED);
    json_decref(l->entries);
    l->entries = render(l);
    l->n = json_array_size(l->entries);
    for (size_t at = 0; at < l->n; at++) {
        assert_int_equal(
            ledger_record_from_json(json_array_get(l->entries, at), &l->records[at], &fault), 0);
    }
    if (verify(l, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
}

/* Whatever member of whatever entry is changed: unless it is unknown to the hash, it is found. */
static void every_member_is_vouched_for(void **state)
{
    struct ledger *l = *state;

    for (size_t i = 0; i < l->n; i++) {
        json_t *original = json_array_get(l->entries, i);
        const char *key;
        json_t *value;

        json_object_foreach(original, key, value)
        {
            json_t *copy = json_deep_copy(original);
            struct fault fault = {""};
            struct record kept = l->records[i];

            if (json_is_integer(value)) {
                json_object_set_new(copy, key, json_integer(json_integer_value(value) + 1));
            } else if (json_is_string(value)) {
                char *text = strdup(json_string_value(value));
                size_t last = strlen(text) - (strcmp(key, "at") == 0 ? 2 : 1);
                text[last] = text[last] == '1' ? '2' : '1';
                json_object_set_new(copy, key, json_string(text));
                free(text);
            } else if (json_array_size(value) > 0) {
                json_array_remove(json_object_get(copy, key), 0);
            } else {
                json_object_del(copy, key);
            }
            if (ledger_record_from_json(copy, &l->records[i], &fault) == 0 &&
                verify(l, &fault) == 0) {
                fail_msg("entry %zu: a change of %s is not found", i, key);
            }
            assert_true(fault.text[0] != '\0');
            l->records[i] = kept;
            json_decref(copy);
        }
    }
}

static void gaps_and_order(void **state)
{
    struct ledger *l = *state;
    struct record kept = l->records[4];
    struct fault fault;

    memmove(&l->records[4], &l->records[5], (l->n - 5) * sizeof kept);
    l->n--;
    assert_int_equal(verify(l, &fault), -1);
    assert_non_null(strstr(fault.text, "seq 6 follows seq 4: expected seq 5"));
}

static void a_broken_chain(void **state)
{
    struct ledger *l = *state;
    struct fault fault;

    l->records[6].prev_hash[3] ^= 1;
    assert_int_equal(verify(l, &fault), -1);
    assert_non_null(strstr(fault.text, "seq 7 (id b3): prev_hash"));
}

/* An action that was held before, held once more: then some in between could be left out. */
static void forged_action(void **state)
{
    struct ledger *l = *state;
    struct record *r = find(l, "w1");

    r->action = find(l, "b1")->action;
    memcpy(r->action_hash, find(l, "b1")->action_hash, HASH_BYTES);
    found(l, "w1", "holds an action that is not newer");
}

static void forged_amount(void **state)
{
    find(*state, "b1")->amount_minor += 1;
    found(*state, "b1", "move another amount");
}

static void forged_balance(void **state)
{
    find(*state, "b1")->balance_minor += 1;
    found(*state, "b1", "states another balance of the player");
}

static void forged_posting(void **state)
{
    struct record *r = find(*state, "w1");

    r->postings[0].amount_minor += 100000;
    r->postings[0].credit_balance_minor += 100000;
    r->postings[0].debit_balance_minor -= 100000;
    r->balance_minor += 100000;
    found(*state, "w1", "move another amount");
}

static void forged_house_balance(void **state)
{
    find(*state, "rb1")->postings[1].debit_balance_minor += 1;
    found(*state, "rb1", "states -29.99999 for house:shortfall, the replay has -30.00000");
}

static void forged_direction(void **state)
{
    struct record *r = find(*state, "b1");
    struct account a = r->postings[0].debit;

    r->postings[0].debit = r->postings[0].credit;
    r->postings[0].credit = a;
    r->postings[0].debit_balance_minor = -10 * 100000;
    r->postings[0].credit_balance_minor = 110 * 100000;
    r->balance_minor = 110 * 100000;
    found(*state, "b1", "move another amount");
}

static void forged_overdraft(void **state)
{
    struct record *r = find(*state, "b1");

    r->amount_minor = r->postings[0].amount_minor = 101 * 100000;
    r->postings[0].debit_balance_minor = r->balance_minor = -1 * 100000;
    r->postings[0].credit_balance_minor = 101 * 100000;
    found(*state, "b1", "player:alice is below zero");
}

static void forged_refusal(void **state)
{
    find(*state, "b1")->verdict = VERDICT_INSUFFICIENT_FUNDS;
    found(*state, "b1", "was refused, and still moved money");
}

static void forged_link(void **state)
{
    find(*state, "w1")->previous = 1;
    found(*state, "w1", "previous is 1, the player's record before it is 3");
}

static void forged_clock(void **state)
{
    struct ledger *l = *state;

    find(l, "w1")->at_ms = l->records[2].at_ms - 1;
    found(l, "w1", "is dated before");
}

static void forged_scale(void **state)
{
    find(*state, "w1")->scale = 4;
    found(*state, "w1", "another scale");
}

static void forged_loop(void **state)
{
    struct record *r = find(*state, "b1");

    r->postings[0].credit = r->postings[0].debit;
    found(*state, "b1", "between two accounts");
}

/* "Applied twice" would look like this: all else fits, but the id was decided before. */
static void an_id_decided_twice(void **state)
{
    struct ledger *l = *state;
    struct record *r = find(l, "w0");
    struct fault fault;

    r->id = slice_of("w1");
    reseal(l, (size_t)(r - l->records));
    assert_int_equal(verify(l, &fault), -1);
    assert_non_null(strstr(fault.text, "seq 11: has the same provider and id as seq 4"));
}

/* The same two records, at a provider whose ids are unique for each player: w1 is alice's, w2
 * bob's; but alice's w0 can't be a second w1 there either. */
static void an_id_of_two_players(void **state)
{
    struct ledger *l = *state;
    struct ledger_verifier *v = ledger_verifier_new();
    struct record *r = find(l, "w2");
    struct fault fault;
    size_t i;

    r->id = slice_of("w1");
    reseal(l, (size_t)(r - l->records));
    assert_int_equal(verify(l, &fault), -1);
    assert_non_null(strstr(fault.text, "decided twice"));

    assert_false(ledger_verifier_knows(v, slice_of("demo")));
    ledger_verifier_ids(v, slice_of("demo"), IDS_PER_PLAYER);
    ledger_verifier_ids(v, slice_of("bank"), IDS_PER_PRINCIPAL);
    assert_true(ledger_verifier_knows(v, slice_of("demo")));
    assert_true(ledger_verifier_knows(v, slice_of("bank")));
    for (i = 0; i < l->n; i++) {
        assert_int_equal(ledger_verifier_add(v, &l->records[i], &fault), 0);
    }
    assert_int_equal(ledger_verifier_finish(v, &fault), 0);
    ledger_verifier_free(v);

    v = ledger_verifier_new();
    ledger_verifier_ids(v, slice_of("demo"), IDS_PER_PLAYER);
    r = find(l, "w0");
    r->id = slice_of("w1");
    reseal(l, (size_t)(r - l->records));
    for (i = 0; i < l->n; i++) {
        assert_int_equal(ledger_verifier_add(v, &l->records[i], &fault), 0);
    }
    assert_int_equal(ledger_verifier_finish(v, &fault), -1);
    assert_non_null(strstr(fault.text, "seq 11: has the same provider and id as seq 4"));
    ledger_verifier_free(v);
}

static void times_that_are_none(void **state)
{
    static const char *const bad[] = {
        "2026-02-30T00:00:00.000Z", "2026-01-01T00:00:00Z",     "2026-01-01 00:00:00.000Z",
        "2026-01-01T00:00:00.000+", "1969-12-31T23:59:59.999Z", "2026-01-01T00:00:00.-01Z",
    };
    struct ledger *l = *state;
    struct record r;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *entry = json_deep_copy(json_array_get(l->entries, 0));
        struct fault fault = {""};

        json_object_set_new(entry, "at", json_string(bad[i]));
        assert_int_equal(ledger_record_from_json(entry, &r, &fault), -1);
        assert_non_null(strstr(fault.text, "field at"));
        json_decref(entry);
    }
}

static void entries_that_are_none(void **state)
{
    static const char *const bad[] = {"[]",
                                      "{}",
                                      "null",
                                      "{\"seq\":1}",
                                      "{\"seq\":\"1\"}",
                                      "{\"seq\":1,\"at\":\"2026-02-30T00:00:00.000Z\"}"};
    struct record r;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *entry = json_loads(bad[i], JSON_DECODE_ANY, NULL);
        struct fault fault = {""};

        assert_int_equal(ledger_record_from_json(entry, &r, &fault), -1);
        assert_true(fault.text[0] != '\0');
        json_decref(entry);
    }
}

int main(void)
{
#define LEDGER_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        LEDGER_TEST(a_real_ledger_verifies),
        LEDGER_TEST(a_refused_confirmation_ends_nothing),
        LEDGER_TEST(every_member_is_vouched_for),
        LEDGER_TEST(gaps_and_order),
        LEDGER_TEST(a_broken_chain),
        LEDGER_TEST(forged_action),
        LEDGER_TEST(forged_amount),
        LEDGER_TEST(forged_balance),
        LEDGER_TEST(forged_posting),
        LEDGER_TEST(forged_house_balance),
        LEDGER_TEST(forged_direction),
        LEDGER_TEST(forged_overdraft),
        LEDGER_TEST(forged_refusal),
        LEDGER_TEST(forged_link),
        LEDGER_TEST(forged_clock),
        LEDGER_TEST(forged_scale),
        LEDGER_TEST(forged_loop),
        LEDGER_TEST(an_id_decided_twice),
        LEDGER_TEST(an_id_of_two_players),
        LEDGER_TEST(times_that_are_none),
        cmocka_unit_test(entries_that_are_none),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
