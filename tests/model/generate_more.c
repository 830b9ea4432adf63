/* Atomic commands, withdrawals, rounds, sessions, and what is updated. */
#include "tests/model/generate.h"

static void adjust(struct generator *g, struct command *c)
{
    c->id = generator_id(g);
    c->amount = generator_amount(g);
    c->negative = generator_percent(g, 50);
}

/* True when an item of this call has the id already. */
static bool taken(const struct command *c, struct slice id)
{
    unsigned i;

    for (i = 0; i < c->n_items; i++) {
        if (slice_equal(c->items[i].id, id)) {
            return true;
        }
    }
    return false;
}

static void add_item(struct generator *g, struct command *c)
{
    static const enum command_type types[] = {COMMAND_BET, COMMAND_BET,      COMMAND_WIN,
                                              COMMAND_WIN, COMMAND_ROLLBACK, COMMAND_ADJUST};
    struct command one;
    struct command_item *item = &c->items[c->n_items];

    command_init(&one);
    one.type = types[chance_below(&g->chance, sizeof types / sizeof *types)];
    if (one.type == COMMAND_ADJUST) {
        adjust(g, &one);
    } else if (one.type == COMMAND_ROLLBACK) {
        generator_rollback(g, &one);
        if (c->n_items > 0 && generator_percent(g, 30)) { /* of an item of the same call */
            one.original = c->items[chance_below(&g->chance, c->n_items)].id;
        }
    } else {
        generator_stake(g, &one);
    }
    if (taken(c, one.id)) {
        return;
    }
    *item = (struct command_item){
        .type = one.type,
        .win_kind = one.win_kind,
        .id = one.id,
        .bet = one.bet,
        .original = one.original,
        .amount = one.amount,
        .negative = one.negative,
    };
    c->n_items++;
}

void generator_atomic(struct generator *g, struct command *c)
{
    unsigned n = generator_percent(g, 1) ? ITEMS_MAX : 1 + chance_below(&g->chance, 5);
    unsigned tries;
    struct command common;
    const struct command *place = &common;

    /* Who, where, in what round: as any bet, and often as a recent one, whose money is rolled back
     * by items. */
    command_init(&common);
    common.type = COMMAND_BET;
    generator_stake(g, &common);
    if (generator_percent(g, 40)) {
        const struct command *earlier = generator_earlier(g, COMMAND_BET);

        place = earlier == NULL ? place : earlier;
    }
    c->principal = place->principal;
    c->id = generator_percent(g, 95) ? common.id : slice_of("");
    c->player = place->player;
    c->currency = place->currency;
    c->round = place->round;
    c->game = place->game;
    c->session = place->session;
    for (tries = 0; c->n_items < n && tries < 2 * n + 10; tries++) {
        add_item(g, c);
    }
    c->close_round = c->round.len > 0 && generator_percent(g, 30);
}

void generator_withdraw(struct generator *g, struct command *c)
{
    static const uint32_t lives_s[] = {0, 1, 60, 3600, 86400, HOLD_EXPIRES_S_MAX};

    c->gateway = generator_gateway(g);
    c->principal = generator_percent(g, 50) ? c->gateway : slice_of("shop");
    c->id = generator_id(g);
    c->player = generator_player(g);
    c->currency = generator_currency(g);
    c->amount = generator_amount(g);
    if (generator_percent(g, 50)) { /* many small ones fit */
        c->amount = (struct decimal){1, 0};
    }
    c->expires_s = g->hoards ? HOLD_EXPIRES_S_MAX : lives_s[chance_below(&g->chance, 6)];
    generator_instant(g, 1000 * (uint64_t)c->expires_s);
}

void generator_end_hold(struct generator *g, struct command *c)
{
    const struct command *hold = generator_earlier(g, COMMAND_WITHDRAW);

    c->principal = slice_of("shop");
    c->original = generator_id(g);
    if (hold != NULL && generator_percent(g, 95)) {
        c->principal = hold->principal;
        c->original = hold->id;
        if (generator_percent(g, 60)) {
            c->player = generator_percent(g, 90) ? hold->player : generator_player(g);
        }
    }
    if (c->type == COMMAND_WITHDRAW_CONFIRM && generator_percent(g, 50)) {
        c->amount = generator_amount(g);
        if (hold != NULL && generator_percent(g, 50)) {
            c->amount = hold->amount;
        }
    }
}

void generator_round_close(struct generator *g, struct command *c)
{
    const struct command *bet = generator_earlier(g, COMMAND_BET);

    c->principal = generator_provider(g);
    c->id = generator_id(g);
    c->player = generator_player(g);
    c->round = generator_round(g);
    if (bet != NULL && bet->round.len > 0 && generator_percent(g, 80)) {
        c->principal = bet->principal;
        c->player = bet->player;
        c->round = bet->round;
    }
}

/* --- sessions --- */

static uint32_t ttl_s(struct generator *g)
{
    static const uint32_t lives_s[] = {1, 30, 3600, 43200, SESSION_TTL_S_MAX};

    uint32_t ttl = lives_s[chance_below(&g->chance, 5)];

    generator_instant(g, 1000 * (uint64_t)ttl);
    return ttl;
}

