#include "tests/unit/replica_host.h"

#include <stdlib.h>

#include <raft.h>

#include "consensus/message.h"

/* ---- what the replica is given ---- */

static uint64_t now_ms(void *impl)
{
    return ((struct host *)impl)->now_ms;
}

static uint64_t now_us(void *impl)
{
    const struct host *h = impl;

    return h->now_ms * 1000 + h->us;
}

static uint64_t wall_ms(void *impl)
{
    return ((struct host *)impl)->wall_ms;
}

static void wake(void *context)
{
    (void)context;
}

static void submit(void *impl, struct storage_write *w)
{
    struct host *h = impl;

    w->next = NULL;
    *h->writes_last = w;
    h->writes_last = &w->next;
}

static int read_back(void *impl, uint64_t index, struct log_entry *entry, struct bytes *data,
                     struct fault *fault)
{
    return log_read(((struct host *)impl)->log, index, entry, data, fault);
}

static bool send_frame(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct host *h = impl;

    if (kind == FRAME_MEMBERS) {
        return true; /* the roster's: test_roster.c */
    }
    if (h->takes > 0 && --h->takes == 0) {
        h->refuses = true; /* after this one */
    } else if (h->refuses) {
        return false;
    }
    assert_true(h->n_sent < FRAMES_MAX);
    h->sent[h->n_sent].peer = peer;
    h->sent[h->n_sent].kind = kind;
    bytes_init(&h->sent[h->n_sent].bytes);
    bytes_append(&h->sent[h->n_sent++].bytes, frame.base, frame.len);
    return true;
}

static bool connected(void *impl, uint64_t peer)
{
    (void)peer;
    return !((struct host *)impl)->disconnected;
}

static void set_peers(void *impl, const uint64_t *ids, const char *const *addresses, size_t n)
{
    (void)impl;
    (void)ids;
    (void)addresses;
    (void)n;
}

static void fetch(void *impl, uint64_t peer, uint64_t index, struct slice manifest)
{
    (void)peer;
    (void)index;
    (void)manifest;
    ((struct host *)impl)->fetches++;
}

static uint64_t applied_index(void *impl)
{
    return ((struct host *)impl)->applied;
}

static bool valid(void *impl, struct slice command)
{
    (void)impl;
    return command.len < 100;
}

/* Wants to know two commands; apply then sees that they come as they were told. */
static bool expect(void *impl, struct slice command)
{
    struct host *h = impl;

    if (h->n_expected == HOST_EXPECTED) {
        return false;
    }
    h->expected[h->n_expected++] = command;
    return true;
}

static int apply(void *impl, uint64_t index, uint64_t time_ms, struct slice command,
                 struct bytes *outcome, struct fault *fault)
{
    struct host *h = impl;

    (void)time_ms;
    (void)fault;
    assert_int_equal(index, h->applied + 1);
    assert_true(h->n_expected > 0);
    assert_ptr_equal(command.base, h->expected[0].base);
    assert_int_equal(command.len, h->expected[0].len);
    h->expected[0] = h->expected[1];
    h->n_expected--;
    h->count++;
    if (outcome != NULL) {
        bytes_append_u64(outcome, h->count);
    }
    return 0;
}

static int end_entry(void *impl, uint64_t index, struct fault *fault)
{
    struct host *h = impl;

    (void)fault;
    assert_int_equal(h->n_expected, 0);
    h->applied = index;
    return 0;
}

static bool ready(void *impl)
{
    (void)impl;
    return true;
}

static int query(void *impl, struct slice q, struct bytes *answer, bool *broken,
                 struct fault *fault)
{
    *broken = false;
    if (!slice_is(q, "count")) {
        return fault_set(fault, "no such question");
    }
    bytes_append_u64(answer, ((struct host *)impl)->count);
    return 0;
}

static void head(void *impl, uint8_t check[FSM_CHECK_BYTES])
{
    (void)impl;
    memset(check, 0, FSM_CHECK_BYTES);
}

static int check_head(void *impl, const uint8_t check[FSM_CHECK_BYTES], struct fault *fault)
{
    (void)impl;
    (void)check;
    (void)fault;
    return 0;
}

static uint64_t zero(void *impl)
{
    (void)impl;
    return 0;
}

const struct log_options host_log_options = {.segment_bytes = 8192};

/* ---- its life ---- */

static void must(int rv, const struct fault *fault)
{
    if (rv != 0) {
        fail_msg("%s", fault->text);
    }
}

static void take_line(struct reporter *reporter, enum level level, const char *room,
                      const char *message, const char *fields)
{
    struct host *h = (struct host *)((char *)reporter - offsetof(struct host, reporter));

    (void)level;
    (void)room;
    if (strstr(message, "forwarded request") != NULL) {
        snprintf(h->line, sizeof h->line, "%s: %s", message, fields);
        h->lines++;
    }
}

