/* The HTTPS listener's handshakes and certificates. */
#include <openssl/pem.h>
#include <sys/stat.h>

#include "tests/unit/https_scene.h"

/* ---- handshakes ---- */

static void noise_is_hung_up_on(void **state)
{
    struct scene *s = *state;
    struct tls_client c;
    char data[5000];
    unsigned i, k;

    for (k = 0; k < 4; k++) {
        int fd = dial_from(NULL, https_port(s->https));

        for (i = 0; i < sizeof data; i++) {
            data[i] = pattern(i + 77 * k);
        }
        if (k == 3) { /* a record of a handshake, of noise */
            memcpy(data, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
        }
        send_all(fd, data, sizeof data);
        assert_true(hangs_up(fd));
        close(fd);
    }
    assert_int_equal(figure(s, "florin_https_handshakes_failed_total"), 4);
    assert_int_equal(atomic_load(&s->accepted), 0);
    c = enter(s);
    client_close(&c);
    assert_int_equal(figure(s, "florin_https_handshakes_failed_total"), 4);
}

static void plain_http_gets_an_answer_in_plain(void **state)
{
    struct scene *s = *state;
    int fd = dial_from(NULL, https_port(s->https));
    char answer[1000] = "";
    const char *body;
    size_t len = 0;
    ssize_t n;

    send_all(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
    while ((n = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0) {
        len += (size_t)n;
    }
    assert_memory_equal(answer, "HTTP/1.1 400 ", 13);
    assert_non_null(strstr(answer, "This port speaks HTTPS."));
    body = strstr(answer, "\r\n\r\n") + 4;
    assert_int_equal(strlen(body), strtoul(strstr(answer, "Content-Length: ") + 16, NULL, 10));
    close(fd);
}

/* A handshake with these versions, and the protocols in ALPN's form: its version, or 0. */
static int shake(struct scene *s, int version, const char *protocols, size_t len)
{
    struct tls_client c = client_begin(&s->papers, NULL, https_port(s->https));
    int got = 0;

    SSL_set_security_level(c.ssl, 0); /* or OpenSSL itself would not even try TLS 1.1 */
    SSL_set_cipher_list(c.ssl, "ALL:@SECLEVEL=0");
    SSL_set_min_proto_version(c.ssl, version);
    SSL_set_max_proto_version(c.ssl, version);
    if (len > 0) {
        SSL_set_alpn_protos(c.ssl, (const unsigned char *)protocols, (unsigned)len);
    }
    ERR_clear_error();
    if (SSL_connect(c.ssl) == 1) {
        const unsigned char *chosen;
        unsigned chosen_len;

        SSL_get0_alpn_selected(c.ssl, &chosen, &chosen_len);
        assert_int_equal(chosen_len, len > 0 ? 8 : 0);
        got = SSL_version(c.ssl);
    }
    client_close(&c);
    return got;
}

static void old_versions_are_refused(void **state)
{
    struct scene *s = *state;

    assert_int_equal(shake(s, TLS1_3_VERSION, NULL, 0), TLS1_3_VERSION);
    assert_int_equal(shake(s, TLS1_2_VERSION, NULL, 0), TLS1_2_VERSION);
    assert_int_equal(shake(s, TLS1_1_VERSION, NULL, 0), 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_PROTOCOL_VERSION);
    assert_int_equal(shake(s, TLS1_VERSION, NULL, 0), 0);
    await_figure(s, "florin_https_handshakes_failed_total", 2);
}

static void ciphers_without_forward_secrecy_are_refused(void **state)
{
    struct scene *s = *state;
    struct tls_client c = client_begin(&s->papers, NULL, https_port(s->https));

    SSL_set_max_proto_version(c.ssl, TLS1_2_VERSION);
    SSL_set_cipher_list(c.ssl, "ECDHE+AES:!AESGCM:!AESCCM"); /* CBC */
    assert_int_equal(SSL_connect(c.ssl), -1);
    client_close(&c);
}

static void of_protocols_it_speaks_one(void **state)
{
    struct scene *s = *state;
    static const char both[] = "\x02h2\x08http/1.1";

    assert_int_equal(shake(s, TLS1_3_VERSION, both, sizeof both - 1), TLS1_3_VERSION);
    assert_int_equal(shake(s, TLS1_3_VERSION, both, 3), 0);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL);
}

static void who_does_not_shake_hands_is_hung_up_on(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    int silent, half;

    (void)state;
    open_scene_with(s, 300, 60000);
    silent = dial_from(NULL, https_port(s->https));
    half = dial_from(NULL, https_port(s->https));
    send_all(half, "\x16\x03\x01\x02", 4);
    assert_true(hangs_up(silent));
    assert_true(hangs_up(half));
    assert_int_equal(figure(s, "florin_https_handshakes_failed_total"), 2);
    assert_int_equal(atomic_load(&s->accepted), 0);
    close(silent);
    close(half);
    close_scene(s);
}

static void who_says_nothing_then_costs_the_server_nothing(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    struct tls_client c;
    char data[10];

    (void)state;
    open_scene_with(s, 60000, 300);
    c = enter(s);
    assert_int_equal(client_hear(&c, data, sizeof data), 0);
    assert_int_equal(atomic_load(&s->accepted), 0);
    assert_int_equal(figure(s, "florin_https_handshakes_failed_total"), 0);
    client_close(&c);
    close_scene(s);
}

/* ---- certificates ---- */

static uint64_t certificate_shown(struct tls_client *c)
{
    unsigned char hash[EVP_MAX_MD_SIZE];

    assert_int_equal(X509_digest(SSL_get0_peer_certificate(c->ssl), EVP_sha256(), hash, NULL), 1);
    return load_le64(hash);
}

/* The certificate again, as one that ended an hour ago. */
static void let_it_end(struct papers *p)
{
    char path[PATH_LENGTH];
    FILE *f = fopen(p->certificate, "r");
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    EVP_PKEY *key;

    fclose(f);
    papers_path(p, "ca.key", path);
    f = fopen(path, "r");
    key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -7200));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), -3600));
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    f = fopen(p->certificate, "w");
    assert_int_equal(PEM_write_X509(f, x), 1);
    fclose(f);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void refused(struct scene *s, const char *words)
{
    struct https_files files = papers_files(&s->papers);
    struct fault fault = {""};

    assert_int_equal(https_reload(s->https, &files, &fault), -1);
    if (strstr(fault.text, words) == NULL) {
        fail_msg("\"%s\" has no \"%s\"", fault.text, words);
    }
}

