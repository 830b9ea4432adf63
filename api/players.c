/* What the platform sets for a player: status, limits, reminder, password; and the login. */
#include "api/commands.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/tokens.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

enum {
    PLAYER_TOKEN_TTL_S = 900, /* a login is for launching games now, not for the week */

    /* Guesses: for one player, whoever guesses; and from one address, whomever. */
    LOGINS_OF_PLAYER = 5,
    LOGIN_OF_PLAYER_EVERY_S = 30,
    LOGINS_OF_ADDRESS = 20,
    LOGIN_OF_ADDRESS_EVERY_S = 3,
};

static const int64_t SECOND_NS = 1000000000;

static int write_player(struct exchange *x, enum ticket_kind kind)
{
    const struct query q = {.type = QUERY_PLAYER, .player = slice_of(x->ids[0])};
    struct ticket *held;
    struct answer a;

    if (reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    writer_open_map(&x->w);
    render_player(&x->w, q.player, &a);
    writer_close_map(&x->w);
    ticket_release(held);
    return 0;
}

int handle_player(struct exchange *x)
{
    enum ticket_kind kind = TICKET_QUERY;

    return reads_consistency(x, &kind) != 0 ? -1 : write_player(x, kind);
}

/* Which of the fields were given. */
static int read_sets(struct exchange *x, struct command *c)
{
    bool status = value_get(x->tree.root, "status") != NULL;
    bool until = value_get(x->tree.root, "until") != NULL;
    bool reminder = value_get(x->tree.root, "reminder_s") != NULL;

    if (until && (!status || c->status == PLAYER_ACTIVE)) {
        return problem_set(&x->problem, PROBLEM_MALFORMED,
                           "until: goes with the status blocked or self_excluded");
    }
    c->sets = (status ? SET_STATUS : 0U) | (reminder ? SET_REMINDER : 0U);
    if (c->sets == 0 && c->n_limits == 0) {
        return problem_set(&x->problem, PROBLEM_MALFORMED,
                           "expected at least one of status, limits, reminder_s");
    }
    return 0;
}

int handle_player_update(struct exchange *x)
{
    static const struct field fields[] = {
        {"status", FIELD_STATUS, offsetof(struct command, status), false},
        {"until", FIELD_TIME, offsetof(struct command, until_ms), false},
        {"reminder_s", FIELD_REMINDER, offsetof(struct command, reminder_s), false},
        {"limits", FIELD_LIMITS, 0, false},
    };
    struct command c;
    struct outcome o;
    struct ticket *held;

    command_init(&c);
    c.type = COMMAND_PLAYER_UPDATE;
    c.player = slice_of(x->ids[0]);
    if (fields_read(x->tree.root, fields, COUNT(fields), &c, &x->problem) != 0 ||
        read_sets(x, &c) != 0 || commands_run(x, &c, &held, &o) != 0) {
        return -1;
    }
    ticket_release(held);
    return write_player(x, TICKET_QUERY);
}

static int no_turn(struct exchange *x)
{
    return problem_set(&x->problem, PROBLEM_OVERLOADED,
                       "Too many passwords are being checked at this node.");
}

int handle_password_set(struct exchange *x)
{
    static const struct field fields[] = {{"password", FIELD_PASSWORD, 0, true}};
    char hash[PASSWORD_TEXT_MAX];
    struct slice password;
    struct command c;
    struct outcome o;
    struct ticket *held;

    if (fields_read(x->tree.root, fields, 1, &password, &x->problem) != 0) {
        return -1;
    }
    if (passwords_hash(x->api->passwords, password, x->timeout_ms, hash) != 0) {
        return no_turn(x);
    }
    command_init(&c);
    c.type = COMMAND_PASSWORD_SET;
    c.player = slice_of(x->ids[0]);
    c.password_hash = slice_of(hash);
    if (commands_run(x, &c, &held, &o) != 0) {
        return -1;
    }
    ticket_release(held);
    writer_open_map(&x->w);
    writer_put_text(&x->w, "player", c.player);
    writer_close_map(&x->w);
    return 0;
}

struct login_request {
    struct slice player;
    struct slice password;
};

/* A platform that logs its players in by its key is one address for all of them: its key's own rate
 * holds for it instead. */
static int check_login_rate(struct exchange *x, struct slice player)
{
    const struct limiter_rule by_address = {LOGINS_OF_ADDRESS,
                                            LOGIN_OF_ADDRESS_EVERY_S * SECOND_NS};
    const struct limiter_rule by_player = {LOGINS_OF_PLAYER, LOGIN_OF_PLAYER_EVERY_S * SECOND_NS};

    if (!exchange_has_credentials(x)) {
        if (exchange_take(x, "/login/address/", slice_of(x->remote), by_address) != 0) {
            return -1;
        }
    } else if (exchange_require_role(x, ROLE_PLATFORM) != 0) {
        return -1;
    }
    return exchange_take(x, "/login/player/", player, by_player);
}

/* An unknown player, one without a password and a wrong password take the same way and the same
 * time, and get the same answer. 1 when the password is right, 0 when not, -1 and the problem. */
static int check_password(struct exchange *x, const struct login_request *r)
{
    const struct query q = {.type = QUERY_PASSWORD, .player = r->player};
    const struct asker asker = {.name = x->request_id, .timeout_ms = x->timeout_ms};
    struct ticket *held;
    struct answer a;
    struct slice hash = {NULL, 0};
    int right;

    if (ask_query(x->api->gate, TICKET_QUERY, &q, &asker, &held, &a, &x->problem) != 0) {
        return -1;
    }
    if (a.verdict == VERDICT_APPLIED) {
        hash = a.password_hash;
    }
    right = passwords_verify(x->api->passwords, r->password, hash, x->timeout_ms);
    ticket_release(held);
    return right < 0 ? no_turn(x) : right;
}

/* A player's token: a short session without a provider, which can launch games. */
static int open_player_session(struct exchange *x, struct slice player)
{
    struct command c;
    struct outcome o;
    struct ticket *held;
    struct token token;

    token_make(&token);
    command_init(&c);
    c.type = COMMAND_SESSION_OPEN;
    c.name = slice_of(token.session);
    c.player = player;
    c.token_hash = token.hash;
    c.ttl_s = PLAYER_TOKEN_TTL_S;
    if (commands_run(x, &c, &held, &o) != 0) {
        return -1;
    }
    writer_open_map(&x->w);
    render_session(&x->w, &o.session);
    writer_put_string(&x->w, "player_token", token.text);
    writer_close_map(&x->w);
    ticket_release(held);
    return 0;
}

int handle_login(struct exchange *x)
{
    static const struct field fields[] = {
        {"player", FIELD_ID, offsetof(struct login_request, player), true},
        {"password", FIELD_PASSWORD, offsetof(struct login_request, password), true},
    };
    struct login_request r;
    int right;

    if (fields_read(x->tree.root, fields, COUNT(fields), &r, &x->problem) != 0 ||
        check_login_rate(x, r.player) != 0) {
        return -1;
    }
    right = check_password(x, &r);
    if (right <= 0) {
        return right < 0 ? -1
                         : problem_set(&x->problem, PROBLEM_BAD_CREDENTIALS,
                                       "The player or the password is not right.");
    }
    return open_player_session(x, r.player);
}
