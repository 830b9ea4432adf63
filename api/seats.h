/* The server's threads as seats: who sits on one, and who has to leave when none is free.
 *
 * A thread serves one connection as long as that is open. So whoever opens connections and sends
 * half a request on each, or takes no answer, or nothing at all, would soon sit on every thread.
 *
 * Guarantees: while every seat is taken, those whose clients have kept us waiting the longest are
 * cut, some every SEATS_LOOK_MS; never one that has waited less than SEATS_GRACE_MS, never one
 * whose request is complete and not answered yet, and none whose client has shown a good key on it
 * as long as there are others to cut. So nobody without a key can push out those who have one; and
 * a new client soon finds a seat. While a seat is free, nobody is cut.
 * While all seats are taken, and nobody idles, those are given on after each answer whose clients
 * have shown no key, and where all have, one in SEATS_DOOR: those who wait to be accepted are
 * served in turn, instead of never.
 *
 * How: each worker notes whose turn it is and since when; a thread of our own looks only while all
 * seats are taken. CivetWeb does not tell a connection's descriptor, so it is looked up among the
 * process's by the client's address and port, and then shut down, never closed: the worker finds
 * the stream at its end, and cleans up as it always does. */
#ifndef FLORIN_SEATS_H
#define FLORIN_SEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "api/metrics.h"
#include "statemachine/report.h"

enum { SEATS_LOOK_MS = 20, SEATS_GRACE_MS = 100, SEATS_DOOR = 16 };

enum seat_turn {
    TURN_REQUEST, /* the client's: to send a request */
    TURN_ANSWER,  /* the client's: to take the answer */
    TURN_OURS,
};

struct seats;
struct mg_connection;

/* n seats and the thread that watches over them. Both others are borrowed; the reporter may be
 * NULL. */
struct seats *seats_new(unsigned n, struct metrics *metrics, struct reporter *reporter);

/* Stops the thread. Call it while the connections still exist; seats_take and seats_leave may be
 * called until seats_free. */
void seats_stop(struct seats *s);
void seats_free(struct seats *s);

/* At the end: cuts every connection whose client has not sent a request, so that no worker waits
 * for one. */
void seats_clear(struct seats *s);

/* Gives a worker its seat, which it keeps until it ends; aborts when there is none. */
unsigned seats_assign(struct seats *s);
void seats_resign(struct seats *s, unsigned seat);

/* A connection begins, with its client's turn, and ends (before its descriptor is closed). The
 * worker's thread. */
void seats_take(struct seats *s, unsigned seat, const struct mg_connection *conn);
void seats_leave(struct seats *s, unsigned seat);

/* Whose turn it is from `now_us` on (CLOCK_MONOTONIC). The worker's thread; costs two stores. */
void seats_turn(struct seats *s, unsigned seat, enum seat_turn turn, uint64_t now_us);

/* True when this connection is to end with its answer, because others wait. The worker's thread. */
bool seats_gives_way(const struct seats *s, unsigned seat);

/* The connection's client has shown a good key. The worker's thread. */
void seats_trust(struct seats *s, unsigned seat);

#endif
