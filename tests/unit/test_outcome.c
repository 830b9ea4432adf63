#include "tests/unit/codec_fixture.h"

#include "statemachine/outcome.h"
#include "tests/unit/record_fixture.h"

static int decode(const void *data, size_t len)
{
    struct outcome o;
    struct fault fault;

    return outcome_decode(data, len, &o, &fault);
}

static struct outcome full(void)
{
    return (struct outcome){.verdict = VERDICT_ROLLED_BACK,
                            .replayed = true,
                            .has_record = true,
                            .record = full_record(),
                            .balance_now_minor = -5,
                            .at_ms = 99};
}

static void test_round_trip(void **state)
{
    struct outcome o = full(), back;
    struct bytes a, b, sealed;
    struct fault fault;

    (void)state;
    bytes_init(&a);
    bytes_init(&b);
    bytes_init(&sealed);
    outcome_encode(&o, &a);
    assert_int_equal(outcome_decode(a.base, a.len, &back, &fault), 0);
    assert_int_equal(back.verdict, VERDICT_ROLLED_BACK);
    assert_true(back.replayed);
    assert_true(back.has_record);
    assert_int_equal(back.balance_now_minor, -5);
    assert_int_equal(back.at_ms, 99);
    assert_int_equal(back.record.seq, 7);
    assert_true(slice_is(back.record.id, "w1"));

    /* The short cut of the state machine gives the same bytes. */
    record_seal(&o.record, &sealed);
    outcome_encode_sealed(&o, (struct slice){(const char *)sealed.base, sealed.len}, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.base, b.base, a.len);
    bytes_release(&a);
    bytes_release(&b);
    bytes_release(&sealed);
}

static void test_without_record(void **state)
{
    struct outcome o = {.verdict = VERDICT_IDEMPOTENCY_CONFLICT,
                        .conflicts = CONFLICT_AMOUNT | CONFLICT_KIND,
                        .at_ms = 3};
    struct outcome back;
    struct bytes out;
    struct fault fault;

    (void)state;
    bytes_init(&out);
    outcome_encode(&o, &out);
    assert_int_equal(out.len, 2 + 1 + 2 + 8);
    assert_int_equal(outcome_decode(out.base, out.len, &back, &fault), 0);
    assert_int_equal(back.conflicts, CONFLICT_AMOUNT | CONFLICT_KIND);
    assert_false(back.has_record);
    refuses_truncations(decode, &out);
    refuses_more(decode, &out);
    survives_mutations(decode, &out, 5000);
    bytes_release(&out);
}

static void test_bad_bytes(void **state)
{
    struct outcome o = full();
    struct bytes out;

    (void)state;
    bytes_init(&out);
    outcome_encode(&o, &out);
    refuses_truncations(decode, &out);
    refuses_more(decode, &out);
    survives_mutations(decode, &out, 50000);
    out.base[0] = 2; /* no such verdict */
    assert_int_not_equal(decode(out.base, out.len), 0);
    bytes_clear(&out);
    outcome_encode(&o, &out);
    out.base[2] |= 0x80; /* no such flag */
    assert_int_not_equal(decode(out.base, out.len), 0);
    bytes_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_without_record),
        cmocka_unit_test(test_bad_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
