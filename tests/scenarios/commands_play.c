/* Lines about withdrawals, rounds, several movements together, and sessions. */
#include "tests/scenarios/run.h"

static bool enough(struct run *r, const struct words *w, int need)
{
    return w->n_command >= need || run_fail(r, "'%s' needs %d words", w->word[0], need);
}

/* withdraw ID PLAYER CODE AMOUNT via GATEWAY [by PRINCIPAL] [for SECONDS] */
bool run_withdraw(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 7)) {
        return false;
    }
    c->type = COMMAND_WITHDRAW;
    c->id = slice_of(w->word[1]);
    c->player = slice_of(w->word[2]);
    c->currency = slice_of(w->word[3]);
    if (w->n_command > 8 && strcmp(w->word[w->n_command - 2], "for") == 0) {
        struct words shorter = *w;

        c->expires_s = (uint32_t)strtoul(w->word[w->n_command - 1], NULL, 10);
        shorter.n_command -= 2;
        if (!run_options(r, &shorter, 5, c)) {
            return false;
        }
    } else if (!run_options(r, w, 5, c)) {
        return false;
    }
    if (c->principal.len == 0) {
        c->principal = c->gateway;
    }
    return run_amount(r, w->word[4], &c->amount);
}

/* confirm ID PRINCIPAL [AMOUNT] [player PLAYER], cancel ID PRINCIPAL [player PLAYER] */
bool run_withdraw_end(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 3)) {
        return false;
    }
    c->type =
        strcmp(w->word[0], "confirm") == 0 ? COMMAND_WITHDRAW_CONFIRM : COMMAND_WITHDRAW_CANCEL;
    c->original = slice_of(w->word[1]);
    c->principal = slice_of(w->word[2]);
    if (w->n_command > 4 && strcmp(w->word[w->n_command - 2], "player") == 0) {
        c->player = slice_of(w->word[w->n_command - 1]);
        w->n_command -= 2;
    }
    return w->n_command < 4 || run_amount(r, w->word[3], &c->amount);
}

/* close ID PROVIDER PLAYER ROUND */
bool run_round_close(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 5)) {
        return false;
    }
    c->type = COMMAND_ROUND_CLOSE;
    c->id = slice_of(w->word[1]);
    c->principal = slice_of(w->word[2]);
    c->player = slice_of(w->word[3]);
    c->round = slice_of(w->word[4]);
    return true;
}

/* bet|win|adjust ID AMOUNT [bet B] [kind K], rollback ID of ORIGINAL */
static bool read_item(struct run *r, const struct words *w, int at, int end, struct command_item *i)
{
    const char *amount = at + 2 < end ? w->word[at + 2] : "";

    *i = (struct command_item){.type = strcmp(w->word[at], "bet") == 0      ? COMMAND_BET
                                       : strcmp(w->word[at], "win") == 0    ? COMMAND_WIN
                                       : strcmp(w->word[at], "adjust") == 0 ? COMMAND_ADJUST
                                                                            : COMMAND_ROLLBACK};
    if (at + 2 >= end) {
        return run_fail(r, "an item needs a type, an id and an amount or an original");
    }
    i->id = slice_of(w->word[at + 1]);
    if (i->type != COMMAND_ROLLBACK) {
        i->negative = amount[0] == '-';
        if (!run_amount(r, amount + (i->negative ? 1 : 0), &i->amount)) {
            return false;
        }
        at++;
    }
    for (at += 2; at + 1 < end; at += 2) {
        struct slice value = slice_of(w->word[at + 1]);

        if (strcmp(w->word[at], "of") == 0) {
            i->original = value;
        } else if (strcmp(w->word[at], "bet") == 0) {
            i->bet = value;
        } else if (win_kind_parse(value, &i->win_kind) != 0) {
            return run_fail(r, "don't know '%s' in an item", w->word[at]);
        }
    }
    return true;
}

/* together PROVIDER PLAYER CODE [round R] [game G] [session S] [id ID] [close round] [dry run]
 * : ITEM ; ITEM ... */
