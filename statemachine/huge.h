/* Large pages for large tables that are read at random: with small ones nearly every access first
 * waits for the processor to find the page. */
#ifndef FLORIN_HUGE_H
#define FLORIN_HUGE_H

#include <stddef.h>

/* Asks for them where `len` bytes at `memory`, just allocated and not yet touched, are long enough
 * to hold some. Only a hint: nothing fails, and a kernel without them goes on as before. */
void huge_advise(void *memory, size_t len);

#endif
