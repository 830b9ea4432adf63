#define _GNU_SOURCE 1 /* SCHED_BATCH */
#include "api/server.h"

#include <civetweb.h>
#include <pthread.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "api/connection.h"
#include "api/descriptors.h"
#include "api/routes.h"
#include "api/time.h"

enum {
    HEADER_MAX = 16384,
    THREADS_DEFAULT = 512,
    ACCEPT_QUEUE = 1024,
    LARGE_BODIES = 4, /* taken apart at once: some 3 MiB each, 7 MiB at most */
    STOP_WAIT_S = TIMEOUT_MAX_MS / 1000 + 5, /* longer than any call may take */
};

struct api_server {
    struct api api;
    struct origins origins;
    struct pace pace;
    struct turns bodies;
    uint8_t box_key[BOX_KEY_BYTES];
    struct connection_limits limits;
    struct seats *seats;
    struct mg_context *context;
    struct https *https; /* NULL: none */
    unsigned port, inner_port;
    char listen[256];       /* as the options say */
    char last_message[256]; /* CivetWeb's, while it starts: why it could not */
    atomic_bool started;

    atomic_uint under_way; /* requests */
    atomic_bool stopping;
    pthread_mutex_t lock; /* for waiting until none is under way */
    pthread_cond_t idle;
    pthread_cond_t rested; /* stopping: nobody rests any more */
};

static struct api_server *server_of(const struct mg_connection *conn)
{
    return mg_get_user_data(mg_get_context(conn));
}

/* Without the lock, which hundreds of workers would meet at twice for each request. Whoever stops
 * says so before it looks at the number, and the last to leave lowers the number before it looks
 * whether that was said: one of the two sees the other. */
static bool enter(struct api_server *s)
{
    atomic_fetch_add(&s->under_way, 1);
    return atomic_load(&s->stopping);
}

static void leave(struct api_server *s)
{
    if (atomic_fetch_sub(&s->under_way, 1) == 1 && atomic_load(&s->stopping)) {
        pthread_mutex_lock(&s->lock);
        pthread_cond_signal(&s->idle);
        pthread_mutex_unlock(&s->lock);
    }
}

/* The worker with it: it serves no other connection meanwhile. */
static void rest(struct api_server *s, uint64_t us)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(us % 1000000) * 1000;
    until.tv_sec += (time_t)(us / 1000000) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&s->lock);
    while (!atomic_load(&s->stopping) &&
           pthread_cond_timedwait(&s->rested, &s->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&s->lock);
}

/* Answers every request itself, so nothing else that CivetWeb can do (files, directories, CGI,
 * CORS, authentication) is ever reached. */
static int on_request(struct mg_connection *conn)
{
    struct api_server *s = server_of(conn);
    struct worker *w = mg_get_thread_pointer(conn);
    bool stopping = enter(s);
    int status = connection_serve(conn, w, &s->api, &s->limits, stopping);

    leave(s);
    if (w->rest_us > 0) {
        rest(s, w->rest_us);
    }
    return status;
}

static int on_error(struct mg_connection *conn, int status, const char *message)
{
    struct api_server *s = server_of(conn);

    enter(s);
    connection_refuse(conn, mg_get_thread_pointer(conn), &s->api, status, message);
    leave(s);
    return 0;
}

static int on_message(const struct mg_connection *conn, const char *message)
{
    struct api_server *s = server_of(conn);
    char text[256];
    size_t i;

    snprintf(text, sizeof text, "%s", message);
    for (i = 0; text[i] != '\0'; i++) {
        if (text[i] == '"' || text[i] < ' ') {
            text[i] = '\'';
        }
    }
    if (!atomic_load(&s->started)) {
        memcpy(s->last_message, text, sizeof text);
    }
    report(s->api.reporter, LEVEL_WARN, "api", "the web server says", "text=\"%s\"", text);
    return 1;
}

/* A worker that has something to do does not interrupt who is doing something: hundreds of them
 * would, several times for each request, and mostly each other. Only a hint to the scheduler. */
static void stand_back(void)
{
    (void)sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){.sched_priority = 0});
}

static void *on_thread_start(const struct mg_context *context, int type)
{
    struct api_server *s = mg_get_user_data(context);

    if (type != 1) {
        return NULL;
    }
    stand_back();
    return worker_new(s->seats);
}

static void on_thread_end(const struct mg_context *context, int type, void *worker)
{
    (void)context;
    (void)type;
    worker_free(worker);
}

static int on_connection(const struct mg_connection *conn, void **data)
{
    struct worker *w = mg_get_thread_pointer(conn);

    (void)data;
    worker_begin(w, conn);
    return 0;
}

