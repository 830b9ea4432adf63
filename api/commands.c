#include "api/commands.h"

#include <assert.h>

#include "api/audit.h"
#include "api/render.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))

#define WHO_FIELDS                                                                                 \
    {"id", FIELD_ID, offsetof(struct command, id), true},                                          \
    {                                                                                              \
        "player", FIELD_ID, offsetof(struct command, player), true                                 \
    }

#define MONEY_FIELDS                                                                               \
    WHO_FIELDS,                                                                                    \
    {                                                                                              \
        "currency", FIELD_ID, offsetof(struct command, currency), true                             \
    }

#define PLAY_FIELDS                                                                                \
    {"round", FIELD_ID, offsetof(struct command, round), false},                                   \
        {"game", FIELD_ID, offsetof(struct command, game), false},                                 \
        {"session", FIELD_ID, offsetof(struct command, session), false},                           \
    {                                                                                              \
        "dry_run", FIELD_BOOL, offsetof(struct command, dry_run), false                            \
    }

/* `type` comes last in each table: it is there only in a batch. */
#define TYPE_FIELD                                                                                 \
    {                                                                                              \
        "type", FIELD_SKIP, 0, true                                                                \
    }

static const struct field bet_fields[] = {
    MONEY_FIELDS,
    PLAY_FIELDS,
    {"amount", FIELD_AMOUNT, offsetof(struct command, amount), true},
    TYPE_FIELD,
};

static const struct field win_fields[] = {
    MONEY_FIELDS,
    PLAY_FIELDS,
    {"amount", FIELD_AMOUNT_OR_ZERO, offsetof(struct command, amount), true},
    {"bet", FIELD_ID, offsetof(struct command, bet), false},
    {"kind", FIELD_WIN_KIND, offsetof(struct command, win_kind), false},
    TYPE_FIELD,
};

static const struct field rollback_fields[] = {
    MONEY_FIELDS,
    {"original", FIELD_ID, offsetof(struct command, original), true},
    {"dry_run", FIELD_BOOL, offsetof(struct command, dry_run), false},
    TYPE_FIELD,
};

static const struct field deposit_fields[] = {
    MONEY_FIELDS,
    {"amount", FIELD_AMOUNT, offsetof(struct command, amount), true},
    {"gateway", FIELD_ID, offsetof(struct command, gateway), true},
    TYPE_FIELD,
};

static const struct field withdraw_fields[] = {
    MONEY_FIELDS,
    {"amount", FIELD_AMOUNT, offsetof(struct command, amount), true},
    {"gateway", FIELD_ID, offsetof(struct command, gateway), true},
    {"expires_s", FIELD_EXPIRES, offsetof(struct command, expires_s), false},
    TYPE_FIELD,
};

static const struct field round_close_fields[] = {
    WHO_FIELDS,
    {"round", FIELD_ID, offsetof(struct command, round), true},
    TYPE_FIELD,
};

static const struct field atomic_fields[] = {
    MONEY_FIELDS,
    PLAY_FIELDS,
    {"items", FIELD_ITEMS, 0, true},
    {"close_round", FIELD_BOOL, offsetof(struct command, close_round), false},
    TYPE_FIELD,
};

static const struct {
    enum command_type type;
    const struct field *fields;
    size_t n;
} money_types[] = {
    {COMMAND_BET, bet_fields, COUNT(bet_fields)},
    {COMMAND_WIN, win_fields, COUNT(win_fields)},
    {COMMAND_ROLLBACK, rollback_fields, COUNT(rollback_fields)},
    {COMMAND_DEPOSIT, deposit_fields, COUNT(deposit_fields)},
    {COMMAND_WITHDRAW, withdraw_fields, COUNT(withdraw_fields)},
    {COMMAND_ROUND_CLOSE, round_close_fields, COUNT(round_close_fields)},
    {COMMAND_ATOMIC, atomic_fields, COUNT(atomic_fields)},
};

static int check_money(const struct command *c, const struct principal *who,
                       struct problem *problem)
{
    if ((c->type == COMMAND_DEPOSIT || c->type == COMMAND_WITHDRAW) && who->role == ROLE_GATEWAY &&
        !slice_is(c->gateway, who->name)) {
        return problem_set(problem, PROBLEM_FORBIDDEN, "A gateway acts for itself only.");
    }
    if (c->close_round && c->round.len == 0) {
        return problem_set(problem, PROBLEM_MALFORMED, "close_round: which round?");
    }
    return 0;
}

int commands_read_money(const struct value *object, enum command_type type, bool in_batch,
                        const struct principal *who, struct command *c, struct problem *problem)
{
    size_t i = 0;

    while (money_types[i].type != type) {
        i++;
        assert(i < COUNT(money_types));
    }
    command_init(c);
    c->type = type;
    c->principal = slice_of(who->name);
    if (fields_read(object, money_types[i].fields, money_types[i].n - !in_batch, c, problem) != 0) {
        return -1;
    }
    return check_money(c, who, problem);
}

int commands_append(const struct command *c, struct bytes *frames, struct problem *problem)
{
    uint8_t room[COMMAND_BYTES_MAX];
    struct bytes encoded = {room, 0, sizeof room};
    struct fault fault;

    /* A command that a replica can't decode would stop every replica: none may get into the log. */
    if (command_check(c, &fault) != 0) {
        return problem_set(problem, PROBLEM_MALFORMED, "%s", fault.text);
    }
    command_encode(c, &encoded);
    frame_append(frames, encoded.base, encoded.len);
    return 0;
}

int commands_run(struct exchange *x, struct command *c, struct ticket **held,
                 struct outcome *outcome)
{
    struct ticket *t = ticket_new(TICKET_COMMANDS);
    struct fault fault = {"no outcome"};
    struct cursor frames;
    struct slice frame;

    c->origin = ask_origin(x->api->origins);
    if (command_is_recorded_action(c->type) && x->who.role != ROLE_NONE) {
        c->by[0] = audit_actor(x);
        c->n_by = 1;
    }
    t->n_commands = 1;
    t->urgent = c->type == COMMAND_ACTION;
    t->exempt = x->who.role == ROLE_OPERATOR;
    ticket_name(t, x->request_id);
    if (commands_append(c, &t->in, &x->problem) != 0 ||
        ask_submit(x->api->gate, t, x->timeout_ms, &x->problem) != 0) {
        goto failed;
    }
    frames = cursor_of(t->out.base, t->out.len);
    if (!frame_next(&frames, &frame) ||
        outcome_decode(frame.base, frame.len, outcome, &fault) != 0) {
        problem_set(&x->problem, PROBLEM_INTERNAL, "%s", fault.text);
        goto failed;
    }
    if (!verdict_is_success(outcome->verdict)) {
        problem_of_outcome(&x->problem, outcome);
        goto failed;
    }
    *held = t;
    return 0;

failed:
    ticket_release(t);
    return -1;
}

int commands_render(struct writer *w, struct outcome *o, struct problem *problem)
{
    struct outcome item;
    struct fault fault;
    int more;

    if (o->n_items == 0) {
        render_transaction(w, o);
        return 0;
    }
    if (o->dry_run) {
        writer_put_bool(w, "dry_run", true);
    }
    writer_key(w, "transactions");
    writer_open_list(w);
    while ((more = outcome_next(o, &item, &fault)) == 1) {
        writer_open_map(w);
        render_transaction(w, &item);
        writer_close_map(w);
    }
    writer_close_list(w);
    return more == 0 ? 0 : problem_set(problem, PROBLEM_INTERNAL, "%s", fault.text);
}
