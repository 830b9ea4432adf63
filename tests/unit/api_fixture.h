/* What the tests of the API share: a ledger behind a real gate, drained by a thread that stands in
 * for consensus; the HTTP server in front; a client. Included by tests only. */
#ifndef FLORIN_API_FIXTURE_H
#define FLORIN_API_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <curl/curl.h>
#include <jansson.h>
#include <pthread.h>
#include <time.h>

#include "api/credential.h"
#include "api/server.h"
#include "api/time.h"
#include "consensus/gate.h"
#include "tests/unit/ledger_fixture.h"

enum backend_mode {
    SERVE,        /* as a leader does */
    LEAVE_QUEUED, /* takes tickets and does nothing: no leader */
    LEAVE_ENTERED /* takes commands into its "log" and loses them */
};

struct backend {
    struct fixture ledger;
    struct gate *gate;
    struct cluster_status status;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows, and the ledger */
    pthread_cond_t changed;
    bool woken, ending;
    enum backend_mode mode;
    enum ticket_result transfer_result;
    uint64_t transfer_target;
    struct member_change change;    /* the last one that was asked for */
    struct member_answer unchanged; /* why no change is made; reason 0: they are */
    unsigned queries, stale_queries, n_held, n_exempt;
    struct ticket *held;
};

