/* What is done to a cluster. A nemesis is started, holds for a while, and is stopped: then what it
 * did is undone, nodes run again, links are whole.
 *
 * Faults of one kind exclude each other; two of different kinds may hold at the same time. */
#ifndef FLORIN_NEMESIS_H
#define FLORIN_NEMESIS_H

#include "jepsen/run.h"

enum nemesis_kind { NEMESIS_NODE, NEMESIS_LINK, NEMESIS_CLOCK, NEMESIS_DISK, NEMESIS_MEMBERS };

/* A fault that holds. */
struct attack {
    struct run *run;
    const struct nemesis *nemesis;
    unsigned nodes; /* bit i: node i was chosen (0 ..) */
    char what[160]; /* for the history and for people */
};

struct nemesis {
    const char *name;
    enum nemesis_kind kind;
    void (*start)(struct attack *a); /* a->nodes is chosen; it may change it, and says a->what */
    void (*stop)(struct attack *a);  /* NULL: nothing to undo */
};

extern const struct nemesis nemesis_kill, nemesis_pause, nemesis_restart, nemesis_transfer;
extern const struct nemesis nemesis_partition, nemesis_slow, nemesis_lossy;
extern const struct nemesis nemesis_clock;
extern const struct nemesis nemesis_lost_writes, nemesis_slow_disk, nemesis_disk_full;
extern const struct nemesis nemesis_corrupt;
extern const struct nemesis nemesis_members;

/* Holds faults against the cluster, by run->chance, for run->options.seconds; then none holds. */
void nemesis_rage(struct run *run);

/* 0, or -1: a name in the list is unknown, said on standard error. */
int nemesis_check(const char *list);

/* "WHAT 1 3": what, and the chosen nodes' ids. */
void attack_say(struct attack *a, const char *what);

/* For each i in a->nodes. */
static inline bool attack_has(const struct attack *a, int i)
{
    return (a->nodes >> i & 1u) != 0;
}

#endif
