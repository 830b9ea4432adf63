/* Bytes that mean nothing, at every port. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/security/attack.h"

enum { NOISE_MAX = 8192, ROUNDS = 12 };

/* The same numbers every time. */
static unsigned next(unsigned *seed)
{
    *seed = *seed * 1103515245U + 12345U;
    return *seed >> 16;
}

/* A TLS record: a ClientHello of this length, made of noise behind its first bytes. */
static size_t client_hello(unsigned char *out, unsigned *seed)
{
    static const unsigned char start[] = {0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3};
    size_t i;

    memcpy(out, start, sizeof start);
    for (i = sizeof start; i < 517; i++) {
        out[i] = (unsigned char)next(seed);
    }
    return 517;
}

static void throw_at(struct attack *a, uint16_t port, const void *data, size_t len, bool hang_up)
{
    int fd = attack_dial(port);

    if (fd < 0) {
        cluster_die(&a->cluster, "port %u takes no connection", port);
    }
    attack_say(fd, data, len);
    if (!hang_up && !attack_hear(fd, NULL)) {
        cluster_die(&a->cluster, "port %u neither answers noise nor hangs up", port);
    }
    close(fd);
    a->refused++;
}

static void at_port(struct attack *a, uint16_t port, unsigned *seed)
{
    unsigned char noise[NOISE_MAX];
    unsigned round;
    size_t i;

    for (round = 0; round < ROUNDS; round++) {
        size_t len = 1 + next(seed) % NOISE_MAX;

        for (i = 0; i < len; i++) {
            noise[i] = (unsigned char)next(seed);
        }
        if (round % 3 == 1) {
            len = client_hello(noise, seed);
        } else if (round % 3 == 2) {
            memcpy(noise, "GET / HTTP/1.1\r\n", len < 16 ? len : 16);
        }
        /* Those that could be a beginning are left hanging: what they cost, the crowd shows. */
        throw_at(a, port, noise, len, round % 3 != 0 || len < 64);
    }
}

void attack_noise(struct attack *a)
{
    unsigned seed = 7;
    int i;

    for (i = 0; i < NODES; i++) {
        at_port(a, a->cluster.nodes[i].http_port, &seed);
        at_port(a, a->cluster.nodes[i].peer_port, &seed);
        at_port(a, a->cluster.nodes[i].https_port, &seed);
    }
    /* HTTP over TLS, where plain HTTP is spoken, gets an answer that a person can read. */
    {
        unsigned char hello[600];
        size_t len = client_hello(hello, &seed);

        memcpy(hello + len, "\r\n\r\n", 4);
        attack_expect_raw(a, 0, 400, NULL, hello, len + 4);
    }
}
