#include "consensus/replica_private.h"

#include <stdlib.h>

#include "consensus/entry.h"
#include "consensus/histogram.h"

/* An entry always has room for one command, whatever group_bytes says. */
enum { SWEEP_EVERY_MS = 100, COMMAND_FRAME_MAX = LOG_ENTRY_MAX / 2 };

uint64_t replica_now_ms(const struct replica *r)
{
    return r->options.clock.now_ms(r->options.clock.impl);
}

/* ---- work: its lists, its life ---- */

static void list_remove(struct work_list *list, struct work *w)
{
    *(w->previous != NULL ? &w->previous->next : &list->first) = w->next;
    *(w->next != NULL ? &w->next->previous : &list->last) = w->previous;
    w->next = w->previous = NULL;
    list->n--;
}

static void list_append(struct work_list *list, struct work *w)
{
    w->previous = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = w;
    list->last = w;
    list->n++;
}

static void list_prepend(struct work_list *list, struct work *w)
{
    w->next = list->first;
    *(list->first != NULL ? &list->first->previous : &list->last) = w;
    list->first = w;
    list->n++;
}

void work_move(struct replica *r, struct work *w, enum work_place place)
{
    list_remove(&r->places[w->place], w);
    w->place = place;
    list_append(&r->places[place], w);
}

void work_move_front(struct replica *r, struct work *w, enum work_place place)
{
    list_remove(&r->places[w->place], w);
    w->place = place;
    list_prepend(&r->places[place], w);
}

struct slice work_in(const struct work *w)
{
    const struct bytes *in = w->ticket != NULL && w->in.len == 0 ? &w->ticket->in : &w->in;

    return (struct slice){(const char *)in->base, in->len};
}

struct bytes *work_out(struct work *w)
{
    return w->ticket != NULL ? &w->ticket->out : &w->out;
}

const char *work_name(const struct work *w)
{
    const char *name = w->ticket != NULL ? w->ticket->name : w->name;

    return name[0] == '\0' ? "-" : name;
}

struct work *work_new(struct replica *r, enum ticket_kind kind)
{
    struct work *w = calloc(1, sizeof *w);

    if (w == NULL) {
        abort();
    }
    w->kind = kind;
    w->place = WORK_WAITING;
    list_append(&r->places[WORK_WAITING], w);
    return w;
}

void work_restart(struct replica *r, struct work *w)
{
    struct slice in = work_in(w);

    bytes_clear(work_out(w));
    w->rest = cursor_of(in.base, in.len);
    w->proposed = 0;
    w->answered = 0;
    w->wait_index = 0;
    if (w->ticket != NULL && !w->maybe_logged) {
        ticket_leave(w->ticket);
    }
    work_move_front(r, w, WORK_WAITING);
}

static void work_free(struct replica *r, struct work *w)
{
    list_remove(&r->places[w->place], w);
    if (r->transfer == w) {
        r->transfer = NULL;
    }
    if (r->change == w) {
        r->change = NULL;
    }
    bytes_release(&w->in);
    bytes_release(&w->out);
    free(w);
}

void work_finish_forwarded(struct replica *r, struct work *w, enum forward_status status)
{
    struct forward_result result = {w->request, status, {NULL, 0}};

    if (status == FORWARD_OK || status == FORWARD_REFUSED) {
        result.bytes = (struct slice){(const char *)w->out.base, w->out.len};
    }
    replica_say_forwarded(r, w, status);
    replica_add_result(r, w->peer, &result);
    r->forwarded_now -= MUTANT(&r->options.driver, MUTANT_FORWARD_LEAK) ? 0 : 1;
    r->forwarded_bytes -= w->in.len;
    work_free(r, w);
}

void work_finish(struct replica *r, struct work *w, enum ticket_result result)
{
    static const enum forward_status statuses[] = {
        [RESULT_OK] = FORWARD_OK,
        [RESULT_UNAVAILABLE] = FORWARD_NOT_LEADER,
        [RESULT_OVERLOADED] = FORWARD_OVERLOADED,
        [RESULT_UNKNOWN] = FORWARD_LOST,
        [RESULT_MALFORMED] = FORWARD_MALFORMED,
        [RESULT_REFUSED] = FORWARD_REFUSED,
        [RESULT_NO_ROOM] = FORWARD_NO_ROOM,
    };

    if (w->ticket == NULL) {
        work_finish_forwarded(r, w, statuses[result]);
        return;
    }
    r->counters.overloaded += result == RESULT_OVERLOADED;
    r->counters.writes_refused += result == RESULT_NO_ROOM;
    ticket_done(w->ticket, result);
    work_free(r, w);
}

