/* Fuzzes what a request's body goes through: parser, field tables, command, and back out. The
 * first byte chooses the form and the call. Whatever the parser lets through must make a command
 * that a replica can decode: a replica stops at one that it can't. */
#include <stdint.h>
#include <stdlib.h>

#include "api/body.h"
#include "api/commands.h"
#include "statemachine/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_command(json_t *json, unsigned call)
{
    static const enum command_type types[] = {COMMAND_BET, COMMAND_WIN, COMMAND_ROLLBACK,
                                              COMMAND_DEPOSIT};
    const struct principal who = {.name = "demo", .role = ROLE_PROVIDER};
    struct command c, back;
    struct problem problem;
    struct fault fault;
    struct bytes frames;
    struct cursor cursor;
    struct slice frame;

    if (commands_read_money(json, types[call % 4], (call & 4) != 0, &who, &c, &problem) != 0) {
        if (problem.status < 400 || problem.code == NULL) {
            abort();
        }
        return;
    }
    bytes_init(&frames);
    if (commands_append(&c, &frames, &problem) != 0) {
        abort(); /* the tables let something through that they should have refused */
    }
    cursor = cursor_of(frames.base, frames.len);
    if (!frame_next(&cursor, &frame) || command_decode(frame.base, frame.len, &back, &fault) != 0) {
        abort();
    }
    bytes_release(&frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problem problem;
    json_t *json;

    if (size == 0) {
        return 0;
    }
    json = body_parse((struct slice){(const char *)data + 1, size - 1},
                      (data[0] & 0x80) != 0 ? FORM_MSGPACK : FORM_JSON, &problem);
    if (json != NULL) {
        check_command(json, data[0]);
        json_decref(json);
    }
    return 0;
}
