#include "tests/sim/sim.h"

#include <string.h>

/* splitmix64 by Sebastiano Vigna: every seed is good, also 0 and 1. */
uint64_t random_next(struct random *r)
{
    uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t random_below(struct random *r, uint64_t n)
{
    return random_next(r) % n;
}

uint64_t random_between(struct random *r, uint64_t low, uint64_t high)
{
    return low + random_below(r, high - low + 1);
}

bool random_chance(struct random *r, unsigned per_mille)
{
    return random_below(r, 1000) < per_mille;
}

uint64_t mix(uint64_t hash, uint64_t value)
{
    hash ^= value + UINT64_C(0x9e3779b97f4a7c15) + (hash << 6) + (hash >> 2);
    hash *= UINT64_C(0xff51afd7ed558ccd);
    return hash ^ (hash >> 33);
}

uint64_t mix_bytes(uint64_t hash, const void *data, size_t len)
{
    const uint8_t *at = data;
    uint64_t word;

    hash = mix(hash, len);
    while (len >= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = mix(hash, word);
        at += sizeof word;
        len -= sizeof word;
    }
    if (len > 0) {
        word = 0;
        memcpy(&word, at, len);
        hash = mix(hash, word);
    }
    return hash;
}
