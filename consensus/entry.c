#include "consensus/entry.h"

enum { OFFSET_COUNT = 4 };

void entry_begin(struct bytes *out, const struct entry_header *h)
{
    static const uint8_t none[FSM_CHECK_BYTES];

    bytes_clear(out);
    bytes_append_u16(out, ENTRY_VERSION);
    bytes_append_u16(out, h->has_check ? ENTRY_HAS_CHECK : 0);
    bytes_append_u32(out, h->count);
    bytes_append_u64(out, h->time_ms);
    bytes_append(out, h->has_check ? h->check : none, FSM_CHECK_BYTES);
}

void entry_finish(struct bytes *out, uint32_t count)
{
    size_t i;

    for (i = 0; i < 4; i++) {
        out->base[OFFSET_COUNT + i] = (uint8_t)(count >> (8 * i));
    }
    while (out->len % 8 != 0) {
        bytes_append_u8(out, 0);
    }
}

/* Walks a copy of the cursor to see that the body is whole before anything of it is applied. */
static int check_body(struct cursor c, uint32_t count, struct fault *fault)
{
    struct slice frame;
    uint32_t i;

    for (i = 0; i < count; i++) {
        if (!frame_next(&c, &frame) || frame.len == 0) { /* zeros would be padding */
            return fault_set(fault, "command %u of %u of the entry is cut short", i + 1, count);
        }
    }
    if (c.left >= 8) {
        return fault_set(fault, "%zu bytes follow the entry's last command", c.left);
    }
    while (c.left > 0) {
        if (cursor_u8(&c) != 0) {
            return fault_set(fault, "the entry's padding is not zero");
        }
    }
    return 0;
}

int entry_decode(const void *data, size_t len, struct entry_header *h, struct cursor *frames,
                 struct fault *fault)
{
    struct cursor c = cursor_of(data, len);
    uint16_t version = cursor_u16(&c);
    uint16_t flags = cursor_u16(&c);
    const uint8_t *check;

    h->count = cursor_u32(&c);
    h->time_ms = cursor_u64(&c);
    h->has_check = (flags & ENTRY_HAS_CHECK) != 0;
    check = cursor_take(&c, FSM_CHECK_BYTES);
    if (c.failed) {
        return fault_set(fault, "an entry of %zu bytes is shorter than its header", len);
    }
    if (version != ENTRY_VERSION || (flags & ~ENTRY_HAS_CHECK) != 0) {
        return fault_set(fault,
                         "entry format %u (flags %u) is newer than this program knows (%d): "
                         "install the newer florin on this node",
                         version, flags, ENTRY_VERSION);
    }
    if (h->count > ENTRY_COMMANDS_MAX) {
        return fault_set(fault, "an entry claims %u commands", h->count);
    }
    memcpy(h->check, check, FSM_CHECK_BYTES);
    *frames = c;
    return check_body(c, h->count, fault);
}
