/* Commands as bytes. Guarantee: one command has one encoding, and what decodes is well formed.
 *
 * How: the fields stand in one table; which of them a type needs or may have are two bit sets. The
 * decoder fills a struct command, then holds the keys it met against the fields that the struct
 * says are present: a difference is a missing field, or one that should have been left out. */
#include "statemachine/command.h"

#include <msgpack.h>

#include "statemachine/unpack.h"

/* Keys of the msgpack map. They are in the log: never renumber, only add. */
enum field_key {
    KEY_TYPE = 0,
    KEY_ORIGIN = 1,
    KEY_PRINCIPAL = 2,
    KEY_ID = 3,
    KEY_PLAYER = 4,
    KEY_CURRENCY = 5,
    KEY_AMOUNT = 6, /* array: digits, how many of them after the point */
    KEY_ROUND = 7,
    KEY_GAME = 8,
    KEY_SESSION = 9,
    KEY_BET = 10,
    KEY_ORIGINAL = 11,
    KEY_GATEWAY = 12,
    KEY_WIN_KIND = 13,
    KEY_NAME = 32,
    KEY_SCALE = 33,
    KEY_ROLE = 34,
    KEY_SECRET_HASH = 35,
    KEY_CURRENCIES = 36,
    KEY_COUNT = 37,
};

#define BIT(key) (UINT64_C(1) << (key))

struct field {
    uint8_t key;
    const char *name;
    size_t text_offset; /* where in struct command the slice is; 0: not a text (type is there) */
};

#define TEXT(key, member)                                                                          \
    {                                                                                              \
        key, #member, offsetof(struct command, member)                                             \
    }

static const struct field fields[] = {
    {KEY_TYPE, "type", 0},
    {KEY_ORIGIN, "origin", 0},
    TEXT(KEY_PRINCIPAL, principal),
    TEXT(KEY_ID, id),
    TEXT(KEY_PLAYER, player),
    TEXT(KEY_CURRENCY, currency),
    {KEY_AMOUNT, "amount", 0},
    TEXT(KEY_ROUND, round),
    TEXT(KEY_GAME, game),
    TEXT(KEY_SESSION, session),
    TEXT(KEY_BET, bet),
    TEXT(KEY_ORIGINAL, original),
    TEXT(KEY_GATEWAY, gateway),
    {KEY_WIN_KIND, "kind", 0},
    TEXT(KEY_NAME, name),
    {KEY_SCALE, "scale", 0},
    {KEY_ROLE, "role", 0},
    {KEY_SECRET_HASH, "secret_hash", 0},
    {KEY_CURRENCIES, "currencies", 0},
};

enum { FIELDS = sizeof fields / sizeof *fields };

static struct slice text_of(const struct command *c, const struct field *f)
{
    struct slice text;

    memcpy(&text, (const char *)c + f->text_offset, sizeof text);
    return text;
}

static const struct field *field_of(uint64_t key)
{
    size_t i;

    /* The table is dense up to the win kind. */
    if (key <= KEY_WIN_KIND) {
        return &fields[key];
    }
    for (i = KEY_WIN_KIND + 1; i < FIELDS; i++) {
        if (fields[i].key == key) {
            return &fields[i];
        }
    }
    return NULL;
}

struct shape {
    uint64_t needs;
    uint64_t may_have;
};

