#include "tests/unit/codec_fixture.h"

#include "statemachine/query.h"
#include "tests/unit/record_fixture.h"

static int decode_query(const void *data, size_t len)
{
    struct query q;
    struct fault fault;

    return query_decode(data, len, &q, &fault);
}

/* An answer is decoded when its records can be walked, too. */
static int decode_answer(const void *data, size_t len)
{
    struct answer a;
    struct record r;
    struct fault fault;
    int rc;

    if (answer_decode(data, len, &a, &fault) != 0) {
        return -1;
    }
    while ((rc = answer_next_record(&a, &r, &fault)) == 1) {
    }
    return rc;
}

static void test_queries(void **state)
{
    const struct query queries[] = {
        {.type = QUERY_TRANSACTION, .principal = slice_of("demo"), .id = slice_of("b1")},
        {.type = QUERY_BALANCES, .player = slice_of("alice")},
        {.type = QUERY_HISTORY, .player = slice_of("alice"), .seq = UINT64_MAX, .limit = 1000},
        {.type = QUERY_LEDGER, .seq = 5, .limit = 1},
        {.type = QUERY_KEY, .name = slice_of("k1")},
        {.type = QUERY_HEAD},
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
    refused((struct query){.type = (enum query_type)7});
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_bad_queries),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
