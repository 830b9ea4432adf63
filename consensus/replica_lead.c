/* Leading: whatever waits becomes one entry (group commit), reads wait for the next entry, and when
 * there is none to come, for one barrier that they share. */
#include "consensus/replica_private.h"

#include <stdlib.h>

#include "consensus/entry.h"

void group_free(struct group *g)
{
    free(g->parts);
    free(g);
}

static void group_add(struct group *g, struct work *w)
{
    if (g->n_parts > 0 && g->parts[g->n_parts - 1].work == w) {
        g->parts[g->n_parts - 1].n++;
        return;
    }
    if (g->n_parts == g->cap_parts) {
        g->cap_parts = g->cap_parts == 0 ? 16 : g->cap_parts * 2;
        g->parts = realloc(g->parts, g->cap_parts * sizeof *g->parts);
        if (g->parts == NULL) {
            abort();
        }
    }
    g->parts[g->n_parts++] = (struct group_part){w, 1};
}

struct group *replica_take_group(struct replica *r, uint64_t index)
{
    struct group *g = r->group_first;

    if (g == NULL || g->index != index) {
        return NULL;
    }
    r->group_first = g->next;
    if (r->group_first == NULL) {
        r->group_last = &r->group_first;
    }
    r->groups_open--;
    return g;
}

static uint64_t stamp(struct replica *r)
{
    uint64_t now = replica_wall_ms(r);
    uint64_t ledger = r->options.fsm.clock_ms(r->options.fsm.impl);

    if (MUTANT(&r->options.driver, MUTANT_CLOCK_BACK)) {
        return now;
    }
    now = now < ledger ? ledger : now;
    r->last_time_ms = now < r->last_time_ms ? r->last_time_ms : now;
    return r->last_time_ms;
}

static struct work *first_commands(struct work *from)
{
    while (from != NULL && from->kind != TICKET_COMMANDS) {
        from = from->next;
    }
    return from;
}

/* Moves frames of waiting work into r->entry until it is full; returns how many. */
static uint32_t fill(struct replica *r, struct group *g)
{
    struct work *w = first_commands(r->places[WORK_WAITING].first);
    struct slice frame;
    uint32_t count = 0;

    while (w != NULL) {
        struct work *next = first_commands(w->next);
        struct cursor ahead = w->rest;
        if (w->proposed == 0 && !work_enter(r, w)) {
            w = next;
            continue;
        }
        while (frame_next(&ahead, &frame)) {
            if (count > 0 && (r->entry.len + 4 + frame.len > r->options.group_bytes ||
                              count == ENTRY_COMMANDS_MAX)) {
                return count;
            }
            frame_append(&r->entry, frame.base, frame.len);
            group_add(g, w);
            w->proposed++;
            w->rest = ahead;
            count++;
        }
        work_move(r, w, WORK_IN_LOG);
        w = next;
    }
    return count;
}

/* Proposes one group of what waits, adds to *sent how many tickets and requests it is of. *index 0:
 * there was nothing, or the driver would not. */
static int propose_group(struct replica *r, uint64_t *index, uint64_t *sent, struct fault *fault)
{
    const struct fsm *fsm = &r->options.fsm;
    struct entry_header header = {.has_check = true};
    struct group *g = calloc(1, sizeof *g);
    uint32_t count;

    *index = 0;
    if (g == NULL) {
        abort();
    }
    header.time_ms = stamp(r);
    fsm->head(fsm->impl, header.check);
    entry_begin(&r->entry, &header);
    count = fill(r, g);
    if (count == 0) {
        group_free(g);
        return 0;
    }
    entry_finish(&r->entry, count);
    g->term = r->term_led;
    g->proposed_us = r->options.clock.now_us(r->options.clock.impl);
    if (driver_propose(r->driver, replica_now_ms(r), LOG_COMMAND,
                       (struct slice){(const char *)r->entry.base, r->entry.len}, &g->index,
                       fault) != 0) {
        group_free(g);
        return -1;
    }
    *index = g->index;
    *r->group_last = g;
    r->group_last = &g->next;
    r->groups_open++;
    r->counters.groups++;
    r->counters.group_commands += count;
    *sent += g->n_parts;
    return 0;
}

/* Every read that waits without an index waits for this one. */
static void assign_reads(struct replica *r, uint64_t index)
{
    struct work *w = r->places[WORK_WAITING].first;

    while (w != NULL) {
        struct work *next = w->next;
        if (w->kind == TICKET_QUERY) {
            w->wait_index = index;
            work_move(r, w, WORK_READING);
        }
        w = next;
    }
}