void generator_session_open(struct generator *g, struct command *c)
{
    const struct command *parent = generator_earlier(g, COMMAND_SESSION_OPEN);

    c->name =
        generator_percent(g, 90) ? generator_text(g, "new%zu", g->n_made) : generator_session(g);
    c->player = generator_player(g);
    if (generator_percent(g, 80)) {
        c->principal = generator_provider(g);
        c->game = generator_game(g);
    }
    if (parent != NULL && (parent->principal.len == 0 || generator_percent(g, 3))) {
        c->parent_hash = parent->token_hash;
        c->player = generator_percent(g, 95) ? parent->player : c->player;
    }
    c->token_hash = generator_token(g);
    c->ttl_s = ttl_s(g);
    c->reminder_s = generator_percent(g, 20) ? 600 : 0;
}

void generator_session_use(struct generator *g, struct command *c)
{
    const struct command *open = generator_earlier(
        g, generator_percent(g, 85) ? COMMAND_SESSION_OPEN : COMMAND_SESSION_ROTATE);

    c->name = open != NULL && generator_percent(g, 90) ? open->name : generator_session(g);
    if (c->type == COMMAND_SESSION_ROTATE) {
        c->token_hash = generator_token(g);
        c->ttl_s = generator_percent(g, 50) ? ttl_s(g) : 0;
    } else if (c->type == COMMAND_SESSION_AUTHENTICATE) {
        c->name = (struct slice){0};
        c->token_hash = open != NULL ? open->token_hash : generator_token(g);
        c->principal = open != NULL && open->principal.len > 0 && generator_percent(g, 90)
                           ? open->principal
                           : generator_provider(g);
    }
}

/* --- updates --- */

/* True when one of the changes is to the same limit. */
static bool changed(const struct command *c, const struct limit_change *change)
{
    unsigned i;

    for (i = 0; i < c->n_limits; i++) {
        if (c->limits[i].kind == change->kind && c->limits[i].period == change->period &&
            slice_equal(c->limits[i].currency, change->currency)) {
            return true;
        }
    }
    return false;
}

static void change_limits(struct generator *g, struct command *c)
{
    unsigned n = 1 + chance_below(&g->chance, 4), i;

    generator_instant(g, COOLING_OFF_MS);
    for (i = 0; i < n; i++) {
        struct limit_change change = {
            .kind = (enum limit_kind)chance_below(&g->chance, LIMIT_KINDS),
            .period = (enum limit_period)chance_below(&g->chance, LIMIT_PERIODS),
            .currency = generator_currency(g),
            .none = generator_percent(g, 15),
        };
        if (!change.none) {
            change.amount.digits = (int64_t)chance_below(&g->chance, 8) * 100;
            if (generator_percent(g, 5)) {
                change.amount = generator_amount(g);
            }
        }
        if (!changed(c, &change)) {
            c->limits[c->n_limits++] = change;
        }
    }
}

void generator_player_update(struct generator *g, struct command *c)
{
    c->player = generator_player(g);
    if (generator_percent(g, 40)) {
        c->sets |= SET_STATUS;
        c->status = generator_percent(g, 50) ? PLAYER_ACTIVE
                                             : (enum player_status)chance_below(&g->chance, 3);
        if (c->status != PLAYER_ACTIVE && generator_percent(g, 90)) {
            uint64_t after_ms = chance_below(&g->chance, 86400 * 1000u);

            c->until_ms = g->time_ms + after_ms;
            generator_instant(g, after_ms);
        }
    }
    if (generator_percent(g, 10)) {
        c->sets |= SET_REMINDER;
        c->reminder_s = chance_below(&g->chance, 2) * 1800;
    }
    if (c->sets == 0 || generator_percent(g, 40)) {
        change_limits(g, c);
    }
}

static void update_principal(struct generator *g, struct command *c)
{
    unsigned i, n;

    c->role = generator_percent(g, 60) ? ROLE_PROVIDER : ROLE_GATEWAY;
    c->name = c->role == ROLE_PROVIDER ? generator_provider(g) : generator_gateway(g);
    c->sets = (uint32_t)SET_DISABLED << chance_below(&g->chance, 6);
    if (generator_percent(g, 30)) {
        c->sets |= (uint32_t)SET_DISABLED << chance_below(&g->chance, 6);
    }
    c->disabled = (c->sets & SET_DISABLED) && generator_percent(g, 50);
    if (c->sets & SET_SHORTFALL) {
        c->shortfall = generator_percent(g, 50) ? SHORTFALL_REJECT : SHORTFALL_CLAMP;
    }
    if (c->sets & SET_IDS_SCOPE) {
        c->ids_scope = generator_ids_scope(g);
    }
    if (c->sets & SET_RATE) {
        c->rate_per_s = chance_below(&g->chance, 100);
    }
    if (c->sets & SET_IP_ALLOW) {
        n = chance_below(&g->chance, 4);
        for (i = 0; i < n; i++) {
            c->ip_allow[c->n_ip_allow++] =
                generator_text(g, "10.0.%u.0/24", chance_below(&g->chance, 256));
        }
    }
    if ((c->sets & SET_CURRENCIES) && generator_percent(g, 40)) {
        c->currencies[c->n_currencies++] = generator_currency(g);
    }
}

void generator_update(struct generator *g, struct command *c)
{
    switch (c->type) {
    case COMMAND_PRINCIPAL_UPDATE:
        update_principal(g, c);
        break;
    case COMMAND_KEY_UPDATE:
        c->name = slice_of(generator_percent(g, 90) ? "key" : "lost");
        c->disabled = generator_percent(g, 50);
        break;
    default:
        c->player = generator_player(g);
        c->password_hash = generator_text(g, "$argon2id$%u", chance_below(&g->chance, 1000));
    }
}
