#include "tests/sim/sim_node.h"

#include <raft.h>
#include <stdlib.h>

#include "tests/sim/sim_check.h"
#include "tests/sim/sim_client.h"
#include "tests/sim/sim_fault.h"
#include "tests/sim/sim_member.h"
#include "tests/sim/sim_net.h"

enum { PUMPS_AT_ONCE_MAX = 1000, STOP_MAX_US = 3000000 };

static const struct log_identity identity_of_all = {"sim", 0};

/* ---- clocks ---- */

enum { PPM = 1000000 };

/* A process's clock begins at one second and never goes back; every life has its own, and its own
 * speed. */
static uint64_t clock_us(void *impl)
{
    struct node *n = impl;
    uint64_t lived_us = n->world->now_us - n->started_us;

    return lived_us * (uint64_t)(PPM + n->drift_ppm) / PPM + 1000000;
}

uint64_t node_now_ms(void *node)
{
    return clock_us(node) / 1000;
}

static uint64_t clock_wall_ms(void *impl)
{
    struct node *n = impl;

    return (uint64_t)((int64_t)(UINT64_C(1700000000000) + n->world->now_us / 1000) +
                      (int64_t)(n->world->now_us / 1000) * n->drift_ppm / PPM + n->wall_offset_ms);
}

/* ---- the loop ---- */

bool node_awake(const struct node *n)
{
    return n->up && n->paused_until_us <= n->world->now_us;
}

void node_fault(struct node *n, const struct fault *fault)
{
    if (sim_disk_powered(n->disk) && !n->disk_fails && !node_disk_full(n)) {
        world_fail(n->world, "node %u: %s", (unsigned)n->id, fault->text);
    }
    n->world->counts[sim_disk_powered(n->disk) ? COUNT_DIED_OF_DISK : COUNT_CUT_MID_CALL]++;
}

static void timer(struct world *w, const struct event *e)
{
    struct node *n = e->node;

    (void)w;
    if (n->timer_us == e->a) {
        n->timer_us = 0;
        node_wake(n);
    }
}

static void set_timer(struct node *n)
{
    uint64_t deadline_ms = replica_deadline_ms(n->replica);
    uint64_t now_us = clock_us(n);
    uint64_t gathered_us = replica_gather_until_us(n->replica);
    uint64_t at_us = deadline_ms * 1000 < gathered_us ? deadline_ms * 1000 : gathered_us;
    uint64_t delay_us =
        at_us > now_us ? (at_us - now_us) * PPM / (uint64_t)(PPM + n->drift_ppm) + 1 : 0;
    uint64_t ring_us = n->world->now_us + delay_us;

    if (delay_us == 0) { /* due at once: legal, but not for ever */
        node_wake(n);
        return;
    }
    if (n->timer_us != 0 && n->timer_us <= ring_us) {
        return;
    }
    n->timer_us = ring_us;
    world_schedule(n->world, delay_us, (struct event){.run = timer, .node = n, .a = ring_us});
}

/* A loop that wakes itself without end burns a processor in production. */
static void watch_spinning(struct node *n)
{
    uint64_t now_ms = node_now_ms(n);

    if (now_ms != n->pumped_us) {
        n->pumped_us = now_ms;
        n->pumps_at_once = 0;
    }
    if (++n->pumps_at_once > PUMPS_AT_ONCE_MAX) {
        world_fail(n->world, "node %u spins: its deadline is always over", (unsigned)n->id);
    }
}

static void pump(struct world *w, const struct event *e)
{
    struct node *n = e->node;
    struct fault fault;
    bool again = true;

    n->pump_due = false;
    watch_spinning(n);
    while (again) {
        if (replica_pump(n->replica, &again, &fault) != 0) {
            node_fault(n, &fault);
            return;
        }
    }
    check_node(w, n);
    clients_look(w, n);
    operator_look(w, n);
    if (replica_removed(n->replica) != 0) {
        world_say(w, "node %u is told that it is no member as of %llu", (unsigned)n->id,
                  (unsigned long long)replica_removed(n->replica));
        n->retired = true;
        node_end(n, DEATH_STOP);
        return;
    }
    set_timer(n);
    if (n->stopping && replica_idle(n->replica)) {
        node_end(n, DEATH_STOP);
    }
}

void node_wake(struct node *n)
{
    if (!n->pump_due && n->up) {
        n->pump_due = true;
        world_schedule(n->world, random_below(&n->world->random, n->world->profile.loop_max_us + 1),
                       (struct event){.run = pump, .node = n});
    }
}

static void gate_wake(void *context)
{
    node_wake(context);
}

