/* Lines that change players, providers, gateways and keys. */

#include "tests/scenarios/run.h"

static bool enough(struct run *r, const struct words *w, int need)
{
    return w->n_command >= need || run_fail(r, "'%s' needs %d words", w->word[0], need);
}

/* state PLAYER active|blocked|self_excluded [for SECONDS]: from now on, by the machine's clock */
bool run_state(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 3)) {
        return false;
    }
    c->type = COMMAND_PLAYER_UPDATE;
    c->player = slice_of(w->word[1]);
    c->sets = SET_STATUS;
    if (w->n_command == 5) {
        c->until_ms = r->memory.time_ms + 1 + 1000 * strtoull(w->word[4], NULL, 10);
    }
    return player_status_parse(slice_of(w->word[2]), &c->status) == 0 ||
           run_fail(r, "'%s' is no state", w->word[2]);
}

/* remind PLAYER SECONDS */
bool run_remind(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 3)) {
        return false;
    }
    c->type = COMMAND_PLAYER_UPDATE;
    c->player = slice_of(w->word[1]);
    c->sets = SET_REMINDER;
    c->reminder_s = (uint32_t)strtoul(w->word[2], NULL, 10);
    return true;
}

/* limit PLAYER KIND PERIOD CODE AMOUNT|none [; KIND PERIOD CODE AMOUNT ...] */
bool run_limit(struct run *r, struct words *w, struct command *c)
{
    int at;

    if (!enough(r, w, 6)) {
        return false;
    }
    c->type = COMMAND_PLAYER_UPDATE;
    c->player = slice_of(w->word[1]);
    for (at = 2; at + 3 < w->n_command && c->n_limits < LIMIT_CHANGES_MAX; at += 5) {
        struct limit_change *l = &c->limits[c->n_limits++];

        *l = (struct limit_change){.currency = slice_of(w->word[at + 2])};
        l->none = strcmp(w->word[at + 3], "none") == 0;
        if (limit_kind_parse(slice_of(w->word[at]), &l->kind) != 0 ||
            limit_period_parse(slice_of(w->word[at + 1]), &l->period) != 0) {
            return run_fail(r, "'%s %s' is no limit", w->word[at], w->word[at + 1]);
        }
        if (!l->none && !run_amount(r, w->word[at + 3], &l->amount)) {
            return false;
        }
    }
    return true;
}

/* password PLAYER HASH */
bool run_password(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 3)) {
        return false;
    }
    c->type = COMMAND_PASSWORD_SET;
    c->player = slice_of(w->word[1]);
    c->password_hash = slice_of(w->word[2]);
    return true;
}

/* `a,b,c` or `all`: the commas become the ends of words. */
static uint8_t split(char *text, struct slice *list, uint8_t most)
{
    char *save = NULL, *at;
    uint8_t n = 0;

    if (strcmp(text, "all") == 0) {
        return 0;
    }
    for (at = strtok_r(text, ",", &save); at != NULL && n < most; at = strtok_r(NULL, ",", &save)) {
        list[n++] = slice_of(at);
    }
    return n;
}

/* policy provider|gateway NAME [ids SCOPE] [shortfall S] [currencies A,B|all] [rate N] [from
 * CIDR,..|all] [disabled yes|no] */
bool run_policy(struct run *r, struct words *w, struct command *c)
{
    int at;

    if (!enough(r, w, 5) || role_parse(slice_of(w->word[1]), &c->role) != 0) {
        return run_fail(r, "a policy is: policy ROLE NAME WHAT HOW ...");
    }
    c->type = COMMAND_PRINCIPAL_UPDATE;
    c->name = slice_of(w->word[2]);
    if (w->n_command % 2 == 0) {
        return run_fail(r, "'%s' says nothing of how", w->word[w->n_command - 1]);
    }
    for (at = 3; at + 1 < w->n_command; at += 2) {
        const char *name = w->word[at], *value = w->word[at + 1];
        char *text = w->text + (value - w->text);
        bool known = true;

        if (strcmp(name, "shortfall") == 0) {
            c->sets |= SET_SHORTFALL;
            known = shortfall_parse(slice_of(value), &c->shortfall) == 0;
        } else if (strcmp(name, "ids") == 0) {
            c->sets |= SET_IDS_SCOPE;
            known = ids_scope_parse(slice_of(value), &c->ids_scope) == 0;
        } else if (strcmp(name, "rate") == 0) {
            c->sets |= SET_RATE;
            c->rate_per_s = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(name, "disabled") == 0) {
            c->sets |= SET_DISABLED;
            c->disabled = strcmp(value, "yes") == 0;
            known = c->disabled || strcmp(value, "no") == 0;
        } else if (strcmp(name, "currencies") == 0) {
            c->sets |= SET_CURRENCIES;
            c->n_currencies = split(text, c->currencies, CURRENCIES_PER_PLAYER);
        } else if (strcmp(name, "from") == 0) {
            c->sets |= SET_IP_ALLOW;
            c->n_ip_allow = split(text, c->ip_allow, IP_ALLOW_MAX);
        } else {
            return run_fail(r, "don't know the word '%s'", name);
        }
        if (!known) {
            return run_fail(r, "no %s is called '%s'", name, value);
        }
    }
    return true;
}

/* disable KEY, enable KEY */
bool run_key_switch(struct run *r, struct words *w, struct command *c)
{
    c->type = COMMAND_KEY_UPDATE;
    c->name = slice_of(w->word[1]);
    c->disabled = strcmp(w->word[0], "disable") == 0;
    return enough(r, w, 2);
}

/* asks WHAT [SUBJECT]: what is put down before it is done */
bool run_asks(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 2)) {
        return false;
    }
    c->type = COMMAND_ACTION;
    c->id = slice_of(w->word[1]);
    c->name = slice_of(w->n_command > 2 ? w->word[2] : NULL);
    return true;
}

bool run_as(struct words *w, struct actor *by)
{
    if (w->n_command < 3 || strcmp(w->word[0], "as") != 0) {
        return false;
    }
    *by = (struct actor){
        .principal = slice_of(w->word[1]),
        .key = slice_of("key"),
        .address = slice_of("10.0.0.1"),
        .request = slice_of("request"),
        .role = ROLE_OPERATOR,
        .node = 1,
    };
    w->n_command -= 2;
    memmove(w->word, w->word + 2, (size_t)w->n_command * sizeof w->word[0]);
    return true;
}
