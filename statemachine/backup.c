#include "statemachine/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DIGEST_AT = BACKUP_SEAL_BYTES - HASH_BYTES,
    READ_BYTES = 1 << 20,
    MAGIC_BYTES = 8,
};
static const char magic[MAGIC_BYTES + 1] = "florbak\n";

void backup_seal_of(const struct machine *m, struct backup_seal *seal)
{
    uint8_t check[MACHINE_CHECK_BYTES];

    machine_head(m, check);
    memcpy(seal->chain, check + MACHINE_CHECK_BYTES - HASH_BYTES, HASH_BYTES);
    seal->applied_index = machine_applied_index(m);
    seal->seq = machine_sequence(m);
    seal->clock_ms = machine_clock_ms(m);
}

void backup_digest_begin(struct backup_digest *d)
{
    d->bytes = 0;
    crypto_generichash_init(&d->hash, NULL, 0, HASH_BYTES);
}

void backup_digest_add(struct backup_digest *d, const void *data, size_t len)
{
    crypto_generichash_update(&d->hash, data, len);
    d->bytes += len;
}

void backup_digest_end(struct backup_digest *d, struct backup_seal *seal,
                       uint8_t out[static BACKUP_SEAL_BYTES])
{
    static const uint8_t zeros[BACKUP_SEAL_BYTES] = {0};
    size_t name = strnlen(seal->cluster_id, BACKUP_CLUSTER_MAX);
    struct bytes b;

    seal->state_bytes = d->bytes;
    bytes_init(&b);
    bytes_append(&b, magic, MAGIC_BYTES);
    bytes_append_u32(&b, BACKUP_VERSION);
    bytes_append_u32(&b, 0);
    bytes_append_u64(&b, seal->state_bytes);
    bytes_append_u64(&b, seal->applied_index);
    bytes_append_u64(&b, seal->seq);
    bytes_append_u64(&b, seal->clock_ms);
    bytes_append_u64(&b, seal->node_id);
    bytes_append(&b, seal->cluster_id, name);
    bytes_append(&b, zeros, BACKUP_CLUSTER_MAX - name);
    bytes_append(&b, seal->chain, HASH_BYTES);
    bytes_append(&b, zeros, DIGEST_AT - b.len);
    crypto_generichash_update(&d->hash, b.base, b.len);
    crypto_generichash_final(&d->hash, seal->digest, HASH_BYTES);
    bytes_append(&b, seal->digest, HASH_BYTES);
    memcpy(out, b.base, BACKUP_SEAL_BYTES);
    bytes_release(&b);
}

int backup_seal_decode(const uint8_t in[static BACKUP_SEAL_BYTES], struct backup_seal *seal,
                       struct fault *fault)
{
    struct cursor c = cursor_of(in, BACKUP_SEAL_BYTES);
    const uint8_t *cluster;
    uint32_t version;

    *seal = (struct backup_seal){.node_id = 0};
    if (memcmp(cursor_take(&c, MAGIC_BYTES), magic, MAGIC_BYTES) != 0) {
        return fault_set(fault, "it does not end as a backup does: it was cut off, damaged at its "
                                "end, or is no backup");
    }
    version = cursor_u32(&c);
    if (version != BACKUP_VERSION) {
        return fault_set(fault,
                         "it has backup format %u, this program knows %d: use the version "
                         "of Florin that made it, or a newer one",
                         version, BACKUP_VERSION);
    }
    cursor_u32(&c);
    seal->state_bytes = cursor_u64(&c);
    seal->applied_index = cursor_u64(&c);
    seal->seq = cursor_u64(&c);
    seal->clock_ms = cursor_u64(&c);
    seal->node_id = cursor_u64(&c);
    cluster = cursor_take(&c, BACKUP_CLUSTER_MAX);
    memcpy(seal->cluster_id, cluster, BACKUP_CLUSTER_MAX);
    memcpy(seal->chain, cursor_take(&c, HASH_BYTES), HASH_BYTES);
    memcpy(seal->digest, in + DIGEST_AT, HASH_BYTES);
    return 0;
}

/* Exactly `len` bytes at `offset`. */
static int read_at(int fd, const char *path, void *data, size_t len, uint64_t offset,
                   struct fault *fault)
{
    size_t got = 0;

