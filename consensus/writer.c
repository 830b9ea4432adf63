/* pthread_setname_np */
#define _GNU_SOURCE

#include "consensus/writer.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "consensus/histogram.h"

enum { GROUP_BYTES = 4 << 20 }; /* payload that one sync is shared by, at most */

/* A list in the order of submission, linked by `next`. */
struct queue {
    struct storage_write *head;
    struct storage_write **tail;
};

struct writer {
    struct writer_options options;
    pthread_t thread;

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t changed;
    struct queue queued;
    struct queue done;
    bool stopping;
    uint64_t syncs;
    struct status_histogram sync_latency;
};

static void queue_init(struct queue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

/* Appends a whole list, whose last member is `last`. */
static void queue_append(struct queue *q, struct storage_write *first, struct storage_write *last)
{
    *q->tail = first;
    q->tail = &last->next;
    last->next = NULL;
}

static struct storage_write *queue_take(struct queue *q)
{
    struct storage_write *head = q->head;

    queue_init(q);
    return head;
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static size_t payload_bytes(const struct storage_write *w)
{
    size_t bytes = 0;
    size_t i;

    for (i = 0; i < w->n_entries; i++) {
        bytes += w->entries[i].len;
    }
    return bytes;
}

/* The last write of the group that `first` begins: appends up to GROUP_BYTES, or one other write.
 */
static struct storage_write *group_end(struct storage_write *first)
{
    struct storage_write *last = first;
    size_t bytes;

    if (first->kind != STORAGE_ENTRIES) {
        return first;
    }
    bytes = payload_bytes(first);
    while (last->next != NULL && last->next->kind == STORAGE_ENTRIES) {
        bytes += payload_bytes(last->next);
        if (bytes > GROUP_BYTES) {
            break;
        }
        last = last->next;
    }
    return last;
}

/* Makes the group from `first` to `last` durable. */
static int writer_perform(struct writer *w, const struct storage_write *first,
                          const struct storage_write *last, struct fault *fault)
{
    uint64_t start = now_us();
    const struct storage_write *at = first;

    for (;;) {
        if (storage_perform(w->options.log, at, fault) != 0) {
            return -1;
        }
        if (at == last) {
            break;
        }
        at = at->next;
    }
    if (first->kind != STORAGE_ENTRIES) {
        return 0;
    }
    if (log_sync(w->options.log, fault) != 0) {
        return -1;
    }
    pthread_mutex_lock(&w->lock);
    w->syncs++;
    status_histogram_add(&w->sync_latency, now_us() - start);
    pthread_mutex_unlock(&w->lock);
    return 0;
}

/* Waits for work and takes all of it; NULL: stop. */
static struct storage_write *writer_wait(struct writer *w)
{
    struct storage_write *taken;

    pthread_mutex_lock(&w->lock);
    while (w->queued.head == NULL && !w->stopping) {
        pthread_cond_wait(&w->changed, &w->lock);
    }
    taken = queue_take(&w->queued);
    pthread_mutex_unlock(&w->lock);
    return taken;
}

/* Puts what was taken and not done back in front, for writer_close to give back. */
static void writer_give_back(struct writer *w, struct storage_write *rest)
{
    struct storage_write *last = rest;

    while (last->next != NULL) {
        last = last->next;
    }
    pthread_mutex_lock(&w->lock);
    last->next = w->queued.head;
    if (w->queued.head == NULL) {
        w->queued.tail = &last->next;
    }
    w->queued.head = rest;
    pthread_mutex_unlock(&w->lock);
}

static void *writer_main(void *argument)
{
    struct writer *w = argument;
    struct storage_write *taken;
    struct fault fault;

    pthread_setname_np(pthread_self(), "log-writer"); /* for `top -H` and profilers */
    while ((taken = writer_wait(w)) != NULL) {
        while (taken != NULL) {
            struct storage_write *last = group_end(taken);
            struct storage_write *rest = last->next;

            if (writer_perform(w, taken, last, &fault) != 0) {
                writer_give_back(w, taken);
                w->options.fatal(w->options.context, &fault);
                return NULL;
            }
            pthread_mutex_lock(&w->lock);
            queue_append(&w->done, taken, last);
            pthread_mutex_unlock(&w->lock);
            w->options.wake(w->options.context);
            taken = rest;
        }
    }
    return NULL;
}

static void writer_submit(void *impl, struct storage_write *write)
{
    struct writer *w = impl;

    pthread_mutex_lock(&w->lock);
    assert(!w->stopping);
    queue_append(&w->queued, write, write);
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static int writer_read(void *impl, uint64_t index, struct log_entry *entry, struct bytes *data,
                       struct fault *fault)
{
    struct writer *w = impl;

    return log_read(w->options.log, index, entry, data, fault);
}

void writer_storage(struct writer *w, struct storage *storage)
{
    *storage = (struct storage){.impl = w, .submit = writer_submit, .read = writer_read};
}

struct storage_write *writer_drain_done(struct writer *w)
{
    struct storage_write *done;

    pthread_mutex_lock(&w->lock);
    done = queue_take(&w->done);
    pthread_mutex_unlock(&w->lock);
    return done;
}

void writer_status(struct writer *w, struct cluster_status *status)
{
    status->log_bytes_written = log_bytes_written(w->options.log);
    pthread_mutex_lock(&w->lock);
    status->log_syncs = w->syncs;
    status->sync_latency = w->sync_latency;
    pthread_mutex_unlock(&w->lock);
}

int writer_open(struct writer **writer, const struct writer_options *options, struct fault *fault)
{
    struct writer *w = calloc(1, sizeof *w);
    int rv;

    *writer = NULL;
    if (w == NULL) {
        return fault_set(fault, "out of memory");
    }
    w->options = *options;
    queue_init(&w->queued);
    queue_init(&w->done);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    rv = pthread_create(&w->thread, NULL, writer_main, w);
    if (rv != 0) {
        pthread_cond_destroy(&w->changed);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return fault_set(fault, "can't start the log's writer thread (error %d)", rv);
    }
    *writer = w;
    return 0;
}

void writer_close(struct writer *w, struct storage_write **left)
{
    *left = NULL;
    if (w == NULL) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    *w->done.tail = w->queued.head; /* empty, but after a failure */
    *left = w->done.head;
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
