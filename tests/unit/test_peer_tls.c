/* Peer links under TLS: who is let in, who is not, and certificates that change. */
#include "tests/unit/peer_rig.h"

#include <openssl/pem.h>
#include <sys/stat.h>

#include "cluster-config/pki.h"

enum { PATH = 128 };

struct certificates {
    char dir[64];
    char crt[PATH], key[PATH], ca[PATH];
};

static void authority(struct certificates *c, const char *cluster)
{
    struct fault fault;

    snprintf(c->dir, sizeof c->dir, "/tmp/florin-tls-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    assert_int_equal(pki_init(c->dir, cluster, false, &fault), 0);
}

static void authority_end(struct certificates *c)
{
    static const char *const names[] = {"ca", "node-1", "node-2", "node-3"};
    char path[PATH];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s.crt", c->dir, names[i]);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s.key", c->dir, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(c->dir), 0);
}

/* The files of a node, issued if they are not there. */
static struct tls_files files(struct certificates *c, uint64_t id)
{
    const char *const host = "127.0.0.1";
    struct pki_request r = {.node_id = id, .hosts = &host, .n_hosts = 1};
    struct fault fault;

    snprintf(c->crt, sizeof c->crt, "%s/node-%d.crt", c->dir, (int)id);
    snprintf(c->key, sizeof c->key, "%s/node-%d.key", c->dir, (int)id);
    snprintf(c->ca, sizeof c->ca, "%s/ca.crt", c->dir);
    if (access(c->crt, F_OK) != 0) {
        assert_int_equal(pki_issue(c->dir, &r, &fault), 0);
    }
    return (struct tls_files){c->crt, c->key, c->ca};
}

static void open_secured(struct rig *rig, uint64_t id, struct certificates *c)
{
    struct peer_options o = rig_options(rig, id);
    struct tls_files f = files(c, id);

    o.tls = &f;
    if (rig->nodes[id].port != 0) {
        o.listen = rig->nodes[id].address;
    }
    rig_open_with(rig, &o);
}

static struct rig *secured_pair(struct certificates *one, struct certificates *two)
{
    struct rig *rig = rig_new(0);

    open_secured(rig, 1, one);
    open_secured(rig, 2, two);
    rig_peers(&rig->nodes[1], 1u << 2);
    rig_peers(&rig->nodes[2], 1u << 1);
    return rig;
}

static void test_two_talk(void **state)
{
    static const size_t lengths[] = {16, 17, 1000, 70000, 1 << 20, 5 << 20};
    struct certificates c;
    struct rig *rig;
    size_t i;

    (void)state;
    authority(&c, "test");
    rig = secured_pair(&c, &c);
    RIG_UNTIL(rig, rig_up(&rig->nodes[1], 2) && rig_up(&rig->nodes[2], 1));
    for (i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        assert_true(rig_send(&rig->nodes[1], 2, lengths[i]));
        assert_true(rig_send(&rig->nodes[1], 2, 16));
        assert_true(rig_send(&rig->nodes[2], 1, lengths[i]));
        RIG_UNTIL(rig, rig->nodes[2].got[1] == rig->nodes[1].sent[2] &&
                           rig->nodes[1].got[2] == rig->nodes[2].sent[1]);
    }
    rig_close(&rig->nodes[2]);
    RIG_UNTIL(rig, rig->nodes[1].downs[2] == 1 && rig->nodes[1].losses[2] == 1);
    open_secured(rig, 2, &c);
    rig_peers(&rig->nodes[2], 1u << 1);
    RIG_UNTIL(rig, rig_up(&rig->nodes[1], 2) && rig_up(&rig->nodes[2], 1));
    rig_free(rig);
    authority_end(&c);
}

/* The same cluster's name and secret, another authority: neither end takes the other. */
static void test_another_authority(void **state)
{
    struct certificates ours, theirs;
    struct rig *rig;

    (void)state;
    authority(&ours, "test");
    authority(&theirs, "test");
    rig = secured_pair(&ours, &theirs);
    RIG_UNTIL(rig, rig_said(rig, "certificate") > 0 &&
                       peer_links_find(rig->nodes[1].links, 2)->redial_wait_ms >= 400 &&
                       peer_links_find(rig->nodes[2].links, 1)->redial_wait_ms >= 400);
    assert_false(rig_up(&rig->nodes[1], 2) || rig_up(&rig->nodes[2], 1));
    assert_int_equal(rig->nodes[1].ups[2] + rig->nodes[2].ups[1], 0);
    rig_free(rig);
    authority_end(&ours);
    authority_end(&theirs);
}

