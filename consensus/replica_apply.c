/* Applying: committed entries run on the state machine in order, outcomes go to whoever waits. */
#include "consensus/replica_private.h"

#include <stdlib.h>

#include "consensus/entry.h"
#include "consensus/histogram.h"

/* Entries in one go; then the loop looks after its peers before the next ones. */
enum { APPLY_BUDGET = 32 };

/* Runs one command; the outcome lands in the waiting work's `out` as a frame, without a copy. */
static int apply_command(struct replica *r, uint64_t index, uint64_t time_ms, struct slice command,
                         struct work *w, struct fault *fault)
{
    const struct fsm *fsm = &r->options.fsm;
    struct bytes *out = w == NULL ? NULL : work_out(w);
    size_t at = 0;
    size_t len;
    size_t i;

    if (out != NULL) {
        at = out->len;
        bytes_append_u32(out, 0);
    }
    if (fsm->apply(fsm->impl, index, time_ms, command, out, fault) != 0) {
        return -1;
    }
    if (out != NULL) {
        len = out->len - at - 4;
        for (i = 0; i < 4; i++) {
            out->base[at + i] = (uint8_t)(len >> (8 * i));
        }
        w->answered++;
    }
    r->counters.commands_applied++;
    return 0;
}

/* Commands of an entry that the state machine was not told yet. */
struct untold {
    struct cursor frames;
    uint32_t n;
};

/* Tells as many as it wants to know now. */
static void expect_commands(const struct fsm *fsm, struct untold *untold)
{
    struct cursor behind = untold->frames;
    struct slice command;

    while (untold->n > 0 && frame_next(&behind, &command) && fsm->expect(fsm->impl, command)) {
        untold->frames = behind;
        untold->n--;
    }
}

static int apply_commands(struct replica *r, const struct log_entry *e, struct group *g,
                          struct fault *fault)
{
    const struct fsm *fsm = &r->options.fsm;
    struct entry_header header;
    struct cursor frames;
    struct untold untold;
    struct slice command;
    size_t part = 0;
    uint32_t in_part = 0;
    uint32_t i;

    if (entry_decode(e->data, e->len, &header, &frames, fault) != 0) {
        return -1;
    }
    if (header.has_check && fsm->check(fsm->impl, header.check, fault) != 0) {
        return -1;
    }
    untold = (struct untold){frames, header.count};
    for (i = 0; i < header.count; i++) {
        struct work *w = NULL;
        expect_commands(fsm, &untold);
        frame_next(&frames, &command);
        if (g != NULL && part < g->n_parts) {
            w = g->parts[part].work;
            if (++in_part == g->parts[part].n) {
                part++;
                in_part = 0;
            }
        }
        if (apply_command(r, e->index, header.time_ms, command, w, fault) != 0) {
            return -1;
        }
    }
    return 0;
}

static void answer_group(struct replica *r, struct group *g)
{
    uint64_t now_us = r->options.clock.now_us(r->options.clock.impl);
    size_t i;

    status_histogram_add(&r->counters.commit_latency, now_us - g->proposed_us);
    for (i = 0; i < g->n_parts; i++) {
        struct work *w = g->parts[i].work;
        if (w->answered == w->n_commands) {
            work_finish(r, w, RESULT_OK);
        }
    }
    group_free(g);
}

static int apply_entry(struct replica *r, const struct log_entry *e, struct fault *fault)
{
    const struct fsm *fsm = &r->options.fsm;
    struct group *g = replica_take_group(r, e->index);

    if (g != NULL && g->term != e->term) {
        return fault_set(fault,
                         "another leader's entry stands at index %llu of a term that this "
                         "node led: restart it",
                         (unsigned long long)e->index);
    }
    if (e->type == LOG_COMMAND && apply_commands(r, e, g, fault) != 0) {
        return -1;
    }
    if (fsm->end_entry(fsm->impl, e->index, fault) != 0) {
        return -1;
    }
    r->counters.entries_committed++;
    if (g != NULL) {
        answer_group(r, g);
    }
    return 0;
}

int replica_apply(struct replica *r, bool *again, struct fault *fault)
{
    const struct fsm *fsm = &r->options.fsm;
    uint64_t limit = driver_applicable(r->driver);
    struct log_entry e;
    int budget = APPLY_BUDGET;

    if (MUTANT(&r->options.driver, MUTANT_APPLY_BY_COMMIT) && limit < r->applied) {
        r->applied = limit;
    }
    while (r->applied < limit) {
        if (!fsm->ready(fsm->impl)) {
            return 0; /* the end of the checkpoint pumps again */
        }
        if (budget-- == 0) {
            *again = true;
            return 0;
        }
        if (driver_entry(r->driver, r->applied + 1, &e, fault) != 0 ||
            apply_entry(r, &e, fault) != 0) {
            return -1;
        }
        r->applied++;
    }
    return 0;
}

int replica_answer_query(struct replica *r, struct work *w, struct fault *fault)
{
    const struct fsm *fsm = &r->options.fsm;
    struct fault why;
    bool broken = false;

    bytes_clear(work_out(w));
    if (fsm->query(fsm->impl, work_in(w), work_out(w), &broken, &why) == 0) {
        r->counters.reads++;
        work_finish(r, w, RESULT_OK);
        return 0;
    }
    if (broken) {
        *fault = why;
        return -1;
    }
    work_finish(r, w, RESULT_MALFORMED);
    return 0;
}

int replica_answer_reads(struct replica *r, struct fault *fault)
{
    struct work *w = r->places[WORK_READING].first;

    while (w != NULL) {
        struct work *next = w->next;
        if (w->wait_index <= r->applied || MUTANT(&r->options.driver, MUTANT_STALE_READ)) {
            if (w->kind == TICKET_QUERY && replica_answer_query(r, w, fault) != 0) {
                return -1;
            }
            if (w->kind == TICKET_MEMBER && w->wait_index <= r->applied) {
                work_finish(r, w, RESULT_OK);
            }
        }
        w = next;
    }
    return 0;
}
