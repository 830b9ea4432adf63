/* Single transactions: one request, one command, one answer. */
#include "api/commands.h"
#include "api/handlers.h"
#include "api/render.h"

static int run(struct exchange *x, enum command_type type)
{
    struct command c;
    struct outcome outcome;
    struct ticket *held;

    if (commands_read_money(x->json, type, false, &x->who, &c, &x->problem) != 0 ||
        commands_run(x, &c, &held, &outcome) != 0) {
        return -1;
    }
    writer_open_map(&x->w);
    render_transaction(&x->w, &outcome.record, outcome.replayed, outcome.balance_now_minor);
    writer_close_map(&x->w);
    ticket_release(held);
    return 0;
}

int handle_bet(struct exchange *x)
{
    return run(x, COMMAND_BET);
}

int handle_win(struct exchange *x)
{
    return run(x, COMMAND_WIN);
}

int handle_rollback(struct exchange *x)
{
    return run(x, COMMAND_ROLLBACK);
}

int handle_deposit(struct exchange *x)
{
    return run(x, COMMAND_DEPOSIT);
}
