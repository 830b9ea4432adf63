/* Membership churn: nodes are added, promoted, demoted, removed, the leader too, and replaced after
 * their death, by florinctl as an operator would, while others ask and other faults hold. */
#include <stdio.h>

#include "jepsen/nemesis.h"

enum {
    VOTERS_LEAST = 3,
    MORE_THAN_FIRST = 2, /* so many members more than in the beginning, at most */
    COMMAND_LIMIT_S = 8,
    WHATS_MAX = 8,
};

struct choice {
    enum member_change change;
    int node;
};

static int any_in(struct run *run, enum member_place place)
{
    int i;

    do {
        i = run_any_node(run, &run->chance);
    } while (run->members.places[i] != place);
    return i;
}

/* What may be done now; how many there are. */
static unsigned list_choices(struct run *run, struct choice *choices)
{
    unsigned voters = members_count(run, PLACE_VOTER);
    unsigned standbys = members_count(run, PLACE_STANDBY);
    bool room = members_have_room(run);
    unsigned n = 0;
    int leader;

    if (room && voters + standbys < run->options.nodes + MORE_THAN_FIRST) {
        choices[n++] = (struct choice){.change = CHANGE_ADD};
        choices[n++] = (struct choice){.change = CHANGE_ADD_VOTER};
    }
    if (room) {
        choices[n++] = (struct choice){CHANGE_REPLACE, any_in(run, PLACE_VOTER)};
    }
    if (standbys > 0) {
        choices[n++] = (struct choice){CHANGE_PROMOTE, any_in(run, PLACE_STANDBY)};
        choices[n++] = (struct choice){CHANGE_REMOVE, any_in(run, PLACE_STANDBY)};
    }
    if (voters > VOTERS_LEAST) {
        leader = cluster_leader(&run->cluster);
        choices[n++] = (struct choice){CHANGE_DEMOTE, any_in(run, PLACE_VOTER)};
        choices[n++] = (struct choice){CHANGE_REMOVE, any_in(run, PLACE_VOTER)};
        if (leader >= 0 && run->members.places[leader] == PLACE_VOTER) {
            choices[n++] = (struct choice){CHANGE_REMOVE, leader};
        }
    }
    return n;
}

static void members_start(struct attack *a)
{
    struct run *run = a->run;
    struct choice choices[WHATS_MAX];
    bool again = members_take_up(run);
    unsigned n = again ? 0 : list_choices(run, choices);
    char what[80];

    a->nodes = 0;
    if (!again && n == 0) {
        snprintf(a->what, sizeof a->what, "no node may be added or removed any more");
        return;
    }
    if (!again) {
        const struct choice *c = &choices[chance_below(&run->chance, n)];
        members_change(run, c->change, c->node);
    }
    a->nodes = 1u << run->members.node;
    members_say(run, what, sizeof what);
    snprintf(a->what, sizeof a->what, "%s%s: %s", what, again ? ", again" : "",
             members_settle(run, COMMAND_LIMIT_S) ? "done" : "not yet");
}

const struct nemesis nemesis_members = {"members", NEMESIS_MEMBERS, members_start, NULL};
