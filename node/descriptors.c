#include "node/descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

int descriptors_reserve(uint64_t need, struct fault *fault)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return fault_set(fault, "can't read the limit of open files: %s", strerror(errno));
    }
    if (limit.rlim_max < need) {
        return fault_set(fault,
                         "this process may open %llu files and connections, but may need %llu: "
                         "raise its limit (ulimit -Hn, or LimitNOFILE of its service), or lower "
                         "http_threads",
                         (unsigned long long)limit.rlim_max, (unsigned long long)need);
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return fault_set(fault, "can't raise the limit of open files to %llu: %s",
                         (unsigned long long)limit.rlim_max, strerror(errno));
    }
    return 0;
}
