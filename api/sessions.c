/* Sessions: a player at a game of a provider, launched by the platform (or by the player, with the
 * token of a login), used by the provider.
 *
 * A token is shown once, in the answer to the call that made it; the ledger keeps its hash only. */
#include <sodium.h>

#include "api/commands.h"
#include "api/handlers.h"
#include "api/render.h"
#include "api/tokens.h"

enum {
    SESSION_TTL_S_DEFAULT = 12 * 3600,
    LAUNCHES_OF_ADDRESS = 100, /* at once, without a key; and then one in each of these */
    NS_PER_LAUNCH = 100000000,
};

static void write_session(struct exchange *x, const struct session_info *s, const char *token)
{
    writer_open_map(&x->w);
    render_session(&x->w, s);
    if (token != NULL) {
        writer_put_string(&x->w, "token", token);
    }
    writer_close_map(&x->w);
}

/* Applies the command and answers the session, with its token when one was made. */
static int run(struct exchange *x, struct command *c, const char *token)
{
    struct outcome o;
    struct ticket *held;

    if (commands_run(x, c, &held, &o) != 0) {
        return -1;
    }
    write_session(x, &o.session, token);
    ticket_release(held);
    return 0;
}

struct open_request {
    struct command command;
    struct slice player_token;
};

/* The platform's key says that the player may play; without one the player's own token must. */
static int check_launcher(struct exchange *x)
{
    /* Anybody may send a token that is none: not so many that it costs the others anything. */
    const struct limiter_rule rule = {LAUNCHES_OF_ADDRESS, NS_PER_LAUNCH};
    bool by_token = !exchange_has_credentials(x) && value_get(x->tree.root, "player_token") != NULL;

    return by_token ? exchange_take(x, "/launch/address/", slice_of(x->remote), rule)
                    : exchange_require_role(x, ROLE_PLATFORM);
}

int handle_session_open(struct exchange *x)
{
    static const struct field fields[] = {
        {"player", FIELD_ID, offsetof(struct open_request, command.player), true},
        {"provider", FIELD_ID, offsetof(struct open_request, command.principal), true},
        {"game", FIELD_ID, offsetof(struct open_request, command.game), true},
        {"ttl_s", FIELD_TTL, offsetof(struct open_request, command.ttl_s), false},
        {"reminder_s", FIELD_REMINDER, offsetof(struct open_request, command.reminder_s), false},
        {"player_token", FIELD_TOKEN, offsetof(struct open_request, player_token), false},
    };
    struct open_request r = {.player_token = {NULL, 0}};
    struct token token;
    uint8_t parent_hash[SECRET_HASH_BYTES];

    command_init(&r.command);
    r.command.type = COMMAND_SESSION_OPEN;
    r.command.ttl_s = SESSION_TTL_S_DEFAULT;
    if (check_launcher(x) != 0 ||
        fields_read(x->tree.root, fields, sizeof fields / sizeof *fields, &r, &x->problem) != 0) {
        return -1;
    }
    if (r.player_token.len > 0) {
        token_hash(r.player_token, parent_hash);
        r.command.parent_hash = parent_hash;
    }
    token_make(&token);
    r.command.name = slice_of(token.session);
    r.command.token_hash = token.hash;
    x->status = 201;
    return run(x, &r.command, token.text);
}

int handle_session_close(struct exchange *x)
{
    struct command c;

    command_init(&c);
    c.type = COMMAND_SESSION_CLOSE;
    c.name = slice_of(x->ids[0]);
    return run(x, &c, NULL);
}

int handle_session_rotate(struct exchange *x)
{
    static const struct field fields[] = {
        {"ttl_s", FIELD_TTL, offsetof(struct command, ttl_s), false},
    };
    struct command c;
    struct token token;

    command_init(&c);
    c.type = COMMAND_SESSION_ROTATE;
    if (x->tree.root != NULL && fields_read(x->tree.root, fields, 1, &c, &x->problem) != 0) {
        return -1;
    }
    token_make(&token);
    c.name = slice_of(x->ids[0]);
    c.token_hash = token.hash;
    return run(x, &c, token.text);
}

/* When the player is next to be told how long the game has been going on. */
static void write_reminder(struct exchange *x, const struct session_info *s, uint64_t now_ms)
{
    uint64_t played_s = now_ms > s->opened_at_ms ? (now_ms - s->opened_at_ms) / 1000 : 0;
    uint64_t next_s = (played_s / s->reminder_s + 1) * s->reminder_s;

    writer_key(&x->w, "reminder");
    writer_open_map(&x->w);
    writer_put_u64(&x->w, "interval_s", s->reminder_s);
    writer_put_u64(&x->w, "played_s", played_s);
    render_put_time(&x->w, "next_at", s->opened_at_ms + next_s * 1000);
    writer_close_map(&x->w);
}

static void write_player(struct exchange *x, const struct session_info *s, const struct answer *a,
                         uint64_t now_ms)
{
    uint32_t i;

    writer_open_map(&x->w);
    writer_put_text(&x->w, "player", s->player);
    writer_key(&x->w, "currencies");
    writer_open_list(&x->w);
    for (i = 0; i < a->n_balances; i++) {
        writer_text(&x->w, a->balances[i].currency);
    }
    writer_close_list(&x->w);
    writer_key(&x->w, "balances");
    writer_open_list(&x->w);
    for (i = 0; i < a->n_balances; i++) {
        writer_open_map(&x->w);
        render_balance(&x->w, &a->balances[i]);
        writer_close_map(&x->w);
    }
    writer_close_list(&x->w);
    writer_key(&x->w, "session");
    writer_open_map(&x->w);
    render_session(&x->w, s);
    writer_close_map(&x->w);
    if (s->reminder_s != 0) {
        write_reminder(x, s, now_ms);
    }
    writer_close_map(&x->w);
}

int handle_authenticate(struct exchange *x)
{
    static const struct field fields[] = {{"token", FIELD_TOKEN, 0, true}};
    uint8_t hash[SECRET_HASH_BYTES];
    struct slice token;
    struct command c;
    struct outcome o;
    struct ticket *held, *balances;
    struct query q = {.type = QUERY_BALANCES};
    /* 503 would say that nothing was done, but the session is in use from now on. */
    const struct asker asker = {x->request_id, x->timeout_ms, .exempt = true};
    struct answer a;
    int result;

    if (fields_read(x->tree.root, fields, 1, &token, &x->problem) != 0) {
        return -1;
    }
    token_hash(token, hash);
    command_init(&c);
    c.type = COMMAND_SESSION_AUTHENTICATE;
    c.principal = slice_of(x->who.name);
    c.token_hash = hash;
    if (commands_run(x, &c, &held, &o) != 0) {
        return -1;
    }
    q.player = o.session.player;
    result = ask_query(x->api->gate, TICKET_QUERY, &q, &asker, &balances, &a, &x->problem);
    if (result == 0) {
        write_player(x, &o.session, &a, o.at_ms);
        ticket_release(balances);
    }
    ticket_release(held);
    return result;
}

int handle_session(struct exchange *x)
{
    const struct query q = {.type = QUERY_SESSION, .name = slice_of(x->ids[0])};
    enum ticket_kind kind = TICKET_QUERY;
    struct ticket *held;
    struct answer a;

    if (reads_consistency(x, &kind) != 0 || reads_ask(x, kind, &q, &held, &a) != 0) {
        return -1;
    }
    write_session(x, &a.session, NULL);
    ticket_release(held);
    return 0;
}
