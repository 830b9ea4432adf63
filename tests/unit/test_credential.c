/* Credentials without HTTP: what is asked of the ledger, and how often. */
#include "tests/unit/api_fixture.h"

#include <sodium.h>

struct pair {
    struct backend backend;
    struct limiter *limiter;
    struct credentials *credentials;
};

static int pair_open(void **state)
{
    struct pair *p = calloc(1, sizeof *p);

    if (p == NULL) {
        abort();
    }
    backend_open(&p->backend);
    p->limiter = limiter_new();
    p->credentials = credentials_new(p->backend.gate, p->limiter, NULL);
    *state = p;
    return 0;
}

static int pair_close(void **state)
{
    struct pair *p = *state;

    credentials_free(p->credentials);
    limiter_free(p->limiter);
    backend_close(&p->backend);
    free(p);
    return 0;
}

static int check_from(struct pair *p, const char *address, const char *authorization,
                      struct principal *who)
{
    struct claim claim = {.authorization = authorization, .address = address};
    struct problem problem;

    if (credentials_check(p->credentials, &claim, 5000, who, &problem) == 0) {
        return 0;
    }
    return problem.status;
}

/* The status; 0 when let in. */
static int check(struct pair *p, const char *authorization, struct principal *who)
{
    return check_from(p, "127.0.0.1", authorization, who);
}

static void a_key_is_asked_for_once(void **state)
{
    struct pair *p = *state;
    struct principal who;
    int i;

    for (i = 0; i < 10; i++) {
        assert_int_equal(check(p, "Bearer provider.0123456789abcdef", &who), 0);
        assert_string_equal(who.name, "demo");
        assert_int_equal(who.role, ROLE_PROVIDER);
        assert_int_equal(check(p, "Bearer provider.0123456789abcdee", &who), 401);
    }
    assert_int_equal(p->backend.stale_queries, 1);
    assert_int_equal(p->backend.queries, 0);
}

static void a_new_version_of_the_directory_drops_what_was_known(void **state)
{
    struct pair *p = *state;
    struct principal who;

    assert_int_equal(check(p, "Bearer provider.0123456789abcdef", &who), 0);
    assert_int_equal(check(p, "Bearer other.0123456789abcdef", &who), 0);
    assert_int_equal(p->backend.stale_queries, 2);
    backend_key(&p->backend, "second", "demo", ROLE_PROVIDER);
    assert_int_equal(check(p, "Bearer provider.0123456789abcdef", &who), 0);
    assert_int_equal(check(p, "Bearer provider.0123456789abcdef", &who), 0);
    assert_int_equal(p->backend.stale_queries, 3);
    assert_int_equal(check(p, "Bearer second.0123456789abcdef", &who), 0);
    assert_string_equal(who.name, "demo");
    assert_int_equal(check(p, "Bearer other.0123456789abcdef", &who), 0);
    assert_int_equal(p->backend.stale_queries, 5);
}

static void an_unknown_key_is_asked_for_at_the_leader(void **state)
{
    struct pair *p = *state;
    struct principal who;

    assert_int_equal(check(p, "Bearer stranger.0123456789abcdef", &who), 401);
    assert_int_equal(p->backend.queries, 1);
    backend_key(&p->backend, "stranger", "demo", ROLE_PROVIDER);
    assert_int_equal(check(p, "Bearer stranger.0123456789abcdef", &who), 0);
}

static void garbage_costs_a_bounded_number_of_reads(void **state)
{
    struct pair *p = *state;
    struct principal who;
    char text[64];
    int status = 401;
    int asked = 0;
    uint64_t began = backend_now_ms(NULL);
    uint64_t passed_ms = 0;

    /* A machine too slow to use the ration up ends with the time, and has shown the bound, too. */
    while (status == 401 && passed_ms < 20000) {
        snprintf(text, sizeof text, "Bearer junk-%d.0123456789abcdef", asked++);
        status = check(p, text, &who);
        passed_ms = backend_now_ms(NULL) - began + 1;
        assert_true(p->backend.queries <= UNKNOWN_KEYS_PER_SECOND * (passed_ms + 1000) / 1000 + 1);
    }
    if (status != 401) {
        assert_int_equal(status, 503);
        assert_true(p->backend.queries >= UNKNOWN_KEYS_PER_SECOND);
    }
    assert_int_equal(check(p, "Bearer provider.0123456789abcdef", &who), 0);
}

