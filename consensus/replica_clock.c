/* The ledger's time follows its leader's clock, and never goes back: a leader whose clock is years
 * ahead would move it for good, and end every hold, limit and session that waits for a time.
 *
 * So all nodes tell each other what their clocks say (with what replica_room.c tells). A leader
 * stamps by its own clock, until a majority of the voters says that it is ahead by more than
 * CLOCK_AHEAD_MAX_MS: then by the latest time that this majority allows. One wrong clock, ahead or
 * behind, so moves nothing; and as long as fewer than a majority were heard, the leader's counts.
 *
 * What a peer's clock says is kept as its distance from this node's monotonic clock, which no
 * operator sets: so a clock that jumps here is noticed with the next entry. A message that was long
 * on its way makes the peer look behind by as long, until the next one. */
#include "consensus/replica_private.h"

#include <stdlib.h>

static int ascending(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a;
    int64_t right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

/* When it is less than its own clock, a majority of all voters says so, without this one. */
void replica_judge_clocks(struct replica *r, const struct cluster_status *s)
{
    int64_t distances[STATUS_MEMBERS_MAX];
    size_t voters = 0;
    size_t known = 0;
    uint32_t i;

    for (i = 0; i < s->n_members; i++) {
        const struct peer_word *word = replica_word(r, s->members[i].id);

        if (s->members[i].role != MEMBER_VOTER) {
            continue;
        }
        voters++;
        if (word != NULL && word->has_clock && s->members[i].id != s->node_id) {
            distances[known++] = word->clock_distance_ms;
        }
    }
    qsort(distances, known, sizeof distances[0], ascending);
    r->clock_bounded = known > voters / 2;
    if (r->clock_bounded) {
        r->clock_bound_ms = distances[voters / 2] + CLOCK_AHEAD_MAX_MS;
    }
}

uint64_t replica_wall_ms(const struct replica *r)
{
    uint64_t wall = r->options.clock.wall_ms(r->options.clock.impl);
    uint64_t bound = replica_now_ms(r) + (uint64_t)r->clock_bound_ms;

    return r->clock_bounded && bound < wall ? bound : wall;
}

void replica_say_clock(struct replica *r)
{
    uint64_t wall = r->options.clock.wall_ms(r->options.clock.impl);
    bool ahead = replica_wall_ms(r) < wall;

    if (ahead != r->clock_ahead) {
        report(r->options.driver.reporter, ahead ? LEVEL_WARN : LEVEL_INFO, "consensus",
               ahead ? "this node's clock is ahead of a majority's: set it right; what it leads is "
                       "stamped by theirs"
                     : "this node's clock is no longer ahead of the others'",
               "ahead_ms=%llu", (unsigned long long)(wall - replica_wall_ms(r)));
    }
    r->clock_ahead = ahead;
}
