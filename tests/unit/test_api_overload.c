/* What a server does with more than it can take, over real HTTP. */
#include <unistd.h>

#include "tests/unit/api_fixture.h"

enum { BATCHES = 8, ITEMS = 500 };

/* One client with a connection of its own. */
struct client {
    struct rig rig; /* of which the server is borrowed */
    pthread_t thread;
    const char *path;
    const struct bytes *body;
    atomic_int *ended;
};

static void *send_body(void *context)
{
    struct client *c = context;

    c->rig.headers = "Florin-Timeout-Ms: 30000";
    rig_send(&c->rig, "POST", c->path, c->body->base, c->body->len);
    atomic_fetch_add(c->ended, 1);
    return NULL;
}

static void client_start(struct client *c, struct rig *r, const char *path,
                         const struct bytes *body, atomic_int *ended)
{
    *c = (struct client){.rig = {.server = r->server, .curl = curl_easy_init(), .key = "provider"},
                         .path = path,
                         .body = body,
                         .ended = ended};
    bytes_init(&c->rig.head);
    bytes_init(&c->rig.body);
    pthread_create(&c->thread, NULL, send_body, c);
}

/* None of them came through. */
static void client_end(struct client *c)
{
    pthread_join(c->thread, NULL);
    assert_int_equal(c->rig.status, 503);
    json_decref(c->rig.json);
    bytes_release(&c->rig.head);
    bytes_release(&c->rig.body);
    curl_easy_cleanup(c->rig.curl);
}

static void make_batch(struct bytes *body)
{
    char item[160];
    int i;

    bytes_init(body);
    bytes_append(body, "{\"transactions\":[", 17);
    for (i = 0; i < ITEMS; i++) {
        int n = snprintf(item, sizeof item,
                         "%s{\"type\":\"bet\",\"id\":\"large-%d\",\"player\":\"alice\","
                         "\"currency\":\"EUR\",\"amount\":\"0.01\"}",
                         i == 0 ? "" : ",", i);

        bytes_append(body, item, (size_t)n);
    }
    bytes_append(body, "]}", 2);
}

static unsigned wait_held(struct backend *b, unsigned n)
{
    unsigned held;

    pthread_mutex_lock(&b->lock);
    while (b->n_held < n) {
        pthread_cond_wait(&b->changed, &b->lock);
    }
    held = (unsigned)b->n_held;
    pthread_mutex_unlock(&b->lock);
    return held;
}

static void answer_held(struct backend *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->held != NULL) {
        struct ticket *t = b->held;

        b->held = t->next;
        ticket_done(t, RESULT_UNAVAILABLE);
    }
    pthread_mutex_unlock(&b->lock);
}

/* Only some large bodies are taken apart at once. But that holds no turn: to wait for the ledger,
 * which may take as long as a call may. */
static void large_batches_wait_for_the_ledger_together(void **state)
{
    struct rig *r = rig_of(state);
    struct client clients[BATCHES];
    atomic_int ended = 0;
    struct bytes body;
    unsigned before;
    int i;

    make_batch(&body);
    assert_true(body.len > 32 * 1024);
    r->key = "provider";
    rig_send(r, "POST", "/v1/batches", body.base, body.len);
    assert_status(r, 200);

    before = (unsigned)r->backend.n_held;
    backend_set_mode(&r->backend, LEAVE_QUEUED);
    for (i = 0; i < BATCHES; i++) {
        client_start(&clients[i], r, "/v1/batches", &body, &ended);
    }
    wait_held(&r->backend, before + BATCHES);
    assert_int_equal(atomic_load(&ended), 0); /* all at once */
    answer_held(&r->backend);
    for (i = 0; i < BATCHES; i++) {
        client_end(&clients[i]);
    }
    backend_set_mode(&r->backend, SERVE);
    bytes_release(&body);
}

/* Who waits for a turn waits for the ledger so much less: the client's time is one. */
static void waiting_for_a_turn_counts(void **state)
{
    enum { HOLDERS = 4, WAIT_MS = 2000, TIMEOUT_MS = 30000, SLACK_MS = 1500 };
    static const char bet[] = "{\"id\":\"padded\",\"player\":\"alice\",\"currency\":\"EUR\","
                              "\"amount\":\"0.01\"}";
    struct rig *r = rig_of(state);
    struct client clients[HOLDERS + 1];
    atomic_int ended = 0;
    struct bytes padded, batch;
    uint64_t began_ms;
    unsigned before;
    int i;

    make_batch(&batch);
    bytes_init(&padded);
    bytes_append(&padded, bet, sizeof bet - 1);
    while (padded.len <= 32 * 1024) {
        bytes_append(&padded, " ", 1);
    }
    before = (unsigned)r->backend.n_held;
    backend_set_mode(&r->backend, LEAVE_QUEUED);
    for (i = 0; i < HOLDERS; i++) { /* a single bet keeps its turn until it is answered */
        client_start(&clients[i], r, "/v1/bets", &padded, &ended);
    }
    wait_held(&r->backend, before + HOLDERS);
    began_ms = backend_now_ms(NULL);
    client_start(&clients[HOLDERS], r, "/v1/batches", &batch, &ended);
    usleep(WAIT_MS * 1000);
    answer_held(&r->backend);
    wait_held(&r->backend, before + HOLDERS + 1);
    assert_true(ticket_deadline_ms(r->backend.held) <= began_ms + TIMEOUT_MS + SLACK_MS);
    answer_held(&r->backend);
    for (i = 0; i <= HOLDERS; i++) {
        client_end(&clients[i]);
    }
    backend_set_mode(&r->backend, SERVE);
    bytes_release(&padded);
    bytes_release(&batch);
}

