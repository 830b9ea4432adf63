/* A server with few threads, and more clients than that who hold connections and send nothing, half
 * a request, or take no answer. The server's own times are a minute here: what ends sooner, was cut
 * because others needed the thread. */
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/seats.h"
#include "tests/unit/api_fixture.h"

enum { THREADS = 8, SLOW = 60, LIMIT_MS = 50000 };

struct room {
    struct backend backend;
    struct api_server *server;
    int slow[SLOW];
};

static int open_room(void **state)
{
    struct room *r = calloc(1, sizeof *r);
    struct api_server_options options = {.listen = "127.0.0.1:0",
                                         .num_threads = THREADS,
                                         .request_timeout_ms = 60000,
                                         .keep_alive_timeout_ms = 60000};
    struct fault fault;

    assert_non_null(r);
    backend_open(&r->backend);
    options.gate = r->backend.gate;
    assert_int_equal(api_server_start(&r->server, &options, &fault), 0);
    *state = r;
    return 0;
}

static int close_room(void **state)
{
    struct room *r = *state;

    api_server_stop(r->server);
    backend_close(&r->backend);
    free(r);
    return 0;
}

static int dial(struct room *r)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)api_server_port(r->server)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
}

/* True when an answer 200 with this text came; false when the connection ended without one. */
static bool hears(int fd, const char *text)
{
    char answer[4096];
    size_t len = 0;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t n;

        assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
        n = recv(fd, answer + len, sizeof answer - 1 - len, 0);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        answer[len] = '\0';
        if (strstr(answer, text) != NULL) {
            return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
        }
    }
}

static bool answers(int fd)
{
    return hears(fd, "\"alive\"}");
}

#define HEALTH "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"

static void crowd(struct room *r, const char *text)
{
    int i;

    for (i = 0; i < SLOW; i++) {
        r->slow[i] = dial(r);
        say(r->slow[i], text);
    }
}

static void disperse(struct room *r)
{
    int i;

    for (i = 0; i < SLOW; i++) {
        close(r->slow[i]);
    }
}

/* Behind a crowd that would hold every thread for a minute, an answer comes in time. */
static void served_behind(struct room *r, const char *text)
{
    uint64_t began = backend_now_ms(NULL);
    int fd;

    crowd(r, text);
    fd = dial(r);
    say(fd, HEALTH);
    assert_true(answers(fd));
    assert_true(backend_now_ms(NULL) - began < LIMIT_MS);
    close(fd);
    disperse(r);
}

static void silence_holds_no_thread(void **state)
{
    served_behind(*state, "");
}

static void half_a_head_holds_no_thread(void **state)
{
    served_behind(*state, "POST /v1/bets HTTP/1.1\r\nHost: x\r\nX-Slow: ");
}

static void half_a_body_holds_no_thread(void **state)
{
    served_behind(*state,
                  "POST /v1/bets HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"id\":\"x");
}

static void idling_after_an_answer_holds_no_thread(void **state)
{
    served_behind(*state, HEALTH);
}

/* Each asks for much more than a socket holds, and reads nothing. */
static void an_answer_that_nobody_takes_holds_no_thread(void **state)
{
    struct bytes many;
    int i;

    bytes_init(&many);
    for (i = 0; i < 200; i++) {
        bytes_append(&many, "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", 40);
    }
    bytes_append_u8(&many, 0);
    served_behind(*state, (char *)many.base);
    bytes_release(&many);
}

/* One who gets on with it stays, whatever the crowd does around it. */
static void the_busy_keep_their_connection(void **state)
{
    struct room *r = *state;
    int fd = dial(r);
    int fresh, i;

    say(fd, HEALTH);
    assert_true(answers(fd));
    crowd(r, "GET /");
    fresh = dial(r);
    for (i = 0; i < 300; i++) {
        say(fd, HEALTH);
        assert_true(answers(fd));
    }
    say(fresh, HEALTH);
    assert_true(answers(fresh)); /* the crowd was there, and made room */
    close(fresh);
    close(fd);
    disperse(r);
}

/* ... and one with a key may even take a rest: those without go first. */
static void the_crowd_does_not_push_out_who_has_a_key(void **state)
{
    static const char call[] = "GET /v1/players/alice/balances HTTP/1.1\r\nHost: x\r\n"
                               "Authorization: Bearer provider.0123456789abcdef\r\n\r\n";
    struct room *r = *state;
    int fd = dial(r);
    int i;

    say(fd, call);
    assert_true(hears(fd, "\"balances\""));
    for (i = 0; i < 3; i++) {
        served_behind(r, "GET /"); /* waits until some of the crowd are cut */
    }
    say(fd, call);
    assert_true(hears(fd, "\"balances\""));
    close(fd);
}

