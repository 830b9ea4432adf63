/* The loop's side of the gate: makes it, drains it, answers tickets, publishes the view.
 *
 * Bounds: at most `max_tickets` and `max_bytes` wait or are under way; of commands and questions
 * fewer, when they take longer than target_ms (admission.h), but for those that are exempt. More is
 * `overloaded`. */
#ifndef FLORIN_GATE_H
#define FLORIN_GATE_H

#include "consensus/submit.h"

struct gate_options {
    uint64_t node_id;
    uint32_t max_tickets;
    size_t max_bytes;
    uint32_t target_ms; /* how long tickets may take on average; 0: as long as they do */
    /* Called (any thread) when the gate goes from empty to not empty; the loop then drains. */
    void (*wake)(void *context);
    /* Milliseconds of a clock that never goes back (any thread). */
    uint64_t (*now_ms)(void *context);
    void *context;
};

struct gate *gate_new(const struct gate_options *options);
void gate_free(struct gate *g); /* no worker may be inside */

/* The half of gate_submit that does not wait: takes a reference for the loop, or answers at once
 * with RESULT_OVERLOADED or RESULT_UNAVAILABLE (then nothing is kept). Any thread. */
enum ticket_result gate_hand_in(struct gate *g, struct ticket *t, unsigned timeout_ms);

/* True when the ticket is done and `result` and `out` may be read. Any thread. */
bool ticket_is_done(struct ticket *t);

/* Stops waiting: RESULT_UNAVAILABLE when nothing had happened, RESULT_UNKNOWN otherwise, or the
 * result when it was done after all. Any thread. */
enum ticket_result ticket_give_up(struct ticket *t);

/* All waiting tickets, oldest first, linked by `next`; the caller now holds the loop's reference
 * of each. Tickets whose worker gave up are dropped here. Loop thread. */
struct ticket *gate_drain(struct gate *g);

/* QUEUED -> ENTERED; false when the worker has given up (then release it, do nothing else). From
 * here on a time-out means unknown. Loop thread, before any command of it is in a log or sent. */
bool ticket_enter(struct ticket *t);

/* ENTERED -> QUEUED again, when it is certain that no log can hold it. Loop thread. */
void ticket_leave(struct ticket *t);

bool ticket_abandoned(const struct ticket *t);       /* its worker no longer waits */
uint64_t ticket_deadline_ms(const struct ticket *t); /* on the gate's clock */

/* Answers and lets go of the loop's reference. Loop thread; exactly once for each drained ticket
 * that was not dropped. */
void ticket_done(struct ticket *t, enum ticket_result result);

void gate_publish(struct gate *g, const struct gate_view *view);

/* From now on every submission is refused with RESULT_UNAVAILABLE. */
void gate_close(struct gate *g);

struct gate_load {
    uint64_t tickets, bytes; /* waiting or under way */
    uint64_t limit;          /* tickets are refused from this number on */
    uint64_t refused;        /* since the start */
};
void gate_load(const struct gate *g, struct gate_load *load);

#endif
