#include "consensus/message.h"

#include "consensus/log.h"

/* Terms and indexes stay far below where additions could wrap. */
static const uint64_t NUMBER_MAX = (uint64_t)1 << 62;

void append_begin(struct append_encoder *e, struct bytes *out, const struct raft_append_entries *m)
{
    bytes_append_u8(out, MESSAGE_VERSION);
    bytes_append_u8(out, RAFT_APPEND_ENTRIES);
    bytes_append_u64(out, m->term);
    bytes_append_u64(out, m->prev_log_index);
    bytes_append_u64(out, m->prev_log_term);
    bytes_append_u64(out, m->leader_commit);
    e->out = out;
    e->count_at = out->len;
    e->count = 0;
    bytes_append_u32(out, 0);
}

void append_entry(struct append_encoder *e, uint64_t term, int type, const void *data, size_t len)
{
    bytes_append_u64(e->out, term);
    bytes_append_u8(e->out, (uint8_t)type);
    bytes_append_u32(e->out, (uint32_t)len);
    bytes_append(e->out, data, len);
    e->count++;
}

void append_end(struct append_encoder *e)
{
    size_t i;

    for (i = 0; i < 4; i++) {
        e->out->base[e->count_at + i] = (uint8_t)(e->count >> (8 * i));
    }
}

static void encode_append(const struct raft_append_entries *m, struct bytes *out)
{
    struct append_encoder e;
    unsigned i;

    append_begin(&e, out, m);
    for (i = 0; i < m->n_entries; i++) {
        append_entry(&e, m->entries[i].term, (int)m->entries[i].type, m->entries[i].buf.base,
                     m->entries[i].buf.len);
    }
    append_end(&e);
}

static void encode_install(const struct raft_install_snapshot *m, struct bytes *out)
{
    struct raft_buffer configuration = {NULL, 0};

    bytes_append_u64(out, m->term);
    bytes_append_u64(out, m->last_index);
    bytes_append_u64(out, m->last_term);
    bytes_append_u64(out, m->conf_index);
    if (raft_configuration_encode(&m->conf, &configuration) != 0) {
        configuration.len = 0; /* out of memory: the receiver refuses the empty one */
    }
    bytes_append_u32(out, (uint32_t)configuration.len);
    bytes_append(out, configuration.base, configuration.len);
    raft_free(configuration.base);
    bytes_append_u32(out, (uint32_t)m->data.len);
    bytes_append(out, m->data.base, m->data.len);
}

void message_encode(const struct raft_message *message, struct bytes *out)
{
    const struct raft_message *m = message;

    if (m->type == RAFT_APPEND_ENTRIES) {
        encode_append(&m->append_entries, out);
        return;
    }
    bytes_append_u8(out, MESSAGE_VERSION);
    bytes_append_u8(out, (uint8_t)m->type);
    switch (m->type) {
    case RAFT_APPEND_ENTRIES:
        break; /* above */
    case RAFT_APPEND_ENTRIES_RESULT:
        bytes_append_u64(out, m->append_entries_result.term);
        bytes_append_u64(out, m->append_entries_result.rejected);
        bytes_append_u64(out, m->append_entries_result.last_log_index);
        bytes_append_u16(out, m->append_entries_result.features);
        bytes_append_u16(out, m->append_entries_result.capacity);
        break;
    case RAFT_REQUEST_VOTE:
        bytes_append_u64(out, m->request_vote.term);
        bytes_append_u64(out, m->request_vote.candidate_id);
        bytes_append_u64(out, m->request_vote.last_log_index);
        bytes_append_u64(out, m->request_vote.last_log_term);
        bytes_append_u8(out, m->request_vote.disrupt_leader);
        bytes_append_u8(out, m->request_vote.pre_vote);
        break;
    case RAFT_REQUEST_VOTE_RESULT:
        bytes_append_u64(out, m->request_vote_result.term);
        bytes_append_u8(out, m->request_vote_result.vote_granted);
        bytes_append_u8(out, m->request_vote_result.pre_vote);
        bytes_append_u16(out, m->request_vote_result.features);
        bytes_append_u16(out, m->request_vote_result.capacity);
        break;
    case RAFT_INSTALL_SNAPSHOT:
        encode_install(&m->install_snapshot, out);
        break;
    case RAFT_TIMEOUT_NOW:
        bytes_append_u64(out, m->timeout_now.term);
        bytes_append_u64(out, m->timeout_now.last_log_index);
        bytes_append_u64(out, m->timeout_now.last_log_term);
        break;
    }
}

