/* Answers as bytes. */
#include "statemachine/query.h"

#include "statemachine/texts.h"

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
        text_append(out, a->balances[i].currency);
        bytes_append_u8(out, a->balances[i].scale);
        bytes_append_u64(out, (uint64_t)a->balances[i].balance_minor);
        bytes_append_u64(out, (uint64_t)a->balances[i].available_minor);
    }
}

static void append_key(const struct answer *a, struct bytes *out)
{
    text_append(out, a->principal);
    bytes_append_u8(out, (uint8_t)a->role);
    bytes_append_u8(out, a->disabled ? 1 : 0);
    bytes_append(out, a->secret_hash, SECRET_HASH_BYTES);
    bytes_append_u8(out, (uint8_t)a->key_kind);
    text_append(out, a->key_sealed);
    bytes_append_u8(out, a->principal_disabled ? 1 : 0);
    policy_append(&a->policy, out);
}

static void append_limits(const struct answer *a, struct bytes *out)
{
    uint32_t i;

    bytes_append_u8(out, (uint8_t)a->n_limits);
    for (i = 0; i < a->n_limits; i++) {
        const struct limit_info *l = &a->limits[i];

        bytes_append_u8(out, (uint8_t)l->kind);
        bytes_append_u8(out, (uint8_t)l->period);
        text_append(out, l->currency);
        bytes_append_u8(out, l->scale);
        bytes_append_u64(out, (uint64_t)l->amount_minor);
        bytes_append_u64(out, (uint64_t)l->used_minor);
        bytes_append_u8(out, !l->pending ? 0 : l->pending_none ? 2 : 1);
        bytes_append_u64(out, (uint64_t)l->pending_minor);
        bytes_append_u64(out, l->effective_at_ms);
    }
}

static void append_player(const struct answer *a, struct bytes *out)
{
    bytes_append_u8(out, (uint8_t)a->status);
    bytes_append_u64(out, a->until_ms);
    bytes_append_u64(out, a->created_at_ms);
    bytes_append_u32(out, a->reminder_s);
    bytes_append_u8(out, a->has_password ? 1 : 0);
    append_limits(a, out);
}

