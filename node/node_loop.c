/* What the loop does: collects events, pumps the replica once a turn, starts checkpoints, stops. */
#include "node/node_private.h"

#include <stdlib.h>
#include <unistd.h>

#include "consensus/entry.h"
#include "consensus/message.h"
#include "node/logfmt.h"
#include "statemachine/failpoint.h"

/* All nodes of a cluster have their turn for a checkpoint once in this time; most take less than a
 * third of it. */
enum { CHECKPOINT_CYCLE_MS = 4000 };

/* Known ids that are read at once, and how often, while no entries come: those read on themselves.
 * A tenth of the loop's time, if they are in memory. */
enum { READ_KEYS = 512, READ_EVERY_MS = 2 };

/* How long a stopping node waits for what is under way. */
enum { DRAIN_MS = 4000, DRAIN_LOOK_MS = 20, DAY_S = 86400 };

uint64_t node_now_ms(void *node)
{
    (void)node;
    return uv_hrtime() / 1000000;
}

void node_fatal(void *node, const struct fault *fault)
{
    (void)node;
    logfmt_fatal("node", fault);
    _exit(EXIT_FATAL); /* no clean-up: what is in memory can't be vouched for */
}

void node_wake(void *node)
{
    struct node *n = node;

    uv_async_send(&n->wake);
}

void node_on_frame(void *node, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct node *n = node;
    struct fault fault;

    if (n->phase == PHASE_ENDED) {
        return;
    }
    if (kind == FRAME_STATE) {
        copy_frame(n->copy, peer, frame);
    } else if (replica_frame(n->replica, peer, kind, frame, &fault) != 0) {
        node_fatal(n, &fault);
    }
    n->pump_wanted = true;
}

void node_on_link(void *node, uint64_t peer, bool up)
{
    struct node *n = node;

    report(n->reporter, LEVEL_INFO, "node", up ? "a peer link is up" : "a peer link is down",
           "peer=%llu", (unsigned long long)peer);
    if (n->phase != PHASE_ENDED) {
        copy_link(n->copy, peer, up);
        replica_link(n->replica, peer, up);
        n->room.look_at_ms = up ? 0 : n->room.look_at_ms; /* it is to know before it votes for us */
        n->pump_wanted = true;
    }
}

void node_on_lost(void *node, uint64_t peer)
{
    struct node *n = node;

    if (n->phase != PHASE_ENDED) {
        replica_lost(n->replica, peer);
        n->pump_wanted = true;
    }
}

void node_more_status(void *node, struct cluster_status *status)
{
    struct node *n = node;

    status->checkpoints = n->checkpoints;
    status->checkpoint_last_us = n->checkpoint_last_us;
    status->checkpoint_total_us = n->checkpoint_total_us;
    status->changes_bytes = machine_changes_bytes(n->machine);
    status->reading_ids = machine_is_reading(n->machine);
    status->disk_free_bytes = n->room.free_bytes;
    status->disk_reserve_bytes = n->config.disk_reserve_bytes;
    writer_status(n->writer, status);
    copy_status(n->copy, status);
    status->formats = (struct status_formats){
        .entry = ENTRY_VERSION,
        .log = LOG_FORMAT,
        .snapshot = DRIVER_SNAPSHOT_FORMAT,
        .link = HANDSHAKE_VERSION,
        .message = MESSAGE_VERSION,
    };
}

/* ---- checkpoints ---- */

void node_schedule_checkpoint(struct node *n)
{
    n->checkpoint_due_ms =
        node_now_ms(n) +
        checkpointer_wait_ms(n->config.node_id, n->config.checkpoint_interval_ms, node_wall_ms(n));
}

/* One that the changes' size asks for waits for this node's turn, but not for long where there are
 * many. */
static bool checkpoint_due(struct node *n)
{
    uint64_t now = node_now_ms(n);
    uint64_t turn;

    if (now < n->checkpoint_due_ms && machine_checkpoint_wanted(n->machine)) {
        turn = now + checkpointer_turn_ms(n->config.node_id, CHECKPOINT_CYCLE_MS, node_wall_ms(n));
        n->checkpoint_due_ms = turn < n->checkpoint_due_ms ? turn : n->checkpoint_due_ms;
    }
    return now >= n->checkpoint_due_ms || vault_wants_checkpoint(n->vault) ||
           machine_changes_bytes(n->machine) >=
               checkpointer_urgent_bytes(n->config.checkpoint_bytes,
                                         n->config.checkpoint_bytes_hard);
}

/* Somebody waits for the end of the checkpoint under way: another state, a backup, or the next one,
 * which changes since it began are enough for. */
static bool checkpoint_is_late(struct node *n)
{
    return n->install_ready || vault_waits_for_checkpoint(n->vault) ||
           node_now_ms(n) >= n->checkpoint_due_ms ||
           machine_new_changes_bytes(n->machine) >= n->config.checkpoint_bytes;
}

