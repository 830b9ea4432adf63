/* The wire: bytes as a client may send them, good, bad, slow or half. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/api_fixture.h"

#define AUTH    "Authorization: Bearer provider.0123456789abcdef\r\n"
#define WIN(id) "{\"id\":\"" id "\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"1\"}"

static int dial(struct rig *r)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)api_server_port(r->server)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* False when the server hung up on us meanwhile. */
static bool put(int fd, const void *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

        if (n <= 0) {
            return false;
        }
        data = (const char *)data + n;
        len -= (size_t)n;
    }
    return true;
}

static void say(int fd, const char *text)
{
    put(fd, text, strlen(text));
}

/* Reads until the server hangs up, or until `until` is in what came; NUL-terminated. */
static void hear(int fd, const char *until, struct bytes *out)
{
    bytes_clear(out);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        char buf[4096];
        ssize_t n;

        assert_int_equal(poll(&p, 1, 30000), 1);
        n = recv(fd, buf, sizeof buf, 0);
        if (n <= 0) {
            break;
        }
        bytes_append(out, buf, (size_t)n);
        bytes_append_u8(out, 0);
        out->len--;
        if (until != NULL && strstr((char *)out->base, until) != NULL) {
            break;
        }
    }
    bytes_append_u8(out, 0);
    out->len--;
}

static bool heard(const struct bytes *b, const char *text)
{
    return strstr((const char *)b->base, text) != NULL;
}

/* Says it on a new connection, and expects a problem and the end of the connection. */
static void refused(struct rig *r, const char *text, const char *status_line)
{
    struct bytes b;
    int fd = dial(r);

    bytes_init(&b);
    say(fd, text);
    hear(fd, NULL, &b);
    if (strncmp((char *)b.base, status_line, strlen(status_line)) != 0) {
        print_error("for %.60s...: %s\n", text, (char *)b.base);
    }
    assert_memory_equal(b.base, status_line, strlen(status_line));
    assert_true(heard(&b, "\r\nContent-Type: application/problem+json\r\n"));
    assert_true(heard(&b, "\r\nFlorin-Node: 2\r\n"));
    assert_true(heard(&b, "\r\nFlorin-Leader: "));
    assert_true(heard(&b, "\r\nFlorin-Applied: "));
    assert_true(heard(&b, "\r\nConnection: close\r\n"));
    assert_true(heard(&b, "\"code\":\""));
    bytes_release(&b);
    close(fd);
}

static void many_requests_go_over_one_connection(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes b;
    int fd = dial(r);
    int i;

    bytes_init(&b);
    for (i = 0; i < 3; i++) {
        say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        hear(fd, "\"alive\"}", &b);
        assert_true(heard(&b, "HTTP/1.1 200 OK\r\n"));
        assert_true(heard(&b, "\r\nConnection: keep-alive\r\n"));
    }
    /* A refusal does not end it, and neither does a body that nobody wants. */
    say(fd, "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
            "GET /readyz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}");
    hear(fd, "\"ready\"}", &b);
    assert_true(heard(&b, "HTTP/1.1 404 Not Found\r\n"));
    assert_true(heard(&b, "HTTP/1.1 200 OK\r\n"));
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    hear(fd, NULL, &b);
    assert_true(heard(&b, "\r\nConnection: close\r\n"));
    close(fd);
    fd = dial(r);
    say(fd, "GET /healthz HTTP/1.0\r\n\r\n");
    hear(fd, NULL, &b);
    assert_true(heard(&b, "\"alive\"}"));
    bytes_release(&b);
    close(fd);
}

static void chunked_bodies_are_read(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes b;
    char text[1000];
    int fd = dial(r);

    bytes_init(&b);
    snprintf(text, sizeof text,
             "POST /v1/wins HTTP/1.1\r\nHost: x\r\n" AUTH "Transfer-Encoding: chunked\r\n\r\n"
             "1\r\n{\r\n%zx\r\n%s\r\n0\r\n\r\n",
             sizeof WIN("chunk-1") - 2, WIN("chunk-1") + 1);
    say(fd, text);
    hear(fd, "\"hash\":", &b);
    assert_true(heard(&b, "HTTP/1.1 200 OK\r\n"));
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); /* ... and the connection goes on */
    hear(fd, "\"alive\"}", &b);
    close(fd);
    bytes_release(&b);
    refused(r, "POST /v1/wins HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
            "HTTP/1.1 400 ");
    refused(r, "POST /v1/wins HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 400 ");
}

