/* Checkpoints and installs, as node/ does them: begin on the loop, write beside it, end on the
 * loop, and only then a manifest for Raft. An install copies the sender's store, checks it against
 * the manifest, and moves it into place only when everything is right. */
#include <string.h>

#include "tests/sim/sim_check.h"
#include "tests/sim/sim_node.h"

enum { ROOM_EVERY_US = 1000000 }; /* how often a checkpoint that waits for room tries again */

static uint64_t disk_delay(struct node *n)
{
    struct world *w = n->world;
    uint64_t delay = random_between(&w->random, 500, 40000);

    return n->slow_until_us > w->now_us ? delay + random_below(&w->random, 2000000) : delay;
}

/* ---- checkpoints ---- */

static void ended(struct world *w, const struct event *e)
{
    struct node *n = e->node;
    struct fault fault;
    uint64_t index;

    n->checkpoint = CHECKPOINT_NONE;
    if (random_chance(&w->random, 100)) {
        sim_store_free(n->leftover);
        n->leftover = sim_store_copy(n->store);
    }
    if (machine_checkpoint_end(n->machine, &index, &fault) != 0) {
        node_fault(n, &fault);
        return;
    }
    if (index != n->checkpoint_index) {
        world_fail(n->world, "node %u: the checkpoint of %llu ends as one of %llu", (unsigned)n->id,
                   (unsigned long long)n->checkpoint_index, (unsigned long long)index);
    }
    if (replica_checkpointed(n->replica, index,
                             (struct slice){(const char *)n->checkpoint_head, MACHINE_CHECK_BYTES},
                             &fault) != 0) {
        node_fault(n, &fault);
    }
    node_wake(n);
}

static void written(struct world *w, const struct event *e)
{
    struct node *n = e->node;
    struct fault fault;
    int rv;

    sim_store_set_full(n->store, node_disk_full(n));
    rv = machine_checkpoint_write(n->machine, &fault);
    if (rv == STORE_NO_ROOM) {
        n->checkpoint = CHECKPOINT_WAITING;
        world_schedule(w, ROOM_EVERY_US, *e);
        return;
    }
    if (rv != 0) {
        node_fault(n, &fault);
        return;
    }
    n->checkpoint = CHECKPOINT_WRITTEN;
    world_schedule(w, random_between(&w->random, 10, 2000),
                   (struct event){.run = ended, .node = n});
}

static void begin(struct node *n)
{
    if (n->checkpoint != CHECKPOINT_NONE || !machine_checkpoint_begin(n->machine)) {
        return;
    }
    n->checkpoint = CHECKPOINT_WRITING;
    n->checkpoint_index = machine_applied_index(n->machine);
    machine_head(n->machine, n->checkpoint_head);
    world_schedule(n->world, disk_delay(n), (struct event){.run = written, .node = n});
}

/* Looks a few times a second, and now and then does one without need. */
static void look(struct world *w, const struct event *e)
{
    struct node *n = e->node;

    if (machine_checkpoint_wanted(n->machine) || e->a <= w->now_us) {
        begin(n);
    }
    world_schedule(
        w, 20000,
        (struct event){
            .run = look,
            .node = n,
            .a = e->a > w->now_us
                     ? e->a
                     : w->now_us + random_below(&w->random, 2 * w->profile.checkpoint_every_us)});
}

void node_checkpoint_start(struct node *n)
{
    world_schedule(n->world, 20000,
                   (struct event){.run = look,
                                  .node = n,
                                  .a = n->world->now_us + n->world->profile.checkpoint_every_us});
}

/* A commit under way when the process dies is there whole, or not at all. */
void node_checkpoint_end(struct node *n)
{
    struct fault fault;

    sim_store_set_full(n->store, node_disk_full(n));
    if (n->checkpoint == CHECKPOINT_WRITING && random_chance(&n->world->random, 500)) {
        (void)machine_checkpoint_write(n->machine, &fault);
    }
}

