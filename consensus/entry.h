/* What a Raft command entry of ours holds: a header and the group's commands, one after another.
 *
 * Version 1, little-endian: u16 version, u16 flags, u32 count, u64 time_ms, FSM_CHECK_BYTES bytes
 * of check (when the flag says so, else zero), then `count` frames (u32 length and bytes), then
 * zeros up to a multiple of 8: libraft asserts that length and Debian compiles asserts out. */
#ifndef FLORIN_ENTRY_H
#define FLORIN_ENTRY_H

#include "consensus/fsm.h"
#include "consensus/submit.h"
#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum {
    ENTRY_VERSION = 1,
    ENTRY_HEADER_BYTES = 16 + FSM_CHECK_BYTES,
    ENTRY_HAS_CHECK = 1 << 0,
    ENTRY_COMMANDS_MAX = 1 << 16,
};

struct entry_header {
    uint32_t count;
    uint64_t time_ms; /* the leader's clock; never goes back along the log */
    bool has_check;
    uint8_t check[FSM_CHECK_BYTES];
};

/* Starts an entry in `out` (cleared); append frames after it; entry_finish pads. */
void entry_begin(struct bytes *out, const struct entry_header *h);
/* Writes the final count into the header and pads. */
void entry_finish(struct bytes *out, uint32_t count);

/* Reads the header; *frames then walks the commands (frame_next). The whole body is checked: count
 * frames, then only zero padding. -1: unknown version or damaged. */
int entry_decode(const void *data, size_t len, struct entry_header *h, struct cursor *frames,
                 struct fault *fault);

#endif
