/* What a well-formed command is.
 *
 * How: the fields stand in tables; which of them a type needs or may have are two bit sets, held
 * against the set of those that are present. Some types have a rule of their own on top. */
#include "statemachine/command.h"

#include "statemachine/command_fields.h"

struct shape {
    uint64_t needs;
    uint64_t may_have;
};

#define ALL   (BIT(KEY_TYPE) | BIT(KEY_ORIGIN))
#define BY    (ALL | BIT(KEY_PRINCIPAL))
#define MONEY (BY | BIT(KEY_ID) | BIT(KEY_PLAYER) | BIT(KEY_CURRENCY))
#define PLAY  (BIT(KEY_ROUND) | BIT(KEY_GAME) | BIT(KEY_SESSION) | BIT(KEY_DRY_RUN))
#define NAMED (ALL | BIT(KEY_NAME))
/* What changes the configuration may say by whom it came; what our own nodes make of themselves,
 * and what older ones have made, does not. */
#define OF_ACTOR BIT(KEY_BY)

static const struct shape shapes[] = {
    [COMMAND_BET] = {MONEY | BIT(KEY_AMOUNT), PLAY},
    [COMMAND_WIN] = {MONEY | BIT(KEY_AMOUNT), PLAY | BIT(KEY_BET) | BIT(KEY_WIN_KIND)},
    [COMMAND_ROLLBACK] = {MONEY | BIT(KEY_ORIGINAL), PLAY},
    [COMMAND_DEPOSIT] = {MONEY | BIT(KEY_AMOUNT) | BIT(KEY_GATEWAY), 0},
    [COMMAND_ADJUST] = {MONEY | BIT(KEY_AMOUNT), PLAY | BIT(KEY_NEGATIVE)},
    [COMMAND_WITHDRAW] = {MONEY | BIT(KEY_AMOUNT) | BIT(KEY_GATEWAY), BIT(KEY_EXPIRES_S)},
    [COMMAND_WITHDRAW_CONFIRM] = {BY | BIT(KEY_ORIGINAL), BIT(KEY_PLAYER) | BIT(KEY_AMOUNT)},
    [COMMAND_WITHDRAW_CANCEL] = {BY | BIT(KEY_ORIGINAL), BIT(KEY_PLAYER)},
    [COMMAND_ROUND_CLOSE] = {BY | BIT(KEY_ID) | BIT(KEY_PLAYER) | BIT(KEY_ROUND), 0},
    [COMMAND_ATOMIC] = {BY | BIT(KEY_PLAYER) | BIT(KEY_CURRENCY) | BIT(KEY_ITEMS),
                        PLAY | BIT(KEY_ID) | BIT(KEY_CLOSE_ROUND)},
    [COMMAND_CURRENCY_CREATE] = {NAMED | BIT(KEY_SCALE), OF_ACTOR},
    [COMMAND_PRINCIPAL_CREATE] = {NAMED | BIT(KEY_ROLE), BIT(KEY_IDS_SCOPE) | OF_ACTOR},
    [COMMAND_KEY_CREATE] = {NAMED | BIT(KEY_PRINCIPAL) | BIT(KEY_ROLE),
                            BIT(KEY_KEY_KIND) | BIT(KEY_SECRET_HASH) | BIT(KEY_SEALED) | OF_ACTOR},
    [COMMAND_PLAYER_CREATE] = {ALL | BIT(KEY_PLAYER), BIT(KEY_CURRENCIES) | OF_ACTOR},
    [COMMAND_PLAYER_UPDATE] = {ALL | BIT(KEY_PLAYER), BIT(KEY_SETS) | BIT(KEY_STATUS) |
                                                          BIT(KEY_UNTIL_MS) | BIT(KEY_REMINDER_S) |
                                                          BIT(KEY_LIMITS) | OF_ACTOR},
    [COMMAND_SESSION_OPEN] = {NAMED | BIT(KEY_PLAYER) | BIT(KEY_TOKEN_HASH) | BIT(KEY_TTL_S),
                              BIT(KEY_PRINCIPAL) | BIT(KEY_GAME) | BIT(KEY_PARENT_HASH) |
                                  BIT(KEY_REMINDER_S)},
    [COMMAND_SESSION_CLOSE] = {NAMED, 0},
    [COMMAND_SESSION_ROTATE] = {NAMED | BIT(KEY_TOKEN_HASH), BIT(KEY_TTL_S)},
    [COMMAND_SESSION_AUTHENTICATE] = {BY | BIT(KEY_TOKEN_HASH), 0},
    [COMMAND_PASSWORD_SET] = {ALL | BIT(KEY_PLAYER) | BIT(KEY_PASSWORD_HASH), OF_ACTOR},
    [COMMAND_PRINCIPAL_UPDATE] = {NAMED | BIT(KEY_ROLE) | BIT(KEY_SETS),
                                  BIT(KEY_DISABLED) | BIT(KEY_SHORTFALL) | BIT(KEY_RATE_PER_S) |
                                      BIT(KEY_IP_ALLOW) | BIT(KEY_CURRENCIES) | BIT(KEY_IDS_SCOPE) |
                                      OF_ACTOR},
    [COMMAND_KEY_UPDATE] = {NAMED | BIT(KEY_DISABLED), OF_ACTOR},
    [COMMAND_ACTION] = {ALL | BIT(KEY_ID) | BIT(KEY_BY), BIT(KEY_NAME) | BIT(KEY_NOTE)},
};

