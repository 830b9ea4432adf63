/* The same bets at etcd's JSON gateway as bench_http makes at Florin's, from the same generator.
 * Prints "CONNECTIONS BETS_PER_S P50_US P99_US" for each number of connections; peers.sh starts the
 * three etcds.
 *
 * usage: bench_etcd SECONDS PLAYERS PORT PORT PORT CONNECTIONS... */
#include <stdio.h>
#include <stdlib.h>

#include "tests/bench/load.h"

enum { NODES = 3 };

int main(int argc, char **argv)
{
    static struct load_result r;
    uint16_t ports[NODES];
    int i;

    if (argc < 4 + NODES) {
        fprintf(stderr, "usage: bench_etcd SECONDS PLAYERS PORT PORT PORT CONNECTIONS...\n");
        return 2;
    }
    for (i = 0; i < NODES; i++) {
        ports[i] = (uint16_t)atoi(argv[3 + i]);
    }
    for (i = 3 + NODES; i < argc; i++) {
        struct load load = {.ports = ports,
                            .n_ports = NODES,
                            .work = LOAD_ETCD,
                            .connections = atoi(argv[i]),
                            .seconds = (unsigned)atoi(argv[1]),
                            .players = (unsigned)atoi(argv[2])};

        if (load_run(&load, &r) != 0) {
            perror("bench_etcd: can't connect");
            return 1;
        }
        printf("%d %.0f %llu %llu\n", load.connections, (double)r.done / r.seconds,
               (unsigned long long)latencies_at(&r.ok, 0.5),
               (unsigned long long)latencies_at(&r.ok, 0.99));
    }
    return 0;
}