void node_frame(struct node *n, uint64_t peer, enum frame_kind kind, struct slice frame)
{
    struct fault fault;

    if (n->world->failed) {
        return;
    }
    if (replica_frame(n->replica, peer, kind, frame, &fault) != 0) {
        node_fault(n, &fault);
    }
    node_wake(n);
}

void node_link(struct node *n, uint64_t peer, bool up)
{
    replica_link(n->replica, peer, up);
    node_wake(n);
}

void node_lost(struct node *n, uint64_t peer)
{
    replica_lost(n->replica, peer);
    node_wake(n);
}

/* ---- its disk's room ---- */

enum { ROOM_EVERY_US = 1000000 };

bool node_disk_full(const struct node *n)
{
    return n->full_until_us > n->world->now_us;
}

/* As node/room.c does it: tells what it sees about every second, and at once when it changes. */
static void look_at_room(struct world *w, const struct event *e)
{
    struct node *n = e->node;
    struct fault fault;
    bool waits = n->checkpoint == CHECKPOINT_WAITING;

    if (replica_room(n->replica, waits || n->short_until_us > w->now_us, &fault) != 0) {
        node_fault(n, &fault);
    }
    node_wake(n);
    if (e->a != 0) {
        world_schedule(w, ROOM_EVERY_US, *e);
    }
}

void node_fill_disk(struct node *n, uint64_t short_us, uint64_t full_us)
{
    n->short_until_us = n->world->now_us + short_us;
    n->full_until_us = n->world->now_us + full_us;
    if (n->up) {
        world_schedule(n->world, 1, (struct event){.run = look_at_room, .node = n});
    }
}

/* ---- its life ---- */

static void first_entry(const struct world *w, struct raft_buffer *buffer)
{
    struct raft_configuration configuration;
    char address[32];
    unsigned i;

    raft_configuration_init(&configuration);
    for (i = 1; i <= w->profile.n_nodes; i++) {
        snprintf(address, sizeof address, "127.0.0.1:%u", 7000 + i);
        if (raft_configuration_add(&configuration, i, address, RAFT_VOTER) != 0) {
            abort();
        }
    }
    if (raft_configuration_encode(&configuration, buffer) != 0) {
        abort();
    }
    raft_configuration_close(&configuration);
}

void node_init(struct node *n, struct world *w, uint64_t id, bool join)
{
    struct log_identity identity = identity_of_all;
    struct raft_buffer buffer;
    struct log_entry first;
    struct fault fault;

    *n = (struct node){.world = w, .id = id};
    n->disk = sim_disk_new();
    n->store = sim_store_new();
    identity.node_id = id;
    sim_disk_interface(n->disk, &n->files);
    first_entry(w, &buffer);
    first = (struct log_entry){1, 1, LOG_CHANGE, buffer.base, buffer.len};
    if (log_format(&n->files, &identity, join ? NULL : &first, &fault) != 0) {
        world_fail(w, "format: %s", fault.text);
    }
    raft_free(buffer.base);
}

void node_release(struct node *n)
{
    if (n->up) {
        node_end(n, DEATH_PROCESS);
    }
    sim_disk_free(n->disk);
    sim_store_free(n->store);
    sim_store_free(n->leftover);
}

static void options_of(struct node *n, struct replica_options *o)
{
    struct world *w = n->world;
    const struct profile *p = &w->profile;

    *o = (struct replica_options){
        .driver =
            {
                .id = n->id,
                .address = "127.0.0.1:1", /* the simulated network goes by ids */
                .election_timeout_ms = p->election_timeout_ms,
                .heartbeat_ms = p->heartbeat_ms,
                .install_timeout_ms = p->install_timeout_ms,
                .inflight = p->inflight,
                .trailing = p->trailing,
                .hold_ms = p->hold_ms,
                .cache_bytes = p->cache_bytes,
                .seed = (unsigned)random_next(&w->random),
            },
        .clock = {n, node_now_ms, clock_us, clock_wall_ms},
        .gate = n->gate,
        .group_bytes = p->group_bytes,
        .group_window = p->group_window,
        .gather_from = p->gather_from,
        .gather_us = p->gather_us,
        .forward_max = 1000,
        .forward_bytes_max = 1 << 20,
        .state_may_lead = n->state_may_lead,
    };
#ifdef FLORIN_MUTANTS
    o->driver.mutant = w->options.mutant;
#endif
    node_storage(n, &o->driver.storage);
    net_transport(n, &o->driver.transport);
    node_installer(n, &o->driver.installer);
    node_fsm(n, &o->fsm);
}

struct machine_options node_machine_options(const struct node *n)
{
    struct machine_options options = {.changes_bytes_soft = n->world->profile.changes_soft,
                                      .changes_bytes_hard = n->world->profile.changes_hard};

#ifdef FLORIN_MUTANTS
    options.mutant = n->world->options.mutant;
#endif
    return options;
}

