/* What consensus asks of the network: frames to peers, at most once, in order per link.
 *
 * Frames may be lost whole (link down, queue full), never altered. Production: peer links over TCP
 * (peer.c); simulator: a seeded network. */
#ifndef FLORIN_TRANSPORT_H
#define FLORIN_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/bytes.h"

enum frame_kind {
    FRAME_RAFT = 1,           /* message.h */
    FRAME_FORWARD = 2,        /* forward.h: work for the leader */
    FRAME_FORWARD_RESULT = 3, /* ... and its answer */
    FRAME_STATE = 4,          /* copy.h: a whole state, in chunks */
    FRAME_MEMBERS = 5,        /* roster.h: the members that the sender knows */
    FRAME_ROOM = 6,           /* replica_room.c: whether there is room on the sender's disk */
};

enum { FRAME_BYTES_MAX = 8 << 20 };

struct transport {
    void *impl;
    /* Loop thread; copies; returns false when the frame was certainly not sent (no link, or the
     * queue is full). True promises nothing. */
    bool (*send)(void *impl, uint64_t peer, enum frame_kind kind, struct slice frame);
    bool (*connected)(void *impl, uint64_t peer);
    /* The peers to hold links to, whenever the configuration changes. */
    void (*set_peers)(void *impl, const uint64_t *ids, const char *const *addresses, size_t n);
};

#endif
