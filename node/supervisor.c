#include "node/supervisor.h"

#include <systemd/sd-daemon.h>

/* Fed three times within the time that it may miss: one late turn is no dead loop. */
enum { FEEDS_PER_TIMEOUT = 3 };

void supervisor_init(struct supervisor *s, uint64_t now_ms)
{
    uint64_t timeout_us = 0;

    s->feed_every_ms = 0;
    if (sd_watchdog_enabled(0, &timeout_us) > 0) {
        s->feed_every_ms = timeout_us / 1000 / FEEDS_PER_TIMEOUT;
        s->feed_every_ms += s->feed_every_ms == 0;
    }
    s->feed_at_ms = now_ms;
}

void supervisor_up(uint64_t node_id, const char *http)
{
    sd_notifyf(0, "READY=1\nSTATUS=node %llu, http %s", (unsigned long long)node_id, http);
}

void supervisor_feed(struct supervisor *s, uint64_t now_ms)
{
    if (s->feed_every_ms != 0 && now_ms >= s->feed_at_ms) {
        s->feed_at_ms = now_ms + s->feed_every_ms;
        sd_notify(0, "WATCHDOG=1");
    }
}

uint64_t supervisor_deadline_ms(const struct supervisor *s)
{
    return s->feed_every_ms == 0 ? UINT64_MAX : s->feed_at_ms;
}

void supervisor_stopping(void)
{
    sd_notify(0, "STOPPING=1");
}