/* NULL: there is no such type. */
static const struct shape *shape_of(enum command_type type)
{
    return type < sizeof shapes / sizeof *shapes && shapes[type].needs != 0 ? &shapes[type] : NULL;
}

uint64_t command_always(const struct command *c)
{
    const struct shape *shape = shape_of(c->type);
    const uint64_t numbers = BIT(KEY_AMOUNT) | BIT(KEY_SCALE) | BIT(KEY_DISABLED);

    return ALL | (shape == NULL ? 0 : shape->needs & numbers);
}

uint64_t item_always(const struct command_item *item)
{
    return BIT(KEY_TYPE) | (item->type == COMMAND_ROLLBACK ? 0 : BIT(KEY_AMOUNT));
}

uint64_t limit_always(const struct limit_change *limit)
{
    return BIT(KEY_LIMIT_KIND) | BIT(KEY_LIMIT_PERIOD) | (limit->none ? 0 : BIT(KEY_AMOUNT));
}

uint64_t actor_always(void)
{
    return BIT(KEY_PRINCIPAL) | BIT(KEY_ID) | BIT(KEY_NAME) | BIT(KEY_ROLE) | BIT(KEY_ADDRESS) |
           BIT(KEY_NODE);
}

bool id_valid(struct slice id)
{
    /* A bet has five ids, and they are looked at on its way in and when it is applied. */
    static const uint8_t fits[256] = {
        ['a' ... 'z'] = 1, ['A' ... 'Z'] = 1, ['0' ... '9'] = 1, ['.'] = 1,
        ['_'] = 1,         [':'] = 1,         ['-'] = 1,
    };
    const uint8_t *at = (const uint8_t *)id.base;
    const uint8_t *end;
    uint8_t all = 1;

    if (id.len == 0 || id.len > ID_MAX) {
        return false; /* also when there is nothing to point at */
    }
    end = at + id.len;
    for (; end - at >= 4; at += 4) {
        all &= fits[at[0]] & fits[at[1]] & fits[at[2]] & fits[at[3]];
    }
    for (; at < end; at++) {
        all &= fits[*at];
    }
    return all != 0;
}

bool note_valid(struct slice text)
{
    size_t i;

    for (i = 0; i < text.len; i++) {
        if (text.base[i] < ' ' || text.base[i] > '~') {
            return false;
        }
    }
    return text.len <= NOTE_MAX;
}

