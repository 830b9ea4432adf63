/* Work that a follower sends to the leader, and the answers, as bytes. One frame holds all that was
 * waiting: that is one message for a whole group of bets.
 *
 * Version 1, little-endian. Forward: u8 version, u32 count, then each u64 request, u8 kind, u32
 * timeout_ms, u32 commands, u32 length, bytes; behind them all, for each again, in the same order:
 * u8 bits (1: urgent), u8 length, name. Nodes of before the names do not look behind the last
 * request, and send nothing there. Result: u8 version, u32 count, then each u64
 * request, u8 status, u32 length, bytes. */
#ifndef FLORIN_FORWARD_H
#define FLORIN_FORWARD_H

#include "consensus/submit.h"
#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum forward_status {
    FORWARD_OK = 0,
    FORWARD_NOT_LEADER = 1, /* certainly not in a log here */
    FORWARD_OVERLOADED = 2, /* the same */
    FORWARD_LOST = 3,       /* was proposed, then leadership was lost: repeat it */
    FORWARD_MALFORMED = 4,
    FORWARD_REFUSED = 5,
    FORWARD_NO_ROOM = 6, /* certainly not in a log here */
};

enum { FORWARD_TIMEOUT_MAX_MS = 60000 };

struct forward {
    uint64_t request;      /* the sender's number for it */
    enum ticket_kind kind; /* TICKET_COMMANDS, _QUERY, _TRANSFER (bytes: u64 target), _MEMBER */
    uint32_t timeout_ms;
    uint32_t n_commands;
    struct slice bytes;
    struct slice name; /* as of a ticket; may be empty */
    bool urgent;
};

struct forward_result {
    uint64_t request;
    enum forward_status status;
    struct slice bytes;
};

/* Start with empty buffers; each append grows the frame and its count, and what is to stand behind
 * the last: append that to a frame that is complete. */
void forward_append(struct bytes *frame, struct bytes *names, const struct forward *f);
void forward_result_append(struct bytes *frame, const struct forward_result *r);

/* Begin checks version and count and leaves the cursor at the first item; next takes one: 1, 0 at
 * the end, -1 malformed. forward_names cuts the names off the items; there may be none. */
int forward_begin(struct slice frame, struct cursor *c, uint32_t *count, struct fault *fault);
void forward_names(struct cursor *items, uint32_t count, struct cursor *names);
int forward_next(struct cursor *c, struct cursor *names, struct forward *f, struct fault *fault);
int forward_result_next(struct cursor *c, struct forward_result *r, struct fault *fault);

#endif
