/* The log against a model, by brute force: random appends, cuts, votes, snapshots and restarts on a
 * disk that loses power at random moments. After each start the log must be exactly one of the
 * states that it went through since the last sync: everything synced is there, nothing is mixed. */
#include "tests/unit/log_fixture.h"

#include <errno.h>
#include <stdio.h>

enum { ENTRIES_MAX = 4096, STATES_MAX = 256 };

struct model_entry {
    uint64_t term;
    size_t len;
};

/* One state of the log: entries [1, last] of which those from `first` on must be readable. */
struct model_state {
    struct model_entry entries[ENTRIES_MAX]; /* by index */
    uint64_t first;                          /* at least this */
    uint64_t last;
    uint64_t snapshot_index, snapshot_term;
    uint64_t term, vote;
};

/* An append since the last sync, to be replayed on `synced`. */
struct model_append {
    uint64_t index;
    struct model_entry entry;
};

struct model {
    struct model_state synced;
    struct model_append appends[STATES_MAX];
    size_t n_appends;
    struct model_state now; /* synced and all appends */
    uint64_t random;
    uint64_t term; /* grows now and then */
};

static void state_append(struct model_state *s, const struct model_append *a)
{
    s->entries[a->index] = a->entry;
    s->last = a->index;
}

static bool entry_matches(struct log *log, uint64_t index, const struct model_entry *e)
{
    struct log_entry entry;
    struct fault fault;
    struct bytes data;
    uint8_t *expected = malloc(e->len);
    bool same;

    bytes_init(&data);
    must(log_read(log, index, &entry, &data, &fault));
    fixture_payload(index, e->term, e->len, expected);
    same = entry.index == index && entry.term == e->term && entry.len == e->len &&
           memcmp(entry.data, expected, e->len) == 0;
    bytes_release(&data);
    free(expected);
    return same;
}

/* Is the log, as it was found, this state? */
static bool state_matches(struct log *log, const struct model_state *s)
{
    uint64_t i;

    if (log_last_index(log) != s->last || log_snapshot(log)->index != s->snapshot_index ||
        log_snapshot(log)->term != s->snapshot_term || log_first_index(log) < s->first ||
        log_first_index(log) > s->snapshot_index + 1 || log_term(log) != s->term ||
        log_vote(log) != s->vote) {
        return false;
    }
    for (i = log_first_index(log); i <= s->last; i++) {
        if (!entry_matches(log, i, &s->entries[i])) {
            return false;
        }
    }
    return true;
}

struct walked {
    uint64_t next;
};

static void walk_one(void *context, const struct log_entry *entry)
{
    struct walked *w = context;

    assert_int_equal(entry->index, w->next);
    w->next++;
}

static void check_walk(struct log *log)
{
    struct walked w = {log_first_index(log)};
    struct fault fault;

    must(log_walk(log, walk_one, &w, &fault));
    assert_int_equal(w.next, log_last_index(log) + 1);
}

/* The log was opened again after `attempted` (the state an interrupted operation would have led
 * to; NULL: it was only appends). Finds which state it is in and takes that as synced. */
static void model_settle(struct model *m, struct log *log, const struct model_state *attempted)
{
    struct model_state *s = malloc(sizeof *s);
    bool found = false;
    size_t i;

    check_walk(log);
    *s = m->synced;
    for (i = 0; !found && i <= m->n_appends; i++) {
        if (i > 0) {
            state_append(s, &m->appends[i - 1]);
        }
        found = state_matches(log, s);
    }
    if (!found && attempted != NULL) {
        *s = *attempted;
        found = state_matches(log, s);
    }
    if (!found) {
        print_error("found first=%llu last=%llu term=%llu snapshot=%llu; synced last=%llu, now "
                    "last=%llu\n",
                    (unsigned long long)log_first_index(log),
                    (unsigned long long)log_last_index(log), (unsigned long long)log_term(log),
                    (unsigned long long)log_snapshot(log)->index,
                    (unsigned long long)m->synced.last, (unsigned long long)m->now.last);
        fail_msg("the log is in none of the states it went through");
    }
    s->first = log_first_index(log);
    m->synced = *s;
    m->now = *s;
    m->n_appends = 0;
    free(s);
}

static uint64_t draw(struct model *m, uint64_t n)
{
    return fixture_random(&m->random) % n;
}

