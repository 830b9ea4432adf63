/* One request, one command, one answer: single transactions, atomic ones, withdrawals. */
#include "api/commands.h"
#include "api/handlers.h"

/* Applies the command and answers what it made. */
static int run(struct exchange *x, struct command *c)
{
    struct outcome outcome;
    struct ticket *held;
    int result;

    if (commands_run(x, c, &held, &outcome) != 0) {
        return -1;
    }
    writer_open_map(&x->w);
    result = commands_render(&x->w, &outcome, &x->problem);
    writer_close_map(&x->w);
    ticket_release(held);
    return result;
}

static int read_and_run(struct exchange *x, enum command_type type)
{
    struct command c;

    if (commands_read_money(x->tree.root, type, false, &x->who, &c, &x->problem) != 0) {
        return -1;
    }
    return run(x, &c);
}

int handle_bet(struct exchange *x)
{
    return read_and_run(x, COMMAND_BET);
}

int handle_win(struct exchange *x)
{
    return read_and_run(x, COMMAND_WIN);
}

int handle_rollback(struct exchange *x)
{
    return read_and_run(x, COMMAND_ROLLBACK);
}

int handle_deposit(struct exchange *x)
{
    return read_and_run(x, COMMAND_DEPOSIT);
}

int handle_atomic(struct exchange *x)
{
    return read_and_run(x, COMMAND_ATOMIC);
}

int handle_withdraw(struct exchange *x)
{
    return read_and_run(x, COMMAND_WITHDRAW);
}

/* How a withdrawal ends; its id is in the path. */
static int end_withdrawal(struct exchange *x, enum command_type type)
{
    static const struct field fields[] = {
        {"player", FIELD_ID, offsetof(struct command, player), false},
        {"amount", FIELD_AMOUNT, offsetof(struct command, amount), false}, /* of a confirmation */
    };
    size_t n = type == COMMAND_WITHDRAW_CONFIRM ? 2 : 1;
    struct command c;

    command_init(&c);
    c.type = type;
    c.principal = slice_of(x->who.name);
    c.original = slice_of(x->ids[0]);
    if ((x->tree.root != NULL && fields_read(x->tree.root, fields, n, &c, &x->problem) != 0) ||
        exchange_check_player(x, c.player) != 0) {
        return -1;
    }
    return run(x, &c);
}

int handle_withdraw_confirm(struct exchange *x)
{
    return end_withdrawal(x, COMMAND_WITHDRAW_CONFIRM);
}

int handle_withdraw_cancel(struct exchange *x)
{
    return end_withdrawal(x, COMMAND_WITHDRAW_CANCEL);
}

int handle_round_close(struct exchange *x)
{
    static const struct field fields[] = {
        {"id", FIELD_ID, offsetof(struct command, id), true},
        {"player", FIELD_ID, offsetof(struct command, player), true},
    };
    struct command c;

    command_init(&c);
    c.type = COMMAND_ROUND_CLOSE;
    c.principal = slice_of(x->who.name);
    c.round = slice_of(x->ids[0]);
    if (fields_read(x->tree.root, fields, 2, &c, &x->problem) != 0) {
        return -1;
    }
    return run(x, &c);
}
