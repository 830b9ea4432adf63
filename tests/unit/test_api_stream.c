/* The ledger as server-sent events: nothing missing, nothing twice, live, and it ends. */
#include "tests/unit/api_fixture.h"

/* A client of one stream; ends it itself once it has seen the event `until`. */
struct listener {
    struct rig *rig;
    CURL *curl;
    struct curl_slist *headers;
    struct bytes text;
    uint64_t from;       /* the first id that may come */
    uint64_t last;       /* the last id that came */
    uint64_t until;      /* 0: never */
    uint64_t post_at;    /* on this id, another call makes one more entry */
    uint64_t disable_at; /* on this id, the key that listens is disabled */
    bool in_order;
    atomic_bool heard; /* anything at all */
    CURLcode result;
};

/* Takes the whole events off l->text. */
static void take_events(struct listener *l)
{
    char *end;

    bytes_append_u8(&l->text, 0);
    l->text.len--;
    while ((end = strstr((char *)l->text.base, "\n\n")) != NULL) {
        char *event = (char *)l->text.base;
        size_t len = (size_t)(end - event) + 2;
        unsigned long long id;
        int at = 0;

        *end = '\0';
        if (event[0] != ':') {
            json_t *entry = NULL;

            if (sscanf(event, "id: %llu\ndata: %n", &id, &at) == 1 && at > 0) {
                entry = json_loads(event + at, JSON_REJECT_DUPLICATES, NULL);
            }
            l->in_order = l->in_order && entry != NULL && id == l->last + 1 &&
                          json_integer_value(json_object_get(entry, "seq")) == (json_int_t)id &&
                          json_object_get(entry, "prev_hash") != NULL;
            json_decref(entry);
            l->last = id;
        }
        memmove(l->text.base, l->text.base + len, l->text.len - len + 1);
        l->text.len -= len;
    }
}

static size_t on_data(char *data, size_t size, size_t n, void *context)
{
    struct listener *l = context;

    bytes_append(&l->text, data, size * n);
    take_events(l);
    atomic_store(&l->heard, true);
    if (l->post_at != 0 && l->last >= l->post_at) {
        l->post_at = 0;
        rig_deposit(l->rig, "while-it-runs", "1");
    }
    if (l->disable_at != 0 && l->last >= l->disable_at) {
        l->disable_at = 0;
        l->rig->key = "operator";
        rig_send_text(l->rig, "PATCH", "/v1/keys/auditor", "{\"disabled\":true}");
        rig_deposit(l->rig, "unheard", "1");
    }
    return l->until != 0 && l->last >= l->until ? 0 : size * n;
}

