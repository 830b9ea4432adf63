/* Gathering: while much comes, it goes out together.
 *
 * Whatever goes out, to the leader or into the log, costs the cluster the same few wake-ups, writes
 * and syncs on three nodes, however much is in it. So when the last bundle held several, the next
 * one goes out some time after it at the earliest; what comes meanwhile stays with the gate, whose
 * workers then wake nobody, whatever it is. A lone client never waits: its bundles hold one.
 * Commands alone make a bundle; reads by themselves would be slower for it.
 *
 * Decided once for each turn of the pump: what one turn left to wait is due when that turn said,
 * whatever the clock says by then and whatever goes out meanwhile, and the turn at which it is due
 * takes all. */
#include "consensus/replica_private.h"

static uint64_t now_us(const struct replica *r)
{
    return r->options.clock.now_us(r->options.clock.impl);
}

void replica_gather(struct replica *r)
{
    uint64_t now = now_us(r);

    if (r->gather_until_us != 0) {
        r->gather_until_us = now < r->gather_until_us && !r->stopping ? r->gather_until_us : 0;
    } else if (r->bundle >= r->options.gather_from && !r->stopping &&
               now < r->bundle_us + r->options.gather_us) {
        r->gather_until_us = r->bundle_us + r->options.gather_us;
    }
}

bool replica_gathers(const struct replica *r)
{
    return r->gather_until_us != 0;
}

void replica_note_bundle(struct replica *r, uint64_t n)
{
    if (n > 0) {
        r->bundle = n;
        r->bundle_us = now_us(r);
    }
}

uint64_t replica_gather_until_us(const struct replica *r)
{
    return replica_gathers(r) ? r->gather_until_us : UINT64_MAX;
}
