#include "statemachine/record.h"

#include <assert.h>
#include <sodium.h>

enum { RECORD_VERSION = 1, RECORD_VERSION_ACTION = 2, NAME_TEXT_MAX = ID_MAX };

static const char *kind_name(enum account_kind kind)
{
    switch (kind) {
    case ACCOUNT_PLAYER:
        return "player";
    case ACCOUNT_PROVIDER:
        return "provider";
    case ACCOUNT_GATEWAY:
        return "gateway";
    case ACCOUNT_HOUSE:
        return "house";
    }
    return "unknown";
}

int account_format(struct account a, char text[static ACCOUNT_TEXT_MAX])
{
    const char *kind = kind_name(a.kind);
    size_t kind_len = strlen(kind);

    assert(a.name.len <= NAME_TEXT_MAX);
    memcpy(text, kind, kind_len);
    text[kind_len] = ':';
    memcpy(text + kind_len + 1, a.name.base, a.name.len);
    text[kind_len + 1 + a.name.len] = '\0';
    return (int)(kind_len + 1 + a.name.len);
}

int account_parse(struct slice text, struct account *a)
{
    enum account_kind k;

    for (k = ACCOUNT_PLAYER; k <= ACCOUNT_HOUSE; k++) {
        const char *kind = kind_name(k);
        size_t len = strlen(kind);
        struct slice name;

        if (text.len <= len || memcmp(text.base, kind, len) != 0 || text.base[len] != ':') {
            continue;
        }
        /* A name may hold colons itself: the first one ends the kind. */
        name = (struct slice){text.base + len + 1, text.len - len - 1};
        if (!id_valid(name)) {
            return -1;
        }
        *a = (struct account){k, name};
        return 0;
    }
    return -1;
}

/* Encoding writes through a bare pointer into room that was made once: one record is some forty
 * small fields, and every bet is one record. */
static uint8_t *put_u64(uint8_t *at, uint64_t v)
{
    store_le64(at, v);
    return at + 8;
}

static uint8_t *put_text(uint8_t *at, struct slice text)
{
    assert(text.len <= RECORD_ID_MAX);
    *at++ = (uint8_t)text.len;
    if (text.len > 0) {
        memcpy(at, text.base, text.len);
    }
    return at + text.len;
}

static uint8_t *put_account(uint8_t *at, struct account a)
{
    *at++ = (uint8_t)a.kind;
    return put_text(at, a.name);
}

void record_encode(const struct record *r, struct bytes *out)
{
    uint8_t *start, *at;
    uint8_t i;

    bytes_reserve(out, RECORD_BYTES_MAX);
    start = at = out->base + out->len;
    *at++ = r->action == 0 ? RECORD_VERSION : RECORD_VERSION_ACTION;
    at = put_u64(at, r->seq);
    at = put_u64(at, r->at_ms);
    *at++ = (uint8_t)r->type;
    store_le16(at, (uint16_t)r->verdict);
    at += 2;
    *at++ = (uint8_t)r->win_kind;
    *at++ = r->scale;
    at = put_u64(at, (uint64_t)r->amount_minor);
    at = put_u64(at, (uint64_t)r->requested_minor);
    at = put_u64(at, (uint64_t)r->balance_minor);
    at = put_u64(at, r->previous);
    at = put_text(at, r->principal);
    at = put_text(at, r->id);
    at = put_text(at, r->player);
    at = put_text(at, r->currency);
    at = put_text(at, r->round);
    at = put_text(at, r->game);
    at = put_text(at, r->session);
    at = put_text(at, r->bet);
    at = put_text(at, r->original);
    at = put_text(at, r->gateway);
    at = put_account(at, r->debit);
    at = put_account(at, r->credit);
    assert(r->n_postings <= POSTINGS_MAX);
    *at++ = r->n_postings;
    for (i = 0; i < r->n_postings; i++) {
        const struct posting *p = &r->postings[i];

        at = put_account(at, p->debit);
        at = put_account(at, p->credit);
        at = put_u64(at, (uint64_t)p->amount_minor);
        at = put_u64(at, (uint64_t)p->debit_balance_minor);
        at = put_u64(at, (uint64_t)p->credit_balance_minor);
    }
    if (r->action != 0) {
        at = put_u64(at, r->action);
        memcpy(at, r->action_hash, HASH_BYTES);
        at += HASH_BYTES;
    }
    out->len += (size_t)(at - start);
}

static struct slice take_text(struct cursor *in, bool needed)
{
    size_t len = cursor_u8(in);
    const uint8_t *at = cursor_take(in, len);
    struct slice text = {(const char *)at, at == NULL ? 0 : len};

    if (text.len == 0 ? needed : !id_valid(text)) {
        in->failed = true;
    }
    return text;
}

/* The id, which of a withdrawal's end is the withdrawal's and a word behind it. */
static struct slice take_record_id(struct cursor *in, enum command_type type)
{
    size_t len = cursor_u8(in);
    const uint8_t *at = cursor_take(in, len);
    struct slice text = {(const char *)at, at == NULL ? 0 : len};
    struct slice end = slice_of(type == COMMAND_WITHDRAW_CONFIRM  ? ":confirm"
                                : type == COMMAND_WITHDRAW_CANCEL ? ":cancel"
                                                                  : "");
    struct slice own = {text.base, text.len - end.len};

