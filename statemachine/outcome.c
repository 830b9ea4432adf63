#include "statemachine/outcome.h"

#include "statemachine/texts.h"

enum {
    FLAG_REPLAYED = 1,
    FLAG_RECORD = 2,
    FLAG_DRY_RUN = 4,
    FLAG_SESSION = 8,
    FLAG_ITEMS = 16,
    FLAG_ITEM = 32,
    FLAGS_ALL = 63,
};

static unsigned flags_of(const struct outcome *o)
{
    return (o->replayed ? FLAG_REPLAYED : 0u) | (o->has_record ? FLAG_RECORD : 0u) |
           (o->dry_run ? FLAG_DRY_RUN : 0u) | (o->has_session ? FLAG_SESSION : 0u) |
           (o->n_items > 0 ? FLAG_ITEMS : 0u) | (o->has_item ? FLAG_ITEM : 0u);
}

static void encode_head(const struct outcome *o, struct bytes *out)
{
    bytes_append_u16(out, (uint16_t)o->verdict);
    bytes_append_u8(out, (uint8_t)flags_of(o));
    bytes_append_u16(out, (uint16_t)o->conflicts);
    bytes_append_u64(out, o->at_ms);
    if (o->has_record) {
        bytes_append_u64(out, (uint64_t)o->balance_now_minor);
    }
}

static void encode_tail(const struct outcome *o, struct bytes *out)
{
    if (o->has_session) {
        session_info_append(&o->session, out);
    }
    if (o->n_items > 0) {
        bytes_append_u16(out, o->n_items);
        bytes_append(out, o->items.at, o->items.left);
    }
    if (o->has_item) {
        bytes_append_u8(out, o->item);
    }
}

void outcome_encode_sealed(const struct outcome *o, struct slice sealed, struct bytes *out)
{
    encode_head(o, out);
    if (o->has_record) {
        bytes_append_u32(out, (uint32_t)sealed.len);
        bytes_append(out, sealed.base, sealed.len);
    }
    encode_tail(o, out);
}

void outcome_encode(const struct outcome *o, struct bytes *out)
{
    size_t length_at, len;
    int i;

    encode_head(o, out);
    if (o->has_record) {
        length_at = out->len;
        bytes_append_u32(out, 0);
        record_seal(&o->record, out);
        len = out->len - length_at - 4;
        for (i = 0; i < 4; i++) {
            out->base[length_at + (size_t)i] = (uint8_t)(len >> (8 * i));
        }
    }
    encode_tail(o, out);
}

static int bad(struct fault *fault)
{
    return fault_set(fault, "outcome: cut short, overlong or out of range");
}

static int decode_head(struct cursor *in, struct outcome *o, unsigned *flags, struct fault *fault)
{
    unsigned verdict = cursor_u16(in);

    *flags = cursor_u8(in);
    *o = (struct outcome){0};
    o->conflicts = cursor_u16(in);
    o->at_ms = cursor_u64(in);
    if (in->failed || !verdict_known(verdict) || (*flags & ~(unsigned)FLAGS_ALL) != 0 ||
        o->conflicts >= 1u << CONFLICT_FIELDS) {
        return bad(fault);
    }
    o->verdict = (enum verdict)verdict;
    o->replayed = (*flags & FLAG_REPLAYED) != 0;
    o->has_record = (*flags & FLAG_RECORD) != 0;
    o->dry_run = (*flags & FLAG_DRY_RUN) != 0;
    o->has_session = (*flags & FLAG_SESSION) != 0;
    o->has_item = (*flags & FLAG_ITEM) != 0;
    return 0;
}

static int decode_record(struct cursor *in, struct outcome *o, struct fault *fault)
{
    size_t len;
    const uint8_t *sealed;

    o->balance_now_minor = (int64_t)cursor_u64(in);
    len = cursor_u32(in);
    sealed = cursor_take(in, len);
    if (sealed == NULL) {
        return bad(fault);
    }
    return record_unseal(sealed, len, &o->record, fault);
}

/* Looks into every item once, so that outcome_next can't fail later on. */
static int decode_items(struct cursor *in, struct outcome *o, struct fault *fault)
{
    struct outcome walk = {0}, item;
    struct cursor start;
    int rc;

    walk.n_items = o->n_items = cursor_u16(in);
    walk.items = start = *in;
    if (in->failed || o->n_items == 0 || o->n_items > ITEMS_MAX) {
        return bad(fault);
    }
    while (walk.n_items > 0) {
        rc = outcome_next(&walk, &item, fault);
        if (rc != 1) {
            return -1;
        }
    }
    start.left -= walk.items.left;
    o->items = start;
    *in = walk.items;
    return 0;
}

/* `nested`: an item of a list, which has no list of its own. */
static int decode(const void *data, size_t len, bool nested, struct outcome *o, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    unsigned flags;

    if (decode_head(&in, o, &flags, fault) != 0) {
        return -1;
    }
    if (o->has_record && decode_record(&in, o, fault) != 0) {
        return -1;
    }
    if (o->has_session && session_info_take(&in, &o->session) != 0) {
        return bad(fault);
    }
    if ((flags & FLAG_ITEMS) != 0 && (nested || decode_items(&in, o, fault) != 0)) {
        return nested ? bad(fault) : -1;
    }
    if (o->has_item) {
        o->item = cursor_u8(&in);
    }
    return in.failed || in.left > 0 || o->item >= ITEMS_MAX ? bad(fault) : 0;
}

int outcome_decode(const void *data, size_t len, struct outcome *o, struct fault *fault)
{
    return decode(data, len, false, o, fault);
}

int outcome_next(struct outcome *o, struct outcome *item, struct fault *fault)
{
    size_t len;
    const uint8_t *at;

    if (o->n_items == 0) {
        return 0;
    }
    len = cursor_u32(&o->items);
    at = cursor_take(&o->items, len);
    if (at == NULL) {
        return bad(fault);
    }
    o->n_items--;
    return decode(at, len, true, item, fault) == 0 ? 1 : -1;
}