void host_start(struct host *h, unsigned seed)
{
    struct gate_options gate_options = {
        .max_tickets = 100, .max_bytes = 8 << 20, .wake = wake, .now_ms = now_ms, .context = h};
    struct log_identity identity = {"test", 1};
    struct replica_options o = {
        .driver = {.id = 1,
                   .address = "127.0.0.1:1",
                   .storage = {h, submit, read_back},
                   .transport = {h, send_frame, connected, set_peers},
                   .installer = {h, fetch},
                   .election_timeout_ms = 1000,
                   .heartbeat_ms = 100,
                   .install_timeout_ms = 1000,
                   .inflight = 32,
                   .trailing = 10,
                   .cache_bytes = 1 << 20,
                   .seed = seed,
                   .reporter = &h->reporter},
        .fsm = {h, applied_index, valid, expect, apply, end_entry, ready, query, head, check_head,
                zero, zero, zero},
        .clock = {h, now_ms, now_us, wall_ms},
        .group_bytes = 128,
        .group_window = 2,
        .gather_from = 2,
        .gather_us = h->gather_us,
        .forward_max = 10,
        .forward_bytes_max = 10000,
        .state_may_lead = h->state_may_lead,
        .slow_ms = 500,
    };
    struct fault fault;

    h->reporter = (struct reporter){take_line, LEVEL_INFO};
    h->gate = gate_new(&gate_options);
    o.gate = h->gate;
    must(log_open(&h->log, &h->files, &identity, &host_log_options, NULL, &fault), &fault);
    must(replica_open(&h->replica, &o, h->log, &fault), &fault);
}

struct host *host_new(unsigned members)
{
    static const char *const addresses[] = {"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"};
    struct host *h = calloc(1, sizeof *h);
    struct log_identity identity = {"test", 1};
    struct raft_configuration c;
    struct raft_buffer buffer;
    struct log_entry first;
    struct fault fault;
    unsigned i;

    assert_non_null(h);
    h->writes_last = &h->writes;
    h->now_ms = 1000;
    h->wall_ms = 1700000000000;
    h->disk = sim_disk_new();
    sim_disk_interface(h->disk, &h->files);
    raft_configuration_init(&c);
    for (i = 1; i <= members; i++) {
        assert_int_equal(raft_configuration_add(&c, i, addresses[i - 1], RAFT_VOTER), 0);
    }
    assert_int_equal(raft_configuration_encode(&c, &buffer), 0);
    first = (struct log_entry){1, 1, LOG_CHANGE, buffer.base, buffer.len};
    must(log_format(&h->files, &identity, &first, &fault), &fault);
    raft_free(buffer.base);
    raft_configuration_close(&c);
    host_start(h, 7);
    return h;
}

void host_forget_sent(struct host *h)
{
    while (h->n_sent > 0) {
        bytes_release(&h->sent[--h->n_sent].bytes);
    }
}

void host_stop(struct host *h)
{
    while (h->writes != NULL) {
        struct storage_write *next = h->writes->next;
        driver_release_write(h->writes);
        h->writes = next;
    }
    h->writes_last = &h->writes;
    host_forget_sent(h);
    replica_close(h->replica);
    gate_free(h->gate);
    log_close(h->log);
}

void host_free(struct host *h)
{
    host_stop(h);
    sim_disk_free(h->disk);
    free(h);
}

void host_pump(struct host *h)
{
    struct fault fault;
    bool again = true;

    while (again) {
        must(replica_pump(h->replica, &again, &fault), &fault);
    }
}

void host_write_all(struct host *h)
{
    struct fault fault;

    while (h->writes != NULL) {
        struct storage_write *w = h->writes;
        h->writes = w->next;
        if (h->writes == NULL) {
            h->writes_last = &h->writes;
        }
        w->next = NULL;
        must(storage_perform(h->log, w, &fault), &fault);
        must(log_sync(h->log, &fault), &fault);
        must(replica_written(h->replica, w, &fault), &fault);
        host_pump(h);
    }
}

void host_heartbeat(struct host *h, uint64_t leader, uint64_t term)
{
    struct raft_message m = {.type = RAFT_APPEND_ENTRIES};
    struct bytes b;
    struct fault fault;

    bytes_init(&b);
    m.append_entries.term = term;
    m.append_entries.prev_log_index = 1;
    m.append_entries.prev_log_term = 1;
    message_encode(&m, &b);
    must(replica_frame(h->replica, leader, FRAME_RAFT, (struct slice){(char *)b.base, b.len},
                       &fault),
         &fault);
    bytes_release(&b);
    host_pump(h);
    host_write_all(h);
}

/* ---- tickets ---- */

struct ticket *host_hand_in(struct host *h, enum ticket_kind kind, unsigned n, const char *text)
{
    struct ticket *t = ticket_new(kind);

    if (kind == TICKET_COMMANDS) {
        while (t->n_commands < n) {
            frame_append(&t->in, text, strlen(text));
            t->n_commands++;
        }
    } else {
        bytes_append(&t->in, text, strlen(text));
    }
    assert_int_equal(gate_hand_in(h->gate, t, HOST_TIMEOUT_MS), RESULT_OK);
    return t;
}

void host_state_options(struct host *h, struct replica_options *o)
{
    *o = (struct replica_options){.fsm = {.impl = h, .applied_index = applied_index},
                                  .clock = {h, now_ms, now_us, wall_ms}};
}
