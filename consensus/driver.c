/* Events into the core, updates out of it. The order of one update is the whole point:
 * term and vote to storage, entries to storage and cache, then messages (which wait for the vote),
 * then the commit index, then a configuration that became committed by it. */
#include "consensus/driver_private.h"

#include <stdlib.h>

#include "consensus/message.h"

struct storage_write *driver_new_write(enum storage_kind kind)
{
    struct storage_write *w = calloc(1, sizeof *w);

    if (w == NULL) {
        abort();
    }
    w->kind = kind;
    bytes_init(&w->snapshot.configuration);
    bytes_init(&w->snapshot.manifest);
    return w;
}

uint64_t driver_submit_write(struct driver *d, struct storage_write *w)
{
    w->number = ++d->submitted;
    d->options.storage.submit(d->options.storage.impl, w);
    return d->submitted;
}

void driver_take_vote(struct driver *d)
{
    struct storage_write *w = driver_new_write(STORAGE_VOTE);
    uint64_t number;

    w->term = raft_current_term(&d->raft);
    w->vote = raft_voted_for(&d->raft);
    number = driver_submit_write(d, w);
    if (!MUTANT(&d->options, MUTANT_FORGET_VOTE)) {
        d->vote_write = number;
    }
}

/* The core's new entries go to the cache and to storage; the core's own copy is freed. */
static int take_entries(struct driver *d, struct raft_update *update, struct fault *fault)
{
    struct storage_write *w = driver_new_write(STORAGE_ENTRIES);
    struct pending_entries *pending = calloc(1, sizeof *pending);
    uint64_t index = update->entries.index;
    unsigned n = update->entries.n;
    unsigned i;

    w->entries = calloc(n, sizeof *w->entries);
    if (pending == NULL || w->entries == NULL ||
        (pending->blobs = calloc(n, sizeof *pending->blobs)) == NULL) {
        abort();
    }
    if (index <= cache_last(d->cache)) {
        cache_cut(d->cache, index);
    }
    if (index != cache_last(d->cache) + 1) {
        return fault_set(fault,
                         "raft appends at %llu after %llu: this node's memory is not sane; "
                         "restart it",
                         (unsigned long long)index, (unsigned long long)cache_last(d->cache));
    }
    w->n_entries = n;
    w->owner = pending;
    pending->n = n;
    for (i = 0; i < n; i++) {
        const struct raft_entry *e = &update->entries.batch[i];
        struct blob *blob = blob_new(e->buf.base, e->buf.len);
        struct cache_entry ce = {e->term, (enum log_entry_type)e->type, d->submitted + 1, blob};
        cache_append(d->cache, &ce);
        pending->blobs[i] = blob_keep(blob);
        w->entries[i] = (struct log_entry){index + i, e->term, ce.type, blob->data, blob->len};
    }
    raft_free(update->entries.batch[0].batch);
    driver_submit_write(d, w);
    return 0;
}

/* A configuration that the core holds as uncommitted has been committed: tell the core so. Not
 * while an installed state is made durable: the core's log ends with that state by then, and the
 * leader's heartbeats move the commit index there, but the uncommitted configuration is one of the
 * log that was given up. Taken for committed, it told a member that it had been removed. */
static int commit_configuration(struct driver *d, struct fault *fault)
{
    if (d->install == INSTALL_WRITING || d->raft.configuration_uncommitted_index == 0 ||
        d->raft.configuration_uncommitted_index > d->commit) {
        return 0;
    }
    return driver_commit_change(d, fault);
}

/* How much shorter election time-outs are while the leader is known to be gone. */
enum { HURRY = 5, HURRIED_TRIES = 3 };

/* While the leader is gone or unknown, time-outs are short; with a leader they are the configured
 * ones, which its heartbeats must stay within however loaded the machine is. Also the configured
 * ones after a few elections that came to nothing: a vote takes two messages and two writes, and
 * on a slow day these may need longer than the short time-out; nobody would ever be elected. */
static void hurry(struct driver *d, bool hurried)
{
    unsigned ms = d->options.election_timeout_ms;

    if (d->hurried != hurried) {
        d->hurried = hurried;
        d->hurried_tries = 0;
        raft_set_election_timeout(&d->raft, hurried ? (ms + HURRY - 1) / HURRY : ms);
    }
}

