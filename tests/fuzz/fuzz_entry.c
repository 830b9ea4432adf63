/* Fuzzes the decoder of our Raft entries: what it takes can be walked without another check, as
 * apply does, and encodes to the same bytes again. Built for libFuzzer. */
#include <stdlib.h>
#include <string.h>

#include "consensus/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct entry_header h;
    struct cursor frames;
    struct slice command;
    struct bytes again;
    struct fault fault;
    uint32_t i;

    if (entry_decode(data, size, &h, &frames, &fault) != 0) {
        return 0;
    }
    bytes_init(&again);
    entry_begin(&again, &h);
    for (i = 0; i < h.count; i++) {
        must(frame_next(&frames, &command) && command.len > 0);
        frame_append(&again, command.base, command.len);
    }
    entry_finish(&again, h.count);
    must(again.len % 8 == 0 && again.len <= size + 7);
    if (h.has_check) { /* without, its place may hold anything */
        must(memcmp(again.base, data, again.len < size ? again.len : size) == 0);
    }
    bytes_release(&again);
    return 0;
}
