/* Room for every file and connection that this process may have open at once.
 *
 * The system's usual limit is 1,024. Clients can reach that without any credential, by connecting
 * and saying nothing; then the log could not open its next file, and the node would end. */
#ifndef FLORIN_DESCRIPTORS_H
#define FLORIN_DESCRIPTORS_H

#include <stdint.h>

#include "statemachine/report.h"

/* Raises the limit as far as this process may. 0, or -1 with the fault when that is less than
 * `need`. At start, before other threads. */
int descriptors_reserve(uint64_t need, struct fault *fault);

#endif
