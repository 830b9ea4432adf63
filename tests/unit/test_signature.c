/* Signatures, sealed secrets, times and networks: what is told from text, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sodium.h>

#include "api/network.h"
#include "api/signature.h"
#include "api/time.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void a_signature_is_what_others_compute(void **state)
{
    /* By another implementation of HMAC-SHA256. */
    static const char posted[] = "e7fc5d53f20889d23c083107c3d1726f13d13376fe0cd6e4f44bc3378094e6ed";
    static const char got[] = "7d3e3c330ad4f667b1dacfcbcfabecbfcd3a9f4bf2f74b6b354887ddb75a23d6";
    struct signed_request r = {.method = "POST",
                               .path = "/v1/bets",
                               .query = "x=1",
                               .timestamp = slice_of("1700000000000"),
                               .body = slice_of("{\"id\":\"b-1\"}")};
    uint8_t signature[SIGNATURE_BYTES], wanted[SIGNATURE_BYTES];

    (void)state;
    signature_compute(slice_of("0123456789abcdef"), &r, signature);
    assert_int_equal(signature_parse(slice_of(posted), wanted), 0);
    assert_memory_equal(signature, wanted, sizeof wanted);
    r = (struct signed_request){
        .method = "GET", .path = "/v1/ledger", .timestamp = slice_of("1700000000000")};
    signature_compute(slice_of("0123456789abcdef"), &r, signature);
    assert_int_equal(signature_parse(slice_of(got), wanted), 0);
    assert_memory_equal(signature, wanted, sizeof wanted);
}

static void a_signature_covers_every_part(void **state)
{
    const struct signed_request whole = {.method = "POST",
                                         .path = "/v1/bets",
                                         .query = "x=1",
                                         .timestamp = slice_of("1700000000000"),
                                         .body = slice_of("{}")};
    struct signed_request others[6];
    uint8_t signature[SIGNATURE_BYTES], other[SIGNATURE_BYTES];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(others); i++) {
        others[i] = whole;
    }
    others[0].method = "PUT";
    others[1].path = "/v1/wins";
    others[2].query = "x=2";
    others[3].query = NULL;
    others[4].timestamp = slice_of("1700000000001");
    others[5].body = slice_of("{} ");
    signature_compute(slice_of("secret"), &whole, signature);
    for (i = 0; i < COUNT(others); i++) {
        signature_compute(slice_of("secret"), &others[i], other);
        assert_memory_not_equal(signature, other, sizeof other);
    }
    signature_compute(slice_of("Secret"), &whole, other);
    assert_memory_not_equal(signature, other, sizeof other);
}

static void a_timestamp_is_fresh_for_30_s(void **state)
{
    static const char *const bad[] = {"", "-1", "1.5", "1e3", " 1", "0x1", "1234567890123456"};
    uint64_t ms;
    size_t i;

    (void)state;
    assert_true(signature_is_fresh(100000, 130000));
    assert_false(signature_is_fresh(100000, 130001));
    assert_true(signature_is_fresh(130000, 100000));
    assert_false(signature_is_fresh(130001, 100000));
    assert_true(signature_is_fresh(0, 0));
    assert_int_equal(signature_time(slice_of("1700000000000"), &ms), 0);
    assert_int_equal(ms, 1700000000000);
    for (i = 0; i < COUNT(bad); i++) {
        assert_int_equal(signature_time(slice_of(bad[i]), &ms), -1);
    }
}

static void a_signature_has_64_hex_digits(void **state)
{
    char text[70];
    uint8_t signature[SIGNATURE_BYTES];

    (void)state;
    memset(text, 'a', sizeof text);
    text[64] = '\0';
    assert_int_equal(signature_parse(slice_of(text), signature), 0);
    text[0] = 'F';
    assert_int_equal(signature_parse(slice_of(text), signature), 0);
    text[10] = 'g';
    assert_int_equal(signature_parse(slice_of(text), signature), -1);
    text[10] = 'a';
    text[63] = '\0';
    assert_int_equal(signature_parse(slice_of(text), signature), -1);
    memset(text, 'a', 66);
    text[66] = '\0';
    assert_int_equal(signature_parse(slice_of(text), signature), -1);
}

