/* How many answers without an end may be under way, and when they must come to one.
 *
 * A stream keeps its worker thread for as long as it lasts, so their number is bounded: the other
 * threads go on serving calls. All lock-free; any thread. */
#ifndef FLORIN_STREAMS_H
#define FLORIN_STREAMS_H

#include <stdbool.h>

struct streams;

struct streams *streams_new(unsigned most);
void streams_free(struct streams *s); /* none may be under way */

/* True: one more is under way, until streams_leave. False: there are as many as there may be, or
 * the node is stopping. */
bool streams_enter(struct streams *s);
void streams_leave(struct streams *s);

/* From now on none begins, and those under way see that they must end. */
void streams_stop(struct streams *s);
bool streams_stopping(const struct streams *s);

#endif