static void begin_checkpoint(struct node *n)
{
    if (checkpointer_busy(n->checkpointer)) {
        if (checkpoint_is_late(n)) {
            checkpointer_hurry(n->checkpointer);
        }
        return;
    }
    if (n->install_ready || !room_for_checkpoint(n) || !checkpoint_due(n)) {
        return;
    }
    if (!machine_checkpoint_begin(n->machine)) {
        vault_checkpoint_begun(n->vault, true);
        return;
    }
    vault_checkpoint_begun(n->vault, false);
    machine_head(n->machine, n->checkpoint_head);
    node_schedule_checkpoint(n);
    FAILPOINT("checkpoint: frozen");
    checkpointer_start(n->checkpointer, n->machine);
}

static void end_checkpoint(struct node *n)
{
    struct fault fault;
    uint64_t index;
    uint64_t us = 0;
    int rv = checkpointer_finish(n->checkpointer, &us, &fault);

    if (rv == 0) {
        return;
    }
    if (rv == STORE_NO_ROOM) {
        room_checkpoint(n, &fault);
        return;
    }
    if (rv < 0 || machine_checkpoint_end(n->machine, &index, &fault) != 0 ||
        replica_checkpointed(
            n->replica, index,
            (struct slice){(const char *)n->checkpoint_head, sizeof n->checkpoint_head},
            &fault) != 0) {
        node_fatal(n, &fault);
    }
    FAILPOINT("checkpoint: manifest on its way");
    room_checkpoint(n, NULL);
    install_settled(n);
    vault_checkpoint_ended(n->vault);
    n->checkpoints++;
    n->checkpoint_last_us = us;
    n->checkpoint_total_us += us;
    report(n->reporter, LEVEL_DEBUG, "node", "a checkpoint is durable",
           "index=%llu duration_us=%llu", (unsigned long long)index, (unsigned long long)us);
}

/* ---- reading on ---- */

static void on_reading(uv_timer_t *timer)
{
    struct node *n = timer->data;
    struct fault fault;

    if (n->phase == PHASE_ENDED || !machine_is_reading(n->machine)) {
        uv_timer_stop(timer);
    } else if (machine_applied_index(n->machine) != n->read_at_index) {
        n->read_at_index = machine_applied_index(n->machine);
    } else if (machine_read_on(n->machine, READ_KEYS, &fault) != 0) {
        node_fatal(n, &fault);
    }
}

/* Not while the state comes from the disk: the loop would wait for it. */
static void read_on(struct node *n)
{
    if (n->warm.ended && machine_is_reading(n->machine) &&
        !uv_is_active((uv_handle_t *)&n->reading)) {
        uv_timer_start(&n->reading, on_reading, READ_EVERY_MS, READ_EVERY_MS);
    }
}

/* ---- the turn of the loop ---- */

static void finish_writes(struct node *n)
{
    struct storage_write *w = writer_drain_done(n->writer);
    struct fault fault;

    while (w != NULL) {
        struct storage_write *next = w->next;
        if (replica_written(n->replica, w, &fault) != 0) {
            node_fatal(n, &fault);
        }
        w = next;
    }
}

static void pump(struct node *n);

/* Timers run before the poll, which would then sleep with the work undone: so it pumps itself. */
static void on_timer(uv_timer_t *timer)
{
    struct node *n = timer->data;

    if (n->phase != PHASE_ENDED) {
        pump(n);
    }
}

static void set_timer(struct node *n)
{
    uint64_t now = node_now_ms(n);
    uint64_t at = replica_deadline_ms(n->replica);

    if (n->checkpoint_due_ms < at && machine_checkpoint_possible(n->machine) && !n->install_ready &&
        room_for_checkpoint(n)) {
        at = n->checkpoint_due_ms;
    }
    at = n->room.look_at_ms < at ? n->room.look_at_ms : at;
    if (supervisor_deadline_ms(&n->supervisor) < at) {
        at = supervisor_deadline_ms(&n->supervisor);
    }
    if (n->phase == PHASE_DRAINING && at > now + DRAIN_LOOK_MS) {
        at = now + DRAIN_LOOK_MS;
    }
    uv_update_time(&n->loop);
    uv_timer_start(&n->timer, on_timer, at > now ? at - now : 0, 0);
    if (replica_gather_until_us(n->replica) != UINT64_MAX) {
        short_timer_set(&n->gathered, replica_gather_until_us(n->replica));
    }
}

static void end_when_drained(struct node *n)
{
    bool late = node_now_ms(n) >= n->drain_until_ms;

    if (n->phase != PHASE_DRAINING || !(replica_idle(n->replica) || late)) {
        return;
    }
    if (late) {
        report(n->reporter, LEVEL_WARN, "node", "stopping with work still under way",
               "waited_ms=%d", DRAIN_MS);
    }
    n->phase = PHASE_ENDED;
    uv_stop(&n->loop);
}

/* Nothing is waited for: nobody answers this node any more. */
static void end_when_removed(struct node *n)
{
    uint64_t index = replica_removed(n->replica);

    if (index == 0 || n->phase == PHASE_ENDED) {
        return;
    }
    report(
        n->reporter, LEVEL_WARN, "node",
        "this node is no member of the cluster any more: it stops for good",
        "node=%llu as_of_index=%llu remedy=\"to use this machine again, add a node with a new id "
        "and an empty data folder\"",
        (unsigned long long)n->config.node_id, (unsigned long long)index);
    n->removed = true;
    gate_close(n->gate);
    n->phase = PHASE_ENDED;
    uv_stop(&n->loop);
}

