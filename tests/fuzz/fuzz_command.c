/* The decoders of the state machine on any bytes: commands (msgpack), queries, outcomes, records,
 * answers and actions. A command that is taken must encode to bytes that are taken again. The first
 * byte chooses the decoder. */
#include <stdint.h>
#include <stdlib.h>

#include "statemachine/outcome.h"
#include "statemachine/query.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_command(const uint8_t *data, size_t size)
{
    struct command command, again;
    struct bytes first, second;
    struct fault fault;

    if (command_decode(data, size, &command, &fault) != 0) {
        return;
    }
    bytes_init(&first);
    bytes_init(&second);
    command_encode(&command, &first);
    if (command_decode(first.base, first.len, &again, &fault) != 0) {
        abort();
    }
    command_encode(&again, &second);
    if (first.len != second.len || memcmp(first.base, second.base, first.len) != 0) {
        abort();
    }
    bytes_release(&first);
    bytes_release(&second);
}

static void try_answer(const uint8_t *data, size_t size)
{
    struct answer *answer = malloc(sizeof *answer); /* large */
    struct record record;
    struct action action;
    struct fault fault;

    if (answer != NULL && answer_decode(data, size, answer, &fault) == 0) {
        while (answer_next_record(answer, &record, &fault) == 1) {
        }
    }
    if (answer != NULL && answer_decode(data, size, answer, &fault) == 0) {
        while (answer_next_action(answer, &action, &fault) == 1) {
        }
    }
    free(answer);
}

/* What is taken is what was made: the same bytes again. */
static void try_action(const uint8_t *data, size_t size)
{
    struct action action;
    struct bytes again;
    struct fault fault;

    if (action_unseal(data, size, &action, &fault) != 0) {
        return;
    }
    bytes_init(&again);
    action_seal(&action, &again);
    if (again.len != size || memcmp(again.base, data, size) != 0) {
        abort();
    }
    bytes_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome outcome;
    struct record record;
    struct query query;
    struct fault fault;

    if (size == 0) {
        return 0;
    }
    data++;
    size--;
    if (data[-1] == UINT8_MAX) { /* came later: the kept corpus means what it meant */
        try_action(data, size);
        return 0;
    }
    switch (data[-1] % 5) {
    case 0:
        try_command(data, size);
        break;
    case 1:
        query_decode(data, size, &query, &fault);
        break;
    case 2:
        outcome_decode(data, size, &outcome, &fault);
        break;
    case 3:
        record_decode(data, size, &record, &fault);
        record_unseal(data, size, &record, &fault);
        break;
    case 4:
        try_answer(data, size);
        break;
    }
    return 0;
}
