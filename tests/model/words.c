/* Commands, outcomes and records in words. */
#include <inttypes.h>

#include "tests/model/compare.h"

static void say(FILE *out, const char *before, struct slice text)
{
    if (text.len > 0) {
        fprintf(out, "%s%.*s", before, (int)text.len, text.base);
    }
}

static void say_amount(FILE *out, struct decimal d)
{
    char text[AMOUNT_TEXT_MAX];

    money_format(d.digits, d.after_point, text);
    fprintf(out, " %s", text);
}

static void say_creation(FILE *out, const struct command *c)
{
    int i;

    switch (c->type) {
    case COMMAND_CURRENCY_CREATE:
        fprintf(out, "currency %.*s %u", (int)c->name.len, c->name.base, c->scale);
        break;
    case COMMAND_PRINCIPAL_CREATE:
        fprintf(out, "%s %.*s", role_name(c->role), (int)c->name.len, c->name.base);
        break;
    case COMMAND_KEY_CREATE:
        fprintf(out, "key %.*s %s", (int)c->name.len, c->name.base, role_name(c->role));
        say(out, " ", c->principal);
        break;
    default:
        say(out, "player ", c->player);
        for (i = 0; i < c->n_currencies; i++) {
            say(out, " ", c->currencies[i]);
        }
    }
}

void say_command(FILE *out, const struct command *c)
{
    switch (c->type) {
    case COMMAND_BET:
    case COMMAND_WIN:
    case COMMAND_ROLLBACK:
    case COMMAND_DEPOSIT:
        fprintf(out, "%s", command_type_name(c->type));
        say(out, " ", c->id);
        if (c->type != COMMAND_DEPOSIT) {
            say(out, " ", c->principal);
        }
        say(out, " ", c->player);
        say(out, " ", c->currency);
        if (c->type != COMMAND_ROLLBACK) {
            say_amount(out, c->amount);
        }
        say(out, " of ", c->original);
        say(out, " via ", c->gateway);
        if (c->type == COMMAND_DEPOSIT) {
            say(out, " by ", c->principal);
        }
        say(out, " round ", c->round);
        say(out, " game ", c->game);
        say(out, " session ", c->session);
        say(out, " bet ", c->bet);
        if (c->win_kind != WIN_PLAIN) {
            fprintf(out, " kind %s", win_kind_name(c->win_kind));
        }
        break;
    default:
        say_creation(out, c);
    }
    fprintf(out, "   # origin %" PRIu64 "\n", c->origin);
}

static void say_account(FILE *out, const char *before, struct account a)
{
    char text[ACCOUNT_TEXT_MAX];

    account_format(a, text);
    fprintf(out, "%s%s", before, text);
}

void say_record(FILE *out, const struct record *r)
{
    int i;

    fprintf(out,
            "seq %" PRIu64 " at %" PRIu64 " %s %s kind %d scale %u amount %" PRId64
            " requested %" PRId64 " balance %" PRId64 " previous %" PRIu64,
            r->seq, r->at_ms, command_type_name(r->type), verdict_code(r->verdict),
            (int)r->win_kind, r->scale, r->amount_minor, r->requested_minor, r->balance_minor,
            r->previous);
    say(out, " principal ", r->principal);
    say(out, " id ", r->id);
    say(out, " player ", r->player);
    say(out, " currency ", r->currency);
    say(out, " round ", r->round);
    say(out, " game ", r->game);
    say(out, " session ", r->session);
    say(out, " bet ", r->bet);
    say(out, " original ", r->original);
    say(out, " gateway ", r->gateway);
    say_account(out, " debit ", r->debit);
    say_account(out, " credit ", r->credit);
    for (i = 0; i < r->n_postings; i++) {
        const struct posting *p = &r->postings[i];

        say_account(out, " [", p->debit);
        say_account(out, " > ", p->credit);
        fprintf(out, " %" PRId64 ", then %" PRId64 " and %" PRId64 "]", p->amount_minor,
                p->debit_balance_minor, p->credit_balance_minor);
    }
    fprintf(out, " hash %02x%02x%02x%02x", r->hash[0], r->hash[1], r->hash[2], r->hash[3]);
}

void say_outcome(FILE *out, const struct outcome *o)
{
    int i;

    fprintf(out, "%s%s at %" PRIu64, verdict_code(o->verdict), o->replayed ? " replayed" : "",
            o->at_ms);
    for (i = 0; i < CONFLICT_FIELDS; i++) {
        if (o->conflicts & 1u << i) {
            fprintf(out, " differs:%s", conflict_field_name(i));
        }
    }
    if (o->has_record) {
        fprintf(out, " now %" PRId64 "\n      ", o->balance_now_minor);
        say_record(out, &o->record);
    }
    fprintf(out, "\n");
}
