#include "tests/unit/codec_fixture.h"

#include <sodium.h>

#include "tests/unit/record_fixture.h"

static int decode(const void *data, size_t len)
{
    struct record r;
    struct fault fault;

    return record_decode(data, len, &r, &fault);
}

static int unseal(const void *data, size_t len)
{
    struct record r;
    struct fault fault;

    return record_unseal(data, len, &r, &fault);
}

/* Two records are equal when their sealed bytes are, given that encoding loses nothing; that it
 * does not, test_canonical_bytes shows byte by byte. */
static void test_round_trip(void **state)
{
    struct record r = full_record(), back;
    struct bytes a, b;
    struct fault fault;

    (void)state;
    bytes_init(&a);
    bytes_init(&b);
    record_seal(&r, &a);
    assert_int_equal(record_unseal(a.base, a.len, &back, &fault), 0);
    record_seal(&back, &b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.base, b.base, a.len);
    assert_int_equal(back.seq, 7);
    assert_int_equal(back.previous, 3);
    assert_int_equal(back.postings[1].credit_balance_minor, INT64_MIN);
    assert_true(slice_is(back.original, "o1"));
    assert_memory_equal(back.prev_hash, r.prev_hash, HASH_BYTES);
    assert_memory_equal(back.hash, r.hash, HASH_BYTES);
    bytes_release(&a);
    bytes_release(&b);
}

/* The format as record.h describes it, byte by byte: auditors elsewhere compute it, too. */
static void test_canonical_bytes(void **state)
{
    static const uint8_t expected[] = {
        1,                                          /* version */
        7,    0,    0,    0,    0,    0,    0,   0, /* seq */
        0x7b, 0x68, 0xe5, 0xcf, 0x8b, 1,    0,   0, /* at_ms */
        2,                                          /* type */
        0,    0,                                    /* verdict */
        2,                                          /* kind */
        5,                                          /* scale */
        30,   0,    0,    0,    0,    0,    0,   0, /* amount */
        50,   0,    0,    0,    0,    0,    0,   0, /* requested */
        0xe8, 3,    0,    0,    0,    0,    0,   0, /* balance */
        3,    0,    0,    0,    0,    0,    0,   0, /* previous */
        4,    'd',  'e',  'm',  'o',  2,    'w', '1', 5,   'a', 'l', 'i', 'c', 'e',  3,    'E',
        'U',  'R',  1,    'r',  1,    'g',  1,   's', 2,   'b', '1', 2,   'o', '1',  4,    'b',
        'a',  'n',  'k',  1,    5,    'a',  'l', 'i', 'c', 'e', /* debit */
        2,    4,    'd',  'e',  'm',  'o',                      /* credit */
        2,                                                      /* postings */
        1,    5,    'a',  'l',  'i',  'c',  'e', 2,   4,   'd', 'e', 'm', 'o', 30,   0,    0,
        0,    0,    0,    0,    0,    0,    0,   0,   0,   0,   0,   0,   0,   0xba, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 4,    9,   's', 'h', 'o', 'r', 't', 'f', 'a',  'l',  'l',
        2,    4,    'd',  'e',  'm',  'o',  20,  0,   0,   0,   0,   0,   0,   0,    0xec, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0,   0,   0,   0,   0,   0,   0,   0x80,
    };
    struct record r = full_record();
    struct bytes out;

    (void)state;
    bytes_init(&out);
    bytes_append_u8(&out, 99); /* encoding appends */
    record_encode(&r, &out);
    assert_int_equal(out.len, 1 + sizeof expected);
    assert_int_equal(out.base[0], 99);
    assert_memory_equal(out.base + 1, expected, sizeof expected);
    bytes_release(&out);
}

static void test_bad_bytes(void **state)
{
    struct record r = full_record();
    struct bytes out;

    (void)state;
    bytes_init(&out);
    record_encode(&r, &out);
    refuses_truncations(decode, &out);
    refuses_more(decode, &out);
    survives_mutations(decode, &out, 50000);
    bytes_clear(&out);
    record_seal(&r, &out);
    refuses_truncations(unseal, &out);
    refuses_more(unseal, &out);
    bytes_release(&out);
}

static void refused(const struct record *r)
{
    struct bytes out;

    bytes_init(&out);
    record_encode(r, &out);
    assert_int_not_equal(decode(out.base, out.len), 0);
    bytes_release(&out);
}

static void test_out_of_range(void **state)
{
    struct record r = full_record();

    (void)state;
    r.seq = 0;
    refused(&r);
    r = full_record();
    r.previous = r.seq;
    refused(&r);
    r = full_record();
    r.type = COMMAND_PLAYER_CREATE;
    refused(&r);
    r = full_record();
    r.verdict = VERDICT_BAD_AMOUNT; /* never recorded */
    refused(&r);
    r = full_record();
    r.verdict = (enum verdict)5;
    refused(&r);
    r = full_record();
    r.scale = SCALE_MAX + 1;
    refused(&r);
    r = full_record();
    r.amount_minor = -1;
    refused(&r);
    r = full_record();
    r.postings[1].amount_minor = 0;
    refused(&r);
    r = full_record();
    r.debit.kind = (enum account_kind)5;
    refused(&r);
    r = full_record();
    r.credit.name = slice_of("");
    refused(&r);
    r = full_record();
    r.round = slice_of("a b");
    refused(&r);
}

