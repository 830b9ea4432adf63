#define _GNU_SOURCE 1 /* accept4 */
#include "api/https.h"

#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/https_private.h"
#include "api/https_tls.h"

enum {
    BACKLOG = 1024,
    ACCEPTS = 16, /* in one turn of the loop: a handshake costs a fraction of a millisecond */
    TICK_MS = 20,
    GRACE_MS = 100, /* nobody is cut who has been waited for less */
    SAY_EVERY_MS = 10000,
    STOP_MS = 2000,
};

static uint64_t now_ms(const struct https *h)
{
    return uv_now(&h->loop);
}

/* ---- links ---- */

void https_failed(struct https *h, const struct link *l, const char *why)
{
    char from[NETWORK_TEXT_MAX];

    metrics_count_https_failed(h->options.metrics);
    h->unsaid++;
    if (h->said_ms != 0 && now_ms(h) - h->said_ms < SAY_EVERY_MS) {
        return;
    }
    address_print(l->address, from);
    report(h->options.reporter, LEVEL_INFO, "api", "TLS handshakes of clients failed",
           "count=%u from=%s why=\"%s\"", h->unsaid, from, why);
    h->said_ms = now_ms(h);
    h->unsaid = 0;
}

static void on_tick(uv_timer_t *tick);

void https_link_began(struct https *h, struct link *l)
{
    l->prev = h->newest;
    if (h->newest != NULL) {
        h->newest->next = l;
    } else {
        h->oldest = l;
    }
    h->newest = l;
    h->n_links++;
    metrics_count_https(h->options.metrics, h->n_links);
    if (!uv_is_active((uv_handle_t *)&h->tick)) {
        uv_timer_start(&h->tick, on_tick, TICK_MS, TICK_MS);
    }
}

void https_link_ended(struct https *h, struct link *l)
{
    *(l->prev != NULL ? &l->prev->next : &h->oldest) = l->next;
    *(l->next != NULL ? &l->next->prev : &h->newest) = l->prev;
    h->n_links--;
    metrics_set_https_connections(h->options.metrics, h->n_links);
}

/* Makes room for one; false when nobody may be cut. */
static bool make_room(struct https *h)
{
    struct link *longest = NULL;
    struct link *l;

    for (l = h->oldest; l != NULL; l = l->next) {
        if (link_waits(l) && now_ms(h) - l->since_ms >= GRACE_MS &&
            (longest == NULL || l->since_ms < longest->since_ms)) {
            longest = l;
        }
    }
    if (longest == NULL) {
        return false;
    }
    metrics_count_cut(h->options.metrics);
    link_cut(longest);
    return true;
}

/* ---- listening ---- */

static void on_listener(uv_poll_t *poll, int status, int events);

static void listen_again(struct https *h)
{
    if (!h->listens && h->stop_by_ms == 0) {
        h->listens = uv_poll_start(&h->listener, UV_READABLE, on_listener) == 0;
    }
}

/* Until the next tick. */
static void listen_later(struct https *h)
{
    uv_poll_stop(&h->listener);
    h->listens = false;
    uv_timer_start(&h->tick, on_tick, TICK_MS, TICK_MS);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct https *h = poll->data;
    int i;

    (void)events;
    if (status != 0) {
        listen_later(h);
        return;
    }
    for (i = 0; i < ACCEPTS; i++) {
        struct sockaddr_storage from;
        socklen_t len = sizeof from;
        int fd;

        if (h->n_links >= h->options.connections_max && !make_room(h)) {
            listen_later(h);
            return;
        }
        fd = accept4(h->listen_fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            link_begin(h, fd, (struct sockaddr *)&from);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            listen_later(h);
            return;
        } /* else that one was gone before we came */
    }
}

static int listen_on(struct https *h, const struct addrinfo *at)
{
    const int one = 1;
    struct sockaddr_storage own;
    socklen_t len = sizeof own;

    h->listen_fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (h->listen_fd < 0 ||
        setsockopt(h->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(h->listen_fd, at->ai_addr, at->ai_addrlen) != 0 ||
        listen(h->listen_fd, BACKLOG) != 0 ||
        getsockname(h->listen_fd, (struct sockaddr *)&own, &len) != 0) {
        return -1;
    }
    h->port = ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                              : ((struct sockaddr_in *)&own)->sin_port);
    return 0;
}

/* "host:port" or "[host]:port". */
static int open_listener(struct https *h, struct fault *fault)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    const char *text = h->options.listen;
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    struct addrinfo *list = NULL;
    char host[256];
    int rv = -1;

    if (colon == NULL || (bracketed && (colon == text || colon[-1] != ']'))) {
        return fault_set(fault, "https_listen: %s is no HOST:PORT", text);
    }
    snprintf(host, sizeof host, "%.*s", (int)(colon - text) - 2 * bracketed, text + bracketed);
    rv = getaddrinfo(host, colon + 1, &hints, &list);
    if (rv != 0) {
        return fault_set(fault, "can't serve HTTPS on %s: %s", text, gai_strerror(rv));
    }
    rv = listen_on(h, list);
    if (rv != 0) {
        fault_set(fault, "can't serve HTTPS on %s: %s. Is the address right, and free?", text,
                  strerror(errno));
    }
    freeaddrinfo(list);
    return rv;
}

/* ---- time, and the end ---- */