bool work_enter(struct replica *r, struct work *w)
{
    if (w->ticket == NULL || ticket_enter(w->ticket)) {
        return true;
    }
    work_finish(r, w, RESULT_UNKNOWN); /* nobody listens; this lets go of the ticket */
    return false;
}

/* Work whose time is up: its worker has its answer already, a peer has given up. */
static void sweep(struct replica *r)
{
    uint64_t now = replica_now_ms(r);
    struct work *w;
    struct work *next;

    if (now < r->sweep_at_ms) {
        return;
    }
    r->sweep_at_ms = now + SWEEP_EVERY_MS;
    for (w = r->places[WORK_WAITING].first; w != NULL; w = next) {
        next = w->next;
        if (w->deadline_ms <= now && w->proposed == 0) {
            bool unknown = w->maybe_logged && !MUTANT(&r->options.driver, MUTANT_CERTAIN_ANSWER);
            work_finish(r, w, unknown ? RESULT_UNKNOWN : RESULT_UNAVAILABLE);
        }
    }
    for (w = r->places[WORK_SENT].first; w != NULL; w = next) {
        next = w->next;
        if (w->deadline_ms <= now) {
            work_finish(r, w, RESULT_UNKNOWN);
        }
    }
}

/* ---- open, close ---- */

/* A leader may still answer what the life before this one forwarded, over the new connection: were
 * numbers used again, a ticket would get the outcome of another one. The clock may be put back and
 * the seed come twice, so both count. */
static uint64_t first_request(const struct replica_options *options)
{
    uint64_t wall_ms = options->clock.wall_ms(options->clock.impl);

    if (MUTANT(&options->driver, MUTANT_REQUEST_AGAIN)) {
        return 1;
    }
    return (wall_ms << 22) + ((uint64_t)options->driver.seed << 32) + 1;
}

/* A state that came by a copy may be newer than any snapshot of the leader of now, and that leader
 * may need this very node to get further. What it wants installed is here already, then. */
static void start_install(void *impl, uint64_t peer, uint64_t index, struct slice manifest)
{
    struct replica *r = impl;
    const struct installer *installer = &r->options.driver.installer;

    if (r->counters.checkpoint_index >= index) {
        r->install_held = true;
        return;
    }
    installer->start(installer->impl, peer, index, manifest);
}

int replica_open(struct replica **replica, const struct replica_options *options, struct log *log,
                 struct fault *fault)
{
    struct replica *r = calloc(1, sizeof *r);
    struct driver_options driver = options->driver;
    uint64_t last = log_last_index(log);

    *replica = NULL;
    if (r == NULL) {
        abort();
    }
    if (last < log_snapshot(log)->index) {
        last = log_snapshot(log)->index;
    }
    r->options = *options;
    r->applied = options->fsm.applied_index(options->fsm.impl);
    r->counters.checkpoint_index = r->applied; /* it was read from the disk */
    r->group_last = &r->group_first;
    r->next_request = first_request(options);
    if (r->applied < log_snapshot(log)->index) {
        fault_set(fault,
                  "the state ends at index %llu, but the log was cut behind %llu: the state was "
                  "lost or put back from an old copy. Restore this node from the others: "
                  "docs/operations.md",
                  (unsigned long long)r->applied, (unsigned long long)log_snapshot(log)->index);
        goto err;
    }
    if (r->applied > last && !options->state_may_lead) {
        fault_set(fault,
                  "the state holds index %llu, but the Raft log ends at %llu: the log lost its end "
                  "or was put back from an old copy. Restore this node from the others: "
                  "docs/operations.md",
                  (unsigned long long)r->applied, (unsigned long long)last);
        goto err;
    }
    if (driver.installer.start != NULL) {
        driver.installer = (struct installer){r, start_install};
    }
    if (driver_open(&r->driver, &driver, log, replica_now_ms(r), fault) != 0) {
        goto err;
    }
    *replica = r;
    return 0;
err:
    free(r);
    return -1;
}

void replica_close(struct replica *r)
{
    struct ticket *t, *next;
    struct group *g;
    int place;
    size_t i;

    while ((g = r->group_first) != NULL) {
        r->group_first = g->next;
        group_free(g);
    }
    for (t = gate_drain(r->options.gate); t != NULL; t = next) {
        next = t->next;
        ticket_done(t, RESULT_UNAVAILABLE);
    }
    for (place = 0; place < WORK_PLACES; place++) {
        while (r->places[place].first != NULL) {
            struct work *w = r->places[place].first;
            bool unknown = w->maybe_logged || w->proposed > 0 || place == WORK_SENT;
            work_finish(r, w, unknown ? RESULT_UNKNOWN : RESULT_UNAVAILABLE);
        }
    }
    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        bytes_release(&r->results[i].frame);
    }
    driver_close(r->driver);
    bytes_release(&r->entry);
    bytes_release(&r->scratch);
    bytes_release(&r->names);
    free(r);
}

