#include "statemachine/money.h"

#include <assert.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int decimal_parse(struct slice text, struct decimal *out)
{
    int64_t digits = 0;
    size_t after_point = 0;
    bool point = false;
    size_t i;

    if (text.len == 0 || !is_digit(text.base[0]) || !is_digit(text.base[text.len - 1])) {
        return -1;
    }
    if (text.base[0] == '0' && text.len > 1 && text.base[1] != '.') {
        return -1;
    }
    for (i = 0; i < text.len; i++) {
        char c = text.base[i];

        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (!is_digit(c) || __builtin_mul_overflow(digits, 10, &digits) ||
            __builtin_add_overflow(digits, c - '0', &digits)) {
            return -1;
        }
        after_point += point ? 1 : 0;
    }
    if (after_point > SCALE_MAX) {
        return -1;
    }
    *out = (struct decimal){digits, (uint8_t)after_point};
    return 0;
}

int decimal_to_minor(struct decimal d, uint8_t scale, int64_t *minor)
{
    int64_t v = d.digits;
    uint8_t i;

    if (v < 0 || d.after_point > scale) {
        return -1;
    }
    for (i = d.after_point; i < scale; i++) {
        if (__builtin_mul_overflow(v, 10, &v)) {
            return -1;
        }
    }
    *minor = v;
    return 0;
}

int money_format(int64_t minor, uint8_t scale, char text[static AMOUNT_TEXT_MAX])
{
    /* Filled from the end. The magnitude is unsigned: -INT64_MIN does not fit an int64. */
    uint64_t magnitude = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    char *end = text + AMOUNT_TEXT_MAX;
    char *at = end;
    int written = 0;

    assert(scale <= SCALE_MAX);
    *--at = '\0';
    do {
        if (scale > 0 && written == scale) {
            *--at = '.';
        }
        *--at = (char)('0' + magnitude % 10);
        magnitude /= 10;
        written++;
    } while (magnitude > 0 || written <= scale);
    if (minor < 0) {
        *--at = '-';
    }
    memmove(text, at, (size_t)(end - at));
    return (int)(end - at) - 1;
}