static int open_all(struct node *n, struct fault *fault)
{
    struct log_identity identity = identity_of_all;
    struct log_options log_options = {.segment_bytes = n->world->profile.segment_bytes};
    struct machine_options machine_options = node_machine_options(n);
    struct gate_options gate_options = {.node_id = n->id,
                                        .max_tickets = 6,
                                        .max_bytes = 1 << 16,
                                        .wake = gate_wake,
                                        .now_ms = node_now_ms,
                                        .context = n};
    struct replica_options options;
    struct store store;

    identity.node_id = n->id;
#ifdef FLORIN_MUTANTS
    log_options.mutant = n->world->options.mutant;
#endif
    if (log_open(&n->log, &n->files, &identity, &log_options, NULL, fault) != 0) {
        return -1;
    }
    sim_store_open(n->store, &store);
    if (machine_open(&n->machine, store, &machine_options, fault) != 0) {
        return -1;
    }
    n->applied = machine_applied_index(n->machine);
    if (n->applied <= log_last_index(n->log)) {
        n->state_may_lead = false;
    }
    n->gate = gate_new(&gate_options);
    options_of(n, &options);
    return replica_open(&n->replica, &options, n->log, fault);
}

/* The last fields of a life begin anew. */
static void forget_process(struct node *n)
{
    n->life++;
    n->up = false;
    n->stopping = false;
    n->paused_until_us = 0;
    n->pump_due = false;
    n->timer_us = 0;
    n->pumps_at_once = 0;
    n->queued = NULL;
    n->queued_last = &n->queued;
    n->writing = NULL;
    n->checkpoint = CHECKPOINT_NONE;
    n->fetching = false;
    n->applicable = 0;
    n->log = NULL;
    n->machine = NULL;
    n->gate = NULL;
    n->replica = NULL;
}

void node_start(struct node *n)
{
    struct fault fault;

    if (n->up || n->retired) {
        return;
    }
    forget_process(n);
    n->started_us = n->world->now_us;
    n->drift_ppm = (int64_t)random_below(&n->world->random, 2 * n->world->profile.drift_ppm + 1) -
                   (int64_t)n->world->profile.drift_ppm;
    n->world->counts[COUNT_DRIFTING_NODE] += n->drift_ppm != 0;
    n->up = true;
    sim_disk_set_full(n->disk, node_disk_full(n));
    if (open_all(n, &fault) != 0) {
        node_fault(n, &fault);
        node_end(n, DEATH_POWER);
        return;
    }
    world_say(n->world, "node %u starts: term %llu, log %llu to %llu, state %llu", (unsigned)n->id,
              (unsigned long long)log_term(n->log), (unsigned long long)log_first_index(n->log),
              (unsigned long long)log_last_index(n->log), (unsigned long long)n->applied);
    net_started(n->world, n);
    node_checkpoint_start(n);
    world_schedule(n->world, ROOM_EVERY_US, (struct event){.run = look_at_room, .node = n, .a = 1});
    node_wake(n);
}

void node_end(struct node *n, enum node_death death)
{
    struct world *w = n->world;

    if (!n->up) {
        return;
    }
    world_say(w, "node %u ends (%s)", (unsigned)n->id,
              death == DEATH_POWER     ? "power"
              : death == DEATH_PROCESS ? "killed"
                                       : "stop");
    if (death != DEATH_STOP) {
        clients_lost(w, n);
    }
    operator_lost(w, n);
    node_checkpoint_end(n);
    node_storage_end(n, death);
    if (n->replica != NULL) {
        replica_close(n->replica);
    }
    if (n->gate != NULL) {
        gate_free(n->gate);
    }
    clients_look(w, n);
    if (n->machine != NULL) {
        machine_close(n->machine);
    }
    if (n->log != NULL) {
        log_close(n->log);
    }
    if (death == DEATH_POWER || !sim_disk_powered(n->disk)) {
        sim_disk_crash(n->disk, random_next(&w->random));
        n->disk_fails = false;
    }
    bytes_release(&n->scratch);
    forget_process(n);
    if (!w->failed) {
        net_died(w, n, death == DEATH_POWER);
        fault_restart_later(w, n);
    }
}

static void stop_takes_too_long(struct world *w, const struct event *e)
{
    (void)w;
    node_end(e->node, DEATH_PROCESS);
}

void node_stop(struct node *n)
{
    struct fault fault;

    if (!node_awake(n) || n->stopping) {
        return;
    }
    n->stopping = true;
    gate_close(n->gate);
    if (replica_stop(n->replica, &fault) != 0) {
        node_fault(n, &fault);
    }
    world_schedule(n->world, STOP_MAX_US, (struct event){.run = stop_takes_too_long, .node = n});
    node_wake(n);
}
