#include "jepsen/members.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jepsen/run.h"

enum { FINISH_LIMIT_S = 60, LOOK_US = 50000, EXIT_REMOVED = 3 };

void members_init(struct run *run)
{
    int i;

    for (i = 0; i < run->cluster.n; i++) {
        run->members.places[i] = PLACE_VOTER;
        run_node_in(run, i);
    }
}

unsigned members_count(const struct run *run, enum member_place place)
{
    unsigned n = 0;
    int i;

    for (i = 0; i < run->cluster.n; i++) {
        n += run->members.places[i] == place;
    }
    return n;
}

bool members_have_room(const struct run *run)
{
    /* One is kept for a node that is lost meanwhile. */
    return run->cluster.n + 1 < CLUSTER_NODES_MAX;
}

/* --- one change ------------------------------------------------------------------------------- */

int members_change(struct run *run, enum member_change change, int node)
{
    static const enum member_place places[] = {
        [CHANGE_ADD] = PLACE_STANDBY,   [CHANGE_ADD_VOTER] = PLACE_VOTER,
        [CHANGE_PROMOTE] = PLACE_VOTER, [CHANGE_DEMOTE] = PLACE_STANDBY,
        [CHANGE_REMOVE] = PLACE_GONE,
    };
    struct members *m = &run->members;
    enum member_place place = PLACE_NONE; /* of who is replaced */

    m->old = node;
    if (change == CHANGE_REPLACE) { /* nothing is asked of it any more, and it does not come back */
        place = m->places[node];
        m->places[node] = PLACE_GONE;
        run_node_out(run, node);
        cluster_signal(&run->cluster, node, SIGKILL);
        cluster_reap(&run->cluster, node);
    }
    if (change == CHANGE_ADD || change == CHANGE_ADD_VOTER || change == CHANGE_REPLACE) {
        node = run_new_node(run);
    }
    m->change = change;
    m->node = node;
    m->places[node] = change == CHANGE_REPLACE ? place : places[change];
    return node;
}

/* florinctl ended well, or what it should do was done before. */
static bool command(struct run *run, const char *const *words)
{
    int status;
    pid_t pid = cluster_ctl_start(&run->cluster, run->cluster.operator_key, words);

    while (waitpid(pid, &status, WNOHANG) == 0) {
        run_look_after(run);
        usleep(LOOK_US);
    }
    return WIFEXITED(status) &&
           (WEXITSTATUS(status) == 0 ||
            (strcmp(words[1], "remove") == 0 && cluster_ctl_says(&run->cluster, "unknown_member")));
}

bool members_can_replace(const struct run *run)
{
    return members_have_room(run) && run->members.change == CHANGE_NONE && run->members.lost == 0;
}

void members_lose(struct run *run, int i)
{
    run->members.lost |= 1u << i;
}

bool members_lost(const struct run *run, int i)
{
    return (run->members.lost >> i & 1u) != 0 || run->members.places[i] == PLACE_GONE;
}

bool members_take_up(struct run *run)
{
    struct members *m = &run->members;

    if (m->change == CHANGE_NONE && m->lost != 0) {
        members_change(run, CHANGE_REPLACE, __builtin_ctz(m->lost));
        m->lost = 0;
    }
    return m->change != CHANGE_NONE;
}

bool members_settle(struct run *run, unsigned limit_s)
{
    struct members *m = &run->members;
    char id[12], old[12], address[64], limit[12];
    bool done = true;

    snprintf(id, sizeof id, "%d", m->node + 1);
    snprintf(old, sizeof old, "%d", m->old + 1);
    snprintf(limit, sizeof limit, "%us", limit_s);
    snprintf(address, sizeof address, "%s:%u", run->cluster.nodes[m->node].host,
             run->cluster.nodes[m->node].peer_port);
#define WORDS(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        "cluster", __VA_ARGS__, "--timeout", limit, NULL                                           \
    }
    switch (m->change) {
    case CHANGE_ADD:
        done = command(run, WORDS("add", id, address));
        break;
    case CHANGE_ADD_VOTER:
        done = command(run, WORDS("add", id, address)) &&
               command(run, WORDS("promote", id, "--wait", limit));
        break;
    case CHANGE_PROMOTE:
        done = command(run, WORDS("promote", id, "--wait", limit));
        break;
    case CHANGE_DEMOTE:
        done = command(run, WORDS("demote", id));
        break;
    case CHANGE_REMOVE:
        done = command(run, WORDS("remove", id));
        break;
    case CHANGE_REPLACE:
        done = command(run, WORDS("replace", old, id, address, "--wait", limit));
        break;
    case CHANGE_NONE:
        break;
    }
