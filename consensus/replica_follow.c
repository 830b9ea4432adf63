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
    if (MUTANT(&r->options.driver, MUTANT_REQUEST_ANEW)) {
        r->next_request = 1;
    }
}

static void send_frame(struct replica *r, uint64_t leader, uint64_t first_request)
{
    struct transport *t = &r->options.driver.transport;
    struct slice frame;
    struct work *w;

    if (r->scratch.len == 0) {
        return;
    }
    bytes_append(&r->scratch, r->names.base, r->names.len);
    frame = (struct slice){(const char *)r->scratch.base, r->scratch.len};
    if (t->send(t->impl, leader, FRAME_FORWARD, frame)) {
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
    uint64_t n_commands = 0;
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
    bytes_clear(&r->names);
    for (w = r->places[WORK_WAITING].first; w != NULL; w = next) {
        struct forward f = {
            .request = r->next_request,
            .kind = w->kind,
            .n_commands = w->n_commands,
            .bytes = work_in(w),
            .name = slice_of(w->ticket != NULL ? w->ticket->name : w->name),
            .urgent = w->urgent,
        };
        next = w->next;
        if (w->deadline_ms <= now || !work_enter(r, w)) {
            continue; /* the sweep ends the first; the second is gone */
        }
        f.timeout_ms = (uint32_t)(w->deadline_ms - now);
        if (f.timeout_ms > FORWARD_TIMEOUT_MAX_MS) {
            f.timeout_ms = FORWARD_TIMEOUT_MAX_MS;
        }
        forward_append(&r->scratch, &r->names, &f);
        w->sent_request = r->next_request++;
        n_commands += w->kind == TICKET_COMMANDS ? 1 : 0;
        work_move(r, w, WORK_SENT);
        r->counters.forwarded++;
        if (r->scratch.len >= FORWARD_FRAME_BYTES) {
            send_frame(r, leader, first_request);
            if (r->retry_at_ms != 0) {
                break;
            }
            bytes_clear(&r->scratch);
            bytes_clear(&r->names);
            first_request = r->next_request;
        }
    }
    if (r->retry_at_ms == 0) {
        send_frame(r, leader, first_request);
    }
    replica_note_bundle(r, n_commands);
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
        w->maybe_logged = w->maybe_logged || (changes_something(w) &&
                                              !MUTANT(&r->options.driver, MUTANT_LOST_CERTAIN));
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

/* When all of it fails at once, that is known by the first lines. */
enum { LINES_A_SECOND = 10 };

static const char *how_it_ended(enum forward_status status)
{
    switch (status) {
    case FORWARD_OK:
        return "done";
    case FORWARD_NOT_LEADER:
        return "not_leader";
    case FORWARD_OVERLOADED:
        return "overloaded";
    case FORWARD_LOST:
        return "leadership_lost";
    case FORWARD_MALFORMED:
        return "malformed";
    case FORWARD_REFUSED:
        return "refused";
    case FORWARD_NO_ROOM:
        return "no_room";
    }
    return "unknown";
}

static const char *kind_name(enum ticket_kind kind)
{
    switch (kind) {
    case TICKET_COMMANDS:
        return "commands";
    case TICKET_TRANSFER:
        return "transfer";
    case TICKET_MEMBER:
        return "member";
    default:
        return "query";
    }
}

void replica_say_forwarded(struct replica *r, const struct work *w, enum forward_status status)
{
    uint64_t now = replica_now_ms(r);
    uint64_t took_ms = now - w->taken_ms;
    bool done = status == FORWARD_OK || status == FORWARD_NOT_LEADER;

    if (r->options.slow_ms == 0 || (done && took_ms < r->options.slow_ms)) {
        return;
    }
    if (r->said_second != now / 1000) {
        r->said_second = now / 1000;
        r->said = 0;
    }
    if (r->said++ < LINES_A_SECOND) {
        report(r->options.driver.reporter, LEVEL_WARN, "consensus",
               done ? "a forwarded request was slow" : "a forwarded request was not done",
               "request=%s from_node=%llu kind=%s outcome=%s ms=%llu", work_name(w),
               (unsigned long long)w->peer, kind_name(w->kind), how_it_ended(status),
               (unsigned long long)took_ms);
    }
}

/* Work that is not taken on. */
static void turn_away(struct replica *r, uint64_t peer, const struct forward *f,
                      enum forward_status status)
{
    const struct forward_result refusal = {f->request, status, {NULL, 0}};
    struct work w = {.kind = f->kind, .peer = peer, .taken_ms = replica_now_ms(r)};

    memcpy(w.name, f->name.base, f->name.len);
    replica_say_forwarded(r, &w, status);
    replica_add_result(r, peer, &refusal);
}

int replica_take_forward(struct replica *r, uint64_t peer, struct slice frame)
{
    struct forward f;
    struct fault fault;
    struct cursor c, names;
    uint32_t count;

    if (forward_begin(frame, &c, &count, &fault) != 0) {
        return -1;
    }
    forward_names(&c, count, &names);
    while (count-- > 0) {
        struct work *w;
        enum forward_status status;
        if (forward_next(&c, &names, &f, &fault) != 1) {
            return -1;
        }
        status = admit(r, &f);
        if (status != FORWARD_OK) {
            turn_away(r, peer, &f, status);
            continue;
        }
        w = work_new(r, f.kind);
        w->peer = peer;
        w->request = f.request;
        w->taken_ms = replica_now_ms(r);
        w->deadline_ms = w->taken_ms + f.timeout_ms;
        memcpy(w->name, f.name.base, f.name.len);
        w->urgent = f.urgent;
        w->n_commands = f.n_commands;
        bytes_append(&w->in, f.bytes.base, f.bytes.len);
        w->rest = cursor_of(w->in.base, w->in.len);
        r->forwarded_now++;
        r->forwarded_bytes += w->in.len;
    }
    return 0;
}