void driver_link(struct driver *d, uint64_t peer, bool up)
{
    if (peer == driver_leader(d)) {
        hurry(d, !up);
    }
    roster_link(&d->roster, peer, up);
    if (up) { /* at once: it is to be the first frame of the link */
        roster_tick(&d->roster, d->now_ms, driver_leader(d) != 0);
    }
}

static void note_leader(struct driver *d)
{
    bool is_leader = driver_is_leader(d);
    uint64_t leader = driver_leader(d);

    if (is_leader && !d->was_leader) {
        d->elections_won++;
    }
    d->was_leader = is_leader;
    if (leader != 0 && leader != d->leader_seen) {
        hurry(d, false);
    }
    if (leader != d->leader_seen && leader != 0) {
        d->leader_changes++;
        report(d->options.reporter, LEVEL_INFO, "consensus", "the leader has changed",
               "leader=%llu term=%llu", (unsigned long long)leader,
               (unsigned long long)driver_term(d));
    }
    d->leader_seen = leader;
}

#ifdef FLORIN_MUTANTS
static int mutant_ack_before_sync(struct driver *d, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};

    if (!MUTANT(&d->options, MUTANT_ACK_BEFORE_SYNC) ||
        cache_last(d->cache) <= d->raft.last_stored) {
        return 0;
    }
    event.persisted_entries.index = cache_last(d->cache);
    return driver_step(d, &event, fault);
}
#endif

static int process(struct driver *d, struct raft_update *update, struct fault *fault)
{
    uint64_t commit = raft_commit_index(&d->raft);

    if (driver_is_leader(d) && !d->was_leader) {
        d->led_from = cache_last(d->cache) + 1;
    }
    if ((update->flags & (RAFT_UPDATE_CURRENT_TERM)) || (update->flags & (RAFT_UPDATE_VOTED_FOR))) {
        driver_take_vote(d);
    }
    if ((update->flags & (RAFT_UPDATE_ENTRIES)) && take_entries(d, update, fault) != 0) {
        return -1;
    }
    if ((update->flags & (RAFT_UPDATE_SNAPSHOT)) && driver_take_install(d, update, fault) != 0) {
        return -1;
    }
    if ((update->flags & (RAFT_UPDATE_MESSAGES)) &&
        driver_send_messages(d, update->messages.batch, update->messages.n, fault) != 0) {
        return -1;
    }
    if (commit > d->commit || MUTANT(&d->options, MUTANT_COMMIT_BACKWARDS)) {
        d->commit = commit;
    }
    note_leader(d);
    driver_sync_members(d);
    cache_shrink(d->cache, d->raft.last_stored);
#ifdef FLORIN_MUTANTS
    if (mutant_ack_before_sync(d, fault) != 0) {
        return -1;
    }
#endif
    return commit_configuration(d, fault);
}

int driver_step(struct driver *d, struct raft_event *event, struct fault *fault)
{
    struct raft_update update;
    int rv;

    memset(&update, 0, sizeof update);
    event->time = d->now_ms;
    rv = raft_step(&d->raft, event, &update);
    if (rv != 0) {
        return fault_set(fault,
                         "raft refuses to go on at term %llu, commit %llu: %s. If it comes again "
                         "after a restart, rebuild this node: docs/operations.md",
                         (unsigned long long)raft_current_term(&d->raft),
                         (unsigned long long)d->commit, raft_strerror(rv));
    }
    rv = process(d, &update, fault);
    d->answers_stale = false;
    d->asked = NULL;
    return rv;
}

static void configure(struct driver *d)
{
    raft_seed(&d->raft, d->options.seed);
    raft_set_election_timeout(&d->raft, d->options.election_timeout_ms);
    raft_set_heartbeat_timeout(&d->raft, d->options.heartbeat_ms);
    raft_set_install_snapshot_timeout(&d->raft, d->options.install_timeout_ms);
    raft_set_max_inflight_entries(&d->raft, d->options.inflight);
    raft_set_capacity_threshold(&d->raft, 0); /* the log reports no capacity */
    raft_set_pre_vote(&d->raft, true);
    hurry(d, true);        /* at start nobody is known to lead */
    d->raft.tracer = NULL; /* formats a line for each step otherwise */
}

