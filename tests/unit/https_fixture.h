/* What the tests of HTTPS share: an authority in a folder of its own, and a client that speaks TLS
 * byte by byte. Included by tests only. */
#ifndef FLORIN_HTTPS_FIXTURE_H
#define FLORIN_HTTPS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "api/https.h"
#include "cluster-config/pki.h"

enum { PATIENCE_S = 50, PATH_LENGTH = 300 };

/* --- an authority, and the certificate that it issued as `api` --- */

struct papers {
    char folder[200];
    char authority[PATH_LENGTH], certificate[PATH_LENGTH], key[PATH_LENGTH];
};

static inline void papers_path(const struct papers *p, const char *name, char path[PATH_LENGTH])
{
    snprintf(path, PATH_LENGTH, "%s/pki/%s", p->folder, name);
}

static inline void papers_issue(struct papers *p)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    const struct pki_request request = {.name = "api", .hosts = hosts, .n_hosts = 2, .force = true};
    char pki[PATH_LENGTH];
    struct fault fault;

    snprintf(pki, sizeof pki, "%s/pki", p->folder);
    if (pki_issue(pki, &request, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
}

static inline void papers_make(struct papers *p)
{
    const char *tmp = getenv("TMPDIR");
    char pki[PATH_LENGTH];
    struct fault fault;

    signal(SIGPIPE, SIG_IGN);
    snprintf(p->folder, sizeof p->folder, "%s/florin-https.XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(p->folder));
    snprintf(pki, sizeof pki, "%s/pki", p->folder);
    assert_int_equal(pki_init(pki, "c1", false, &fault), 0);
    papers_issue(p);
    papers_path(p, "ca.crt", p->authority);
    papers_path(p, "api.crt", p->certificate);
    papers_path(p, "api.key", p->key);
}

static inline void papers_remove(struct papers *p)
{
    char command[PATH_LENGTH];

    snprintf(command, sizeof command, "rm -r '%s'", p->folder);
    assert_int_equal(system(command), 0);
}

static inline struct https_files papers_files(const struct papers *p)
{
    return (struct https_files){.certificate = p->certificate, .key = p->key};
}

/* --- a client --- */

struct tls_client {
    int fd;
    SSL_CTX *context;
    SSL *ssl;
};

/* A plain connection, from this address of loopback when it is not NULL. */
static inline int dial_from(const char *from, unsigned port)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in own = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    if (from != NULL) {
        assert_int_equal(inet_pton(AF_INET, from, &own.sin_addr), 1);
        assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof own), 0);
    }
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return fd;
}

/* Connected, but no handshake yet: whoever wants to may set more on client.ssl. It trusts the
 * authority when `p` is not NULL. */
static inline struct tls_client client_begin(const struct papers *p, const char *from,
                                             unsigned port)
{
    struct tls_client c = {.fd = dial_from(from, port),
                           .context = SSL_CTX_new(TLS_client_method())};

    assert_non_null(c.context);
    if (p != NULL) {
        assert_int_equal(SSL_CTX_load_verify_file(c.context, p->authority), 1);
        SSL_CTX_set_verify(c.context, SSL_VERIFY_PEER, NULL);
    }
    c.ssl = SSL_new(c.context);
    assert_non_null(c.ssl);
    assert_int_equal(SSL_set_fd(c.ssl, c.fd), 1);
    return c;
}

static inline struct tls_client client_open(const struct papers *p, const char *from, unsigned port)
{
    struct tls_client c = client_begin(p, from, port);

    if (SSL_connect(c.ssl) != 1) {
        fail_msg("no handshake: %s", ERR_reason_error_string(ERR_peek_error()));
    }
    return c;
}

static inline void client_close(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->context);
    close(c->fd);
}

static inline void client_say(struct tls_client *c, const void *data, size_t len)
{
    size_t n = 0;

    assert_int_equal(SSL_write_ex(c->ssl, data, len, &n), 1);
    assert_int_equal(n, len);
}

/* The next bytes, at most `len`; 0 after an orderly goodbye, -1 when it ended otherwise. */
static inline ssize_t client_hear(struct tls_client *c, void *data, size_t len)
{
    size_t n = 0;

    ERR_clear_error();
    if (SSL_read_ex(c->ssl, data, len, &n) == 1) {
        return (ssize_t)n;
    }
    return SSL_get_error(c->ssl, 0) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

/* Exactly that many. */
static inline void client_hear_all(struct tls_client *c, void *data, size_t len)
{
    while (len > 0) {
        ssize_t n = client_hear(c, data, len);

        assert_true(n > 0);
        data = (char *)data + n;
        len -= (size_t)n;
    }
}

/* True when the other end of a plain connection hangs up, after whatever it says. */
static inline bool hangs_up(int fd)
{
    char data[4096];
    ssize_t n;

    do {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, PATIENCE_S * 1000) != 1) {
            return false;
        }
        n = recv(fd, data, sizeof data, 0);
    } while (n > 0);
    return true;
}

#endif