/* Appends one to six entries, now and then over the tail. 0, or -1 when the disk failed. */
static int do_append(struct model *m, struct fixture *f, struct fault *fault)
{
    static const size_t lens[] = {8, 16, 40, 200, 456, 464, 1000, 3000, 9000};
    struct log_entry entries[6];
    size_t n = 1 + draw(m, 6);
    uint64_t index = m->now.last + 1;
    uint64_t floor =
        m->now.snapshot_index + 1 > m->now.first ? m->now.snapshot_index + 1 : m->now.first;
    size_t i;
    int rv;

    if (index > floor && draw(m, 4) == 0) {
        index -= 1 + draw(m, index - floor < 8 ? index - floor : 8);
        m->term++;
    }
    if (m->n_appends + n > STATES_MAX || index + n >= ENTRIES_MAX) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        struct model_append *a = &m->appends[m->n_appends++];
        uint8_t *data;
        *a = (struct model_append){index + i, {m->term, lens[draw(m, 9)]}};
        data = malloc(a->entry.len);
        fixture_payload(a->index, a->entry.term, a->entry.len, data);
        entries[i] = (struct log_entry){a->index, m->term, LOG_COMMAND, data, a->entry.len};
        state_append(&m->now, a);
    }
    rv = log_append(f->log, entries, n, fault);
    for (i = 0; i < n; i++) {
        free((void *)(uintptr_t)entries[i].data);
    }
    return rv;
}

static int set_snapshot(struct log *log, uint64_t index, uint64_t term, struct fault *fault)
{
    struct log_snapshot s = {.index = index, .term = term, .configuration_index = 1};
    int rv;

    bytes_init(&s.configuration);
    bytes_init(&s.manifest);
    bytes_append(&s.configuration, "voters", 6);
    bytes_append(&s.manifest, "state", 5);
    rv = log_set_snapshot(log, &s, fault);
    log_snapshot_release(&s);
    return rv;
}

/* Everything that is durable by itself: `after` is the state it leads to. */
static int do_step(struct model *m, struct fixture *f, struct model_state *after,
                   struct fault *fault)
{
    uint64_t what = draw(m, 10);

    *after = m->now;
    if (what < 4) {
        return log_sync(f->log, fault);
    }
    if (what < 6) {
        after->vote = after->term == m->term && after->vote != 0 ? after->vote : draw(m, 3);
        after->term = m->term;
        if (log_sync(f->log, fault) != 0) {
            *after = m->now;
            return -1;
        }
        /* the vote alone can't undo a sync that is done */
        m->synced = m->now;
        m->n_appends = 0;
        return log_set_vote(f->log, after->term, after->vote, fault);
    }
    if (what < 8 && m->now.last > m->now.snapshot_index) {
        uint64_t least =
            m->now.snapshot_index + 1 > m->now.first ? m->now.snapshot_index + 1 : m->now.first;
        uint64_t index = least + draw(m, m->now.last - least + 1);
        after->snapshot_index = index;
        after->snapshot_term = m->now.entries[index].term;
        return set_snapshot(f->log, index, after->snapshot_term, fault);
    }
    if (what == 8) {
        return log_cut_before(f->log, m->now.snapshot_index, fault);
    }
    if (draw(m, 3) > 0) {
        return log_sync(f->log, fault);
    }
    m->term++;
    after->snapshot_index = m->now.last + draw(m, 3); /* with another term, or beyond the end */
    after->snapshot_index += after->snapshot_index == 0 ? 1 : 0;
    after->snapshot_term = m->term;
    after->first = after->snapshot_index + 1;
    after->last = after->snapshot_index;
    if (set_snapshot(f->log, after->snapshot_index, m->term, fault) != 0) {
        return -1;
    }
    return log_restart_after(f->log, after->snapshot_index, fault);
}

static void plan_trouble(struct model *m, struct fixture *f)
{
    if (draw(m, 3) > 0) {
        sim_disk_cut_power_after(f->sim, 1 + draw(m, 25));
    } else if (draw(m, 3) == 0) {
        sim_disk_fail(f->sim, (enum sim_disk_call)draw(m, SIM_DISK_CALLS), 1 + draw(m, 8),
                      draw(m, 2) == 0 ? EIO : ENOSPC);
    }
}

