/* How fast one node's log is: append and sync, one entry at a time, on a real folder.
 *
 *   bench_log [FOLDER [SECONDS]]    (default: $TMPDIR or /tmp, 3 seconds for each size) */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "consensus/log.h"

enum { SAMPLES_MAX = 1 << 20 };

static const struct log_identity identity = {.cluster_id = "bench", .node_id = 1};

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

static void print_result(size_t len, uint32_t *us, size_t n, uint64_t total_us)
{
    qsort(us, n, sizeof us[0], by_value);
    printf("%7zu bytes: %6zu syncs, median %5u us, p99 %6u us, max %6u us, %7.1f MB/s\n", len, n,
           us[n / 2], us[n * 99 / 100], us[n - 1], (double)(len * n) / (double)total_us);
}

/* Appends and syncs entries of `len` bytes for `seconds`. */
static int measure(struct log *log, size_t len, unsigned seconds, struct fault *fault)
{
    uint32_t *us = malloc(SAMPLES_MAX * sizeof us[0]);
    uint8_t *data = malloc(len);
    uint64_t begin = now_us(), now = begin;
    struct log_entry entry = {0, 1, LOG_COMMAND, data, len};
    size_t n = 0, i;
    int rv = 0;

    for (i = 0; i < len; i++) {
        data[i] = (uint8_t)(i * 31 + 7);
    }
    while (rv == 0 && n < SAMPLES_MAX && now - begin < (uint64_t)seconds * 1000000) {
        uint64_t start = now;
        entry.index = log_last_index(log) + 1;
        rv = log_append(log, &entry, 1, fault);
        if (rv == 0) {
            rv = log_sync(log, fault);
        }
        now = now_us();
        us[n++] = (uint32_t)(now - start);
    }
    if (rv == 0) {
        print_result(len, us, n, now - begin);
    }
    free(data);
    free(us);
    return rv;
}

static void remove_one(void *context, const char *name)
{
    struct disk *disk = context;

    disk->remove(disk->impl, name);
}

static int bench(struct disk *disk, unsigned seconds, struct fault *fault)
{
    static const size_t lens[] = {8 << 10, 128 << 10};
    struct log *log;
    size_t i;
    int rv = 0;

    if (log_format(disk, &identity, NULL, fault) != 0 ||
        log_open(&log, disk, &identity, NULL, NULL, fault) != 0) {
        return -1;
    }
    for (i = 0; rv == 0 && i < sizeof lens / sizeof lens[0]; i++) {
        rv = measure(log, lens[i], seconds, fault);
    }
    log_close(log);
    return rv;
}

int main(int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");
    const char *parent = argc > 1 ? argv[1] : tmp != NULL ? tmp : "/tmp";
    unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 3;
    struct fault fault = {""};
    struct disk disk;
    char folder[512];
    int rv;

    snprintf(folder, sizeof folder, "%s/florin-bench-log-XXXXXX", parent);
    if (mkdtemp(folder) == NULL || disk_posix_open(&disk, folder) != 0) {
        fprintf(stderr, "bench_log: can't make a folder in %s\n", parent);
        return 1;
    }
    rv = bench(&disk, seconds == 0 ? 1 : seconds, &fault);
    if (rv != 0) {
        fprintf(stderr, "bench_log: %s\n", fault.text);
    }
    disk.list(disk.impl, remove_one, &disk);
    disk.release(disk.impl);
    rmdir(folder);
    return rv == 0 ? 0 : 1;
}
