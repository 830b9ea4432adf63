/* The HTTPS listener alone, between clients and a server that does as it is told. Included by tests
 * only. */
#ifndef FLORIN_HTTPS_SCENE_H
#define FLORIN_HTTPS_SCENE_H

#include <pthread.h>
#include <stdatomic.h>

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
enum { TALK_BYTES = 400 << 10 };

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

static inline char pattern(size_t at)
{
    return (char)(at * 2654435761U >> 13);
}

static inline void send_all(int fd, const char *data, size_t len)
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

static inline void talk(int fd)
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

static inline void *serve(void *context)
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

static inline void *accept_all(void *context)
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

static inline void open_scene_with(struct scene *s, unsigned handshake_ms, unsigned idle_ms)
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

static inline void close_scene(struct scene *s)
{
    https_close(s->https);
    shutdown(s->listen_fd, SHUT_RDWR);
    close(s->listen_fd);
    pthread_join(s->thread, NULL);
    atomic_store(&s->go_on, true); /* also when a test failed before it got there */
    while (atomic_load(&s->going) > 0) {
        usleep(1000);
    }
    https_clients_free(s->clients);
    metrics_free(s->metrics);
    papers_remove(&s->papers);
    free(s);
}

static inline int set_up(void **state)
{
    struct scene *s = calloc(1, sizeof *s);

    assert_non_null(s);
    open_scene_with(s, 60000, 60000);
    *state = s;
    return 0;
}

static inline int tear_down(void **state)
{
    close_scene(*state);
    return 0;
}

static inline struct tls_client enter(struct scene *s)
{
    return client_open(&s->papers, NULL, https_port(s->https));
}

static inline void await_accepted(struct scene *s, unsigned n)
{
    int tries = PATIENCE_S * 100;

    while (atomic_load(&s->accepted) < n && tries-- > 0) {
        usleep(10000);
    }
    assert_int_equal(atomic_load(&s->accepted), n);
}

/* A figure of the metrics' text. */
static inline unsigned long figure(struct scene *s, const char *name)
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

static inline void await_figure(struct scene *s, const char *name, unsigned long value)
{
    int tries = PATIENCE_S * 100;

    while (figure(s, name) != value && tries-- > 0) {
        usleep(10000);
    }
    assert_int_equal(figure(s, name), value);
}

#define IN_A_SCENE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

#endif
