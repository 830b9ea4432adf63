/* A load generator for the benchmarks: HTTP over many kept connections from one thread.
 *
 * Closed loop: every connection has one request under way, always; it shows what the cluster can
 * carry. Open loop: requests are due by the clock, at a fixed rate, whether earlier ones were
 * answered or not, and an answer's latency counts from when its request was due. So a pause of the
 * cluster shows in every request that fell into it ("no coordinated omission"). */
#ifndef FLORIN_BENCH_LOAD_H
#define FLORIN_BENCH_LOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    LOAD_PORTS_MAX = 8,
    LOAD_CONNECTIONS_MAX = 4096,
    LATENCY_STEPS = 64, /* buckets for each power of two: 1.6 % */
    LATENCY_BUCKETS = 40 * LATENCY_STEPS,
};

enum load_work {
    LOAD_BETS,
    LOAD_READS,       /* a player's balance, linearizable */
    LOAD_STALE_READS, /* ... from the node's own state */
    LOAD_ETCD,        /* the same bets, as transactions of etcd's JSON gateway */
};

struct load {
    const uint16_t *ports; /* of nodes on this machine; connections take turns */
    int n_ports;
    const char *key; /* KEYID.SECRET */
    enum load_work work;
    int connections;
    int batch;         /* bets a request; 0: single ones */
    bool msgpack;      /* else JSON */
    double rate_per_s; /* requests; 0: closed loop */
    /* Open loop: a request that was due so long ago and found no connection idle is given up, as an
     * impatient client would. 0: never. */
    unsigned patience_ms;
    bool impolite; /* asks again at once after a 503, not after its Retry-After */
    unsigned seconds;
    /* Before the clock starts, every connection has had an answer; then this is called. NULL: the
     * load begins with connections that nobody has taken up yet. */
    void (*warmed)(void *context);
    void *context;
    const atomic_bool *stop; /* ends it before, once it is true; or NULL */
    unsigned players;        /* p0 to p(n-1) */
};

struct latencies {
    uint64_t count[LATENCY_BUCKETS];
    uint64_t n;
    uint64_t max_us;
};

struct load_result {
    uint64_t requests;            /* answered with 200 */
    uint64_t done;                /* bets or reads in them */
    uint64_t overloaded;          /* answered with 503 */
    uint64_t without_wait;        /* ... of these, without a Retry-After */
    uint64_t failed;              /* any other answer, or none */
    uint64_t repeated;            /* sent again, as the connection had ended when it was sent */
    uint64_t unsent;              /* given up before they were sent */
    uint64_t reconnects;          /* the server had ended the connection with an answer */
    double seconds;               /* from the first request to the last answer */
    struct latencies ok, refused; /* since they were due; of refused ones, since they were sent */
};

/* 0, or -1 with errno: no connection. */
int load_run(const struct load *load, struct load_result *result);

/* The latency that `part` (0 to 1) of them had at most, to the bucket's upper end. */
uint64_t latencies_at(const struct latencies *l, double part);
/* How many were above `us`, to the bucket's upper end. */
uint64_t latencies_above(const struct latencies *l, uint64_t us);

#endif
