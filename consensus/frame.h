/* Frames between peers: how a message is cut out of a stream of bytes, and checked.
 *
 * Guarantees: what frame_decoder_take gives out is, byte for byte and in order, what a peer passed
 * to frame_header_write; anything else is a problem with a name, and the decoder then gives nothing
 * more (a stream that was wrong once has lost its place). No length from outside makes the decoder
 * hold more than FRAME_BYTES_MAX and one read.
 *
 * A frame is a header of 12 bytes and the payload, little-endian:
 *     u32 length of the payload | u8 kind | u8 version | u16 zero | u32 CRC32C
 * The CRC runs over the header with the CRC's own field as zero, then over the payload.
 *
 * Pure: bytes in, frames out, no I/O. A decoder is used by one thread at a time. */
#ifndef FLORIN_FRAME_H
#define FLORIN_FRAME_H

#include "consensus/transport.h"
#include "statemachine/bytes.h"

enum {
    FRAME_HEADER_BYTES = 12,
    FRAME_VERSION = 1,
    FRAME_READ_BYTES = 64 << 10, /* the least room that is offered for a read */
};

enum frame_problem {
    FRAME_GOOD,
    FRAME_TOO_LONG,
    FRAME_UNKNOWN_KIND,
    FRAME_UNKNOWN_VERSION,
    FRAME_RESERVED_SET, /* the u16 is not zero */
    FRAME_CORRUPT,      /* the CRC differs */
    FRAME_PROBLEMS,     /* how many there are */
};

/* What is wrong, in words: "frame longer than the limit". Any thread. */
const char *frame_problem_text(enum frame_problem problem);

/* Writes the header for a payload of at most FRAME_BYTES_MAX bytes. Any thread. */
void frame_header_write(uint8_t header[FRAME_HEADER_BYTES], enum frame_kind kind,
                        struct slice payload);

struct frame {
    enum frame_kind kind;
    struct slice payload; /* borrowed from the decoder until the next call on it */
};

struct frame_decoder {
    struct bytes buffer; /* what was read */
    size_t start;        /* where in it the first frame that was not taken begins */
    size_t need;         /* bytes of that frame with its header; 0 while the header is not here */
    enum frame_problem problem;
};

void frame_decoder_init(struct frame_decoder *d); /* allocates nothing */
void frame_decoder_release(struct frame_decoder *d);

/* Room for the next read; the decoder owns it. Tell how much of it was filled with
 * frame_decoder_filled before any other call. */
void frame_decoder_space(struct frame_decoder *d, uint8_t **base, size_t *len);
void frame_decoder_filled(struct frame_decoder *d, size_t len);

/* True: *frame is the next frame. False: none for now; d->problem tells whether ever. */
bool frame_decoder_take(struct frame_decoder *d, struct frame *frame);

#endif
