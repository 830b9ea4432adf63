#include "tests/sim/rig.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/message.h"

enum { PAYLOAD = 8 };

/* ---- what the driver is given ---- */

static void submit(void *impl, struct storage_write *w)
{
    struct rig *rig = impl;

    w->next = NULL;
    *rig->writes_last = w;
    rig->writes_last = &w->next;
}

static int read_back(void *impl, uint64_t index, struct log_entry *entry, struct bytes *data,
                     struct fault *fault)
{
    struct rig *rig = impl;

    return log_read(rig->log, index, entry, data, fault);
}

static bool send_frame(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct rig *rig = impl;
    struct rig_frame *to = &rig->sent[rig->n_sent];

    if (kind != FRAME_RAFT) {
        return true; /* who the members are: the scripts are about Raft */
    }
    assert(rig->n_sent < RIG_FRAMES_MAX);
    rig->n_sent++;
    to->peer = peer;
    to->len = frame.len;
    to->data = malloc(frame.len);
    assert(to->data != NULL);
    memcpy(to->data, frame.base, frame.len);
    return true;
}

static bool connected(void *impl, uint64_t peer)
{
    (void)impl;
    (void)peer;
    return true;
}

static void set_peers(void *impl, const uint64_t *ids, const char *const *addresses, size_t n)
{
    (void)impl;
    (void)ids;
    (void)addresses;
    (void)n;
}

static void install(void *impl, uint64_t peer, uint64_t index, struct slice manifest)
{
    struct rig *rig = impl;

    (void)peer;
    (void)manifest;
    rig->fetch_index = index;
}

/* ---- the log ---- */

static struct log_identity identity(const struct rig *rig)
{
    struct log_identity i = {"rig", 0};

    i.node_id = rig->id;
    return i;
}

static void configuration(unsigned members, struct raft_buffer *buffer)
{
    struct raft_configuration c;
    char address[LOG_ADDRESS_MAX];
    unsigned i;
    int rv = 0;

    raft_configuration_init(&c);
    for (i = 1; i <= members && rv == 0; i++) {
        snprintf(address, sizeof address, "127.0.0.1:%u", i);
        rv = raft_configuration_add(&c, i, address, i <= 3 ? RAFT_VOTER : RAFT_STANDBY);
    }
    if (rv != 0 || raft_configuration_encode(&c, buffer) != 0) {
        abort();
    }
    raft_configuration_close(&c);
}

static void must(int rv, const struct fault *fault)
{
    if (rv != 0) {
        fprintf(stderr, "rig: %s\n", fault->text);
        abort();
    }
}

void rig_init(struct rig *rig, uint64_t id, unsigned members, enum mutant mutant)
{
    struct log_identity me;
    struct raft_buffer buffer;
    struct log_entry first;

    *rig = (struct rig){.id = id, .members = members, .mutant = mutant, .trailing = 2};
    rig->writes_last = &rig->writes;
    rig->now_ms = 1000;
    rig->disk = sim_disk_new();
    sim_disk_interface(rig->disk, &rig->files);
    configuration(members, &buffer);
    first = (struct log_entry){1, 1, LOG_CHANGE, buffer.base, buffer.len};
    me = identity(rig);
    must(log_format(&rig->files, &me, &first, &rig->fault), &rig->fault);
    raft_free(buffer.base);
}

static void open_log(struct rig *rig)
{
    struct log_identity me = identity(rig);
    struct log_options options = {.segment_bytes = 8192};

    if (rig->log == NULL) {
        must(log_open(&rig->log, &rig->files, &me, &options, NULL, &rig->fault), &rig->fault);
    }
}

void rig_entries(struct rig *rig, const uint64_t *terms, size_t n, uint64_t change)
{
    static const uint8_t payload[PAYLOAD];
    struct raft_buffer buffer;
    size_t i;

    open_log(rig);
    configuration(rig->members, &buffer);
    for (i = 0; i < n; i++) {
        struct log_entry e = {i + 2, terms[i], LOG_COMMAND, payload, PAYLOAD};
        if (e.index == change) {
            e.type = LOG_CHANGE;
            e.data = buffer.base;
            e.len = buffer.len;
        }
        must(log_append(rig->log, &e, 1, &rig->fault), &rig->fault);
    }
    must(log_sync(rig->log, &rig->fault), &rig->fault);
    raft_free(buffer.base);
}

void rig_term(struct rig *rig, uint64_t term)
{
    open_log(rig);
    must(log_set_vote(rig->log, term, 0, &rig->fault), &rig->fault);
}

/* ---- life ---- */

int rig_open(struct rig *rig)
{
    struct driver_options options = {
        .id = rig->id,
        .address = "127.0.0.1:1",
        .storage = {rig, submit, read_back},
        .transport = {rig, send_frame, connected, set_peers},
        .installer = {rig, install},
        .election_timeout_ms = 1000,
        .heartbeat_ms = 100,
        .install_timeout_ms = 5000,
        .inflight = 32,
        .trailing = rig->trailing,
        .hold_ms = rig->hold_ms,
        .cache_bytes = 1 << 20,
        .seed = (unsigned)rig->id,
    };

#ifdef FLORIN_MUTANTS
    options.mutant = rig->mutant;
#endif
    open_log(rig);
    return driver_open(&rig->driver, &options, rig->log, rig->now_ms, &rig->fault);
}

