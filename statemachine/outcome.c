#include "statemachine/outcome.h"

enum { FLAG_REPLAYED = 1, FLAG_RECORD = 2, FLAGS_ALL = FLAG_REPLAYED | FLAG_RECORD };

static void encode_head(const struct outcome *o, struct bytes *out)
{
    bytes_append_u16(out, (uint16_t)o->verdict);
    bytes_append_u8(
        out, (uint8_t)((o->replayed ? FLAG_REPLAYED : 0) | (o->has_record ? FLAG_RECORD : 0)));
    bytes_append_u16(out, (uint16_t)o->conflicts);
    bytes_append_u64(out, o->at_ms);
    if (o->has_record) {
        bytes_append_u64(out, (uint64_t)o->balance_now_minor);
    }
}

void outcome_encode_sealed(const struct outcome *o, struct slice sealed, struct bytes *out)
{
    encode_head(o, out);
    if (o->has_record) {
        bytes_append_u32(out, (uint32_t)sealed.len);
        bytes_append(out, sealed.base, sealed.len);
    }
}

void outcome_encode(const struct outcome *o, struct bytes *out)
{
    size_t length_at, len;
    int i;

    encode_head(o, out);
    if (!o->has_record) {
        return;
    }
    length_at = out->len;
    bytes_append_u32(out, 0);
    record_seal(&o->record, out);
    len = out->len - length_at - 4;
    for (i = 0; i < 4; i++) {
        out->base[length_at + (size_t)i] = (uint8_t)(len >> (8 * i));
    }
}

static int bad(struct fault *fault)
{
    return fault_set(fault, "outcome: cut short, overlong or out of range");
}

int outcome_decode(const void *data, size_t len, struct outcome *o, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    unsigned verdict = cursor_u16(&in);
    uint8_t flags = cursor_u8(&in);
    size_t sealed_len;
    const uint8_t *sealed;

    *o = (struct outcome){0};
    o->conflicts = cursor_u16(&in);
    o->at_ms = cursor_u64(&in);
    if (in.failed || !verdict_known(verdict) || (flags & ~FLAGS_ALL) != 0 ||
        o->conflicts >= 1u << CONFLICT_FIELDS) {
        return bad(fault);
    }
    o->verdict = (enum verdict)verdict;
    o->replayed = (flags & FLAG_REPLAYED) != 0;
    o->has_record = (flags & FLAG_RECORD) != 0;
    if (o->has_record) {
        o->balance_now_minor = (int64_t)cursor_u64(&in);
        sealed_len = cursor_u32(&in);
        sealed = cursor_take(&in, sealed_len);
        if (sealed == NULL) {
            return bad(fault);
        }
        if (record_unseal(sealed, sealed_len, &o->record, fault) != 0) {
            return -1;
        }
    }
    return in.left > 0 ? bad(fault) : 0;
}
