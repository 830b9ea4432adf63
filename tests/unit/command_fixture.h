/* A well-formed command of each type, with as much in it as there may be. */
#ifndef FLORIN_COMMAND_FIXTURE_H
#define FLORIN_COMMAND_FIXTURE_H

#include "statemachine/command.h"

static const uint8_t secret_hash[SECRET_HASH_BYTES] = {9, 8, 7, 0xc0, 0xff};

static inline struct command bet(void)
{
    return (struct command){
        .type = COMMAND_BET,
        .origin = UINT64_MAX,
        .principal = slice_of("demo"),
        .id = slice_of("b-1"),
        .player = slice_of("alice"),
        .currency = slice_of("EUR"),
        .amount = {1250, 2},
        .round = slice_of("r1"),
        .game = slice_of("g1"),
        .session = slice_of("s1"),
    };
}

static inline struct command win(void)
{
    struct command c = bet();

    c.type = COMMAND_WIN;
    c.amount = (struct decimal){0, 0};
    c.bet = slice_of("b-0");
    c.win_kind = WIN_FREESPIN;
    return c;
}

static inline struct command rollback(void)
{
    struct command c = bet();

    c.type = COMMAND_ROLLBACK;
    c.amount = (struct decimal){0, 0};
    c.original = slice_of("b-0");
    return c;
}

static inline struct command deposit(void)
{
    struct command c = bet();

    c.type = COMMAND_DEPOSIT;
    c.round = c.game = c.session = slice_of(NULL);
    c.gateway = slice_of("bank");
    return c;
}

static inline struct command currency(void)
{
    return (struct command){.type = COMMAND_CURRENCY_CREATE, .name = slice_of("EUR")};
}

static inline struct command principal(void)
{
    return (struct command){
        .type = COMMAND_PRINCIPAL_CREATE, .name = slice_of("demo"), .role = ROLE_PROVIDER};
}

static inline struct command key(void)
{
    return (struct command){.type = COMMAND_KEY_CREATE,
                            .name = slice_of("k1"),
                            .principal = slice_of("demo"),
                            .role = ROLE_PROVIDER,
                            .secret_hash = secret_hash};
}

static inline struct command player(void)
{
    struct command c = {.type = COMMAND_PLAYER_CREATE, .player = slice_of("alice")};
    int i;

    for (i = 0; i < CURRENCIES_PER_PLAYER; i++) {
        c.currencies[i] =
            slice_of("0123456789012345678901234567890123456789012345678901234567890123");
    }
    c.n_currencies = CURRENCIES_PER_PLAYER;
    return c;
}

/* Items of every type, as many as there may be, with the longest names. */
static inline struct command atomic(void)
{
    static char ids[ITEMS_MAX][ID_MAX];
    struct command c = {.type = COMMAND_ATOMIC,
                        .origin = 9,
                        .principal = slice_of("demo"),
                        .player = slice_of("alice"),
                        .currency = slice_of("EUR"),
                        .round = slice_of("r1"),
                        .id = slice_of("t1"),
                        .close_round = true,
                        .dry_run = true,
                        .n_items = ITEMS_MAX};
    uint8_t i;

    for (i = 0; i < ITEMS_MAX; i++) {
        struct command_item *item = &c.items[i];

        memset(ids[i], 'i', ID_MAX);
        ids[i][i] = '0';
        item->id = (struct slice){ids[i], ID_MAX};
        item->type = i % 4 == 0   ? COMMAND_BET
                     : i % 4 == 1 ? COMMAND_WIN
                     : i % 4 == 2 ? COMMAND_ROLLBACK
                                  : COMMAND_ADJUST;
        item->amount = (struct decimal){item->type == COMMAND_ROLLBACK ? 0 : INT64_MAX, 0};
        item->negative = item->type == COMMAND_ADJUST;
        if (item->type == COMMAND_ROLLBACK) {
            item->original = (struct slice){ids[0], ID_MAX};
        } else if (item->type == COMMAND_WIN) {
            item->bet = (struct slice){ids[0], ID_MAX};
            item->win_kind = WIN_PROMO;
        }
    }
    return c;
}

static inline struct command withdraw(void)
{
    struct command c = deposit();

    c.type = COMMAND_WITHDRAW;
    c.expires_s = 60;
    return c;
}

static inline struct command confirm(void)
{
    return (struct command){.type = COMMAND_WITHDRAW_CONFIRM,
                            .principal = slice_of("bank"),
                            .original = slice_of("x1"),
                            .amount = {5, 1}};
}

static inline struct command round_close(void)
{
    return (struct command){.type = COMMAND_ROUND_CLOSE,
                            .principal = slice_of("demo"),
                            .id = slice_of("x1"),
                            .player = slice_of("alice"),
                            .round = slice_of("r1")};
}

static inline struct command player_update(void)
{
    struct command c = {.type = COMMAND_PLAYER_UPDATE,
                        .player = slice_of("alice"),
                        .sets = SET_STATUS | SET_REMINDER,
                        .status = PLAYER_SELF_EXCLUDED,
                        .until_ms = 1700000000000,
                        .reminder_s = 60,
                        .n_limits = 3};

    c.limits[0] = (struct limit_change){.currency = slice_of("EUR"), .amount = {0, 0}};
    c.limits[1] = (struct limit_change){
        LIMIT_LOSS, PERIOD_MONTH, slice_of("EUR"), false, {INT64_MAX, SCALE_MAX}};
    c.limits[2] = (struct limit_change){LIMIT_STAKE, PERIOD_WEEK, slice_of("EUR"), true, {0, 0}};
    return c;
}

static inline struct command session_open(void)
{
    return (struct command){.type = COMMAND_SESSION_OPEN,
                            .name = slice_of("s1"),
                            .player = slice_of("alice"),
                            .principal = slice_of("demo"),
                            .game = slice_of("g1"),
                            .token_hash = secret_hash,
                            .parent_hash = secret_hash,
                            .ttl_s = SESSION_TTL_S_MAX,
                            .reminder_s = 1};
}

static inline struct command authenticate(void)
{
    return (struct command){.type = COMMAND_SESSION_AUTHENTICATE,
                            .principal = slice_of("demo"),
                            .token_hash = secret_hash};
}

static inline struct command password(void)
{
    return (struct command){.type = COMMAND_PASSWORD_SET,
                            .player = slice_of("alice"),
                            .password_hash = slice_of("$argon2id$v=19$ and more")};
}

static inline struct command principal_update(void)
{
    struct command c = {.type = COMMAND_PRINCIPAL_UPDATE,
                        .name = slice_of("demo"),
                        .role = ROLE_PROVIDER,
                        .sets = SET_DISABLED | SET_SHORTFALL | SET_RATE | SET_IP_ALLOW |
                                SET_CURRENCIES | SET_IDS_SCOPE,
                        .disabled = true,
                        .shortfall = SHORTFALL_REJECT,
                        .ids_scope = IDS_PER_PLAYER,
                        .rate_per_s = RATE_PER_S_MAX,
                        .n_ip_allow = IP_ALLOW_MAX};
    int i;

    for (i = 0; i < IP_ALLOW_MAX; i++) {
        c.ip_allow[i] = slice_of("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128");
    }
    return c;
}

static inline struct command key_update(void)
{
    return (struct command){.type = COMMAND_KEY_UPDATE, .name = slice_of("k1")};
}

static inline struct command hmac_key(void)
{
    struct command c = key();

    c.secret_hash = NULL;
    c.key_kind = KEY_HMAC;
    c.sealed = slice_of("sealed \x01\xff bytes");
    return c;
}

#endif
