#include "consensus/manifest.h"

#include <stdio.h>
#include <stdlib.h>

#include "statemachine/crc32c.h"
#include "consensus/disk_io.h"
#include "statemachine/failpoint.h"

const char *const manifest_leftovers[] = {"identity.tmp", "snapshot.tmp", NULL};

enum {
    SEALED_MAGIC = 0x46524c46, /* "FLRF" */
    SEALED_HEADER = 20,        /* magic, version, kind, length, crc */
    SEALED_CRC_AT = 16,
    SEALED_VERSION = 1,
    KIND_IDENTITY = 1,
    KIND_SNAPSHOT = 2,
    SEALED_BYTES_MAX = MANIFEST_BYTES_MAX + 4096,
};

/* The checksum covers the header in front of it and the body behind it. */
static uint32_t sealed_crc(const uint8_t *base, size_t len)
{
    return crc32c(crc32c(0, base, SEALED_CRC_AT), base + SEALED_HEADER, len - SEALED_HEADER);
}

static int sealed_fill(struct disk *disk, int handle, const char *name, const struct bytes *b,
                       struct fault *fault)
{
    int rv = disk->truncate(disk->impl, handle, 0); /* a leftover of an earlier life */

    if (rv != 0) {
        return disk_fault(fault, disk, "truncating", name, rv);
    }
    if (disk_write_all(disk, handle, name, b->base, b->len, 0, fault) != 0) {
        return -1;
    }
    FAILPOINT("manifest: written");
    return disk_sync_file(disk, handle, name, fault);
}

static int sealed_write(struct disk *disk, const char *name, uint32_t kind,
                        const struct bytes *body, struct fault *fault)
{
    char tmp[DISK_NAME_MAX];
    struct bytes b, crc;
    int handle, rv;

    bytes_init(&b);
    bytes_init(&crc);
    bytes_append_u32(&b, SEALED_MAGIC);
    bytes_append_u32(&b, SEALED_VERSION);
    bytes_append_u32(&b, kind);
    bytes_append_u32(&b, (uint32_t)body->len);
    bytes_append_u32(&b, 0);
    bytes_append(&b, body->base, body->len);
    bytes_append_u32(&crc, sealed_crc(b.base, b.len));
    memcpy(b.base + SEALED_CRC_AT, crc.base, 4);
    bytes_release(&crc);

    snprintf(tmp, sizeof tmp, "%s.tmp", name);
    handle = disk->open(disk->impl, tmp, 1);
    if (handle < 0) {
        rv = disk_fault(fault, disk, "creating", tmp, handle);
        goto out;
    }
    FAILPOINT("manifest: created");
    rv = sealed_fill(disk, handle, tmp, &b, fault);
    disk->close(disk->impl, handle);
    if (rv != 0) {
        goto out;
    }
    FAILPOINT("manifest: synced");
    rv = disk->rename(disk->impl, tmp, name);
    FAILPOINT("manifest: renamed");
    rv = rv == 0 ? disk_sync_names(disk, fault) : disk_fault(fault, disk, "renaming", tmp, rv);
    FAILPOINT("manifest: name synced");
out:
    bytes_release(&b);
    return rv;
}

/* The whole file, if its size can be right. */
static int sealed_load(struct disk *disk, int handle, const char *name, struct bytes *body,
                       struct fault *fault)
{
    int64_t size = disk->size(disk->impl, handle);
    size_t got;

    if (size < 0) {
        return disk_fault(fault, disk, "reading", name, size);
    }
    if (size < SEALED_HEADER || size > SEALED_BYTES_MAX) {
        return disk_damage(fault, disk, name, (uint64_t)size, "the file has a wrong size");
    }
    bytes_reserve(body, (size_t)size);
    if (disk_read_upto(disk, handle, name, body->base, (size_t)size, 0, &got, fault) != 0) {
        return -1;
    }
    body->len = got;
    return got == (size_t)size ? 0 : disk_damage(fault, disk, name, got, "the file became shorter");
}

/* Reads and checks; the body goes to *body (initialized). */
static int sealed_read(struct disk *disk, const char *name, uint32_t kind, struct bytes *body,
                       bool *found, struct fault *fault)
{
    uint8_t header[SEALED_HEADER];
    struct cursor c = cursor_of(header, sizeof header);
    uint32_t magic, version, found_kind, len, crc;
    int handle, rv;

    rv = disk_open_existing(disk, name, &handle, found, fault);
    if (rv != 0 || !*found) {
        return rv;
    }
    rv = sealed_load(disk, handle, name, body, fault);
    disk->close(disk->impl, handle);
    if (rv != 0) {
        return rv;
    }
    memcpy(header, body->base, sizeof header);
    magic = cursor_u32(&c);
    version = cursor_u32(&c);
    found_kind = cursor_u32(&c);
    len = cursor_u32(&c);
    crc = cursor_u32(&c);
    if (magic != SEALED_MAGIC || crc != sealed_crc(body->base, body->len)) {
        return disk_damage(fault, disk, name, 0, "wrong checksum");
    }
    if (version > SEALED_VERSION) {
        return fault_set(fault, "%s/%s has format %u, newer than this program knows (%d)",
                         disk->where(disk->impl), name, version, SEALED_VERSION);
    }
    if (found_kind != kind || len != body->len - sizeof header) {
        return disk_damage(fault, disk, name, 0, "not the file it should be");
    }
    memmove(body->base, body->base + sizeof header, len);
    body->len = len;
    return 0;
}