/* ---- events ---- */

int replica_frame(struct replica *r, uint64_t peer, enum frame_kind kind, struct slice frame,
                  struct fault *fault)
{
    switch (kind) {
    case FRAME_RAFT:
        return driver_receive(r->driver, replica_now_ms(r), peer, frame, fault);
    case FRAME_MEMBERS:
        driver_members_frame(r->driver, replica_now_ms(r), peer, frame);
        return 0;
    case FRAME_FORWARD:
        if (!driver_knows(r->driver, peer)) {
            return 0; /* a node that is no member: it is told so (roster.h) */
        }
        if (replica_take_forward(r, peer, frame) != 0) {
            driver_refused(r->driver, peer, "a malformed forward");
        }
        return 0;
    case FRAME_FORWARD_RESULT:
        replica_take_results(r, peer, frame);
        return 0;
    case FRAME_ROOM:
        replica_take_room(r, peer, frame);
        return 0;
    case FRAME_STATE:
        return 0; /* the host's, with copy.h */
    }
    return 0;
}

void replica_link(struct replica *r, uint64_t peer, bool up)
{
    driver_link(r->driver, peer, up);
    if (!up && peer == r->sent_to) {
        replica_recall(r);
    }
    if (up) {
        r->retry_at_ms = 0;
    }
}

void replica_lost(struct replica *r, uint64_t peer)
{
    if (peer == r->sent_to) {
        replica_recall(r);
    }
}

int replica_written(struct replica *r, struct storage_write *w, struct fault *fault)
{
    return driver_written(r->driver, replica_now_ms(r), w, fault);
}

int replica_fetched(struct replica *r, bool ok, struct fault *fault)
{
    uint64_t applied = r->options.fsm.applied_index(r->options.fsm.impl);

    if (ok && applied < r->applied) {
        return fault_set(fault,
                         "the installed state ends at index %llu, and %llu was applied here: it "
                         "must have been refused. Restart this node",
                         (unsigned long long)applied, (unsigned long long)r->applied);
    }
    if (ok) {
        r->applied = applied;
        r->counters.checkpoint_index = applied;
    }
    return driver_fetched(r->driver, replica_now_ms(r), ok, fault);
}

/* ---- tickets ---- */

/* What a ticket says it holds. A ticket that held fewer commands would never be complete, and a
 * leader would refuse it together with all that came in the same frame. */
static bool commands_whole(const struct ticket *t)
{
    struct cursor c = cursor_of(t->in.base, t->in.len);
    struct slice command;
    uint32_t n = 0;

    while (frame_next(&c, &command)) {
        if (command.len == 0 || command.len > COMMAND_FRAME_MAX) {
            return false;
        }
        n++;
    }
    return !c.failed && n > 0 && n == t->n_commands && n <= ENTRY_COMMANDS_MAX;
}

static int take_ticket(struct replica *r, struct ticket *t, struct fault *fault)
{
    struct work *w = work_new(r, t->kind);
    struct member_change change;
    struct fault why;

    w->ticket = t;
    w->deadline_ms = ticket_deadline_ms(t);
    w->n_commands = t->n_commands;
    w->urgent = t->urgent;
    switch (t->kind) {
    case TICKET_STATUS:
        bytes_reserve(&t->out, sizeof(struct cluster_status));
        replica_status(r, (struct cluster_status *)t->out.base);
        t->out.len = sizeof(struct cluster_status);
        work_finish(r, w, RESULT_OK);
        return 0;
    case TICKET_STALE_QUERY:
        return replica_answer_query(r, w, fault);
    case TICKET_TRANSFER:
        bytes_append_u64(&w->in, t->target);
        break;
    case TICKET_COMMANDS:
        if (!commands_whole(t)) {
            work_finish(r, w, RESULT_MALFORMED);
            return 0;
        }
        break;
    case TICKET_MEMBER:
        if (member_change_decode(work_in(w), &change, &why) != 0) {
            work_finish(r, w, RESULT_MALFORMED);
            return 0;
        }
        break;
    case TICKET_QUERY:
        break;
    }
    w->rest = cursor_of(work_in(w).base, work_in(w).len);
    return 0;
}

