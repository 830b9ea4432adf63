#include "statemachine/query.h"

#include "statemachine/texts.h"

void query_encode(const struct query *q, struct bytes *out)
{
    bytes_append_u8(out, (uint8_t)q->type);
    bytes_append_u64(out, q->seq);
    bytes_append_u32(out, q->limit);
    text_append(out, q->principal);
    text_append(out, q->id);
    text_append(out, q->player);
    text_append(out, q->name);
}

static bool pageable(const struct query *q)
{
    return q->limit >= 1 && q->limit <= QUERY_RECORDS_MAX;
}

static bool complete(const struct query *q)
{
    switch (q->type) {
    case QUERY_TRANSACTION:
        return q->principal.len > 0 && q->id.len > 0;
    case QUERY_BALANCES:
        return q->player.len > 0;
    case QUERY_HISTORY:
        return q->player.len > 0 && pageable(q);
    case QUERY_LEDGER:
    case QUERY_ACTIONS:
    case QUERY_ACTIONS_BEFORE:
        return pageable(q);
    case QUERY_KEY:
    case QUERY_SESSION:
    case QUERY_PRINCIPAL:
        return q->name.len > 0;
    case QUERY_HEAD:
        return true;
    case QUERY_ROUNDS:
        return q->principal.len > 0 && pageable(q) && (q->name.len > 0) == (q->id.len > 0);
    case QUERY_PLAYER:
    case QUERY_PASSWORD:
        return q->player.len > 0;
    }
    return false;
}

int query_decode(const void *data, size_t len, struct query *q, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);

    *q = (struct query){0};
    q->type = cursor_u8(&in);
    q->seq = cursor_u64(&in);
    q->limit = cursor_u32(&in);
    q->principal = text_take_id(&in);
    q->id = text_take_id(&in);
    q->player = text_take_id(&in);
    q->name = text_take_id(&in);
    if (in.failed || in.left > 0) {
        return fault_set(fault, "query: cut short, overlong or holding an invalid name");
    }
    if (!complete(q)) {
        return fault_set(fault, "query: type %u is unknown, lacks a name or has limit %u",
                         (unsigned)q->type, q->limit);
    }
    return 0;
}