static void on_connection_end(const struct mg_connection *conn)
{
    struct worker *w = mg_get_thread_pointer(conn);

    seats_leave(w->seats, w->seat);
}

static unsigned connections_max(unsigned num_threads)
{
    /* And the one that waits for room in the queue. */
    return (num_threads == 0 ? THREADS_DEFAULT : num_threads) + ACCEPT_QUEUE + 1;
}

static unsigned keep_alive_ms(const struct api_server_options *o)
{
    return o->keep_alive_timeout_ms == 0 ? 60000 : o->keep_alive_timeout_ms;
}

static int start_civetweb(struct api_server *s, const struct api_server_options *o,
                          struct fault *fault)
{
    char threads[16], request_timeout[16], keep_alive_timeout[16], header_max[16], queue[16];
    char listen[256];
    const char *options[] = {
        "listening_ports",
        listen,
        "num_threads",
        threads,
        "request_timeout_ms",
        request_timeout,
        "keep_alive_timeout_ms",
        keep_alive_timeout,
        "enable_keep_alive",
        "yes",
        "tcp_nodelay",
        "1",
        "max_request_size",
        header_max,
        "connection_queue",
        queue,
        "listen_backlog",
        queue,
        "decode_url",
        "no",
        "enable_directory_listing",
        "no",
        "enable_auth_domain_check",
        "no",
        NULL,
    };
    const struct mg_callbacks callbacks = {.begin_request = on_request,
                                           .http_error = on_error,
                                           .log_message = on_message,
                                           .init_thread = on_thread_start,
                                           .init_connection = on_connection,
                                           .connection_close = on_connection_end,
                                           .exit_thread = on_thread_end};
    char why[256] = "";
    struct mg_init_data init = {
        .callbacks = &callbacks, .user_data = s, .configuration_options = options};
    struct mg_error_data error = {.text = why, .text_buffer_size = sizeof why};
    struct mg_server_port ports[2];
    int n_ports = o->https_listen == NULL ? 1 : 2;

    snprintf(listen, sizeof listen, "%s%s", o->listen,
             o->https_listen == NULL ? "" : "," HTTPS_INNER_ADDRESS ":0");
    snprintf(threads, sizeof threads, "%u", o->num_threads == 0 ? THREADS_DEFAULT : o->num_threads);
    snprintf(request_timeout, sizeof request_timeout, "%u", s->limits.body_timeout_ms);
    snprintf(keep_alive_timeout, sizeof keep_alive_timeout, "%u", keep_alive_ms(o));
    snprintf(header_max, sizeof header_max, "%d", HEADER_MAX);
    snprintf(queue, sizeof queue, "%d", ACCEPT_QUEUE);

    s->context = mg_start2(&init, &error);
    if (s->context == NULL) {
        return fault_set(fault, "can't serve HTTP on %s: %s%s%s. Is the address right, and free?",
                         o->listen, why, s->last_message[0] == '\0' ? "" : ": ", s->last_message);
    }
    atomic_store(&s->started, true);
    if (mg_get_server_ports(s->context, n_ports, ports) != n_ports) {
        return fault_set(fault, "the web server does not tell its ports");
    }
    s->port = (unsigned)ports[0].port;
    s->inner_port = n_ports == 1 ? 0 : (unsigned)ports[1].port;
    return 0;
}

static int start_https(struct api_server *s, const struct api_server_options *o,
                       struct fault *fault)
{
    const struct https_options options = {
        .listen = o->https_listen,
        .files = o->https_files,
        .server_port = (uint16_t)s->inner_port,
        .connections_max = connections_max(o->num_threads),
        .handshake_timeout_ms = s->limits.body_timeout_ms,
        .idle_timeout_ms = keep_alive_ms(o),
        .answer_timeout_ms = s->limits.body_timeout_ms,
        .clients = s->api.https_clients,
        .metrics = s->api.metrics,
        .reporter = o->reporter,
    };

    if (o->https_listen == NULL) {
        return 0;
    }
    https_clients_keep_port(s->api.https_clients, options.server_port);
    return https_open(&s->https, &options, fault);
}

/* CivetWeb's threads look every two seconds whether they are to stop, or when something happens. */
static void wake_civetweb(struct api_server *s)
{
    seats_clear(s->seats);
    descriptors_shut_listener(s->listen, (int)s->port);
}

static void release(struct api_server *s)
{
    seats_stop(s->seats);
    if (s->context != NULL) {
        wake_civetweb(s);
        mg_stop(s->context);
    }
    https_close(s->https);
    mg_exit_library();
    seats_free(s->seats);
    pthread_cond_destroy(&s->rested);
    pthread_cond_destroy(&s->idle);
    pthread_mutex_destroy(&s->lock);
    credentials_free(s->api.credentials);
    metrics_free(s->api.metrics);
    limiter_free(s->api.limiter);
    streams_free(s->api.streams);
    passwords_free(s->api.passwords);
    turns_release(&s->bodies);
    sodium_memzero(s->box_key, sizeof s->box_key);
    https_clients_free(s->api.https_clients);
    free(s);
}

