/* The API by HTTPS: the same answers, and each client under its own address. Clients come from
 * several addresses of loopback. */
#include "tests/unit/api_fixture.h"
#include "tests/unit/https_fixture.h"

enum { THREADS = 8, CROWD = 60 };

struct house {
    struct papers papers;
    struct backend backend;
    struct api_server *server;
    struct reporter reporter;
    pthread_mutex_t lock; /* guards the lines */
    struct bytes lines;   /* all that the server has logged */
};

static void take_line(struct reporter *reporter, enum level level, const char *room,
                      const char *message, const char *fields)
{
    struct house *h = (struct house *)((char *)reporter - offsetof(struct house, reporter));
    char line[600];

    snprintf(line, sizeof line, "%s %s\n", message, fields);
    (void)level;
    (void)room;
    pthread_mutex_lock(&h->lock);
    bytes_append(&h->lines, line, strlen(line));
    pthread_mutex_unlock(&h->lock);
}

static bool logged(struct house *h, const char *text)
{
    bool found;

    pthread_mutex_lock(&h->lock);
    bytes_append_u8(&h->lines, 0);
    h->lines.len--;
    found = strstr((char *)h->lines.base, text) != NULL;
    pthread_mutex_unlock(&h->lock);
    return found;
}

static void forget_lines(struct house *h)
{
    pthread_mutex_lock(&h->lock);
    bytes_clear(&h->lines);
    pthread_mutex_unlock(&h->lock);
}

static int open_house(void **state)
{
    struct house *h = calloc(1, sizeof *h);
    static const char *const proxies[] = {"127.0.0.50"};
    struct api_server_options options = {.listen = "127.0.0.1:0",
                                         .https_listen = "127.0.0.1:0",
                                         .num_threads = THREADS,
                                         .request_timeout_ms = 60000,
                                         .keep_alive_timeout_ms = 60000,
                                         .trusted_proxies = proxies,
                                         .n_trusted_proxies = 1};
    struct fault fault;

    assert_non_null(h);
    papers_make(&h->papers);
    backend_open(&h->backend);
    pthread_mutex_init(&h->lock, NULL);
    bytes_init(&h->lines);
    h->reporter = (struct reporter){.line = take_line, .least = LEVEL_INFO};
    options.gate = h->backend.gate;
    options.reporter = &h->reporter;
    options.https_files = papers_files(&h->papers);
    if (api_server_start(&h->server, &options, &fault) != 0) {
        fail_msg("%s", fault.text);
    }
    *state = h;
    return 0;
}

static int close_house(void **state)
{
    struct house *h = *state;

    api_server_stop(h->server);
    backend_close(&h->backend);
    papers_remove(&h->papers);
    pthread_mutex_destroy(&h->lock);
    bytes_release(&h->lines);
    free(h);
    return 0;
}

#define REQUEST(method, path, key, more)                                                           \
    method " " path " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " key ".0123456789abcdef\r\n"   \
           "Content-Type: application/json\r\n" more "\r\n"

static void hear_until_end(struct tls_client *c, struct bytes *out)
{
    char data[4096];
    ssize_t n;

    bytes_clear(out);
    while ((n = client_hear(c, data, sizeof data)) > 0) {
        bytes_append(out, data, (size_t)n);
    }
    bytes_append_u8(out, 0);
    assert_int_equal(n, 0);
}

/* Asks from that address, once; the status. */
static int ask(struct house *h, const char *from, const char *request, struct bytes *answer)
{
    struct tls_client c = client_open(&h->papers, from, api_server_https_port(h->server));
    struct bytes own;
    int status;

    bytes_init(&own);
    answer = answer == NULL ? &own : answer;
    client_say(&c, request, strlen(request));
    hear_until_end(&c, answer);
    client_close(&c);
    status = atoi((char *)answer->base + strlen("HTTP/1.1 "));
    bytes_release(&own);
    return status;
}