static bool shape_of(enum command_type type, struct shape *shape)
{
    const uint64_t all = BIT(KEY_TYPE) | BIT(KEY_ORIGIN);
    const uint64_t money =
        all | BIT(KEY_PRINCIPAL) | BIT(KEY_ID) | BIT(KEY_PLAYER) | BIT(KEY_CURRENCY);
    const uint64_t play = BIT(KEY_ROUND) | BIT(KEY_GAME) | BIT(KEY_SESSION);

    switch (type) {
    case COMMAND_BET:
        *shape = (struct shape){money | BIT(KEY_AMOUNT), play};
        return true;
    case COMMAND_WIN:
        *shape = (struct shape){money | BIT(KEY_AMOUNT), play | BIT(KEY_BET) | BIT(KEY_WIN_KIND)};
        return true;
    case COMMAND_ROLLBACK:
        *shape = (struct shape){money | BIT(KEY_ORIGINAL), play};
        return true;
    case COMMAND_DEPOSIT:
        *shape = (struct shape){money | BIT(KEY_AMOUNT) | BIT(KEY_GATEWAY), 0};
        return true;
    case COMMAND_CURRENCY_CREATE:
        *shape = (struct shape){all | BIT(KEY_NAME) | BIT(KEY_SCALE), 0};
        return true;
    case COMMAND_PRINCIPAL_CREATE:
        *shape = (struct shape){all | BIT(KEY_NAME) | BIT(KEY_ROLE), 0};
        return true;
    case COMMAND_KEY_CREATE:
        *shape = (struct shape){
            all | BIT(KEY_PRINCIPAL) | BIT(KEY_NAME) | BIT(KEY_ROLE) | BIT(KEY_SECRET_HASH), 0};
        return true;
    case COMMAND_PLAYER_CREATE:
        *shape = (struct shape){all | BIT(KEY_PLAYER), BIT(KEY_CURRENCIES)};
        return true;
    }
    return false;
}

/* Which keys the encoding of this command has. A number that its type needs is there even when it
 * is zero (a zero win, scale 0); any other field is absent when it is zero or empty. */
static uint64_t present(const struct command *c, const struct shape *shape)
{
    uint64_t keys = BIT(KEY_TYPE) | BIT(KEY_ORIGIN);
    size_t i;

    for (i = 0; i < FIELDS; i++) {
        if (fields[i].text_offset != 0 && text_of(c, &fields[i]).len > 0) {
            keys |= BIT(fields[i].key);
        }
    }
    if (c->amount.digits != 0 || c->amount.after_point != 0 || (shape->needs & BIT(KEY_AMOUNT))) {
        keys |= BIT(KEY_AMOUNT);
    }
    if (c->scale != 0 || (shape->needs & BIT(KEY_SCALE))) {
        keys |= BIT(KEY_SCALE);
    }
    keys |= c->win_kind != WIN_PLAIN ? BIT(KEY_WIN_KIND) : 0;
    keys |= c->role != ROLE_NONE ? BIT(KEY_ROLE) : 0;
    keys |= c->secret_hash != NULL ? BIT(KEY_SECRET_HASH) : 0;
    keys |= c->n_currencies > 0 ? BIT(KEY_CURRENCIES) : 0;
    return keys;
}

bool id_valid(struct slice id)
{
    size_t i;

    if (id.len == 0 || id.len > ID_MAX) {
        return false;
    }
    for (i = 0; i < id.len; i++) {
        char c = id.base[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == ':' || c == '-')) {
            return false;
        }
    }
    return true;
}

static const char *key_name(uint64_t keys)
{
    return field_of((uint64_t)__builtin_ctzll(keys))->name;
}

/* The values, each for itself. */
static int check_values(const struct command *c, struct fault *fault)
{
    size_t i;

    for (i = 0; i < FIELDS; i++) {
        struct slice text = fields[i].text_offset == 0 ? slice_of("") : text_of(c, &fields[i]);

        if (text.len > 0 && !id_valid(text)) {
            return fault_set(fault, "command: %s is not a valid id", fields[i].name);
        }
    }
    if (c->amount.digits < 0 || c->amount.after_point > SCALE_MAX) {
        return fault_set(fault, "command: amount is negative or has over %d digits after the point",
                         SCALE_MAX);
    }
    if ((unsigned)c->win_kind > WIN_FREESPIN) {
        return fault_set(fault, "command: kind %u is unknown", (unsigned)c->win_kind);
    }
    if (c->scale > SCALE_MAX) {
        return fault_set(fault, "command: scale %u is over %d", c->scale, SCALE_MAX);
    }
    if ((unsigned)c->role > ROLE_AUDITOR) {
        return fault_set(fault, "command: role %u is unknown", (unsigned)c->role);
    }
    if (c->n_currencies > CURRENCIES_PER_PLAYER) {
        return fault_set(fault, "command: %u currencies are over %d", c->n_currencies,
                         CURRENCIES_PER_PLAYER);
    }
    for (i = 0; i < c->n_currencies; i++) {
        if (!id_valid(c->currencies[i])) {
            return fault_set(fault, "command: currencies holds an invalid id");
        }
    }
    return 0;
}

