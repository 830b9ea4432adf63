#include "statemachine/huge.h"

#include <stdint.h>
#include <sys/mman.h>

enum {
    SMALL_BYTES = 4096,   /* madvise takes whole pages */
    WORTH_BYTES = 4 << 20 /* two large pages: below, what they would round up to is too much */
};

void huge_advise(void *memory, size_t len)
{
    uintptr_t from = ((uintptr_t)memory + SMALL_BYTES - 1) & ~(uintptr_t)(SMALL_BYTES - 1);
    uintptr_t to = ((uintptr_t)memory + len) & ~(uintptr_t)(SMALL_BYTES - 1);

    if (len >= WORTH_BYTES) {
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE);
    }
}
