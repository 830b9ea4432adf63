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
 * refused: its outcome is owed, and such work is little. Nor is what is urgent: the records of what
 * operators do, who may be about to help.
 *
 * What is told (FRAME_ROOM) is u8 version, u8 whether it is short, and from version 2 on u64 what
 * the node's clock says, for replica_clock.c. */
#include "consensus/replica_private.h"

#include <string.h>

enum { ROOM_VERSION = 2 };

const struct peer_word *replica_word(const struct replica *r, uint64_t peer)
{
    size_t i;

    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        if (r->words[i].peer == peer) {
            return &r->words[i];
        }
    }
    return NULL;
}

static bool decode(struct slice frame, struct peer_word *word, uint64_t *wall_ms)
{
    struct cursor c = cursor_of(frame.base, frame.len);
    uint8_t version = cursor_u8(&c);

    word->short_of_room = cursor_u8(&c) != 0;
    word->has_clock = version == ROOM_VERSION;
    *wall_ms = word->has_clock ? cursor_u64(&c) : 0;
    return !c.failed && c.left == 0 && version >= 1 && version <= ROOM_VERSION &&
           *wall_ms <= INT64_MAX;
}

void replica_take_room(struct replica *r, uint64_t peer, struct slice frame)
{
    struct cluster_status s = {0};
    struct peer_word word = {.peer = peer};
    uint64_t wall_ms;
    size_t i;

    if (!decode(frame, &word, &wall_ms)) {
        driver_refused(r->driver, peer, "a malformed word about room");
        return;
    }
    word.clock_distance_ms = (int64_t)wall_ms - (int64_t)replica_now_ms(r);
    for (i = 0; i < STATUS_MEMBERS_MAX; i++) {
        if (r->words[i].peer == peer || r->words[i].peer == 0) {
            r->words[i] = word;
            driver_status(r->driver, &s);
            replica_judge_clocks(r, &s);
            return;
        }
    }
    memset(r->words, 0, sizeof r->words); /* members come and go: those that are here speak again */
}

static bool peer_short(const struct replica *r, uint64_t peer)
{
    const struct peer_word *word = replica_word(r, peer);

    return word != NULL && word->short_of_room;
}

static void tell(struct replica *r, const struct cluster_status *s)
{
    const struct transport *t = &r->options.driver.transport;
    struct bytes frame;
    uint32_t i;

    bytes_init(&frame);
    bytes_append_u8(&frame, ROOM_VERSION);
    bytes_append_u8(&frame, r->short_of_room);
    bytes_append_u64(&frame, r->options.clock.wall_ms(r->options.clock.impl));
    for (i = 0; i < s->n_members; i++) {
        if (s->members[i].id != s->node_id && s->members[i].connected) {
            t->send(t->impl, s->members[i].id, FRAME_ROOM,
                    (struct slice){(const char *)frame.base, frame.len});
        }
    }
    bytes_release(&frame);
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
    driver_short_of_room(r->driver, short_of_room);
    driver_status(r->driver, &s);
    tell(r, &s);
    replica_judge_clocks(r, &s);
    replica_say_clock(r);
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

        if (w->kind == TICKET_COMMANDS && !w->urgent && !w->maybe_logged && w->proposed == 0) {
            work_finish(r, w, RESULT_NO_ROOM);
        }
        w = next;
    }
}
