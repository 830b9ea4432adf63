#include "statemachine/query.h"

static void append_text(struct bytes *out, struct slice text)
{
    bytes_append_u8(out, (uint8_t)text.len);
    bytes_append(out, text.base, text.len);
}

/* A name, or nothing where it may be absent. */
static struct slice take_text(struct cursor *in)
{
    size_t len = cursor_u8(in);
    const uint8_t *at = cursor_take(in, len);
    struct slice text = {(const char *)at, at == NULL ? 0 : len};

    if (text.len > 0 && !id_valid(text)) {
        in->failed = true;
    }
    return text;
}

void query_encode(const struct query *q, struct bytes *out)
{
    bytes_append_u8(out, (uint8_t)q->type);
    bytes_append_u64(out, q->seq);
    bytes_append_u32(out, q->limit);
    append_text(out, q->principal);
    append_text(out, q->id);
    append_text(out, q->player);
    append_text(out, q->name);
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
        return pageable(q);
    case QUERY_KEY:
        return q->name.len > 0;
    case QUERY_HEAD:
        return true;
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
    q->principal = take_text(&in);
    q->id = take_text(&in);
    q->player = take_text(&in);
    q->name = take_text(&in);
    if (in.failed || in.left > 0) {
        return fault_set(fault, "query: cut short, overlong or holding an invalid name");
    }
    if (!complete(q)) {
        return fault_set(fault, "query: type %u is unknown, lacks a name or has limit %u",
                         (unsigned)q->type, q->limit);
    }
    return 0;
}

static void append_records(const struct answer *a, struct bytes *out)
{
    bytes_append_u32(out, a->n_records);
    bytes_append(out, a->sealed.at, a->sealed.left);
}

static void append_balances(const struct answer *a, struct bytes *out)
{
    uint32_t i;

    bytes_append_u8(out, (uint8_t)a->n_balances);
    for (i = 0; i < a->n_balances; i++) {
        append_text(out, a->balances[i].currency);
        bytes_append_u8(out, a->balances[i].scale);
        bytes_append_u64(out, (uint64_t)a->balances[i].balance_minor);
        bytes_append_u64(out, (uint64_t)a->balances[i].available_minor);
    }
}

void answer_encode(const struct answer *a, enum query_type type, struct bytes *out)
{
    bytes_append_u8(out, (uint8_t)type);
    bytes_append_u16(out, (uint16_t)a->verdict);
    switch (type) {
    case QUERY_TRANSACTION:
        append_text(out, a->principal);
        append_records(a, out);
        break;
    case QUERY_BALANCES:
        append_balances(a, out);
        break;
    case QUERY_HISTORY:
    case QUERY_LEDGER:
        bytes_append_u64(out, a->next);
        append_records(a, out);
        break;
    case QUERY_KEY:
        append_text(out, a->principal);
        bytes_append_u8(out, (uint8_t)a->role);
        bytes_append_u8(out, a->disabled ? 1 : 0);
        bytes_append(out, a->secret_hash, SECRET_HASH_BYTES);
        break;
    case QUERY_HEAD:
        bytes_append_u64(out, a->seq);
        bytes_append(out, a->hash, HASH_BYTES);
        break;
    }
}

/* The rest of the bytes; their inside is checked by answer_next_record. */
static void take_records(struct cursor *in, struct answer *a)
{
    a->n_records = cursor_u32(in);
    if (in->failed || a->n_records > QUERY_RECORDS_MAX) {
        in->failed = true;
        return;
    }
    a->sealed = *in;
    cursor_take(in, in->left);
}

static void take_balances(struct cursor *in, struct answer *a)
{
    uint32_t n = cursor_u8(in);
    uint32_t i;

    if (n > BALANCES_MAX) {
        in->failed = true;
        return;
    }
    for (i = 0; i < n; i++) {
        struct balance *b = &a->balances[i];

        b->currency = take_text(in);
        b->scale = cursor_u8(in);
        b->balance_minor = (int64_t)cursor_u64(in);
        b->available_minor = (int64_t)cursor_u64(in);
        if (b->currency.len == 0 || b->scale > SCALE_MAX) {
            in->failed = true;
        }
    }
    a->n_balances = n;
}

static void take_hash(struct cursor *in, uint8_t *hash, size_t len)
{
    const uint8_t *at = cursor_take(in, len);

    if (at != NULL) {
        memcpy(hash, at, len);
    }
}

static void take_key(struct cursor *in, struct answer *a)
{
    uint8_t role, disabled;

    a->principal = take_text(in);
    role = cursor_u8(in);
    disabled = cursor_u8(in);
    take_hash(in, a->secret_hash, SECRET_HASH_BYTES);
    if (role > ROLE_AUDITOR || disabled > 1) {
        in->failed = true;
    }
    a->role = (enum role)role;
    a->disabled = disabled != 0;
}

int answer_decode(const void *data, size_t len, struct answer *a, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    uint8_t type = cursor_u8(&in);
    unsigned verdict = cursor_u16(&in);

    *a = (struct answer){0};
    switch (type) {
    case QUERY_TRANSACTION:
        a->principal = take_text(&in);
        take_records(&in, a);
        break;
    case QUERY_BALANCES:
        take_balances(&in, a);
        break;
    case QUERY_HISTORY:
    case QUERY_LEDGER:
        a->next = cursor_u64(&in);
        take_records(&in, a);
        break;
    case QUERY_KEY:
        take_key(&in, a);
        break;
    case QUERY_HEAD:
        a->seq = cursor_u64(&in);
        take_hash(&in, a->hash, HASH_BYTES);
        break;
    default:
        in.failed = true;
    }
    if (in.failed || in.left > 0 || !verdict_known(verdict)) {
        return fault_set(fault, "answer: cut short, overlong or out of range");
    }
    a->verdict = (enum verdict)verdict;
    return 0;
}

int answer_next_record(struct answer *a, struct record *r, struct fault *fault)
{
    size_t len;
    const uint8_t *at;

    if (a->n_records == 0) {
        return a->sealed.left == 0 ? 0 : fault_set(fault, "answer: bytes after the last record");
    }
    len = cursor_u32(&a->sealed);
    at = cursor_take(&a->sealed, len);
    if (at == NULL) {
        return fault_set(fault, "answer: a record is cut short");
    }
    a->n_records--;
    return record_unseal(at, len, r, fault) == 0 ? 1 : -1;
}
