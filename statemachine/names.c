/* The names of command types, win kinds and roles, both ways. */
#include "statemachine/command.h"

const char *command_type_name(enum command_type type)
{
    switch (type) {
    case COMMAND_BET:
        return "bet";
    case COMMAND_WIN:
        return "win";
    case COMMAND_ROLLBACK:
        return "rollback";
    case COMMAND_DEPOSIT:
        return "deposit";
    case COMMAND_CURRENCY_CREATE:
        return "currency_create";
    case COMMAND_PRINCIPAL_CREATE:
        return "principal_create";
    case COMMAND_KEY_CREATE:
        return "key_create";
    case COMMAND_PLAYER_CREATE:
        return "player_create";
    }
    return "unknown";
}

const char *win_kind_name(enum win_kind kind)
{
    switch (kind) {
    case WIN_PLAIN:
        return "win";
    case WIN_JACKPOT:
        return "jackpot";
    case WIN_PROMO:
        return "promo";
    case WIN_FREESPIN:
        return "freespin";
    }
    return "unknown";
}

const char *role_name(enum role role)
{
    switch (role) {
    case ROLE_NONE:
        return "none";
    case ROLE_PROVIDER:
        return "provider";
    case ROLE_GATEWAY:
        return "gateway";
    case ROLE_PLATFORM:
        return "platform";
    case ROLE_OPERATOR:
        return "operator";
    case ROLE_AUDITOR:
        return "auditor";
    }
    return "unknown";
}

int role_parse(struct slice text, enum role *role)
{
    enum role r;

    for (r = ROLE_PROVIDER; r <= ROLE_AUDITOR; r++) {
        if (slice_is(text, role_name(r))) {
            *role = r;
            return 0;
        }
    }
    return -1;
}

int win_kind_parse(struct slice text, enum win_kind *kind)
{
    enum win_kind k;

    for (k = WIN_PLAIN; k <= WIN_FREESPIN; k++) {
        if (slice_is(text, win_kind_name(k))) {
            *kind = k;
            return 0;
        }
    }
    return -1;
}
