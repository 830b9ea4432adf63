/* Fuzzes what reads a peer's bytes: the frames' decoder and both sides of the handshake.
 *
 * The input's first byte chooses: bit 0 the handshake instead of frames, bit 1 its role, bit 2 that
 * the frames' checksums are put right first (else hardly any input gets past them), the rest into
 * what pieces the bytes are cut. Built for libFuzzer. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "statemachine/crc32c.h"
#include "consensus/frame.h"
#include "consensus/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

/* Walks the headers as long as they make sense, and corrects each checksum. */
static void mend(uint8_t *at, size_t left)
{
    while (left >= FRAME_HEADER_BYTES) {
        struct cursor c = cursor_of(at, 4);
        size_t len = cursor_u32(&c), i;
        uint32_t crc;

        if (len > left - FRAME_HEADER_BYTES) {
            return;
        }
        memset(at + 8, 0, 4);
        crc = crc32c(0, at, FRAME_HEADER_BYTES + len);
        for (i = 0; i < 4; i++) {
            at[8 + i] = (uint8_t)(crc >> (8 * i));
        }
        at += FRAME_HEADER_BYTES + len;
        left -= FRAME_HEADER_BYTES + len;
    }
}

/* Whatever the pieces, the frames that come out are the bytes that went in. */
static void fuzz_frames(const uint8_t *data, size_t size, size_t piece)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct frame_decoder d;
    struct frame frame;
    size_t at = 0, out = 0;

    frame_decoder_init(&d);
    while (at < size && d.problem == FRAME_GOOD) {
        uint8_t *base;
        size_t room, len = size - at < piece ? size - at : piece;

        frame_decoder_space(&d, &base, &room);
        must(room >= FRAME_READ_BYTES && d.buffer.cap <= 4 * (size_t)FRAME_BYTES_MAX);
        memcpy(base, data + at, len);
        frame_decoder_filled(&d, len);
        at += len;
        while (frame_decoder_take(&d, &frame)) {
            frame_header_write(header, frame.kind, frame.payload);
            must(out + sizeof header + frame.payload.len <= at);
            must(memcmp(header, data + out, sizeof header) == 0);
            out += sizeof header;
            must(frame.payload.len == 0 ||
                 memcmp(frame.payload.base, data + out, frame.payload.len) == 0);
            out += frame.payload.len;
        }
    }
    frame_decoder_release(&d);
}

static bool anybody(void *context, uint64_t id)
{
    (void)context;
    return id != 0;
}

/* Nobody gets through without the secret. */
static void fuzz_handshake(const uint8_t *data, size_t size, size_t piece, bool dialler)
{
    struct handshake_self self = {.id = 1, .cluster = "c", .secret = {1}, .is_peer = anybody};
    enum handshake_result result = HANDSHAKE_MORE;
    struct handshake h;
    size_t at = 0;

    handshake_begin(&h, dialler ? HANDSHAKE_DIALLER : HANDSHAKE_ACCEPTOR, &self, dialler ? 2 : 0);
    while (at < size && result == HANDSHAKE_MORE) {
        size_t len = size - at < piece ? size - at : piece;

        result = handshake_feed(&h, data + at, len);
        must(result != HANDSHAKE_DONE && h.out_len <= HANDSHAKE_MESSAGE_MAX);
        at += len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece;
    uint8_t *copy;

    if (size < 2 || sodium_init() < 0) {
        return 0;
    }
    piece = 1 + (size_t)(data[0] >> 3) * 11;
    copy = malloc(size - 1);
    must(copy != NULL);
    memcpy(copy, data + 1, size - 1);
    if (data[0] & 1) {
        fuzz_handshake(copy, size - 1, piece, data[0] & 2);
    } else {
        if (data[0] & 4) {
            mend(copy, size - 1);
        }
        fuzz_frames(copy, size - 1, piece);
    }
    free(copy);
    return 0;
}
