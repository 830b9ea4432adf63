/* The HTTPS listener alone: TLS clients on one side, on the other a server that does as it is
 * told. */
#define _GNU_SOURCE 1 /* POLLRDHUP */
#include <fcntl.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "statemachine/bytes.h"
#include "tests/unit/https_fixture.h"

enum { CONNECTIONS = 8, CHUNK = 64 << 10 };

/* What the server does with a connection. */
enum manner {
    ECHO,       /* says what it hears */
    SUM_UP,     /* hears all, then says how much that was */
    TALK,       /* says TALK_BYTES and its end, whatever it might hear */
    HOLD,       /* leaves it alone until it is told to go on */
    DROP_FIRST, /* hangs up after the first bytes, with the others unread */
};
enum { TALK_BYTES = 3 << 20 };

struct scene {
    struct papers papers;
    struct https_clients *clients;
    struct metrics *metrics;
    struct https *https;

    int listen_fd;
    pthread_t thread;
    _Atomic enum manner manner;
    atomic_uint accepted, going;
    atomic_int held;        /* the descriptor under HOLD */
    atomic_bool go_on;      /* for it */
    atomic_uint peer_ports; /* the last connection's */
};

struct guest {
    struct scene *scene;
    int fd;
};

static char pattern(size_t at)
{
    return (char)(at * 2654435761U >> 13);
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

static void talk(int fd)
{
    char data[4096];
    size_t at, i;

    for (at = 0; at < TALK_BYTES; at += sizeof data) {
        for (i = 0; i < sizeof data; i++) {
            data[i] = pattern(at + i);
        }
        send_all(fd, data, sizeof data);
    }
}

static void *serve(void *context)
{
    struct guest *g = context;
    struct scene *s = g->scene;
    char data[CHUNK];
    size_t total = 0;
    ssize_t n;

    switch (atomic_load(&s->manner)) {
    case ECHO:
        while ((n = recv(g->fd, data, sizeof data, 0)) > 0) {
            send_all(g->fd, data, (size_t)n);
        }
        break;
    case SUM_UP:
        while ((n = recv(g->fd, data, sizeof data, 0)) > 0) {
            total += (size_t)n;
        }
        send_all(g->fd, data, (size_t)snprintf(data, sizeof data, "%zu bytes", total));
        break;
    case TALK:
        talk(g->fd);
        shutdown(g->fd, SHUT_WR);
        while (recv(g->fd, data, sizeof data, 0) > 0) {
        }
        break;
    case HOLD:
        atomic_store(&s->held, g->fd);
        while (!atomic_load(&s->go_on)) {
            usleep(1000);
        }
        break;
    case DROP_FIRST:
        (void)!recv(g->fd, data, 1, 0);
        break;
    }
    close(g->fd);
    free(g);
    atomic_fetch_sub(&s->going, 1);
    return NULL;
}

static void *accept_all(void *context)
{
    struct scene *s = context;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    int fd;

    while ((fd = accept(s->listen_fd, (struct sockaddr *)&from, &len)) >= 0) {
        struct guest *g = malloc(sizeof *g);
        pthread_t thread;

        assert_non_null(g);
        *g = (struct guest){s, fd};
        atomic_store(&s->peer_ports, ntohs(from.sin_port));
        atomic_fetch_add(&s->accepted, 1);
        atomic_fetch_add(&s->going, 1);
        assert_int_equal(pthread_create(&thread, NULL, serve, g), 0);
        pthread_detach(thread);
    }
    return NULL;
}

static void open_scene_with(struct scene *s, unsigned handshake_ms, unsigned idle_ms)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof at;
    struct https_options options = {.listen = "127.0.0.1:0",
                                    .connections_max = CONNECTIONS,
                                    .handshake_timeout_ms = handshake_ms,
                                    .idle_timeout_ms = idle_ms,
                                    .answer_timeout_ms = 60000};
    struct fault fault;

    papers_make(&s->papers);
    s->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listen_fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->listen_fd, 64), 0);
    assert_int_equal(getsockname(s->listen_fd, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, accept_all, s), 0);
    s->clients = https_clients_new();
    s->metrics = metrics_new(0);
    options.files = papers_files(&s->papers);
    options.server_port = ntohs(at.sin_port);
    options.clients = s->clients;
    options.metrics = s->metrics;
    if (https_open(&s->https, &options, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
}

static void close_scene(struct scene *s)
{
    https_close(s->https);
    shutdown(s->listen_fd, SHUT_RDWR);
    close(s->listen_fd);
    pthread_join(s->thread, NULL);
    while (atomic_load(&s->going) > 0) {
        usleep(1000);
    }
    https_clients_free(s->clients);
    metrics_free(s->metrics);
    papers_remove(&s->papers);
    free(s);
}

static int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    open_scene_with(s, 60000, 60000);
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    close_scene(*state);
    return 0;
}

