/* Fuzzes the decoder of Raft messages: whatever it takes is bounded, owned, and encodes to the same
 * bytes again. Built for libFuzzer. */
#include <stdlib.h>
#include <string.h>

#include "consensus/log.h"
#include "consensus/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void look_at_entries(const struct raft_append_entries *m)
{
    unsigned i;

    must(m->n_entries <= MESSAGE_ENTRIES_MAX);
    for (i = 0; i < m->n_entries; i++) {
        const struct raft_entry *e = &m->entries[i];
        must(e->buf.len > 0 && e->buf.len % 8 == 0 && e->buf.len <= LOG_ENTRY_MAX);
        must(e->term > 0 && e->term <= m->term && e->batch == m->entries[0].batch);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct raft_message m;
    struct raft_message again;
    struct bytes encoded;
    struct bytes twice;
    struct fault fault;

    if (message_decode(data, size, &m, &fault) != 0) {
        return 0;
    }
    if (m.type == RAFT_APPEND_ENTRIES) {
        look_at_entries(&m.append_entries);
    }
    /* Flags may be any byte that is not zero, so the first encoding may differ; the second may not.
     */
    bytes_init(&encoded);
    bytes_init(&twice);
    message_encode(&m, &encoded);
    must(encoded.len <= size + 8); /* a configuration is padded to eights */
    must(message_decode(encoded.base, encoded.len, &again, &fault) == 0);
    message_encode(&again, &twice);
    must(twice.len == encoded.len && memcmp(twice.base, encoded.base, twice.len) == 0);
    message_release(&again);
    message_release(&m);
    bytes_release(&encoded);
    bytes_release(&twice);
    return 0;
}