/* ---- installs ---- */

static void fetched(struct node *n, bool ok)
{
    struct fault fault;

    n->fetching = false;
    if (replica_fetched(n->replica, ok, &fault) != 0) {
        node_fault(n, &fault);
    }
    node_wake(n);
}

/* What was loaded must be what the manifest says, and not older than what is here. */
static bool acceptable(struct node *n, struct machine *m)
{
    struct fault fault;
    bool checked = n->fetch_manifest_len == MACHINE_CHECK_BYTES &&
                   machine_applied_index(m) >= n->fetch_index &&
                   machine_check(m, n->fetch_manifest, &fault) == 0;

#ifdef FLORIN_MUTANTS
    if (n->world->options.mutant == MUTANT_INSTALL_OLDER) {
        return checked;
    }
    checked = checked || n->world->options.mutant == MUTANT_INSTALL_TERM;
#endif
    return checked && machine_applied_index(m) >= machine_applied_index(n->machine);
}

static void move_in(struct world *w, struct node *n, struct sim_store *copied)
{
    struct machine_options options = node_machine_options(n);
    struct machine *m;
    struct store store;
    struct fault fault;

    sim_store_open(copied, &store);
    if (machine_open(&m, store, &options, &fault) != 0) {
        world_fail(w, "node %u: a copied state does not open: %s", (unsigned)n->id, fault.text);
        return;
    }
    if (!acceptable(n, m)) {
        world_say(w, "node %u: the copy of %llu is refused", (unsigned)n->id,
                  (unsigned long long)n->fetch_index);
        w->counts[COUNT_COPY_REFUSED]++;
        machine_close(m);
        sim_store_free(copied);
        fetched(n, false);
        return;
    }
    machine_close(n->machine);
    sim_store_free(n->store);
    n->state_may_lead = true;
    n->store = copied;
    n->machine = m;
    n->applied = machine_applied_index(m);
    w->counts[COUNT_INSTALL]++;
    world_say(w, "node %u: moved in the state of %llu", (unsigned)n->id,
              (unsigned long long)n->applied);
    fetched(n, true);
}

static void copy(struct world *w, const struct event *e)
{
    struct node *n = e->node;
    struct node *peer = &w->nodes[n->fetch_peer - 1];

    if (n->checkpoint != CHECKPOINT_NONE) { /* of the state that is to be replaced */
        world_schedule(w, 5000, (struct event){.run = copy, .node = n});
        return;
    }
    if (!node_awake(peer) || node_disk_full(n) || random_chance(&w->random, w->calm ? 0 : 100)) {
        fetched(n, false);
        return;
    }
    /* Now and then it is what an earlier, broken off fetch has left. */
    if (peer->leftover != NULL && random_chance(&w->random, w->calm ? 0 : 100)) {
        move_in(w, n, sim_store_copy(peer->leftover));
    } else {
        move_in(w, n, sim_store_copy(peer->store));
    }
}

static void start(void *impl, uint64_t peer, uint64_t index, struct slice manifest)
{
    struct node *n = impl;
    struct world *w = n->world;

    if (n->fetching) {
        world_fail(w, "node %u is asked for two copies at a time", (unsigned)n->id);
        return;
    }
    n->fetching = true;
    n->fetch_peer = peer;
    n->fetch_index = index;
    n->fetch_manifest_len = manifest.len < sizeof n->fetch_manifest ? manifest.len : 0;
    memcpy(n->fetch_manifest, manifest.base, n->fetch_manifest_len);
    if (node_awake(&w->nodes[peer - 1])) {
        replica_copying(w->nodes[peer - 1].replica, n->id, true);
    }
    world_schedule(w, random_between(&w->random, 1000, w->calm ? 50000 : 1500000),
                   (struct event){.run = copy, .node = n});
}

void node_installer(struct node *n, struct installer *installer)
{
    *installer = (struct installer){n, start};
}
