#include "node/short_timer.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { US_PER_S = 1000000, NS_PER_US = 1000 };

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct short_timer *t = poll->data;
    uint64_t times;

    (void)status;
    (void)events;
    if (read(t->fd, &times, sizeof times) == sizeof times) {
        t->at_us = 0;
        t->fire(t->context);
    }
}

int short_timer_init(struct short_timer *t, uv_loop_t *loop, void (*fire)(void *context),
                     void *context)
{
    int rv;

    *t = (struct short_timer){.fire = fire, .context = context};
    t->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (t->fd < 0) {
        return uv_translate_sys_error(errno);
    }
    t->poll.data = t;
    if ((rv = uv_poll_init(loop, &t->poll, t->fd)) != 0) {
        close(t->fd);
        return rv;
    }
    if ((rv = uv_poll_start(&t->poll, UV_READABLE, on_ready)) != 0) {
        short_timer_close(t);
    }
    return rv;
}

void short_timer_set(struct short_timer *t, uint64_t at_us)
{
    struct itimerspec spec = {
        .it_value = {(time_t)(at_us / US_PER_S), (long)(at_us % US_PER_S * NS_PER_US)}};

    if (t->at_us != 0 && t->at_us <= at_us) {
        return;
    }
    t->at_us = at_us;
    timerfd_settime(t->fd, TFD_TIMER_ABSTIME, &spec, NULL); /* can't fail: the time is valid */
}

void short_timer_close(struct short_timer *t)
{
    uv_close((uv_handle_t *)&t->poll, NULL);
    close(t->fd);
}
