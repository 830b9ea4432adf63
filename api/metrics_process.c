/* What every exporter says of its process, under the names that Prometheus' own clients use, so
 * that existing dashboards know them. From /proc; what can't be read is left out. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/metrics.h"
#include "api/metrics_private.h"

static bool read_text(const char *path, char *text, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    return n > 0;
}

static void write_memory(struct bytes *out)
{
    unsigned long long size, resident;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    char text[256];

    if (!read_text("/proc/self/statm", text, sizeof text) ||
        sscanf(text, "%llu %llu", &size, &resident) != 2) {
        return;
    }
    metrics_one(out, "process_virtual_memory_bytes", "gauge",
                "Address space; most of it is store_map_bytes, which is no memory.", size * page);
    metrics_one(out, "process_resident_memory_bytes", "gauge",
                "Memory in use, pages of the store that the system may drop included.",
                resident * page);
}

/* Field 22 of /proc/self/stat: clock ticks from boot to this process' start. The name in field 2
 * may hold anything, so the fields are counted from its closing bracket. */
static bool start_ticks(unsigned long long *ticks)
{
    char text[1024];
    const char *at;

    if (!read_text("/proc/self/stat", text, sizeof text) || (at = strrchr(text, ')')) == NULL) {
        return false;
    }
    return sscanf(at + 1,
                  " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                  "%*d %*d %llu",
                  ticks) == 1;
}

static void write_start(struct bytes *out)
{
    unsigned long long ticks, booted;
    char text[16384];
    const char *line;

    if (start_ticks(&ticks) && read_text("/proc/stat", text, sizeof text) &&
        (line = strstr(text, "\nbtime ")) != NULL && sscanf(line, "\nbtime %llu", &booted) == 1) {
        metrics_one(out, "process_start_time_seconds", "gauge", "When the process started.",
                    booted + ticks / (uint64_t)sysconf(_SC_CLK_TCK));
    }
}

static void write_descriptors(struct bytes *out)
{
    DIR *folder = opendir("/proc/self/fd");
    struct rlimit limit;
    uint64_t n = 0;

    if (folder != NULL) {
        while (readdir(folder) != NULL) {
            n++;
        }
        closedir(folder);
        /* Not the two dots, nor the folder itself. */
        metrics_one(out, "process_open_fds", "gauge", "Open files and connections.", n - 3);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        metrics_one(out, "process_max_fds", "gauge", "The most of them.", limit.rlim_cur);
    }
}

void metrics_write_process(struct bytes *out)
{
    struct rusage used;

    if (getrusage(RUSAGE_SELF, &used) == 0) {
        metrics_seconds(out, "process_cpu_seconds_total", "counter",
                        "Processor time, user and system.",
                        (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
                            (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec));
    }
    write_memory(out);
    write_start(out);
    write_descriptors(out);
}
