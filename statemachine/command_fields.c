/* The tables of fields, and what holds for a value by itself. */
#include "statemachine/command_fields.h"

#define PLACE(s, member)                                                                           \
    .offset = offsetof(struct s, member), .size = sizeof(((struct s *)0)->member)
#define TEXT(s, member)                                                                            \
    {                                                                                              \
        .name = #member, .form = FORM_TEXT, PLACE(s, member)                                       \
    }
#define BLOB(s, member, most)                                                                      \
    {                                                                                              \
        .name = #member, .form = FORM_BLOB, PLACE(s, member), .max = (most)                        \
    }
#define HASH(s, member)                                                                            \
    {                                                                                              \
        .name = #member, .form = FORM_HASH, PLACE(s, member)                                       \
    }
#define NUMBER(s, member, label, most)                                                             \
    {                                                                                              \
        .name = (label), .form = FORM_NUMBER, PLACE(s, member), .max = (most)                      \
    }
#define AMOUNT(s, member)                                                                          \
    {                                                                                              \
        .name = #member, .form = FORM_AMOUNT, PLACE(s, member)                                     \
    }
/* A list has no size of its own: its elements' are known by its form. */
#define LIST(s, member, list_form, most)                                                           \
    {                                                                                              \
        .name = #member, .form = (list_form), .offset = offsetof(struct s, member),                \
        .count_offset = offsetof(struct s, n_##member), .max = (most)                              \
    }

const struct field command_fields[KEY_COUNT] = {
    [KEY_TYPE] = NUMBER(command, type, "type", UINT8_MAX),
    [KEY_ORIGIN] = NUMBER(command, origin, "origin", UINT64_MAX),
    [KEY_PRINCIPAL] = TEXT(command, principal),
    [KEY_ID] = TEXT(command, id),
    [KEY_PLAYER] = TEXT(command, player),
    [KEY_CURRENCY] = TEXT(command, currency),
    [KEY_AMOUNT] = AMOUNT(command, amount),
    [KEY_ROUND] = TEXT(command, round),
    [KEY_GAME] = TEXT(command, game),
    [KEY_SESSION] = TEXT(command, session),
    [KEY_BET] = TEXT(command, bet),
    [KEY_ORIGINAL] = TEXT(command, original),
    [KEY_GATEWAY] = TEXT(command, gateway),
    [KEY_WIN_KIND] = NUMBER(command, win_kind, "kind", WIN_FREESPIN),
    [KEY_NEGATIVE] = NUMBER(command, negative, "negative", 1),
    [KEY_ITEMS] = LIST(command, items, FORM_ITEMS, ITEMS_MAX),
    [KEY_CLOSE_ROUND] = NUMBER(command, close_round, "close_round", 1),
    [KEY_DRY_RUN] = NUMBER(command, dry_run, "dry_run", 1),
    [KEY_EXPIRES_S] = NUMBER(command, expires_s, "expires_s", HOLD_EXPIRES_S_MAX),
    [KEY_NAME] = TEXT(command, name),
    [KEY_SCALE] = NUMBER(command, scale, "scale", SCALE_MAX),
    [KEY_ROLE] = NUMBER(command, role, "role", ROLE_AUDITOR),
    [KEY_SECRET_HASH] = HASH(command, secret_hash),
    [KEY_CURRENCIES] = LIST(command, currencies, FORM_TEXTS, CURRENCIES_PER_PLAYER),
    [KEY_TOKEN_HASH] = HASH(command, token_hash),
    [KEY_PARENT_HASH] = HASH(command, parent_hash),
    [KEY_TTL_S] = NUMBER(command, ttl_s, "ttl_s", SESSION_TTL_S_MAX),
    [KEY_STATUS] = NUMBER(command, status, "status", PLAYER_SELF_EXCLUDED),
    [KEY_UNTIL_MS] = NUMBER(command, until_ms, "until", INT64_MAX),
    [KEY_REMINDER_S] = NUMBER(command, reminder_s, "reminder_s", SESSION_TTL_S_MAX),
    [KEY_LIMITS] = LIST(command, limits, FORM_LIMITS, LIMIT_CHANGES_MAX),
    [KEY_SETS] = NUMBER(command, sets, "sets", UINT32_MAX),
    [KEY_DISABLED] = NUMBER(command, disabled, "disabled", 1),
    [KEY_SHORTFALL] = NUMBER(command, shortfall, "shortfall", SHORTFALL_REJECT),
    [KEY_RATE_PER_S] = NUMBER(command, rate_per_s, "rate_per_s", RATE_PER_S_MAX),
    [KEY_IP_ALLOW] = LIST(command, ip_allow, FORM_TEXTS, IP_ALLOW_MAX),
    [KEY_KEY_KIND] = NUMBER(command, key_kind, "kind", KEY_HMAC),
    [KEY_SEALED] = BLOB(command, sealed, SEALED_MAX),
    [KEY_PASSWORD_HASH] = BLOB(command, password_hash, PASSWORD_HASH_MAX),
    [KEY_IDS_SCOPE] = NUMBER(command, ids_scope, "ids_scope", IDS_PER_PLAYER),
    [KEY_BY] = LIST(command, by, FORM_ACTORS, 1),
    [KEY_NOTE] = BLOB(command, note, NOTE_MAX),
};

const struct field item_fields[KEY_COUNT] = {
    [KEY_TYPE] = NUMBER(command_item, type, "type", UINT8_MAX),
    [KEY_ID] = TEXT(command_item, id),
    [KEY_AMOUNT] = AMOUNT(command_item, amount),
    [KEY_BET] = TEXT(command_item, bet),
    [KEY_ORIGINAL] = TEXT(command_item, original),
    [KEY_WIN_KIND] = NUMBER(command_item, win_kind, "kind", WIN_FREESPIN),
    [KEY_NEGATIVE] = NUMBER(command_item, negative, "negative", 1),
};

const struct field limit_fields[KEY_COUNT] = {
    [KEY_CURRENCY] = TEXT(limit_change, currency),
    [KEY_AMOUNT] = AMOUNT(limit_change, amount),
    [KEY_LIMIT_KIND] = NUMBER(limit_change, kind, "kind", LIMIT_LOSS),
    [KEY_LIMIT_PERIOD] = NUMBER(limit_change, period, "period", PERIOD_MONTH),
    [KEY_LIMIT_NONE] = NUMBER(limit_change, none, "none", 1),
};

const struct field actor_fields[KEY_COUNT] = {
    [KEY_PRINCIPAL] = TEXT(actor, principal),
    [KEY_ID] = TEXT(actor, request),
    [KEY_NAME] = TEXT(actor, key),
    [KEY_ROLE] = NUMBER(actor, role, "role", ROLE_AUDITOR),
    [KEY_ADDRESS] = TEXT(actor, address),
    [KEY_NODE] = NUMBER(actor, node, "node", UINT64_MAX),
};

uint64_t field_number(const void *base, const struct field *f)
{
    const char *at = (const char *)base + f->offset;
    uint64_t v8;
    uint32_t v4;

    switch (f->size) {
    case 8:
        memcpy(&v8, at, sizeof v8);
        return v8;
    case 4:
        memcpy(&v4, at, sizeof v4);
        return v4;
    default:
        return *(const uint8_t *)at;
    }
}

struct slice field_slice(const void *base, const struct field *f)
{
    struct slice text;

    memcpy(&text, (const char *)base + f->offset, sizeof text);
    return text;
}

bool field_is_set(const void *base, const struct field *f)
{
    const char *at = (const char *)base + f->offset;
    struct decimal amount;
    const uint8_t *hash;

    switch (f->form) {
    case FORM_TEXT:
    case FORM_BLOB:
        return field_slice(base, f).len > 0;
    case FORM_HASH:
        memcpy(&hash, at, sizeof hash);
        return hash != NULL;
    case FORM_NUMBER:
        return field_number(base, f) != 0;
    case FORM_AMOUNT:
        memcpy(&amount, at, sizeof amount);
        return amount.digits != 0 || amount.after_point != 0;
    default:
        return ((const uint8_t *)base)[f->count_offset] > 0;
    }
}

uint64_t fields_present(const void *base, const struct field *table, uint64_t always)
{
    uint64_t keys = always;
    unsigned key;

    for (key = 0; key < KEY_COUNT; key++) {
        if (table[key].name != NULL && field_is_set(base, &table[key])) {
            keys |= BIT(key);
        }
    }
    return keys;
}

static int check_list(const void *base, const struct field *f, struct fault *fault)
{
    const char *at = (const char *)base + f->offset;
    uint8_t n = ((const uint8_t *)base)[f->count_offset];
    struct slice text;
    uint8_t i;

    if (n > f->max) {
        return fault_set(fault, "command: %u %s are over %u", n, f->name, (unsigned)f->max);
    }
    for (i = 0; i < n; i++) {
        const struct command_item *item = (const void *)at;
        const struct limit_change *limit = (const void *)at;
        const struct actor *actor = (const void *)at;
        int rc = 0;

        switch (f->form) {
        case FORM_ITEMS:
            rc = fields_check(&item[i], item_fields,
                              fields_present(&item[i], item_fields, BIT(KEY_ID)), fault);
            break;
        case FORM_LIMITS:
            rc = fields_check(&limit[i], limit_fields,
                              fields_present(&limit[i], limit_fields, BIT(KEY_CURRENCY)), fault);
            if (rc == 0 && limit[i].none &&
                (limit[i].amount.digits != 0 || limit[i].amount.after_point != 0)) {
                rc = fault_set(fault, "command: limits hold one without and with an amount");
            }
            break;
        case FORM_ACTORS:
            rc = fields_check(&actor[i], actor_fields, actor_always(), fault);
            if (rc == 0 && actor[i].role == ROLE_NONE) {
                rc = fault_set(fault, "command: by holds somebody without a role");
            }
            break;
        default:
            memcpy(&text, at + i * sizeof text, sizeof text);
            if (f == &command_fields[KEY_IP_ALLOW] ? !cidr_valid(text) : !id_valid(text)) {
                rc = fault_set(fault, "command: %s holds an invalid name", f->name);
            }
        }
        if (rc != 0) {
            return -1;
        }
    }
    return 0;
}

int field_check(const void *base, const struct field *f, struct fault *fault)
{
    const char *at = (const char *)base + f->offset;
    struct decimal amount;

    switch (f->form) {
    case FORM_TEXT:
        return id_valid(field_slice(base, f))
                   ? 0
                   : fault_set(fault, "command: %s is not a valid id", f->name);
    case FORM_BLOB:
        return field_slice(base, f).len <= f->max
                   ? 0
                   : fault_set(fault, "command: %s has over %u bytes", f->name, (unsigned)f->max);
    case FORM_HASH:
        return 0;
    case FORM_NUMBER:
        return field_number(base, f) <= f->max
                   ? 0
                   : fault_set(fault, "command: %s %llu is over %llu", f->name,
                               (unsigned long long)field_number(base, f),
                               (unsigned long long)f->max);
    case FORM_AMOUNT:
        memcpy(&amount, at, sizeof amount);
        return amount.digits >= 0 && amount.after_point <= SCALE_MAX
                   ? 0
                   : fault_set(fault,
                               "command: amount is negative or has over %d digits after the point",
                               SCALE_MAX);
    default:
        return check_list(base, f, fault);
    }
}

int fields_check(const void *base, const struct field *table, uint64_t keys, struct fault *fault)
{
    for (; keys != 0; keys &= keys - 1) {
        if (field_check(base, &table[__builtin_ctzll(keys)], fault) != 0) {
            return -1;
        }
    }
    return 0;
}
