/* Nothing acknowledged is lost: 64 clients bet, win and roll back at all nodes while the leader is
 * killed with SIGKILL five times and restarted; then all nodes are killed at once under load.
 *
 * Afterwards every acknowledged answer is looked up in the ledger, and the nodes are compared: see
 * tests/cluster/load.h.
 *
 * usage: test_crash FLORIND FLORINCTL [KILLS] */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/cluster/load.h"
#include "tests/cluster/look.h"

enum {
    CLIENTS = 64,
    PLAYERS = 16,
    NODES = 3,
    KILLS_MAX = 20,
    PROGRESS_BEFORE_KILL = 400, /* acknowledged answers between two kills */
};

/* ---- the election gap ---- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* The longest time without a success around each kill: last success before, first after. */
static void print_gaps(struct load *l, const uint64_t *kills, int n_kills)
{
    uint64_t gaps[KILLS_MAX];
    uint64_t *times;
    size_t n = 0;
    size_t j;
    int i;

    times = malloc(atomic_load(&l->acknowledged) * sizeof *times);
    if (times == NULL) {
        abort();
    }
    for (i = 0; i < CLIENTS; i++) {
        for (j = 0; j < l->clients[i].n_done; j++) {
            times[n++] = l->clients[i].done[j].at_us;
        }
    }
    qsort(times, n, sizeof *times, compare_u64);
    for (i = 0; i < n_kills; i++) {
        uint64_t longest = 0;
        for (j = 1; j < n; j++) {
            bool near = times[j] >= kills[i] && times[j - 1] <= kills[i] + 5000000;
            if (near && times[j] - times[j - 1] > longest) {
                longest = times[j] - times[j - 1];
            }
        }
        gaps[i] = longest;
    }
    qsort(gaps, (size_t)n_kills, sizeof *gaps, compare_u64);
    printf("election gap over %d kills of the leader: min %.0f ms, median %.0f ms, max %.0f ms\n",
           n_kills, (double)gaps[0] / 1000, (double)gaps[n_kills / 2] / 1000,
           (double)gaps[n_kills - 1] / 1000);
    free(times);
}

static void kill_leaders(struct load *l, int kills)
{
    uint64_t at[KILLS_MAX];
    int i;

    load_start(l, 0);
    load_wait_progress(l, PROGRESS_BEFORE_KILL);
    for (i = 0; i < kills; i++) {
        int leader = look_leader(l->cluster);
        at[i] = test_now_us();
        cluster_signal(l->cluster, leader, SIGKILL);
        cluster_reap(l->cluster, leader);
        load_wait_progress(l, PROGRESS_BEFORE_KILL);
        cluster_start(l->cluster, leader);
        cluster_wait_ready(l->cluster);
        load_wait_progress(l, PROGRESS_BEFORE_KILL);
    }
    load_stop(l);
    print_gaps(l, at, kills);
    load_check(l, "leader killed");
}

static void kill_all(struct load *l)
{
    int i;

    load_start(l, 1);
    load_wait_progress(l, PROGRESS_BEFORE_KILL);
    for (i = 0; i < NODES; i++) {
        cluster_signal(l->cluster, i, SIGKILL);
    }
    for (i = 0; i < NODES; i++) {
        cluster_reap(l->cluster, i);
    }
    cluster_start_all(l->cluster);
    cluster_wait_ready(l->cluster);
    load_wait_progress(l, PROGRESS_BEFORE_KILL);
    load_stop(l);
    load_check(l, "all nodes killed at once");
}

static void stop_in_order(struct load *l)
{
    int i;

    for (i = 0; i < NODES; i++) {
        int status;
        cluster_signal(l->cluster, i, SIGTERM);
        status = cluster_reap(l->cluster, i);
        if (status != 0) {
            cluster_die(l->cluster, "node %d: wait status %d after SIGTERM", i + 1, status);
        }
    }
}

int main(int argc, char **argv)
{
    static struct cluster cluster;
    static struct load load; /* large, and zero */
    int kills = argc > 3 ? atoi(argv[3]) : 5;

    if (argc < 3 || kills < 1 || kills > KILLS_MAX) {
        fprintf(stderr, "usage: test_crash FLORIND FLORINCTL [KILLS]\n");
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    cluster.florinctl = argv[2];
    cluster_make(&cluster, argv[1], NODES);
    load.cluster = &cluster;
    load.n_clients = CLIENTS;
    load.players = PLAYERS;
    atomic_store(&load.targets, (1u << NODES) - 1);
    cluster_start_all(&cluster);
    cluster_wait_ready(&cluster);
    cluster_seed(&cluster, PLAYERS, "1000000");
    kill_leaders(&load, kills);
    kill_all(&load);
    stop_in_order(&load);
    cluster_destroy(&cluster, false);
    load_release(&load);
    printf("2 passed, 0 failed\n");
    return 0;
}