/* ---- raw ends ---- */

static void pass(int fd, struct tls_session *s)
{
    struct slice out = tls_session_out(s);

    if (out.len > 0) {
        raw_send(fd, out.base, out.len);
    }
    tls_session_sent(s);
}

/* Turns the loop until bytes came or the connection was dropped; false for that. */
static bool hear(struct rig *rig, int fd, struct tls_session *s)
{
    char data[4096];
    struct fault fault;
    ssize_t n;

    while ((n = recv(fd, data, sizeof data, MSG_DONTWAIT)) < 0 && errno == EAGAIN) {
        uv_run(&rig->loop, UV_RUN_ONCE);
        assert_false(rig->expired);
    }
    return n > 0 && tls_session_feed(s, data, (size_t)n, &fault) == 0;
}

/* With node 3's true certificate, as node 2: the secret is right and the name is not. */
static void test_a_certificate_of_another_node(void **state)
{
    struct handshake_self self = raw_self(2);
    struct certificates c;
    struct tls_session *s;
    struct tls_files f;
    struct handshake h;
    struct fault fault;
    struct rig *rig;
    struct tls *tls;
    int fd, rv;

    (void)state;
    authority(&c, "test");
    rig = secured_pair(&c, &c);
    f = files(&c, 3);
    assert_int_equal(tls_open(&tls, &f, "test", 3, &fault), 0);
    s = tls_session_new(tls, true);
    fd = raw_connect(rig->nodes[1].port);
    while ((rv = tls_session_shake(s, &fault)) == 0) {
        pass(fd, s);
        assert_true(hear(rig, fd, s));
    }
    assert_int_equal(rv, 1);
    assert_int_equal(tls_session_peer(s), 1);
    handshake_begin(&h, HANDSHAKE_DIALLER, &self, 1);
    assert_int_equal(tls_session_write(s, h.out, h.out_len, &fault), 0);
    pass(fd, s);
    RIG_UNTIL(rig, rig_said(rig, "its certificate is another node's") == 1);
    RIG_UNTIL(rig, raw_dropped(fd));
    close(fd);
    tls_session_free(s);
    tls_close(tls);
    rig_free(rig);
    authority_end(&c);
}

/* Without TLS, with nonsense, with half a hello: dropped, and nobody else notices. */
static void test_no_tls(void **state)
{
    struct handshake_self self = raw_self(2);
    static const uint8_t half[] = {22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3};
    uint8_t noise[4096];
    struct certificates c;
    struct handshake h;
    struct rig *rig;
    int fds[3];
    size_t i;

    (void)state;
    authority(&c, "test");
    rig = secured_pair(&c, &c);
    RIG_UNTIL(rig, rig_up(&rig->nodes[1], 2) && rig_up(&rig->nodes[2], 1));
    for (i = 0; i < sizeof noise; i++) {
        noise[i] = (uint8_t)(i * 167 + 13);
    }
    handshake_begin(&h, HANDSHAKE_DIALLER, &self, 1);
    for (i = 0; i < 3; i++) {
        fds[i] = raw_connect(rig->nodes[1].port);
    }
    raw_send(fds[0], h.out, h.out_len);
    raw_send(fds[1], noise, sizeof noise);
    raw_send(fds[2], half, sizeof half);
    RIG_UNTIL(rig, raw_dropped(fds[0]) && raw_dropped(fds[1]));
    close(fds[2]);
    RIG_UNTIL(rig, rig_said(rig, "why=\"TLS: ") >= 1);
    assert_true(rig_send(&rig->nodes[2], 1, 1000));
    RIG_UNTIL(rig, rig->nodes[1].got[2] == rig->nodes[2].sent[1]);
    assert_int_equal(rig->nodes[1].downs[2], 0);
    close(fds[0]);
    close(fds[1]);
    rig_free(rig);
    authority_end(&c);
}

/* A hello that never ends, in records that are each as they should be. */
static void test_a_handshake_without_end(void **state)
{
    struct certificates c;
    struct tls_session *s;
    struct tls_files f;
    struct fault fault;
    struct tls *tls;
    uint8_t record[5 + 1024] = {22, 3, 1, 4, 0, 1, 0xff, 0xff, 0xff};
    int i, rv = 0;

    (void)state;
    authority(&c, "test");
    f = files(&c, 1);
    assert_int_equal(tls_open(&tls, &f, "test", 1, &fault), 0);
    s = tls_session_new(tls, false);
    for (i = 0; i < 100 && rv == 0; i++) {
        rv = tls_session_feed(s, record, sizeof record, &fault);
        if (rv == 0) {
            rv = tls_session_shake(s, &fault);
        }
    }
    assert_int_equal(rv, -1);
    tls_session_free(s);
    tls_close(tls);
    authority_end(&c);
}