void answer_encode(const struct answer *a, enum query_type type, struct bytes *out)
{
    bytes_append_u8(out, (uint8_t)type);
    bytes_append_u16(out, (uint16_t)a->verdict);
    switch (type) {
    case QUERY_TRANSACTION:
        text_append(out, a->principal);
        append_records(a, out);
        break;
    case QUERY_BALANCES:
        append_balances(a, out);
        break;
    case QUERY_HISTORY:
    case QUERY_LEDGER:
    case QUERY_ACTIONS:
    case QUERY_ACTIONS_BEFORE:
        bytes_append_u64(out, a->next);
        append_records(a, out);
        break;
    case QUERY_KEY:
        append_key(a, out);
        break;
    case QUERY_HEAD:
        bytes_append_u64(out, a->seq);
        bytes_append(out, a->hash, HASH_BYTES);
        break;
    case QUERY_ROUNDS:
        text_append(out, a->next_player);
        text_append(out, a->next_round);
        bytes_append_u32(out, a->n_rounds);
        bytes_append(out, a->rounds.at, a->rounds.left);
        break;
    case QUERY_SESSION:
        session_info_append(&a->session, out);
        break;
    case QUERY_PLAYER:
        append_player(a, out);
        break;
    case QUERY_PRINCIPAL:
        bytes_append_u8(out, (uint8_t)a->role);
        bytes_append_u8(out, a->principal_disabled ? 1 : 0);
        policy_append(&a->policy, out);
        break;
    case QUERY_PASSWORD:
        text_append(out, a->password_hash);
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

        b->currency = text_take_id(in);
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

/* A number that may be no higher than `most`. */
static uint8_t take_small(struct cursor *in, unsigned most)
{
    uint8_t v = cursor_u8(in);

    if (v > most) {
        in->failed = true;
    }
    return v;
}

static void take_key(struct cursor *in, struct answer *a)
{
    a->principal = text_take_id(in);
    a->role = take_small(in, ROLE_AUDITOR);
    a->disabled = take_small(in, 1) != 0;
    take_hash(in, a->secret_hash, SECRET_HASH_BYTES);
    a->key_kind = take_small(in, KEY_HMAC);
    a->key_sealed = text_take(in);
    a->principal_disabled = take_small(in, 1) != 0;
    policy_take(in, &a->policy);
    if (a->key_sealed.len > SEALED_MAX) {
        in->failed = true;
    }
}

static void take_limits(struct cursor *in, struct answer *a)
{
    uint8_t n = take_small(in, LIMITS_PER_PLAYER);
    uint8_t i, pending;

    for (i = 0; i < n && !in->failed; i++) {
        struct limit_info *l = &a->limits[i];

        l->kind = take_small(in, LIMIT_LOSS);
        l->period = take_small(in, PERIOD_MONTH);
        l->currency = text_take_id(in);
        l->scale = take_small(in, SCALE_MAX);
        l->amount_minor = (int64_t)cursor_u64(in);
        l->used_minor = (int64_t)cursor_u64(in);
        pending = take_small(in, 2);
        l->pending = pending != 0;
        l->pending_none = pending == 2;
        l->pending_minor = (int64_t)cursor_u64(in);
        l->effective_at_ms = cursor_u64(in);
    }
    a->n_limits = n;
}

static void take_player(struct cursor *in, struct answer *a)
{
    a->status = take_small(in, PLAYER_SELF_EXCLUDED);
    a->until_ms = cursor_u64(in);
    a->created_at_ms = cursor_u64(in);
    a->reminder_s = cursor_u32(in);
    a->has_password = take_small(in, 1) != 0;
    take_limits(in, a);
}

static void take_rounds(struct cursor *in, struct answer *a)
{
    a->next_player = text_take_id(in);
    a->next_round = text_take_id(in);
    a->n_rounds = cursor_u32(in);
    if (in->failed || a->n_rounds > ROUNDS_PAGE_MAX) {
        in->failed = true;
        return;
    }
    a->rounds = *in;
    cursor_take(in, in->left);
}

int answer_decode(const void *data, size_t len, struct answer *a, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    uint8_t type = cursor_u8(&in);
    unsigned verdict = cursor_u16(&in);

    *a = (struct answer){0};
    switch (type) {
    case QUERY_TRANSACTION:
        a->principal = text_take_id(&in);
        take_records(&in, a);
        break;
    case QUERY_BALANCES:
        take_balances(&in, a);
        break;
    case QUERY_HISTORY:
    case QUERY_LEDGER:
    case QUERY_ACTIONS:
    case QUERY_ACTIONS_BEFORE:
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
    case QUERY_ROUNDS:
        take_rounds(&in, a);
        break;
    case QUERY_SESSION:
        session_info_take(&in, &a->session);
        break;
    case QUERY_PLAYER:
        take_player(&in, a);
        break;
    case QUERY_PRINCIPAL:
        a->role = take_small(&in, ROLE_AUDITOR);
        a->principal_disabled = take_small(&in, 1) != 0;
        policy_take(&in, &a->policy);
        break;
    case QUERY_PASSWORD:
        a->password_hash = text_take(&in);
        if (a->password_hash.len > PASSWORD_HASH_MAX) {
            in.failed = true;
        }
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

/* The bytes of the next of a->sealed: as answer_next_record. */
static int next_sealed(struct answer *a, struct slice *sealed, struct fault *fault)
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
    *sealed = (struct slice){(const char *)at, len};
    return 1;
}

int answer_next_record(struct answer *a, struct record *r, struct fault *fault)
{
    struct slice sealed;
    int more = next_sealed(a, &sealed, fault);

    return more == 1 && record_unseal(sealed.base, sealed.len, r, fault) != 0 ? -1 : more;
}

int answer_next_action(struct answer *a, struct action *action, struct fault *fault)
{
    struct slice sealed;
    int more = next_sealed(a, &sealed, fault);

    return more == 1 && action_unseal(sealed.base, sealed.len, action, fault) != 0 ? -1 : more;
}

int answer_next_round(struct answer *a, struct round_info *r, struct fault *fault)
{
    if (a->n_rounds == 0) {
        return a->rounds.left == 0 ? 0 : fault_set(fault, "answer: bytes after the last round");
    }
    r->player = text_take_id(&a->rounds);
    r->round = text_take_id(&a->rounds);
    r->currency = text_take_id(&a->rounds);
    r->opened_at_ms = cursor_u64(&a->rounds);
    r->bets = cursor_u32(&a->rounds);
    if (a->rounds.failed) {
        return fault_set(fault, "answer: a round is cut short");
    }
    a->n_rounds--;
    return 1;
}