/* The values together. */
static int check_shape(const struct command *c, struct shape *shape, struct fault *fault)
{
    uint64_t keys, wrong;

    if (!shape_of(c->type, shape)) {
        return fault_set(fault, "command: type %u is unknown", (unsigned)c->type);
    }
    keys = present(c, shape);
    wrong = shape->needs & ~keys;
    if (wrong != 0) {
        return fault_set(fault, "command: a %s lacks its %s", command_type_name(c->type),
                         key_name(wrong));
    }
    wrong = keys & ~(shape->needs | shape->may_have);
    if (wrong != 0) {
        return fault_set(fault, "command: a %s has no %s", command_type_name(c->type),
                         key_name(wrong));
    }
    if (c->type == COMMAND_CURRENCY_CREATE && c->name.len > CURRENCY_CODE_MAX) {
        return fault_set(fault, "command: a currency's name has over %d characters",
                         CURRENCY_CODE_MAX);
    }
    if (c->type == COMMAND_PRINCIPAL_CREATE && c->role != ROLE_PROVIDER &&
        c->role != ROLE_GATEWAY) {
        return fault_set(fault, "command: only a provider or a gateway is created by itself");
    }
    return 0;
}

int command_check(const struct command *c, struct fault *fault)
{
    struct shape shape;

    if (check_values(c, fault) != 0) {
        return -1;
    }
    return check_shape(c, &shape, fault);
}

static int write_bytes(void *data, const char *buf, size_t len)
{
    bytes_append(data, buf, len);
    return 0;
}

static void pack_text(msgpack_packer *pk, struct slice text)
{
    msgpack_pack_str(pk, text.len);
    msgpack_pack_str_body(pk, text.base, text.len);
}

static void pack_value(msgpack_packer *pk, const struct command *c, const struct field *f)
{
    size_t i;

    switch (f->key) {
    case KEY_TYPE:
        msgpack_pack_uint64(pk, (uint64_t)c->type);
        break;
    case KEY_ORIGIN:
        msgpack_pack_uint64(pk, c->origin);
        break;
    case KEY_AMOUNT:
        msgpack_pack_array(pk, 2);
        msgpack_pack_uint64(pk, (uint64_t)c->amount.digits);
        msgpack_pack_uint64(pk, c->amount.after_point);
        break;
    case KEY_WIN_KIND:
        msgpack_pack_uint64(pk, (uint64_t)c->win_kind);
        break;
    case KEY_SCALE:
        msgpack_pack_uint64(pk, c->scale);
        break;
    case KEY_ROLE:
        msgpack_pack_uint64(pk, (uint64_t)c->role);
        break;
    case KEY_SECRET_HASH:
        msgpack_pack_bin(pk, SECRET_HASH_BYTES);
        msgpack_pack_bin_body(pk, c->secret_hash, SECRET_HASH_BYTES);
        break;
    case KEY_CURRENCIES:
        msgpack_pack_array(pk, c->n_currencies);
        for (i = 0; i < c->n_currencies; i++) {
            pack_text(pk, c->currencies[i]);
        }
        break;
    default:
        pack_text(pk, text_of(c, f));
    }
}

