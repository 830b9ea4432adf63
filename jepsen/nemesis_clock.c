/* Wall clocks jump, by libfaketime, which reads the offset from a file at every look at the clock.
 * The monotonic clock goes on as it is: that is what Linux promises, and what time-outs go by. */
#include <stdio.h>

#include "jepsen/nemesis.h"

static void set_clock(const struct run *run, int i, int seconds)
{
    char path[300], next[310];
    FILE *file;

    snprintf(path, sizeof path, "%s/node%d.clock", run->cluster.folder, i + 1);
    snprintf(next, sizeof next, "%s.new", path);
    file = fopen(next, "we");
    if (file == NULL || fprintf(file, "%+d\n", seconds) < 0 || fclose(file) != 0 ||
        rename(next, path) != 0) {
        perror(path);
    }
}

static void clock_start(struct attack *a)
{
    static const int most[] = {2, 60, 3600, 86400};
    struct chance *chance = &a->run->chance;
    size_t len = (size_t)snprintf(a->what, sizeof a->what, "wall clocks jump:");
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        if (attack_has(a, i)) {
            int limit = most[chance_below(chance, 4)];
            int seconds = (int)chance_below(chance, (unsigned)(2 * limit)) - limit;
            set_clock(a->run, i, seconds);
            len += (size_t)snprintf(a->what + len, sizeof a->what - len, " %d by %+d s", i + 1,
                                    seconds);
        }
    }
}

static void clock_stop(struct attack *a)
{
    int i;

    for (i = 0; i < a->run->cluster.n; i++) {
        set_clock(a->run, i, 0);
    }
}

const struct nemesis nemesis_clock = {"clock", NEMESIS_CLOCK, clock_start, clock_stop};
