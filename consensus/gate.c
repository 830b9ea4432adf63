/* sem_clockwait */
#define _GNU_SOURCE

/* The gate: one list under one mutex, one wake when it goes from empty to not empty.
 *
 * Guarantees: a ticket that was handed in is drained exactly once, in order; it is answered exactly
 * once; its memory lives until both sides have let go; what waits or is under way is bounded. */
#include "consensus/gate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "consensus/admission.h"
#include "consensus/ticket.h"

struct gate {
    struct gate_options options;
    pthread_mutex_t lock; /* guards the next three */
    struct ticket *first, **last;
    bool closed;
    /* Waiting or under way. Raised with the lock held, so that the bounds hold; lowered without, by
     * the loop, which so does not meet the workers at the lock for every answer. */
    atomic_uint_fast64_t tickets;
    atomic_uint_fast64_t exempt; /* of them */
    atomic_uint_fast64_t bytes;
    atomic_uint_fast64_t refused;
    struct admission admission;
    /* What gate_publish said last. Every request asks, so it costs no lock: each value by itself is
     * one that was published. */
    struct {
        atomic_uint_fast64_t leader_id, applied_seq, directory_version;
        atomic_bool ready, stopping;
    } view;
};

void frame_append(struct bytes *out, const void *data, size_t len)
{
    bytes_append_u32(out, (uint32_t)len);
    bytes_append(out, data, len);
}

bool frame_next(struct cursor *c, struct slice *frame)
{
    uint32_t len;

    if (c->left == 0) {
        return false;
    }
    len = cursor_u32(c);
    frame->base = (const char *)cursor_take(c, len);
    frame->len = len;
    return !c->failed;
}

/* In one piece, and by malloc: glibc keeps what a thread freed for its next malloc, without a lock,
 * but not for its next calloc. */
struct whole_ticket {
    struct ticket ticket;
    struct ticket_private private;
};

/* Of a bet's outcome: so that the loop need not make room, in memory that a worker then frees. */
enum { OUT_BYTES = 512 };

struct ticket *ticket_new(enum ticket_kind kind)
{
    struct whole_ticket *whole = malloc(sizeof *whole);
    struct ticket *t;
    struct ticket_private *p;

    if (whole == NULL) {
        abort(); /* a process that can't have 200 bytes is gone already */
    }
    memset(whole, 0, sizeof *whole);
    t = &whole->ticket;
    p = &whole->private;
    pthread_mutex_init(&p->lock, NULL);
    sem_init(&p->done, 0, 0);
    p->state = TICKET_QUEUED;
    atomic_init(&p->references, 1);
    t->kind = kind;
    t->p = p;
    bytes_init(&t->in);
    bytes_init(&t->out);
    bytes_reserve(&t->out, OUT_BYTES);
    return t;
}

void ticket_name(struct ticket *t, const char *name)
{
    snprintf(t->name, sizeof t->name, "%s", name);
}

void ticket_release(struct ticket *t)
{
    struct ticket_private *p = t->p;

    if (atomic_fetch_sub(&p->references, 1) != 1) {
        return;
    }
    sem_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    bytes_release(&t->in);
    bytes_release(&t->out);
    free(t); /* ... and p with it */
}

struct gate *gate_new(const struct gate_options *options)
{
    struct gate *g = calloc(1, sizeof *g);

    if (g == NULL) {
        abort();
    }
    g->options = *options;
    g->last = &g->first;
    pthread_mutex_init(&g->lock, NULL);
    admission_init(&g->admission, options->target_ms, options->max_tickets);
    return g;
}

void gate_free(struct gate *g)
{
    struct ticket *t;

    for (t = gate_drain(g); t != NULL;) {
        struct ticket *next = t->next;
        ticket_done(t, RESULT_UNAVAILABLE);
        t = next;
    }
    pthread_mutex_destroy(&g->lock);
    free(g);
}

