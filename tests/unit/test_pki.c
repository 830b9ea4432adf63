/* The cluster's own authority: what it issues holds before OpenSSL's own checks, and what it must
 * not issue is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster-config/pki.h"

static const char *const hosts[] = {"10.0.0.1", "node1.example", "::1"};

struct folder {
    char path[64];
    char file[128];
};

static const char *in(struct folder *f, const char *name)
{
    snprintf(f->file, sizeof f->file, "%s/%s", f->path, name);
    return f->file;
}

static int folder_open(void **state)
{
    struct folder *f = calloc(1, sizeof *f);

    snprintf(f->path, sizeof f->path, "/tmp/florin-pki-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    *state = f;
    return 0;
}

static int folder_close(void **state)
{
    static const char *const names[] = {"ca.crt",     "ca.key",      "node-1.crt",  "node-1.key",
                                        "node-7.crt", "node-7.key",  "api.crt",     "api.key",
                                        "other.crt",  "ca.crt.keep", "deep/ca.crt", "deep/ca.key",
                                        "deep"};
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        remove(in(f, names[i]));
    }
    assert_int_equal(rmdir(f->path), 0); /* nothing partial is left */
    free(f);
    return 0;
}

static X509 *load(struct folder *f, const char *name)
{
    FILE *file = fopen(in(f, name), "r");
    X509 *x;

    assert_non_null(file);
    x = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    assert_non_null(x);
    return x;
}

/* OpenSSL's verdict on DIR/name for `purpose` under DIR/authority. */
static int verdict(struct folder *f, const char *authority, const char *name, int purpose)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *ca = load(f, authority), *x = load(f, name);
    int code;

    X509_STORE_add_cert(store, ca);
    X509_STORE_set_purpose(store, purpose);
    X509_STORE_CTX_init(context, store, x, NULL);
    X509_verify_cert(context);
    code = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(ca);
    X509_free(x);
    return code;
}

