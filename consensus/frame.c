#include "consensus/frame.h"

#include <assert.h>

#include "statemachine/crc32c.h"

const char *frame_problem_text(enum frame_problem problem)
{
    static const char *const text[FRAME_PROBLEMS] = {
        [FRAME_GOOD] = "good",
        [FRAME_TOO_LONG] = "frame longer than the limit",
        [FRAME_UNKNOWN_KIND] = "frame of an unknown kind",
        [FRAME_UNKNOWN_VERSION] = "frame of an unknown version",
        [FRAME_RESERVED_SET] = "frame with a reserved field set",
        [FRAME_CORRUPT] = "frame with a wrong checksum",
    };

    return (unsigned)problem < FRAME_PROBLEMS ? text[problem] : "unknown problem";
}

static uint32_t frame_crc(const uint8_t header[FRAME_HEADER_BYTES], struct slice payload)
{
    uint8_t cleared[FRAME_HEADER_BYTES] = {0};
    uint32_t crc;

    memcpy(cleared, header, FRAME_HEADER_BYTES - 4);
    crc = crc32c(0, cleared, sizeof cleared);
    return payload.len == 0 ? crc : crc32c(crc, payload.base, payload.len);
}

static void put_le32(uint8_t *at, uint32_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
    at[2] = (uint8_t)(v >> 16);
    at[3] = (uint8_t)(v >> 24);
}

void frame_header_write(uint8_t header[FRAME_HEADER_BYTES], enum frame_kind kind,
                        struct slice payload)
{
    assert(payload.len <= FRAME_BYTES_MAX);
    put_le32(header, (uint32_t)payload.len);
    header[4] = (uint8_t)kind;
    header[5] = FRAME_VERSION;
    header[6] = 0;
    header[7] = 0;
    put_le32(header + 8, frame_crc(header, payload));
}

static bool kind_known(uint8_t kind)
{
    switch (kind) {
    case FRAME_RAFT:
    case FRAME_FORWARD:
    case FRAME_FORWARD_RESULT:
    case FRAME_STATE:
    case FRAME_ROOM:
    case FRAME_MEMBERS:
        return true;
    default:
        return false;
    }
}

void frame_decoder_init(struct frame_decoder *d)
{
    bytes_init(&d->buffer);
    d->start = 0;
    d->need = 0;
    d->problem = FRAME_GOOD;
}

void frame_decoder_release(struct frame_decoder *d)
{
    bytes_release(&d->buffer);
}

void frame_decoder_space(struct frame_decoder *d, uint8_t **base, size_t *len)
{
    size_t pending = d->buffer.len - d->start;
    size_t want = d->need > pending ? d->need - pending : 0;

    /* At most one frame is in part here, so this moves each byte once at most. */
    if (d->start > 0) {
        memmove(d->buffer.base, d->buffer.base + d->start, pending);
        d->start = 0;
        d->buffer.len = pending;
    }
    bytes_reserve(&d->buffer, want > FRAME_READ_BYTES ? want : FRAME_READ_BYTES);
    *base = d->buffer.base + d->buffer.len;
    *len = d->buffer.cap - d->buffer.len;
}

void frame_decoder_filled(struct frame_decoder *d, size_t len)
{
    assert(len <= d->buffer.cap - d->buffer.len);
    d->buffer.len += len;
}

/* Judges a header before anything is allocated for its payload. */
static enum frame_problem header_check(const uint8_t *at, size_t *need)
{
    struct cursor c = cursor_of(at, FRAME_HEADER_BYTES);
    uint32_t length = cursor_u32(&c);
    uint8_t kind = cursor_u8(&c);
    uint8_t version = cursor_u8(&c);
    uint16_t reserved = cursor_u16(&c);

    /* The version first: in another version the other fields may mean something else. */
    if (version != FRAME_VERSION) {
        return FRAME_UNKNOWN_VERSION;
    }
    if (length > FRAME_BYTES_MAX) {
        return FRAME_TOO_LONG;
    }
    if (!kind_known(kind)) {
        return FRAME_UNKNOWN_KIND;
    }
    if (reserved != 0) {
        return FRAME_RESERVED_SET;
    }
    *need = FRAME_HEADER_BYTES + (size_t)length;
    return FRAME_GOOD;
}

bool frame_decoder_take(struct frame_decoder *d, struct frame *frame)
{
    size_t pending = d->buffer.len - d->start;
    const uint8_t *at;
    struct cursor crc;

    if (d->problem != FRAME_GOOD || pending < FRAME_HEADER_BYTES) {
        return false;
    }
    at = d->buffer.base + d->start;
    if (d->need == 0) {
        d->problem = header_check(at, &d->need);
        if (d->problem != FRAME_GOOD) {
            return false;
        }
    }
    if (pending < d->need) {
        return false;
    }
    frame->kind = (enum frame_kind)at[4];
    frame->payload.base = (const char *)at + FRAME_HEADER_BYTES;
    frame->payload.len = d->need - FRAME_HEADER_BYTES;
    crc = cursor_of(at + 8, 4);
    if (cursor_u32(&crc) != frame_crc(at, frame->payload)) {
        d->problem = FRAME_CORRUPT;
        return false;
    }
    d->start += d->need;
    d->need = 0;
    return true;
}
