/* Who belongs to the cluster, as its operator wants it. At most one change is under way: a command
 * that did not succeed in its time may or may not have been carried out, and is given again later,
 * before any other. In the end what the operator wanted must be so. The nemesis's thread only. */
#ifndef FLORIN_MEMBERS_H
#define FLORIN_MEMBERS_H

#include "tests/cluster/cluster.h"

struct run;

enum member_place { PLACE_NONE, PLACE_STANDBY, PLACE_VOTER, PLACE_GONE };

enum member_change {
    CHANGE_NONE,
    CHANGE_ADD, /* as a stand-by */
    CHANGE_ADD_VOTER,
    CHANGE_PROMOTE,
    CHANGE_DEMOTE,
    CHANGE_REMOVE,
    CHANGE_REPLACE, /* a voter that is gone, by a new one */
};

struct members {
    enum member_place places[CLUSTER_NODES_MAX]; /* what is wanted */
    enum member_change change;                   /* under way */
    int node, old;                               /* whom it is about; old: CHANGE_REPLACE */
    unsigned lost; /* bit i: node i is to be replaced when nothing else is under way */
};

void members_init(struct run *run);

unsigned members_count(const struct run *run, enum member_place place);
/* May one more node be made? Ids are never used twice. */
bool members_have_room(const struct run *run);

/* Begins a change; none is under way. A node to be added is made and started; `node` is ignored
 * then. Returns the node that it is about. */
int members_change(struct run *run, enum member_change change, int node);

/* Node i is lost, as far as its operator knows, and waits to be replaced. One at a time: two of
 * three would be the majority. */
bool members_can_replace(const struct run *run);
void members_lose(struct run *run, int i);
bool members_lost(const struct run *run, int i); /* also when it was replaced or removed since */

/* Is a change under way? A node that waits to be replaced makes one. */
bool members_take_up(struct run *run);

/* Gives the commands of what is under way; true when it is done (also when nothing was). */
bool members_settle(struct run *run, unsigned limit_s);

/* Node i ended with this wait status: as a removed one does? */
bool members_left(struct run *run, int i, int status);

/* When no fault holds any more: the change under way is finished, removed nodes have stopped, and
 * all others see the members that the operator wanted. What is not so fails the run. */
void members_finish(struct run *run);

/* "node 7 is added as a voter" */
void members_say(const struct run *run, char *text, size_t size);

#endif