static void a_secret_is_not_guessed_at_for_long(void **state)
{
    static const char *const keys[] = {"provider", "nobody"}; /* one of them does not exist */
    struct pair *p = *state;
    struct principal who;
    char text[64];
    size_t i;
    int n;

    for (i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "Bearer %s.0123456789abcdee", keys[i]);
        for (n = 0; n < WRONG_SECRETS; n++) {
            assert_int_equal(check(p, text, &who), 401);
        }
        assert_int_equal(check(p, text, &who), 429);
    }
    /* From there even the right one is not told from a wrong one; elsewhere nothing has changed. */
    assert_int_equal(check(p, "Bearer provider.0123456789abcdef", &who), 429);
    assert_int_equal(check(p, "Bearer other.0123456789abcdef", &who), 0);
    assert_int_equal(check_from(p, "192.0.2.9", "Bearer provider.0123456789abcdef", &who), 0);
}

static void malformed_credentials_ask_nothing(void **state)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "Bearer",
                                      "Bearer ",
                                      "Bearer .",
                                      "Bearer nodot",
                                      "Bearer .secret",
                                      "Bearer key.",
                                      "Bearer k y.secret",
                                      "Token key.secret"};
    struct pair *p = *state;
    struct principal who;
    char text[600];
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(check(p, bad[i], &who), 401);
    }
    memset(text, 'x', sizeof text);
    memcpy(text, "Bearer ", 7);
    text[sizeof text - 1] = '\0';
    assert_int_equal(check(p, text, &who), 401);
    text[20] = '.';
    assert_int_equal(check(p, text, &who), 401);
    assert_int_equal(p->backend.stale_queries + p->backend.queries, 0);
}

/* The claim of somebody who has the key `signs`, whose secret is 16 times x. */
static int check_signed(struct credentials *c, struct problem *problem)
{
    char at[24], hex[2 * SIGNATURE_BYTES + 1];
    uint8_t signature[SIGNATURE_BYTES];
    struct principal who;
    struct timespec now;
    struct claim claim = {.key = "signs", .address = "127.0.0.1"};

    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(at, sizeof at, "%lld%03ld", (long long)now.tv_sec, now.tv_nsec / 1000000);
    claim.timestamp = at;
    claim.request =
        (struct signed_request){.method = "GET", .path = "/v1/ledger", .timestamp = slice_of(at)};
    signature_compute(slice_of("xxxxxxxxxxxxxxxx"), &claim.request, signature);
    sodium_bin2hex(hex, sizeof hex, signature, sizeof signature);
    claim.signature = hex;
    return credentials_check(c, &claim, 5000, &who, problem);
}

/* A node that can't open the secret must not say that the signature is wrong. */
static void a_signature_needs_the_key_of_the_box(void **state)
{
    static const uint8_t box_key[BOX_KEY_BYTES] = {1};
    static const uint8_t other_key[BOX_KEY_BYTES] = {2};
    struct pair *p = *state;
    uint8_t sealed[SEALED_MAX];
    struct command c;
    struct problem problem;
    struct credentials *with;

    command_init(&c);
    c.type = COMMAND_KEY_CREATE;
    c.name = slice_of("signs");
    c.principal = slice_of("demo");
    c.role = ROLE_PROVIDER;
    c.key_kind = KEY_HMAC;
    c.sealed = (struct slice){(const char *)sealed,
                              signature_seal(box_key, slice_of("xxxxxxxxxxxxxxxx"), sealed)};
    backend_apply(&p->backend, &c);

    assert_int_equal(check_signed(p->credentials, &problem), -1);
    assert_int_equal(problem.status, 503);
    with = credentials_new(p->backend.gate, p->limiter, other_key);
    assert_int_equal(check_signed(with, &problem), -1);
    assert_int_equal(problem.status, 503);
    credentials_free(with);
    with = credentials_new(p->backend.gate, p->limiter, box_key);
    assert_int_equal(check_signed(with, &problem), 0);
    credentials_free(with);
}

static void the_hash_is_blake2b_256(void **state)
{
    /* Of "abc", from RFC 7693's reference code with 32 bytes of output. */
    static const uint8_t wanted[] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72};
    uint8_t hash[SECRET_HASH_BYTES];

    (void)state;
    credential_hash(slice_of("abc"), hash);
    assert_memory_equal(hash, wanted, sizeof wanted);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)
    const struct CMUnitTest tests[] = {
        TEST(a_key_is_asked_for_once),
        TEST(a_new_version_of_the_directory_drops_what_was_known),
        TEST(an_unknown_key_is_asked_for_at_the_leader),
        TEST(garbage_costs_a_bounded_number_of_reads),
        TEST(a_secret_is_not_guessed_at_for_long),
        TEST(malformed_credentials_ask_nothing),
        TEST(a_signature_needs_the_key_of_the_box),
        cmocka_unit_test(the_hash_is_blake2b_256),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