bool message_configuration_valid(const void *data, size_t len)
{
    /* libraft's format 1: u8 format, u64 count; each u64 id, NUL-ended address, u8 role; padding.*/
    struct cursor c = cursor_of(data, len);
    struct {
        uint64_t id;
        const char *address;
    } seen[MESSAGE_SERVERS_MAX];
    uint64_t n;
    uint64_t i, j;

    if (cursor_u8(&c) != 1) {
        return false;
    }
    n = cursor_u64(&c);
    if (c.failed || n == 0 || n > MESSAGE_SERVERS_MAX) {
        return false;
    }
    for (i = 0; i < n; i++) {
        const uint8_t *end;
        seen[i].id = cursor_u64(&c);
        if (seen[i].id == 0) {
            return false;
        }
        end = c.left == 0 ? NULL : memchr(c.at, 0, c.left);
        if (end == NULL || end == c.at || (size_t)(end - c.at) >= LOG_ADDRESS_MAX) {
            return false;
        }
        seen[i].address = (const char *)cursor_take(&c, (size_t)(end - c.at) + 1);
        if (cursor_u8(&c) > RAFT_SPARE || c.failed) {
            return false;
        }
        for (j = 0; j < i; j++) {
            if (seen[j].id == seen[i].id || strcmp(seen[j].address, seen[i].address) == 0) {
                return false;
            }
        }
    }
    return true;
}

/* First pass over the entries: their bounds and their total payload; the cursor is a copy. */
static int measure_entries(struct cursor c, uint32_t n, uint64_t term, uint64_t prev_term,
                           size_t *total, struct fault *fault)
{
    uint64_t last_term = prev_term;
    uint32_t i;

    *total = 0;
    for (i = 0; i < n; i++) {
        uint64_t entry_term = cursor_u64(&c);
        uint8_t type = cursor_u8(&c);
        uint32_t len = cursor_u32(&c);
        const uint8_t *payload = cursor_take(&c, len);
        if (c.failed) {
            return fault_set(fault, "entry %u of %u is cut short", i + 1, n);
        }
        if (entry_term == 0 || entry_term < last_term || entry_term > term) {
            return fault_set(fault, "entry %u has term %llu in a message of term %llu", i + 1,
                             (unsigned long long)entry_term, (unsigned long long)term);
        }
        if (type < RAFT_COMMAND || type > RAFT_CHANGE) {
            return fault_set(fault, "entry %u has the unknown type %u", i + 1, type);
        }
        if (len == 0 || len % 8 != 0 || len > LOG_ENTRY_MAX) {
            return fault_set(fault, "entry %u has %u bytes", i + 1, len);
        }
        if (type == RAFT_CHANGE && !message_configuration_valid(payload, len)) {
            return fault_set(fault, "entry %u is no valid configuration", i + 1);
        }
        last_term = entry_term;
        *total += len;
    }
    if (c.left != 0) {
        return fault_set(fault, "%zu bytes follow the last entry", c.left);
    }
    return 0;
}

