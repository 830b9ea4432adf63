/* A disk in memory that can lose power: struct disk for tests and the simulator.
 *
 * What it models, by a seed: of what was not synced, each 512-byte sector of a file holds after a
 * power cut any of the contents it has had since the last sync; sizes likewise; each name that was
 * created, renamed or removed without a sync of the folder did so or did not. A sync that fails
 * forgets what it should have written (as Linux does): it can be read, and is not on the disk.
 *
 * The same seed and the same calls give the same result. Files outlive log_close and log_open: a
 * "process" that ends without a power cut loses nothing that it wrote. Any thread may call. */
#ifndef FLORIN_SIM_DISK_H
#define FLORIN_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "consensus/disk.h"

struct sim_disk;

struct sim_disk *sim_disk_new(void);
void sim_disk_free(struct sim_disk *d);

/* The interface to it; its release does nothing, the disk lives until sim_disk_free. */
void sim_disk_interface(struct sim_disk *d, struct disk *disk);

/* A new disk with what this one holds now, all of it durable. */
struct sim_disk *sim_disk_clone(struct sim_disk *d);

/* The power goes and comes back: open handles are void, what was not synced is settled by the
 * seed, injected failures and a planned cut are forgotten. */
void sim_disk_crash(struct sim_disk *d, uint64_t seed);

/* The power goes in the middle of the n-th changing call from now (1: the next): it and every call
 * after it fail with EIO until sim_disk_crash. 0: never. */
void sim_disk_cut_power_after(struct sim_disk *d, uint64_t n);
bool sim_disk_powered(struct sim_disk *d);

/* The n-th call of this kind from now (1: the next) fails with `error` (EIO, ENOSPC), once. A write
 * that fails has written its first half. */
enum sim_disk_call {
    SIM_DISK_WRITE,
    SIM_DISK_SYNC,
    SIM_DISK_NAMES,
    SIM_DISK_ALLOCATE,
    SIM_DISK_RENAME, /* and removing */
};
enum { SIM_DISK_CALLS = 5 };
void sim_disk_fail(struct sim_disk *d, enum sim_disk_call call, uint64_t n, int error);

/* As long as it is full, no file grows (ENOSPC); what was allocated before can be written. */
void sim_disk_set_full(struct sim_disk *d, bool full);

/* How many changing calls there were, and how many of them were syncs. */
uint64_t sim_disk_changes(struct sim_disk *d);
uint64_t sim_disk_syncs(struct sim_disk *d);

/* For tests: files from outside, durable at once. size is -1 when there is none. */
int64_t sim_disk_size(struct sim_disk *d, const char *name);
void sim_disk_put(struct sim_disk *d, const char *name, const void *data, size_t len);
void sim_disk_get(struct sim_disk *d, const char *name, void *data, size_t len, size_t offset);
void sim_disk_flip(struct sim_disk *d, const char *name, size_t offset, uint8_t mask);
void sim_disk_erase(struct sim_disk *d, const char *name);

#endif
