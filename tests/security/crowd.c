/* A thousand connections that send a byte now and then, half a body, or nothing, at the one node
 * that honest clients call, and dial again whenever they are cut. Those clients call at a steady
 * pace far below what a node can do, so that what they lose is lost for want of a thread, not of a
 * processor that the attacker uses as well. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/security/attack.h"

enum {
    SLOW = 1000,
    DRIP_MS = 200,
    HONEST = 6,
    PACE_MS = 40,
    WINDOW_MS = 3000,
    WINDOWS_MAX = 10, /* a busy machine may spoil some */
};

struct crowd {
    struct attack *a;
    int node;
    const struct crowd_ways *ways;
    atomic_bool ending;
    atomic_uint served;       /* calls of the honest that were */
    atomic_uint served_fresh; /* ... and of one who dials anew each time */
    atomic_uint failed;
    atomic_uint standing, redialled;
};

static void bet_once(struct crowd *c, struct http *http, int who, unsigned n, atomic_uint *served)
{
    char url[URL_MAX];
    char body[200];

    snprintf(url, sizeof url, "%s://127.0.0.1:%u/v1/bets", c->ways->scheme, c->ways->port);
    snprintf(
        body, sizeof body,
        "{\"id\":\"honest-%d-%u\",\"player\":\"p%d\",\"currency\":\"EUR\",\"amount\":\"0.01\"}",
        who, n, who % PLAYERS);
    if (http_call(http, "POST", url, c->a->cluster.provider_key, body, NULL) == 200) {
        atomic_fetch_add(served, 1);
    } else {
        atomic_fetch_add(&c->failed, 1);
    }
}

struct honest {
    struct crowd *crowd;
    int who;
    bool fresh;
    pthread_t thread;
};

static void *be_honest(void *context)
{
    struct honest *h = context;
    struct crowd *c = h->crowd;
    struct http http;
    unsigned n;

    http_init(&http);
    http.ca = c->ways->ca;
    for (n = 0; !atomic_load(&c->ending); n++) {
        uint64_t began = test_now_us();
        uint64_t took;

        if (h->fresh) {
            http_reset(&http);
        }
        bet_once(c, &http, h->who, n, h->fresh ? &c->served_fresh : &c->served);
        took = test_now_us() - began;
        if (took < PACE_MS * 1000) {
            usleep((unsigned)(PACE_MS * 1000 - took));
        }
    }
    http_release(&http);
    return NULL;
}

static int begin_slowly(struct crowd *c, int kind)
{
    int fd = attack_dial(c->ways->port);

    if (fd >= 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        attack_say(fd, c->ways->beginnings[kind].bytes, c->ways->beginnings[kind].len);
    }
    return fd;
}

/* False when the other end is gone. */
static bool drip(int fd, bool drips)
{
    char answer[2048];
    ssize_t n;

    while ((n = recv(fd, answer, sizeof answer, 0)) > 0) {
    }
    if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        return false;
    }
    return !drips || send(fd, " ", 1, MSG_NOSIGNAL) == 1 || errno == EAGAIN;
}

static void *be_slow(void *context)
{
    struct crowd *c = context;
    int fds[SLOW];
    int i;

    for (i = 0; i < SLOW; i++) {
        fds[i] = begin_slowly(c, i % 4);
    }
    while (!atomic_load(&c->ending)) {
        unsigned standing = 0;

        for (i = 0; i < SLOW; i++) {
            if (fds[i] < 0 || !drip(fds[i], c->ways->beginnings[i % 4].drips)) {
                if (fds[i] >= 0) {
                    close(fds[i]);
                }
                fds[i] = begin_slowly(c, i % 4);
                atomic_fetch_add(&c->redialled, 1);
            }
            standing += fds[i] >= 0;
        }
        atomic_store(&c->standing, standing);
        usleep(DRIP_MS * 1000);
    }
    for (i = 0; i < SLOW; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return NULL;
}

/* Calls that were served in one window. */
static unsigned measure(struct crowd *c)
{
    unsigned before = atomic_load(&c->served);

    usleep(WINDOW_MS * 1000);
    return atomic_load(&c->served) - before;
}

static void need_descriptors(struct attack *a)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < SLOW + 200) {
        limit.rlim_cur = SLOW + 200;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            cluster_die(&a->cluster, "%d descriptors are needed: %s", SLOW + 200, strerror(errno));
        }
    }
}

static void judge(struct crowd *c, unsigned quiet)
{
    unsigned fresh_before = atomic_load(&c->served_fresh);
    unsigned best = 0;
    int window;

    for (window = 0; window < WINDOWS_MAX && best * 10 < quiet * 9; window++) {
        unsigned now = measure(c);
        best = now > best ? now : best;
    }
    printf(
        "slow crowd: %u connections stand, %u were cut and dialled again; honest calls in %d ms: "
        "%u before, %u now; on new connections: %u\n",
        atomic_load(&c->standing), atomic_load(&c->redialled), WINDOW_MS, quiet, best,
        atomic_load(&c->served_fresh) - fresh_before);
    if (best * 10 < quiet * 9) {
        cluster_die(&c->a->cluster,
                    "honest clients had %u calls in a window before the slow crowd "
                    "came, and %u at best with it",
                    quiet, best);
    }
    if (atomic_load(&c->served_fresh) == fresh_before) {
        cluster_die(&c->a->cluster, "no new client was served beside the slow crowd");
    }
}

void attack_crowd_at(struct attack *a, int node, const struct crowd_ways *ways)
{
    struct crowd crowd = {.a = a, .node = node, .ways = ways};
    struct honest honest[HONEST];
    pthread_t slow;
    unsigned quiet;
    int i;

    need_descriptors(a);
    for (i = 0; i < HONEST; i++) {
        honest[i] = (struct honest){.crowd = &crowd, .who = i, .fresh = i == 0};
        pthread_create(&honest[i].thread, NULL, be_honest, &honest[i]);
    }
    quiet = measure(&crowd);
    pthread_create(&slow, NULL, be_slow, &crowd);
    while (atomic_load(&crowd.standing) < SLOW * 9 / 10) {
        usleep(DRIP_MS * 1000 / 4); /* between looks: the crowd gathers */
    }
    judge(&crowd, quiet);
    atomic_store(&crowd.ending, true);
    pthread_join(slow, NULL);
    for (i = 0; i < HONEST; i++) {
        pthread_join(honest[i].thread, NULL);
    }
    a->refused += atomic_load(&crowd.redialled);
}

void attack_crowd(struct attack *a)
{
#define TEXT(text) text, sizeof text - 1
    int node = cluster_leader(&a->cluster);
    struct crowd_ways ways = {
        .scheme = "http",
        .beginnings = {{TEXT("POST /v1/bets HTTP/1.1\r\nHost: x\r\n"), true},
                       {TEXT("POST /v1/bets HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
                             "{\"id\":"),
                        true},
                       {TEXT(""), false},
                       {TEXT("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"), false}}};

    if (node < 0) {
        cluster_die(&a->cluster, "nobody leads");
    }
    ways.port = a->cluster.nodes[node].http_port;
    attack_crowd_at(a, node, &ways);
    if (!attack_logged(a, node, "slow connections were cut")) {
        cluster_die(&a->cluster, "the crowd was none: node %d cut nobody", node + 1);
    }
}
