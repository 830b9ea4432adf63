/* pthread_setname_np, gettid */
#define _GNU_SOURCE

#include "node/checkpointer.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

#include "statemachine/failpoint.h"

enum {
    BACKGROUND_NICE = 5,
    FOLD_PAGES = 512,   /* what the disk writes in some milliseconds */
    FOLD_CYCLE_MS = 32, /* each node of a cluster folds a part once in this time */
};
enum checkpointer_state { IDLE, WRITING, WRITTEN, NO_ROOM, FAILED };

struct checkpointer {
    uint64_t node_id;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum checkpointer_state state;
    bool ending;
    bool hurried; /* the checkpoint under way */
    struct machine *machine;
    struct fault fault;
    uint64_t duration_us;
    void (*wake)(void *context);
    void *context;
};

/* Until this node's next place in the cycle. */
static void pause_fold(struct checkpointer *c)
{
    struct timespec now, until;
    uint64_t wait_ms, end_ms;

    clock_gettime(CLOCK_REALTIME, &now);
    wait_ms = checkpointer_turn_ms(c->node_id, FOLD_CYCLE_MS,
                                   (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
    end_ms = uv_hrtime() / 1000000 + wait_ms + 1; /* both clocks are cut to milliseconds */
    until = (struct timespec){(time_t)(end_ms / 1000), (long)(end_ms % 1000 * 1000000)};
    pthread_mutex_lock(&c->lock);
    while (!c->hurried && pthread_cond_timedwait(&c->changed, &c->lock, &until) == 0) {
    }
    pthread_mutex_unlock(&c->lock);
}

/* All that an earlier write left to be done. */
static int fold_all(struct checkpointer *c, struct machine *machine, struct fault *fault)
{
    int rv;

    while ((rv = machine_checkpoint_fold(machine, FOLD_PAGES, fault)) > 0) {
        pause_fold(c);
    }
    return rv;
}

static int write_and_fold(struct checkpointer *c, struct machine *machine, uint64_t *duration_us,
                          struct fault *fault)
{
    int rv = fold_all(c, machine, fault); /* of before the last stop */
    uint64_t began = uv_hrtime();

    if (rv == 0) {
        rv = machine_checkpoint_write(machine, fault);
    }
    *duration_us = (uv_hrtime() - began) / 1000;
    if (rv == 0) {
        FAILPOINT("checkpoint: written");
        rv = fold_all(c, machine, fault);
        rv = rv == STORE_NO_ROOM ? 0 : rv; /* what is written is, and the next one folds the rest */
    }
    return rv;
}

static void write_one(struct checkpointer *c)
{
    struct machine *machine = c->machine;
    struct fault fault;
    uint64_t duration_us;
    int rv;

    pthread_mutex_unlock(&c->lock);
    FAILPOINT("checkpoint: begun");
    rv = write_and_fold(c, machine, &duration_us, &fault);
    FAILPOINT("checkpoint: folded");
    pthread_mutex_lock(&c->lock);
    c->duration_us = duration_us;
    c->state = rv == 0 ? WRITTEN : rv == STORE_NO_ROOM ? NO_ROOM : FAILED;
    c->fault = fault;
    pthread_cond_broadcast(&c->changed);
    c->wake(c->context);
}

static void *run(void *argument)
{
    struct checkpointer *c = argument;

    pthread_setname_np(pthread_self(), "checkpointer"); /* for `top -H` and profilers */
    /* Where processors are short, whoever serves clients goes first; it may fail, and nothing is
     * lost. When changes reach their limit clients wait, and then there is time. */
    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), BACKGROUND_NICE);
    pthread_mutex_lock(&c->lock);
    while (!c->ending) {
        if (c->state == WRITING) {
            write_one(c);
        } else {
            pthread_cond_wait(&c->changed, &c->lock);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

struct checkpointer *checkpointer_new(uint64_t node_id, void (*wake)(void *context), void *context)
{
    struct checkpointer *c = calloc(1, sizeof *c);
    pthread_condattr_t clock;

    if (c == NULL) {
        abort();
    }
    c->node_id = node_id;
    c->wake = wake;
    c->context = context;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC); /* uv_hrtime's */
    pthread_cond_init(&c->changed, &clock);
    pthread_condattr_destroy(&clock);
    if (pthread_create(&c->thread, NULL, run, c) != 0) {
        abort(); /* at start: no thread to be had */
    }
    return c;
}

void checkpointer_wait(struct checkpointer *c)
{
    checkpointer_hurry(c);
    pthread_mutex_lock(&c->lock);
    while (c->state == WRITING) {
        pthread_cond_wait(&c->changed, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
}

void checkpointer_hurry(struct checkpointer *c)
{
    pthread_mutex_lock(&c->lock);
    if (!c->hurried) {
        c->hurried = true;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
}

void checkpointer_free(struct checkpointer *c)
{
    checkpointer_wait(c);
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void checkpointer_start(struct checkpointer *c, struct machine *machine)
{
    pthread_mutex_lock(&c->lock);
    c->machine = machine;
    c->hurried = false;
    c->state = WRITING;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

int checkpointer_finish(struct checkpointer *c, uint64_t *duration_us, struct fault *fault)
{
    int rv = 0;

    pthread_mutex_lock(&c->lock);
    if (c->state == WRITTEN) {
        *duration_us = c->duration_us;
        c->state = IDLE;
        rv = 1;
    } else if (c->state == NO_ROOM) {
        *fault = c->fault;
        c->state = IDLE;
        rv = STORE_NO_ROOM;
    } else if (c->state == FAILED) {
        *fault = c->fault;
        rv = -1;
    }
    pthread_mutex_unlock(&c->lock);
    return rv;
}

bool checkpointer_busy(struct checkpointer *c)
{
    bool busy;

    pthread_mutex_lock(&c->lock);
    busy = c->state != IDLE;
    pthread_mutex_unlock(&c->lock);
    return busy;
}

uint64_t checkpointer_turn_ms(uint64_t node_id, uint64_t cycle_ms, uint64_t wall_clock_ms)
{
    /* Multiples of the golden ratio: any few ids in a row lie far apart. */
    uint64_t place_ms = node_id % 1000000 * 618034 % 1000000 * cycle_ms / 1000000;

    return cycle_ms - (wall_clock_ms + cycle_ms - place_ms) % cycle_ms;
}

uint64_t checkpointer_urgent_bytes(uint64_t wanted, uint64_t hard)
{
    uint64_t quarter = wanted + (hard - wanted) / 4;

    return wanted < quarter / 2 ? 2 * wanted : quarter;
}

uint64_t checkpointer_wait_ms(uint64_t node_id, uint64_t interval_ms, uint64_t wall_clock_ms)
{
    uint64_t wait_ms = checkpointer_turn_ms(node_id, interval_ms, wall_clock_ms);

    return wait_ms < (interval_ms + 1) / 2 ? wait_ms + interval_ms : wait_ms;
}
