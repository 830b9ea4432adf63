/* Amounts: int64 minor units inside, decimal strings outside, no floats anywhere.
 *
 * A decimal is what a client wrote: digits and how many of them stood after the point. Only the
 * state machine knows the currency's scale, so only it turns a decimal into minor units; that
 * way no node judges an amount by a currency that it may not have heard of yet. */
#ifndef FLORIN_MONEY_H
#define FLORIN_MONEY_H

#include <stdbool.h>
#include <stdint.h>

#include "statemachine/bytes.h"

enum { SCALE_MAX = 9, SCALE_DEFAULT = 5 };

/* Longest rendering: sign, 19 digits, point, NUL; also room for SCALE_MAX leading zeros. */
enum { AMOUNT_TEXT_MAX = 32 };

struct decimal {
    int64_t digits;      /* "12.50" is 1250; never negative */
    uint8_t after_point; /* ... and 2; at most SCALE_MAX */
};

/* Parses `12`, `12.5`, `0.00001`: digits, at most one point with digits on both sides; no sign, no
 * exponent, no space, no leading zero before another digit, at most SCALE_MAX digits after the
 * point, and the digits fit an int64. Returns 0, or -1 and leaves *out alone. Pure; any thread. */
int decimal_parse(struct slice text, struct decimal *out);

/* Minor units at `scale`: 0, or -1 when the amount has more digits after the point than the scale
 * (even zeros: "1.000" at scale 2 is refused) or does not fit an int64. Pure; any thread. */
int decimal_to_minor(struct decimal d, uint8_t scale, int64_t *minor);

/* Writes `minor` with exactly `scale` digits after the point ("12.50000"; "12" at scale 0; a minus
 * sign when negative: house accounts go below zero). Ends in NUL; returns the length. */
int money_format(int64_t minor, uint8_t scale, char text[static AMOUNT_TEXT_MAX]);

/* Checked sums: true when the result fits and was written. */
static inline bool money_add(int64_t a, int64_t b, int64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool money_sub(int64_t a, int64_t b, int64_t *difference)
{
    return !__builtin_sub_overflow(a, b, difference);
}

#endif