#undef WORDS
    m->change = done ? CHANGE_NONE : m->change;
    return done;
}

bool members_left(struct run *run, int i, int status)
{
    if (run->members.places[i] != PLACE_GONE || !WIFEXITED(status) ||
        WEXITSTATUS(status) != EXIT_REMOVED) {
        return false;
    }
    run_node_out(run, i);
    return true;
}

void members_say(const struct run *run, char *text, size_t size)
{
    static const char *const what[] = {
        [CHANGE_NONE] = "nothing",
        [CHANGE_ADD] = "is added as a stand-by",
        [CHANGE_ADD_VOTER] = "is added as a voter",
        [CHANGE_PROMOTE] = "gets a vote",
        [CHANGE_DEMOTE] = "loses its vote",
        [CHANGE_REMOVE] = "is removed",
        [CHANGE_REPLACE] = "stands in for node",
    };
    const struct members *m = &run->members;
    size_t len = (size_t)snprintf(text, size, "node %d %s", m->node + 1, what[m->change]);

    if (m->change == CHANGE_REPLACE) {
        snprintf(text + len, size - len, " %d", m->old + 1);
    }
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Does node i see just the members that are wanted, in their roles? */
static bool sees_them(struct run *run, int i)
{
    json_t *json = NULL;
    json_t *member;
    char url[URL_MAX];
    unsigned fit = 0;
    size_t k;

    cluster_url(&run->cluster, i, url, "/v1/cluster");
    http_call(&run->http, "GET", url, run->cluster.operator_key, NULL, &json);
    json_array_foreach(json_object_get(json, "members"), k, member)
    {
        json_int_t id = json_integer_value(json_object_get(member, "id"));
        const char *role = json_string_value(json_object_get(member, "role"));
        enum member_place place =
            id < 1 || id > run->cluster.n ? PLACE_NONE : run->members.places[id - 1];
        fit += role != NULL && ((place == PLACE_VOTER && strcmp(role, "voter") == 0) ||
                                (place == PLACE_STANDBY && strcmp(role, "standby") == 0));
    }
    k = json_array_size(json_object_get(json, "members"));
    json_decref(json);
    return fit == k && fit == members_count(run, PLACE_VOTER) + members_count(run, PLACE_STANDBY);
}

/* Node i is as it should be in the end. */
static bool as_wanted(struct run *run, int i)
{
    run_look_after(run);
    return run->members.places[i] == PLACE_GONE ? run->cluster.nodes[i].pid == 0
                                                : sees_them(run, i);
}

void members_finish(struct run *run)
{
    uint64_t until_us;
    char what[80];
    int i;

    members_take_up(run);
    members_say(run, what, sizeof what);
    if (!members_settle(run, FINISH_LIMIT_S)) {
        snprintf(run->surprise, sizeof run->surprise,
                 "%s: not done %d s after the last fault; ctl.out says why", what, FINISH_LIMIT_S);
        printf("          %s\n", run->surprise);
        return;
    }
    until_us = test_now_us() + FINISH_LIMIT_S * UINT64_C(1000000);
    for (i = 0; i < run->cluster.n; i++) {
        while (!as_wanted(run, i)) {
            if (test_now_us() > until_us) {
                snprintf(run->surprise, sizeof run->surprise,
                         run->members.places[i] == PLACE_GONE
                             ? "node %d was removed, and has not stopped"
                             : "node %d does not see the members that the operator made",
                         i + 1);
                return;
            }
            usleep(LOOK_US);
        }
    }
}