    if (text.len <= end.len || !id_valid(own) ||
        !slice_equal((struct slice){text.base + own.len, end.len}, end)) {
        in->failed = true;
    }
    return text;
}

static struct account take_account(struct cursor *in)
{
    uint8_t kind = cursor_u8(in);

    if (kind < ACCOUNT_PLAYER || kind > ACCOUNT_HOUSE) {
        in->failed = true;
    }
    return (struct account){(enum account_kind)kind, take_text(in, true)};
}

static void take_postings(struct cursor *in, struct record *r)
{
    uint8_t n = cursor_u8(in);
    uint8_t i;

    if (n > POSTINGS_MAX) {
        in->failed = true;
        return;
    }
    for (i = 0; i < n; i++) {
        struct posting *p = &r->postings[i];

        p->debit = take_account(in);
        p->credit = take_account(in);
        p->amount_minor = (int64_t)cursor_u64(in);
        p->debit_balance_minor = (int64_t)cursor_u64(in);
        p->credit_balance_minor = (int64_t)cursor_u64(in);
        if (p->amount_minor <= 0) {
            in->failed = true;
        }
    }
    r->n_postings = n;
}

static void take_action(struct cursor *in, struct record *r)
{
    const uint8_t *hash;

    r->action = cursor_u64(in);
    hash = cursor_take(in, HASH_BYTES);
    if (r->action == 0 || hash == NULL) {
        in->failed = true;
        return;
    }
    memcpy(r->action_hash, hash, HASH_BYTES);
}

static void take_names(struct cursor *in, struct record *r)
{
    r->principal = take_text(in, true);
    r->id = take_record_id(in, r->type);
    r->player = take_text(in, true);
    r->currency = take_text(in, true);
    r->round = take_text(in, false);
    r->game = take_text(in, false);
    r->session = take_text(in, false);
    r->bet = take_text(in, false);
    r->original = take_text(in, false);
    r->gateway = take_text(in, false);
    r->debit = take_account(in);
    r->credit = take_account(in);
}

static bool in_range(const struct record *r)
{
    /* Only the record of a dry run has no seq, and so no place in a link. */
    bool placed = r->seq == 0 ? r->previous == 0 : r->previous < r->seq;

    return placed && r->type >= COMMAND_BET && r->type <= COMMAND_ROUND_CLOSE &&
           verdict_is_recorded(r->verdict) && (unsigned)r->win_kind <= WIN_FREESPIN &&
           r->scale <= SCALE_MAX && r->amount_minor >= 0 && r->requested_minor >= 0;
}

int record_decode(const void *data, size_t len, struct record *r, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    uint8_t version = cursor_u8(&in);

    *r = (struct record){0};
    if (!in.failed && version != RECORD_VERSION && version != RECORD_VERSION_ACTION) {
        return fault_set(fault, "ledger record: version %u is above %d: written by a newer florind",
                         version, RECORD_VERSION_ACTION);
    }
    r->seq = cursor_u64(&in);
    r->at_ms = cursor_u64(&in);
    r->type = cursor_u8(&in);
    r->verdict = cursor_u16(&in);
    r->win_kind = cursor_u8(&in);
    r->scale = cursor_u8(&in);
    r->amount_minor = (int64_t)cursor_u64(&in);
    r->requested_minor = (int64_t)cursor_u64(&in);
    r->balance_minor = (int64_t)cursor_u64(&in);
    r->previous = cursor_u64(&in);
    take_names(&in, r);
    take_postings(&in, r);
    if (version == RECORD_VERSION_ACTION) {
        take_action(&in, r);
    }
    if (in.failed || in.left > 0) {
        return fault_set(fault, "ledger record: cut short, overlong or holding an invalid name");
    }
    if (!in_range(r)) {
        return fault_set(fault, "ledger record %llu: a number is out of range",
                         (unsigned long long)r->seq);
    }
    return 0;
}

void record_hash(const uint8_t prev_hash[HASH_BYTES], const void *canonical, size_t len,
                 uint8_t hash[HASH_BYTES])
{
    crypto_generichash_state state;

    /* These can't fail with a fixed length and no key. */
    crypto_generichash_init(&state, NULL, 0, HASH_BYTES);
    crypto_generichash_update(&state, prev_hash, HASH_BYTES);
    crypto_generichash_update(&state, canonical, len);
    crypto_generichash_final(&state, hash, HASH_BYTES);
}

void record_seal(const struct record *r, struct bytes *out)
{
    record_encode(r, out);
    bytes_append(out, r->prev_hash, HASH_BYTES);
    bytes_append(out, r->hash, HASH_BYTES);
}

int record_unseal(const void *data, size_t len, struct record *r, struct fault *fault)
{
    const uint8_t *hashes;

    if (len < 2 * HASH_BYTES) {
        return fault_set(fault, "ledger record: %zu bytes are too few", len);
    }
    if (record_decode(data, len - 2 * HASH_BYTES, r, fault) != 0) {
        return -1;
    }
    hashes = (const uint8_t *)data + len - 2 * HASH_BYTES;
    memcpy(r->prev_hash, hashes, HASH_BYTES);
    memcpy(r->hash, hashes + HASH_BYTES, HASH_BYTES);
    return 0;
}
