/* What the running nodes of a cluster take of the machine. */
#ifndef FLORIN_BENCH_USAGE_H
#define FLORIN_BENCH_USAGE_H

#include "tests/cluster/cluster.h"

struct usage {
    double cpu_s; /* user and system time of all nodes */
    /* Own memory of the largest; not the store's pages, which the kernel takes back. */
    long anon_kib;
};

struct usage usage_of(const struct cluster *c);

#endif