/* As many as there are threads, but one: nobody is in the way of anybody. */
static void the_idle_stay_while_there_is_room(void **state)
{
    struct room *r = *state;
    struct timespec pause = {.tv_nsec = 5 * SEATS_GRACE_MS * 1000000L};
    int fds[THREADS - 1];
    size_t i;

    for (i = 0; i < THREADS - 1; i++) {
        fds[i] = dial(r);
        say(fds[i], HEALTH);
        assert_true(answers(fds[i]));
    }
    nanosleep(&pause, NULL);
    for (i = 0; i < THREADS - 1; i++) {
        say(fds[i], HEALTH);
        assert_true(answers(fds[i]));
        close(fds[i]);
    }
}

#define BALANCE                                                                                    \
    "GET /v1/players/alice/balances HTTP/1.1\r\nHost: x\r\n"                                       \
    "Authorization: Bearer provider.0123456789abcdef\r\n\r\n"

struct regular {
    pthread_t thread;
    struct room *room;
    const char *call, *answer;
    atomic_bool *stop;
};

/* Asks all the time, on one connection for as long as the server leaves it open. */
static void *ask_on(void *context)
{
    struct regular *g = context;
    int fd = dial(g->room);

    while (!atomic_load(g->stop)) {
        say(fd, g->call);
        if (!hears(fd, g->answer)) {
            close(fd);
            fd = dial(g->room);
        }
    }
    close(fd);
    return NULL;
}

/* On every thread sits one who asks this all the time: the next one has its turn all the same. */
static void served_among(struct room *r, const char *call, const char *answer)
{
    struct regular regulars[THREADS + 2];
    atomic_bool stop = false;
    int i, fd;

    for (i = 0; i < THREADS + 2; i++) {
        regulars[i] = (struct regular){.room = r, .call = call, .answer = answer, .stop = &stop};
        assert_int_equal(pthread_create(&regulars[i].thread, NULL, ask_on, &regulars[i]), 0);
    }
    for (i = 0; i < 3; i++) {
        fd = dial(r);
        say(fd, BALANCE);
        assert_true(hears(fd, "\"balances\":[]}"));
        close(fd);
    }
    atomic_store(&stop, true);
    for (i = 0; i < THREADS + 2; i++) {
        pthread_join(regulars[i].thread, NULL);
    }
}

/* Busy clients with keys are not cut. */
static void those_who_wait_have_their_turn(void **state)
{
    served_among(*state, BALANCE, "\"balances\":[]}");
}

/* Who has no key and never idles can't be cut for that, but has no right to stay. */
static void the_busy_without_a_key_leave_the_door_open(void **state)
{
    served_among(*state, HEALTH, "\"alive\"}");
}

/* A call that waits for the ledger is ours to end, not the client's. */
static void a_call_under_way_is_not_cut(void **state)
{
    static const char call[] = "GET /v1/players/alice/balances HTTP/1.1\r\nHost: x\r\n"
                               "Authorization: Bearer provider.0123456789abcdef\r\n"
                               "Florin-Timeout-Ms: 2000\r\n\r\n";
    struct room *r = *state;
    struct pollfd p = {.events = POLLIN};
    char answer[64] = "";

    backend_set_mode(&r->backend, LEAVE_QUEUED);
    p.fd = dial(r);
    say(p.fd, call);
    crowd(r, "GET /");
    assert_int_equal(poll(&p, 1, LIMIT_MS), 1);
    assert_true(recv(p.fd, answer, sizeof answer - 1, 0) > 0);
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    close(p.fd);
    disperse(r);
    backend_set_mode(&r->backend, SERVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silence_holds_no_thread),
        cmocka_unit_test(half_a_head_holds_no_thread),
        cmocka_unit_test(half_a_body_holds_no_thread),
        cmocka_unit_test(idling_after_an_answer_holds_no_thread),
        cmocka_unit_test(an_answer_that_nobody_takes_holds_no_thread),
        cmocka_unit_test(the_busy_keep_their_connection),
        cmocka_unit_test(the_crowd_does_not_push_out_who_has_a_key),
        cmocka_unit_test(the_idle_stay_while_there_is_room),
        cmocka_unit_test(those_who_wait_have_their_turn),
        cmocka_unit_test(the_busy_without_a_key_leave_the_door_open),
        cmocka_unit_test(a_call_under_way_is_not_cut),
    };

    return cmocka_run_group_tests(tests, open_room, close_room);
}
