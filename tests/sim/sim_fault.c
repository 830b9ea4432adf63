#include "tests/sim/sim_fault.h"

#include <errno.h>

#include "tests/sim/sim_net.h"

_Static_assert((int)COUNT_PAUSE + 1 == (int)FAULT_KINDS, "the same order");

const char *count_name(enum sim_count c)
{
    static const char *const names[SIM_COUNTS] = {
        [COUNT_POWER_ONE] = "power-one",
        [COUNT_POWER_TWO] = "power-two",
        [COUNT_POWER_ALL] = "power-all",
        [COUNT_KILL] = "kill",
        [COUNT_STOP] = "stop",
        [COUNT_ISOLATE] = "isolate",
        [COUNT_ONE_WAY] = "one-way",
        [COUNT_HALVES] = "halves",
        [COUNT_BRIDGE] = "bridge",
        [COUNT_RESET] = "reset",
        [COUNT_SLOW_DISK] = "slow-disk",
        [COUNT_DISK_ERROR] = "disk-error",
        [COUNT_FULL_DISK] = "full-disk",
        [COUNT_CLOCK] = "clock",
        [COUNT_TRANSFER] = "transfer",
        [COUNT_PAUSE] = "pause",
        [COUNT_DIED_OF_DISK] = "died-of-disk",
        [COUNT_CUT_MID_CALL] = "cut-mid-call",
        [COUNT_FRAME_LOST] = "frame-lost",
        [COUNT_FRAME_DOUBLED] = "frame-doubled",
        [COUNT_FRAME_LATE] = "frame-late",
        [COUNT_QUEUE_FULL] = "queue-full",
        [COUNT_LINK_BROKEN] = "link-broken",
        [COUNT_ELECTION] = "election",
        [COUNT_INSTALL] = "install",
        [COUNT_COPY_REFUSED] = "copy-refused",
        [COUNT_NODE_MADE] = "node-made",
        [COUNT_MEMBERS_CHANGED] = "members-changed",
        [COUNT_DRIFTING_NODE] = "drifting-node",
        [COUNT_REPEAT] = "repeat",
        [COUNT_CONFLICT] = "conflict",
        [COUNT_UNKNOWN] = "unknown",
    };

    return names[c];
}

static struct node *any(struct world *w)
{
    return &w->nodes[random_below(&w->random, w->n_nodes)];
}

static struct node *leader(struct world *w)
{
    unsigned i;

    for (i = 0; i < w->n_nodes; i++) {
        struct node *n = &w->nodes[i];
        if (node_awake(n) && driver_is_leader(replica_driver(n->replica))) {
            return n;
        }
    }
    return any(w);
}

/* Leaders are more interesting. */
static struct node *victim(struct world *w)
{
    return random_chance(&w->random, 500) ? leader(w) : any(w);
}

/* ---- processes ---- */

static void restart(struct world *w, const struct event *e)
{
    struct node *n = &w->nodes[e->a - 1];

    if (n->life == e->b) {
        node_start(n);
    }
}

void fault_restart_later(struct world *w, struct node *n)
{
    uint64_t most = random_chance(&w->random, 300) ? 10000000 : 1000000;

    world_schedule(w, w->calm ? 50000 : random_between(&w->random, 10000, most),
                   (struct event){.run = restart, .a = n->id, .b = n->life});
}

static void power_off(struct world *w, unsigned count)
{
    uint64_t first = (uint64_t)(victim(w) - w->nodes);
    unsigned i;

    for (i = 0; i < count; i++) {
        node_end(&w->nodes[(first + i) % w->n_nodes], DEATH_POWER);
    }
}

static void pause_one(struct world *w)
{
    struct node *n = victim(w);

    if (node_awake(n)) {
        n->paused_until_us = w->now_us + random_between(&w->random, 10000, 4000000);
        world_say(w, "node %u pauses", (unsigned)n->id);
    }
}

static void transfer(struct world *w)
{
    struct ticket *t = ticket_new(TICKET_TRANSFER);
    struct node *n = any(w);

    t->target = random_below(&w->random, w->n_nodes + 2); /* 0: any; too high: refused */
    if (n->up) {
        (void)gate_hand_in(n->gate, t, 2000);
    }
    ticket_release(t);
}

/* ---- networks ---- */

static void cut(struct world *w, uint64_t a, uint64_t b)
{
    net_block(w, a, b, true);
    net_block(w, b, a, true);
}

static void isolate(struct world *w, uint64_t id)
{
    uint64_t other;

    for (other = 1; other <= w->n_nodes; other++) {
        if (other != id) {
            cut(w, id, other);
        }
    }
}

/* One side hears everybody and is heard by nobody, or the other way round. */
static void one_way(struct world *w, uint64_t id)
{
    bool deaf = random_chance(&w->random, 500);
    uint64_t other;

    for (other = 1; other <= w->n_nodes; other++) {
        if (other != id && random_chance(&w->random, 700)) {
            net_block(w, deaf ? other : id, deaf ? id : other, true);
        }
    }
}

static void halves(struct world *w)
{
    uint64_t members = random_next(&w->random);
    uint64_t a, b;

    for (a = 1; a <= w->n_nodes; a++) {
        for (b = 1; b < a; b++) {
            if ((members >> a & 1) != (members >> b & 1)) {
                cut(w, a, b);
            }
        }
    }
}

