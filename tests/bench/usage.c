#include "tests/bench/usage.h"

#include <stdio.h>
#include <unistd.h>

static void add_usage(struct usage *u, int pid)
{
    unsigned long user = 0, system = 0;
    char path[64], line[256];
    FILE *f;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    f = fopen(path, "r");
    if (f != NULL) {
        if (fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                   &system) == 2) {
            u->cpu_s += (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
        }
        fclose(f);
    }
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    f = fopen(path, "r");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        long kib = 0;

        if (sscanf(line, "RssAnon: %ld", &kib) == 1) {
            u->anon_kib = kib > u->anon_kib ? kib : u->anon_kib;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
}

struct usage usage_of(const struct cluster *c)
{
    struct usage u = {0, 0};
    int i;

    for (i = 0; i < c->n; i++) {
        add_usage(&u, (int)c->nodes[i].pid);
    }
    return u;
}