static inline void backend_wake(void *context)
{
    struct backend *b = context;

    pthread_mutex_lock(&b->lock);
    b->woken = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static inline uint64_t backend_now_ms(void *context)
{
    struct timespec now;

    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void backend_publish(struct backend *b)
{
    struct gate_view view = {
        .node_id = 2,
        .leader_id = b->mode == LEAVE_QUEUED ? 0 : 3,
        .applied_seq = machine_sequence(b->ledger.machine),
        .directory_version = machine_directory_version(b->ledger.machine),
        .ready = true,
    };

    gate_publish(b->gate, &view);
}

static inline void backend_fail(const char *what, const struct fault *fault)
{
    fprintf(stderr, "%s: %s\n", what, fault->text);
    abort();
}

static inline void backend_commands(struct backend *b, struct ticket *t)
{
    struct cursor frames = cursor_of(t->in.base, t->in.len);
    struct fixture *f = &b->ledger;
    struct bytes outcome;
    struct slice frame;

    bytes_init(&outcome);
    f->index++;
    f->time_ms++;
    while (frame_next(&frames, &frame)) {
        bytes_clear(&outcome);
        if (machine_apply(f->machine, f->index, f->time_ms, frame.base, frame.len, &outcome,
                          &f->fault) != 0) {
            backend_fail("apply", &f->fault);
        }
        frame_append(&t->out, outcome.base, outcome.len);
    }
    if (machine_end_entry(f->machine, f->index, &f->fault) != 0 ||
        machine_invariants(f->machine, &f->fault) != 0) {
        backend_fail("end of entry", &f->fault);
    }
    bytes_release(&outcome);
}

static inline enum ticket_result backend_serve(struct backend *b, struct ticket *t)
{
    bool broken = false;

    switch (t->kind) {
    case TICKET_COMMANDS:
        backend_commands(b, t);
        return RESULT_OK;
    case TICKET_QUERY:
    case TICKET_STALE_QUERY:
        b->queries += t->kind == TICKET_QUERY;
        b->stale_queries += t->kind == TICKET_STALE_QUERY;
        if (machine_query(b->ledger.machine, t->in.base, t->in.len, &t->out, &broken,
                          &b->ledger.fault) != 0) {
            return RESULT_MALFORMED;
        }
        return RESULT_OK;
    case TICKET_STATUS:
        bytes_append(&t->out, &b->status, sizeof b->status);
        return RESULT_OK;
    case TICKET_TRANSFER:
        b->transfer_target = t->target;
        return b->transfer_result;
    case TICKET_MEMBER:
        if (member_change_decode((struct slice){(const char *)t->in.base, t->in.len}, &b->change,
                                 &b->ledger.fault) != 0) {
            return RESULT_MALFORMED;
        }
        if (b->unchanged.reason != 0) {
            member_answer_encode(&b->unchanged, &t->out);
            return RESULT_REFUSED;
        }
        return RESULT_OK;
    }
    return RESULT_MALFORMED;
}

static inline void backend_take(struct backend *b, struct ticket *t)
{
    bool hold = b->mode != SERVE && t->kind != TICKET_STALE_QUERY && t->kind != TICKET_STATUS;

    b->n_exempt += t->exempt;
    if (b->mode != LEAVE_QUEUED && !ticket_enter(t)) {
        ticket_done(t, RESULT_UNAVAILABLE);
        return;
    }
    if (hold) {
        t->next = b->held;
        b->held = t;
        b->n_held++;
        pthread_cond_broadcast(&b->changed);
        return;
    }
    enum ticket_result result = backend_serve(b, t);
    backend_publish(b);
    ticket_done(t, result);
}

static inline void *backend_run(void *context)
{
    struct backend *b = context;

    pthread_mutex_lock(&b->lock);
    while (!b->ending) {
        if (!b->woken) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        b->woken = false;
        pthread_mutex_unlock(&b->lock); /* the gate wakes us under no lock, but takes its own */
        struct ticket *t = gate_drain(b->gate);
        pthread_mutex_lock(&b->lock);
        while (t != NULL) {
            struct ticket *next = t->next;
            backend_take(b, t);
            t = next;
        }
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static inline void backend_apply(struct backend *b, const struct command *c)
{
    pthread_mutex_lock(&b->lock);
    if (fixture_apply(&b->ledger, c) != 0) {
        backend_fail("apply", &b->ledger.fault);
    }
    assert_int_equal(b->ledger.outcome.verdict, VERDICT_APPLIED);
    backend_publish(b);
    pthread_mutex_unlock(&b->lock);
}

static inline void backend_key(struct backend *b, const char *key, const char *principal,
                               enum role role)
{
    uint8_t hash[SECRET_HASH_BYTES];
    struct command c = {.type = COMMAND_KEY_CREATE, .role = role, .secret_hash = hash};

    c.name = slice_of(key);
    c.principal = slice_of(principal);
    credential_hash(slice_of("0123456789abcdef"), hash);
    backend_apply(b, &c);
}

static inline void backend_create(struct backend *b, enum command_type type, const char *name,
                                  enum role role)
{
    struct command c = {.type = type, .role = role};

    if (type == COMMAND_PLAYER_CREATE) {
        c.player = slice_of(name);
    } else {
        c.name = slice_of(name);
    }
    c.scale = type == COMMAND_CURRENCY_CREATE ? SCALE_DEFAULT : 0;
    backend_apply(b, &c);
}

/* The keys are named as their principals' roles; every secret is 0123456789abcdef. */
static inline void backend_open(struct backend *b)
{
    struct gate_options options = {.node_id = 2,
                                   .max_tickets = 64,
                                   .max_bytes = 8 << 20,
                                   .wake = backend_wake,
                                   .now_ms = backend_now_ms,
                                   .context = b};

    memset(b, 0, sizeof *b);
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->changed, NULL);
    fixture_open(&b->ledger, 7);
    b->ledger.time_ms = UINT64_C(1767225600000); /* 2026-01-01 */
    b->gate = gate_new(&options);
    backend_create(b, COMMAND_CURRENCY_CREATE, "EUR", ROLE_NONE);
    backend_create(b, COMMAND_PRINCIPAL_CREATE, "demo", ROLE_PROVIDER);
    backend_create(b, COMMAND_PRINCIPAL_CREATE, "other", ROLE_PROVIDER);
    backend_create(b, COMMAND_PRINCIPAL_CREATE, "bank", ROLE_GATEWAY);
    backend_create(b, COMMAND_PLAYER_CREATE, "alice", ROLE_NONE);
    backend_key(b, "provider", "demo", ROLE_PROVIDER);
    backend_key(b, "other", "other", ROLE_PROVIDER);
    backend_key(b, "gateway", "bank", ROLE_GATEWAY);
    backend_key(b, "platform", "backoffice", ROLE_PLATFORM);
    backend_key(b, "operator", "ops", ROLE_OPERATOR);
    backend_key(b, "auditor", "eyes", ROLE_AUDITOR);
    pthread_create(&b->thread, NULL, backend_run, b);
}

static inline void backend_set_mode(struct backend *b, enum backend_mode mode)
{
    pthread_mutex_lock(&b->lock);
    b->mode = mode;
    backend_publish(b);
    pthread_mutex_unlock(&b->lock);
}

static inline void backend_close(struct backend *b)
{
    struct ticket *next;

    pthread_mutex_lock(&b->lock);
    b->ending = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    pthread_join(b->thread, NULL);
    for (; b->held != NULL; b->held = next) {
        next = b->held->next;
        ticket_done(b->held, RESULT_UNAVAILABLE);
    }
    if (machine_audit(b->ledger.machine, &b->ledger.fault) != 0) {
        backend_fail("audit", &b->ledger.fault);
    }
    gate_free(b->gate);
    fixture_close(&b->ledger);
    pthread_cond_destroy(&b->changed);
    pthread_mutex_destroy(&b->lock);
}

/* --- the server and a client --- */

struct rig {
    struct backend backend;
    struct api_server *server;
    CURL *curl;
    const char *key;     /* of the next requests; NULL: none */
    const char *headers; /* more header lines (\n between) of the next request, then forgotten */
    long status;
    struct bytes head;        /* of the last answer, NUL-terminated */
    struct bytes body;        /* likewise */
    struct reporter reporter; /* the server's */
    char line[512];           /* the last one that the server logged, with its fields */
    json_t *json;             /* the last answer, when it was JSON */
};

static inline struct rig *rig_of(void **state)
{
    return *state;
}

/* What seals the secrets of hmac keys in tests. */
static const uint8_t rig_box_key[BOX_KEY_BYTES] = "the key of a box that holds keys";

static inline void rig_take_line(struct reporter *reporter, enum level level, const char *room,
                                 const char *message, const char *fields)
{
    struct rig *r = (struct rig *)((char *)reporter - offsetof(struct rig, reporter));

    (void)level;
    (void)room;
    pthread_mutex_lock(&r->backend.lock); /* tests with several clients have several workers */
    snprintf(r->line, sizeof r->line, "%s %s", message, fields);
    pthread_mutex_unlock(&r->backend.lock);
}

/* vault NULL: the server has none. */
static inline int rig_open_with(void **state, const struct vault *vault)
{
    struct rig *r = calloc(1, sizeof *r);
    struct api_server_options options = {.listen = "127.0.0.1:0",
                                         .num_threads = 16,
                                         .request_timeout_ms = 500,
                                         .keep_alive_timeout_ms = 5000,
                                         .box_key = rig_box_key,
                                         .vault = vault};
    struct fault fault;

    if (r == NULL) {
        abort();
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    backend_open(&r->backend);
    r->reporter = (struct reporter){.line = rig_take_line, .least = LEVEL_INFO};
    options.gate = r->backend.gate;
    options.reporter = &r->reporter;
    if (api_server_start(&r->server, &options, &fault) != 0) {
        backend_fail("server", &fault);
    }
    r->curl = curl_easy_init();
    bytes_init(&r->head);
    bytes_init(&r->body);
    *state = r;
    return 0;
}

static inline int rig_open(void **state)
{
    return rig_open_with(state, NULL);
}

static inline int rig_close(void **state)
{
    struct rig *r = *state;

    curl_easy_cleanup(r->curl);
    api_server_stop(r->server);
    backend_close(&r->backend);
    json_decref(r->json);
    bytes_release(&r->head);
    bytes_release(&r->body);
    free(r);
    curl_global_cleanup();
    return 0;
}

static inline size_t rig_collect(char *data, size_t size, size_t n, void *into)
{
    bytes_append(into, data, size * n);
    return size * n;
}

/* Sends and takes the answer apart. body NULL: none. */
static inline void rig_send(struct rig *r, const char *method, const char *path, const void *body,
                            size_t len)
{
    struct curl_slist *headers = NULL;
    char url[512];
    char auth[200];

    bytes_clear(&r->head);
    bytes_clear(&r->body);
    json_decref(r->json);
    r->json = NULL;
    curl_easy_reset(r->curl);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", api_server_port(r->server), path);
    curl_easy_setopt(r->curl, CURLOPT_URL, url);
    curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(r->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(r->curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, rig_collect);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, &r->body);
    curl_easy_setopt(r->curl, CURLOPT_HEADERFUNCTION, rig_collect);
    curl_easy_setopt(r->curl, CURLOPT_HEADERDATA, &r->head);
    curl_easy_setopt(r->curl, CURLOPT_NOBODY, strcmp(method, "HEAD") == 0 ? 1L : 0L);
    if (r->headers == NULL || strncmp(r->headers, "Content-Type:", 13) != 0) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
    }
    for (; r->headers != NULL && *r->headers != '\0'; r->headers += *r->headers == '\n') {
        char line[400];
        int line_len = (int)strcspn(r->headers, "\n");

        snprintf(line, sizeof line, "%.*s", line_len, r->headers);
        headers = curl_slist_append(headers, line);
        r->headers += line_len;
    }
    r->headers = NULL;
    if (r->key != NULL) {
        snprintf(auth, sizeof auth, "Authorization: Bearer %s.0123456789abcdef", r->key);
        headers = curl_slist_append(headers, auth);
    }
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL) {
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDSIZE, (long)len);
        curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, body);
    }
    assert_int_equal(curl_easy_perform(r->curl), CURLE_OK);
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &r->status);
    curl_slist_free_all(headers);
    bytes_append_u8(&r->head, 0);
    bytes_append_u8(&r->body, 0);
    r->json = json_loadb((const char *)r->body.base, r->body.len - 1, JSON_REJECT_DUPLICATES, NULL);
}

