#include "consensus/vote.h"

#include <errno.h>
#include <stdlib.h>

#include "statemachine/crc32c.h"
#include "consensus/disk_io.h"
#include "statemachine/bytes.h"
#include "statemachine/failpoint.h"

enum {
    SLOT_BYTES = 512,
    SLOT_DISTANCE = 4096, /* also a disk with large sectors never writes both at once */
    SLOT_CRC_AT = SLOT_BYTES - 4,
    VOTE_VERSION = 1,
};

static const char vote_name[] = "vote";
static const uint8_t vote_magic[8] = {'F', 'L', 'O', 'R', 'V', 'O', 'T', 'E'};

struct slot {
    uint64_t sequence;
    uint64_t term;
    uint64_t vote;
};

enum slot_check { SLOT_OK, SLOT_BAD, SLOT_NEWER };

static int slot_write(struct disk *disk, int handle, int which, const struct slot *s,
                      struct fault *fault)
{
    static const uint8_t zeros[SLOT_BYTES];
    struct bytes b;
    int rv;

    bytes_init(&b);
    bytes_append(&b, vote_magic, sizeof vote_magic);
    bytes_append_u32(&b, VOTE_VERSION);
    bytes_append_u64(&b, s->sequence);
    bytes_append_u64(&b, s->term);
    bytes_append_u64(&b, s->vote);
    bytes_append(&b, zeros, SLOT_CRC_AT - b.len);
    bytes_append_u32(&b, crc32c(0, b.base, b.len));
    rv = disk_write_all(disk, handle, vote_name, b.base, b.len, (uint64_t)which * SLOT_DISTANCE,
                        fault);
    bytes_release(&b);
    FAILPOINT("vote: a copy written");
    return rv == 0 ? disk_sync_file(disk, handle, vote_name, fault) : rv;
}

static int slot_read(struct disk *disk, int handle, int which, struct slot *s,
                     enum slot_check *check, struct fault *fault)
{
    uint8_t in[SLOT_BYTES];
    struct cursor c = cursor_of(in, sizeof in);
    struct cursor crc = cursor_of(in + SLOT_CRC_AT, 4);
    size_t got;
    uint32_t version;

    *check = SLOT_BAD;
    *s = (struct slot){0, 0, 0};
    if (disk_read_upto(disk, handle, vote_name, in, sizeof in, (uint64_t)which * SLOT_DISTANCE,
                       &got, fault) != 0) {
        return -1;
    }
    if (got < sizeof in ||
        memcmp(cursor_take(&c, sizeof vote_magic), vote_magic, sizeof vote_magic) != 0 ||
        cursor_u32(&crc) != crc32c(0, in, SLOT_CRC_AT)) {
        return 0;
    }
    version = cursor_u32(&c);
    if (version > VOTE_VERSION) {
        *check = SLOT_NEWER;
        return 0;
    }
    s->sequence = cursor_u64(&c);
    s->term = cursor_u64(&c);
    s->vote = cursor_u64(&c);
    *check = SLOT_OK;
    return 0;
}

int vote_file_format(struct disk *disk, uint64_t term, struct fault *fault)
{
    struct slot s = {1, term, 0};
    int handle = disk->open(disk->impl, vote_name, 1);
    int rv;

    if (handle < 0) {
        return disk_fault(fault, disk, "creating", vote_name, handle);
    }
    rv = disk->allocate(disk->impl, handle, SLOT_DISTANCE + SLOT_BYTES);
    if (rv != 0) {
        rv = disk_fault(fault, disk, "allocating", vote_name, rv);
        goto out;
    }
    rv = slot_write(disk, handle, 0, &s, fault);
    if (rv == 0) {
        rv = slot_write(disk, handle, 1, &s, fault);
    }
out:
    disk->close(disk->impl, handle);
    return rv;
}

