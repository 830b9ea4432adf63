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

static struct session_info full_session(void)
{
    return (struct session_info){.id = slice_of("s1"),
                                 .player = slice_of("alice"),
                                 .game = slice_of("g"),
                                 .opened_at_ms = 1,
                                 .expires_at_ms = 2,
                                 .closed_at_ms = 3,
                                 .authenticated_at_ms = 4,
                                 .reminder_s = 5};
}

static void test_session(void **state)
{
    struct outcome o = {.verdict = VERDICT_APPLIED, .has_session = true};
    struct outcome back;
    struct bytes out;
    struct fault fault;

    (void)state;
    o.session = full_session();
    bytes_init(&out);
    outcome_encode(&o, &out);
    assert_int_equal(outcome_decode(out.base, out.len, &back, &fault), 0);
    assert_true(back.has_session);
    assert_false(back.has_record);
    assert_true(slice_is(back.session.id, "s1"));
    assert_true(slice_is(back.session.player, "alice"));
    assert_int_equal(back.session.provider.len, 0);
    assert_int_equal(back.session.expires_at_ms, 2);
    assert_int_equal(back.session.closed_at_ms, 3);
    assert_int_equal(back.session.reminder_s, 5);
    refuses_truncations(decode, &out);
    refuses_more(decode, &out);
    survives_mutations(decode, &out, 20000);
    bytes_release(&out);
}

static void append_item(struct bytes *items, const struct outcome *item)
{
    struct bytes one;

    bytes_init(&one);
    outcome_encode(item, &one);
    bytes_append_u32(items, (uint32_t)one.len);
    bytes_append(items, one.base, one.len);
    bytes_release(&one);
}

static void test_items(void **state)
{
    struct outcome item = full(), o = {.verdict = VERDICT_APPLIED, .n_items = 3}, back;
    struct bytes items, out;
    struct fault fault;
    int i;

    (void)state;
    bytes_init(&items);
    bytes_init(&out);
    item.dry_run = true;
    item.record.seq = 0; /* as in a dry run */
    item.record.previous = 0;
    for (i = 0; i < 3; i++) {
        item.balance_now_minor = i;
        append_item(&items, &item);
    }
    o.items = cursor_of(items.base, items.len);
    outcome_encode(&o, &out);
    assert_int_equal(outcome_decode(out.base, out.len, &back, &fault), 0);
    assert_int_equal(back.n_items, 3);
    for (i = 0; i < 3; i++) {
        assert_int_equal(outcome_next(&back, &item, &fault), 1);
        assert_int_equal(item.balance_now_minor, i);
        assert_true(item.dry_run);
        assert_int_equal(item.record.seq, 0);
    }
    assert_int_equal(outcome_next(&back, &item, &fault), 0);
    refuses_truncations(decode, &out);
    refuses_more(decode, &out);
    survives_mutations(decode, &out, 50000);

    /* No list within a list. */
    bytes_clear(&items);
    append_item(&items, &o);
    o.items = cursor_of(items.base, items.len);
    o.n_items = 1;
    bytes_clear(&out);
    outcome_encode(&o, &out);
    assert_int_not_equal(decode(out.base, out.len), 0);
    bytes_release(&items);
    bytes_release(&out);
}

static void test_refused_item(void **state)
{
    struct outcome o = full(), back;
    struct bytes out;
    struct fault fault;

    (void)state;
    o.has_item = true;
    o.item = ITEMS_MAX - 1;
    bytes_init(&out);
    outcome_encode(&o, &out);
    assert_int_equal(outcome_decode(out.base, out.len, &back, &fault), 0);
    assert_true(back.has_item);
    assert_int_equal(back.item, ITEMS_MAX - 1);
    assert_true(back.has_record);
    refuses_truncations(decode, &out);
    out.base[out.len - 1] = ITEMS_MAX;
    assert_int_not_equal(decode(out.base, out.len), 0);
    bytes_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_without_record),
        cmocka_unit_test(test_bad_bytes),  cmocka_unit_test(test_session),
        cmocka_unit_test(test_items),      cmocka_unit_test(test_refused_item),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
