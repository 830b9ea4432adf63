/* One bare driver on a bench: every write and every message is moved by hand, so that a script can
 * build the exact situation it is about. For the guards' scripts and the driver's unit tests. */
#ifndef FLORIN_RIG_H
#define FLORIN_RIG_H

#include <raft.h>

#include "consensus/driver.h"
#include "tests/sim/sim_disk.h"

enum { RIG_FRAMES_MAX = 256 };

struct rig_frame {
    uint64_t peer;
    uint8_t *data;
    size_t len;
};

struct rig {
    uint64_t id;
    unsigned members;
    struct sim_disk *disk;
    struct disk files;
    struct log *log;
    struct driver *driver;
    enum mutant mutant;
    unsigned trailing, hold_ms;
    uint64_t now_ms;

    struct storage_write *writes, **writes_last; /* not yet done */
    struct rig_frame sent[RIG_FRAMES_MAX];
    size_t n_sent;
    uint64_t fetch_index; /* the installer was started for it */
    struct fault fault;   /* of the last call that gave -1 */
};

/* A fresh log of a cluster of members 1 .. `members`, of which this is `id`. Those above 3 are
 * stand-bys. */
void rig_init(struct rig *rig, uint64_t id, unsigned members, enum mutant mutant);
void rig_release(struct rig *rig);

/* Before rig_open: puts entries into the log: the term of each, from index 2 on; `change` is the
 * index of one that is a configuration, or 0. And the term. */
void rig_entries(struct rig *rig, const uint64_t *terms, size_t n, uint64_t change);
void rig_term(struct rig *rig, uint64_t term);

int rig_open(struct rig *rig);
/* The process ends, by a power cut; what is under way is lost. rig_open starts it again. */
void rig_crash(struct rig *rig);

/* Does the oldest write and tells the driver. False when none waits. */
bool rig_write(struct rig *rig);
void rig_write_all(struct rig *rig);
size_t rig_writes(const struct rig *rig);

/* Time passes, and the driver is ticked. */
int rig_pass(struct rig *rig, uint64_t ms);

/* A message from a peer, as it comes from the wire. */
int rig_receive(struct rig *rig, uint64_t peer, const struct raft_message *m);

/* The newest message sent of this type, decoded; false when there is none. Releases nothing but
 * what message_release does. */
bool rig_last(struct rig *rig, enum raft_message_type type, struct raft_message *m);
void rig_forget_sent(struct rig *rig);

/* Makes it leader of the next term, with the votes of peer 2 (or 1). */
void rig_elect(struct rig *rig);

/* n command entries of `term` after `previous`, from the leader `peer` of `leader_term`. */
int rig_append(struct rig *rig, uint64_t peer, uint64_t leader_term, uint64_t previous,
               uint64_t previous_term, unsigned n, uint64_t term, uint64_t commit);

#endif