/* Two sides that only one node connects. */
static void bridge(struct world *w)
{
    uint64_t middle = any(w)->id;
    uint64_t members = random_next(&w->random);
    uint64_t a, b;

    for (a = 1; a <= w->n_nodes; a++) {
        for (b = 1; b < a; b++) {
            bool apart = w->n_nodes == 3 || (members >> a & 1) != (members >> b & 1);
            if (a != middle && b != middle && apart) {
                cut(w, a, b);
            }
        }
    }
}

static void heal(struct world *w, const struct event *e)
{
    (void)e;
    world_say(w, "the network heals");
    net_heal(w);
}

static void heal_later(struct world *w)
{
    world_schedule(w, random_between(&w->random, 200000, 8000000), (struct event){.run = heal});
}

/* ---- disks and clocks ---- */

static void disk_error(struct world *w)
{
    struct node *n = any(w);
    enum sim_disk_call call = (enum sim_disk_call)random_below(&w->random, SIM_DISK_CALLS);

    if (n->up) {
        n->disk_fails = true;
        if (random_chance(&w->random, 500)) {
            sim_disk_fail(n->disk, call, 1 + random_below(&w->random, 20),
                          random_chance(&w->random, 500) ? EIO : ENOSPC);
        } else {
            sim_disk_cut_power_after(n->disk, 1 + random_below(&w->random, 40));
        }
    }
}

/* One disk is nearly full, or several of them are, as those of equal machines are; some really. */
static void full_disks(struct world *w)
{
    unsigned chance = random_chance(&w->random, 300) ? 700 : 0;
    uint64_t short_us = random_between(&w->random, 500000, 8000000);
    struct node *first = any(w);
    unsigned i;

    for (i = 0; i < w->n_nodes; i++) {
        struct node *n = &w->nodes[i];
        if (n == first || random_chance(&w->random, chance)) {
            bool full = random_chance(&w->random, 400);
            world_say(w, "node %u: its disk is %s", (unsigned)n->id, full ? "full" : "nearly full");
            node_fill_disk(n, short_us, full ? random_below(&w->random, short_us) : 0);
        }
    }
}

static void clock_jump(struct world *w)
{
    struct node *n = any(w);

    n->wall_offset_ms = (int64_t)random_below(&w->random, 20000000) - 10000000;
}

/* ---- the whole ---- */

static void happen(struct world *w, enum fault_kind kind)
{
    switch (kind) {
    case FAULT_POWER_ONE:
        power_off(w, 1);
        break;
    case FAULT_POWER_TWO:
        power_off(w, 2);
        break;
    case FAULT_POWER_ALL:
        power_off(w, w->n_nodes);
        break;
    case FAULT_KILL:
        node_end(victim(w), DEATH_PROCESS);
        break;
    case FAULT_STOP:
        node_stop(victim(w));
        break;
    case FAULT_ISOLATE:
        isolate(w, victim(w)->id);
        break;
    case FAULT_ONE_WAY:
        one_way(w, victim(w)->id);
        break;
    case FAULT_HALVES:
        halves(w);
        break;
    case FAULT_BRIDGE:
        bridge(w);
        break;
    case FAULT_RESET:
        net_reset(w, any(w)->id, any(w)->id);
        break;
    case FAULT_SLOW_DISK:
        any(w)->slow_until_us = w->now_us + random_between(&w->random, 100000, 5000000);
        break;
    case FAULT_DISK_ERROR:
        disk_error(w);
        break;
    case FAULT_FULL_DISK:
        full_disks(w);
        break;
    case FAULT_CLOCK:
        clock_jump(w);
        break;
    case FAULT_TRANSFER:
        transfer(w);
        break;
    case FAULT_PAUSE:
        pause_one(w);
        break;
    case FAULT_KINDS:
        break;
    }
}

static void strike(struct world *w, const struct event *e)
{
    enum fault_kind kind = (enum fault_kind)random_below(&w->random, FAULT_KINDS);

    (void)e;
    if (w->calm) {
        return;
    }
    while ((w->profile.faults >> kind & 1) == 0) {
        kind = (enum fault_kind)(((unsigned)kind + 1) % FAULT_KINDS);
    }
    world_say(w, "misfortune: %s", count_name((enum sim_count)kind));
    w->counts[kind]++;
    happen(w, kind);
    if (kind >= FAULT_ISOLATE && kind <= FAULT_BRIDGE) {
        heal_later(w);
    }
    world_schedule(w, random_below(&w->random, 2 * w->profile.fault_every_us),
                   (struct event){.run = strike});
}

void faults_start(struct world *w)
{
    world_schedule(w, 500000, (struct event){.run = strike});
}

void faults_end(struct world *w)
{
    unsigned i;

    w->calm = true;
    world_say(w, "the trouble is over");
    net_heal(w);
    w->profile.refuse_per_mille = 0;
    for (i = 0; i < w->n_nodes; i++) {
        struct node *n = &w->nodes[i];
        n->paused_until_us = 0;
        n->slow_until_us = 0;
        node_fill_disk(n, 0, 0);
        if (!n->up) {
            if (n->disk_fails) { /* planted in the life before: the power goes while it is down */
                sim_disk_crash(n->disk, random_next(&w->random));
                n->disk_fails = false;
            }
            node_start(n);
        } else if (n->disk_fails) {
            node_end(n, DEATH_POWER); /* what was planted is gone with this life */
        }
    }
}