bool run_together(struct run *r, struct words *w, struct command *c)
{
    struct words options = *w;
    int at, end;

    if (!enough(r, w, 5)) {
        return false;
    }
    c->type = COMMAND_ATOMIC;
    c->principal = slice_of(w->word[1]);
    c->player = slice_of(w->word[2]);
    c->currency = slice_of(w->word[3]);
    options.n_command = 4;
    for (at = 4; at + 1 < w->n_command && strcmp(w->word[at], ":") != 0; at += 2) {
        if (strcmp(w->word[at], "close") == 0) {
            c->close_round = true;
        } else if (strcmp(w->word[at], "id") == 0) {
            c->id = slice_of(w->word[at + 1]);
        } else {
            options.word[options.n_command++] = w->word[at];
            options.word[options.n_command++] = w->word[at + 1];
        }
    }
    if (!run_options(r, &options, 4, c)) {
        return false;
    }
    for (at++; at < w->n_command && c->n_items < ITEMS_MAX; at = end + 1) {
        for (end = at; end < w->n_command && strcmp(w->word[end], ";") != 0; end++) {
        }
        if (!read_item(r, w, at, end, &c->items[c->n_items++])) {
            return false;
        }
    }
    return true;
}

/* ---- sessions ---- */

/* A token's hash, for tables: its name, filled up. */
static const uint8_t *hash_of(uint8_t hash[SECRET_HASH_BYTES], const char *token)
{
    size_t len = strlen(token);

    memset(hash, 0, SECRET_HASH_BYTES);
    memcpy(hash, token, len < SECRET_HASH_BYTES ? len : SECRET_HASH_BYTES);
    return hash;
}

static bool session_options(struct run *r, struct words *w, int at, struct command *c)
{
    for (; at + 1 < w->n_command; at += 2) {
        const char *name = w->word[at], *value = w->word[at + 1];

        if (strcmp(name, "game") == 0) {
            c->game = slice_of(value);
        } else if (strcmp(name, "ttl") == 0) {
            c->ttl_s = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(name, "remind") == 0) {
            c->reminder_s = (uint32_t)strtoul(value, NULL, 10);
        } else if (strcmp(name, "token") == 0) {
            c->token_hash = hash_of(r->hashes[0], value);
        } else if (strcmp(name, "under") == 0) {
            c->parent_hash = hash_of(r->hashes[1], value);
        } else {
            return run_fail(r, "don't know the word '%s'", name);
        }
    }
    return at == w->n_command || run_fail(r, "'%s' needs a word behind it", w->word[at]);
}

/* session ID PLAYER PROVIDER|login [token T] [ttl SECONDS] [game G] [remind SECONDS] [under T] */
bool run_session(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 4)) {
        return false;
    }
    c->type = COMMAND_SESSION_OPEN;
    c->name = slice_of(w->word[1]);
    c->player = slice_of(w->word[2]);
    c->principal = slice_of(strcmp(w->word[3], "login") == 0 ? NULL : w->word[3]);
    c->ttl_s = 3600;
    c->token_hash = hash_of(r->hashes[0], w->word[1]); /* unless it has a name of its own */
    return session_options(r, w, 4, c);
}

/* end ID */
bool run_session_end(struct run *r, struct words *w, struct command *c)
{
    c->type = COMMAND_SESSION_CLOSE;
    c->name = slice_of(w->word[1]);
    return enough(r, w, 2);
}

/* rotate ID token T [ttl SECONDS] */
bool run_rotate(struct run *r, struct words *w, struct command *c)
{
    c->type = COMMAND_SESSION_ROTATE;
    c->name = slice_of(w->word[1]);
    return enough(r, w, 4) && session_options(r, w, 2, c);
}

/* authenticate PROVIDER TOKEN */
bool run_authenticate(struct run *r, struct words *w, struct command *c)
{
    if (!enough(r, w, 3)) {
        return false;
    }
    c->type = COMMAND_SESSION_AUTHENTICATE;
    c->principal = slice_of(w->word[1]);
    c->token_hash = hash_of(r->hashes[0], w->word[2]);
    return true;
}
