/* Writes a run's history: docs/jepsen.md has the format, jepsen/history.h reads it.
 *
 * Any thread. A line's time is taken by the caller, outside the lock: right before a request goes
 * out, right after its answer is there. */
#ifndef FLORIN_RECORDER_H
#define FLORIN_RECORDER_H

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include "statemachine/bytes.h"

struct recorder {
    FILE *file;
    pthread_mutex_t lock;
    uint64_t index;
    uint64_t began_ns;
};

/* 0, or -1 with errno. */
int recorder_open(struct recorder *r, const char *path);
/* 0, or -1 when not all could be written. */
int recorder_close(struct recorder *r);

uint64_t recorder_now_ns(const struct recorder *r);

/* A client's line. `value` is a JSON object, written as EDN; it is borrowed. */
void recorder_line(struct recorder *r, uint64_t time_ns, uint64_t process, const char *type,
                   const char *f, const json_t *value);

/* A line of the nemesis, at this moment; takes over `value`. */
void recorder_event(struct recorder *r, const char *f, json_t *value);

/* JSON as EDN: names become keywords, `_` in them `-`, and so does what is called "type". */
void edn_append(struct bytes *out, const char *name, const json_t *value);

#endif