int driver_open(struct driver **driver, const struct driver_options *options, struct log *log,
                uint64_t now_ms, struct fault *fault)
{
    struct driver *d = calloc(1, sizeof *d);

    *driver = NULL;
    if (d == NULL) {
        abort();
    }
    d->options = *options;
    snprintf(d->address, sizeof d->address, "%s", options->address);
    d->options.address = d->address;
    d->now_ms = now_ms;
    d->out_last = &d->out_first;
    bytes_init(&d->scratch);
    roster_init(&d->roster, options->id, options->address, options->transport, options->reporter);
    log_snapshot_copy(&d->snapshot, log_snapshot(log));
    d->first_index = log_first_index(log);
    d->cache = cache_new(log_last_index(log) + 1, options->cache_bytes);
    if (raft_init(&d->raft, NULL, NULL, options->id, d->address) != 0) {
        abort(); /* only memory can fail it */
    }
    configure(d);
    if (driver_start(d, log, fault) != 0) {
        driver_close(d);
        return -1;
    }
    *driver = d;
    return 0;
}

void driver_close(struct driver *d)
{
    if (d->install == INSTALL_FETCHING) {
        message_release(&d->install_message);
    }
    driver_drop_outgoing(d);
    raft_close(&d->raft, NULL);
    cache_free(d->cache);
    log_snapshot_release(&d->snapshot);
    bytes_release(&d->scratch);
    free(d);
}

/* The core of a node that is no voter never runs for office, and so never finds out that its leader
 * is gone: it would send work there, and refuse its vote to the next one, for ever. */
static void forget_silent_leader(struct driver *d)
{
    if (d->raft.state != RAFT_FOLLOWER || d->raft.follower_state.current_leader.id == 0 ||
        d->now_ms - d->leader_heard_ms < 2 * (uint64_t)d->options.election_timeout_ms ||
        MUTANT(&d->options, MUTANT_MUTE_STANDBYS)) {
        return;
    }
    raft_free(d->raft.follower_state.current_leader.address);
    d->raft.follower_state.current_leader.address = NULL;
    d->raft.follower_state.current_leader.id = 0;
    note_leader(d);
}

int driver_tick(struct driver *d, uint64_t now_ms, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_TIMEOUT};

    d->now_ms = now_ms;
    forget_silent_leader(d);
    roster_tick(&d->roster, now_ms, driver_leader(d) != 0);
    if (now_ms < raft_timeout(&d->raft)) {
        return 0;
    }
    if (d->raft.state == RAFT_CANDIDATE && ++d->hurried_tries >= HURRIED_TRIES &&
        !MUTANT(&d->options, MUTANT_HURRY_ON)) {
        hurry(d, false);
    }
    return driver_step(d, &event, fault);
}

int driver_receive(struct driver *d, uint64_t now_ms, uint64_t peer, struct slice frame,
                   struct fault *fault)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    struct raft_message message;
    struct fault why;
    int rv;

    d->now_ms = now_ms;
    if (message_decode(frame.base, frame.len, &message, &why) != 0) {
        driver_refused(d, peer, why.text);
        return 0;
    }
    message.server_id = peer;
    message.server_address = ""; /* the core copies it and nobody asks */
    if (!driver_guard(d, peer, &message)) {
        message_release(&message);
        return 0;
    }
    if (message.type == RAFT_INSTALL_SNAPSHOT) {
        return driver_receive_install(d, peer, &message, fault);
    }
    if (message.type == RAFT_APPEND_ENTRIES &&
        driver_settle_change(d, &message.append_entries, fault) != 0) {
        message_release(&message);
        return -1;
    }
    if (message.type == RAFT_REQUEST_VOTE) {
        d->asked = &message.request_vote;
    }
    event.receive.message = &message;
    rv = driver_step(d, &event, fault);
    if (message.type == RAFT_APPEND_ENTRIES && peer == driver_leader(d)) {
        d->leader_heard_ms = now_ms;
    }
    if (message.type == RAFT_APPEND_ENTRIES) {
        raft_free(message.append_entries.entries); /* the batch is the core's or gone */
    }
    if (message.type == RAFT_APPEND_ENTRIES_RESULT) {
        driver_hold_answered(d, peer);
    }
    return rv;
}

/* Which of the written entries still stand: an entry may have been cut and even written again, by a
 * later write, while this one was under way; only the write that the cache names counts. */
static int entries_written(struct driver *d, struct storage_write *w, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
    uint64_t last = 0;
    size_t i;

    for (i = 0; i < w->n_entries; i++) {
        const struct cache_entry *e = cache_get(d->cache, w->entries[i].index);
        if (e == NULL || e->term != w->entries[i].term ||
            (e->write != w->number && !MUTANT(&d->options, MUTANT_STALE_PERSISTED))) {
            break;
        }
        last = w->entries[i].index;
    }
    if (last <= d->raft.last_stored || d->install == INSTALL_WRITING) {
        return 0;
    }
    event.persisted_entries.index = last;
    return driver_step(d, &event, fault);
}

