/* What the node tells the one that started it (systemd's notify protocol): that it is up, that its
 * loop still turns, that it stops.
 *
 * Guarantees: the watchdog is fed from the loop itself, so a loop that hangs is a node that is
 * restarted; a node that nobody supervises behaves the same and says nothing.
 *
 * Loop thread only. */
#ifndef FLORIN_SUPERVISOR_H
#define FLORIN_SUPERVISOR_H

#include <stdint.h>

struct supervisor {
    uint64_t feed_every_ms; /* 0: no watchdog */
    uint64_t feed_at_ms;
};

/* Reads what the supervisor asked for (NOTIFY_SOCKET, WATCHDOG_USEC), once, at start. */
void supervisor_init(struct supervisor *s, uint64_t now_ms);

/* It listens, and has read what it had on disk. It may not know a leader yet: whether it serves is
 * /readyz's to say, and the first node of a cluster must not be taken for one that does not start.
 */
void supervisor_up(uint64_t node_id, const char *http);

/* Called in every turn of the loop: tells that the loop lives, when that is due. */
void supervisor_feed(struct supervisor *s, uint64_t now_ms);

/* When the loop has to turn again for that; UINT64_MAX: never. */
uint64_t supervisor_deadline_ms(const struct supervisor *s);

void supervisor_stopping(void);

#endif