/* Malformed items have their answers in their places, between those of the ledger. */
static void malformed_items_keep_their_places(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "provider";
    rig_post(r, "/v1/batches",
             "{\"transactions\":[7,"
             "{\"type\":\"win\",\"id\":\"place-1\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":\"1\"},"
             "{\"type\":\"win\",\"id\":\"place-2\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":1},"
             "{\"type\":\"raffle\",\"id\":\"place-3\"},"
             "{\"type\":\"win\",\"id\":\"place-4\",\"player\":\"alice\",\"currency\":\"EUR\","
             "\"amount\":\"2\"}]}");
    assert_status(r, 200);
    assert_int_equal(json_array_size(json_object_get(r->json, "results")), 5);
    assert_string_equal(json_text(rig_item(r, "results", 0), "code"), "malformed");
    assert_string_equal(json_text(rig_item(r, "results", 1), "id"), "place-1");
    assert_string_equal(json_text(rig_item(r, "results", 2), "code"), "bad_amount");
    assert_string_equal(json_text(rig_item(r, "results", 3), "code"), "malformed");
    assert_string_equal(json_text(rig_item(r, "results", 4), "id"), "place-4");
}

static unsigned exempt_calls(struct rig *r)
{
    unsigned n;

    pthread_mutex_lock(&r->backend.lock);
    n = r->backend.n_exempt;
    r->backend.n_exempt = 0;
    pthread_mutex_unlock(&r->backend.lock);
    return n;
}

/* When more comes in than can be carried, a proxy must not take the node out, operators must get
 * through, and what has begun must not end in a 503, which says that nothing was done. */
static void what_mends_an_overload_is_not_refused(void **state)
{
    struct rig *r = rig_of(state);
    char *token, body[200];

    exempt_calls(r);
    rig_get(r, "/readyz");
    assert_status(r, 200);
    assert_int_equal(exempt_calls(r), 1);

    r->key = "operator";
    rig_post(r, "/v1/currencies", "{\"code\":\"OVR\",\"scale\":2}");
    assert_status(r, 201);
    rig_get(r, "/v1/players/alice");
    assert_status(r, 200);
    assert_int_equal(exempt_calls(r), 2);

    r->key = "platform";
    rig_post(r, "/v1/sessions", "{\"player\":\"alice\",\"provider\":\"demo\",\"game\":\"dice\"}");
    assert_status(r, 201);
    assert_int_equal(exempt_calls(r), 0);
    token = strdup(json_text(r->json, "token"));
    snprintf(body, sizeof body, "{\"token\":\"%s\"}", token);
    free(token);
    r->key = "provider";
    rig_post(r, "/v1/authenticate", body);
    assert_status(r, 200);
    assert_int_equal(exempt_calls(r), 1); /* not the session's, but the balances' */
}

/* Whoever has no key may not have much taken apart: only few large bodies are at a time, and
 * batches wait for their turn. */
static void without_a_key_no_body_is_large(void **state)
{
    static const char login[] = "{\"player\":\"alice\",\"password\":\"not this one\"}";
    struct rig *r = rig_of(state);
    char *body = malloc(32 * 1024 + 1);

    assert_non_null(body);
    r->key = NULL;
    memset(body, ' ', 32 * 1024 + 1);
    memcpy(body, login, sizeof login - 1);
    rig_send(r, "POST", "/v1/login", body, 8 * 1024);
    assert_status(r, 401);
    rig_send(r, "POST", "/v1/login", body, 32 * 1024 + 1);
    assert_problem(r, 413, "too_large");
    rig_send(r, "POST", "/v1/sessions", body, 32 * 1024 + 1);
    assert_problem(r, 413, "too_large");
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_mends_an_overload_is_not_refused),
        cmocka_unit_test(without_a_key_no_body_is_large),
        cmocka_unit_test(malformed_items_keep_their_places),
        cmocka_unit_test(waiting_for_a_turn_counts),
        cmocka_unit_test(large_batches_wait_for_the_ledger_together),
    };

    return cmocka_run_group_tests(tests, rig_open, rig_close);
}
