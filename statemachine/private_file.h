/* Files that only their owner may read: keys. Any thread. */
#ifndef FLORIN_PRIVATE_FILE_H
#define FLORIN_PRIVATE_FILE_H

#include "statemachine/report.h"

/* 0 when group and others have no rights to it; -1 with the fault when they have, or when it is not
 * there. */
int private_file_check(const char *path, struct fault *fault);

#endif
