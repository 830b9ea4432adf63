#include "consensus/histogram.h"

/* Fine where a local commit falls (0.1 to 3 ms), coarse where something is wrong. */
const uint32_t status_bucket_us[STATUS_BUCKETS] = {
    50,   100,  200,   300,   500,   750,    1000,   1500,   2000,    3000,
    5000, 7500, 10000, 20000, 50000, 100000, 250000, 500000, 1000000, 0,
};

void status_histogram_add(struct status_histogram *h, uint64_t us)
{
    size_t i = 0;

    while (status_bucket_us[i] != 0 && us > status_bucket_us[i]) {
        i++;
    }
    h->bucket[i]++;
    h->count++;
    h->sum_us += us;
}