void manifest_init(struct manifest *m)
{
    *m = (struct manifest){.first_segment = 0};
    bytes_init(&m->snapshot.configuration);
    bytes_init(&m->snapshot.manifest);
}

void log_snapshot_release(struct log_snapshot *s)
{
    bytes_release(&s->configuration);
    bytes_release(&s->manifest);
}

void manifest_release(struct manifest *m)
{
    log_snapshot_release(&m->snapshot);
}

void log_snapshot_copy(struct log_snapshot *to, const struct log_snapshot *from)
{
    to->index = from->index;
    to->term = from->term;
    to->configuration_index = from->configuration_index;
    bytes_clear(&to->configuration);
    bytes_append(&to->configuration, from->configuration.base, from->configuration.len);
    bytes_clear(&to->manifest);
    bytes_append(&to->manifest, from->manifest.base, from->manifest.len);
}

int manifest_write(struct disk *disk, const struct manifest *m, struct fault *fault)
{
    const struct log_snapshot *s = &m->snapshot;
    struct bytes body;
    int rv;

    if (s->configuration.len + s->manifest.len > MANIFEST_BYTES_MAX) {
        return fault_set(fault, "a snapshot's manifest of %zu bytes is too large (at most %d)",
                         s->configuration.len + s->manifest.len, MANIFEST_BYTES_MAX);
    }
    bytes_init(&body);
    bytes_append_u64(&body, s->index);
    bytes_append_u64(&body, s->term);
    bytes_append_u64(&body, s->configuration_index);
    bytes_append_u64(&body, m->first_segment);
    bytes_append_u64(&body, m->proof_segment);
    bytes_append_u32(&body, m->proof_end);
    bytes_append_u32(&body, (uint32_t)s->configuration.len);
    bytes_append(&body, s->configuration.base, s->configuration.len);
    bytes_append_u32(&body, (uint32_t)s->manifest.len);
    bytes_append(&body, s->manifest.base, s->manifest.len);
    rv = sealed_write(disk, "snapshot", KIND_SNAPSHOT, &body, fault);
    bytes_release(&body);
    return rv;
}

static void take_bytes(struct cursor *c, struct bytes *out)
{
    uint32_t len = cursor_u32(c);
    const uint8_t *at = cursor_take(c, len);

    bytes_clear(out);
    if (at != NULL) {
        bytes_append(out, at, len);
    }
}

int manifest_read(struct disk *disk, struct manifest *m, bool *found, struct fault *fault)
{
    struct bytes body;
    struct cursor c;
    int rv;

    bytes_init(&body);
    rv = sealed_read(disk, "snapshot", KIND_SNAPSHOT, &body, found, fault);
    if (rv != 0 || !*found) {
        goto out;
    }
    c = cursor_of(body.base, body.len);
    m->snapshot.index = cursor_u64(&c);
    m->snapshot.term = cursor_u64(&c);
    m->snapshot.configuration_index = cursor_u64(&c);
    m->first_segment = cursor_u64(&c);
    m->proof_segment = cursor_u64(&c);
    m->proof_end = cursor_u32(&c);
    take_bytes(&c, &m->snapshot.configuration);
    take_bytes(&c, &m->snapshot.manifest);
    if (c.failed || c.left != 0 || m->snapshot.index == 0 || m->snapshot.index == UINT64_MAX) {
        rv = disk_damage(fault, disk, "snapshot", 0, "its fields make no sense");
    }
out:
    bytes_release(&body);
    return rv;
}

int identity_write(struct disk *disk, const struct log_identity *identity, struct fault *fault)
{
    size_t len = strnlen(identity->cluster_id, sizeof identity->cluster_id - 1);
    struct bytes body;
    int rv;

    bytes_init(&body);
    bytes_append_u64(&body, identity->node_id);
    bytes_append_u8(&body, (uint8_t)len);
    bytes_append(&body, identity->cluster_id, len);
    rv = sealed_write(disk, "identity", KIND_IDENTITY, &body, fault);
    bytes_release(&body);
    return rv;
}

int identity_read(struct disk *disk, struct log_identity *identity, bool *found,
                  struct fault *fault)
{
    struct bytes body;
    struct cursor c;
    const uint8_t *name;
    size_t len;
    int rv;

    bytes_init(&body);
    rv = sealed_read(disk, "identity", KIND_IDENTITY, &body, found, fault);
    if (rv != 0 || !*found) {
        goto out;
    }
    c = cursor_of(body.base, body.len);
    *identity = (struct log_identity){.node_id = cursor_u64(&c)};
    len = cursor_u8(&c);
    name = cursor_take(&c, len);
    if (c.failed || c.left != 0 || len >= sizeof identity->cluster_id) {
        rv = disk_damage(fault, disk, "identity", 0, "its fields make no sense");
        goto out;
    }
    memcpy(identity->cluster_id, name, len);
out:
    bytes_release(&body);
    return rv;
}