#define BALANCES(more)                                                                             \
    REQUEST("GET", "/v1/players/alice/balances", "provider", more "Connection: close\r\n")

static void a_client_counts_under_its_own_address(void **state)
{
    struct house *h = *state;
    static const char allow[] = "{\"ip_allow\":[\"127.0.0.77\"]}";
    char request[600];

    assert_int_equal(ask(h, "127.0.0.77", BALANCES(""), NULL), 200);
    assert_int_equal(ask(h, "127.0.0.78", BALANCES(""), NULL), 200);
    snprintf(request, sizeof request,
             REQUEST("PATCH", "/v1/providers/demo", "operator",
                     "Connection: close\r\nContent-Length: %zu\r\n") "%s",
             strlen(allow), allow);
    assert_int_equal(ask(h, "127.0.0.99", request, NULL), 200);
    assert_true(logged(h, "from=127.0.0.99 "));

    assert_int_equal(ask(h, "127.0.0.77", BALANCES(""), NULL), 200);
    assert_int_equal(ask(h, "127.0.0.78", BALANCES(""), NULL), 403);
    assert_int_equal(ask(h, "127.0.0.1", BALANCES(""), NULL), 403);
    /* What a client claims is not read, what a proxy says is. */
    assert_int_equal(ask(h, "127.0.0.78", BALANCES("X-Forwarded-For: 127.0.0.77\r\n"), NULL), 403);
    assert_int_equal(ask(h, "127.0.0.50", BALANCES("X-Forwarded-For: 127.0.0.77\r\n"), NULL), 200);
    assert_int_equal(ask(h, "127.0.0.50", BALANCES("X-Forwarded-For: 127.0.0.78\r\n"), NULL), 403);
}

/* Also one whose request the web server could make nothing of. */
static void a_bad_request_is_told_of_with_its_address(void **state)
{
    struct house *h = *state;

    assert_int_equal(ask(h, "127.0.0.88", "GET / HTTP/9.9\r\nHost: x\r\n\r\n", NULL), 505);
    assert_true(logged(h, "from=127.0.0.88 "));
}

/* Any number of requests on a connection, and a change of hands between connections: each time the
 * address is the connection's. */
static void a_kept_connection_keeps_its_address(void **state)
{
    struct house *h = *state;
    static const char call[] =
        REQUEST("POST", "/v1/currencies", "operator", "Content-Length: 2\r\n") "{}";
    struct tls_client c[3];
    char data[1000];
    int i, k;

    for (i = 0; i < 3; i++) {
        char from[32];

        snprintf(from, sizeof from, "127.0.1.%d", 11 + i);
        c[i] = client_open(&h->papers, from, api_server_https_port(h->server));
    }
    for (k = 0; k < 3; k++) {
        for (i = 0; i < 3; i++) {
            char text[64];

            forget_lines(h);
            client_say(&c[i], call, strlen(call));
            assert_true(client_hear(&c[i], data, sizeof data) > 0);
            snprintf(text, sizeof text, "from=127.0.1.%d ", 11 + i);
            assert_true(logged(h, text));
        }
    }
    for (i = 0; i < 3; i++) {
        client_close(&c[i]);
    }
}

/* Among our own descriptors, the listening port that is neither of the two that we know. */
static unsigned inner_port(struct house *h)
{
    int fd;

    for (fd = 3; fd < 1024; fd++) {
        struct sockaddr_in at;
        socklen_t len = sizeof at;
        int listens = 0;
        socklen_t size = sizeof listens;
        unsigned port;

        if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || !listens ||
            getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
            continue;
        }
        port = ntohs(at.sin_port);
        if (port != api_server_port(h->server) && port != api_server_https_port(h->server)) {
            assert_int_equal(at.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
            return port;
        }
    }
    fail_msg("the web server has no port of its own for HTTPS");
    return 0;
}