void command_encode(const struct command *c, struct bytes *out)
{
    msgpack_packer pk;
    struct shape shape = {0, 0};
    uint64_t keys;
    size_t i;

    shape_of(c->type, &shape);
    keys = present(c, &shape);
    msgpack_packer_init(&pk, out, write_bytes);
    msgpack_pack_map(&pk, (size_t)__builtin_popcountll(keys));
    for (i = 0; i < FIELDS; i++) {
        if (keys & BIT(fields[i].key)) {
            msgpack_pack_uint64(&pk, fields[i].key);
            pack_value(&pk, c, &fields[i]);
        }
    }
}

/* An unsigned integer that must fit a small field. */
static uint8_t unpack_u8(struct cursor *in)
{
    uint64_t v = unpack_uint(in);

    if (v > UINT8_MAX) {
        in->failed = true;
    }
    return (uint8_t)v;
}

static void unpack_currencies(struct cursor *in, struct command *c)
{
    uint32_t n = unpack_array(in);
    uint32_t i;

    if (n > CURRENCIES_PER_PLAYER) {
        in->failed = true;
        return;
    }
    for (i = 0; i < n; i++) {
        c->currencies[i] = unpack_text(in);
    }
    c->n_currencies = (uint8_t)n;
}

static void unpack_amount(struct cursor *in, struct command *c)
{
    uint64_t digits;

    if (unpack_array(in) != 2) {
        in->failed = true;
    }
    digits = unpack_uint(in);
    if (digits > INT64_MAX) {
        in->failed = true;
    }
    c->amount = (struct decimal){(int64_t)digits, unpack_u8(in)};
}

static void unpack_value(struct cursor *in, struct command *c, const struct field *f)
{
    struct slice text;

    switch (f->key) {
    case KEY_TYPE:
        c->type = unpack_u8(in);
        break;
    case KEY_ORIGIN:
        c->origin = unpack_uint(in);
        break;
    case KEY_AMOUNT:
        unpack_amount(in, c);
        break;
    case KEY_WIN_KIND:
        c->win_kind = unpack_u8(in);
        break;
    case KEY_SCALE:
        c->scale = unpack_u8(in);
        break;
    case KEY_ROLE:
        c->role = unpack_u8(in);
        break;
    case KEY_SECRET_HASH:
        text = unpack_blob(in);
        if (text.len != SECRET_HASH_BYTES) {
            in->failed = true;
        }
        c->secret_hash = (const uint8_t *)text.base;
        break;
    case KEY_CURRENCIES:
        unpack_currencies(in, c);
        break;
    default:
        text = unpack_text(in);
        memcpy((char *)c + f->text_offset, &text, sizeof text);
    }
}

int command_decode(const void *data, size_t len, struct command *c, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    struct shape shape;
    uint64_t seen = 0, next = 0, wrong;
    uint32_t n;

    *c = (struct command){0};
    if (len > COMMAND_BYTES_MAX) {
        return fault_set(fault, "command: %zu bytes are over %d", len, COMMAND_BYTES_MAX);
    }
    for (n = unpack_map(&in); n > 0 && !in.failed; n--) {
        uint64_t key = unpack_uint(&in);
        const struct field *f = field_of(key);

        if (in.failed || f == NULL || key < next) {
            return fault_set(fault, "command: a field is unknown, repeated or out of order");
        }
        next = key + 1;
        seen |= BIT(key);
        unpack_value(&in, c, f);
        if (in.failed) {
            return fault_set(fault, "command: %s is cut short or of the wrong kind", f->name);
        }
    }
    if (in.failed || in.left > 0) {
        return fault_set(fault, "command: not one msgpack map, whole and nothing after it");
    }
    if (check_values(c, fault) != 0 || check_shape(c, &shape, fault) != 0) {
        return -1;
    }
    wrong = seen ^ present(c, &shape);
    if (wrong != 0) {
        return fault_set(fault, "command: %s is missing, or empty where it should be left out",
                         key_name(wrong));
    }
    return 0;
}
