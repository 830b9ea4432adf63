/* What a supervisor hears of a node, over a real notify socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "node/supervisor.h"

struct listener {
    int fd;
    char folder[64];
    struct sockaddr_un address;
};

static int listener_open(void **state)
{
    struct listener *l = calloc(1, sizeof *l);

    snprintf(l->folder, sizeof l->folder, "/tmp/florin-notify-XXXXXX");
    assert_non_null(mkdtemp(l->folder));
    l->address.sun_family = AF_UNIX;
    snprintf(l->address.sun_path, sizeof l->address.sun_path, "%s/notify", l->folder);
    l->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(l->fd, (struct sockaddr *)&l->address, sizeof l->address), 0);
    setenv("NOTIFY_SOCKET", l->address.sun_path, 1);
    unsetenv("WATCHDOG_PID");
    unsetenv("WATCHDOG_USEC");
    *state = l;
    return 0;
}

static int listener_close(void **state)
{
    struct listener *l = *state;

    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    close(l->fd);
    unlink(l->address.sun_path);
    rmdir(l->folder);
    free(l);
    return 0;
}

/* A datagram to a socket of this machine is there when send has returned. */
static const char *heard(struct listener *l, char text[static 256])
{
    ssize_t n = recv(l->fd, text, 255, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void test_says_up_and_stopping(void **state)
{
    struct listener *l = *state;
    char text[256];

    supervisor_up(3, "127.0.0.1:8081");
    assert_string_equal(heard(l, text), "READY=1\nSTATUS=node 3, http 127.0.0.1:8081");
    supervisor_stopping();
    assert_string_equal(heard(l, text), "STOPPING=1");
}

static void test_feeds_the_watchdog_three_times_within_its_time(void **state)
{
    struct listener *l = *state;
    struct supervisor s;
    char text[256];

    setenv("WATCHDOG_USEC", "30000000", 1);
    supervisor_init(&s, 500);
    supervisor_feed(&s, 500);
    assert_string_equal(heard(l, text), "WATCHDOG=1");
    assert_int_equal(supervisor_deadline_ms(&s), 10500);
    supervisor_feed(&s, 10499);
    assert_string_equal(heard(l, text), "");
    supervisor_feed(&s, 10500);
    assert_string_equal(heard(l, text), "WATCHDOG=1");
}

static void test_no_watchdog_wants_nothing(void **state)
{
    struct listener *l = *state;
    struct supervisor s;
    char text[256];

    supervisor_init(&s, 500);
    supervisor_feed(&s, 1000000);
    assert_string_equal(heard(l, text), "");
    assert_true(supervisor_deadline_ms(&s) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_says_up_and_stopping, listener_open, listener_close),
        cmocka_unit_test_setup_teardown(test_feeds_the_watchdog_three_times_within_its_time,
                                        listener_open, listener_close),
        cmocka_unit_test_setup_teardown(test_no_watchdog_wants_nothing, listener_open,
                                        listener_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
