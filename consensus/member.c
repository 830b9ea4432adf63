/* Version 1, little-endian. Change: u8 version, u8 op, u64 id, u8 length, address. Answer: u8
 * version, u8 reason, u64 match_index, u64 last_index, u64 highest_id. */
#include "consensus/member.h"

#include "consensus/peer_address.h"

enum { MEMBER_VERSION = 1 };

void member_change_encode(const struct member_change *change, struct bytes *out)
{
    size_t len = change->op == MEMBER_ADD ? strnlen(change->address, sizeof change->address) : 0;

    bytes_append_u8(out, MEMBER_VERSION);
    bytes_append_u8(out, (uint8_t)change->op);
    bytes_append_u64(out, change->id);
    bytes_append_u8(out, (uint8_t)len);
    bytes_append(out, change->address, len);
}

int member_change_decode(struct slice in, struct member_change *change, struct fault *fault)
{
    struct cursor c = cursor_of(in.base, in.len);
    uint8_t version = cursor_u8(&c);
    uint8_t op = cursor_u8(&c);
    struct peer_address parsed;
    const uint8_t *address;
    uint8_t len;

    memset(change, 0, sizeof *change);
    change->id = cursor_u64(&c);
    len = cursor_u8(&c);
    address = cursor_take(&c, len);
    if (c.failed || c.left != 0 || version != MEMBER_VERSION) {
        return fault_set(fault, "a change of members has a format that is not known here");
    }
    if (op < MEMBER_ADD || op > MEMBER_REMOVE || change->id == 0) {
        return fault_set(fault, "a change of members asks for nothing that there is");
    }
    if ((op == MEMBER_ADD) != (len > 0) || len >= MEMBER_ADDRESS_MAX ||
        (len > 0 && memchr(address, '\0', len) != NULL)) {
        return fault_set(fault, "a change of members has a bad address");
    }
    change->op = op;
    if (len > 0) {
        memcpy(change->address, address, len);
        return peer_address_parse(&parsed, change->address, false, fault);
    }
    return 0;
}

void member_answer_encode(const struct member_answer *answer, struct bytes *out)
{
    bytes_append_u8(out, MEMBER_VERSION);
    bytes_append_u8(out, (uint8_t)answer->reason);
    bytes_append_u64(out, answer->match_index);
    bytes_append_u64(out, answer->last_index);
    bytes_append_u64(out, answer->highest_id);
}

int member_answer_decode(struct slice in, struct member_answer *answer, struct fault *fault)
{
    struct cursor c = cursor_of(in.base, in.len);
    uint8_t version = cursor_u8(&c);
    uint8_t reason = cursor_u8(&c);

    answer->match_index = cursor_u64(&c);
    answer->last_index = cursor_u64(&c);
    answer->highest_id = cursor_u64(&c);
    if (c.failed || c.left != 0 || version != MEMBER_VERSION || reason < MEMBER_BUSY ||
        reason >= MEMBER_REFUSALS_END) {
        return fault_set(fault, "the answer to a change of members is malformed");
    }
    answer->reason = reason;
    return 0;
}