    while (got < len) {
        ssize_t n = pread(fd, (char *)data + got, len - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return fault_set(fault, "%s: can't be read at byte %llu: %s", path,
                             (unsigned long long)(offset + got),
                             n < 0 ? strerror(errno) : "it became shorter");
        }
        got += (size_t)n;
    }
    return 0;
}

static int check_digest(int fd, const char *path, const struct backup_seal *seal,
                        const uint8_t *end, const struct backup_watch *watch, struct fault *fault)
{
    struct backup_digest d;
    uint8_t digest[HASH_BYTES];
    uint8_t *piece = malloc(READ_BYTES);
    int rv = 0;

    if (piece == NULL) {
        return fault_set(fault, "out of memory");
    }
    backup_digest_begin(&d);
    while (rv == 0 && d.bytes < seal->state_bytes) {
        uint64_t left = seal->state_bytes - d.bytes;
        size_t len = left < READ_BYTES ? (size_t)left : READ_BYTES;

        rv = read_at(fd, path, piece, len, d.bytes, fault);
        if (rv == 0) {
            backup_digest_add(&d, piece, len);
        }
        if (rv == 0 && watch != NULL) {
            watch->progress(watch->context, d.bytes, seal->state_bytes);
        }
    }
    free(piece);
    backup_digest_add(&d, end, DIGEST_AT);
    crypto_generichash_final(&d.hash, digest, HASH_BYTES);
    if (rv == 0 && memcmp(digest, seal->digest, HASH_BYTES) != 0) {
        rv = fault_set(fault,
                       "%s is damaged: its digest is not the one that it was made with; "
                       "take another backup",
                       path);
    }
    return rv;
}

int backup_check(const char *path, struct backup_seal *seal, const struct backup_watch *watch,
                 struct fault *fault)
{
    uint8_t end[BACKUP_SEAL_BYTES];
    struct stat at;
    struct fault why;
    uint64_t size;
    int rv = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return fault_set(fault, "%s: can't be opened: %s", path, strerror(errno));
    }
    if (fstat(fd, &at) != 0 || !S_ISREG(at.st_mode)) {
        fault_set(fault, "%s is not a file", path);
        goto out;
    }
    size = (uint64_t)at.st_size;
    if (size <= BACKUP_SEAL_BYTES) {
        fault_set(fault, "%s is no backup: it has %llu bytes", path, (unsigned long long)size);
        goto out;
    }
    if (read_at(fd, path, end, sizeof end, size - sizeof end, fault) != 0) {
        goto out;
    }
    if (backup_seal_decode(end, seal, &why) != 0) {
        fault_set(fault, "%s: %.300s", path, why.text);
        goto out;
    }
    if (seal->state_bytes != size - sizeof end) {
        fault_set(fault, "%s is damaged: it holds %llu bytes of state and says %llu", path,
                  (unsigned long long)(size - sizeof end), (unsigned long long)seal->state_bytes);
        goto out;
    }
    rv = check_digest(fd, path, seal, end, watch, fault);
out:
    close(fd);
    return rv;
}

int backup_open_state(const char *path, const uint8_t hash_key[16], struct machine **m,
                      struct fault *fault)
{
    struct machine_options options = {.changes_bytes_hard = 1}; /* nothing is applied */
    struct store store;

    memcpy(options.hash_key, hash_key, sizeof options.hash_key);
    if (store_lmdb_open_file(&store, path, fault) != 0) {
        return -1;
    }
    if (machine_open(m, store, &options, fault) != 0) {
        store.close(store.impl);
        return -1;
    }
    return 0;
}

int backup_open(const char *path, const struct backup_seal *seal, const uint8_t hash_key[16],
                struct machine **m, struct fault *fault)
{
    struct backup_seal found = {.node_id = 0};

    if (backup_open_state(path, hash_key, m, fault) != 0) {
        return -1;
    }
    backup_seal_of(*m, &found);
    if (found.applied_index != seal->applied_index || found.seq != seal->seq ||
        found.clock_ms != seal->clock_ms || memcmp(found.chain, seal->chain, HASH_BYTES) != 0) {
        machine_close(*m);
        *m = NULL;
        return fault_set(fault,
                         "%s: it says that it holds the ledger up to seq %llu, and holds another "
                         "one, up to seq %llu",
                         path, (unsigned long long)seal->seq, (unsigned long long)found.seq);
    }
    return 0;
}
