/* Nearly full disks: writes are refused before a log runs out of room, and not after.
 *
 * A follower can't refuse an entry, and a log that can't be written ends its node. So every node
 * tells its peers when its disk has less than the reserve left, and a leader
 *  - takes no more writes when fewer than a majority of the voters are connected and have room:
 *    each entry would eat into the reserve of a node that the cluster can't do without;
 *  - hands leadership over when only its own disk is short: checkpoints and logs then go on there
 *    without it.
 * With a majority that has room, writes go on, and a node that is short uses up its reserve and
 * stops: the cluster does without it. Reads always go on. What a log may hold already is not
 * refused: its outcome is owed, and such work is little. */
#include "consensus/replica_private.h"

#include <string.h>

enum { ROOM_VERSION = 1, ROOM_FRAME_BYTES = 2 };

void replica_take_room(struct replica *r, uint64_t peer, struct slice frame)
{
    size_t i;

    if (frame.len != ROOM_FRAME_BYTES || frame.base[0] != ROOM_VERSION) {
        driver_refused(r->driver, peer, "a malformed word about room");
        return;
    }
    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        if (r->rooms[i].peer == peer || r->rooms[i].peer == 0) {
            r->rooms[i].peer = peer;
            r->rooms[i].short_of_room = frame.base[1] != 0;
            return;
        }
    }
    memset(r->rooms, 0, sizeof r->rooms); /* members come and go: those that are here speak again */
}

static bool peer_short(const struct replica *r, uint64_t peer)
{
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        if (r->rooms[i].peer == peer) {
            return r->rooms[i].short_of_room;
        }
    }
    return false;
}

static void tell(struct replica *r, const struct cluster_status *s)
{
    const struct transport *t = &r->options.driver.transport;
    const char frame[ROOM_FRAME_BYTES] = {ROOM_VERSION, (char)r->short_of_room};
    uint32_t i;

    for (i = 0; i < s->n_members; i++) {
        if (s->members[i].id != s->node_id && s->members[i].connected) {
            t->send(t->impl, s->members[i].id, FRAME_ROOM, (struct slice){frame, sizeof frame});
        }
    }
}

/* What the voters have: how many there are, how many are here with room, whether any is short, and
 * one that could lead instead of us (0: none). */
struct rooms {
    uint32_t voters, with_room;
    bool any_short;
    uint64_t other;
};

static struct rooms look(const struct replica *r, const struct cluster_status *s)
{
    struct rooms rooms = {0};
    uint64_t best = 0;
    uint32_t i;

    for (i = 0; i < s->n_members; i++) {
        uint64_t id = s->members[i].id;
        bool own = id == s->node_id;
        bool is_short = own ? r->short_of_room : peer_short(r, id);

        if (s->members[i].role != MEMBER_VOTER) {
            continue;
        }
        rooms.voters++;
        rooms.any_short = rooms.any_short || (is_short && s->members[i].connected);
        if (is_short || !s->members[i].connected) {
            continue;
        }
        rooms.with_room++;
        if (!own && s->members[i].match_index >= best) {
            best = s->members[i].match_index;
            rooms.other = id;
        }
    }
    return rooms;
}

static void set_no_room(struct replica *r, bool no_room)
{
    if (no_room != r->no_room) {
        report(r->options.driver.reporter, no_room ? LEVEL_WARN : LEVEL_INFO, "consensus",
               no_room ? "the cluster refuses writes: too few disks have room"
                       : "the cluster takes writes again",
               "writes_refused=%llu", (unsigned long long)r->counters.writes_refused);
    }
    r->no_room = no_room;
}

int replica_room(struct replica *r, bool short_of_room, struct fault *fault)
{
    struct cluster_status s = {0};
    struct rooms rooms;
    bool accepted = false;

    r->short_of_room = short_of_room;
    driver_status(r->driver, &s);
    tell(r, &s);
    if (!driver_is_leader(r->driver)) {
        r->no_room = false; /* the leader judges */
        return 0;
    }
    rooms = look(r, &s);
    if (!rooms.any_short || rooms.with_room > rooms.voters / 2) {
        set_no_room(r, false);
    } else {
        set_no_room(r, true);
        return 0;
    }
    if (!r->short_of_room || driver_transferring(r->driver)) {
        return 0;
    }
    report(r->options.driver.reporter, LEVEL_WARN, "consensus",
           "handing leadership over: this node's disk is nearly full", "to=%llu",
           (unsigned long long)rooms.other);
    return driver_transfer(r->driver, replica_now_ms(r), rooms.other, &accepted, fault);
}

void replica_refuse_writes(struct replica *r)
{
    struct work *w = r->places[WORK_WAITING].first;

    while (w != NULL) {
        struct work *next = w->next;

        if (w->kind == TICKET_COMMANDS && !w->maybe_logged && w->proposed == 0) {
            work_finish(r, w, RESULT_NO_ROOM);
        }
        w = next;
    }
}
