/* How a room says what went wrong and what happened, without knowing where it is written.
 *
 * A fault carries one sentence up to whoever can act on it: what happened and what to do.
 * A reporter takes log lines; node/ writes them as logfmt with a clock, tests collect them. */
#ifndef FLORIN_REPORT_H
#define FLORIN_REPORT_H

#include <stdarg.h>
#include <stddef.h>

struct fault {
    char text[512];
};

/* Writes the sentence; returns -1 so that a caller can `return fault_set(...)`. */
int fault_set(struct fault *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum level { LEVEL_DEBUG, LEVEL_INFO, LEVEL_WARN, LEVEL_ERROR };

struct reporter {
    /* `fields` is logfmt after the message: `peer=2 bytes=100`, or "". Any thread may call it. */
    void (*line)(struct reporter *r, enum level level, const char *room, const char *message,
                 const char *fields);
    enum level least; /* lines below are not formatted at all */
};

/* r may be NULL: nothing is said. */
void report(struct reporter *r, enum level level, const char *room, const char *message,
            const char *fields_format, ...) __attribute__((format(printf, 5, 6)));

#endif
