/* The report: one HTML page that needs nothing else. Latency and throughput over time with the
 * faults behind them, elections, the verdict, the figures, the counter-example. Pure. */
#ifndef FLORIN_JEPSEN_REPORT_H
#define FLORIN_JEPSEN_REPORT_H

#include "jepsen/check.h"
#include "jepsen/stats.h"

void report_render(const struct check *c, const struct stats *s, struct bytes *html);

/* FOLDER/index.html, the folder made when it is missing. 0, or -1 with the fault. */
int report_write(const struct check *c, const struct stats *s, const char *folder,
                 struct fault *fault);

#endif
