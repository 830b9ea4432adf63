/* Whom this node talks with: the members, those that another node told of, those to be told.
 *
 * Guarantees: a node that was away while the members changed finds those of today, as long as one
 * of them finds it or the other way round; a node that was removed is told so; what a stranger says
 * is believed only when it knows newer members than this node does.
 *
 * How: each node tells its peers the newest members that it knows to be committed, as the first
 * frame of a link and whenever they change. Who is told of newer ones holds links to those, too,
 * until its own log has caught up; who is told of older ones by a node that is no member any more
 * holds a link back to it for a moment, and so tells it. A node that is not among newer members,
 * and whose id is not above the highest ever used, is none any more: ids are never used again.
 *
 * Loop thread only. */
#ifndef FLORIN_ROSTER_H
#define FLORIN_ROSTER_H

#include "consensus/submit.h"
#include "consensus/transport.h"
#include "statemachine/report.h"

enum { ROSTER_PEERS_MAX = 4 * STATUS_MEMBERS_MAX };

struct roster_member {
    uint64_t id;
    char address[MEMBER_ADDRESS_MAX];
};

struct roster_list {
    struct roster_member list[STATUS_MEMBERS_MAX];
    size_t n;
};

/* Members as of the log's index; index 0: none known. `highest` is the highest id that any of the
 * committed members up to then had. */
struct roster_news {
    uint64_t index;
    uint64_t highest;
    struct roster_list members;
    char sender[MEMBER_ADDRESS_MAX]; /* where who tells can be found, if it is none of them */
};

struct roster_peer {
    struct roster_member who;
    bool member;             /* of one of the lists; else a guest: */
    uint64_t guest_until_ms; /* it holds no link after this */
    uint64_t told;           /* the index of what it was told over the link of now; 0: nothing */
};

struct roster {
    uint64_t id;
    char address[MEMBER_ADDRESS_MAX];
    struct transport transport;
    struct reporter *reporter;
    struct roster_news own;     /* committed */
    struct roster_list current; /* the newest in the log, committed or not */
    struct roster_news heard;   /* newer than `own`; index 0: none */
    struct roster_peer peers[ROSTER_PEERS_MAX];
    size_t n_peers;
    bool rebuild;         /* the peers must be worked out anew */
    bool tell;            /* somebody may have to be told */
    uint64_t again_at_ms; /* tell all again, while nobody leads */
    uint64_t removed;     /* this node is no member as of this index; 0: it may be one */
};

void roster_init(struct roster *r, uint64_t id, const char *address, struct transport transport,
                 struct reporter *reporter);

/* An id that a committed configuration held. */
void roster_used(struct roster *r, uint64_t id);
/* The members of the log, after each change of it. */
void roster_committed(struct roster *r, uint64_t index, const struct roster_list *members);
void roster_current(struct roster *r, const struct roster_list *members);

/* Events. heard: a frame of kind FRAME_MEMBERS; -1 when it is malformed. */
int roster_heard(struct roster *r, uint64_t now_ms, uint64_t peer, struct slice frame,
                 struct fault *fault);
void roster_link(struct roster *r, uint64_t peer, bool up);
/* Sets the transport's peers anew when they changed, and tells whoever must be told. */
void roster_tick(struct roster *r, uint64_t now_ms, bool has_leader);

/* Whether work and Raft messages from this node are to be taken. */
bool roster_knows(const struct roster *r, uint64_t peer);

/* FRAME_MEMBERS: u8 version, u64 index, u64 highest, u8 count, each u64 id, u8 length, address; u8
 * length, the sender's address. */
void roster_news_encode(const struct roster_news *news, struct bytes *out);
int roster_news_decode(struct slice in, struct roster_news *news, struct fault *fault);

#endif
