/* Snapshots as the core sees them: manifests of checkpoints that were taken here, and installs of
 * states that came from another node. Never both at a time. */
#include "consensus/driver_private.h"

#include <stdlib.h>

#include "consensus/message.h"

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
    bytes_append(&w->snapshot.manifest, manifest.base, manifest.len);
    w->cut_before = index > d->options.trailing ? index - d->options.trailing : 0;
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
    event.snapshot.trailing = d->options.trailing;
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

    if (install->term < d->raft.current_term || install->last_index <= driver_applicable(d)) {
        /* Old news: the core answers it without touching anything. */
        event.receive.message = m;
        return driver_step(d, &event, fault);
    }
    if (d->options.installer.start == NULL || d->snapshot_writing || d->install != INSTALL_NONE) {
        message_release(m); /* the leader asks again */
        return 0;
    }
    d->install = INSTALL_FETCHING;
    d->install_message = *m;
    d->install_peer = peer;
    report(d->options.reporter, LEVEL_INFO, "consensus", "fetching the state from the leader",
           "peer=%llu index=%llu", (unsigned long long)peer,
           (unsigned long long)install->last_index);
    d->options.installer.start(d->options.installer.impl, peer, install->last_index,
                               (struct slice){install->data.base, install->data.len});
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

    d->install = INSTALL_NONE;
    log_snapshot_copy(&d->snapshot, &w->snapshot);
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