static void issue(struct folder *f, struct pki_request r)
{
    struct fault fault;

    r.hosts = hosts;
    r.n_hosts = 3;
    if (pki_issue(f->path, &r, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
}

static void a_nodes_certificate_serves_both_ends(void **state)
{
    struct folder *f = *state;
    struct pki_info info;
    struct fault fault;

    assert_int_equal(pki_init(f->path, "my:florin.1", false, &fault), 0);
    issue(f, (struct pki_request){.node_id = 7});
    assert_int_equal(verdict(f, "ca.crt", "node-7.crt", X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_equal(verdict(f, "ca.crt", "node-7.crt", X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_equal(pki_show(in(f, "node-7.crt"), &info, &fault), 0);
    assert_string_equal(info.cluster_id, "my:florin.1");
    assert_int_equal(info.node_id, 7);
    assert_string_equal(info.hosts, "10.0.0.1,node1.example,::1");
    assert_in_range(info.days_left, PKI_DAYS - 1, PKI_DAYS);
    assert_false(info.authority);
    assert_int_equal(pki_show(in(f, "ca.crt"), &info, &fault), 0);
    assert_true(info.authority);
    assert_string_equal(info.cluster_id, "my:florin.1");
    assert_int_equal(info.node_id, 0);
    assert_in_range(info.days_left, PKI_CA_DAYS - 1, PKI_CA_DAYS);
}

static void a_servers_certificate_is_no_nodes(void **state)
{
    struct folder *f = *state;
    struct pki_info info;
    struct fault fault;

    assert_int_equal(pki_init(f->path, "florin", false, &fault), 0);
    issue(f, (struct pki_request){.name = "api"});
    assert_int_equal(verdict(f, "ca.crt", "api.crt", X509_PURPOSE_SSL_SERVER), X509_V_OK);
    assert_int_not_equal(verdict(f, "ca.crt", "api.crt", X509_PURPOSE_SSL_CLIENT), X509_V_OK);
    assert_int_equal(pki_show(in(f, "api.crt"), &info, &fault), 0);
    assert_int_equal(info.node_id, 0);
    assert_string_equal(info.cluster_id, "");
}

static void keys_are_their_owners_only(void **state)
{
    struct folder *f = *state;
    struct fault fault;
    struct stat st;

    assert_int_equal(pki_init(f->path, "florin", false, &fault), 0);
    issue(f, (struct pki_request){.node_id = 1});
    assert_int_equal(stat(in(f, "node-1.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(in(f, "ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(chmod(in(f, "ca.key"), 0644), 0);
    struct pki_request r = {.node_id = 7, .hosts = hosts, .n_hosts = 1};
    assert_int_equal(pki_issue(f->path, &r, &fault), -1);
    assert_non_null(strstr(fault.text, "chmod 600"));
}

static void nothing_is_overwritten_unless_told(void **state)
{
    struct folder *f = *state;
    struct pki_request r = {.node_id = 1, .hosts = hosts, .n_hosts = 1};
    struct fault fault;

    assert_int_equal(pki_init(f->path, "florin", false, &fault), 0);
    issue(f, (struct pki_request){.node_id = 1});
    X509 *before = load(f, "node-1.crt");
    assert_int_equal(pki_init(f->path, "florin", false, &fault), -1);
    assert_non_null(strstr(fault.text, "--force"));
    assert_int_equal(pki_issue(f->path, &r, &fault), -1);
    assert_non_null(strstr(fault.text, "--force"));
    X509 *after = load(f, "node-1.crt");
    assert_int_equal(X509_cmp(before, after), 0);
    X509_free(after);
    r.force = true;
    assert_int_equal(pki_issue(f->path, &r, &fault), 0);
    after = load(f, "node-1.crt");
    assert_int_not_equal(X509_cmp(before, after), 0);
    X509_free(after);
    X509_free(before);
}

static void renewing_keeps_the_names_and_changes_the_key(void **state)
{
    struct folder *f = *state;
    struct pki_info info;
    struct fault fault;

    assert_int_equal(pki_init(f->path, "florin", false, &fault), 0);
    issue(f, (struct pki_request){.node_id = 1, .days = 2});
    X509 *before = load(f, "node-1.crt");
    assert_int_equal(pki_renew(f->path, "node-1", 0, &fault), 0);
    X509 *after = load(f, "node-1.crt");
    assert_int_not_equal(EVP_PKEY_eq(X509_get0_pubkey(before), X509_get0_pubkey(after)), 1);
    X509_free(before);
    X509_free(after);
    assert_int_equal(pki_show(in(f, "node-1.crt"), &info, &fault), 0);
    assert_int_equal(info.node_id, 1);
    assert_string_equal(info.hosts, "10.0.0.1,node1.example,::1");
    assert_in_range(info.days_left, PKI_DAYS - 1, PKI_DAYS);
    assert_int_equal(pki_renew(f->path, "ca", 0, &fault), -1);
    assert_int_equal(pki_renew(f->path, "../ca", 0, &fault), -1);
}

static void another_authoritys_certificate_does_not_hold(void **state)
{
    struct folder *f = *state;
    struct fault fault;
    char deep[96];

    assert_int_equal(pki_init(f->path, "florin", false, &fault), 0);
    snprintf(deep, sizeof deep, "%s/deep", f->path);
    assert_int_equal(pki_init(deep, "florin", false, &fault), 0);
    issue(f, (struct pki_request){.node_id = 1});
    assert_int_not_equal(verdict(f, "deep/ca.crt", "node-1.crt", X509_PURPOSE_SSL_SERVER),
                         X509_V_OK);
}

static void what_makes_no_sense_is_refused(void **state)
{
    static const char *const bad_hosts[] = {
        "", "a,URI:florin://x/node/1", "a b", "host:1", "a\nb", "*", "critical,CA"};
    static const char *const bad_names[] = {"", "ca", "node-9", "../x", ".x", "a/b"};
    struct folder *f = *state;
    struct fault fault;

    assert_int_equal(pki_init(f->path, "no/such id", false, &fault), -1);
    assert_int_equal(pki_init(f->path, "florin", false, &fault), 0);
    for (size_t i = 0; i < sizeof bad_hosts / sizeof bad_hosts[0]; i++) {
        struct pki_request r = {.node_id = 1, .hosts = &bad_hosts[i], .n_hosts = 1};
        assert_int_equal(pki_issue(f->path, &r, &fault), -1);
    }
    for (size_t i = 0; i < sizeof bad_names / sizeof bad_names[0]; i++) {
        struct pki_request r = {.name = bad_names[i], .hosts = hosts, .n_hosts = 1};
        assert_int_equal(pki_issue(f->path, &r, &fault), -1);
    }
    struct pki_request r = {.node_id = 1, .hosts = hosts, .n_hosts = 0};
    assert_int_equal(pki_issue(f->path, &r, &fault), -1);
    assert_int_equal(access(in(f, "node-1.crt"), F_OK), -1);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_open, folder_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_nodes_certificate_serves_both_ends),
        IN_A_FOLDER(a_servers_certificate_is_no_nodes),
        IN_A_FOLDER(keys_are_their_owners_only),
        IN_A_FOLDER(nothing_is_overwritten_unless_told),
        IN_A_FOLDER(renewing_keeps_the_names_and_changes_the_key),
        IN_A_FOLDER(another_authoritys_certificate_does_not_hold),
        IN_A_FOLDER(what_makes_no_sense_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