/* What an overload is mended with, or the record of it; and what costs next to nothing. */
static bool is_exempt(const struct ticket *t)
{
    return t->exempt || t->urgent || (t->kind != TICKET_COMMANDS && t->kind != TICKET_QUERY);
}

/* Without the exempt ones: however many come, they take nobody's place. */
static uint64_t under_way(const struct gate *g)
{
    uint64_t exempt = atomic_load(&g->exempt);
    uint64_t tickets = atomic_load(&g->tickets);

    return tickets > exempt ? tickets - exempt : 0;
}

static bool has_room(const struct gate *g, const struct ticket *t)
{
    uint64_t tickets = atomic_load(&g->tickets);

    return tickets < g->options.max_tickets &&
           atomic_load(&g->bytes) + t->in.len <= g->options.max_bytes &&
           (is_exempt(t) || admission_admits(&g->admission, under_way(g)));
}

bool gate_refuses(struct gate *g)
{
    if (atomic_load(&g->tickets) < g->options.max_tickets &&
        admission_admits(&g->admission, under_way(g))) {
        return false;
    }
    atomic_fetch_add(&g->refused, 1);
    return true;
}

enum ticket_result gate_hand_in(struct gate *g, struct ticket *t, unsigned timeout_ms)
{
    enum ticket_result result = RESULT_OK;
    bool wake = false;

    t->p->handed_in_ms = g->options.now_ms(g->options.context);
    t->p->deadline_ms = t->p->handed_in_ms + timeout_ms;
    t->next = NULL;

    pthread_mutex_lock(&g->lock);
    if (g->closed) {
        result = RESULT_UNAVAILABLE;
    } else if (!has_room(g, t)) {
        atomic_fetch_add(&g->refused, 1);
        result = RESULT_OVERLOADED;
    } else {
        atomic_fetch_add(&t->p->references, 1);
        t->p->gate = g;
        wake = g->first == NULL;
        *g->last = t;
        g->last = &t->next;
        atomic_fetch_add(&g->tickets, 1);
        if (is_exempt(t)) {
            atomic_fetch_add(&g->exempt, 1);
        } else {
            admission_note(&g->admission, under_way(g));
        }
        atomic_fetch_add(&g->bytes, t->in.len);
    }
    pthread_mutex_unlock(&g->lock);

    if (wake) {
        g->options.wake(g->options.context);
    }
    return result;
}

bool ticket_is_done(struct ticket *t)
{
    bool done;

    pthread_mutex_lock(&t->p->lock);
    done = t->p->state == TICKET_DONE;
    pthread_mutex_unlock(&t->p->lock);
    return done;
}

/* With the lock held. */
static enum ticket_result abandon(struct ticket *t)
{
    struct ticket_private *p = t->p;

    if (p->state == TICKET_DONE) {
        return t->result;
    }
    p->entered = p->entered || p->state == TICKET_ENTERED;
    p->state = TICKET_ABANDONED;
    return p->entered ? RESULT_UNKNOWN : RESULT_UNAVAILABLE;
}

enum ticket_result ticket_give_up(struct ticket *t)
{
    enum ticket_result result;

    pthread_mutex_lock(&t->p->lock);
    result = abandon(t);
    pthread_mutex_unlock(&t->p->lock);
    return result;
}

enum ticket_result gate_submit(struct gate *g, struct ticket *t, unsigned timeout_ms)
{
    struct ticket_private *p = t->p;
    enum ticket_result result = gate_hand_in(g, t, timeout_ms);
    struct timespec until;

    if (result != RESULT_OK) {
        return result;
    }
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }

    while (sem_clockwait(&p->done, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR) {
    }
    return ticket_give_up(t); /* the result, if there is one */
}

/* Gives the ticket's place in the bounds back, and the loop's reference. */
static void leave_gate(struct ticket *t)
{
    struct gate *g = t->p->gate;

    if (is_exempt(t)) {
        atomic_fetch_sub(&g->exempt, 1);
    }
    atomic_fetch_sub(&g->tickets, 1);
    atomic_fetch_sub(&g->bytes, t->in.len);
    ticket_release(t);
}

