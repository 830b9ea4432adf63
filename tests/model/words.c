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
        fprintf(out, "%s %.*s ids %s", role_name(c->role), (int)c->name.len, c->name.base,
                ids_scope_name(c->ids_scope));
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

static void say_hash(FILE *out, const char *before, const uint8_t *hash)
{
    if (hash != NULL) {
        say(out, before, (struct slice){(const char *)hash + SECRET_HASH_BYTES - 6, 6});
    }
}

static void say_item(FILE *out, const struct command_item *item)
{
    fprintf(out, " | %s", command_type_name(item->type));
    say(out, " ", item->id);
    if (item->type != COMMAND_ROLLBACK) {
        fprintf(out, "%s", item->negative ? " minus" : "");
        say_amount(out, item->amount);
    }
    say(out, " of ", item->original);
    say(out, " bet ", item->bet);
    if (item->win_kind != WIN_PLAIN) {
        fprintf(out, " kind %s", win_kind_name(item->win_kind));
    }
}

static void say_money(FILE *out, const struct command *c)
{
    unsigned i;

    fprintf(out, "%s", command_type_name(c->type));
    say(out, " ", c->id);
    say(out, " by ", c->principal);
    say(out, " ", c->player);
    say(out, " ", c->currency);
    if (c->type != COMMAND_ROLLBACK && c->type != COMMAND_ATOMIC &&
        c->type != COMMAND_ROUND_CLOSE && c->type != COMMAND_WITHDRAW_CANCEL &&
        (c->type != COMMAND_WITHDRAW_CONFIRM || c->amount.digits != 0 ||
         c->amount.after_point != 0)) {
        say_amount(out, c->amount);
    }
    say(out, " of ", c->original);
    say(out, " via ", c->gateway);
    say(out, " round ", c->round);
    say(out, " game ", c->game);
    say(out, " session ", c->session);
    say(out, " bet ", c->bet);
    if (c->win_kind != WIN_PLAIN) {
        fprintf(out, " kind %s", win_kind_name(c->win_kind));
    }
    if (c->expires_s != 0) {
        fprintf(out, " expires %u s", c->expires_s);
    }
    for (i = 0; i < c->n_items; i++) {
        say_item(out, &c->items[i]);
    }
    fprintf(out, "%s%s", c->close_round ? " close" : "", c->dry_run ? " dry" : "");
}

static void say_update(FILE *out, const struct command *c)
{
    unsigned i;

    if (c->sets & SET_STATUS) {
        fprintf(out, " %s until %" PRIu64, player_status_name(c->status), c->until_ms);
    }
    if (c->sets & SET_REMINDER) {
        fprintf(out, " reminder %u s", c->reminder_s);
    }
    if (c->sets & SET_SHORTFALL) {
        fprintf(out, " shortfall %s", shortfall_name(c->shortfall));
    }
    if (c->sets & SET_IDS_SCOPE) {
        fprintf(out, " ids %s", ids_scope_name(c->ids_scope));
    }
    if (c->sets & SET_CURRENCIES) {
        fprintf(out, " currencies");
    }
    for (i = 0; i < c->n_currencies; i++) {
        say(out, " ", c->currencies[i]);
    }
    if (c->type == COMMAND_KEY_UPDATE || c->sets & SET_DISABLED) {
        fprintf(out, " %s", c->disabled ? "disabled" : "enabled");
    }
    for (i = 0; i < c->n_limits; i++) {
        const struct limit_change *l = &c->limits[i];

        fprintf(out, " limit %s %s", limit_kind_name(l->kind), limit_period_name(l->period));
        say(out, " ", l->currency);
        if (l->none) {
            fprintf(out, " none");
        } else {
            say_amount(out, l->amount);
        }
    }
}

void say_command(FILE *out, const struct command *c)
{
    if (c->type <= COMMAND_ATOMIC) {
        say_money(out, c);
    } else if (c->type <= COMMAND_PLAYER_CREATE) {
        say_creation(out, c);
    } else {
        fprintf(out, "%s", command_type_name(c->type));
        say(out, " ", c->name);
        say(out, " player ", c->player);
        say(out, " by ", c->principal);
        say(out, " game ", c->game);
        say_hash(out, " token ", c->token_hash);
        say_hash(out, " parent ", c->parent_hash);
        say(out, " password ", c->password_hash);
        say(out, " id ", c->id);
        say(out, " note ", c->note);
        if (c->ttl_s != 0) {
            fprintf(out, " ttl %u s", c->ttl_s);
        }
        say_update(out, c);
    }
    if (c->n_by > 0) {
        say(out, " actor ", c->by[0].principal);
    }
    fprintf(out, "   # origin %" PRIu64 "\n", c->origin);
}

static void say_account(FILE *out, const char *before, struct account a)
{
    char text[ACCOUNT_TEXT_MAX];

    account_format(a, text);
    fprintf(out, "%s%s", before, text);
}

static void say_record(FILE *out, const struct record *r)
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
    if (o->dry_run) {
        fprintf(out, " dry");
    }
    if (o->has_item) {
        fprintf(out, " at item %u", o->item);
    }
    if (o->has_session) {
        const struct session_info *s = &o->session;

        say(out, " session ", s->id);
        say(out, " player ", s->player);
        say(out, " provider ", s->provider);
        say(out, " game ", s->game);
        fprintf(out,
                " opened %" PRIu64 " expires %" PRIu64 " closed %" PRIu64 " authenticated %" PRIu64
                " reminder %u",
                s->opened_at_ms, s->expires_at_ms, s->closed_at_ms, s->authenticated_at_ms,
                s->reminder_s);
    }
    if (o->has_record) {
        fprintf(out, " now %" PRId64 "\n      ", o->balance_now_minor);
        say_record(out, &o->record);
    }
    fprintf(out, "\n");
}

void say_outcomes(FILE *out, const struct outcome *o, const struct outcome *items)
{
    struct outcome walk = *o, item;
    struct fault fault;
    unsigned i;

    say_outcome(out, o);
    for (i = 0; i < o->n_items; i++) {
        fprintf(out, "      %u: ", i);
        if (items != NULL) {
            say_outcome(out, &items[i]);
        } else if (outcome_next(&walk, &item, &fault) == 1) {
            say_outcome(out, &item);
        }
    }
}
