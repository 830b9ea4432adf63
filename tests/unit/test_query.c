#include "tests/unit/codec_fixture.h"

#include "statemachine/query.h"
#include "statemachine/texts.h"
#include "tests/unit/record_fixture.h"

static int decode_query(const void *data, size_t len)
{
    struct query q;
    struct fault fault;

    return query_decode(data, len, &q, &fault);
}

/* An answer is decoded when its records or rounds can be walked, too. */
static int decode_answer(const void *data, size_t len)
{
    struct answer a;
    struct record r;
    struct round_info round;
    struct fault fault;
    int rc;

    if (answer_decode(data, len, &a, &fault) != 0) {
        return -1;
    }
    while ((rc = answer_next_round(&a, &round, &fault)) == 1) {
    }
    if (rc < 0) {
        return rc;
    }
    while ((rc = answer_next_record(&a, &r, &fault)) == 1) {
    }
    return rc;
}

static void test_queries(void **state)
{
    const struct query queries[] = {
        {.type = QUERY_TRANSACTION, .principal = slice_of("demo"), .id = slice_of("b1")},
        {.type = QUERY_TRANSACTION,
         .principal = slice_of("demo"),
         .player = slice_of("alice"),
         .id = slice_of("b1")},
        {.type = QUERY_BALANCES, .player = slice_of("alice")},
        {.type = QUERY_HISTORY, .player = slice_of("alice"), .seq = UINT64_MAX, .limit = 1000},
        {.type = QUERY_LEDGER, .seq = 5, .limit = 1},
        {.type = QUERY_KEY, .name = slice_of("k1")},
        {.type = QUERY_HEAD},
        {.type = QUERY_ROUNDS, .principal = slice_of("demo"), .limit = 1},
        {.type = QUERY_ROUNDS,
         .principal = slice_of("demo"),
         .player = slice_of("alice"),
         .name = slice_of("alice"),
         .id = slice_of("r1"),
         .limit = QUERY_RECORDS_MAX},
        {.type = QUERY_SESSION, .name = slice_of("s1")},
        {.type = QUERY_PLAYER, .player = slice_of("alice")},
        {.type = QUERY_PRINCIPAL, .name = slice_of("demo")},
        {.type = QUERY_PASSWORD, .player = slice_of("alice")},
    };
    struct bytes out;
    struct query back;
    struct fault fault;
    size_t i;

    (void)state;
    bytes_init(&out);
    for (i = 0; i < sizeof queries / sizeof *queries; i++) {
        const struct query *q = &queries[i];

        bytes_clear(&out);
        query_encode(q, &out);
        assert_int_equal(query_decode(out.base, out.len, &back, &fault), 0);
        assert_int_equal(back.type, q->type);
        assert_true(back.seq == q->seq);
        assert_int_equal(back.limit, q->limit);
        assert_true(slice_equal(back.principal, q->principal));
        assert_true(slice_equal(back.id, q->id));
        assert_true(slice_equal(back.player, q->player));
        assert_true(slice_equal(back.name, q->name));
        refuses_truncations(decode_query, &out);
        refuses_more(decode_query, &out);
        survives_mutations(decode_query, &out, 5000);
    }
    bytes_release(&out);
}

static void refused(struct query q)
{
    struct bytes out;

    bytes_init(&out);
    query_encode(&q, &out);
    assert_int_not_equal(decode_query(out.base, out.len), 0);
    bytes_release(&out);
}