void driver_release_write(struct storage_write *w)
{
    struct pending_entries *pending = w->owner;
    size_t i;

    if (pending != NULL) {
        for (i = 0; i < pending->n; i++) {
            blob_release(pending->blobs[i]);
        }
        free(pending->blobs);
        free(pending);
    }
    log_snapshot_release(&w->snapshot);
    free(w->entries);
    free(w);
}

int driver_written(struct driver *d, uint64_t now_ms, struct storage_write *w, struct fault *fault)
{
    int rv = 0;

    d->now_ms = now_ms;
    d->durable = w->number;
    driver_flush(d);
    switch (w->kind) {
    case STORAGE_ENTRIES:
        rv = entries_written(d, w, fault);
        break;
    case STORAGE_VOTE:
        break;
    case STORAGE_SNAPSHOT:
        rv = driver_manifest_written(d, w, fault);
        break;
    case STORAGE_INSTALL:
        rv = driver_install_written(d, w, fault);
        break;
    }
    driver_release_write(w);
    return rv;
}

int driver_propose(struct driver *d, uint64_t now_ms, enum log_entry_type type, struct slice data,
                   uint64_t *index, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_SUBMIT};
    struct raft_entry entry = {.type = (enum raft_entry_type)type};

    d->now_ms = now_ms;
    *index = 0;
    if (!driver_is_leader(d) || driver_transferring(d)) {
        return 0;
    }
    entry.term = raft_current_term(&d->raft);
    entry.buf.len = data.len;
    entry.buf.base = raft_malloc(data.len);
    if (entry.buf.base == NULL) {
        abort();
    }
    memcpy(entry.buf.base, data.base, data.len);
    entry.batch = entry.buf.base;
    event.submit.entries = &entry;
    event.submit.n = 1;
    *index = cache_last(d->cache) + 1;
    return driver_step(d, &event, fault);
}

int driver_transfer(struct driver *d, uint64_t now_ms, uint64_t target, bool *accepted,
                    struct fault *fault)
{
    struct raft_event event = {.type = RAFT_TRANSFER};
    unsigned i;

    d->now_ms = now_ms;
    *accepted = false;
    if (!driver_is_leader(d) || driver_transferring(d)) {
        return 0;
    }
    for (i = 0; i < d->raft.configuration.n; i++) {
        const struct raft_server *s = &d->raft.configuration.servers[i];
        if (s->id != d->options.id && s->role == RAFT_VOTER && (target == 0 || s->id == target)) {
            *accepted = true;
        }
    }
    if (!*accepted) {
        return 0;
    }
    event.transfer.server_id = target;
    return driver_step(d, &event, fault);
}

uint64_t driver_deadline_ms(const struct driver *d)
{
    return raft_timeout(&d->raft);
}

bool driver_is_leader(const struct driver *d)
{
    return d->raft.state == RAFT_LEADER;
}

bool driver_transferring(const struct driver *d)
{
    return raft_transferee(&d->raft) != 0;
}

uint64_t driver_leader(const struct driver *d)
{
    if (driver_is_leader(d)) {
        return d->options.id;
    }
    return d->raft.state == RAFT_FOLLOWER ? d->raft.follower_state.current_leader.id : 0;
}

uint64_t driver_term(const struct driver *d)
{
    return raft_current_term(&d->raft);
}

uint64_t driver_applicable(const struct driver *d)
{
    if (MUTANT(&d->options, MUTANT_APPLY_BY_COMMIT)) {
        return raft_commit_index(&d->raft);
    }
    if (MUTANT(&d->options, MUTANT_ACK_BEFORE_COMMIT)) {
        return d->raft.last_stored;
    }
    return d->commit < d->raft.last_stored ? d->commit : d->raft.last_stored;
}

int driver_entry(struct driver *d, uint64_t index, struct log_entry *entry, struct fault *fault)
{
    const struct cache_entry *e = cache_get(d->cache, index);

    if (e != NULL) {
        *entry = (struct log_entry){index, e->term, e->type, e->blob->data, e->blob->len};
        return 0;
    }
    return d->options.storage.read(d->options.storage.impl, index, entry, &d->scratch, fault);
}

uint64_t driver_snapshot_index(const struct driver *d)
{
    return d->snapshot.index;
}