static void a_sealed_secret_opens_with_its_key_only(void **state)
{
    uint8_t key[BOX_KEY_BYTES] = {1};
    uint8_t other[BOX_KEY_BYTES] = {2};
    uint8_t sealed[SEALED_MAX], again[SEALED_MAX];
    char secret[SIGNED_SECRET_MAX], longest[SIGNED_SECRET_MAX];
    size_t len = signature_seal(key, slice_of("0123456789abcdef"), sealed);
    struct slice box = {(const char *)sealed, len};

    (void)state;
    assert_int_equal(len, 16 + BOX_OVERHEAD);
    assert_int_equal(signature_unseal(key, box, secret), 16);
    assert_memory_equal(secret, "0123456789abcdef", 16);
    assert_int_equal(signature_unseal(other, box, secret), -1);
    signature_seal(key, slice_of("0123456789abcdef"), again);
    assert_memory_not_equal(sealed, again, len);
    sealed[len - 1] ^= 1;
    assert_int_equal(signature_unseal(key, box, secret), -1);
    box.len = BOX_OVERHEAD - 1;
    assert_int_equal(signature_unseal(key, box, secret), -1);
    memset(longest, 'x', sizeof longest);
    len = signature_seal(key, (struct slice){longest, sizeof longest}, sealed);
    assert_int_equal(len, SEALED_MAX);
    box = (struct slice){(const char *)sealed, len};
    assert_int_equal(signature_unseal(key, box, secret), SIGNED_SECRET_MAX);
}

static void networks_hold_their_addresses(void **state)
{
    static const struct {
        const char *network, *address;
        bool holds;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"127.0.0.1", "::ffff:127.0.0.1", true},
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/15", "10.1.0.0", true},
        {"10.0.0.0/15", "10.2.0.0", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "203.0.113.9", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/32", "2001:db9::", false},
        {"::1", "[::1]", true},
        {"fe80::/10", "fe80::1%eth0", true},
    };
    static const char *const bad[] = {"",          "10",           "10.0.0.0/",  "10.0.0.0/33",
                                      "::/129",    "10.0.0.0/08x", "10.0.0.1/8", "2001:db8::1/32",
                                      "localhost", "10.0.0.0/-1",  "1.2.3.4.5",  "10.0.0.0/0008"};
    struct network n;
    uint8_t address[ADDRESS_BYTES];
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        assert_int_equal(network_parse(slice_of(cases[i].network), &n), 0);
        assert_int_equal(address_parse(slice_of(cases[i].address), address), 0);
        assert_int_equal(network_holds(&n, address), cases[i].holds);
    }
    for (i = 0; i < COUNT(bad); i++) {
        assert_int_equal(network_parse(slice_of(bad[i]), &n), -1);
    }
    assert_int_equal(address_parse(slice_of("10.0.0.0/8"), address), -1);
    assert_int_equal(address_parse(slice_of("[]"), address), -1);
}

static void times_are_utc(void **state)
{
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T00:00:00.001Z", 1},
        {"2026-01-01T00:00:00.5Z", UINT64_C(1767225600500)},
        {"2028-02-29T23:59:59.999Z", UINT64_C(1835481599999)},
        {"9999-12-31T23:59:59.999Z", UINT64_C(253402300799999)},
    };
    static const char *const bad[] = {
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00z",
        "2027-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234Z",
        "2026-01-01T00:00:00.1xZ",
        "1969-12-31T23:59:59Z",
        "2026-01-01T00:00:00ZZ",
        "+026-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
    };
    char text[TIME_TEXT_MAX];
    uint64_t ms;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(good); i++) {
        assert_int_equal(time_parse(slice_of(good[i].text), &ms), 0);
        assert_int_equal(ms, good[i].ms);
        time_render(ms, text);
        assert_int_equal(time_parse(slice_of(text), &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
    for (i = 0; i < COUNT(bad); i++) {
        if (time_parse(slice_of(bad[i]), &ms) == 0) {
            print_error("%s was taken\n", bad[i]);
            fail();
        }
    }
}

static int start(void **state)
{
    (void)state;
    return sodium_init() < 0 ? -1 : 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signature_is_what_others_compute),
        cmocka_unit_test(a_signature_covers_every_part),
        cmocka_unit_test(a_timestamp_is_fresh_for_30_s),
        cmocka_unit_test(a_signature_has_64_hex_digits),
        cmocka_unit_test(a_sealed_secret_opens_with_its_key_only),
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(times_are_utc),
    };

    return cmocka_run_group_tests(tests, start, NULL);
}
