#include "api/streams.h"

#include <stdatomic.h>
#include <stdlib.h>

struct streams {
    unsigned most;
    atomic_uint under_way;
    atomic_bool stopping;
};

struct streams *streams_new(unsigned most)
{
    struct streams *s = calloc(1, sizeof *s);

    if (s == NULL) {
        abort(); /* at start, with nothing to lose */
    }
    s->most = most;
    return s;
}

void streams_free(struct streams *s)
{
    free(s);
}

bool streams_enter(struct streams *s)
{
    if (atomic_load(&s->stopping)) {
        return false;
    }
    if (atomic_fetch_add(&s->under_way, 1) >= s->most) {
        atomic_fetch_sub(&s->under_way, 1);
        return false;
    }
    return true;
}

void streams_leave(struct streams *s)
{
    atomic_fetch_sub(&s->under_way, 1);
}

void streams_stop(struct streams *s)
{
    atomic_store(&s->stopping, true);
}

bool streams_stopping(const struct streams *s)
{
    return atomic_load(&s->stopping);
}