static int decode_entries(struct cursor *c, struct raft_append_entries *m, struct fault *fault)
{
    uint32_t n = cursor_u32(c);
    uint8_t *batch;
    size_t total;
    uint32_t i;

    m->entries = NULL;
    m->n_entries = 0;
    if (c->failed || n > MESSAGE_ENTRIES_MAX) {
        return fault_set(fault, "append entries claims %u entries", n);
    }
    if (measure_entries(*c, n, m->term, m->prev_log_term, &total, fault) != 0) {
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    batch = raft_malloc(total);
    m->entries = raft_calloc(n, sizeof *m->entries);
    if (batch == NULL || m->entries == NULL) {
        raft_free(batch);
        raft_free(m->entries);
        m->entries = NULL;
        return fault_set(fault, "out of memory for %u entries", n);
    }
    m->n_entries = n;
    for (i = 0; i < n; i++) {
        struct raft_entry *e = &m->entries[i];
        e->term = cursor_u64(c);
        e->type = cursor_u8(c);
        e->buf.len = cursor_u32(c);
        e->buf.base =
            batch + (i == 0 ? 0 : (size_t)((uint8_t *)e[-1].buf.base - batch) + e[-1].buf.len);
        memcpy(e->buf.base, cursor_take(c, e->buf.len), e->buf.len);
        e->batch = batch;
    }
    return 0;
}

static int decode_append(struct cursor *c, struct raft_append_entries *m, struct fault *fault)
{
    m->version = 0;
    m->term = cursor_u64(c);
    m->prev_log_index = cursor_u64(c);
    m->prev_log_term = cursor_u64(c);
    m->leader_commit = cursor_u64(c);
    if (c->failed || m->term == 0 || m->term > NUMBER_MAX || m->prev_log_index > NUMBER_MAX ||
        m->leader_commit > NUMBER_MAX || (m->prev_log_index == 0) != (m->prev_log_term == 0) ||
        m->prev_log_term > m->term) {
        return fault_set(fault, "append entries with impossible terms or indexes");
    }
    return decode_entries(c, m, fault);
}

static int decode_append_result(struct cursor *c, struct raft_append_entries_result *m,
                                struct fault *fault)
{
    m->version = 1;
    m->term = cursor_u64(c);
    m->rejected = cursor_u64(c);
    m->last_log_index = cursor_u64(c);
    m->features = cursor_u16(c);
    m->capacity = cursor_u16(c);
    if (c->failed || c->left != 0 || m->term > NUMBER_MAX || m->rejected > NUMBER_MAX ||
        m->last_log_index > NUMBER_MAX || (m->rejected > 0 && m->last_log_index >= m->rejected)) {
        return fault_set(fault, "append entries result with impossible numbers");
    }
    return 0;
}

static int decode_vote(struct cursor *c, struct raft_request_vote *m, struct fault *fault)
{
    m->version = 2;
    m->term = cursor_u64(c);
    m->candidate_id = cursor_u64(c);
    m->last_log_index = cursor_u64(c);
    m->last_log_term = cursor_u64(c);
    m->disrupt_leader = cursor_u8(c) != 0;
    m->pre_vote = cursor_u8(c) != 0;
    if (c->failed || c->left != 0 || m->term == 0 || m->term > NUMBER_MAX || m->candidate_id == 0 ||
        m->last_log_index > NUMBER_MAX || m->last_log_term > m->term) {
        return fault_set(fault, "request vote with impossible numbers");
    }
    return 0;
}

static int decode_vote_result(struct cursor *c, struct raft_request_vote_result *m,
                              struct fault *fault)
{
    m->version = 2;
    m->term = cursor_u64(c);
    m->vote_granted = cursor_u8(c) != 0;
    m->pre_vote = cursor_u8(c) != 0;
    m->features = cursor_u16(c);
    m->capacity = cursor_u16(c);
    if (c->failed || c->left != 0 || m->term > NUMBER_MAX) {
        return fault_set(fault, "request vote result with impossible numbers");
    }
    return 0;
}

static int decode_install(struct cursor *c, struct raft_install_snapshot *m, struct fault *fault)
{
    struct raft_buffer configuration;
    const uint8_t *data;
    uint32_t len;

    memset(m, 0, sizeof *m);
    raft_configuration_init(&m->conf);
    m->term = cursor_u64(c);
    m->last_index = cursor_u64(c);
    m->last_term = cursor_u64(c);
    m->conf_index = cursor_u64(c);
    configuration.len = cursor_u32(c);
    configuration.base = (void *)(uintptr_t)cursor_take(c, configuration.len);
    len = cursor_u32(c);
    data = cursor_take(c, len);
    if (c->failed || c->left != 0 || m->term == 0 || m->term > NUMBER_MAX || m->last_index == 0 ||
        m->last_index > NUMBER_MAX || m->last_term == 0 || m->last_term > m->term ||
        m->conf_index > m->last_index || len > MESSAGE_MANIFEST_MAX ||
        !message_configuration_valid(configuration.base, configuration.len)) {
        return fault_set(fault, "install snapshot with impossible numbers");
    }
    m->data.len = len;
    m->data.base = raft_malloc(len == 0 ? 1 : len);
    if (m->data.base == NULL || raft_configuration_decode(&configuration, &m->conf) != 0) {
        raft_free(m->data.base);
        m->data.base = NULL;
        return fault_set(fault, "install snapshot: out of memory or a bad configuration");
    }
    memcpy(m->data.base, data, len);
    return 0;
}

static int decode_timeout_now(struct cursor *c, struct raft_timeout_now *m, struct fault *fault)
{
    m->version = 0;
    m->term = cursor_u64(c);
    m->last_log_index = cursor_u64(c);
    m->last_log_term = cursor_u64(c);
    if (c->failed || c->left != 0 || m->term == 0 || m->term > NUMBER_MAX ||
        m->last_log_index > NUMBER_MAX || m->last_log_term > m->term) {
        return fault_set(fault, "timeout now with impossible numbers");
    }
    return 0;
}

int message_decode(const void *data, size_t len, struct raft_message *message, struct fault *fault)
{
    struct cursor c = cursor_of(data, len);
    uint8_t version = cursor_u8(&c);
    uint8_t type = cursor_u8(&c);

    memset(message, 0, sizeof *message);
    if (c.failed || version != MESSAGE_VERSION) {
        return fault_set(fault, "Raft message format %u is not known here (%d is)", version,
                         MESSAGE_VERSION);
    }
    message->type = type;
    switch (message->type) {
    case RAFT_APPEND_ENTRIES:
        return decode_append(&c, &message->append_entries, fault);
    case RAFT_APPEND_ENTRIES_RESULT:
        return decode_append_result(&c, &message->append_entries_result, fault);
    case RAFT_REQUEST_VOTE:
        return decode_vote(&c, &message->request_vote, fault);
    case RAFT_REQUEST_VOTE_RESULT:
        return decode_vote_result(&c, &message->request_vote_result, fault);
    case RAFT_INSTALL_SNAPSHOT:
        return decode_install(&c, &message->install_snapshot, fault);
    case RAFT_TIMEOUT_NOW:
        return decode_timeout_now(&c, &message->timeout_now, fault);
    }
    return fault_set(fault, "unknown Raft message type %u", type);
}

void message_release(struct raft_message *message)
{
    if (message->type == RAFT_APPEND_ENTRIES && message->append_entries.n_entries > 0) {
        raft_free(message->append_entries.entries[0].batch);
        raft_free(message->append_entries.entries);
        message->append_entries.entries = NULL;
        message->append_entries.n_entries = 0;
    } else if (message->type == RAFT_INSTALL_SNAPSHOT) {
        raft_configuration_close(&message->install_snapshot.conf);
        raft_configuration_init(&message->install_snapshot.conf);
        raft_free(message->install_snapshot.data.base);
        message->install_snapshot.data.base = NULL;
    }
}

const char *message_type_name(enum raft_message_type type)
{
    switch (type) {
    case RAFT_APPEND_ENTRIES:
        return "append_entries";
    case RAFT_APPEND_ENTRIES_RESULT:
        return "append_entries_result";
    case RAFT_REQUEST_VOTE:
        return "request_vote";
    case RAFT_REQUEST_VOTE_RESULT:
        return "request_vote_result";
    case RAFT_INSTALL_SNAPSHOT:
        return "install_snapshot";
    case RAFT_TIMEOUT_NOW:
        return "timeout_now";
    }
    return "unknown";
}