unsigned api_server_descriptors_max(unsigned num_threads, bool https)
{
    return connections_max(num_threads) * (https ? 3 : 1);
}

static void make_parts(struct api_server *s, const struct api_server_options *options)
{
    struct limiter *limiter = limiter_new();
    unsigned threads = options->num_threads == 0 ? THREADS_DEFAULT : options->num_threads;
    unsigned streams = options->max_streams == 0 ? (threads + 3) / 4 : options->max_streams;

    origins_init(&s->origins);
    turns_init(&s->bodies, LARGE_BODIES);
    if (options->box_key != NULL) {
        memcpy(s->box_key, options->box_key, sizeof s->box_key);
    }
    s->api = (struct api){
        .gate = options->gate,
        .credentials = credentials_new(options->gate, limiter, options->box_key),
        .metrics = metrics_new(routes_count),
        .limiter = limiter,
        .pace = &s->pace,
        .bodies = &s->bodies,
        .streams = streams_new(streams),
        .passwords = passwords_new(),
        .origins = &s->origins,
        .reporter = options->reporter,
        .started_ms = time_now_ms(),
        .deadline_ms = options->deadline_ms == 0 ? 5000 : options->deadline_ms,
        .slow_ms = options->slow_request_ms == 0 ? 1000 : options->slow_request_ms,
        .vault = options->vault == NULL ? (struct vault){NULL} : *options->vault,
        .box_key = options->box_key == NULL ? NULL : s->box_key,
    };
    s->api.https_clients = https_clients_new();
    s->seats = seats_new(threads, s->api.metrics, options->reporter);
}

static int trust_proxies(struct api_server *s, const struct api_server_options *options,
                         struct fault *fault)
{
    unsigned i;

    for (i = 0; i < options->n_trusted_proxies; i++) {
        if (proxies_add(&s->api.proxies, options->trusted_proxies[i]) != 0) {
            return fault_set(fault, "%s: not an address, or one of more than %d trusted proxies",
                             options->trusted_proxies[i], PROXIES_MAX);
        }
    }
    return 0;
}

int api_server_start(struct api_server **server, const struct api_server_options *options,
                     struct fault *fault)
{
    struct api_server *s;
    pthread_condattr_t attributes;

    *server = NULL;
    if (sodium_init() < 0) {
        return fault_set(fault, "libsodium can't start: is there no source of random numbers?");
    }
    s = calloc(1, sizeof *s);
    if (s == NULL) {
        return fault_set(fault, "out of memory");
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&s->idle, &attributes);
    pthread_cond_init(&s->rested, &attributes);
    pthread_condattr_destroy(&attributes);

    make_parts(s, options);
    snprintf(s->listen, sizeof s->listen, "%s", options->listen);
    s->limits.max_body = options->max_body == 0 ? 1 << 20 : options->max_body;
    s->limits.body_timeout_ms =
        options->request_timeout_ms == 0 ? 10000 : options->request_timeout_ms;
    /* Counted. Without its TLS: Debian's CivetWeb is built for OpenSSL 1.1, finds none beside
     * OpenSSL 3 and crashes on the first connection. Ours is in https.h. */
    mg_init_library(0);

    if (trust_proxies(s, options, fault) != 0 || start_civetweb(s, options, fault) != 0 ||
        start_https(s, options, fault) != 0) {
        release(s);
        return -1;
    }
    *server = s;
    return 0;
}

unsigned api_server_port(const struct api_server *server)
{
    return server->port;
}

unsigned api_server_https_port(const struct api_server *server)
{
    return https_port(server->https);
}

int api_server_reload(struct api_server *server, const struct https_files *files, int64_t *valid_s,
                      struct fault *fault)
{
    if (https_reload(server->https, files, fault) != 0) {
        return -1;
    }
    *valid_s = https_valid_s(server->https);
    return 0;
}

void api_server_stop(struct api_server *server)
{
    struct timespec until;

    if (server == NULL) {
        return;
    }
    /* mg_stop cuts answers short that are being sent: first let them end. */
    streams_stop(server->api.streams);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += STOP_WAIT_S;
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->stopping, true);
    pthread_cond_broadcast(&server->rested);
    while (atomic_load(&server->under_way) > 0 &&
           pthread_cond_timedwait(&server->idle, &server->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&server->lock);
    release(server);
}
