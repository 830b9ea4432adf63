#include "node/room.h"

#include <errno.h>
#include <sys/statvfs.h>

#include "node/node_private.h"

enum { LOOK_EVERY_MS = 1000 };

/* What somebody without privileges may still use. A disk that can't be asked is not full: what else
 * is wrong with it the log's next write will say. */
static uint64_t free_bytes(const struct node *n)
{
    struct statvfs fs;

    if (statvfs(n->config.data_dir, &fs) != 0) {
        return UINT64_MAX;
    }
    return (uint64_t)fs.f_bavail * fs.f_frsize;
}

static void judge(struct node *n)
{
    struct room *room = &n->room;
    uint64_t reserve = n->config.disk_reserve_bytes;
    uint64_t enough = room->is_short ? reserve + reserve / 4 : reserve;
    bool is_short = room->free_bytes < enough || room->checkpoint_waits;

    if (is_short && !room->is_short) {
        report(n->reporter, LEVEL_WARN, "node",
               "the disk is nearly full: free some space or make it larger; writes are refused "
               "when too few nodes have room, and go on by themselves",
               "data_dir=%s free_bytes=%llu disk_reserve_bytes=%llu", n->config.data_dir,
               (unsigned long long)room->free_bytes, (unsigned long long)reserve);
    } else if (!is_short && room->is_short) {
        report(n->reporter, LEVEL_INFO, "node", "the disk has room again",
               "data_dir=%s free_bytes=%llu", n->config.data_dir,
               (unsigned long long)room->free_bytes);
    }
    room->is_short = is_short;
}

bool room_for_checkpoint(const struct node *n)
{
    return n->room.free_bytes >= n->config.disk_reserve_bytes / 2;
}

int room_look(struct node *n, struct fault *fault)
{
    uint64_t now = node_now_ms(n);

    if (now < n->room.look_at_ms) {
        return 0;
    }
    n->room.look_at_ms = now + LOOK_EVERY_MS;
    n->room.free_bytes = free_bytes(n);
    judge(n);
    if (n->room.checkpoint_waits && !checkpointer_busy(n->checkpointer) && room_for_checkpoint(n)) {
        checkpointer_start(n->checkpointer, n->machine);
    }
    n->genesis.refused = false;
    return replica_room(n->replica, n->room.is_short, fault);
}

void room_checkpoint(struct node *n, const struct fault *no_room)
{
    if (no_room != NULL && !n->room.checkpoint_waits) {
        report(n->reporter, LEVEL_WARN, "node", "a checkpoint waits for room", "why=\"%s\"",
               no_room->text);
    }
    if (n->room.checkpoint_waits != (no_room != NULL)) {
        n->room.checkpoint_waits = no_room != NULL;
        n->room.look_at_ms = no_room != NULL ? n->room.look_at_ms : 0;
        judge(n);
    }
}

uint64_t room_for_copy(void *node)
{
    const struct node *n = node;
    uint64_t bytes = free_bytes(n);

    return bytes > n->config.disk_reserve_bytes ? bytes - n->config.disk_reserve_bytes : 0;
}
