/* The core's beginning: what the log and its snapshot hold becomes one RAFT_START event. */
#include "consensus/driver_private.h"

#include <stdlib.h>

#include "consensus/message.h"

/* The log's entries for RAFT_START: the core wants terms, and payloads of configurations only. */
struct start_entries {
    struct raft_entry *entries;
    size_t n, cap;
    size_t last_change; /* number of the last configuration, from 1 on */
    uint64_t bad_index; /* of a configuration that can't be read */
    uint8_t *nothing;   /* stands for every command's payload */
};

static void collect_entry(void *context, const struct log_entry *e)
{
    struct start_entries *s = context;
    struct raft_entry *to;

    if (e->type == LOG_CHANGE && !message_configuration_valid(e->data, e->len)) {
        s->bad_index = s->bad_index == 0 ? e->index : s->bad_index;
    }
    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 1024 : s->cap * 2;
        s->entries = raft_realloc(s->entries, s->cap * sizeof *s->entries);
        if (s->entries == NULL) {
            abort();
        }
    }
    to = &s->entries[s->n++];
    to->term = e->term;
    to->type = (enum raft_entry_type)e->type;
    to->buf.base = s->nothing;
    to->buf.len = 8;
    if (e->type == LOG_CHANGE) {
        to->buf.base = raft_malloc(e->len);
        to->buf.len = e->len;
        if (to->buf.base == NULL) {
            abort();
        }
        memcpy(to->buf.base, e->data, e->len);
        s->last_change = s->n;
    }
    to->batch = to->buf.base;
}

static void release_entries(struct start_entries *s)
{
    size_t i;

    for (i = 0; i < s->n; i++) {
        if (s->entries[i].batch != s->nothing) {
            raft_free(s->entries[i].batch);
        }
    }
    raft_free(s->entries);
    raft_free(s->nothing);
}

/* All but the last are committed: the next one is only ever proposed after that. */
static int note_changes(struct driver *d, const struct start_entries *s, struct fault *fault)
{
    struct slice state;
    uint64_t highest_id;
    size_t i;

    if (s->bad_index != 0) {
        return fault_set(fault,
                         "the configuration at index %llu of the log can't be read; restore this "
                         "node from the others: docs/operations.md",
                         (unsigned long long)s->bad_index);
    }
    for (i = 0; i + 1 < s->last_change; i++) {
        const struct raft_entry *e = &s->entries[i];
        if (e->type == RAFT_CHANGE &&
            driver_configuration_used(d, e->buf.base, e->buf.len, fault) != 0) {
            return -1;
        }
    }
    if (driver_manifest_read(&d->snapshot.manifest, &highest_id, &state, fault) != 0) {
        return -1;
    }
    roster_used(&d->roster, highest_id);
    return 0;
}

static bool only_voter(const struct driver *d, const struct raft_configuration *c)
{
    bool self = false;
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (c->servers[i].role == RAFT_VOTER && c->servers[i].id != d->options.id) {
            return false;
        }
        self = self || c->servers[i].role == RAFT_VOTER;
    }
    return self;
}

/* The only voter leads at once, and the core has it lead the term of its last life again. In that
 * it may have sent a stand-by an entry that is not on its own disk, and will now make another one
 * for the same index and term. So it begins with a new term, and its own vote in it. */
static int new_term_for_only_voter(struct driver *d, const struct start_entries *s,
                                   struct raft_event *event, struct fault *fault)
{
    const struct bytes *from = &d->snapshot.configuration;
    struct raft_configuration c;
    struct storage_write *w;
    struct bytes change = {.base = NULL};
    bool only;

    if (s->last_change > 0) {
        change.base = s->entries[s->last_change - 1].buf.base;
        change.len = s->entries[s->last_change - 1].buf.len;
        from = &change;
    }
    if (from->len == 0 || MUTANT(&d->options, MUTANT_SOLE_TERM)) {
        return 0; /* a new node: no member yet */
    }
    if (driver_decode_configuration(from, &c, fault) != 0) {
        return -1;
    }
    only = only_voter(d, &c);
    raft_configuration_close(&c);
    if (only) {
        w = driver_new_write(STORAGE_VOTE);
        w->term = ++event->start.term;
        w->vote = event->start.voted_for = d->options.id;
        d->vote_write = driver_submit_write(d, w);
    }
    return 0;
}

int driver_start(struct driver *d, struct log *log, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_START};
    struct raft_snapshot_metadata metadata;
    struct start_entries s = {.nothing = raft_calloc(1, 8)};
    int rv = -1;

    memset(&metadata, 0, sizeof metadata);
    if (s.nothing == NULL) {
        abort();
    }
    if (log_walk(log, collect_entry, &s, fault) != 0 || note_changes(d, &s, fault) != 0) {
        goto out;
    }
    event.start.term = log_term(log);
    event.start.voted_for = log_vote(log);
    if (new_term_for_only_voter(d, &s, &event, fault) != 0) {
        goto out;
    }
    event.start.start_index = log_first_index(log);
    event.start.entries = s.entries;
    event.start.n_entries = (unsigned)s.n;
    if (d->snapshot.index != 0) {
        metadata.index = d->snapshot.index;
        metadata.term = d->snapshot.term;
        metadata.configuration_index = d->snapshot.configuration_index;
        if (driver_decode_configuration(&d->snapshot.configuration, &metadata.configuration,
                                        fault) != 0) {
            goto out;
        }
        event.start.metadata = &metadata;
    }
    rv = driver_step(d, &event, fault);
    d->started = rv == 0;
out:
    release_entries(&s);
    return rv;
}
