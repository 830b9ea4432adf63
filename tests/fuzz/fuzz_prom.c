/* Two answers to /metrics, one behind the other: any bytes, and the figures that come of them lie
 * within what was said. */
#include <stdint.h>
#include <stdlib.h>

#include "cluster-config/prom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice first = {(const char *)data, size / 2};
    struct slice second = {(const char *)data + size / 2, size - size / 2};
    struct prom_histogram before, after;
    uint64_t v;

    prom_sum(first, "a", "", &v);
    prom_sum(second, "a", "b", &v);
    if (prom_histogram(first, "h", &before) && prom_histogram(second, "h", &after)) {
        for (unsigned percent = 1; percent <= 100; percent++) {
            if (prom_quantile(&before, &after, percent, &v) && after.n > 1 &&
                v > after.bound_us[after.n - 2]) {
                abort();
            }
        }
    }
    return 0;
}