static void nobody_else_speaks_at_the_inner_port(void **state)
{
    struct house *h = *state;
    static const char *const requests[] = {
        BALANCES("X-Forwarded-For: 127.0.0.77\r\n"),
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    };
    char answer[2000];
    size_t i;

    for (i = 0; i < 2; i++) {
        int fd = dial_from(i == 0 ? NULL : "127.0.0.50", inner_port(h));
        size_t len = 0;
        ssize_t n;

        assert_int_equal(send(fd, requests[i], strlen(requests[i]), 0), strlen(requests[i]));
        while ((n = recv(fd, answer + len, sizeof answer - 1 - len, 0)) > 0) {
            len += (size_t)n;
        }
        answer[len] = '\0';
        assert_memory_equal(answer, "HTTP/1.1 403 ", 13);
        close(fd);
    }
}

static void large_bodies_and_answers_pass(void **state)
{
    struct house *h = *state;
    struct bytes request, answer;
    char line[200];
    size_t most = 1 << 20;

    bytes_init(&request);
    bytes_init(&answer);
    /* The largest body that is read at all: it is no JSON, and that is said. */
    snprintf(line, sizeof line,
             REQUEST("POST", "/v1/wins", "other", "Connection: close\r\nContent-Length: %zu\r\n"),
             most);
    bytes_append(&request, line, strlen(line));
    bytes_reserve(&request, most + 1);
    memset(request.base + request.len, 'x', most);
    request.base[request.len + most] = '\0';
    assert_int_equal(ask(h, NULL, (char *)request.base, NULL), 400);

    /* ... and one more byte. */
    bytes_clear(&request);
    snprintf(line, sizeof line,
             REQUEST("POST", "/v1/wins", "other", "Connection: close\r\nContent-Length: %zu\r\n"),
             most + 1);
    bytes_append(&request, line, strlen(line));
    memset(request.base + request.len, 'x', most + 1);
    request.len += most + 1;
    bytes_append_u8(&request, 0);
    assert_int_equal(ask(h, NULL, (char *)request.base, &answer), 413);
    assert_non_null(strstr((char *)answer.base, "too_large"));

    assert_int_equal(
        ask(h, NULL, "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &answer),
        200);
    assert_true(answer.len > 50000);
    bytes_release(&request);
    bytes_release(&answer);
}

/* Who holds threads with half a request is cut, as he is by plain HTTP. */
static void half_requests_hold_no_thread(void **state)
{
    struct house *h = *state;
    static const char half[] = "POST /v1/bets HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    struct tls_client slow[CROWD];
    int i;

    for (i = 0; i < CROWD; i++) {
        slow[i] = client_open(NULL, "127.0.0.66", api_server_https_port(h->server));
        client_say(&slow[i], half, strlen(half));
    }
    assert_int_equal(ask(h, "127.0.0.77", BALANCES(""), NULL), 200);
    for (i = 0; i < CROWD; i++) {
        client_close(&slow[i]);
    }
}

/* A server under connections that idle stops at once. */
static void it_stops(void **state)
{
    static const char health[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    struct house *h;
    struct tls_client c;
    char data[1000];
    void *own = NULL;

    (void)state;
    open_house(&own);
    h = own;
    c = client_open(&h->papers, NULL, api_server_https_port(h->server));
    client_say(&c, health, strlen(health));
    assert_true(client_hear(&c, data, sizeof data) > 0);
    close_house(&own);
    assert_int_equal(client_hear(&c, data, sizeof data), 0);
    client_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_counts_under_its_own_address),
        cmocka_unit_test(a_bad_request_is_told_of_with_its_address),
        cmocka_unit_test(a_kept_connection_keeps_its_address),
        cmocka_unit_test(nobody_else_speaks_at_the_inner_port),
        cmocka_unit_test(large_bodies_and_answers_pass),
        cmocka_unit_test(half_requests_hold_no_thread),
        cmocka_unit_test(it_stops),
    };

    return cmocka_run_group_tests(tests, open_house, close_house);
}