/* ---- files ---- */

static void refused(struct certificates *c, const struct tls_files *f, const char *cluster,
                    uint64_t id, const char *text)
{
    struct fault fault = {""};
    struct tls *tls;

    (void)c;
    assert_int_equal(tls_open(&tls, f, cluster, id, &fault), -1);
    assert_null(tls);
    if (strstr(fault.text, text) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", fault.text, text);
    }
}

/* The node's certificate again, over since yesterday, signed by the true authority. */
static void let_expire(struct certificates *c)
{
    char path[PATH];
    FILE *file = fopen(c->crt, "r");
    X509 *x = PEM_read_X509(file, NULL, NULL, NULL);
    EVP_PKEY *key;

    fclose(file);
    snprintf(path, sizeof path, "%s/ca.key", c->dir);
    file = fopen(path, "r");
    key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
    fclose(file);
    X509_gmtime_adj(X509_getm_notBefore(x), -2 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), -86400);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    file = fopen(c->crt, "w");
    PEM_write_X509(file, x);
    fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void test_files_that_do_not_fit(void **state)
{
    struct certificates c, other;
    char key_2[PATH];
    struct tls_files f;

    (void)state;
    authority(&c, "test");
    authority(&other, "test");
    files(&c, 2);
    snprintf(key_2, sizeof key_2, "%s", c.key);
    f = files(&c, 1);
    refused(&c, &f, "test", 2, "does not name florin://test/node/2");
    refused(&c, &f, "else", 1, "does not name florin://else/node/1");
    f.key = key_2;
    refused(&c, &f, "test", 1, "is not the key of");
    f = files(&c, 1);
    f.authority = files(&other, 1).authority;
    refused(&c, &f, "test", 1, "does not hold under");
    f = files(&c, 1);
    f.certificate = "/nowhere.crt";
    refused(&c, &f, "test", 1, "/nowhere.crt");
    f = files(&c, 1);
    assert_int_equal(chmod(c.key, 0640), 0);
    refused(&c, &f, "test", 1, "chmod 600");
    assert_int_equal(chmod(c.key, 0600), 0);
    let_expire(&c);
    refused(&c, &f, "test", 1, "expired");
    authority_end(&c);
    authority_end(&other);
}

/* The authority is exchanged under running links: what is up stays up, what comes anew needs the
 * new one; files that don't fit leave the old in use. */
static void test_reload(void **state)
{
    struct certificates old, new;
    struct tls_files f;
    struct fault fault;
    struct rig *rig;

    (void)state;
    authority(&old, "test");
    authority(&new, "test");
    rig = secured_pair(&old, &old);
    RIG_UNTIL(rig, rig_up(&rig->nodes[1], 2) && rig_up(&rig->nodes[2], 1));
    assert_true(peer_links_valid_s(rig->nodes[1].links) > 300 * 86400);
    f = files(&new, 2);
    assert_int_equal(peer_links_reload(rig->nodes[1].links, &f, &fault), -1);
    f = files(&new, 1);
    assert_int_equal(peer_links_reload(rig->nodes[1].links, &f, &fault), 0);
    assert_true(rig_send(&rig->nodes[1], 2, 1000));
    assert_true(rig_send(&rig->nodes[2], 1, 1000));
    RIG_UNTIL(rig, rig->nodes[2].got[1] == 1 && rig->nodes[1].got[2] == 1);
    rig_close(&rig->nodes[2]);
    RIG_UNTIL(rig, !rig_up(&rig->nodes[1], 2));
    open_secured(rig, 2, &new);
    rig_peers(&rig->nodes[2], 1u << 1);
    RIG_UNTIL(rig, rig_up(&rig->nodes[1], 2) && rig_up(&rig->nodes[2], 1));
    rig_free(rig);
    authority_end(&old);
    authority_end(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_talk),
        cmocka_unit_test(test_another_authority),
        cmocka_unit_test(test_a_certificate_of_another_node),
        cmocka_unit_test(test_no_tls),
        cmocka_unit_test(test_a_handshake_without_end),
        cmocka_unit_test(test_files_that_do_not_fit),
        cmocka_unit_test(test_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
