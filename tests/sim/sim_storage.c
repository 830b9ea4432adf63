/* The writer as production has it: takes all that waits, does it in order, one sync for a run of
 * entries, and tells the loop when it is durable. Only the time it takes, and when it is cut short,
 * is simulated. */
#include "consensus/log_private.h"
#include "tests/sim/sim_check.h"
#include "tests/sim/sim_node.h"

static void begin(struct node *n);

/* Does the batch, or as much of it as the disk's power lasts. */
static int perform(struct node *n, struct storage_write *batch, bool with_sync, struct fault *fault)
{
    struct storage_write *w;

    sim_disk_set_full(n->disk, node_disk_full(n));
    for (w = batch; w != NULL; w = w->next) {
        bool run_ends = w->next == NULL || w->next->kind != STORAGE_ENTRIES;
        if (storage_perform(n->log, w, fault) != 0) {
            return -1;
        }
        if (w->kind == STORAGE_ENTRIES && run_ends && with_sync && log_sync(n->log, fault) != 0) {
            return -1;
        }
    }
    return 0;
}

/* What the batch has left in the log. */
static void look(struct node *n, const struct storage_write *batch)
{
    const struct storage_write *w;
    uint64_t term, before;
    struct fault fault;
    size_t i;

    for (w = batch; w != NULL; w = w->next) {
        for (i = 0; w->kind == STORAGE_ENTRIES && i < w->n_entries; i++) {
            const struct log_entry *e = &w->entries[i];
            if (e->index <= log_first_index(n->log) || e->index > log_last_index(n->log) ||
                log_read_term(n->log, e->index, &term, &fault) != 0 || term != e->term ||
                log_read_term(n->log, e->index - 1, &before, &fault) != 0) {
                continue; /* cut again since */
            }
            check_logged(n->world, n, e, before);
        }
    }
}

static void done(struct world *world, const struct event *e)
{
    struct node *n = e->node;
    struct storage_write *w = n->writing;
    struct fault fault;

    if (perform(n, w, true, &fault) != 0) {
        node_fault(n, &fault);
        node_end(n, DEATH_POWER);
        return;
    }
    look(n, w);
    n->writing = NULL;
    while (w != NULL && !world->failed) {
        struct storage_write *next = w->next;
        w->next = NULL;
        if (replica_written(n->replica, w, &fault) != 0) {
            node_fault(n, &fault);
        }
        w = next;
    }
    while (w != NULL) { /* the world ends here */
        struct storage_write *next = w->next;
        driver_release_write(w);
        w = next;
    }
    begin(n);
    node_wake(n);
}

static void begin(struct node *n)
{
    struct world *w = n->world;
    uint64_t delay = random_between(&w->random, w->profile.disk_min_us, w->profile.disk_max_us);

    if (n->writing != NULL || n->queued == NULL) {
        return;
    }
    if (n->slow_until_us > w->now_us) {
        delay += random_below(&w->random, 500000);
    }
    n->writing = n->queued;
    n->queued = NULL;
    n->queued_last = &n->queued;
    world_schedule(w, delay, (struct event){.run = done, .node = n});
}

static void begin_soon(struct world *w, const struct event *e)
{
    (void)w;
    begin(e->node);
}

static void submit(void *impl, struct storage_write *w)
{
    struct node *n = impl;

    w->next = NULL;
    *n->queued_last = w;
    n->queued_last = &w->next;
    if (n->writing == NULL && n->queued == w) {
        world_schedule(n->world, 1, (struct event){.run = begin_soon, .node = n});
    }
}

static int read_back(void *impl, uint64_t index, struct log_entry *entry, struct bytes *data,
                     struct fault *fault)
{
    struct node *n = impl;

    return log_read(n->log, index, entry, data, fault);
}

void node_storage(struct node *n, struct storage *storage)
{
    *storage = (struct storage){n, submit, read_back};
}

/* It died somewhere in the middle of the batch, or, when it stopped in order, after all of it. */
static void end_batch(struct node *n, enum node_death death)
{
    struct world *w = n->world;
    struct storage_write *write;
    struct fault fault;
    uint64_t most = random_below(&w->random, 4);

    if (death == DEATH_POWER) {
        sim_disk_cut_power_after(n->disk, 1 + random_below(&w->random, 12));
        (void)perform(n, n->writing, random_chance(&w->random, 700), &fault);
        return;
    }
    for (write = n->writing; write != NULL && (death == DEATH_STOP || most > 0); most--) {
        struct storage_write *next = write->next;
        write->next = NULL;
        (void)perform(n, write, true, &fault);
        write->next = next;
        write = next;
    }
}

void node_storage_end(struct node *n, enum node_death death)
{
    struct storage_write *lists[2];
    size_t i;

    if (death == DEATH_STOP) { /* the queue, too */
        struct storage_write **end = &n->writing;
        while (*end != NULL) {
            end = &(*end)->next;
        }
        *end = n->queued;
        n->queued = NULL;
    }
    if (n->writing != NULL && n->log != NULL && sim_disk_powered(n->disk)) {
        end_batch(n, death);
    }
    lists[0] = n->writing;
    lists[1] = n->queued;
    for (i = 0; i < 2; i++) {
        while (lists[i] != NULL) {
            struct storage_write *next = lists[i]->next;
            driver_release_write(lists[i]);
            lists[i] = next;
        }
    }
    n->writing = n->queued = NULL;
    n->queued_last = &n->queued;
}
