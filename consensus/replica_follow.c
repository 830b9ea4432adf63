/* Following: whatever waits goes to the leader as one message; what comes back answers tickets;
 * what does not come back is sent again, to the next leader if need be. And the other side: taking
 * what followers send while leading. */
#include "consensus/replica_private.h"

#include <stdlib.h>

/* A frame of forwarded work is closed at this size; one ticket always fits a frame. */
enum { FORWARD_FRAME_BYTES = 1 << 20, RETRY_MS = 20 };

static bool changes_something(const struct work *w)
{
    return w->kind == TICKET_COMMANDS || w->kind == TICKET_MEMBER;
}

/* Work that is with the leader comes back to the head of the queue, in its old order. */
void replica_recall(struct replica *r)
{
    struct work *w = r->places[WORK_SENT].last;

    while (w != NULL) {
        struct work *previous = w->previous;
        w->maybe_logged = w->maybe_logged || changes_something(w);
        r->counters.repeated++;
        work_restart(r, w);
        w = previous;
    }
    r->sent_to = 0;
}

static void send_frame(struct replica *r, uint64_t leader, uint64_t first_request)
{
    struct transport *t = &r->options.driver.transport;
    struct slice frame = {(const char *)r->scratch.base, r->scratch.len};
    struct work *w;

    if (frame.len == 0 || t->send(t->impl, leader, FRAME_FORWARD, frame)) {
        return;
    }
    /* Certainly not sent: as if it had never left. */
    for (w = r->places[WORK_SENT].last; w != NULL && w->sent_request >= first_request;) {
        struct work *previous = w->previous;
        work_restart(r, w);
        w = previous;
    }
    r->retry_at_ms = replica_now_ms(r) + RETRY_MS;
}

void replica_follow(struct replica *r)
{
    const struct transport *t = &r->options.driver.transport;
    uint64_t leader = driver_leader(r->driver);
    uint64_t now = replica_now_ms(r);
    uint64_t first_request = r->next_request;
    struct work *w;
    struct work *next;

    if (r->sent_to != 0 && r->sent_to != leader) {
        replica_recall(r);
        r->retry_at_ms = 0;
    }
    if (now >= r->retry_at_ms) {
        r->retry_at_ms = 0; /* a time that is over must not wake anybody again */
    }
    if (leader == 0 || r->retry_at_ms != 0 || !t->connected(t->impl, leader)) {
        return;
    }
    r->sent_to = leader; /* before the first frame: a later one may fail, its answers still come */
    bytes_clear(&r->scratch);
    for (w = r->places[WORK_WAITING].first; w != NULL; w = next) {
        struct forward f = {r->next_request, w->kind, 0, w->n_commands, work_in(w)};
        next = w->next;
        if (w->deadline_ms <= now || !work_enter(r, w)) {
            continue; /* the sweep ends the first; the second is gone */
        }
        f.timeout_ms = (uint32_t)(w->deadline_ms - now);
        if (f.timeout_ms > FORWARD_TIMEOUT_MAX_MS) {
            f.timeout_ms = FORWARD_TIMEOUT_MAX_MS;
        }
        forward_append(&r->scratch, &f);
        w->sent_request = r->next_request++;
        work_move(r, w, WORK_SENT);
        r->counters.forwarded++;
        if (r->scratch.len >= FORWARD_FRAME_BYTES) {
            send_frame(r, leader, first_request);
            if (r->retry_at_ms != 0) {
                return;
            }
            bytes_clear(&r->scratch);
            first_request = r->next_request;
        }
    }
    send_frame(r, leader, first_request);
}

static struct work *find_sent(struct replica *r, uint64_t request)
{
    struct work *w = r->places[WORK_SENT].first; /* answers come back in about this order */

    while (w != NULL && w->sent_request != request) {
        w = w->next;
    }
    return w;
}