static void chunks_beyond_the_limit_are_too_large(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes b;
    char *block = malloc(1 << 20);
    int fd = dial(r);

    bytes_init(&b);
    memset(block, ' ', 1 << 20);
    say(fd, "POST /v1/wins HTTP/1.1\r\nHost: x\r\n" AUTH "Transfer-Encoding: chunked\r\n\r\n");
    say(fd, "100000\r\n");
    put(fd, block, 1 << 20);
    say(fd, "\r\n100000\r\n");
    put(fd, block, 1 << 20);
    say(fd, "\r\n0\r\n\r\n");
    hear(fd, NULL, &b);
    assert_true(heard(&b, "HTTP/1.1 413 "));
    assert_true(heard(&b, "\"too_large\""));
    close(fd);
    free(block);
    bytes_release(&b);
}

static void bodies_beyond_the_limit_are_too_large(void **state)
{
    struct rig *r = rig_of(state);
    size_t len = 2 << 20;
    char *body = malloc(len);

    memset(body, ' ', len);
    r->key = "provider";
    rig_send(r, "POST", "/v1/bets", body, len); /* curl: with Expect: 100-continue */
    assert_problem(r, 413, "too_large");
    assert_true(rig_header(r, "Connection: close"));
    assert_non_null(strstr((char *)r->head.base, "HTTP/1.1 413"));
    assert_null(strstr((char *)r->head.base, "100 Continue"));
    r->headers = "Expect:";
    rig_send(r, "POST", "/v1/bets", body, len); /* ... and without */
    assert_problem(r, 413, "too_large");
    memcpy(body, WIN("large"), sizeof WIN("large") - 1);
    r->headers = "Expect: 100-continue";
    rig_send(r, "POST", "/v1/wins", body, 1 << 20); /* exactly the limit */
    assert_status(r, 200);
    assert_non_null(strstr((char *)r->head.base, "100 Continue"));
    rig_send(r, "POST", "/v1/wins", body, (1 << 20) + 1);
    assert_problem(r, 413, "too_large");
    free(body);
}

/* Many clients send all they have before they read: one that is cut off never sees its answer. */
static void a_body_that_is_too_large_may_be_sent_whole(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes b;
    size_t len = 1 << 20;
    char *block = malloc(len);
    int fd = dial(r);
    int i;

    bytes_init(&b);
    memset(block, ' ', len);
    say(fd, "POST /v1/wins HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: 3145728\r\n\r\n");
    for (i = 0; i < 3; i++) {
        assert_true(put(fd, block, len));
    }
    hear(fd, NULL, &b);
    assert_true(heard(&b, "HTTP/1.1 413 "));
    close(fd);
    free(block);
    bytes_release(&b);
}

