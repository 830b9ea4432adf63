#include "consensus/forward.h"

#include "consensus/entry.h"
#include "consensus/transport.h"
#include "statemachine/command.h"

enum { FORWARD_VERSION = 1, OFFSET_COUNT = 1, HEADER_BYTES = 5, BIT_URGENT = 1 };

static void count_one(struct bytes *frame)
{
    size_t i;

    if (frame->len == 0) {
        bytes_append_u8(frame, FORWARD_VERSION);
        bytes_append_u32(frame, 0);
    }
    for (i = 0; i < 4 && ++frame->base[OFFSET_COUNT + i] == 0; i++) {
    }
}

void forward_append(struct bytes *frame, struct bytes *names, const struct forward *f)
{
    bytes_append_u8(names, f->urgent ? BIT_URGENT : 0);
    bytes_append_u8(names, (uint8_t)f->name.len);
    bytes_append(names, f->name.base, f->name.len);
    count_one(frame);
    bytes_append_u64(frame, f->request);
    bytes_append_u8(frame, (uint8_t)f->kind);
    bytes_append_u32(frame, f->timeout_ms);
    bytes_append_u32(frame, f->n_commands);
    bytes_append_u32(frame, (uint32_t)f->bytes.len);
    bytes_append(frame, f->bytes.base, f->bytes.len);
}

void forward_result_append(struct bytes *frame, const struct forward_result *r)
{
    count_one(frame);
    bytes_append_u64(frame, r->request);
    bytes_append_u8(frame, (uint8_t)r->status);
    bytes_append_u32(frame, (uint32_t)r->bytes.len);
    bytes_append(frame, r->bytes.base, r->bytes.len);
}

int forward_begin(struct slice frame, struct cursor *c, uint32_t *count, struct fault *fault)
{
    *c = cursor_of(frame.base, frame.len);
    if (cursor_u8(c) != FORWARD_VERSION) {
        return fault_set(fault, "unknown forward format");
    }
    *count = cursor_u32(c);
    if (c->failed || *count > FRAME_BYTES_MAX / 16) {
        return fault_set(fault, "a forward frame claims %u items", *count);
    }
    return 0;
}

static struct slice take_bytes(struct cursor *c)
{
    uint32_t len = cursor_u32(c);
    const uint8_t *base = cursor_take(c, len);

    return (struct slice){(const char *)base, base == NULL ? 0 : len};
}

/* What a forwarded group of commands holds must be whole: it goes into a log. */
static bool frames_valid(struct slice bytes, uint32_t n)
{
    struct cursor c = cursor_of(bytes.base, bytes.len);
    struct slice frame;
    uint32_t i = 0;

    while (frame_next(&c, &frame)) {
        if (frame.len == 0) {
            return false;
        }
        i++;
    }
    return !c.failed && i == n && n > 0;
}

static bool content_valid(const struct forward *f)
{
    struct member_change change;
    struct fault fault;

    switch (f->kind) {
    case TICKET_COMMANDS:
        return frames_valid(f->bytes, f->n_commands);
    case TICKET_QUERY:
        return true;
    case TICKET_TRANSFER:
        return f->bytes.len == 8;
    case TICKET_MEMBER:
        return member_change_decode(f->bytes, &change, &fault) == 0;
    case TICKET_STALE_QUERY:
    case TICKET_STATUS:
        break;
    }
    return false; /* a node answers these itself */
}

void forward_names(struct cursor *items, uint32_t count, struct cursor *names)
{
    *names = *items;
    while (count-- > 0 && !names->failed) {
        cursor_take(names, 8 + 1 + 4 + 4);
        take_bytes(names);
    }
    items->left -= names->left;
    if (names->left == 0 && !names->failed) {
        names->at = NULL; /* there are none at all */
    }
}

static int take_name(struct cursor *names, struct forward *f)
{
    uint8_t bits, len;
    const uint8_t *base;

    f->name = slice_of(""); /* not NULL: it is copied */
    f->urgent = false;
    if (names->at == NULL) {
        return 0;
    }
    bits = cursor_u8(names);
    len = cursor_u8(names);
    base = cursor_take(names, len);
    if (base == NULL) {
        return -1;
    }
    f->name = (struct slice){(const char *)base, len};
    f->urgent = (bits & BIT_URGENT) != 0;
    return bits <= BIT_URGENT && (len == 0 || id_valid(f->name)) ? 0 : -1; /* it is printed */
}

int forward_next(struct cursor *c, struct cursor *names, struct forward *f, struct fault *fault)
{
    if (c->left == 0) {
        return 0;
    }
    f->request = cursor_u64(c);
    f->kind = cursor_u8(c);
    f->timeout_ms = cursor_u32(c);
    f->n_commands = cursor_u32(c);
    f->bytes = take_bytes(c);
    if (c->failed || f->timeout_ms > FORWARD_TIMEOUT_MAX_MS || f->n_commands > ENTRY_COMMANDS_MAX ||
        !content_valid(f) || take_name(names, f) != 0) {
        return fault_set(fault, "a forwarded request is malformed");
    }
    return 1;
}

int forward_result_next(struct cursor *c, struct forward_result *r, struct fault *fault)
{
    uint8_t status;

    if (c->left == 0) {
        return 0;
    }
    r->request = cursor_u64(c);
    status = cursor_u8(c);
    r->bytes = take_bytes(c);
    if (c->failed || status > FORWARD_NO_ROOM) {
        return fault_set(fault, "a forwarded result is malformed");
    }
    r->status = status;
    return 1;
}