static struct tls_client enter(struct scene *s)
{
    return client_open(&s->papers, NULL, https_port(s->https));
}

static void await_accepted(struct scene *s, unsigned n)
{
    int tries = PATIENCE_S * 100;

    while (atomic_load(&s->accepted) < n && tries-- > 0) {
        usleep(10000);
    }
    assert_int_equal(atomic_load(&s->accepted), n);
}

/* A figure of the metrics' text. */
static unsigned long figure(struct scene *s, const char *name)
{
    static const struct metrics_label none[1] = {{"", ""}};
    struct bytes text;
    char key[100];
    const char *at;
    unsigned long value;

    bytes_init(&text);
    metrics_write(s->metrics, none, NULL, &text);
    bytes_append_u8(&text, 0);
    snprintf(key, sizeof key, "\n%s ", name);
    at = strstr((char *)text.base, key);
    assert_non_null(at);
    value = strtoul(at + strlen(key), NULL, 10);
    bytes_release(&text);
    return value;
}

static void await_figure(struct scene *s, const char *name, unsigned long value)
{
    int tries = PATIENCE_S * 100;

    while (figure(s, name) != value && tries-- > 0) {
        usleep(10000);
    }
    assert_int_equal(figure(s, name), value);
}

/* ---- bytes ---- */

static void bytes_pass_both_ways(void **state)
{
    struct scene *s = *state;
    struct tls_client c = enter(s);
    static const size_t sizes[] = {1, 2, 1000, 16383, 16384, 16385, CHUNK - 1, CHUNK, 100000};
    char *out = malloc(100000);
    char *in = malloc(100000);
    size_t i, k;

    for (k = 0; k < 30; k++) {
        size_t len = sizes[k % (sizeof sizes / sizeof *sizes)];

        for (i = 0; i < len; i++) {
            out[i] = pattern(i + k);
        }
        client_say(&c, out, len);
        client_hear_all(&c, in, len);
        assert_memory_equal(in, out, len);
    }
    assert_int_equal(atomic_load(&s->accepted), 1);
    assert_int_equal(figure(s, "florin_https_connections"), 1);
    free(out);
    free(in);
    client_close(&c);
    await_figure(s, "florin_https_connections", 0);
}