static void lengths_are_unambiguous(void **state)
{
    struct rig *r = rig_of(state);

    refused(r, "POST /v1/bets HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ",
            "HTTP/1.1 400 ");
    refused(r,
            "POST /v1/bets HTTP/1.1\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
            "0\r\n\r\n",
            "HTTP/1.1 400 ");
    refused(r, "POST /v1/bets HTTP/1.1\r\nContent-Length: +2\r\n\r\n{}", "HTTP/1.1 400 ");
    refused(r, "POST /v1/bets HTTP/1.1\r\nContent-Length: 2x\r\n\r\n{}", "HTTP/1.1 400 ");
    refused(r, "POST /v1/bets HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 411 ");
    refused(r, "POST /v1/bets HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "HTTP/1.1 400 ");
    refused(r, "POST /v1/bets HTTP/1.1\r\n" AUTH "Connection: close\r\n\r\n", "HTTP/1.1 411 ");
}

/* CivetWeb forgets the headers after the 64th without a word. */
static void no_length_hides_behind_many_headers(void **state)
{
    static const char rest[] =
        "Content-Length: 39\r\n\r\nGET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n";
    struct rig *r = rig_of(state);
    struct bytes request;
    int i;

    bytes_init(&request);
    bytes_append(&request, "GET /healthz HTTP/1.1\r\n", 23);
    for (i = 0; i < 64; i++) {
        bytes_append(&request, "X: 1\r\n", 6);
    }
    bytes_append(&request, rest, sizeof rest);
    refused(r, (char *)request.base, "HTTP/1.1 400 ");
    bytes_release(&request);
}

static void garbage_is_refused(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes big;

    refused(r, "hello\r\n\r\n", "HTTP/1.1 400 ");
    refused(r, "GET /healthz\r\n\r\n", "HTTP/1.1 400 ");
    refused(r, "BREW /healthz HTTP/1.1\r\n\r\n", "HTTP/1.1 400 ");
    refused(r, "GET /healthz HTTP/3.0\r\n\r\n", "HTTP/1.1 505 ");
    refused(r, "\x16\x03\x01\x02\x01\xff\xfe\r\n\r\n", "HTTP/1.1 400 ");
    refused(r, "GET /healthz HTTP/1.1\r\nno colon here\r\n\r\n", "HTTP/1.1 400 ");

    bytes_init(&big);
    bytes_append(&big, "GET /healthz HTTP/1.1\r\nX: ", 26);
    while (big.len < 20000) {
        bytes_append(&big, "xxxxxxxxxx", 10);
    }
    bytes_append(&big, "\r\n\r\n", 5);
    refused(r, (char *)big.base, "HTTP/1.1 400 ");
    bytes_release(&big);
}

static void other_content_types_are_refused(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "provider";
    r->headers = "Content-Type: application/x-www-form-urlencoded";
    rig_post(r, "/v1/wins", WIN("type-1"));
    assert_problem(r, 415, "malformed");
    r->headers = "Content-Type: application/jsonp";
    rig_post(r, "/v1/wins", WIN("type-1"));
    assert_problem(r, 415, "malformed");
    r->headers = "Content-Encoding: gzip";
    rig_post(r, "/v1/wins", WIN("type-1"));
    assert_problem(r, 415, "malformed");
    r->headers = "Content-Type: application/json; charset=utf-8";
    rig_post(r, "/v1/wins", WIN("type-1"));
    assert_status(r, 200);
    r->headers = "Content-Type:"; /* none at all */
    rig_post(r, "/v1/wins", WIN("type-1"));
    assert_status(r, 200);
}

static uint64_t since(uint64_t began)
{
    return backend_now_ms(NULL) - began;
}

/* The server's time for a request is 500 ms here. */
static void half_a_request_is_cut(void **state)
{
    struct rig *r = rig_of(state);
    uint64_t began = backend_now_ms(NULL);

    refused(r, "GET /healthz HTTP/1.1\r\nHost:", "HTTP/1.1 400 ");
    refused(
        r, "POST /v1/wins HTTP/1.1\r\n" AUTH "Content-Length: 50\r\n\r\n{\"id\":", "HTTP/1.1 400 ");
    assert_true(since(began) < 20000);
    rig_get(r, "/healthz");
    assert_status(r, 200);
}

static void a_client_that_hangs_up_costs_nothing(void **state)
{
    struct rig *r = rig_of(state);
    int fd, i;

    for (i = 0; i < 40; i++) {
        fd = dial(r);
        say(fd, "POST /v1/wins HTTP/1.1\r\n" AUTH "Content-Length: 50\r\n\r\n{\"id\":");
        close(fd);
    }
    rig_get(r, "/healthz");
    assert_status(r, 200);
}

/* One byte every 20 ms: never a pause that would be a time-out, and yet over the time in all. */
static void a_dripping_body_is_cut(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes b;
    uint64_t began = backend_now_ms(NULL);
    int fd = dial(r);
    int sent = 0;

    bytes_init(&b);
    say(fd, "POST /v1/wins HTTP/1.1\r\n" AUTH "Content-Length: 5000\r\n\r\n");
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        if (poll(&p, 1, 20) == 1) {
            break;
        }
        say(fd, " ");
        sent++;
        assert_true(since(began) < 20000);
    }
    assert_true(sent < 5000);
    hear(fd, NULL, &b);
    assert_true(heard(&b, "HTTP/1.1 400 "));
    assert_true(heard(&b, "slowly"));
    bytes_release(&b);
    close(fd);
}

