/* The writer's thread: order, group commits, failures, and reading beside it. */
#include "tests/unit/log_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "consensus/writer.h"

struct rig {
    struct fixture *f;
    struct writer *writer;
    struct storage storage;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned wakes;
    bool broken;
    bool hold; /* keeps the writer in its wake call, so that work gathers behind it */
    struct fault fault;
    uint64_t submitted, done;
};

static void on_wake(void *context)
{
    struct rig *r = context;

    pthread_mutex_lock(&r->lock);
    r->wakes++;
    pthread_cond_broadcast(&r->changed);
    while (r->hold) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

static void on_fatal(void *context, const struct fault *fault)
{
    struct rig *r = context;

    pthread_mutex_lock(&r->lock);
    r->broken = true;
    r->fault = *fault;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static struct rig *rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    struct writer_options options = {.wake = on_wake, .fatal = on_fatal, .context = r};
    struct fault fault;

    r->f = fixture_new();
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    options.log = r->f->log;
    must(writer_open(&r->writer, &options, &fault));
    writer_storage(r->writer, &r->storage);
    return r;
}

static void write_free(struct storage_write *w)
{
    size_t i;

    for (i = 0; i < w->n_entries; i++) {
        free((void *)(uintptr_t)w->entries[i].data);
    }
    free(w->entries);
    log_snapshot_release(&w->snapshot);
    free(w);
}

static struct storage_write *write_new(struct rig *r, enum storage_kind kind)
{
    struct storage_write *w = calloc(1, sizeof *w);

    w->kind = kind;
    w->number = ++r->submitted;
    return w;
}

static void submit_entry(struct rig *r, uint64_t index, uint64_t term, size_t len)
{
    struct storage_write *w = write_new(r, STORAGE_ENTRIES);
    uint8_t *data = malloc(len);

    fixture_payload(index, term, len, data);
    w->entries = calloc(1, sizeof *w->entries);
    w->entries[0] = (struct log_entry){index, term, LOG_COMMAND, data, len};
    w->n_entries = 1;
    r->storage.submit(r->storage.impl, w);
}

static void submit_vote(struct rig *r, uint64_t term, uint64_t vote)
{
    struct storage_write *w = write_new(r, STORAGE_VOTE);

    w->term = term;
    w->vote = vote;
    r->storage.submit(r->storage.impl, w);
}

static void submit_snapshot(struct rig *r, enum storage_kind kind, uint64_t index, uint64_t term)
{
    struct storage_write *w = write_new(r, kind);

    w->snapshot.index = index;
    w->snapshot.term = term;
    w->cut_before = index;
    bytes_append(&w->snapshot.manifest, "m", 1);
    r->storage.submit(r->storage.impl, w);
}

static void take_done(struct rig *r, struct storage_write *w)
{
    while (w != NULL) {
        struct storage_write *next = w->next;
        assert_int_equal(w->number, ++r->done); /* each once, in order */
        write_free(w);
        w = next;
    }
}

/* Waits until `n` writes in all have come back. */
static void wait_done(struct rig *r, uint64_t n)
{
    while (r->done < n) {
        unsigned seen;
        pthread_mutex_lock(&r->lock);
        seen = r->wakes;
        pthread_mutex_unlock(&r->lock);
        take_done(r, writer_drain_done(r->writer));
        if (r->done >= n) {
            break;
        }
        pthread_mutex_lock(&r->lock);
        while (r->wakes == seen) {
            pthread_cond_wait(&r->changed, &r->lock);
        }
        pthread_mutex_unlock(&r->lock);
    }
}

static void set_hold(struct rig *r, bool hold)
{
    pthread_mutex_lock(&r->lock);
    r->hold = hold;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void wait_wakes(struct rig *r, unsigned n)
{
    pthread_mutex_lock(&r->lock);
    while (r->wakes < n) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    pthread_mutex_unlock(&r->lock);
}

static void rig_free(struct rig *r)
{
    struct storage_write *left;

    writer_close(r->writer, &left);
    while (left != NULL) {
        struct storage_write *next = left->next;
        assert_int_equal(left->number, ++r->done); /* none is lost, none comes twice */
        write_free(left);
        left = next;
    }
    assert_int_equal(r->done, r->submitted);
    fixture_free(r->f);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static void test_order(void **state)
{
    struct rig *r = rig_new();
    uint64_t i;

    (void)state;
    submit_vote(r, 1, 2);
    for (i = 1; i <= 50; i++) {
        submit_entry(r, i, 1, 200);
    }
    submit_snapshot(r, STORAGE_SNAPSHOT, 40, 1);
    submit_vote(r, 2, 1);
    submit_entry(r, 45, 2, 200); /* cuts */
    wait_done(r, 54);
    assert_int_equal(log_last_index(r->f->log), 45);
    assert_int_equal(log_term(r->f->log), 2);
    submit_snapshot(r, STORAGE_INSTALL, 90, 2);
    submit_entry(r, 91, 2, 8);
    wait_done(r, 56);
    assert_int_equal(log_first_index(r->f->log), 91);
    rig_free(r);
}

/* What is done is durable: a power cut at that moment loses none of it. */
static void test_durable(void **state)
{
    struct rig *r = rig_new();
    struct storage_write *left;
    uint64_t i;

    (void)state;
    for (i = 1; i <= 30; i++) {
        submit_entry(r, i, 1, 200);
    }
    submit_vote(r, 3, 1);
    wait_done(r, 31);
    writer_close(r->writer, &left);
    assert_null(left);
    r->writer = NULL;
    fixture_crash(r->f, 11);
    for (i = 1; i <= 30; i++) {
        fixture_expect(r->f->log, i, 1, 200);
    }
    assert_int_equal(log_vote(r->f->log), 1);
    rig_free(r);
}

/* Many appends that wait together share one sync; other writes do not break the order. */
static void test_group_commit(void **state)
{
    struct rig *r = rig_new();
    struct cluster_status status = {.log_syncs = 0};
    uint64_t syncs, i;

    (void)state;
    set_hold(r, true);
    submit_entry(r, 1, 1, 64);
    wait_wakes(r, 1);
    syncs = sim_disk_syncs(r->f->sim);
    for (i = 2; i <= 40; i++) { /* all fit into the first segment */
        submit_entry(r, i, 1, 8);
    }
    set_hold(r, false);
    wait_done(r, 40);
    assert_int_equal(sim_disk_syncs(r->f->sim) - syncs, 1);
    writer_status(r->writer, &status);
    assert_int_equal(status.log_syncs, 2);
    assert_int_equal(status.sync_latency.count, 2);
    assert_true(status.log_bytes_written > 40 * 56);
    rig_free(r);
}

static void test_failure(void **state)
{
    struct rig *r = rig_new();
    struct log_entry entry;
    struct bytes data;
    struct fault fault;
    uint64_t i;

    (void)state;
    submit_entry(r, 1, 1, 64);
    wait_done(r, 1);
    sim_disk_fail(r->f->sim, SIM_DISK_SYNC, 1, EIO);
    for (i = 2; i <= 10; i++) {
        submit_entry(r, i, 1, 64);
    }
    pthread_mutex_lock(&r->lock);
    while (!r->broken) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    assert_non_null(strstr(r->fault.text, "0000000000000002.seg failed: Input/output error"));
    pthread_mutex_unlock(&r->lock);
    assert_null(writer_drain_done(r->writer)); /* nothing is done after a failure */
    submit_vote(r, 1, 1);
    bytes_init(&data);
    must_fail(r->storage.read(r->storage.impl, 1, &entry, &data, &fault), "Input/output error");
    bytes_release(&data);
    rig_free(r);
}

/* The loop reads while the writer appends, cuts tails, and removes segments. */
static void test_read_beside(void **state)
{
    struct rig *r = rig_new();
    struct log_entry entry;
    struct bytes data;
    struct fault fault;
    uint64_t i, seen = 0;

    (void)state;
    bytes_init(&data);
    for (i = 1; i <= 400; i++) {
        submit_entry(r, i, 1, 8 + i % 50 * 8);
        if (i % 40 == 0) {
            wait_done(r, r->submitted);
            submit_snapshot(r, STORAGE_SNAPSHOT, i - 20, 1);
        }
        take_done(r, writer_drain_done(r->writer));
        /* Never one that a snapshot may cut: the last ten, of which all but the newest are there.
         */
        if (i > 12 && r->done + 2 >= r->submitted) {
            must(r->storage.read(r->storage.impl, i - 10, &entry, &data, &fault));
            assert_int_equal(entry.index, i - 10);
            seen++;
        }
        if (log_first_index(r->f->log) > 1) { /* one that may be cut at this moment */
            if (r->storage.read(r->storage.impl, 1 + i / 2, &entry, &data, &fault) == 0) {
                assert_int_equal(entry.index, 1 + i / 2);
            }
        }
    }
    wait_done(r, r->submitted);
    assert_true(seen > 0);
    assert_true(log_first_index(r->f->log) > 100);
    bytes_release(&data);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_durable),
        cmocka_unit_test(test_group_commit), cmocka_unit_test(test_failure),
        cmocka_unit_test(test_read_beside),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
