#include "api/commands.h"

#define MONEY_FIELDS                                                                               \
    {"id", FIELD_ID, offsetof(struct command, id), true},                                          \
        {"player", FIELD_ID, offsetof(struct command, player), true},                              \
    {                                                                                              \
        "currency", FIELD_ID, offsetof(struct command, currency), true                             \
    }

#define PLAY_FIELDS                                                                                \
    {"round", FIELD_ID, offsetof(struct command, round), false},                                   \
        {"game", FIELD_ID, offsetof(struct command, game), false},                                 \
    {                                                                                              \
        "session", FIELD_ID, offsetof(struct command, session), false                              \
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
    TYPE_FIELD,
};

static const struct field deposit_fields[] = {
    MONEY_FIELDS,
    {"amount", FIELD_AMOUNT, offsetof(struct command, amount), true},
    {"gateway", FIELD_ID, offsetof(struct command, gateway), true},
    TYPE_FIELD,
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

int commands_read_money(json_t *json, enum command_type type, bool in_batch,
                        const struct principal *who, struct command *c, struct problem *problem)
{
    const struct field *fields = bet_fields;
    size_t n = COUNT(bet_fields);

    if (type == COMMAND_WIN) {
        fields = win_fields;
        n = COUNT(win_fields);
    } else if (type == COMMAND_ROLLBACK) {
        fields = rollback_fields;
        n = COUNT(rollback_fields);
    } else if (type == COMMAND_DEPOSIT) {
        fields = deposit_fields;
        n = COUNT(deposit_fields);
    }
    *c = (struct command){.type = type, .principal = slice_of(who->name)};
    if (fields_read(json, fields, in_batch ? n : n - 1, c, problem) != 0) {
        return -1;
    }
    if (type == COMMAND_DEPOSIT && who->role == ROLE_GATEWAY && !slice_is(c->gateway, who->name)) {
        return problem_set(problem, PROBLEM_FORBIDDEN, "A gateway deposits for itself only.");
    }
    return 0;
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

    c->origin = ask_origin();
    t->n_commands = 1;
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
