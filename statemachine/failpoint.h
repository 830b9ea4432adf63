/* Places where a test may kill the process, compiled in only for that (-DFLORIN_FAILPOINTS): one at
 * every step after which something else is on the disk than before. Production code has none.
 *
 * FAILPOINT("checkpoint: frozen") ends the process with SIGKILL when the environment variable
 * FLORIN_FAILPOINT has that name. The names gather in a section of the program, so that it can list
 * them itself (florind --failpoints) and no test can miss one. Any thread. */
#ifndef FLORIN_FAILPOINT_H
#define FLORIN_FAILPOINT_H

#ifdef FLORIN_FAILPOINTS

struct failpoint {
    char name[64];
};

#define FAILPOINT(text)                                                                            \
    do {                                                                                           \
        static const struct failpoint here __attribute__((section("failpoints"), used)) = {text};  \
        failpoint_reach(&here);                                                                    \
    } while (0)

void failpoint_reach(const struct failpoint *point);

/* The first one after `point` (NULL: of all), or NULL. */
const struct failpoint *failpoint_next(const struct failpoint *point);

#else

#define FAILPOINT(text) ((void)0)

#endif

#endif