static void test_bad_queries(void **state)
{
    (void)state;
    refused((struct query){.type = QUERY_TRANSACTION, .principal = slice_of("demo")});
    refused((struct query){.type = QUERY_TRANSACTION, .id = slice_of("b1")});
    refused((struct query){.type = QUERY_BALANCES});
    refused((struct query){.type = QUERY_BALANCES, .player = slice_of("a b")});
    refused((struct query){.type = QUERY_HISTORY, .player = slice_of("a")});
    refused((struct query){.type = QUERY_HISTORY, .limit = 5});
    refused((struct query){.type = QUERY_HISTORY, .player = slice_of("a"), .limit = 1001});
    refused((struct query){.type = QUERY_LEDGER});
    refused((struct query){.type = QUERY_KEY});
    refused((struct query){.type = QUERY_ROUNDS, .limit = 1});
    refused((struct query){.type = QUERY_ROUNDS, .principal = slice_of("demo")});
    refused((struct query){
        .type = QUERY_ROUNDS, .principal = slice_of("demo"), .limit = 1, .id = slice_of("r1")});
    refused((struct query){.type = QUERY_SESSION});
    refused((struct query){.type = QUERY_PLAYER});
    refused((struct query){.type = QUERY_PRINCIPAL});
    refused((struct query){.type = QUERY_PASSWORD});
    refused((struct query){.type = (enum query_type)12});
    refused((struct query){.type = (enum query_type)0});
}

static void answers(const struct answer *a, enum query_type type, struct answer *back,
                    struct bytes *out)
{
    struct fault fault;

    bytes_clear(out);
    answer_encode(a, type, out);
    refuses_truncations(decode_answer, out);
    refuses_more(decode_answer, out);
    survives_mutations(decode_answer, out, 10000);
    assert_int_equal(answer_decode(out->base, out->len, back, &fault), 0);
    assert_int_equal(back->verdict, a->verdict);
}

static void test_records(void **state)
{
    struct record r = full_record();
    struct answer a = {.verdict = VERDICT_APPLIED, .n_records = 2, .next = 9}, back;
    struct bytes records, sealed, out;
    struct fault fault;
    int i;

    (void)state;
    bytes_init(&records);
    bytes_init(&sealed);
    bytes_init(&out);
    record_seal(&r, &sealed);
    for (i = 0; i < 2; i++) {
        bytes_append_u32(&records, (uint32_t)sealed.len);
        bytes_append(&records, sealed.base, sealed.len);
    }
    a.sealed = cursor_of(records.base, records.len);
    answers(&a, QUERY_HISTORY, &back, &out);
    assert_int_equal(back.next, 9);
    assert_int_equal(answer_next_record(&back, &r, &fault), 1);
    assert_true(slice_is(r.id, "w1"));
    assert_int_equal(answer_next_record(&back, &r, &fault), 1);
    assert_int_equal(answer_next_record(&back, &r, &fault), 0);
    assert_int_equal(answer_next_record(&back, &r, &fault), 0);

    /* Fewer are promised than there are. */
    a.n_records = 1;
    bytes_clear(&out);
    answer_encode(&a, QUERY_LEDGER, &out);
    assert_int_not_equal(decode_answer(out.base, out.len), 0);
    bytes_release(&records);
    bytes_release(&sealed);
    bytes_release(&out);
}

static void test_others(void **state)
{
    struct answer a = {.verdict = VERDICT_UNKNOWN_TRANSACTION, .principal = slice_of("r1")};
    struct answer back;
    struct bytes out;
    uint32_t i;

    (void)state;
    bytes_init(&out);
    answers(&a, QUERY_TRANSACTION, &back, &out);
    assert_true(slice_is(back.principal, "r1"));

    a = (struct answer){.verdict = VERDICT_APPLIED, .n_balances = BALANCES_MAX};
    for (i = 0; i < BALANCES_MAX; i++) {
        a.balances[i] = (struct balance){slice_of("EUR"), 5, -1 - (int64_t)i, i};
    }
    answers(&a, QUERY_BALANCES, &back, &out);
    assert_int_equal(back.n_balances, BALANCES_MAX);
    assert_int_equal(back.balances[63].balance_minor, -64);
    assert_int_equal(back.balances[63].available_minor, 63);

    a = (struct answer){.principal = slice_of("demo"), .role = ROLE_AUDITOR, .disabled = true};
    memset(a.secret_hash, 0x5a, SECRET_HASH_BYTES);
    answers(&a, QUERY_KEY, &back, &out);
    assert_true(slice_is(back.principal, "demo"));
    assert_int_equal(back.role, ROLE_AUDITOR);
    assert_true(back.disabled);
    assert_memory_equal(back.secret_hash, a.secret_hash, SECRET_HASH_BYTES);

    a = (struct answer){.seq = 77};
    memset(a.hash, 0x77, HASH_BYTES);
    answers(&a, QUERY_HEAD, &back, &out);
    assert_int_equal(back.seq, 77);
    assert_memory_equal(back.hash, a.hash, HASH_BYTES);
    bytes_release(&out);
}

