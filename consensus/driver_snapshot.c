/* Snapshots as the core sees them: manifests of checkpoints that were taken here, and installs of
 * states that came from another node. Never both at a time. */
#include "consensus/driver_private.h"

#include <stdlib.h>

#include "consensus/message.h"

/* The driver's part of a manifest: a magic of six bytes, u16 format, u64 the highest id that any
 * member had up to there. A manifest of before has only the state machine's part. */
static const char manifest_magic[6] = {'F', 'L', 'O', 'R', 'I', 'N'};
enum { MANIFEST_FORMAT = DRIVER_SNAPSHOT_FORMAT, MANIFEST_HEADER = 16 };

static void manifest_write_header(const struct driver *d, struct bytes *out)
{
    bytes_append(out, manifest_magic, sizeof manifest_magic);
    bytes_append_u16(out, MANIFEST_FORMAT);
    bytes_append_u64(out, d->roster.own.highest);
}

int driver_manifest_read(const struct bytes *manifest, uint64_t *highest_id, struct slice *rest,
                         struct fault *fault)
{
    struct cursor c = cursor_of(manifest->base, manifest->len);
    const uint8_t *magic = cursor_take(&c, sizeof manifest_magic);
    uint16_t format = cursor_u16(&c);

    *highest_id = 0;
    *rest = (struct slice){(const char *)manifest->base, manifest->len};
    if (magic == NULL || memcmp(magic, manifest_magic, sizeof manifest_magic) != 0) {
        return 0;
    }
    if (format > MANIFEST_FORMAT) {
        return fault_set(fault,
                         "a snapshot has format %u, newer than this program knows (%d): install "
                         "the newer florin on this node",
                         format, MANIFEST_FORMAT);
    }
    *highest_id = cursor_u64(&c);
    if (c.failed) {
        return fault_set(fault, "a snapshot's manifest is cut short; restore this node from the "
                                "others: docs/operations.md");
    }
    *rest = (struct slice){(const char *)c.at, c.left};
    return 0;
}

int driver_decode_configuration(const struct bytes *from, struct raft_configuration *to,
                                struct fault *fault)
{
    struct raft_buffer buffer = {from->base, from->len};

    raft_configuration_init(to);
    if (!message_configuration_valid(from->base, from->len) ||
        raft_configuration_decode(&buffer, to) != 0) {
        return fault_set(fault, "the stored cluster configuration can't be read; restore this node "
                                "from the others: docs/operations.md");
    }
    return 0;
}

static void encode_configuration(const struct raft_configuration *from, struct bytes *to)
{
    struct raft_buffer buffer;

    bytes_clear(to);
    if (raft_configuration_encode(from, &buffer) != 0) {
        abort(); /* only memory can fail it */
    }
    bytes_append(to, buffer.base, buffer.len);
    raft_free(buffer.base);
}

int driver_copy_configuration(const struct raft_configuration *from, struct raft_configuration *to,
                              struct fault *fault)
{
    struct bytes encoded;
    int rv;

    bytes_init(&encoded);
    encode_configuration(from, &encoded);
    rv = driver_decode_configuration(&encoded, to, fault);
    bytes_release(&encoded);
    return rv;
}

/* Before which entry the log may be cut when `index` is its snapshot. */
static uint64_t cut_before(struct driver *d, uint64_t index)
{
    uint64_t cut = index > d->options.trailing ? index - d->options.trailing : 0;
    uint64_t limit = driver_hold_limit(d);

    return cut < limit ? cut : limit;
}

int driver_checkpointed(struct driver *d, uint64_t index, struct slice manifest,
                        struct fault *fault)
{
    struct storage_write *w;
    struct log_entry e;

    /* The configuration as of `index` is only known when none was committed after it. */
    if (d->snapshot_writing || d->install != INSTALL_NONE || index <= d->snapshot.index ||
        index > driver_applicable(d) || index < d->raft.configuration_committed_index) {
        return 0;
    }
    if (driver_entry(d, index, &e, fault) != 0) {
        return -1;
    }
    w = driver_new_write(STORAGE_SNAPSHOT);
    w->snapshot.index = index;
    w->snapshot.term = e.term;
    w->snapshot.configuration_index = d->raft.configuration_committed_index;
    encode_configuration(&d->raft.configuration_committed, &w->snapshot.configuration);
    manifest_write_header(d, &w->snapshot.manifest);
    bytes_append(&w->snapshot.manifest, manifest.base, manifest.len);
    w->cut_before = cut_before(d, index);
    if (w->cut_before > d->first_index) {
        d->first_index = w->cut_before;
    }
    d->snapshot_writing = true;
    driver_submit_write(d, w);
    return 0;
}

