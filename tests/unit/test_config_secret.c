/* Secret files: who may read them, what they may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <sodium.h>

#include "cluster-config/secret.h"

static const char hex_secret[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

static char folder[64];
static char path[128];

static void put(const char *text, size_t len, mode_t mode)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, len, f), len);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/florin-secret-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/secret", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static void hex_is_taken_as_it_is(void **state)
{
    uint8_t secret[CLUSTER_SECRET_BYTES];
    struct fault fault;
    char text[80];

    (void)state;
    put(hex_secret, 64, 0600);
    assert_int_equal(config_read_secret_file(path, secret, &fault), 0);
    assert_int_equal(secret[1], 0x11);
    assert_int_equal(secret[31], 0xff);
    memset(secret, 0, sizeof secret);
    snprintf(text, sizeof text, "%s\n", hex_secret);
    put(text, 65, 0400);
    assert_int_equal(config_read_secret_file(path, secret, &fault), 0);
    assert_int_equal(secret[31], 0xff);
}

static void raw_bytes_are_hashed(void **state)
{
    uint8_t a[CLUSTER_SECRET_BYTES], b[CLUSTER_SECRET_BYTES];
    struct fault fault;
    char raw[100];

    (void)state;
    memset(raw, 7, sizeof raw);
    put(raw, 100, 0600);
    assert_int_equal(config_read_secret_file(path, a, &fault), 0);
    raw[99] = 8; /* the last byte counts as much as the first */
    put(raw, 100, 0600);
    assert_int_equal(config_read_secret_file(path, b, &fault), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

static void refuse(mode_t mode, const char *text, size_t len, const char *words)
{
    uint8_t secret[CLUSTER_SECRET_BYTES];
    struct fault fault = {""};

    put(text, len, mode);
    assert_int_equal(config_read_secret_file(path, secret, &fault), -1);
    if (strstr(fault.text, words) == NULL) {
        fail_msg("\"%s\" has no \"%s\"", fault.text, words);
    }
}

static void what_others_can_read_is_refused(void **state)
{
    (void)state;
    refuse(0640, hex_secret, 64, "mode 640): chmod 600 it");
    refuse(0604, hex_secret, 64, "others may read");
    refuse(0620, hex_secret, 64, "others may read");
}

static void too_short_or_too_long_is_refused(void **state)
{
    char *big = calloc(1, SECRET_FILE_MAX + 1);

    (void)state;
    assert_non_null(big);
    refuse(0600, "", 0, "holds 0 bytes");
    refuse(0600, hex_secret, 31, "holds 31 bytes");
    refuse(0600, big, SECRET_FILE_MAX + 1, "larger than");
    free(big);
}

static void not_a_file(void **state)
{
    uint8_t secret[CLUSTER_SECRET_BYTES];
    struct fault fault;

    (void)state;
    assert_int_equal(config_read_secret_file(folder, secret, &fault), -1);
    assert_non_null(strstr(fault.text, "not a regular file"));
    assert_int_equal(config_read_secret_file("/nowhere/at/all", secret, &fault), -1);
    assert_non_null(strstr(fault.text, "cannot be opened"));
}

static void credentials(void **state)
{
    static const char *const bad[] = {
        "",
        "nokey",
        ".0123456789abcdef",
        "key.short",
        "key.with space 0123456",
        "k y.0123456789abcdef",
        "key.0123456789abcde\x80",
    };
    struct credential_text c;
    struct fault fault;

    (void)state;
    assert_int_equal(credential_parse(slice_of("op.0123456789.abcdef"), &c), 0);
    assert_string_equal(c.key, "op");
    assert_string_equal(c.secret, "0123456789.abcdef");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(credential_parse(slice_of(bad[i]), &c), -1);
    }
    put("op.0123456789abcdef\n", 20, 0600);
    assert_int_equal(config_read_credential_file(path, &c, &fault), 0);
    assert_string_equal(c.secret, "0123456789abcdef");
    put("op.0123456789abcdef\nmore\n", 25, 0600);
    assert_int_equal(config_read_credential_file(path, &c, &fault), -1);
    put("op.0123456789abcdef\n", 20, 0644);
    assert_int_equal(config_read_credential_file(path, &c, &fault), -1);
    assert_non_null(strstr(fault.text, "chmod 600"));
}

static void credential_lengths(void **state)
{
    char text[2 + CREDENTIAL_SECRET_MAX + 2] = "k.";
    struct credential_text c;

    (void)state;
    memset(text + 2, 's', CREDENTIAL_SECRET_MAX + 1);
    assert_int_equal(credential_parse((struct slice){text, 2 + CREDENTIAL_SECRET_MIN - 1}, &c), -1);
    assert_int_equal(credential_parse((struct slice){text, 2 + CREDENTIAL_SECRET_MIN}, &c), 0);
    assert_int_equal(credential_parse((struct slice){text, 2 + CREDENTIAL_SECRET_MAX}, &c), 0);
    assert_int_equal(strlen(c.secret), CREDENTIAL_SECRET_MAX);
    assert_int_equal(credential_parse((struct slice){text, 2 + CREDENTIAL_SECRET_MAX + 1}, &c), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(hex_is_taken_as_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(raw_bytes_are_hashed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_can_read_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_short_or_too_long_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(not_a_file, set_up, tear_down),
        cmocka_unit_test_setup_teardown(credentials, set_up, tear_down),
        cmocka_unit_test(credential_lengths),
    };

    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
