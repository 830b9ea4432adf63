/* A cluster of real florinds for tests: its own folder, its own free ports, its own keys. */
#ifndef FLORIN_TEST_CLUSTER_H
#define FLORIN_TEST_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/cluster/http.h"

enum { CLUSTER_NODES_MAX = 30, URL_MAX = 256 };

/* Small, so that tests meet the ends of segments; for what a test sets itself to begin with. */
#define CLUSTER_CONFIG "http_threads = 160\nsegment_bytes = 4MiB\n"

struct cluster_node {
    pid_t pid; /* 0: not running */
    uint16_t http_port, peer_port;
    uint16_t
        https_port; /* free, and used after cluster_secure_http; 0 with an address of its own */
    /* Its own address, set before cluster_make; then its ports are fixed. "": a free port of
     * 127.0.0.1. */
    char host[40];
};

struct cluster {
    char folder[256];      /* "" before cluster_make: it makes a temporary one */
    const char *florind;   /* path of the program */
    const char *florinctl; /* likewise; for those who run it */
    const char *config;    /* lines for every node's config, or NULL; set before cluster_make */
    int n;
    int n_first; /* the members of the first configuration */
    struct cluster_node nodes[CLUSTER_NODES_MAX];
    /* Called in a node's process before florind runs there, or NULL. */
    void (*before_run)(void *context, int i);
    void *context;
    char operator_key[128], platform_key[128], provider_key[128];
};

/* Makes folders, configs and data; starts nothing. Ends the process with a message when it can't.
 */
void cluster_make(struct cluster *c, const char *florind, int n);

/* One more node, formatted to join, that the others know nothing of yet; not started. Returns its
 * index. `cluster_id` is NULL for the cluster's own. */
int cluster_add_node(struct cluster *c, const char *cluster_id);

void cluster_start(struct cluster *c, int i);
void cluster_start_all(struct cluster *c);
void cluster_signal(struct cluster *c, int i, int signal);
/* Waits for the end of a node that was signalled; its wait status. */
int cluster_reap(struct cluster *c, int i);
/* Waits until a node has ended by itself; its wait status. Dies after a minute. */
int cluster_wait_end(struct cluster *c, int i);

/* True when a line of the node's log holds this text; dies when it must and does not. */
bool cluster_log_says(struct cluster *c, int i, const char *text);
void cluster_log_must_say(struct cluster *c, int i, const char *text);

/* Waits until every running node answers /readyz with 200; dies after a minute. */
void cluster_wait_ready(struct cluster *c);

/* The running node that says it leads, or -1. */
int cluster_leader(struct cluster *c);

/* Starts florinctl with these words (the last is NULL) and all running nodes as its endpoints; what
 * it prints goes to ctl.out in the folder. */
pid_t cluster_ctl_start(struct cluster *c, const char *key, const char *const *words);
/* Waits for its end and shows what it printed; the exit code, -1 when a signal ended it. */
int cluster_ctl_wait(struct cluster *c, pid_t pid);
/* Both. */
#define cluster_ctl(c, key, ...)                                                                   \
    cluster_ctl_wait(c, cluster_ctl_start(c, key, (const char *const[]){__VA_ARGS__, NULL}))
bool cluster_ctl_says(struct cluster *c, const char *text);

/* Currency EUR (5), provider demo, gateway bank, keys, players p0..p(n-1) with `amount` each (NULL:
 * with nothing). */
void cluster_seed(struct cluster *c, int players, const char *amount);

void cluster_url(const struct cluster *c, int i, char url[static URL_MAX], const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Stops what runs (SIGKILL) and removes the folder, or keeps it when `keep`. */
void cluster_destroy(struct cluster *c, bool keep);

/* Ends the test: says what, kills the nodes, keeps the folder. */
void cluster_die(struct cluster *c, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

uint64_t test_now_us(void);

#endif