bool command_is_recorded_action(enum command_type type)
{
    const struct shape *shape = shape_of(type);

    return shape != NULL && ((shape->needs | shape->may_have) & BIT(KEY_BY)) != 0;
}

bool cidr_valid(struct slice text)
{
    size_t i;

    if (text.len == 0 || text.len > CIDR_TEXT_MAX) {
        return false;
    }
    for (i = 0; i < text.len; i++) {
        char c = text.base[i];

        if (!((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') ||
              c == '.' || c == ':' || c == '/')) {
            return false;
        }
    }
    return true;
}

/* ---- the types' own rules ---- */

static int check_key(const struct command *c, struct fault *fault)
{
    bool hmac = c->key_kind == KEY_HMAC;

    if (hmac ? c->sealed.len == 0 : c->secret_hash == NULL) {
        return fault_set(fault, "command: a key_create lacks its %s",
                         hmac ? "sealed secret" : "secret_hash");
    }
    if (hmac ? c->secret_hash != NULL : c->sealed.len > 0) {
        return fault_set(fault, "command: a key_create of this kind has no %s",
                         hmac ? "secret_hash" : "sealed secret");
    }
    return 0;
}

/* What an update does not set must be left out: it would look as if it were set. */
static int check_sets(const struct command *c, uint64_t keys, uint32_t may_set, struct fault *fault)
{
    static const struct {
        uint32_t bit;
        uint64_t keys;
    } of[] = {
        {SET_STATUS, BIT(KEY_STATUS) | BIT(KEY_UNTIL_MS)},
        {SET_REMINDER, BIT(KEY_REMINDER_S)},
        {SET_DISABLED, BIT(KEY_DISABLED)},
        {SET_SHORTFALL, BIT(KEY_SHORTFALL)},
        {SET_RATE, BIT(KEY_RATE_PER_S)},
        {SET_IP_ALLOW, BIT(KEY_IP_ALLOW)},
        {SET_CURRENCIES, BIT(KEY_CURRENCIES)},
        {SET_IDS_SCOPE, BIT(KEY_IDS_SCOPE)},
    };
    size_t i;

    if ((c->sets & ~may_set) != 0) {
        return fault_set(fault, "command: a %s can't set that", command_type_name(c->type));
    }
    for (i = 0; i < sizeof of / sizeof *of; i++) {
        uint64_t wrong = keys & of[i].keys;

        if ((c->sets & of[i].bit) == 0 && wrong != 0) {
            return fault_set(fault, "command: %s is there, but sets does not say so",
                             command_fields[__builtin_ctzll(wrong)].name);
        }
    }
    return 0;
}

static bool same_limit(const struct limit_change *a, const struct limit_change *b)
{
    return a->kind == b->kind && a->period == b->period && slice_equal(a->currency, b->currency);
}

static int check_player_update(const struct command *c, uint64_t keys, struct fault *fault)
{
    uint8_t i, j;

    if (c->sets == 0 && c->n_limits == 0) {
        return fault_set(fault, "command: a player_update changes nothing");
    }
    if (c->until_ms != 0 && c->status == PLAYER_ACTIVE) {
        return fault_set(fault, "command: until is for a player who is blocked or self_excluded");
    }
    for (i = 0; i < c->n_limits; i++) {
        for (j = 0; j < i; j++) {
            if (same_limit(&c->limits[i], &c->limits[j])) {
                return fault_set(fault, "command: limits name the same limit twice");
            }
        }
    }
    return check_sets(c, keys, SET_STATUS | SET_REMINDER, fault);
}

static int check_item(const struct command *c, uint8_t i, struct fault *fault)
{
    struct command item;
    uint8_t j;

    command_of_item(c, i, &item);
    if (item.type != COMMAND_BET && item.type != COMMAND_WIN && item.type != COMMAND_ROLLBACK &&
        item.type != COMMAND_ADJUST) {
        return fault_set(fault, "command: items hold a type that can't be one");
    }
    if (command_check_shape(&item, fields_present(&item, command_fields, command_always(&item)),
                            fault) != 0) {
        return -1;
    }
    for (j = 0; j < i; j++) {
        if (slice_equal(c->items[i].id, c->items[j].id)) {
            return fault_set(fault, "command: items hold the same id twice");
        }
    }
    return 0;
}

static int check_atomic(const struct command *c, struct fault *fault)
{
    uint8_t i;

    if (c->close_round && c->round.len == 0) {
        return fault_set(fault, "command: close_round needs a round");
    }
    for (i = 0; i < c->n_items; i++) {
        if (check_item(c, i, fault) != 0) {
            return -1;
        }
    }
    return 0;
}

static int check_type(const struct command *c, uint64_t keys, struct fault *fault)
{
    const uint32_t policy =
        SET_DISABLED | SET_SHORTFALL | SET_RATE | SET_IP_ALLOW | SET_CURRENCIES | SET_IDS_SCOPE;
    bool principal = c->type == COMMAND_PRINCIPAL_CREATE || c->type == COMMAND_PRINCIPAL_UPDATE;

    if (c->type == COMMAND_CURRENCY_CREATE && c->name.len > CURRENCY_CODE_MAX) {
        return fault_set(fault, "command: a currency's name has over %d characters",
                         CURRENCY_CODE_MAX);
    }
    if (principal && c->role != ROLE_PROVIDER && c->role != ROLE_GATEWAY) {
        return fault_set(fault, "command: only a provider or a gateway is managed by itself");
    }
    switch (c->type) {
    case COMMAND_KEY_CREATE:
        return check_key(c, fault);
    case COMMAND_PRINCIPAL_UPDATE:
        return check_sets(c, keys, policy, fault);
    case COMMAND_PLAYER_UPDATE:
        return check_player_update(c, keys, fault);
    case COMMAND_ATOMIC:
        return check_atomic(c, fault);
    case COMMAND_ACTION:
        return note_valid(c->note)
                   ? 0
                   : fault_set(fault, "command: a note holds more than printable ASCII");
    default:
        return 0;
    }
}

int command_check_shape(const struct command *c, uint64_t keys, struct fault *fault)
{
    const struct shape *shape = shape_of(c->type);
    uint64_t wrong;

    if (shape == NULL) {
        return fault_set(fault, "command: type %u is unknown", (unsigned)c->type);
    }
    wrong = shape->needs & ~keys;
    if (wrong != 0) {
        return fault_set(fault, "command: a %s lacks its %s", command_type_name(c->type),
                         command_fields[__builtin_ctzll(wrong)].name);
    }
    wrong = keys & ~(shape->needs | shape->may_have);
    if (wrong != 0) {
        return fault_set(fault, "command: a %s has no %s", command_type_name(c->type),
                         command_fields[__builtin_ctzll(wrong)].name);
    }
    return check_type(c, keys, fault);
}

int command_check(const struct command *c, struct fault *fault)
{
    uint64_t keys = fields_present(c, command_fields, command_always(c));

    if (c->type == COMMAND_ADJUST) {
        return fault_set(fault, "command: this type comes in a transaction only");
    }
    return fields_check(c, command_fields, keys, fault) != 0 ? -1
                                                             : command_check_shape(c, keys, fault);
}

void command_of_item(const struct command *c, unsigned i, struct command *item)
{
    const struct command_item *from = &c->items[i];

    command_init(item);
    item->type = from->type;
    item->origin = c->origin;
    item->principal = c->principal;
    item->id = from->id;
    item->player = c->player;
    item->currency = c->currency;
    item->amount = from->amount;
    item->negative = from->negative;
    item->round = c->round;
    item->game = c->game;
    item->session = c->session;
    item->bet = from->bet;
    item->original = from->original;
    item->win_kind = from->win_kind;
}
