/* The members as the driver sees them: configurations of the core become the roster's lists, and a
 * change is put before the core only when it is safe.
 *
 * A change is safe only when an entry of the leader's own term is committed and no other change is
 * under way: else two leaders of two terms could each commit one with majorities that share no
 * node. The core sees to the second only. */
#include "consensus/driver_private.h"

#include "consensus/message.h"

static void list_of(const struct raft_configuration *c, struct roster_list *l)
{
    unsigned i;

    l->n = 0;
    for (i = 0; i < c->n && i < STATUS_MEMBERS_MAX; i++) {
        struct roster_member *m = &l->list[l->n++];
        m->id = c->servers[i].id;
        snprintf(m->address, sizeof m->address, "%s", c->servers[i].address);
    }
}

void driver_sync_members(struct driver *d)
{
    struct roster_list list;

    if (d->members_committed == d->raft.configuration_committed_index &&
        d->members_uncommitted == d->raft.configuration_uncommitted_index) {
        return;
    }
    if (d->members_committed != d->raft.configuration_committed_index) {
        list_of(&d->raft.configuration_committed, &list);
        roster_committed(&d->roster, d->raft.configuration_committed_index, &list);
    }
    list_of(&d->raft.configuration, &list);
    roster_current(&d->roster, &list);
    d->members_committed = d->raft.configuration_committed_index;
    d->members_uncommitted = d->raft.configuration_uncommitted_index;
    roster_tick(&d->roster, d->now_ms, driver_leader(d) != 0);
}

int driver_configuration_used(struct driver *d, const void *data, size_t len, struct fault *fault)
{
    const struct bytes encoded = {.base = (uint8_t *)(uintptr_t)data, .len = len};
    struct raft_configuration c;
    unsigned i;

    if (driver_decode_configuration(&encoded, &c, fault) != 0) {
        return -1;
    }
    for (i = 0; i < c.n; i++) {
        roster_used(&d->roster, c.servers[i].id);
    }
    raft_configuration_close(&c);
    return 0;
}

int driver_commit_change(struct driver *d, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_CONFIGURATION};

    event.configuration.index = d->raft.configuration_uncommitted_index;
    if (driver_copy_configuration(&d->raft.configuration, &event.configuration.conf, fault) != 0) {
        return -1;
    }
    return driver_step(d, &event, fault);
}

int driver_settle_change(struct driver *d, const struct raft_append_entries *m, struct fault *fault)
{
    uint64_t change = d->raft.configuration_uncommitted_index;
    struct log_entry previous;

    if (change == 0 || m->n_entries == 0 || m->entries[0].type != RAFT_CHANGE ||
        m->term < d->raft.current_term || m->prev_log_index < change ||
        m->prev_log_index > cache_last(d->cache) || m->prev_log_index < d->first_index ||
        MUTANT(&d->options, MUTANT_CHANGE_UNSETTLED)) {
        return 0;
    }
    if (driver_entry(d, m->prev_log_index, &previous, fault) != 0) {
        return -1;
    }
    return previous.term == m->prev_log_term ? driver_commit_change(d, fault) : 0;
}

bool driver_may_change(const struct driver *d)
{
    bool own_term = d->commit >= d->led_from || MUTANT(&d->options, MUTANT_CHANGE_EARLY);

    return driver_is_leader(d) && !driver_transferring(d) && own_term;
}

uint64_t driver_change(const struct driver *d)
{
    return d->raft.configuration_uncommitted_index;
}

int driver_propose_members(struct driver *d, uint64_t now_ms,
                           const struct configuration_member *members, size_t n, uint64_t *index,
                           struct fault *fault)
{
    struct bytes encoded;
    int rv;

    *index = 0;
    if (!driver_may_change(d) || driver_change(d) != 0) {
        return 0;
    }
    bytes_init(&encoded);
    rv = configuration_encode(members, n, &encoded, fault);
    if (rv == 0) {
        rv = driver_propose(d, now_ms, LOG_CHANGE,
                            (struct slice){(const char *)encoded.base, encoded.len}, index, fault);
    }
    bytes_release(&encoded);
    return rv;
}

void driver_members_frame(struct driver *d, uint64_t now_ms, uint64_t peer, struct slice frame)
{
    struct fault why;

    d->now_ms = now_ms;
    if (roster_heard(&d->roster, now_ms, peer, frame, &why) != 0) {
        driver_refused(d, peer, why.text);
    }
}

bool driver_knows(const struct driver *d, uint64_t peer)
{
    return roster_knows(&d->roster, peer);
}

uint64_t driver_removed(const struct driver *d)
{
    return d->roster.removed;
}

void driver_status(const struct driver *d, struct cluster_status *status)
{
    const struct raft_configuration *c = &d->raft.configuration;
    unsigned i;

    status->node_id = d->options.id;
    status->leader_id = driver_leader(d);
    status->term = driver_term(d);
    snprintf(status->state, sizeof status->state, "%s", raft_state_name(d->raft.state));
    status->first_index = d->first_index;
    status->last_index = cache_last(d->cache);
    status->stored_index = d->raft.last_stored;
    status->commit_index = d->commit;
    status->leader_changes = d->leader_changes;
    status->elections_won = d->elections_won;
    for (i = 0; i < c->n && i < STATUS_MEMBERS_MAX; i++) {
        raft_index match = 0;
        status->members[i].id = c->servers[i].id;
        snprintf(status->members[i].address, STATUS_ADDRESS_MAX, "%s", c->servers[i].address);
        status->members[i].role = (enum member_role)c->servers[i].role;
        status->members[i].connected =
            c->servers[i].id == d->options.id ||
            d->options.transport.connected(d->options.transport.impl, c->servers[i].id);
        if (raft_match_index(&d->raft, c->servers[i].id, &match) == 0) {
            status->members[i].match_index = match;
        }
    }
    status->n_members = i;
    status->members_index = d->raft.configuration_committed_index;
    status->change_index = d->raft.configuration_uncommitted_index;
    status->highest_member_id = d->roster.own.highest;
}
