/* florinctl's calls against scripted nodes. A node here is a socket and a list of what to do with
 * each request it gets. Included by tests only, which define _GNU_SOURCE for strcasestr. */
#ifndef FLORIN_CTL_FIXTURE_H
#define FLORIN_CTL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster-config/ctl.h"

enum { HANG_UP = 0, VANISH = -1, SCRIPT_MAX = 16, REQUEST_MAX = 4096, TEST_TIMEOUT_MS = 10000 };

struct reply_line {
    int status; /* HANG_UP: the request is read, then the connection is closed; VANISH: and nobody
                   listens any more */
    const char *body;
};

struct node {
    int listener;
    int stop[2];
    pthread_t thread;
    unsigned port;
    struct reply_line script[SCRIPT_MAX]; /* the last one is repeated */
    unsigned n_script;

    pthread_mutex_t lock; /* guards what follows, until the answer to a request is read */
    unsigned requests;
    char last[REQUEST_MAX];
    char first[REQUEST_MAX];
};

/* Reads one request with its body; false at the end of the connection. */
static inline bool read_request(int fd, char request[static REQUEST_MAX])
{
    size_t len = 0;

    for (;;) {
        ssize_t n = read(fd, request + len, REQUEST_MAX - 1 - len);
        if (n <= 0) {
            return false;
        }
        len += (size_t)n;
        request[len] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strcasestr(request, "content-length:");
        if (end != NULL) {
            size_t body = length == NULL ? 0 : strtoul(length + 15, NULL, 10);
            if ((size_t)(request + len - end) >= 4 + body) {
                return true;
            }
        }
    }
}

static inline void answer(struct node *n, int fd)
{
    char request[REQUEST_MAX];
    char reply[16384];

    while (read_request(fd, request)) {
        pthread_mutex_lock(&n->lock);
        unsigned i = n->requests < n->n_script ? n->requests : n->n_script - 1;
        snprintf(n->last, sizeof n->last, "%s", request);
        if (n->requests++ == 0) {
            snprintf(n->first, sizeof n->first, "%s", request);
        }
        pthread_mutex_unlock(&n->lock);
        const struct reply_line *line = &n->script[i];
        if (line->status == VANISH) {
            shutdown(n->listener, SHUT_RDWR);
        }
        if (line->status == HANG_UP || line->status == VANISH) {
            return;
        }
        int len = snprintf(reply, sizeof reply, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n\r\n%s",
                           line->status, strlen(line->body), line->body);
        if (write(fd, reply, (size_t)len) != len) {
            return;
        }
    }
}

static inline void *serve(void *context)
{
    struct node *n = context;
    struct pollfd wait[2] = {{n->listener, POLLIN, 0}, {n->stop[0], POLLIN, 0}};

    for (;;) {
        poll(wait, 2, -1);
        if (wait[1].revents != 0) {
            return NULL;
        }
        int fd = accept(n->listener, NULL, NULL);
        if (fd >= 0) {
            answer(n, fd);
            close(fd);
        }
    }
}

static inline void node_open(struct node *n)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    n->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(n->listener >= 0);
    assert_int_equal(bind(n->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(n->listener, 8), 0);
    assert_int_equal(getsockname(n->listener, (struct sockaddr *)&address, &len), 0);
    n->port = ntohs(address.sin_port);
    assert_int_equal(pipe(n->stop), 0);
    pthread_mutex_init(&n->lock, NULL);
    assert_int_equal(pthread_create(&n->thread, NULL, serve, n), 0);
}

static inline void node_close(struct node *n)
{
    assert_int_equal(write(n->stop[1], "x", 1), 1);
    pthread_join(n->thread, NULL);
    close(n->stop[0]);
    close(n->stop[1]);
    close(n->listener);
    pthread_mutex_destroy(&n->lock);
}

/* Two nodes with their scripts and a ctl that knows both. */
struct rig {
    struct node a, b;
    struct ctl ctl;
    struct ctl_reply reply;
};

#define SCRIPT(node, ...)                                                                          \
    do {                                                                                           \
        static const struct reply_line lines[] = {__VA_ARGS__};                                    \
        (node)->n_script = sizeof lines / sizeof lines[0];                                         \
        memcpy((node)->script, lines, sizeof lines);                                               \
    } while (0)

static inline void rig_open(struct rig *r)
{
    node_open(&r->a);
    node_open(&r->b);
    r->ctl.options.timeout_ms = TEST_TIMEOUT_MS;
    snprintf(r->ctl.endpoints[0], sizeof r->ctl.endpoints[0], "http://127.0.0.1:%u", r->a.port);
    snprintf(r->ctl.endpoints[1], sizeof r->ctl.endpoints[1], "http://127.0.0.1:%u", r->b.port);
    r->ctl.n_endpoints = 2;
    snprintf(r->ctl.key, sizeof r->ctl.key, "key.0123456789abcdef");
    assert_int_equal(ctl_http_open(&r->ctl), CTL_OK);
}

static inline void rig_close(struct rig *r)
{
    ctl_reply_release(&r->reply);
    ctl_http_close(&r->ctl); /* its connections first: a node waits for their end */
    node_close(&r->a);
    node_close(&r->b);
}

static inline unsigned requests(struct node *n)
{
    pthread_mutex_lock(&n->lock);
    unsigned requests = n->requests;
    pthread_mutex_unlock(&n->lock);
    return requests;
}

/* What the node got: the lock orders its writing before our reading. */
static inline const char *got(struct node *n, const char *request)
{
    pthread_mutex_lock(&n->lock);
    pthread_mutex_unlock(&n->lock);
    return request;
}

#endif