static void close_process(struct rig *rig)
{
    rig_forget_sent(rig);
    while (rig->writes != NULL) {
        struct storage_write *next = rig->writes->next;
        driver_release_write(rig->writes);
        rig->writes = next;
    }
    rig->writes_last = &rig->writes;
    if (rig->driver != NULL) {
        driver_close(rig->driver);
        rig->driver = NULL;
    }
    if (rig->log != NULL) {
        log_close(rig->log);
        rig->log = NULL;
    }
}

void rig_crash(struct rig *rig)
{
    close_process(rig);
    sim_disk_crash(rig->disk, rig->now_ms);
}

void rig_release(struct rig *rig)
{
    close_process(rig);
    sim_disk_free(rig->disk);
}

/* ---- writes and time ---- */

bool rig_write(struct rig *rig)
{
    struct storage_write *w = rig->writes;

    if (w == NULL) {
        return false;
    }
    rig->writes = w->next;
    if (rig->writes == NULL) {
        rig->writes_last = &rig->writes;
    }
    w->next = NULL;
    must(storage_perform(rig->log, w, &rig->fault), &rig->fault);
    if (w->kind == STORAGE_ENTRIES) {
        must(log_sync(rig->log, &rig->fault), &rig->fault);
    }
    must(driver_written(rig->driver, rig->now_ms, w, &rig->fault), &rig->fault);
    return true;
}

void rig_write_all(struct rig *rig)
{
    while (rig_write(rig)) {
    }
}

size_t rig_writes(const struct rig *rig)
{
    const struct storage_write *w;
    size_t n = 0;

    for (w = rig->writes; w != NULL; w = w->next) {
        n++;
    }
    return n;
}

int rig_pass(struct rig *rig, uint64_t ms)
{
    rig->now_ms += ms;
    return driver_tick(rig->driver, rig->now_ms, &rig->fault);
}

/* ---- messages ---- */

int rig_receive(struct rig *rig, uint64_t peer, const struct raft_message *m)
{
    struct bytes frame;
    int rv;

    bytes_init(&frame);
    message_encode(m, &frame);
    rv = driver_receive(rig->driver, rig->now_ms, peer,
                        (struct slice){(const char *)frame.base, frame.len}, &rig->fault);
    bytes_release(&frame);
    return rv;
}

bool rig_last(struct rig *rig, enum raft_message_type type, struct raft_message *m)
{
    size_t i = rig->n_sent;

    while (i-- > 0) {
        if (message_decode(rig->sent[i].data, rig->sent[i].len, m, &rig->fault) != 0) {
            continue;
        }
        if (m->type == type) {
            m->server_id = rig->sent[i].peer;
            return true;
        }
        message_release(m);
    }
    return false;
}

void rig_forget_sent(struct rig *rig)
{
    while (rig->n_sent > 0) {
        free(rig->sent[--rig->n_sent].data);
    }
}

static void vote(struct rig *rig, bool pre_vote)
{
    struct raft_message asked;
    struct raft_message m = {.type = RAFT_REQUEST_VOTE_RESULT};

    if (!rig_last(rig, RAFT_REQUEST_VOTE, &asked) || asked.request_vote.pre_vote != pre_vote) {
        return;
    }
    m.request_vote_result.term = asked.request_vote.term;
    m.request_vote_result.pre_vote = pre_vote;
    m.request_vote_result.vote_granted = true;
    must(rig_receive(rig, rig->id == 2 ? 1 : 2, &m), &rig->fault);
}

void rig_elect(struct rig *rig)
{
    must(rig_pass(rig, 3000), &rig->fault);
    vote(rig, true);
    rig_write_all(rig);
    vote(rig, false);
    rig_write_all(rig);
    assert(driver_is_leader(rig->driver));
}

int rig_append(struct rig *rig, uint64_t peer, uint64_t leader_term, uint64_t previous,
               uint64_t previous_term, unsigned n, uint64_t term, uint64_t commit)
{
    static uint8_t const payload[PAYLOAD];
    struct raft_entry entries[64];
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES};
    unsigned i;

    assert(n <= 64);
    for (i = 0; i < n; i++) {
        entries[i] = (struct raft_entry){.term = term, .type = RAFT_COMMAND};
        entries[i].buf.base = (void *)(uintptr_t)payload;
        entries[i].buf.len = PAYLOAD;
    }
    m.append_entries.term = leader_term;
    m.append_entries.prev_log_index = previous;
    m.append_entries.prev_log_term = previous_term;
    m.append_entries.leader_commit = commit;
    m.append_entries.entries = entries;
    m.append_entries.n_entries = n;
    return rig_receive(rig, peer, &m);
}
