/* The segment's format: names, headers, records, and telling torn from damaged. */
#include "tests/unit/log_fixture.h"

#include "statemachine/crc32c.h"
#include "consensus/histogram.h"
#include "consensus/log_index.h"
#include "consensus/segment.h"

static void test_crc32c(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void test_histogram(void **state)
{
    struct status_histogram h = {.count = 0};

    (void)state;
    status_histogram_add(&h, 0);
    status_histogram_add(&h, 50);
    status_histogram_add(&h, 51);
    status_histogram_add(&h, 1000000);
    status_histogram_add(&h, 1000001);
    assert_int_equal(h.bucket[0], 2);
    assert_int_equal(h.bucket[1], 1);
    assert_int_equal(h.bucket[18], 1);
    assert_int_equal(h.bucket[19], 1);
    assert_int_equal(h.count, 5);
    assert_int_equal(h.sum_us, 2000102);
}

static void test_names(void **state)
{
    static const char *const bad[] = {
        "",
        "1.seg",
        "0000000000000000.seg",
        "0000000000000001.seg~",
        "000000000000000A.seg",
        "0000000000000001-seg",
        "00000000000000001.seg",
        "vote",
    };
    char name[DISK_NAME_MAX];
    uint64_t number;
    size_t i;

    (void)state;
    segment_name(0xabc, name);
    assert_string_equal(name, "0000000000000abc.seg");
    assert_true(segment_name_parse(name, &number));
    assert_int_equal(number, 0xabc);
    for (i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(segment_name_parse(bad[i], &number));
    }
}

static void test_header(void **state)
{
    struct segment_header h = {7, 1u << 20, 4096, true};
    struct segment_header back;
    uint8_t sector[SEGMENT_HEADER];
    uint8_t zeros[SEGMENT_HEADER] = {0};
    size_t i;

    (void)state;
    segment_header_encode(&h, sector);
    assert_int_equal(segment_header_decode(sector, &back), SEGMENT_OK);
    assert_int_equal(back.number, h.number);
    assert_int_equal(back.next_index, h.next_index);
    assert_int_equal(back.previous_end, h.previous_end);
    assert_true(back.restart);
    assert_int_equal(segment_header_decode(zeros, &back), SEGMENT_EMPTY);
    for (i = 0; i < sizeof sector; i++) {
        sector[i] ^= 0x10;
        assert_int_equal(segment_header_decode(sector, &back), SEGMENT_BAD);
        sector[i] ^= 0x10;
    }
}

static void test_place(void **state)
{
    (void)state;
    assert_int_equal(segment_place(512), 512);
    assert_int_equal(segment_place(976), 976); /* 464 into the sector: just fits */
    assert_int_equal(segment_place(984), 1024);
    assert_int_equal(segment_end_after(984, 8), 1024 + 48 + 8);
}

static void test_record(void **state)
{
    uint8_t payload[1024];
    struct log_entry e = {9, 3, LOG_BARRIER, payload, sizeof payload};
    struct segment_record r;
    struct bytes out;
    uint32_t offset;
    size_t i;

    (void)state;
    fixture_payload(1, 1, sizeof payload, payload);
    bytes_init(&out);
    offset = segment_record_append(&out, 5, 984, &e, 600);
    assert_int_equal(offset, 1024);
    assert_int_equal(out.len, 40 + 48 + 1024);
    assert_int_equal(segment_record_decode(out.base + 40, 5, 1024, &r), SEGMENT_OK);
    assert_int_equal(r.index, 9);
    assert_int_equal(r.term, 3);
    assert_int_equal(r.type, LOG_BARRIER);
    assert_int_equal(r.len, 1024);
    assert_int_equal(r.offset, 1024);
    assert_int_equal(r.synced, 600);
    assert_int_equal(r.zero_parts, 0);
    assert_true(segment_payload_ok(&r, payload));
    /* In another place or another segment it is not a record. */
    assert_int_equal(segment_record_decode(out.base + 40, 5, 1032, &r), SEGMENT_BAD);
    assert_int_equal(segment_record_decode(out.base + 40, 6, 1024, &r), SEGMENT_BAD);
    for (i = 0; i < SEGMENT_RECORD_HEADER; i++) {
        out.base[40 + i] ^= 1;
        assert_int_equal(segment_record_decode(out.base + 40, 5, 1024, &r), SEGMENT_BAD);
        out.base[40 + i] ^= 1;
    }
    bytes_release(&out);
}

/* The payload from byte 1072 on: a part beside the header, then sectors at 464, 976. */
static void test_torn_or_damaged(void **state)
{
    uint8_t payload[1024];
    struct log_entry e = {9, 3, LOG_COMMAND, payload, sizeof payload};
    struct segment_record r;
    struct bytes out;

    (void)state;
    fixture_payload(1, 1, sizeof payload, payload);
    memset(payload + 464, 0, 512); /* one that is zeros by itself */
    bytes_init(&out);
    segment_record_append(&out, 5, 1024, &e, 600);
    assert_int_equal(segment_record_decode(out.base, 5, 1024, &r), SEGMENT_OK);
    assert_int_equal(r.zero_parts, 1);
    memset(payload + 976, 0, 48); /* the last sector never arrived */
    assert_false(segment_payload_ok(&r, payload));
    assert_true(segment_payload_torn(&r, payload));
    payload[500] = 1; /* something where there were zeros: no power cut does that */
    assert_false(segment_payload_torn(&r, payload));
    bytes_release(&out);
}

static void test_index(void **state)
{
    uint64_t two[2]; /* stand-ins: only compared, never looked into */
    struct log_segment *a = (struct log_segment *)(void *)&two[0];
    struct log_segment *b = (struct log_segment *)(void *)&two[1];
    struct log_segment *s;
    struct log_index x;
    struct log_mark mark;
    uint64_t i;

    (void)state;
    log_index_init(&x);
    assert_false(log_index_find(&x, 1, &s, &mark));
    for (i = 10; i < 20; i++) {
        log_index_append(&x, i, a, (uint32_t)(512 + (i - 10) * 8192));
    }
    log_index_append(&x, 20, b, 512);
    log_index_append(&x, 21, b, 1024);
    assert_false(log_index_find(&x, 9, &s, &mark));
    assert_false(log_index_find(&x, 22, &s, &mark));
    assert_true(log_index_find(&x, 13, &s, &mark));
    assert_ptr_equal(s, a);
    assert_int_equal(mark.index, 12); /* every 16 KiB */
    assert_int_equal(log_index_last_in(&x, a), 19);
    log_index_append(&x, 15, b, 2048); /* supersedes 15 to 21 */
    assert_int_equal(x.n, 2);
    assert_int_equal(log_index_last_in(&x, a), 14);
    assert_true(log_index_find(&x, 15, &s, &mark));
    assert_ptr_equal(s, b);
    assert_int_equal(mark.offset, 2048);
    log_index_append(&x, 16, b, 2104);
    assert_false(log_index_find(&x, 17, &s, &mark));
    log_index_forget(&x, a);
    assert_false(log_index_find(&x, 14, &s, &mark));
    assert_true(log_index_find(&x, 16, &s, &mark));
    log_index_release(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c), cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_header),
        cmocka_unit_test(test_place),  cmocka_unit_test(test_record),
        cmocka_unit_test(test_index),  cmocka_unit_test(test_torn_or_damaged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
