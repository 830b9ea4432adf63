/* The text format of Prometheus, shared by metrics.c and metrics_process.c. */
#ifndef FLORIN_METRICS_PRIVATE_H
#define FLORIN_METRICS_PRIVATE_H

#include <stdint.h>

#include "statemachine/bytes.h"

/* One metric of one series. */
void metrics_one(struct bytes *out, const char *name, const char *type, const char *help,
                 uint64_t value);

/* The same for microseconds, written as seconds. */
void metrics_seconds(struct bytes *out, const char *name, const char *type, const char *help,
                     uint64_t us);

/* metrics_process.c */
void metrics_write_process(struct bytes *out);

#endif
