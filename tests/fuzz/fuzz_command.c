/* The decoders of the state machine on any bytes: commands (msgpack), queries, outcomes, records
 * and answers. A command that is taken must encode to bytes that are taken again. The first byte
 * chooses the decoder. */
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
    struct fault fault;

    if (answer != NULL && answer_decode(data, size, answer, &fault) == 0) {
        while (answer_next_record(answer, &record, &fault) == 1) {
        }
    }
    free(answer);
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