/* Names as long as they may be still fit in the room that is reserved. */
static void test_longest(void **state)
{
    static const char text[] = "0123456789012345678901234567890123456789012345678901234567890123";
    struct record r = full_record();
    struct slice s = slice_of(text);
    struct bytes out;

    (void)state;
    assert_int_equal(s.len, ID_MAX);
    r.principal = r.id = r.player = r.currency = r.round = r.game = r.session = r.bet = r.original =
        r.gateway = s;
    r.debit.name = r.credit.name = s;
    r.postings[0].debit.name = r.postings[0].credit.name = s;
    r.postings[1].debit.name = r.postings[1].credit.name = s;
    bytes_init(&out);
    record_encode(&r, &out);
    assert_true(out.len <= RECORD_BYTES_MAX);
    assert_int_equal(decode(out.base, out.len), 0);
    bytes_release(&out);
}

static void test_hash(void **state)
{
    uint8_t prev[HASH_BYTES] = {1}, a[HASH_BYTES], b[HASH_BYTES], joined[HASH_BYTES + 3];

    (void)state;
    record_hash(prev, "abc", 3, a);
    memcpy(joined, prev, HASH_BYTES);
    memcpy(joined + HASH_BYTES, "abc", 3);
    crypto_generichash(b, sizeof b, joined, sizeof joined, NULL, 0);
    assert_memory_equal(a, b, HASH_BYTES);
    record_hash(prev, "abd", 3, b);
    assert_memory_not_equal(a, b, HASH_BYTES);
}

static void test_accounts(void **state)
{
    char text[ACCOUNT_TEXT_MAX];
    struct account a = {ACCOUNT_PROVIDER, slice_of("x:y")}, back;

    (void)state;
    assert_int_equal(account_format(a, text), 12);
    assert_string_equal(text, "provider:x:y");
    assert_int_equal(account_parse(slice_of(text), &back), 0);
    assert_int_equal(back.kind, ACCOUNT_PROVIDER);
    assert_true(slice_is(back.name, "x:y"));
    assert_int_equal(account_parse(slice_of("house:shortfall"), &back), 0);
    assert_int_equal(back.kind, ACCOUNT_HOUSE);
    assert_int_equal(account_parse(slice_of("player:"), &back), -1);
    assert_int_equal(account_parse(slice_of("player"), &back), -1);
    assert_int_equal(account_parse(slice_of("players:a"), &back), -1);
    assert_int_equal(account_parse(slice_of("bank:a"), &back), -1);
    assert_int_equal(account_parse(slice_of(""), &back), -1);
    assert_int_equal(account_parse(slice_of("player:a b"), &back), -1);
}

static void test_verdicts(void **state)
{
    int i;

    (void)state;
    assert_true(verdict_is_success(VERDICT_APPLIED));
    assert_true(verdict_is_success(VERDICT_TOMBSTONE));
    assert_false(verdict_is_success(VERDICT_INSUFFICIENT_FUNDS));
    assert_true(verdict_is_recorded(VERDICT_ROLLED_BACK));
    assert_false(verdict_is_recorded(VERDICT_IDEMPOTENCY_CONFLICT));
    assert_false(verdict_is_recorded((enum verdict)9));
    assert_false(verdict_known(2));
    assert_int_equal(verdict_status(VERDICT_INSUFFICIENT_FUNDS), 422);
    assert_int_equal(verdict_status(VERDICT_ROLLED_BACK), 409);
    assert_int_equal(verdict_status(VERDICT_UNKNOWN_PLAYER), 404);
    assert_int_equal(verdict_status(VERDICT_BAD_AMOUNT), 400);
    assert_string_equal(verdict_code(VERDICT_INSUFFICIENT_FUNDS), "insufficient_funds");
    assert_string_equal(verdict_code(VERDICT_TOMBSTONE), "tombstone");
    assert_string_equal(conflict_field_name(3), "amount");
    for (i = 0; i < CONFLICT_FIELDS; i++) {
        assert_string_not_equal(conflict_field_name(i), "unknown");
    }
    assert_string_equal(conflict_field_name(CONFLICT_FIELDS), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_canonical_bytes),
        cmocka_unit_test(test_bad_bytes),  cmocka_unit_test(test_out_of_range),
        cmocka_unit_test(test_longest),    cmocka_unit_test(test_hash),
        cmocka_unit_test(test_accounts),   cmocka_unit_test(test_verdicts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
