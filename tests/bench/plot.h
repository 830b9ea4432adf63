/* A plot of throughput against latency, as SVG: one point for each closed loop of single bets. */
#ifndef FLORIN_BENCH_PLOT_H
#define FLORIN_BENCH_PLOT_H

#include <jansson.h>

/* From what bench_http writes. 0, or -1 with errno: the file can't be written. */
int plot_write(json_t *results, const char *path);

#endif
