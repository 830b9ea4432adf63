/* Counting durations into the buckets of struct status_histogram. */
#ifndef FLORIN_HISTOGRAM_H
#define FLORIN_HISTOGRAM_H

#include "consensus/submit.h"

/* Counts one duration of `us` microseconds. The caller keeps threads apart. */
void status_histogram_add(struct status_histogram *h, uint64_t us);

#endif