static void end_if_empty(struct https *h)
{
    if (h->stop_by_ms != 0 && h->n_links == 0 && !uv_is_closing((uv_handle_t *)&h->tick)) {
        uv_close((uv_handle_t *)&h->tick, NULL);
        uv_close((uv_handle_t *)&h->wake, NULL);
    }
}

static void on_tick(uv_timer_t *tick)
{
    struct https *h = tick->data;
    struct link *l, *next;

    for (l = h->oldest; l != NULL; l = next) {
        next = l->next; /* a look ends at most the link that is looked at */
        if (h->stop_by_ms != 0 && now_ms(h) >= h->stop_by_ms) {
            link_drop(l);
        } else {
            link_look(l);
        }
    }
    listen_again(h);
    if (h->n_links == 0) {
        uv_timer_stop(&h->tick);
    }
    end_if_empty(h);
}

static void on_wake(uv_async_t *wake)
{
    struct https *h = wake->data;
    struct link *l, *next;

    if (!atomic_load(&h->stopping) || h->stop_by_ms != 0) {
        return;
    }
    h->stop_by_ms = now_ms(h) + STOP_MS;
    uv_close((uv_handle_t *)&h->listener, NULL);
    close(h->listen_fd);
    h->listen_fd = -1;
    for (l = h->oldest; l != NULL; l = next) {
        next = l->next;
        if (link_waits(l) && l->stage != LINK_FLUSHING) {
            link_cut(l);
        }
    }
    end_if_empty(h);
}

static void *run(void *context)
{
    struct https *h = context;

    uv_run(&h->loop, UV_RUN_DEFAULT);
    return NULL;
}

/* Signals are the node's loop's; this thread has none of them, not even SIGPIPE: OpenSSL writes
 * where nobody reads any more. */
static int start_thread(struct https *h)
{
    sigset_t all, before;
    int rv;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rv = pthread_create(&h->thread, NULL, run, h);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rv;
}

static int start_loop(struct https *h, struct fault *fault)
{
    int rv = uv_loop_init(&h->loop);

    if (rv == 0 && ((rv = uv_async_init(&h->loop, &h->wake, on_wake)) != 0 ||
                    (rv = uv_timer_init(&h->loop, &h->tick)) != 0 ||
                    (rv = uv_poll_init(&h->loop, &h->listener, h->listen_fd)) != 0)) {
        abort(); /* at start, with nothing to lose */
    }
    if (rv != 0) {
        return fault_set(fault, "can't start the loop of HTTPS: %s", uv_strerror(rv));
    }
    h->wake.data = h->tick.data = h->listener.data = h;
    listen_again(h);
    if ((rv = start_thread(h)) != 0) {
        return fault_set(fault, "can't start the thread of HTTPS: %s", strerror(rv));
    }
    return 0;
}

/* ---- */

static const char *why_not_now(const SSL_CTX *context)
{
    int64_t now = time(NULL);

    if (https_tls_begins_s(context) > now) {
        return "it does not hold yet: is the clock right?";
    }
    return https_tls_ends_s(context) < now ? "it has ended" : NULL;
}

static void release(struct https *h)
{
    SSL_CTX_free(h->context);
    pthread_mutex_destroy(&h->lock);
    if (h->listen_fd >= 0) {
        close(h->listen_fd);
    }
    free(h);
}

int https_open(struct https **https, const struct https_options *options, struct fault *fault)
{
    struct https *h = calloc(1, sizeof *h);
    const char *why;

    *https = NULL;
    if (h == NULL) {
        return fault_set(fault, "out of memory");
    }
    h->options = *options;
    h->listen_fd = -1;
    pthread_mutex_init(&h->lock, NULL);
    h->context = https_tls_open(&options->files, fault);
    if (h->context == NULL || open_listener(h, fault) != 0 || start_loop(h, fault) != 0) {
        release(h);
        return -1;
    }
    why = why_not_now(h->context);
    if (why != NULL) {
        report(options->reporter, LEVEL_WARN, "api", "clients will refuse the certificate of HTTPS",
               "file=\"%s\" why=\"%s\"", options->files.certificate, why);
    }
    metrics_set_https_end(options->metrics, https_tls_ends_s(h->context));
    *https = h;
    return 0;
}

unsigned https_port(const struct https *h)
{
    return h->port;
}

int https_reload(struct https *h, const struct https_files *files, struct fault *fault)
{
    SSL_CTX *fresh = https_tls_open(files, fault);
    const char *why = fresh == NULL ? NULL : why_not_now(fresh);
    SSL_CTX *old;

    if (why != NULL) {
        fault_set(fault, "%s: %s", files->certificate, why);
        SSL_CTX_free(fresh);
        return -1;
    }
    if (fresh == NULL) {
        return -1;
    }
    metrics_set_https_end(h->options.metrics, https_tls_ends_s(fresh));
    pthread_mutex_lock(&h->lock);
    old = h->context;
    h->context = fresh;
    pthread_mutex_unlock(&h->lock);
    SSL_CTX_free(old); /* connections that use it keep it */
    return 0;
}

int64_t https_valid_s(struct https *h)
{
    int64_t ends;

    pthread_mutex_lock(&h->lock);
    ends = https_tls_ends_s(h->context);
    pthread_mutex_unlock(&h->lock);
    return ends - time(NULL);
}

void https_close(struct https *h)
{
    if (h == NULL) {
        return;
    }
    atomic_store(&h->stopping, true);
    uv_async_send(&h->wake);
    pthread_join(h->thread, NULL);
    uv_loop_close(&h->loop);
    release(h);
}