/* Sends as long as somebody takes it; what is never taken must not be kept either. */
static size_t send_until_stuck(struct tls_client *c, size_t most)
{
    char data[CHUNK];
    size_t sent = 0;
    size_t n, i;

    SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    assert_int_equal(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
    while (sent < most) {
        struct pollfd p = {.fd = c->fd, .events = POLLOUT};

        for (i = 0; i < sizeof data; i++) {
            data[i] = pattern(sent + i);
        }
        if (SSL_write_ex(c->ssl, data, sizeof data, &n) == 1) {
            sent += n;
        } else if (poll(&p, 1, 500) != 1) {
            break;
        }
    }
    assert_int_equal(fcntl(c->fd, F_SETFL, 0), 0);
    return sent;
}

static void a_client_that_does_not_read_is_not_read_from(void **state)
{
    struct scene *s = *state;
    struct tls_client c = enter(s);
    const size_t most = 96 << 20;
    size_t sent = send_until_stuck(&c, most);
    size_t heard = 0;
    char data[CHUNK];
    ssize_t n;
    ssize_t i;

    assert_true(sent < most);
    /* The piece that got stuck counts as well, whole or not: hear until nothing more is due. */
    while (heard < sent) {
        n = client_hear(&c, data, sizeof data);
        assert_true(n > 0);
        for (i = 0; i < n; i++) {
            assert_int_equal(data[i], pattern(heard + (size_t)i));
        }
        heard += (size_t)n;
    }
    client_close(&c);
}

static void a_client_may_end_its_part_first(void **state)
{
    struct scene *s = *state;
    struct tls_client c;
    char data[100] = "";

    atomic_store(&s->manner, SUM_UP);
    c = enter(s);
    client_say(&c, data, sizeof data);
    client_say(&c, data, 11);
    assert_int_equal(SSL_shutdown(c.ssl), 0);
    client_hear_all(&c, data, strlen("111 bytes"));
    assert_memory_equal(data, "111 bytes", strlen("111 bytes"));
    assert_int_equal(client_hear(&c, data, sizeof data), 0);
    client_close(&c);
}

/* All that the server has said arrives, and a proper end, also while the client still speaks. */
static void the_last_answer_arrives(void **state)
{
    struct scene *s = *state;
    char *data = malloc(CHUNK);
    struct tls_client c;
    size_t heard = 0;
    ssize_t n;
    ssize_t i;

    atomic_store(&s->manner, TALK);
    c = enter(s);
    memset(data, 'x', CHUNK);
    client_say(&c, data, CHUNK);
    while ((n = client_hear(&c, data, CHUNK)) > 0) {
        for (i = 0; i < n; i++) {
            assert_int_equal(data[i], pattern(heard + (size_t)i));
        }
        heard += (size_t)n;
    }
    assert_int_equal(n, 0);
    assert_int_equal(heard, TALK_BYTES);
    free(data);
    client_close(&c);
}

static void a_server_that_hangs_up_ends_it(void **state)
{
    struct scene *s = *state;
    struct tls_client c;
    char data[CHUNK] = "";

    atomic_store(&s->manner, DROP_FIRST);
    c = enter(s);
    client_say(&c, data, sizeof data);
    assert_int_equal(client_hear(&c, data, sizeof data), 0);
    client_close(&c);
    await_figure(s, "florin_https_connections", 0);
}

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
    assert_int_equal(figure(s, "florin_https_handshakes_failed_total"), 2);
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

/* ---- room ---- */

/* Twice as many as there is room for, who shake no hands or say nothing: others are served. */
static void the_silent_make_room(void **state)
{
    struct scene *s = *state;
    int silent[2 * CONNECTIONS];
    struct tls_client busy = enter(s);
    char data[5] = "";
    int i, k;

    client_say(&busy, "first", 5);
    client_hear_all(&busy, data, 5);
    for (i = 0; i < 2 * CONNECTIONS; i++) {
        silent[i] = dial_from(NULL, https_port(s->https));
    }
    for (k = 0; k < 3; k++) {
        struct tls_client c = enter(s);

        client_say(&c, "hello", 5);
        client_hear_all(&c, data, 5);
        assert_memory_equal(data, "hello", 5);
        client_close(&c);
    }
    /* ... and who is at it is never cut. */
    client_say(&busy, "again", 5);
    client_hear_all(&busy, data, 5);
    assert_memory_equal(data, "again", 5);
    assert_true(figure(s, "florin_http_connections_cut_total") >= CONNECTIONS);
    for (i = 0; i < 2 * CONNECTIONS; i++) {
        close(silent[i]);
    }
    client_close(&busy);
}

/* ---- who the client is ---- */

static void a_client_is_known_by_its_port_and_once(void **state)
{
    struct https_clients *c = https_clients_new();
    char text[NETWORK_TEXT_MAX];
    uint8_t address[ADDRESS_BYTES];

    (void)state;
    assert_false(https_clients_keeps(c, 0));
    https_clients_keep_port(c, 4000);
    assert_true(https_clients_keeps(c, 4000));
    assert_false(https_clients_keeps(c, 4001));

    assert_int_equal(address_parse(slice_of("192.0.2.7"), address), 0);
    https_clients_put(c, 50000, address);
    assert_false(https_clients_taken(c, 50000));
    assert_false(https_clients_take(c, "127.0.0.1", 50001, text));
    assert_false(https_clients_take(c, "127.0.0.2", 50000, text)); /* another process' port */
    assert_false(https_clients_take(c, "127.0.0.1", 0, text));
    assert_false(https_clients_take(c, "127.0.0.1", 65536, text));
    assert_true(https_clients_take(c, "127.0.0.1", 50000, text));
    assert_string_equal(text, "192.0.2.7");
    assert_true(https_clients_taken(c, 50000));
    assert_false(https_clients_take(c, "127.0.0.1", 50000, text));

    assert_int_equal(address_parse(slice_of("2001:db8::1"), address), 0);
    https_clients_put(c, 50000, address);
    https_clients_drop(c, 50000);
    assert_false(https_clients_take(c, "127.0.0.1", 50000, text));
    https_clients_free(c);
}

/* The client is gone before the server has asked whose connection that is: it still learns the
 * truth, and the port is nobody else's until then. */
static void who_has_gone_is_still_known(void **state)
{
    struct scene *s = *state;
    char text[NETWORK_TEXT_MAX];
    struct tls_client c;
    int port;

    atomic_store(&s->manner, HOLD);
    c = client_open(&s->papers, "127.0.0.77", https_port(s->https));
    client_say(&c, "a request", 9);
    await_accepted(s, 1);
    port = (int)atomic_load(&s->peer_ports);
    client_close(&c);
    /* The listener has heard of it, and says so to the server. */
    while (atomic_load(&s->held) == 0) {
        usleep(1000);
    }
    {
        struct pollfd p = {.fd = atomic_load(&s->held), .events = POLLRDHUP};
        assert_int_equal(poll(&p, 1, PATIENCE_S * 1000), 1);
    }
    assert_int_equal(figure(s, "florin_https_connections"), 1);
    assert_true(https_clients_take(s->clients, "127.0.0.1", port, text));
    assert_string_equal(text, "127.0.0.77");
    await_figure(s, "florin_https_connections", 0); /* now it has let go */
    atomic_store(&s->go_on, true);
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

/* Stopping waits for nobody who only waits himself. */
static void it_stops_under_connections(void **state)
{
    struct scene *s = calloc(1, sizeof *s);
    struct tls_client silent, busy;
    char data[5];
    int fd;

    (void)state;
    open_scene_with(s, 60000, 60000);
    fd = dial_from(NULL, https_port(s->https));
    silent = enter(s);
    busy = enter(s);
    client_say(&busy, "hello", 5);
    client_hear_all(&busy, data, 5);
    shutdown(s->listen_fd, SHUT_RDWR);
    https_close(s->https);
    s->https = NULL;
    assert_int_equal(client_hear(&silent, data, 5), 0);
    assert_true(client_hear(&busy, data, 5) <= 0);
    assert_true(hangs_up(fd));
    client_close(&silent);
    client_close(&busy);
    close(fd);
    close_scene(s);
}

int main(void)
{
#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        IN_A_SCENE(bytes_pass_both_ways),
        IN_A_SCENE(a_client_that_does_not_read_is_not_read_from),
        IN_A_SCENE(a_client_may_end_its_part_first),
        IN_A_SCENE(the_last_answer_arrives),
        IN_A_SCENE(a_server_that_hangs_up_ends_it),
        IN_A_SCENE(noise_is_hung_up_on),
        IN_A_SCENE(plain_http_gets_an_answer_in_plain),
        IN_A_SCENE(old_versions_are_refused),
        IN_A_SCENE(ciphers_without_forward_secrecy_are_refused),
        IN_A_SCENE(of_protocols_it_speaks_one),
        cmocka_unit_test(who_does_not_shake_hands_is_hung_up_on),
        cmocka_unit_test(who_says_nothing_then_costs_the_server_nothing),
        IN_A_SCENE(the_silent_make_room),
        cmocka_unit_test(a_client_is_known_by_its_port_and_once),
        IN_A_SCENE(who_has_gone_is_still_known),
        IN_A_SCENE(a_certificate_is_exchanged_under_way),
        IN_A_SCENE(a_ticket_spares_the_next_handshake),
        IN_A_SCENE(what_can_not_be_opened_is_said),
        cmocka_unit_test(it_stops_under_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