static inline void rig_post(struct rig *r, const char *path, const char *body)
{
    rig_send(r, "POST", path, body, strlen(body));
}

static inline void rig_get(struct rig *r, const char *path)
{
    rig_send(r, "GET", path, NULL, 0);
}

static inline const char *rig_text(struct rig *r, const char *key)
{
    const char *text = json_string_value(json_object_get(r->json, key));

    return text == NULL ? "(none)" : text;
}

static inline json_int_t rig_number(struct rig *r, const char *key)
{
    return json_integer_value(json_object_get(r->json, key));
}

static inline bool rig_has(struct rig *r, const char *key)
{
    return json_object_get(r->json, key) != NULL;
}

static inline bool rig_true(struct rig *r, const char *key)
{
    return json_is_true(json_object_get(r->json, key));
}

/* True when a header line of the last answer is this one. */
static inline bool rig_header(struct rig *r, const char *line)
{
    char wanted[200];

    snprintf(wanted, sizeof wanted, "\r\n%s\r\n", line);
    return strstr((const char *)r->head.base, wanted) != NULL;
}

#define assert_problem(r, wanted_status, wanted_code)                                              \
    do {                                                                                           \
        assert_int_equal((r)->status, wanted_status);                                              \
        assert_string_equal(rig_text(r, "code"), wanted_code);                                     \
        assert_int_equal(rig_number(r, "status"), wanted_status);                                  \
        assert_true(rig_has(r, "title"));                                                          \
        assert_true(rig_has(r, "detail"));                                                         \
        assert_true(rig_header(r, "Content-Type: application/problem+json"));                      \
        assert_true(rig_header(r, "Florin-Node: 2"));                                              \
    } while (0)

