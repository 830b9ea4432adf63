/* The log is not cut under a state copy.
 *
 * Who gets the state needs every entry after the snapshot that it was offered. Checkpoints go on
 * while it fetches, and would cut these entries away when the copy takes longer than `trailing`
 * entries last: the copy would be in vain, and the next one as well. So a leader keeps them from
 * the offer on until the peer has all that is committed, or has not moved for hold_ms. What the
 * peer has itself by then goes, so one that is just a little behind for ever holds next to nothing.
 *
 * Which of the offers a peer took nobody says. It drops them while it fetches, and asks for the
 * state at once when it takes one: what it asks for is not older than the first offer since it
 * asked last. So a peer that fails again and again moves its hold on, and does not hold the log for
 * ever.
 *
 * Room for the log comes first: a node that is short of it lets go, and so does one that does not
 * lead any more. A copy may then have to begin again. */
#include "consensus/driver_private.h"

static bool holds(const struct driver *d, const struct hold *h)
{
    return h->peer != 0 && d->now_ms < h->until_ms;
}

static struct hold *find(struct driver *d, uint64_t peer)
{
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        if (d->holds[i].peer == peer && holds(d, &d->holds[i])) {
            return &d->holds[i];
        }
    }
    return NULL;
}

/* NULL when every place is taken: members came and went, and the log is cut as ever. */
static struct hold *begin(struct driver *d, uint64_t peer)
{
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        if (!holds(d, &d->holds[i])) {
            d->holds[i] = (struct hold){.peer = peer, .until_ms = d->now_ms + d->options.hold_ms};
            return &d->holds[i];
        }
    }
    return NULL;
}

void driver_hold_offered(struct driver *d, uint64_t peer, uint64_t index)
{
    struct hold *h = find(d, peer);

    if (!d->options.transport.connected(d->options.transport.impl, peer)) {
        return; /* the offer does not reach it: the core takes it to be there a little longer */
    }
    if (h == NULL) {
        h = begin(d, peer);
    } else if (h->from != 0) { /* it asked, and is at it still */
        h->until_ms = d->now_ms + d->options.hold_ms;
    }
    if (h != NULL && h->offered == 0) {
        h->offered = index;
    }
}

/* It took the last offer of a hold that is just over, and what that needs is still there. */
static struct hold *revive(struct driver *d, uint64_t peer)
{
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        struct hold *h = &d->holds[i];
        if (h->peer == peer && h->offered >= d->first_index) {
            return h;
        }
    }
    return NULL;
}

void driver_copying(struct driver *d, uint64_t now_ms, uint64_t peer, bool begins)
{
    struct hold *h;

    d->now_ms = now_ms;
    h = find(d, peer);
    if (h == NULL && begins) {
        h = revive(d, peer);
    }
    if (h == NULL) {
        return;
    }
    h->until_ms = now_ms + d->options.hold_ms;
    if (begins && h->offered != 0) {
        h->from = h->offered;
        h->offered = 0;
    }
}

void driver_hold_answered(struct driver *d, uint64_t peer)
{
    struct hold *h = find(d, peer);
    raft_index match;

    if (h == NULL || raft_match_index(&d->raft, peer, &match) != 0) {
        return;
    }
    if (match >= d->commit) {
        h->peer = 0;
    } else if (h->from != 0 && match > h->from) { /* it has the state, and catches up */
        h->from = match;
        h->until_ms = d->now_ms + d->options.hold_ms;
    }
}

void driver_short_of_room(struct driver *d, bool is_short)
{
    d->short_of_room = is_short;
}

uint64_t driver_hold_limit(struct driver *d)
{
    uint64_t limit = UINT64_MAX;
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        const struct hold *h = &d->holds[i];
        uint64_t from = h->from != 0 ? h->from : h->offered;

        if (holds(d, h) && from < limit) {
            limit = from;
        }
    }
    if (limit == UINT64_MAX || (driver_is_leader(d) && !d->short_of_room)) {
        return limit;
    }
    if (d->short_of_room) {
        report(d->options.reporter, LEVEL_WARN, "consensus",
               "room comes first: the log goes that a node needs behind its copy of the state",
               "index=%llu", (unsigned long long)limit);
    }
    memset(d->holds, 0, sizeof d->holds);
    return UINT64_MAX;
}