static void more_connections_than_workers_are_served_in_turn(void **state)
{
    struct rig *r = rig_of(state);
    struct bytes b;
    int fd[40];
    size_t i;

    bytes_init(&b);
    for (i = 0; i < 40; i++) {
        fd[i] = dial(r);
        say(fd[i], "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    }
    for (i = 0; i < 40; i++) {
        hear(fd[i], NULL, &b);
        assert_true(heard(&b, "\"alive\"}"));
        close(fd[i]);
    }
    bytes_release(&b);
}

static void a_taken_port_is_told(void **state)
{
    struct rig *r = rig_of(state);
    struct api_server *second;
    struct fault fault = {""};
    char listen[64];
    struct api_server_options options = {
        .listen = listen, .num_threads = 1, .gate = r->backend.gate};

    snprintf(listen, sizeof listen, "127.0.0.1:%u", api_server_port(r->server));
    assert_int_equal(api_server_start(&second, &options, &fault), -1);
    assert_null(second);
    assert_non_null(strstr(fault.text, listen));
    snprintf(listen, sizeof listen, "nonsense");
    assert_int_equal(api_server_start(&second, &options, &fault), -1);
    assert_non_null(strstr(fault.text, "nonsense"));
    rig_get(r, "/healthz");
    assert_status(r, 200);
}

struct slow_call {
    struct rig *r;
    struct bytes answer;
};

static void *call_slowly(void *context)
{
    struct slow_call *call = context;
    char text[512];
    int fd = dial(call->r);

    snprintf(text, sizeof text,
             "POST /v1/wins HTTP/1.1\r\nHost: x\r\n" AUTH "Content-Length: %zu\r\n\r\n%s",
             sizeof WIN("stop") - 1, WIN("stop"));
    say(fd, text);
    hear(fd, NULL, &call->answer);
    close(fd);
    return NULL;
}

static void *stop_server(void *context)
{
    api_server_stop(context);
    return NULL;
}

/* A new connection's answer is "stopping", or there is none any more. */
static bool is_stopping(struct rig *r)
{
    struct bytes b;
    int fd = dial(r);
    bool stopping;

    bytes_init(&b);
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    hear(fd, NULL, &b);
    stopping = heard(&b, "HTTP/1.1 503 ") && heard(&b, "\"unavailable\"");
    bytes_release(&b);
    close(fd);
    return stopping;
}

/* Runs last: stops the server while a call waits for the ledger; its answer still comes. */
static void stopping_lets_answers_end(void **state)
{
    struct rig *r = rig_of(state);
    struct slow_call call = {.r = r};
    struct ticket *held;
    pthread_t caller, stopper;

    rig_deposit(r, "before-stop", "1");
    r->key = "provider";
    rig_get(r, "/v1/players/alice/balances"); /* the key is known from here on */
    backend_set_mode(&r->backend, LEAVE_ENTERED);
    bytes_init(&call.answer);
    pthread_create(&caller, NULL, call_slowly, &call);
    pthread_mutex_lock(&r->backend.lock);
    while (r->backend.n_held == 0) {
        pthread_cond_wait(&r->backend.changed, &r->backend.lock);
    }
    held = r->backend.held;
    r->backend.held = NULL;
    backend_commands(&r->backend, held);
    pthread_mutex_unlock(&r->backend.lock);
    gate_close(r->backend.gate);
    pthread_create(&stopper, NULL, stop_server, r->server);
    while (!is_stopping(r)) {
    }
    ticket_done(held, RESULT_OK);
    pthread_join(stopper, NULL);
    r->server = NULL;
    pthread_join(caller, NULL);
    assert_true(heard(&call.answer, "HTTP/1.1 200 OK\r\n"));
    assert_true(heard(&call.answer, "\"id\":\"stop\""));
    bytes_release(&call.answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_requests_go_over_one_connection),
        cmocka_unit_test(chunked_bodies_are_read),
        cmocka_unit_test(chunks_beyond_the_limit_are_too_large),
        cmocka_unit_test(bodies_beyond_the_limit_are_too_large),
        cmocka_unit_test(a_body_that_is_too_large_may_be_sent_whole),
        cmocka_unit_test(lengths_are_unambiguous),
        cmocka_unit_test(no_length_hides_behind_many_headers),
        cmocka_unit_test(garbage_is_refused),
        cmocka_unit_test(other_content_types_are_refused),
        cmocka_unit_test(half_a_request_is_cut),
        cmocka_unit_test(a_client_that_hangs_up_costs_nothing),
        cmocka_unit_test(a_dripping_body_is_cut),
        cmocka_unit_test(more_connections_than_workers_are_served_in_turn),
        cmocka_unit_test(a_taken_port_is_told),
        cmocka_unit_test(stopping_lets_answers_end),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
