/* Listeners are found by address and port, and no other socket is shut down with them. */
#include <arpa/inet.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/descriptors.h"

static int listener(const char *address, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(inet_pton(AF_INET, address, &at.sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int port_of(int fd)
{
    struct socket_end end;

    assert_true(descriptor_own_end(fd, &end));
    return end.port;
}

static bool listens(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, 0) == 0;
}

static void one_of_two_addresses_is_shut(void **state)
{
    int first = listener("127.0.0.1", 0), port = port_of(first);
    int second = listener("127.0.0.2", port);

    (void)state;
    descriptors_shut_listener("127.0.0.3:0", port);
    descriptors_shut_listener("127.0.0.1:0", port == 1 ? 2 : 1);
    descriptors_shut_listener("[127.0.0.1:0", port); /* no address at all */
    assert_true(listens(first));
    descriptors_shut_listener("127.0.0.1:0", port);
    assert_false(listens(first));
    assert_true(listens(second));
    descriptors_shut_listener("[127.0.0.2]:0", port); /* as an IPv6 one would be written */
    assert_false(listens(second));
    close(first);
    close(second);
}

static void a_port_alone_is_any_address(void **state)
{
    int fd = listener("0.0.0.0", 0), other = listener("127.0.0.1", 0);

    (void)state;
    descriptors_shut_listener("8081", port_of(fd));
    assert_false(listens(fd));
    assert_true(listens(other));
    close(fd);
    close(other);
}

/* Nor a connection that came in at the same address and port. */
static void connections_stay(void **state)
{
    int fd = listener("127.0.0.1", 0), client = socket(AF_INET, SOCK_STREAM, 0), served;
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port_of(fd)),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct socket_end far, own;
    char byte = 0;

    (void)state;
    assert_int_equal(connect(client, (struct sockaddr *)&at, sizeof at), 0);
    served = accept(fd, NULL, NULL);
    assert_true(served >= 0);
    assert_true(descriptor_peer_end(served, &far) && descriptor_own_end(client, &own));
    assert_int_equal(far.port, own.port);
    assert_string_equal(far.address, "127.0.0.1");
    descriptors_shut_listener("127.0.0.1:0", port_of(served));
    assert_false(listens(fd));
    assert_int_equal(write(client, "x", 1), 1);
    assert_int_equal(read(served, &byte, 1), 1);
    close(served);
    close(client);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_of_two_addresses_is_shut),
        cmocka_unit_test(a_port_alone_is_any_address),
        cmocka_unit_test(connections_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