static void a_certificate_is_exchanged_under_way(void **state)
{
    struct scene *s = *state;
    struct https_files files = papers_files(&s->papers);
    struct tls_client before = enter(s);
    struct tls_client after;
    struct fault fault;
    char data[5];
    FILE *f;

    papers_issue(&s->papers);
    assert_int_equal(https_reload(s->https, &files, &fault), 0);
    assert_true(https_valid_s(s->https) > 300 * 86400);
    after = enter(s);
    assert_int_not_equal(certificate_shown(&before), certificate_shown(&after));
    client_say(&before, "still", 5);
    client_hear_all(&before, data, 5);
    assert_memory_equal(data, "still", 5);
    client_close(&before);

    /* What can't be used changes nothing. */
    let_it_end(&s->papers);
    refused(s, "it has ended");
    assert_int_equal(chmod(s->papers.key, 0640), 0);
    refused(s, "chmod 600");
    assert_int_equal(chmod(s->papers.key, 0600), 0);
    f = fopen(s->papers.key, "w");
    fputs("junk\n", f);
    fclose(f);
    refused(s, "is not the key of");
    f = fopen(s->papers.certificate, "w");
    fputs("junk\n", f);
    fclose(f);
    refused(s, "is no certificate that can be used: no start line");
    before = enter(s);
    assert_int_equal(certificate_shown(&before), certificate_shown(&after));
    client_close(&before);
    client_close(&after);
}

static void a_ticket_spares_the_next_handshake(void **state)
{
    struct scene *s = *state;
    struct tls_client c = enter(s);
    SSL_SESSION *session;
    char data[1] = "x";

    client_say(&c, data, 1);
    client_hear_all(&c, data, 1); /* the ticket came with it */
    session = SSL_get1_session(c.ssl);
    SSL_shutdown(c.ssl); /* or OpenSSL would not trust it again */
    client_close(&c);
    c = client_begin(&s->papers, NULL, https_port(s->https));
    SSL_set_session(c.ssl, session);
    assert_int_equal(SSL_connect(c.ssl), 1);
    assert_int_equal(SSL_session_reused(c.ssl), 1);
    client_close(&c);
    SSL_SESSION_free(session);
}

static void what_can_not_be_opened_is_said(void **state)
{
    struct scene *s = *state;
    struct https_options options = {
        .files = papers_files(&s->papers), .clients = s->clients, .metrics = s->metrics};
    struct fault fault;
    struct https *https;
    char taken[32];

    snprintf(taken, sizeof taken, "127.0.0.1:%u", https_port(s->https));
    options.listen = taken;
    assert_int_equal(https_open(&https, &options, &fault), -1);
    assert_non_null(strstr(fault.text, "in use"));
    options.listen = "[::1:80";
    assert_int_equal(https_open(&https, &options, &fault), -1);
    options.listen = "127.0.0.1:0";
    options.files.key = "/nowhere";
    assert_int_equal(https_open(&https, &options, &fault), -1);
    assert_non_null(strstr(fault.text, "/nowhere: cannot be opened"));
    assert_null(https);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_SCENE(noise_is_hung_up_on),
        IN_A_SCENE(plain_http_gets_an_answer_in_plain),
        IN_A_SCENE(old_versions_are_refused),
        IN_A_SCENE(ciphers_without_forward_secrecy_are_refused),
        IN_A_SCENE(of_protocols_it_speaks_one),
        cmocka_unit_test(who_does_not_shake_hands_is_hung_up_on),
        cmocka_unit_test(who_says_nothing_then_costs_the_server_nothing),
        IN_A_SCENE(a_certificate_is_exchanged_under_way),
        IN_A_SCENE(a_ticket_spares_the_next_handshake),
        IN_A_SCENE(what_can_not_be_opened_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
