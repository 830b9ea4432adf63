#define _GNU_SOURCE /* CPU_SET, pthread_attr_setaffinity_np */
#include "tests/bench/pauses.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { STEP_NS = 1000000, NOTE_NS = 10000000, PROCESSORS_MAX = 64 };

struct watcher {
    struct pause_watch *watch;
    pthread_t thread;
    struct pauses pauses;
};

struct pause_watch {
    atomic_bool stop;
    unsigned n;
    struct watcher watchers[PROCESSORS_MAX];
};

static long long now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void *watch_one(void *argument)
{
    struct watcher *w = argument;
    long long before = now_ns();

    w->pauses.sure =
        sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 50}) == 0;
    while (!atomic_load(&w->watch->stop)) {
        struct timespec step = {0, STEP_NS};
        long long now, slept;

        nanosleep(&step, NULL);
        now = now_ns();
        slept = now - before;
        before = now;
        if (slept > NOTE_NS) {
            double ms = (double)slept / 1e6;
            w->pauses.n++;
            w->pauses.total_ms += ms;
            w->pauses.longest_ms = ms > w->pauses.longest_ms ? ms : w->pauses.longest_ms;
        }
    }
    return NULL;
}

struct pause_watch *pauses_begin(void)
{
    struct pause_watch *watch = calloc(1, sizeof *watch);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (watch == NULL) {
        abort();
    }
    watch->n = processors > PROCESSORS_MAX ? PROCESSORS_MAX : (unsigned)processors;
    for (unsigned i = 0; i < watch->n; i++) {
        pthread_attr_t attributes;
        cpu_set_t one;

        CPU_ZERO(&one);
        CPU_SET(i, &one);
        pthread_attr_init(&attributes);
        pthread_attr_setaffinity_np(&attributes, sizeof one, &one);
        watch->watchers[i].watch = watch;
        if (pthread_create(&watch->watchers[i].thread, &attributes, watch_one,
                           &watch->watchers[i]) != 0) {
            abort();
        }
        pthread_attr_destroy(&attributes);
    }
    return watch;
}

struct pauses pauses_end(struct pause_watch *watch)
{
    struct pauses all = {.sure = true};

    atomic_store(&watch->stop, true);
    for (unsigned i = 0; i < watch->n; i++) {
        const struct pauses *one = &watch->watchers[i].pauses;

        pthread_join(watch->watchers[i].thread, NULL);
        all.n += one->n;
        all.total_ms += one->total_ms;
        all.longest_ms = one->longest_ms > all.longest_ms ? one->longest_ms : all.longest_ms;
        all.sure = all.sure && one->sure;
    }
    free(watch);
    return all;
}
