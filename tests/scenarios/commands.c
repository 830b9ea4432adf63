/* A line of a table as a command. */
#include "tests/scenarios/run.h"

bool run_amount(struct run *r, const char *text, struct decimal *d)
{
    return decimal_parse(slice_of(text), d) == 0 || run_fail(r, "'%s' is not an amount", text);
}

/* Words that come in pairs behind a money command: round, game, session, bet, kind, via, by, of,
 * and `dry run`. */
bool run_options(struct run *r, struct words *w, int at, struct command *c)
{
    for (; at < w->n_command; at += 2) {
        const char *name = w->word[at];
        struct slice value = slice_of(at + 1 < w->n_command ? w->word[at + 1] : NULL);
        struct slice *field = strcmp(name, "round") == 0     ? &c->round
                              : strcmp(name, "game") == 0    ? &c->game
                              : strcmp(name, "session") == 0 ? &c->session
                              : strcmp(name, "bet") == 0     ? &c->bet
                              : strcmp(name, "of") == 0      ? &c->original
                              : strcmp(name, "via") == 0     ? &c->gateway
                              : strcmp(name, "by") == 0      ? &c->principal
                                                             : NULL;

        if (value.len == 0) {
            return run_fail(r, "'%s' needs a word behind it", name);
        }
        if (strcmp(name, "dry") == 0) {
            c->dry_run = slice_is(value, "run");
        } else if (strcmp(name, "kind") == 0) {
            if (win_kind_parse(value, &c->win_kind) != 0) {
                return run_fail(r, "'%s' is not a kind of win", value.base);
            }
        } else if (field == NULL) {
            return run_fail(r, "don't know the word '%s'", name);
        } else {
            *field = value;
        }
    }
    return true;
}

/* bet|win|rollback ID PROVIDER PLAYER CURRENCY [AMOUNT] ..., deposit ID PLAYER CURRENCY AMOUNT via
 * GATEWAY [by PRINCIPAL] */
static bool money_command(struct run *r, struct words *w, enum command_type type, struct command *c)
{
    int at = 1;
    int need = type == COMMAND_BET || type == COMMAND_WIN ? 6 : 5;

    if (w->n_command < need) {
        return run_fail(r, "'%s' needs %d words", w->word[0], need);
    }
    *c = (struct command){.type = type};
    c->id = slice_of(w->word[at++]);
    if (type != COMMAND_DEPOSIT) {
        c->principal = slice_of(w->word[at++]);
    }
    c->player = slice_of(w->word[at++]);
    c->currency = slice_of(w->word[at++]);
    if (type != COMMAND_ROLLBACK && !run_amount(r, w->word[at++], &c->amount)) {
        return false;
    }
    if (!run_options(r, w, at, c)) {
        return false;
    }
    if (type == COMMAND_DEPOSIT && c->principal.len == 0) {
        c->principal = c->gateway;
    }
    return true;
}

/* provider NAME [ids SCOPE], gateway NAME [ids SCOPE] */
static bool principal_command(struct run *r, const struct words *w, struct command *c)
{
    if (w->n_command > 2 && (w->n_command != 4 || strcmp(w->word[2], "ids") != 0 ||
                             ids_scope_parse(slice_of(w->word[3]), &c->ids_scope) != 0)) {
        return run_fail(r, "behind a %s comes nothing, or ids provider|player", w->word[0]);
    }
    return role_parse(slice_of(w->word[0]), &c->role) == 0;
}

/* currency CODE SCALE, key ID ROLE PRINCIPAL [sealed TEXT],
 * player NAME [CODE ...] */
static bool create_command(struct run *r, struct words *w, enum command_type type,
                           struct command *c)
{
    static const uint8_t secret_hash[SECRET_HASH_BYTES] = {1, 2, 3};
    int i;

    if (w->n_command < 2) {
        return run_fail(r, "'%s' needs a name", w->word[0]);
    }
    *c = create(type, w->word[1]);
    if (type == COMMAND_CURRENCY_CREATE) {
        c->scale = (uint8_t)(w->n_command > 2 ? atoi(w->word[2]) : SCALE_DEFAULT);
    } else if (type == COMMAND_PRINCIPAL_CREATE) {
        return principal_command(r, w, c);
    } else if (type == COMMAND_KEY_CREATE) {
        if (w->n_command < 4 || role_parse(slice_of(w->word[2]), &c->role) != 0) {
            return run_fail(r, "a key is: key ID ROLE PRINCIPAL");
        }
        c->principal = slice_of(w->word[3]);
        if (w->n_command == 6 && strcmp(w->word[4], "sealed") == 0) {
            c->key_kind = KEY_HMAC;
            c->sealed = slice_of(w->word[5]);
        } else {
            c->secret_hash = secret_hash;
        }
    } else {
        for (i = 2; i < w->n_command && i - 2 < CURRENCIES_PER_PLAYER; i++) {
            c->currencies[c->n_currencies++] = slice_of(w->word[i]);
        }
    }
    return true;
}

bool run_command_of(struct run *r, struct words *w, struct command *c, bool *known)
{
    static const struct {
        const char *word;
        enum command_type type; /* of those that are read here */
        run_verb read;
    } verbs[] = {
        {"bet", COMMAND_BET, NULL},
        {"win", COMMAND_WIN, NULL},
        {"rollback", COMMAND_ROLLBACK, NULL},
        {"deposit", COMMAND_DEPOSIT, NULL},
        {"currency", COMMAND_CURRENCY_CREATE, NULL},
        {"provider", COMMAND_PRINCIPAL_CREATE, NULL},
        {"gateway", COMMAND_PRINCIPAL_CREATE, NULL},
        {"key", COMMAND_KEY_CREATE, NULL},
        {"player", COMMAND_PLAYER_CREATE, NULL},
        {"withdraw", 0, run_withdraw},
        {"confirm", 0, run_withdraw_end},
        {"cancel", 0, run_withdraw_end},
        {"close", 0, run_round_close},
        {"together", 0, run_together},
        {"session", 0, run_session},
        {"end", 0, run_session_end},
        {"rotate", 0, run_rotate},
        {"authenticate", 0, run_authenticate},
        {"state", 0, run_state},
        {"remind", 0, run_remind},
        {"limit", 0, run_limit},
        {"password", 0, run_password},
        {"policy", 0, run_policy},
        {"disable", 0, run_key_switch},
        {"enable", 0, run_key_switch},
        {"asks", 0, run_asks},
    };
    struct actor by;
    size_t i;

    if (run_as(w, &by)) {
        bool ok = run_command_of(r, w, c, known);

        c->by[0] = by;
        c->n_by = 1;
        return ok;
    }
    *known = true;
    for (i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        enum command_type type = verbs[i].type;

        if (strcmp(w->word[0], verbs[i].word) != 0) {
            continue;
        }
        if (verbs[i].read != NULL) {
            command_init(c);
            return verbs[i].read(r, w, c);
        }
        return type < COMMAND_CURRENCY_CREATE ? money_command(r, w, type, c)
                                              : create_command(r, w, type, c);
    }
    *known = false;
    return true;
}
