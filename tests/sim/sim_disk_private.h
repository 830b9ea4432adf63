/* The inside of struct sim_disk, shared by sim_disk.c (what programs call) and sim_disk_power.c
 * (what power cuts and tests do to it).
 *
 * A file ("inode") has its bytes as programs see them, its bytes as of the last sync, and, in
 * between, every content that each dirty sector has had. Names are two small tables, as seen and
 * as of the last sync of the folder, with the list of changes in between. */
#ifndef FLORIN_SIM_DISK_PRIVATE_H
#define FLORIN_SIM_DISK_PRIVATE_H

#include <pthread.h>

#include "statemachine/bytes.h"
#include "tests/sim/sim_disk.h"

enum { SECTOR = 512, NAMES_MAX = 512, HANDLES_MAX = 512 };

struct version { /* what a sector held after one write */
    uint64_t sector;
    uint8_t data[SECTOR];
};

struct inode {
    struct inode *next; /* of all */
    struct bytes now;
    struct bytes durable;
    struct bytes versions; /* of struct version, oldest first */
    struct bytes sizes;    /* of int64_t */
    bool shrunk;           /* cut since the last sync: sectors may differ without a version */
};

struct name {
    char text[DISK_NAME_MAX];
    struct inode *inode;
};

struct names {
    struct name list[NAMES_MAX]; /* sorted by text */
    size_t n;
};

struct change {               /* of a name, not yet synced */
    char from[DISK_NAME_MAX]; /* "": created */
    char to[DISK_NAME_MAX];   /* "": removed */
    struct inode *inode;
};

struct handle {
    int number; /* 0: free */
    struct inode *inode;
};

struct sim_disk {
    pthread_mutex_t lock;
    struct inode *inodes;
    struct names now;
    struct names durable;
    struct bytes changes; /* of struct change */
    struct handle handles[HANDLES_MAX];
    int last_handle;
    uint64_t power_left; /* changing calls until the cut; 0: none planned */
    bool powered;
    bool full;
    struct {
        uint64_t left; /* calls until the failure; 0: none planned */
        int error;
    } failures[SIM_DISK_CALLS];
    uint64_t n_changes, n_syncs;
};

void sim_resize(struct bytes *b, size_t len);
void sim_copy(struct bytes *to, const struct bytes *from);
void sim_sector_put(struct bytes *b, uint64_t sector, const uint8_t data[SECTOR]);
struct name *sim_names_find(struct names *names, const char *text);
void sim_names_set(struct names *names, const char *text, struct inode *inode);
void sim_names_remove(struct names *names, const char *text);
void sim_names_copy(struct names *to, const struct names *from);
struct inode *sim_inode_new(struct sim_disk *d);
void sim_inodes_sweep(struct sim_disk *d);
void sim_inode_clean(struct inode *inode);

#endif
