/* The names of command types and of what commands hold, both ways. */
#include "statemachine/command.h"

static const char *const command_types[] = {
    [COMMAND_BET] = "bet",
    [COMMAND_WIN] = "win",
    [COMMAND_ROLLBACK] = "rollback",
    [COMMAND_DEPOSIT] = "deposit",
    [COMMAND_ADJUST] = "adjust",
    [COMMAND_WITHDRAW] = "withdrawal",
    [COMMAND_WITHDRAW_CONFIRM] = "withdrawal_confirm",
    [COMMAND_WITHDRAW_CANCEL] = "withdrawal_cancel",
    [COMMAND_ROUND_CLOSE] = "round_close",
    [COMMAND_ATOMIC] = "atomic",
    [COMMAND_CURRENCY_CREATE] = "currency_create",
    [COMMAND_PRINCIPAL_CREATE] = "principal_create",
    [COMMAND_KEY_CREATE] = "key_create",
    [COMMAND_PLAYER_CREATE] = "player_create",
    [COMMAND_PLAYER_UPDATE] = "player_update",
    [COMMAND_SESSION_OPEN] = "session_open",
    [COMMAND_SESSION_CLOSE] = "session_close",
    [COMMAND_SESSION_ROTATE] = "session_rotate",
    [COMMAND_SESSION_AUTHENTICATE] = "session_authenticate",
    [COMMAND_PASSWORD_SET] = "password_set",
    [COMMAND_PRINCIPAL_UPDATE] = "principal_update",
    [COMMAND_KEY_UPDATE] = "key_update",
    [COMMAND_ACTION] = "action",
};
static const char *const win_kinds[] = {"win", "jackpot", "promo", "freespin"};
static const char *const roles[] = {"none",     "provider", "gateway",
                                    "platform", "operator", "auditor"};
static const char *const key_kinds[] = {"bearer", "hmac"};
static const char *const player_statuses[] = {"active", "blocked", "self_excluded"};
static const char *const shortfalls[] = {"clamp", "reject"};
static const char *const ids_scopes[] = {"provider", "player"};
static const char *const limit_kinds[] = {"deposit", "stake", "loss"};
static const char *const limit_periods[] = {"day", "week", "month"};

#define COUNT(names) (sizeof(names) / sizeof *(names))

static const char *name_of(const char *const *names, size_t n, unsigned value)
{
    return value < n && names[value] != NULL ? names[value] : "unknown";
}

/* The place of a name from `first` on, or -1. */
static int place_of(const char *const *names, size_t n, unsigned first, struct slice text)
{
    size_t i;

    for (i = first; i < n; i++) {
        if (slice_is(text, names[i])) {
            return (int)i;
        }
    }
    return -1;
}

const char *command_type_name(enum command_type type)
{
    return name_of(command_types, COUNT(command_types), type);
}

const char *win_kind_name(enum win_kind kind)
{
    return name_of(win_kinds, COUNT(win_kinds), kind);
}

int win_kind_parse(struct slice text, enum win_kind *kind)
{
    int place = place_of(win_kinds, COUNT(win_kinds), 0, text);

    if (place < 0) {
        return -1;
    }
    *kind = (enum win_kind)place;
    return 0;
}

const char *role_name(enum role role)
{
    return name_of(roles, COUNT(roles), role);
}

int role_parse(struct slice text, enum role *role)
{
    int place = place_of(roles, COUNT(roles), 1, text);

    if (place < 0) {
        return -1;
    }
    *role = (enum role)place;
    return 0;
}

const char *key_kind_name(enum key_kind kind)
{
    return name_of(key_kinds, COUNT(key_kinds), kind);
}

int key_kind_parse(struct slice text, enum key_kind *kind)
{
    int place = place_of(key_kinds, COUNT(key_kinds), 0, text);

    if (place < 0) {
        return -1;
    }
    *kind = (enum key_kind)place;
    return 0;
}

const char *player_status_name(enum player_status status)
{
    return name_of(player_statuses, COUNT(player_statuses), status);
}

int player_status_parse(struct slice text, enum player_status *status)
{
    int place = place_of(player_statuses, COUNT(player_statuses), 0, text);

    if (place < 0) {
        return -1;
    }
    *status = (enum player_status)place;
    return 0;
}

const char *shortfall_name(enum shortfall shortfall)
{
    return name_of(shortfalls, COUNT(shortfalls), shortfall);
}

int shortfall_parse(struct slice text, enum shortfall *shortfall)
{
    int place = place_of(shortfalls, COUNT(shortfalls), 0, text);

    if (place < 0) {
        return -1;
    }
    *shortfall = (enum shortfall)place;
    return 0;
}

const char *ids_scope_name(enum ids_scope scope)
{
    return name_of(ids_scopes, COUNT(ids_scopes), scope);
}

int ids_scope_parse(struct slice text, enum ids_scope *scope)
{
    int place = place_of(ids_scopes, COUNT(ids_scopes), 0, text);

    if (place < 0) {
        return -1;
    }
    *scope = (enum ids_scope)place;
    return 0;
}

const char *limit_kind_name(enum limit_kind kind)
{
    return name_of(limit_kinds, COUNT(limit_kinds), kind);
}

int limit_kind_parse(struct slice text, enum limit_kind *kind)
{
    int place = place_of(limit_kinds, COUNT(limit_kinds), 0, text);

    if (place < 0) {
        return -1;
    }
    *kind = (enum limit_kind)place;
    return 0;
}

const char *limit_period_name(enum limit_period period)
{
    return name_of(limit_periods, COUNT(limit_periods), period);
}

int limit_period_parse(struct slice text, enum limit_period *period)
{
    int place = place_of(limit_periods, COUNT(limit_periods), 0, text);

    if (place < 0) {
        return -1;
    }
    *period = (enum limit_period)place;
    return 0;
}