static void listener_open(struct listener *l, struct rig *r, const char *query, const char *header)
{
    char url[200];

    memset(l, 0, sizeof *l);
    l->rig = r;
    l->in_order = true;
    bytes_init(&l->text);
    l->curl = curl_easy_init();
    l->headers = curl_slist_append(NULL, "Authorization: Bearer auditor.0123456789abcdef");
    if (header != NULL) {
        l->headers = curl_slist_append(l->headers, header);
    }
    snprintf(url, sizeof url, "http://127.0.0.1:%u/v1/ledger/stream%s", api_server_port(r->server),
             query);
    curl_easy_setopt(l->curl, CURLOPT_URL, url);
    curl_easy_setopt(l->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(l->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(l->curl, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(l->curl, CURLOPT_HTTPHEADER, l->headers);
    curl_easy_setopt(l->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(l->curl, CURLOPT_WRITEDATA, l);
}

static void listener_close(struct listener *l)
{
    curl_easy_cleanup(l->curl);
    curl_slist_free_all(l->headers);
    bytes_release(&l->text);
}

static void deposit_many(struct rig *r, int n)
{
    char id[32];
    int i;

    for (i = 0; i < n; i++) {
        snprintf(id, sizeof id, "many-%d", i);
        rig_deposit(r, id, "1");
    }
}

static void every_entry_comes_once_and_then_live(void **state)
{
    struct rig *r = rig_of(state);
    struct listener l;

    deposit_many(r, 250); /* more than two pages */
    listener_open(&l, r, "", NULL);
    l.post_at = 250;
    l.until = 251;
    assert_int_equal(curl_easy_perform(l.curl), CURLE_WRITE_ERROR);
    assert_true(l.in_order);
    assert_int_equal(l.last, 251);
    listener_close(&l);

    listener_open(&l, r, "?from=240", NULL);
    l.last = 239;
    l.until = 251;
    assert_int_equal(curl_easy_perform(l.curl), CURLE_WRITE_ERROR);
    assert_true(l.in_order);
    listener_close(&l);

    /* Who comes back goes on behind what was seen, whatever the address says. */
    listener_open(&l, r, "?from=1", "Last-Event-ID: 249");
    l.last = 249;
    l.until = 251;
    assert_int_equal(curl_easy_perform(l.curl), CURLE_WRITE_ERROR);
    assert_true(l.in_order);
    listener_close(&l);
}

/* A key that listens and is disabled meanwhile does not hear another entry. */
static void a_stream_ends_when_keys_change(void **state)
{
    struct rig *r = rig_of(state);
    struct listener l;

    deposit_many(r, 3);
    listener_open(&l, r, "", NULL);
    l.disable_at = 3;
    assert_int_equal(curl_easy_perform(l.curl), CURLE_OK);
    assert_true(l.in_order);
    assert_int_equal(l.last, 3);
    listener_close(&l);
    listener_open(&l, r, "", NULL);
    assert_int_equal(curl_easy_perform(l.curl), CURLE_OK);
    assert_int_equal(l.last, 0);
    listener_close(&l);
}

static void what_is_asked_wrongly_is_refused(void **state)
{
    struct rig *r = rig_of(state);

    r->key = "auditor";
    rig_get(r, "/v1/ledger/stream?from=x");
    assert_problem(r, 400, "malformed");
    rig_get(r, "/v1/ledger/stream?limit=1");
    assert_problem(r, 400, "unknown_field");
    r->headers = "Last-Event-ID: -1";
    rig_get(r, "/v1/ledger/stream");
    assert_problem(r, 400, "malformed");
    r->headers = "Last-Event-ID: 18446744073709551615";
    rig_get(r, "/v1/ledger/stream");
    assert_problem(r, 400, "malformed");
    r->key = "provider";
    rig_get(r, "/v1/ledger/stream");
    assert_problem(r, 403, "forbidden");
    r->key = "auditor";
    rig_send(r, "HEAD", "/v1/ledger/stream", NULL, 0);
    assert_int_equal(r->status, 200);
    assert_true(rig_header(r, "Content-Type: text/event-stream"));
}

static void *run(void *context)
{
    struct listener *l = context;

    l->result = curl_easy_perform(l->curl);
    return NULL;
}

static void wait_until_heard(struct listener *l)
{
    const struct timespec moment = {0, 1000000};

    while (!atomic_load(&l->heard)) {
        nanosleep(&moment, NULL);
    }
}

/* A quarter of the rig's 16 threads; the others go on serving. And stopping ends them all. */
static void streams_are_bounded_and_end_with_the_server(void **state)
{
    struct rig *r = rig_of(state);
    struct listener l[4];
    pthread_t threads[4];
    size_t i;

    rig_deposit(r, "one", "1");
    for (i = 0; i < 4; i++) {
        listener_open(&l[i], r, "", NULL);
        pthread_create(&threads[i], NULL, run, &l[i]);
    }
    for (i = 0; i < 4; i++) {
        wait_until_heard(&l[i]);
    }
    r->key = "auditor";
    rig_get(r, "/v1/ledger/stream");
    assert_problem(r, 503, "overloaded");
    assert_true(rig_header(r, "Retry-After: 1"));
    rig_get(r, "/v1/ledger");
    assert_status(r, 200);

    api_server_stop(r->server);
    r->server = NULL;
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(l[i].result, CURLE_OK); /* ended, not broken off */
        assert_true(l[i].in_order);
        listener_close(&l[i]);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_open, rig_close)
    const struct CMUnitTest tests[] = {
        TEST(every_entry_comes_once_and_then_live),
        TEST(a_stream_ends_when_keys_change),
        TEST(what_is_asked_wrongly_is_refused),
        TEST(streams_are_bounded_and_end_with_the_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
