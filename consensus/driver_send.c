/* Messages out: filled from cache or log, split to what a frame may hold, held back until the vote
 * that they follow from is durable. */
#include "consensus/driver_private.h"

#include <stdlib.h>

#include "consensus/message.h"

/* An append entries frame is cut here; one entry always fits (LOG_ENTRY_MAX). */
enum { APPEND_BYTES = 2 << 20 };

static void post(struct driver *d, uint64_t peer, const struct bytes *frame)
{
    struct outgoing *o;

    if (d->out_first == NULL && d->vote_write <= d->durable) {
        d->options.transport.send(d->options.transport.impl, peer, FRAME_RAFT,
                                  (struct slice){(const char *)frame->base, frame->len});
        return;
    }
    o = calloc(1, sizeof *o);
    if (o == NULL) {
        abort();
    }
    o->peer = peer;
    o->need = d->vote_write;
    bytes_append(&o->frame, frame->base, frame->len);
    *d->out_last = o;
    d->out_last = &o->next;
}

void driver_flush(struct driver *d)
{
    while (d->out_first != NULL && d->out_first->need <= d->durable) {
        struct outgoing *o = d->out_first;
        d->out_first = o->next;
        if (d->out_first == NULL) {
            d->out_last = &d->out_first;
        }
        d->options.transport.send(d->options.transport.impl, o->peer, FRAME_RAFT,
                                  (struct slice){(const char *)o->frame.base, o->frame.len});
        bytes_release(&o->frame);
        free(o);
    }
}

void driver_drop_outgoing(struct driver *d)
{
    while (d->out_first != NULL) {
        struct outgoing *o = d->out_first;
        d->out_first = o->next;
        bytes_release(&o->frame);
        free(o);
    }
    d->out_last = &d->out_first;
}

static bool votes(const struct raft_configuration *c, uint64_t id)
{
    unsigned i;

    for (i = 0; i < c->n; i++) {
        if (c->servers[i].id == id) {
            return c->servers[i].role == RAFT_VOTER;
        }
    }
    return false;
}

/* The first entry that is not for this peer yet: one that takes its vote away and is not committed.
 * If it alone had it, nobody could lead again: it may not by that entry, and the others' logs would
 * be behind its own. The core sends it again once it is committed. */
static uint64_t withheld(const struct driver *d, uint64_t peer)
{
    uint64_t change = d->raft.configuration_uncommitted_index;

    return change != 0 && votes(&d->raft.configuration_committed, peer) &&
                   !votes(&d->raft.configuration, peer)
               ? change
               : UINT64_MAX;
}

/* Sends the entries after m->prev_log_index in as many messages as they need. Entries that the log
 * has already let go are simply not sent: the core's next try will be a snapshot. */
static int send_append(struct driver *d, uint64_t peer, const struct raft_append_entries *message,
                       struct fault *fault)
{
    struct raft_append_entries m = *message;
    uint64_t end = m.prev_log_index + m.n_entries;
    uint64_t first_withheld = withheld(d, peer);
    struct append_encoder encoder;
    struct bytes frame;
    struct log_entry e;
    int rv = 0;

    if (end >= first_withheld) {
        end = m.prev_log_index >= first_withheld ? m.prev_log_index : first_withheld - 1;
    }
    bytes_init(&frame);
    do {
        bytes_clear(&frame);
        append_begin(&encoder, &frame, &m);
        while (m.prev_log_index < end && frame.len < APPEND_BYTES &&
               encoder.count < MESSAGE_ENTRIES_MAX) {
            if (m.prev_log_index + 1 < d->first_index) {
                goto out;
            }
            rv = driver_entry(d, m.prev_log_index + 1, &e, fault);
            if (rv != 0) {
                goto out;
            }
            if (e.type == LOG_CHANGE && encoder.count > 0 &&
                !MUTANT(&d->options, MUTANT_CHANGE_IN_BATCH)) {
                break;
            }
            append_entry(&encoder, e.term, (int)e.type, e.data, e.len);
            m.prev_log_index++;
            m.prev_log_term = e.term;
        }
        append_end(&encoder);
        post(d, peer, &frame);
    } while (m.prev_log_index < end);
out:
    bytes_release(&frame);
    return rv;
}

static void send_install(struct driver *d, struct raft_message *m)
{
    struct raft_install_snapshot *install = &m->install_snapshot;
    struct bytes frame;
    struct fault fault;

    /* A newer manifest may have come since the core decided, or is being written, and what comes
     * after the older one is cut with it; it will ask again. */
    if (install->last_index != d->snapshot.index ||
        (d->snapshot_writing && install->last_index < d->first_index)) {
        return;
    }
    if (driver_decode_configuration(&d->snapshot.configuration, &install->conf, &fault) != 0) {
        return;
    }
    install->conf_index = d->snapshot.configuration_index;
    install->last_term = d->snapshot.term;
    install->data.base = d->snapshot.manifest.base;
    install->data.len = d->snapshot.manifest.len;
    bytes_init(&frame);
    message_encode(m, &frame);
    post(d, m->server_id, &frame);
    bytes_release(&frame);
    driver_hold_offered(d, m->server_id, install->last_index);
    raft_configuration_close(&install->conf);
}

int driver_send_messages(struct driver *d, struct raft_message *messages, unsigned n,
                         struct fault *fault)
{
    struct bytes frame;
    unsigned i;
    int rv = 0;

    bytes_init(&frame);
    for (i = 0; i < n && rv == 0; i++) {
        struct raft_message *m = &messages[i];
        rv = driver_guard_outgoing(d, m, fault);
        if (rv != 0) {
            break;
        }
        if (m->type == RAFT_APPEND_ENTRIES) {
            rv = send_append(d, m->server_id, &m->append_entries, fault);
        } else if (m->type == RAFT_INSTALL_SNAPSHOT) {
            send_install(d, m);
        } else {
            bytes_clear(&frame);
            message_encode(m, &frame);
            post(d, m->server_id, &frame);
        }
    }
    bytes_release(&frame);
    return rv;
}
