/* Log lines on standard error, one event a line, in logfmt:
 *   time=2026-01-31T12:00:00.123Z level=info room=consensus msg="the leader has changed" leader=2
 * A line is one write: lines of several threads don't mix. */
#ifndef FLORIN_LOGFMT_H
#define FLORIN_LOGFMT_H

#include "statemachine/report.h"

/* Any thread may use the reporter. */
void logfmt_init(struct reporter *r, enum level least);

/* The last line of a process that can't go on: what happened and what to do. */
void logfmt_fatal(const char *room, const struct fault *fault);

#endif
