/* The amount parser on any bytes. What it takes must come out again: rendered at the scale it was
 * written with, it parses to the same digits; and whatever it is turned into minor units of, at a
 * larger scale, is the same amount times a power of ten. */
#include <stdint.h>
#include <stdlib.h>

#include "statemachine/money.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int64_t power_of_ten(unsigned n)
{
    int64_t v = 1;

    while (n-- > 0) {
        v *= 10;
    }
    return v;
}

static void check_rendering(struct decimal d)
{
    char text[AMOUNT_TEXT_MAX];
    struct decimal again;
    int len = money_format(d.digits, d.after_point, text);

    if (len <= 0 || len >= AMOUNT_TEXT_MAX ||
        decimal_parse((struct slice){text, (size_t)len}, &again) != 0 || again.digits != d.digits ||
        again.after_point != d.after_point) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct decimal d = {-1, 255};
    int64_t minor;
    uint8_t scale;

    if (decimal_parse((struct slice){(const char *)data, size}, &d) != 0) {
        if (d.digits != -1 || d.after_point != 255) {
            abort(); /* a refused amount leaves nothing behind */
        }
        return 0;
    }
    if (d.digits < 0 || d.after_point > SCALE_MAX) {
        abort();
    }
    check_rendering(d);
    for (scale = 0; scale <= SCALE_MAX; scale++) {
        if (decimal_to_minor(d, scale, &minor) == 0 &&
            (scale < d.after_point || minor / power_of_ten(scale - d.after_point) != d.digits ||
             minor % power_of_ten(scale - d.after_point) != 0)) {
            abort();
        }
    }
    return 0;
}
