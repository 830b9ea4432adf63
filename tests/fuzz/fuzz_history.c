/* The parser of histories on any bytes, and what comes after it: whatever it takes can be counted,
 * checked against a ledger (the second half of the input, behind a NUL), explained and reported. */
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>

#include "jepsen/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size == 0 ? NULL : memchr(data, 0, size);
    size_t len = end == NULL ? size : (size_t)(end - data);
    struct slice ledger = {end == NULL ? "" : (const char *)end + 1,
                           end == NULL ? 0 : size - len - 1};
    static const char *const names[] = {"a ledger"};
    struct bytes out;
    struct history h;
    struct ledger l;
    struct check c;
    struct stats s;
    struct fault fault = {""};

    if (sodium_init() < 0) {
        abort();
    }
    bytes_init(&out);
    history_init(&h);
    ledger_init(&l);
    check_init(&c);
    if (history_parse(&h, (struct slice){(const char *)data, len}, &fault) != 0) {
        if (fault.text[0] == '\0') {
            abort(); /* a refusal says why */
        }
    } else {
        check_run(&c, &h, &l, &ledger, names, 1);
        stats_count(&s, &h);
        report_render(&c, &s, &out);
    }
    bytes_release(&out);
    check_release(&c);
    ledger_release(&l);
    history_release(&h);
    return 0;
}