struct ticket *gate_drain(struct gate *g)
{
    struct ticket *t;
    struct ticket *kept = NULL;
    struct ticket **end = &kept;

    pthread_mutex_lock(&g->lock);
    t = g->first;
    g->first = NULL;
    g->last = &g->first;
    pthread_mutex_unlock(&g->lock);

    while (t != NULL) {
        struct ticket *next = t->next;
        t->next = NULL;
        if (ticket_abandoned(t)) {
            leave_gate(t);
        } else {
            *end = t;
            end = &t->next;
        }
        t = next;
    }
    return kept;
}

bool ticket_enter(struct ticket *t)
{
    bool entered;

    pthread_mutex_lock(&t->p->lock);
    if (t->p->state == TICKET_QUEUED) {
        t->p->state = TICKET_ENTERED;
    }
    entered = t->p->state == TICKET_ENTERED;
    pthread_mutex_unlock(&t->p->lock);
    return entered;
}

void ticket_leave(struct ticket *t)
{
    pthread_mutex_lock(&t->p->lock);
    if (t->p->state == TICKET_ENTERED) {
        t->p->state = TICKET_QUEUED;
    }
    pthread_mutex_unlock(&t->p->lock);
}

bool ticket_abandoned(const struct ticket *t)
{
    bool abandoned;

    pthread_mutex_lock(&t->p->lock);
    abandoned = t->p->state == TICKET_ABANDONED;
    pthread_mutex_unlock(&t->p->lock);
    return abandoned;
}

uint64_t ticket_deadline_ms(const struct ticket *t)
{
    return t->p->deadline_ms;
}

/* Only what was carried out says how long that takes now: refusals are quick, and what waited in
 * vain for a leader says nothing of a queue. */
static void note_time(struct ticket *t)
{
    struct gate *g = t->p->gate;
    uint64_t now_ms = g->options.now_ms(g->options.context);

    admission_answered(&g->admission, now_ms, now_ms - t->p->handed_in_ms, under_way(g));
}

void ticket_done(struct ticket *t, enum ticket_result result)
{
    bool waits;

    if (result == RESULT_OK && !is_exempt(t)) {
        note_time(t);
    }
    pthread_mutex_lock(&t->p->lock);
    waits = t->p->state != TICKET_ABANDONED;
    if (waits) {
        t->result = result;
        t->p->state = TICKET_DONE;
    }
    pthread_mutex_unlock(&t->p->lock);
    if (waits) {
        /* After unlocking, so that the worker does not wake into a held lock. The loop's reference
         * still holds the ticket. */
        sem_post(&t->p->done);
    }
    leave_gate(t);
}

void gate_publish(struct gate *g, const struct gate_view *view)
{
    atomic_store(&g->view.leader_id, view->leader_id);
    atomic_store(&g->view.applied_seq, view->applied_seq);
    atomic_store(&g->view.directory_version, view->directory_version);
    atomic_store(&g->view.ready, view->ready);
    atomic_store(&g->view.stopping, view->stopping);
}

void gate_view(const struct gate *g, struct gate_view *view)
{
    view->node_id = g->options.node_id;
    view->leader_id = atomic_load(&g->view.leader_id);
    view->applied_seq = atomic_load(&g->view.applied_seq);
    view->directory_version = atomic_load(&g->view.directory_version);
    view->ready = atomic_load(&g->view.ready);
    view->stopping = atomic_load(&g->view.stopping);
}

void gate_close(struct gate *g)
{
    pthread_mutex_lock(&g->lock);
    g->closed = true;
    pthread_mutex_unlock(&g->lock);
}

void gate_load(const struct gate *g, struct gate_load *load)
{
    load->tickets = atomic_load(&g->tickets);
    load->bytes = atomic_load(&g->bytes);
    load->limit = atomic_load(&g->admission.limit);
    load->refused = atomic_load(&g->refused);
}
