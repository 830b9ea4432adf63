/* Raft messages between peers as bytes. Every length, count and number from the wire is bounded
 * before it is used; what no correct peer sends is refused here, before libraft sees it.
 *
 * Version 1, little-endian: u8 version, u8 type, then the fields of that type in the order of
 * libraft's struct. Entries: u32 count, then each u64 term, u8 type, u32 length, bytes. */
#ifndef FLORIN_MESSAGE_H
#define FLORIN_MESSAGE_H

#include <raft.h>

#include "statemachine/bytes.h"
#include "statemachine/report.h"

enum {
    MESSAGE_ENTRIES_MAX = 4096,
    MESSAGE_VERSION = 1,
    MESSAGE_SERVERS_MAX = 16,
    MESSAGE_MANIFEST_MAX = 4096,
};

/* Appends the encoding. Entries are taken from message->append_entries.entries. */
void message_encode(const struct raft_message *message, struct bytes *out);

/* The same for an append entries message whose entries come one at a time (from the log): begin,
 * each entry, end. The driver uses it so that payloads are copied once. */
struct append_encoder {
    struct bytes *out;
    size_t count_at;
    uint32_t count;
};
void append_begin(struct append_encoder *e, struct bytes *out, const struct raft_append_entries *m);
void append_entry(struct append_encoder *e, uint64_t term, int type, const void *data, size_t len);
void append_end(struct append_encoder *e);

/* Decodes; on 0 entries, configuration and data are allocated as libraft wants them (raft_malloc,
 * one batch) and message_release frees what libraft was not given. server_id and server_address
 * are the caller's to fill. */
int message_decode(const void *data, size_t len, struct raft_message *message, struct fault *fault);

/* Frees what a decoded message owns: for messages that are dropped instead of stepped. */
void message_release(struct raft_message *message);

/* True when the bytes are a libraft configuration that raft_configuration_decode can be given: it
 * trusts its input, so this walks it first. */
bool message_configuration_valid(const void *data, size_t len);

const char *message_type_name(enum raft_message_type type);

#endif