static int take_tickets(struct replica *r, struct fault *fault)
{
    struct ticket *t = gate_drain(r->options.gate);

    while (t != NULL) {
        struct ticket *next = t->next;
        if (take_ticket(r, t, fault) != 0) {
            return -1;
        }
        t = next;
    }
    return 0;
}

/* ---- the pump ---- */

static void publish(struct replica *r)
{
    struct gate_view view = {
        .node_id = r->options.driver.id,
        .leader_id = driver_leader(r->driver),
        .applied_seq = r->options.fsm.sequence(r->options.fsm.impl),
        .directory_version = r->options.fsm.directory_version(r->options.fsm.impl),
        .stopping = r->stopping,
    };

    view.ready = view.leader_id != 0 && !r->stopping;
    gate_publish(r->options.gate, &view);
}

static void track_leadership(struct replica *r)
{
    uint64_t term = driver_is_leader(r->driver) ? driver_term(r->driver) : 0;

    if (r->term_led != 0 && term != r->term_led) {
        replica_lost_leadership(r);
    }
    if (term != 0 && r->term_led == 0) {
        replica_recall(r);
        r->retry_at_ms = 0; /* a follower's; left behind it would wake the leader for ever */
    }
    r->term_led = term;
}

int replica_pump(struct replica *r, bool *again, struct fault *fault)
{
    *again = false;
    if (r->install_held) {
        r->install_held = false;
        if (driver_fetched(r->driver, replica_now_ms(r), true, fault) != 0) {
            return -1;
        }
    }
    replica_gather(r);
    if (driver_tick(r->driver, replica_now_ms(r), fault) != 0 ||
        (!replica_gathers(r) && take_tickets(r, fault) != 0)) {
        return -1;
    }
    track_leadership(r);
    sweep(r);
    if (replica_apply(r, again, fault) != 0) {
        return -1;
    }
    if (r->term_led != 0) {
        if (replica_lead(r, fault) != 0) {
            return -1;
        }
        track_leadership(r); /* a cluster of one commits at once; anything else may change too */
    } else {
        replica_follow(r);
    }
    if (replica_answer_reads(r, fault) != 0) {
        return -1;
    }
    replica_flush_results(r);
    publish(r);
    return 0;
}

uint64_t replica_deadline_ms(const struct replica *r)
{
    uint64_t at = driver_deadline_ms(r->driver);
    bool waits = r->places[WORK_WAITING].n > 0 || r->places[WORK_SENT].n > 0;

    if (waits && r->sweep_at_ms < at) {
        at = r->sweep_at_ms;
    }
    if (r->places[WORK_WAITING].n > 0 && r->retry_at_ms != 0 && r->retry_at_ms < at) {
        at = r->retry_at_ms;
    }
    return at;
}

int replica_checkpointed(struct replica *r, uint64_t index, struct slice manifest,
                         struct fault *fault)
{
    r->counters.checkpoint_index = index;
    return driver_checkpointed(r->driver, index, manifest, fault);
}

void replica_copying(struct replica *r, uint64_t peer, bool begins)
{
    driver_copying(r->driver, replica_now_ms(r), peer, begins);
}

int replica_stop(struct replica *r, struct fault *fault)
{
    bool accepted;

    r->stopping = true;
    return driver_transfer(r->driver, replica_now_ms(r), 0, &accepted, fault);
}

bool replica_idle(const struct replica *r)
{
    int place;

    for (place = 0; place < WORK_PLACES; place++) {
        if (r->places[place].n > 0) {
            return false;
        }
    }
    return !driver_transferring(r->driver);
}

uint64_t replica_removed(const struct replica *r)
{
    return driver_removed(r->driver);
}

uint64_t replica_applied_index(const struct replica *r)
{
    return r->applied;
}

const struct driver *replica_driver(const struct replica *r)
{
    return r->driver;
}

void replica_status(struct replica *r, struct cluster_status *status)
{
    const struct fsm *fsm = &r->options.fsm;
    struct gate_load load;

    *status = r->counters;
    driver_status(r->driver, status);
    status->applied_index = r->applied;
    status->short_of_room = r->short_of_room;
    status->no_room = r->no_room;
    status->applied_seq = fsm->sequence(fsm->impl);
    status->clock_ms = fsm->clock_ms(fsm->impl);
    gate_load(r->options.gate, &load);
    status->queue_tickets = load.tickets;
    status->queue_bytes = load.bytes;
    status->queue_limit = load.limit;
    status->overloaded += load.refused;
    if (r->options.more_status != NULL) {
        r->options.more_status(r->options.context, status);
    }
}
