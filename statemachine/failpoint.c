#include "statemachine/failpoint.h"

#ifdef FLORIN_FAILPOINTS

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* The linker's, around the section. */
extern const struct failpoint __start_failpoints[], __stop_failpoints[];

void failpoint_reach(const struct failpoint *point)
{
    const char *name = getenv("FLORIN_FAILPOINT");

    if (name != NULL && strcmp(name, point->name) == 0) {
        raise(SIGKILL);
    }
}

const struct failpoint *failpoint_next(const struct failpoint *point)
{
    point = point == NULL ? __start_failpoints : point + 1;
    return point < __stop_failpoints ? point : NULL;
}

#endif
