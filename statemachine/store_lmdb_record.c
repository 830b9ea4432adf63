/* What stands in the file for one record, and what is said when that, or the file, is bad.
 *
 * LMDB has no checksums: a flipped bit would be served as if it were true, or send a look-up past
 * the key that it searches. So each value ends with a CRC32C over its table, the number of the run
 * it is in (if any: a page of another run, or of one that is gone, is noticed too), its key and
 * itself. */
#include "statemachine/store_lmdb.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "statemachine/crc32c.h"

enum {
    FULL_BYTES = 16 << 20
}; /* less than this left: a write that was cut short met a full disk */

/* LMDB says ENOSPC for a write that the disk refused whole, and EIO for one that it cut short. */
static bool is_full(const struct store_lmdb *s, int rc)
{
    struct statvfs fs;
    mdb_filehandle_t fd;

    return rc == ENOSPC || rc == EDQUOT ||
           (rc == EIO && mdb_env_get_fd(s->env, &fd) == 0 && fstatvfs(fd, &fs) == 0 &&
            (uint64_t)fs.f_bfree * fs.f_frsize < FULL_BYTES);
}

int store_lmdb_fault(const struct store_lmdb *s, const char *what, int rc, struct fault *fault)
{
    if (rc == MDB_MAP_FULL) {
        fault_set(fault,
                  "store %s: full: it reached its limit of %zu MiB; give it a larger limit "
                  "(store_map_bytes) in the configuration, and room on the disk, then start again",
                  s->folder, s->map_bytes >> 20);
        return STORE_NO_ROOM;
    }
    if (is_full(s, rc)) {
        fault_set(fault, "store %s: %s: the disk is full: free some space", s->folder, what);
        return STORE_NO_ROOM;
    }
    if (rc == MDB_CORRUPTED || rc == MDB_PAGE_NOTFOUND || rc == MDB_INVALID ||
        rc == MDB_CURSOR_FULL || rc == MDB_BAD_VALSIZE) {
        return store_lmdb_damage(s, what, mdb_strerror(rc), fault);
    }
    if (rc == EIO) {
        return fault_set(fault,
                         "store %s: %s: %s: the disk or its file system is failing: check it "
                         "before this node starts again",
                         s->folder, what, mdb_strerror(rc));
    }
    if (rc == EACCES || rc == EROFS || rc == EPERM) {
        return fault_set(fault, "store %s: %s: %s: check the owner and the mode of the folder",
                         s->folder, what, mdb_strerror(rc));
    }
    return fault_set(fault, "store %s: %s: %s", s->folder, what, mdb_strerror(rc));
}

int store_lmdb_damage(const struct store_lmdb *s, const char *what, const char *how,
                      struct fault *fault)
{
    return fault_set(fault,
                     "%s is damaged (%s: %s): rebuild this node from the others: remove "
                     "it, add a new node id, see docs/operations.md; or restore a backup",
                     s->file, what, how);
}

int store_lmdb_damaged_table(const struct store_lmdb *s, enum store_table table, const char *how,
                             struct fault *fault)
{
    char what[64];

    snprintf(what, sizeof what, "table %s", store_lmdb_names[table]);
    return store_lmdb_damage(s, what, how, fault);
}

static uint32_t checksum(enum store_table table, uint64_t run, const void *key, size_t key_len,
                         const void *value, size_t len)
{
    uint8_t head[1 + sizeof run + STORE_KEY_MAX];
    size_t n = 0;

    /* All at once: beginning costs more than some bytes. */
    head[n++] = (uint8_t)table;
    if (run != 0) {
        store_le64(head + n, run);
        n += sizeof run;
    }
    memcpy(head + n, key, key_len);
    return crc32c(crc32c(0, head, n + key_len), value, len);
}

int store_lmdb_take(const struct store_lmdb *s, enum store_table table, uint64_t run, MDB_val key,
                    MDB_val stored, struct slice *value, struct fault *fault)
{
    const uint8_t *base = stored.mv_data;
    size_t len;

    if (stored.mv_size < STORE_CHECK_BYTES || key.mv_size > STORE_KEY_MAX) {
        return store_lmdb_damaged_table(s, table, "a record of a wrong size", fault);
    }
    len = stored.mv_size - STORE_CHECK_BYTES;
    if (load_le32(base + len) != checksum(table, run, key.mv_data, key.mv_size, base, len)) {
        return store_lmdb_damaged_table(s, table, "a record has a wrong checksum", fault);
    }
    *value = (struct slice){stored.mv_data, len};
    return 0;
}

/* With `tail` behind the value. */
static int put(MDB_cursor *cursor, enum store_table table, uint64_t run, struct slice key,
               struct slice value, struct slice tail, unsigned flags)
{
    size_t len = value.len + tail.len;
    MDB_val k = store_lmdb_val(key);
    MDB_val v = {len + STORE_CHECK_BYTES, NULL};
    int rc = mdb_cursor_put(cursor, &k, &v, MDB_RESERVE | flags);
    uint8_t *at = v.mv_data;

    if (rc == 0) {
        memcpy(at, value.base, value.len);
        memcpy(at + value.len, tail.base, tail.len);
        store_le32(at + len, checksum(table, run, key.base, key.len, at, len));
    }
    return rc;
}

int store_lmdb_put(MDB_cursor *cursor, enum store_table table, uint64_t run, struct slice key,
                   struct slice value, unsigned flags)
{
    return put(cursor, table, run, key, value, (struct slice){"", 0}, flags);
}

int store_lmdb_put_nth(MDB_cursor *cursor, enum store_table table, uint64_t run, uint64_t nth,
                       struct slice key, struct slice value, unsigned flags)
{
    uint8_t tail[STORE_NTH_BYTES];

    store_le32(tail, (uint32_t)nth);
    return put(cursor, table, run, key, value, (struct slice){(const char *)tail, sizeof tail},
               flags);
}

int store_lmdb_take_nth(const struct store_lmdb *s, enum store_table table, struct slice *value,
                        uint64_t *nth, struct fault *fault)
{
    if (value->len < STORE_NTH_BYTES) {
        return store_lmdb_damaged_table(s, table, "a record of a wrong size", fault);
    }
    value->len -= STORE_NTH_BYTES;
    *nth = load_le32((const uint8_t *)value->base + value->len);
    return 0;
}