#define assert_status(r, wanted)                                                                   \
    do {                                                                                           \
        if ((r)->status != (wanted)) {                                                             \
            print_error("%s\n", (const char *)(r)->body.base);                                     \
        }                                                                                          \
        assert_int_equal((r)->status, wanted);                                                     \
    } while (0)

/* Sends a body made as printf does. */
static inline void rig_send_text(struct rig *r, const char *method, const char *path,
                                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static inline void rig_send_text(struct rig *r, const char *method, const char *path,
                                 const char *format, ...)
{
    char body[2000];
    va_list args;

    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    rig_send(r, method, path, body, strlen(body));
}

/* A member of a member. */
static inline const char *rig_inner(struct rig *r, const char *outer, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(r->json, outer), key));

    return text == NULL ? "(none)" : text;
}

/* The i-th of a list's objects. */
static inline json_t *rig_item(struct rig *r, const char *list, size_t i)
{
    return json_array_get(json_object_get(r->json, list), i);
}

static inline const char *json_text(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text == NULL ? "(none)" : text;
}

/* Money for alice, under an id that must be new. */
static inline void rig_deposit(struct rig *r, const char *id, const char *amount)
{
    char body[256];

    r->key = "platform";
    snprintf(body, sizeof body,
             "{\"id\":\"%s\",\"player\":\"alice\",\"currency\":\"EUR\",\"amount\":\"%s\","
             "\"gateway\":\"bank\"}",
             id, amount);
    rig_post(r, "/v1/deposits", body);
    assert_status(r, 200);
}

#endif
