/* Nodes are killed, stopped, restarted one by one; leadership is moved. */
#include <signal.h>
#include <stdio.h>

#include "jepsen/nemesis.h"

enum { READY_LIMIT_MS = 10000 };

void attack_say(struct attack *a, const char *what)
{
    size_t len = (size_t)snprintf(a->what, sizeof a->what, "%s", what);
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            len += (size_t)snprintf(a->what + len, sizeof a->what - len, " %d", i + 1);
        }
    }
}

static void kill_start(struct attack *a)
{
    int i;

    attack_say(a, "SIGKILL");
    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            a->run->away[i] = true;
            cluster_signal(&a->run->cluster, i, SIGKILL);
            cluster_reap(&a->run->cluster, i);
        }
    }
}

static void kill_stop(struct attack *a)
{
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            cluster_start(&a->run->cluster, i);
            a->run->away[i] = false;
        }
    }
}

const struct nemesis nemesis_kill = {"kill", NEMESIS_NODE, kill_start, kill_stop};

static void pause_start(struct attack *a)
{
    int i;

    attack_say(a, "SIGSTOP");
    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            cluster_signal(&a->run->cluster, i, SIGSTOP);
        }
    }
}

static void pause_stop(struct attack *a)
{
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            cluster_signal(&a->run->cluster, i, SIGCONT);
        }
    }
}

const struct nemesis nemesis_pause = {"pause", NEMESIS_NODE, pause_start, pause_stop};

/* In order, one after the other, each when the one before it is ready again, as an operator does it
 * to bring in a new version. */
static void restart_start(struct attack *a)
{
    struct cluster *c = &a->run->cluster;
    int i;

    a->nodes = atomic_load(&a->run->nodes);
    snprintf(a->what, sizeof a->what, "SIGTERM to each, one after the other");
    for (i = 0; i < c->n; i++) {
        if (!attack_has(a, i)) {
            continue;
        }
        a->run->away[i] = true;
        cluster_signal(c, i, SIGTERM);
        run_stopped(a->run, i);
        cluster_start(c, i);
        a->run->away[i] = false;
        run_ready(a->run, i, READY_LIMIT_MS);
    }
}

const struct nemesis nemesis_restart = {"restart", NEMESIS_NODE, restart_start, NULL};

static void transfer_start(struct attack *a)
{
    struct run *run = a->run;
    int to = run_any_node(run, &run->chance);
    char url[URL_MAX];
    char body[32];
    long status;

    snprintf(body, sizeof body, "{\"to\":%d}", to + 1);
    cluster_url(&run->cluster, to, url, "/v1/cluster/transfer");
    status = http_call(&run->http, "POST", url, run->cluster.operator_key, body, NULL);
    a->nodes = 1u << to;
    snprintf(a->what, sizeof a->what, "leadership to node %d: answered %ld", to + 1, status);
}

const struct nemesis nemesis_transfer = {"transfer", NEMESIS_NODE, transfer_start, NULL};