static struct policy full_policy(void)
{
    struct policy p = {.shortfall = SHORTFALL_REJECT, .rate_per_s = 77};

    p.currencies[p.n_currencies++] = slice_of("EUR");
    p.currencies[p.n_currencies++] = slice_of("USD");
    p.ip_allow[p.n_ip_allow++] = slice_of("10.0.0.0/8");
    return p;
}

static void same_policy(const struct policy *p, enum ids_scope scope)
{
    assert_int_equal(p->shortfall, SHORTFALL_REJECT);
    assert_int_equal(p->ids_scope, scope);
    assert_int_equal(p->rate_per_s, 77);
    assert_int_equal(p->n_currencies, 2);
    assert_true(slice_is(p->currencies[1], "USD"));
    assert_int_equal(p->n_ip_allow, 1);
    assert_true(slice_is(p->ip_allow[0], "10.0.0.0/8"));
}

/* A bit that is not known may change what an id stands for: whoever reads it stops. */
static void test_policy_bits(void **state)
{
    struct policy p = full_policy(), back;
    struct cursor in;
    struct bytes out;
    int bits;

    (void)state;
    bytes_init(&out);
    policy_append(&p, &out);
    for (bits = 0; bits < 256; bits++) {
        out.base[0] = (uint8_t)bits;
        in = cursor_of(out.base, out.len);
        assert_int_equal(policy_take(&in, &back), bits < 4 ? 0 : -1);
    }
    bytes_release(&out);
}

static void test_principals(void **state)
{
    struct answer a = {.role = ROLE_GATEWAY, .principal_disabled = true, .policy = full_policy()};
    struct answer back;
    struct bytes out;

    (void)state;
    bytes_init(&out);
    answers(&a, QUERY_PRINCIPAL, &back, &out);
    assert_int_equal(back.role, ROLE_GATEWAY);
    assert_true(back.principal_disabled);
    same_policy(&back.policy, IDS_PER_PRINCIPAL);

    a.policy.ids_scope = IDS_PER_PLAYER;
    a.principal = slice_of("bank");
    a.key_kind = KEY_HMAC;
    a.key_sealed = slice_of("secret \x01\xff bytes");
    answers(&a, QUERY_KEY, &back, &out);
    assert_int_equal(back.key_kind, KEY_HMAC);
    assert_true(slice_equal(back.key_sealed, a.key_sealed));
    assert_true(back.principal_disabled);
    assert_false(back.disabled);
    same_policy(&back.policy, IDS_PER_PLAYER);
    bytes_release(&out);
}