/* Writes both copies anew, the one that is not to be trusted first: at every moment one is whole.
 * Also equal ones are written: a sync that failed in the life before may have left bytes that can
 * be read back but never reached the disk. */
static int vote_repair(struct vote_file *v, int first, struct fault *fault)
{
    struct slot s = {v->sequence, v->term, v->vote};

    if (slot_write(v->disk, v->handle, first, &s, fault) != 0) {
        return -1;
    }
    return slot_write(v->disk, v->handle, 1 - first, &s, fault);
}

int vote_file_open(struct vote_file *v, struct disk *disk, struct reporter *reporter,
                   struct fault *fault)
{
    struct slot slots[2];
    enum slot_check check[2];
    bool found;
    int newer, i;

    *v = (struct vote_file){.disk = disk, .handle = -1};
    if (disk_open_existing(disk, vote_name, &v->handle, &found, fault) != 0) {
        return -1;
    }
    if (!found) {
        return disk_damage(fault, disk, vote_name, 0, "the file is missing");
    }
    for (i = 0; i < 2; i++) {
        if (slot_read(disk, v->handle, i, &slots[i], &check[i], fault) != 0) {
            goto err;
        }
        if (check[i] == SLOT_NEWER) {
            fault_set(fault, "%s/%s has a newer format than this program knows: use the newer one",
                      disk->where(disk->impl), vote_name);
            goto err;
        }
    }
    if (check[0] != SLOT_OK && check[1] != SLOT_OK) {
        disk_damage(fault, disk, vote_name, 0, "both copies of the vote have wrong checksums");
        goto err;
    }
    newer = check[1] == SLOT_OK && (check[0] != SLOT_OK || slots[1].sequence > slots[0].sequence);
    if (check[1 - newer] != SLOT_OK) {
        report(reporter, LEVEL_WARN, "log", "one copy of the vote was bad and is written anew",
               "file=%s/%s copy=%d", disk->where(disk->impl), vote_name, 1 - newer);
    }
    v->sequence = slots[newer].sequence;
    v->term = slots[newer].term;
    v->vote = slots[newer].vote;
    if (vote_repair(v, 1 - newer, fault) != 0) {
        goto err;
    }
    return 0;

err:
    vote_file_close(v);
    return -1;
}

void vote_file_close(struct vote_file *v)
{
    if (v->handle >= 0) {
        v->disk->close(v->disk->impl, v->handle);
    }
    v->handle = -1;
}

int vote_file_store(struct vote_file *v, uint64_t term, uint64_t vote, struct fault *fault)
{
    struct slot s = {v->sequence + 1, term, vote};
    int i;

    if (term < v->term || (term == v->term && v->vote != 0 && vote != v->vote)) {
        return fault_set(fault,
                         "refused to go back from term %llu, vote %llu to term %llu, vote %llu: "
                         "this is a defect of the program, please report it",
                         (unsigned long long)v->term, (unsigned long long)v->vote,
                         (unsigned long long)term, (unsigned long long)vote);
    }
    for (i = 0; i < 2; i++) {
        if (slot_write(v->disk, v->handle, i, &s, fault) != 0) {
            return -1;
        }
        FAILPOINT("vote: a new copy synced");
    }
    FAILPOINT("vote: both new copies synced");
    v->sequence = s.sequence;
    v->term = term;
    v->vote = vote;
    return 0;
}

bool vote_file_unused(struct disk *disk)
{
    struct slot s;
    enum slot_check check;
    struct fault ignored;
    bool unused = true;
    int handle = disk->open(disk->impl, vote_name, 0);
    int i;

    if (handle < 0) {
        return handle == -ENOENT;
    }
    for (i = 0; i < 2; i++) {
        if (slot_read(disk, handle, i, &s, &check, &ignored) != 0 || check == SLOT_NEWER ||
            (check == SLOT_OK && s.sequence > 1)) {
            unused = false;
        }
    }
    disk->close(disk->impl, handle);
    return unused;
}
