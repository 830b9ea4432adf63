/* The generator of chance: the same seed, the same numbers, on every machine. */
#ifndef FLORIN_MODEL_RANDOM_H
#define FLORIN_MODEL_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct chance {
    uint64_t state;
};

static inline uint64_t chance_next(struct chance *c) /* splitmix64 */
{
    uint64_t z = c->state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* 0 to n - 1; n > 0. */
static inline unsigned chance_below(struct chance *c, unsigned n)
{
    return (unsigned)((chance_next(c) >> 32) * n >> 32);
}

static inline bool chance_in(struct chance *c, unsigned times, unsigned of)
{
    return chance_below(c, of) < times;
}

#endif