static void test_players(void **state)
{
    struct answer a = {.status = PLAYER_SELF_EXCLUDED,
                       .until_ms = 5,
                       .created_at_ms = 6,
                       .reminder_s = 7,
                       .has_password = true,
                       .n_limits = LIMITS_PER_PLAYER};
    struct answer back;
    struct bytes out;
    int i;

    (void)state;
    for (i = 0; i < LIMITS_PER_PLAYER; i++) {
        a.limits[i] = (struct limit_info){.kind = (enum limit_kind)(i % LIMIT_KINDS),
                                          .period = (enum limit_period)(i % LIMIT_PERIODS),
                                          .currency = slice_of("EUR"),
                                          .scale = 5,
                                          .amount_minor = i,
                                          .used_minor = 2 * i,
                                          .pending = i % 2 == 1,
                                          .pending_none = i % 4 == 3,
                                          .pending_minor = 3 * i,
                                          .effective_at_ms = (uint64_t)i};
    }
    bytes_init(&out);
    answers(&a, QUERY_PLAYER, &back, &out);
    assert_int_equal(back.status, PLAYER_SELF_EXCLUDED);
    assert_int_equal(back.until_ms, 5);
    assert_int_equal(back.created_at_ms, 6);
    assert_int_equal(back.reminder_s, 7);
    assert_true(back.has_password);
    assert_int_equal(back.n_limits, LIMITS_PER_PLAYER);
    for (i = 0; i < LIMITS_PER_PLAYER; i++) {
        assert_int_equal(back.limits[i].kind, a.limits[i].kind);
        assert_int_equal(back.limits[i].period, a.limits[i].period);
        assert_int_equal(back.limits[i].amount_minor, i);
        assert_int_equal(back.limits[i].used_minor, 2 * i);
        assert_int_equal(back.limits[i].pending, i % 2 == 1);
        assert_int_equal(back.limits[i].pending_none, i % 4 == 3);
        assert_int_equal(back.limits[i].pending_minor, 3 * i);
        assert_int_equal(back.limits[i].effective_at_ms, i);
    }

    a = (struct answer){.password_hash = slice_of("$argon2id$ and more")};
    answers(&a, QUERY_PASSWORD, &back, &out);
    assert_true(slice_is(back.password_hash, "$argon2id$ and more"));

    a = (struct answer){.session = {.id = slice_of("s1"),
                                    .player = slice_of("alice"),
                                    .provider = slice_of("demo"),
                                    .game = slice_of("g"),
                                    .opened_at_ms = 1,
                                    .expires_at_ms = 2,
                                    .closed_at_ms = 3,
                                    .authenticated_at_ms = 4,
                                    .reminder_s = 5}};
    answers(&a, QUERY_SESSION, &back, &out);
    assert_true(slice_is(back.session.id, "s1"));
    assert_true(slice_is(back.session.game, "g"));
    assert_int_equal(back.session.authenticated_at_ms, 4);
    assert_int_equal(back.session.reminder_s, 5);
    bytes_release(&out);
}

static void append_name(struct bytes *out, const char *name)
{
    bytes_append_u8(out, (uint8_t)strlen(name));
    bytes_append(out, name, strlen(name));
}

static void test_rounds(void **state)
{
    struct answer a = {.n_rounds = 2, .next_player = slice_of("bob"), .next_round = slice_of("r9")};
    struct answer back;
    struct round_info round;
    struct bytes rounds, out;
    struct fault fault;
    int i;

    (void)state;
    bytes_init(&rounds);
    bytes_init(&out);
    for (i = 0; i < 2; i++) {
        append_name(&rounds, "alice");
        append_name(&rounds, i == 0 ? "r1" : "r2");
        append_name(&rounds, "EUR");
        bytes_append_u64(&rounds, 1000);
        bytes_append_u32(&rounds, (uint32_t)i);
    }
    a.rounds = cursor_of(rounds.base, rounds.len);
    answers(&a, QUERY_ROUNDS, &back, &out);
    assert_true(slice_is(back.next_player, "bob"));
    assert_true(slice_is(back.next_round, "r9"));
    assert_int_equal(answer_next_round(&back, &round, &fault), 1);
    assert_int_equal(answer_next_round(&back, &round, &fault), 1);
    assert_true(slice_is(round.round, "r2"));
    assert_int_equal(round.opened_at_ms, 1000);
    assert_int_equal(round.bets, 1);
    assert_int_equal(answer_next_round(&back, &round, &fault), 0);
    bytes_release(&rounds);
    bytes_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),     cmocka_unit_test(test_bad_queries),
        cmocka_unit_test(test_records),     cmocka_unit_test(test_others),
        cmocka_unit_test(test_policy_bits), cmocka_unit_test(test_principals),
        cmocka_unit_test(test_players),     cmocka_unit_test(test_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