static void take_result(struct replica *r, struct work *w, const struct forward_result *result)
{
    switch (result->status) {
    case FORWARD_OK:
        bytes_clear(work_out(w));
        bytes_append(work_out(w), result->bytes.base, result->bytes.len);
        work_finish(r, w, RESULT_OK);
        break;
    case FORWARD_NOT_LEADER:
        r->retry_at_ms = replica_now_ms(r) + RETRY_MS;
        work_restart(r, w);
        break;
    case FORWARD_OVERLOADED:
    case FORWARD_NO_ROOM:
        if (w->maybe_logged) {
            r->retry_at_ms = replica_now_ms(r) + RETRY_MS;
            work_restart(r, w);
        } else {
            work_finish(r, w,
                        result->status == FORWARD_NO_ROOM ? RESULT_NO_ROOM : RESULT_OVERLOADED);
        }
        break;
    case FORWARD_LOST:
        w->maybe_logged = w->maybe_logged || changes_something(w);
        r->counters.repeated++;
        work_restart(r, w);
        break;
    case FORWARD_MALFORMED:
        work_finish(r, w, RESULT_MALFORMED);
        break;
    case FORWARD_REFUSED:
        if (w->kind == TICKET_MEMBER) {
            replica_take_refusal(r, w, result->bytes);
        } else {
            work_finish(r, w, RESULT_REFUSED);
        }
        break;
    }
}

void replica_take_results(struct replica *r, uint64_t peer, struct slice frame)
{
    struct forward_result result;
    struct fault fault;
    struct cursor c;
    uint32_t count;

    if (forward_begin(frame, &c, &count, &fault) != 0) {
        driver_refused(r->driver, peer, fault.text);
        return;
    }
    while (count-- > 0) {
        struct work *w;
        if (forward_result_next(&c, &result, &fault) != 1) {
            driver_refused(r->driver, peer, "a malformed forward result");
            return;
        }
        w = peer == r->sent_to ? find_sent(r, result.request) : NULL;
        if (w != NULL) {
            take_result(r, w, &result);
        }
    }
}

/* ---- the leader's side ---- */

void replica_flush_results(struct replica *r)
{
    struct transport *t = &r->options.driver.transport;
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        struct peer_results *p = &r->results[i];
        if (p->frame.len > 0) {
            /* When the link breaks the follower is told (replica_lost), and asks again. */
            t->send(t->impl, p->peer, FRAME_FORWARD_RESULT,
                    (struct slice){(const char *)p->frame.base, p->frame.len});
            bytes_clear(&p->frame);
        }
    }
}

void replica_add_result(struct replica *r, uint64_t peer, const struct forward_result *result)
{
    struct peer_results *free_slot = NULL;
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        struct peer_results *p = &r->results[i];
        if (p->frame.len > 0 && p->peer == peer) {
            free_slot = p;
            break;
        }
        if (p->frame.len == 0 && free_slot == NULL) {
            free_slot = p;
        }
    }
    if (free_slot == NULL) {
        return; /* more peers than a cluster has members: the sender repeats */
    }
    if (free_slot->frame.len > 0 &&
        free_slot->frame.len + result->bytes.len > FORWARD_FRAME_BYTES) {
        replica_flush_results(r);
    }
    free_slot->peer = peer;
    forward_result_append(&free_slot->frame, result);
}

static enum forward_status admit(struct replica *r, const struct forward *f)
{
    const struct fsm *fsm = &r->options.fsm;
    struct cursor c = cursor_of(f->bytes.base, f->bytes.len);
    struct slice command;

    if (!driver_is_leader(r->driver) || r->stopping) {
        return FORWARD_NOT_LEADER;
    }
    if (r->forwarded_now >= r->options.forward_max ||
        r->forwarded_bytes + f->bytes.len > r->options.forward_bytes_max) {
        return FORWARD_OVERLOADED;
    }
    while (f->kind == TICKET_COMMANDS && frame_next(&c, &command)) {
        if (!fsm->valid(fsm->impl, command)) {
            return FORWARD_MALFORMED;
        }
    }
    return FORWARD_OK;
}

int replica_take_forward(struct replica *r, uint64_t peer, struct slice frame)
{
    struct forward f;
    struct fault fault;
    struct cursor c;
    uint32_t count;

    if (forward_begin(frame, &c, &count, &fault) != 0) {
        return -1;
    }
    while (count-- > 0) {
        struct work *w;
        struct forward_result refusal;
        if (forward_next(&c, &f, &fault) != 1) {
            return -1;
        }
        refusal = (struct forward_result){f.request, admit(r, &f), {NULL, 0}};
        if (refusal.status != FORWARD_OK) {
            replica_add_result(r, peer, &refusal);
            continue;
        }
        w = work_new(r, f.kind);
        w->peer = peer;
        w->request = f.request;
        w->deadline_ms = replica_now_ms(r) + f.timeout_ms;
        w->n_commands = f.n_commands;
        bytes_append(&w->in, f.bytes.base, f.bytes.len);
        w->rest = cursor_of(w->in.base, w->in.len);
        r->forwarded_now++;
        r->forwarded_bytes += w->in.len;
    }
    return 0;
}