/* After any failure every call must fail, then the process ends, with the power or without. */
static void end_of_life(struct model *m, struct fixture *f, bool failed)
{
    struct fault fault;

    if (failed) {
        must_fail(log_sync(f->log, &fault), " ");
        must_fail(log_set_vote(f->log, 1u << 30, 1, &fault), " ");
    }
    log_close(f->log);
    f->log = NULL;
    if (!sim_disk_powered(f->sim) || draw(m, 2) == 0) {
        sim_disk_crash(f->sim, fixture_random(&m->random));
    } else { /* only the process ended; what trouble was planned is over */
        sim_disk_cut_power_after(f->sim, 0);
        sim_disk_fail(f->sim, SIM_DISK_WRITE, 0, 0);
        sim_disk_fail(f->sim, SIM_DISK_SYNC, 0, 0);
        sim_disk_fail(f->sim, SIM_DISK_NAMES, 0, 0);
        sim_disk_fail(f->sim, SIM_DISK_ALLOCATE, 0, 0);
        sim_disk_fail(f->sim, SIM_DISK_RENAME, 0, 0);
    }
    /* The start may lose its power, too, any number of times. */
    while (draw(m, 3) == 0) {
        sim_disk_cut_power_after(f->sim, 1 + draw(m, 12));
        if (fixture_open(f, &fault) == 0) {
            sim_disk_cut_power_after(f->sim, 0);
            return;
        }
        assert_false(sim_disk_powered(f->sim));
        sim_disk_crash(f->sim, fixture_random(&m->random));
    }
    must(fixture_open(f, &fault));
}

/* One life of a process; at its end the model has settled on what was found. */
static void one_life(struct model *m, struct fixture *f, struct model_state *after)
{
    uint64_t steps = 1 + draw(m, 40);
    struct fault fault;
    bool failed = false;
    bool stepped = false;

    plan_trouble(m, f);
    while (!failed && steps-- > 0) {
        stepped = draw(m, 3) == 0;
        if (!stepped) {
            failed = do_append(m, f, &fault) != 0;
            continue;
        }
        failed = do_step(m, f, after, &fault) != 0;
        if (!failed) {
            after->first = log_first_index(f->log);
            m->now = *after;
            m->synced = *after;
            m->n_appends = 0;
        }
        if (draw(m, 8) == 0) {
            m->term++;
        }
    }
    end_of_life(m, f, failed);
    model_settle(m, f->log, failed && stepped ? after : NULL);
}

static void one_seed(uint64_t seed)
{
    struct model *m = calloc(1, sizeof *m);
    struct model_state *after = calloc(1, sizeof *after);
    struct fixture *f = fixture_new();
    int lives;

    m->random = seed;
    m->term = 1;
    m->synced.first = 1;
    m->now = m->synced;
    for (lives = 0; lives < 6; lives++) {
        one_life(m, f, after);
    }
    fixture_free(f);
    free(after);
    free(m);
}

/* FLORIN_SEEDS=first..last runs others than the default ones. */
static void test_brute_force(void **state)
{
    const char *text = getenv("FLORIN_SEEDS");
    unsigned long long seed, first = 1, last = 2000;

    (void)state;
    if (text != NULL) {
        assert_int_equal(sscanf(text, "%llu..%llu", &first, &last), 2);
    }
    for (seed = first; seed <= last; seed++) {
        if (getenv("FLORIN_SEEDS_SHOWN") != NULL) {
            print_message("seed %llu\n", seed);
        }
        one_seed(seed);
    }
}

/* The power goes during log_format, at each of its steps: it must always be possible to go on. */
static void test_format_interrupted(void **state)
{
    bool done = false;
    uint64_t step, seed;

    (void)state;
    for (step = 1; !done; step++) {
        for (seed = 0; seed < 20; seed++) {
            struct sim_disk *sim = sim_disk_new();
            struct log_entry first = {1, 1, LOG_CHANGE, (const uint8_t *)"8 bytes.", 8};
            struct disk disk;
            struct log *log;
            struct fault fault;

            sim_disk_interface(sim, &disk);
            sim_disk_cut_power_after(sim, step);
            done = log_format(&disk, &fixture_identity, &first, &fault) == 0;
            sim_disk_crash(sim, seed);
            if (log_open(&log, &disk, &fixture_identity, NULL, NULL, &fault) != 0) {
                assert_false(done);
                must(log_format(&disk, &fixture_identity, &first, &fault));
                must(log_open(&log, &disk, &fixture_identity, NULL, NULL, &fault));
            }
            assert_int_equal(log_last_index(log), 1);
            assert_int_equal(log_term(log), 1);
            log_close(log);
            sim_disk_free(sim);
        }
    }
    assert_true(step > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_interrupted),
        cmocka_unit_test(test_brute_force),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
