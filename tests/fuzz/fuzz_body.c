/* Fuzzes what a request's body goes through: parser, field tables, command, and back out. The
 * first byte chooses the form and the call. Whatever the parser lets through must make a command
 * that a replica can decode: a replica stops at one that it can't. */
#include <stdint.h>
#include <stdlib.h>

#include "api/body.h"
#include "api/commands.h"
#include "statemachine/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BATCH = 4, LATER_TYPES = 0x10, PLAYER = 0x20, PRINCIPAL = 0x40, MSGPACK = 0x80 };

/* Whatever was let through must make a command that a replica can decode. */
static void check_encoding(const struct command *c, bool must_be_whole)
{
    struct command back;
    struct problem problem;
    struct fault fault;
    struct bytes frames;
    struct cursor cursor;
    struct slice frame;

    bytes_init(&frames);
    if (commands_append(c, &frames, &problem) != 0) {
        if (must_be_whole) {
            abort(); /* the tables let something through that they should have refused */
        }
        bytes_release(&frames);
        return;
    }
    cursor = cursor_of(frames.base, frames.len);
    if (!frame_next(&cursor, &frame) || command_decode(frame.base, frame.len, &back, &fault) != 0) {
        abort();
    }
    bytes_release(&frames);
}

static void check_problem(const struct problem *problem)
{
    if (problem->status < 400 || problem->code == NULL) {
        abort();
    }
}

static void check_money(const struct value *object, unsigned call)
{
    static const enum command_type types[] = {COMMAND_BET, COMMAND_WIN, COMMAND_ROLLBACK,
                                              COMMAND_DEPOSIT};
    static const enum command_type later_types[] = {COMMAND_ATOMIC, COMMAND_WITHDRAW,
                                                    COMMAND_ROUND_CLOSE, COMMAND_ATOMIC};
    const struct principal who = {.name = "demo", .role = ROLE_PROVIDER};
    enum command_type type = call & LATER_TYPES ? later_types[call % 4] : types[call % 4];
    struct command c;
    struct problem problem;

    if (commands_read_money(object, type, (call & BATCH) != 0, &who, &c, &problem) != 0) {
        check_problem(&problem);
        return;
    }
    check_encoding(&c, true);
}

/* The lists and the plain kinds that updates are made of. */
static void check_update(const struct value *object, enum command_type type)
{
    static const struct field fields[] = {
        {"status", FIELD_STATUS, offsetof(struct command, status), false},
        {"until", FIELD_TIME, offsetof(struct command, until_ms), false},
        {"reminder_s", FIELD_REMINDER, offsetof(struct command, reminder_s), false},
        {"limits", FIELD_LIMITS, 0, false},
        {"disabled", FIELD_BOOL, offsetof(struct command, disabled), false},
        {"shortfall", FIELD_SHORTFALL, offsetof(struct command, shortfall), false},
        {"rate_per_s", FIELD_RATE, offsetof(struct command, rate_per_s), false},
        {"ip_allow", FIELD_IP_ALLOW, 0, false},
        {"currencies", FIELD_CURRENCIES, 0, false},
        {"ids_scope", FIELD_IDS_SCOPE, offsetof(struct command, ids_scope), false},
    };
    struct command c;
    struct problem problem;

    command_init(&c);
    c.type = type;
    if (fields_read(object, fields, sizeof fields / sizeof *fields, &c, &problem) != 0) {
        check_problem(&problem);
        return;
    }
    c.player = type == COMMAND_PLAYER_UPDATE ? slice_of("alice") : (struct slice){NULL, 0};
    c.name = type == COMMAND_PLAYER_UPDATE ? (struct slice){NULL, 0} : slice_of("demo");
    c.role = type == COMMAND_PLAYER_UPDATE ? ROLE_NONE : ROLE_PROVIDER;
    c.sets = type == COMMAND_PLAYER_UPDATE ? SET_STATUS | SET_REMINDER
                                           : SET_DISABLED | SET_SHORTFALL | SET_RATE |
                                                 SET_IP_ALLOW | SET_CURRENCIES | SET_IDS_SCOPE;
    check_encoding(&c, false); /* what one of the two has, the other may not have */
}

static void check_command(const struct value *object, unsigned call)
{
    if (call & PLAYER) {
        check_update(object, COMMAND_PLAYER_UPDATE);
    } else if (call & PRINCIPAL) {
        check_update(object, COMMAND_PRINCIPAL_UPDATE);
    } else {
        check_money(object, call);
    }
}

/* What value.h promises of every tree. */
static void check_tree(const struct value *v, unsigned depth)
{
    const struct value *member, *other;
    uint32_t n = 0;

    if (value_is(v, VALUE_TEXT) && v->n > 0 && memchr(v->text, 0, v->n) != NULL) {
        abort();
    }
    if (!value_is(v, VALUE_LIST) && !value_is(v, VALUE_MAP)) {
        return;
    }
    if (depth == VALUE_DEPTH_MAX) {
        abort();
    }
    for (member = v->first; member != NULL; member = member->next, n++) {
        for (other = member->next; v->kind == VALUE_MAP && other != NULL; other = other->next) {
            if (slice_equal(member->key, other->key)) {
                abort();
            }
        }
        check_tree(member, depth + 1);
    }
    if (n != v->n) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problem problem;
    struct tree tree;

    if (size == 0) {
        return 0;
    }
    tree_init(&tree);
    if (body_parse((struct slice){(const char *)data + 1, size - 1},
                   (data[0] & MSGPACK) != 0 ? FORM_MSGPACK : FORM_JSON, &tree, &problem) == 0) {
        check_tree(tree.root, 0);
        check_command(tree.root, data[0]);
    } else {
        check_problem(&problem);
    }
    tree_release(&tree);
    return 0;
}
