/* The HTTPS listener: bytes and their ends, room, and who a client is. */
#define _GNU_SOURCE 1 /* POLLRDHUP */
#include <fcntl.h>

#include "tests/unit/https_scene.h"

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

/* ... even to one who reads slowly, and says more when the server has gone: a socket that is closed
 * with that unread would take back what is still on its way. */
static void what_comes_too_late_costs_no_answer(void **state)
{
    struct scene *s = *state;
    const int small = 32768;
    char *data = calloc(1, CHUNK);
    struct tls_client c;
    size_t heard = 0;
    ssize_t n;

    atomic_store(&s->manner, TALK);
    c = enter(s);
    setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    client_say(&c, "x", 1);
    await_accepted(s, 1);
    while (atomic_load(&s->going) > 0) {
        usleep(1000);
    }
    usleep(100000); /* so that it would be closed by now, if it were closed at once */
    client_say(&c, data, CHUNK);
    while ((n = client_hear(&c, data, CHUNK)) > 0) {
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
    const struct CMUnitTest tests[] = {
        IN_A_SCENE(bytes_pass_both_ways),
        IN_A_SCENE(a_client_that_does_not_read_is_not_read_from),
        IN_A_SCENE(a_client_may_end_its_part_first),
        IN_A_SCENE(the_last_answer_arrives),
        IN_A_SCENE(what_comes_too_late_costs_no_answer),
        IN_A_SCENE(a_server_that_hangs_up_ends_it),
        IN_A_SCENE(the_silent_make_room),
        cmocka_unit_test(a_client_is_known_by_its_port_and_once),
        IN_A_SCENE(who_has_gone_is_still_known),
        cmocka_unit_test(it_stops_under_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
