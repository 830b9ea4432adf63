/* An earlier command with something changed: an id that is used for something else. */
#include "tests/model/generate.h"

static void alter_amount(struct generator *g, struct decimal *amount)
{
    if (generator_percent(g, 40)) {
        *amount = generator_amount(g);
    } else if (amount->after_point < SCALE_MAX && amount->digits < INT64_MAX / 10) {
        /* The same amount, written in another way. */
        amount->digits *= 10;
        amount->after_point++;
    }
}

static void alter_stake(struct generator *g, struct command *c)
{
    bool win = c->type == COMMAND_WIN;

    switch (chance_below(&g->chance, 7)) {
    case 0:
        c->round = generator_round(g);
        break;
    case 1:
        c->game = generator_game(g);
        break;
    case 2:
        c->session = generator_session(g);
        break;
    case 3:
        c->win_kind = win ? (enum win_kind)chance_below(&g->chance, 4) : WIN_PLAIN;
        break;
    case 4:
        c->bet = win ? generator_id(g) : c->bet;
        break;
    case 5: /* a bet becomes a win; a win, a bet */
        c->type = win ? COMMAND_BET : COMMAND_WIN;
        c->bet = (struct slice){0};
        c->win_kind = WIN_PLAIN;
        break;
    default:
        alter_amount(g, &c->amount);
    }
}

static void alter_atomic(struct generator *g, struct command *c)
{
    struct command_item *item = &c->items[chance_below(&g->chance, c->n_items)], first;

    switch (chance_below(&g->chance, 8)) {
    case 0:
        c->round = generator_round(g);
        break;
    case 1:
        c->game = generator_game(g);
        break;
    case 2:
        c->id = generator_id(g);
        break;
    case 3:
        if (c->n_items > 1) {
            c->n_items--;
        }
        break;
    case 4:
        if (item->type == COMMAND_ADJUST) {
            item->negative = !item->negative;
        }
        break;
    case 6: /* the same, in another order */
        first = c->items[0];
        c->items[0] = *item;
        *item = first;
        break;
    case 5:
        if (item->type == COMMAND_ROLLBACK) {
            item->original = generator_id(g);
        } else {
            item->id = generator_text(g, "u%u", chance_below(&g->chance, 100000));
        }
        break;
    default:
        if (item->type != COMMAND_ROLLBACK) {
            alter_amount(g, &item->amount);
        }
    }
}

static void alter_once(struct generator *g, struct command *c)
{
    if (c->type != COMMAND_WITHDRAW_CONFIRM && c->type != COMMAND_WITHDRAW_CANCEL &&
        generator_percent(g, 15)) {
        c->player = generator_player(g);
        return;
    }
    switch (c->type) {
    case COMMAND_BET:
    case COMMAND_WIN:
        alter_stake(g, c);
        break;
    case COMMAND_ROLLBACK:
        c->original = generator_id(g);
        break;
    case COMMAND_DEPOSIT:
    case COMMAND_WITHDRAW:
        if (generator_percent(g, 50)) {
            c->gateway = generator_gateway(g);
        } else {
            alter_amount(g, &c->amount);
        }
        break;
    case COMMAND_WITHDRAW_CONFIRM:
        c->amount = generator_amount(g);
        break;
    case COMMAND_ROUND_CLOSE:
        c->round = generator_round(g);
        break;
    default:
        alter_atomic(g, c);
    }
}

void generator_alter(struct generator *g, struct command *c)
{
    if (c->type > COMMAND_ATOMIC || c->type == COMMAND_WITHDRAW_CANCEL) {
        return;
    }
    if (c->type != COMMAND_WITHDRAW_CONFIRM && c->type != COMMAND_ROUND_CLOSE &&
        generator_percent(g, 10)) {
        c->currency = generator_currency(g);
        return;
    }
    alter_once(g, c);
    if (generator_percent(g, 30)) {
        alter_once(g, c);
    }
}