int driver_manifest_written(struct driver *d, struct storage_write *w, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_SNAPSHOT};

    d->snapshot_writing = false;
    log_snapshot_copy(&d->snapshot, &w->snapshot);
    event.snapshot.metadata.index = w->snapshot.index;
    event.snapshot.metadata.term = w->snapshot.term;
    event.snapshot.metadata.configuration_index = w->snapshot.configuration_index;
    /* The core drops up to the entry so far behind, and that one too; it is to keep what the log
     * keeps: a peer that has got the state of the first entry that is kept goes on from there. */
    event.snapshot.trailing = (unsigned)(w->snapshot.index - w->cut_before + 1);
    if (driver_decode_configuration(&w->snapshot.configuration,
                                    &event.snapshot.metadata.configuration, fault) != 0) {
        return -1;
    }
    return driver_step(d, &event, fault);
}

int driver_receive_install(struct driver *d, uint64_t peer, struct raft_message *m,
                           struct fault *fault)
{
    struct raft_event event = {.type = RAFT_RECEIVE};
    const struct raft_install_snapshot *install = &m->install_snapshot;
    struct bytes manifest = {.base = install->data.base, .len = install->data.len};
    struct slice state;
    uint64_t highest_id;

    if (install->term < d->raft.current_term || install->last_index <= driver_applicable(d)) {
        /* Old news: the core answers it without touching anything. */
        event.receive.message = m;
        return driver_step(d, &event, fault);
    }
    if (d->options.installer.start == NULL || d->snapshot_writing || d->install != INSTALL_NONE) {
        message_release(m); /* the leader asks again */
        return 0;
    }
    if (driver_manifest_read(&manifest, &highest_id, &state, fault) != 0) {
        message_release(m);
        return -1;
    }
    d->install = INSTALL_FETCHING;
    d->install_message = *m;
    d->install_peer = peer;
    report(d->options.reporter, LEVEL_INFO, "consensus", "fetching the state from the leader",
           "peer=%llu index=%llu", (unsigned long long)peer,
           (unsigned long long)install->last_index);
    d->options.installer.start(d->options.installer.impl, peer, install->last_index, state);
    return 0;
}

/* The state is in place (or not): only now does the core hear of it. A delayed message is always
 * legal in Raft, and whatever changed meanwhile the core and the guards judge as of now. */
int driver_fetched(struct driver *d, uint64_t now_ms, bool ok, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_RECEIVE};

    d->now_ms = now_ms;
    if (d->install != INSTALL_FETCHING) {
        return 0;
    }
    d->install = INSTALL_NONE;
    if (!ok || !driver_guard(d, d->install_peer, &d->install_message)) {
        message_release(&d->install_message);
        return 0;
    }
    event.receive.message = &d->install_message;
    return driver_step(d, &event, fault);
}

int driver_take_install(struct driver *d, struct raft_update *update, struct fault *fault)
{
    struct storage_write *w = driver_new_write(STORAGE_INSTALL);
    struct raft_snapshot_metadata *metadata = &update->snapshot.metadata;

    (void)fault;
    w->snapshot.index = metadata->index;
    w->snapshot.term = metadata->term;
    w->snapshot.configuration_index = metadata->configuration_index;
    encode_configuration(&metadata->configuration, &w->snapshot.configuration);
    bytes_append(&w->snapshot.manifest, update->snapshot.chunk.base, update->snapshot.chunk.len);
    raft_configuration_close(&metadata->configuration);
    raft_free(update->snapshot.chunk.base);
    d->install = INSTALL_WRITING;
    d->first_index = w->snapshot.index + 1;
    cache_cut(d->cache, w->snapshot.index + 1);
    driver_submit_write(d, w);
    return 0;
}

int driver_install_written(struct driver *d, struct storage_write *w, struct fault *fault)
{
    struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
    struct slice state;
    uint64_t highest_id;

    d->install = INSTALL_NONE;
    log_snapshot_copy(&d->snapshot, &w->snapshot);
    if (driver_manifest_read(&d->snapshot.manifest, &highest_id, &state, fault) != 0) {
        return -1;
    }
    roster_used(&d->roster, highest_id);
    event.persisted_snapshot.metadata.index = w->snapshot.index;
    event.persisted_snapshot.metadata.term = w->snapshot.term;
    event.persisted_snapshot.metadata.configuration_index = w->snapshot.configuration_index;
    event.persisted_snapshot.last = true;
    if (driver_decode_configuration(&w->snapshot.configuration,
                                    &event.persisted_snapshot.metadata.configuration, fault) != 0) {
        return -1;
    }
    return driver_step(d, &event, fault);
}