static void pump(struct node *n)
{
    struct fault fault;
    bool again;

    n->pump_wanted = false;
    finish_writes(n);
    end_checkpoint(n);
    if (install_advance(n, &fault) != 0) {
        node_fatal(n, &fault);
    }
    if (room_look(n, &fault) != 0 || replica_pump(n->replica, &again, &fault) != 0) {
        node_fatal(n, &fault);
    }
    begin_checkpoint(n);
    vault_look(n->vault);
    read_on(n);
    genesis_advance(&n->genesis);
    supervisor_feed(&n->supervisor, node_now_ms(n));
    end_when_drained(n);
    end_when_removed(n);
    if (again) {
        uv_async_send(&n->wake);
    }
    set_timer(n);
}

static void on_wake(uv_async_t *async)
{
    struct node *n = async->data;

    n->pump_wanted = true;
}

static void on_gathered(void *context)
{
    struct node *n = context;

    n->pump_wanted = true;
}

static void on_after_poll(uv_check_t *check)
{
    struct node *n = check->data;

    if (n->pump_wanted && n->phase != PHASE_ENDED) {
        pump(n);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct node *n = handle->data;
    struct fault fault;

    if (n->phase != PHASE_RUNNING) {
        return;
    }
    report(n->reporter, LEVEL_INFO, "node", "stopping", "signal=%d", number);
    supervisor_stopping();
    n->phase = PHASE_DRAINING;
    n->drain_until_ms = node_now_ms(n) + DRAIN_MS;
    gate_close(n->gate);
    if (replica_stop(n->replica, &fault) != 0) {
        node_fatal(n, &fault);
    }
    n->pump_wanted = true;
}

static void reload_links(struct node *n, const struct tls_files *files)
{
    struct fault fault;

    if (peer_links_reload(n->links, files, &fault) != 0) {
        report(n->reporter, LEVEL_ERROR, "node", "the new certificates are refused, the old stay",
               "why=\"%s\"", fault.text);
    } else {
        report(n->reporter, LEVEL_INFO, "node", "the certificates were read again",
               "days_left=%lld", (long long)(peer_links_valid_s(n->links) / DAY_S));
    }
}

static void reload_https(struct node *n)
{
    struct https_files files = node_https_files(n);
    struct fault fault;
    int64_t valid_s;

    if (api_server_reload(n->api, &files, &valid_s, &fault) != 0) {
        report(n->reporter, LEVEL_ERROR, "node",
               "the new certificate of HTTPS is refused, the old stays", "why=\"%s\"", fault.text);
    } else {
        report(n->reporter, LEVEL_INFO, "node", "the certificate of HTTPS was read again",
               "days_left=%lld", (long long)(valid_s / DAY_S));
    }
}

/* SIGHUP: read the certificates again. What does not fit is said, and the old ones stay. */
static void on_reload(uv_signal_t *handle, int number)
{
    struct node *n = handle->data;
    bool https = n->config.https_listen[0] != '\0';
    struct tls_files files;
    bool links = node_tls_files(n, &files);

    (void)number;
    if (n->phase == PHASE_ENDED || n->api == NULL) {
        return;
    }
    if (!links && !https) {
        report(n->reporter, LEVEL_INFO, "node", "nothing to read again: there is no TLS", "%s", "");
    }
    if (links) {
        reload_links(n, &files);
    }
    if (https) {
        reload_https(n);
    }
}

int node_loop_start(struct node *n, struct fault *fault)
{
    int rv;

    n->wake.data = n->timer.data = n->after_poll.data = n->reading.data = n->sigterm.data =
        n->sigint.data = n->sighup.data = n;
    if ((rv = uv_loop_init(&n->loop)) != 0 ||
        (rv = uv_async_init(&n->loop, &n->wake, on_wake)) != 0 ||
        (rv = uv_timer_init(&n->loop, &n->timer)) != 0 ||
        (rv = uv_check_init(&n->loop, &n->after_poll)) != 0 ||
        (rv = short_timer_init(&n->gathered, &n->loop, on_gathered, n)) != 0 ||
        (rv = uv_timer_init(&n->loop, &n->reading)) != 0 ||
        (rv = uv_signal_init(&n->loop, &n->sigterm)) != 0 ||
        (rv = uv_signal_init(&n->loop, &n->sigint)) != 0 ||
        (rv = uv_signal_init(&n->loop, &n->sighup)) != 0 ||
        (rv = uv_check_start(&n->after_poll, on_after_poll)) != 0 ||
        (rv = uv_signal_start(&n->sigterm, on_signal, SIGTERM)) != 0 ||
        (rv = uv_signal_start(&n->sigint, on_signal, SIGINT)) != 0 ||
        (rv = uv_signal_start(&n->sighup, on_reload, SIGHUP)) != 0) {
        return fault_set(fault, "can't start the event loop: %s", uv_strerror(rv));
    }
    n->pump_wanted = true;
    uv_async_send(&n->wake);
    return 0;
}