int replica_propose_barrier(struct replica *r, struct fault *fault)
{
    static const char zeros[8];
    uint64_t index;

    if (driver_propose(r->driver, replica_now_ms(r), LOG_BARRIER, (struct slice){zeros, 8}, &index,
                       fault) != 0) {
        return -1;
    }
    if (index != 0) {
        r->barrier_index = index;
        r->counters.barriers++;
        assign_reads(r, index);
    }
    return 0;
}

int replica_begin_transfer(struct replica *r, struct work *w, struct fault *fault)
{
    struct slice in = work_in(w);
    struct cursor c = cursor_of(in.base, in.len);
    uint64_t target = cursor_u64(&c);
    bool accepted = false;

    if (r->transfer == NULL && target == r->options.driver.id) {
        work_finish(r, w, RESULT_OK); /* asked to hand over to ourselves: done */
        return 0;
    }
    if (r->transfer == NULL &&
        driver_transfer(r->driver, replica_now_ms(r), target, &accepted, fault) != 0) {
        return -1;
    }
    if (!accepted) {
        work_finish(r, w, RESULT_REFUSED);
        return 0;
    }
    report(r->options.driver.reporter, LEVEL_INFO, "consensus", "handing leadership over, as asked",
           "to=%llu request=%s", (unsigned long long)target, work_name(w));
    r->transfer = w;
    work_move(r, w, WORK_READING);
    w->wait_index = UINT64_MAX;
    return 0;
}

/* A transfer ends when leadership is lost (work_restart never sees it) or when the core gives up.
 */
static int serve_transfers(struct replica *r, struct fault *fault)
{
    struct work *w = r->places[WORK_WAITING].first;

    if (r->transfer != NULL && !driver_transferring(r->driver)) {
        work_finish(r, r->transfer, RESULT_REFUSED);
    }
    while (w != NULL) {
        struct work *next = w->next;
        if (w->kind == TICKET_TRANSFER && replica_begin_transfer(r, w, fault) != 0) {
            return -1;
        }
        w = next;
    }
    return 0;
}

static bool any_read_waits(const struct replica *r)
{
    const struct work *w = r->places[WORK_WAITING].first;

    while (w != NULL && w->kind != TICKET_QUERY) {
        w = w->next;
    }
    return w != NULL;
}

int replica_lead(struct replica *r, struct fault *fault)
{
    uint64_t index, sent = 0;

    if (serve_transfers(r, fault) != 0 || replica_serve_changes(r, fault) != 0) {
        return -1;
    }
    if (r->no_room) {
        replica_refuse_writes(r);
    }
    if (replica_gathers(r)) {
        return 0;
    }
    while (driver_is_leader(r->driver) && !driver_transferring(r->driver) &&
           r->groups_open < r->options.group_window &&
           first_commands(r->places[WORK_WAITING].first) != NULL) {
        if (propose_group(r, &index, &sent, fault) != 0) {
            return -1;
        }
        if (index != 0) {
            assign_reads(r, index);
        }
    }
    replica_note_bundle(r, sent);
    if (any_read_waits(r) && r->barrier_index <= r->applied && driver_is_leader(r->driver)) {
        return replica_propose_barrier(r, fault);
    }
    return 0;
}

/* Nothing that was proposed is certain any more. Ours is tried again, with whoever leads next; the
 * followers are told to do the same with theirs. */
void replica_lost_leadership(struct replica *r)
{
    enum work_place places[] = {WORK_IN_LOG, WORK_READING, WORK_WAITING};
    struct group *g;
    size_t i;

    while ((g = r->group_first) != NULL) {
        r->group_first = g->next;
        group_free(g);
    }
    r->group_last = &r->group_first;
    r->groups_open = 0;
    r->barrier_index = 0; /* it may never be applied: nothing must wait for it */
    if (r->transfer != NULL) {
        work_finish(r, r->transfer, RESULT_OK);
    }
    for (i = 0; i < sizeof places / sizeof places[0]; i++) {
        struct work *w = r->places[places[i]].last;
        while (w != NULL) {
            struct work *previous = w->previous;
            w->maybe_logged = w->maybe_logged || w->proposed > 0;
            if (w->ticket == NULL) {
                work_finish_forwarded(r, w, w->maybe_logged ? FORWARD_LOST : FORWARD_NOT_LEADER);
            } else if (places[i] != WORK_WAITING || w->proposed > 0) {
                work_restart(r, w);
            }
            w = previous;
        }
    }
}
